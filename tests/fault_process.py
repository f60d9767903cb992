"""Processes that do the whole job and are killed: one Python is started and forks a child for each, on demand.

``python fault_process.py`` reads a line of JSON for each wish: ``{"start": {...}}`` answers with the child's process
id, ``{"wait": pid}`` with how it ended. A child says what came of it in the file ``told``.
"""

import datetime as dt
import http.client
import json
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import time_machine
from structlog.contextvars import get_contextvars

from fault_points import JOINTS, TARGET, Death
from fault_world import STREAMS, load, readers
from jianheng.config.schedule import Schedule
from jianheng.contract import Publication, Receipt
from jianheng.errors import JianhengError, RetryError
from jianheng.publish.enqueue import Offer, queue
from jianheng.publish.office import Office
from jianheng.publish.outbox import OpenedTarget, send_due
from jianheng.publish.publication import archive_due, scores
from jianheng.schedule.claims import Terms
from jianheng.schedule.metrics import Metrics
from jianheng.schedule.scheduler import Scheduler
from jianheng.schedule.timetable import plans
from jianheng.schedule.work import Outcome, failed
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy, load_policy
from jianheng.scoring.records.scope import Subject
from jianheng.scoring.run import score_periods
from jianheng.store.engine import now_us, open_engine, store_error, writing
from jianheng.store.leases import me
from jianheng.sync.counts import SourceReport
from jianheng.sync.engine import sync_source
from jianheng.sync.entries import Wanted
from jianheng.sync.fence import LEASE_S
from jianheng.sync.replay import replay_entries
from jianheng.sync.seal import keyring, with_keyring
from mini_pack import write_pack
from schedule_process import DID, say
from upstream import OFFICE

KEYS = keyring(["a key of at least thirty-two characters"])
SUBJECT = Subject(OFFICE, (OFFICE,), tuple(STREAMS))
SENDER = Office(OFFICE, "东屿区院", (OFFICE,), tuple(STREAMS))
YEAR = period("2025")
TARGETS = ("html", "archive")


def law() -> Policy:
    """Load the policy that all score by."""
    with tempfile.TemporaryDirectory() as folder:
        return load_policy(write_pack(Path(folder) / "mini"))


class Job:
    """One office's work on a store, from the upstream's file to the target's port, and where it dies."""

    def __init__(self, told: dict[str, Any], policy: Policy) -> None:
        self.told, self.policy = told, policy
        self.death = Death(**told.get("death", {}))
        self.store = with_keyring(open_engine(told["url"]), KEYS)
        self.death.watch(self.store)
        if "pages" in told:
            sa.event.listen(self.store, "connect", self._little_room)

    def _little_room(self, connection: Any, _entry: Any) -> None:
        """Let the store's file grow to so many pages and no further."""
        connection.execute(f"PRAGMA max_page_count={self.told['pages']}").close()

    def sync(self) -> list[SourceReport]:
        """Read both sources, then try what was set aside once more."""
        reports = []
        for reader in readers(load(Path(self.told["upstream"]))):
            lease_s = self.told.get("lease_s", LEASE_S)
            reports.append(sync_source(self.store, OFFICE, reader, sweep=True, lease_s=lease_s))
            self.death.at(JOINTS[0])
        self.death.at(JOINTS[1])
        replay_entries(self.store, OFFICE, Wanted())
        return reports

    def score(self) -> None:
        """Score the year."""
        self.death.at(JOINTS[2])
        score_periods(self.store, SUBJECT, self.policy, [YEAR])

    def publish(self) -> None:
        """Write into the outbox what every target shall get."""
        self.death.at(JOINTS[3])
        result, made = scores(self.store, SENDER, self.policy, YEAR)
        due = archive_due(self.store, SENDER, self.policy, YEAR)
        offers = [Offer(target, made, result) for target in TARGETS]
        offers += [Offer("archive", due, int(due.as_of.timestamp() * 1_000_000))]
        queue(self.store, OFFICE, offers, now_us())
        self.death.at(JOINTS[4])

    def send(self) -> None:
        """Send what is due.

        Raises:
            JianhengError: something could not be sent.
        """
        for each in send_due(self.store, OFFICE, self._opened, now_us()).failures:
            raise each.error

    def take_note(self) -> None:
        """Write down that a slot was worked on here."""
        with writing(self.store) as connection:
            noted = {"job": "sync", "slot": get_contextvars()["slot"], "holder": me()[-40:]}
            connection.execute(sa.insert(DID).values(noted))

    def whole(self) -> dict[str, Any]:
        """Do all of it once."""
        reports = self.sync()
        states = {each.source: [each.state, each.counts.balanced] for each in reports}
        self.score()
        self.publish()
        self.send()
        return {"sources": states}

    def _opened(self, target: str) -> OpenedTarget:
        def write(publication: Publication) -> Receipt:
            line = http.client.HTTPConnection("127.0.0.1", self.told["port"], timeout=10)
            dies = str(os.getpid()) if self.death.point == TARGET else ""
            try:
                line.request("POST", f"/{target}", b"x", {"Idempotency-Key": publication.id, "Kill": dies})
                status = line.getresponse().status
            except OSError as error:
                raise RetryError("archive-unavailable", path="/", host="h", reason=str(error)) from None
            finally:
                line.close()
            self.death.at(JOINTS[5])
            return Receipt(f"/{target}/{publication.id}", status)

        return OpenedTarget(write, 10.0, lambda: None)


def keep_going(job: Job) -> dict[str, Any]:
    """Run a scheduler whose jobs are the parts of the job, or only take notes, until SIGTERM."""
    told, stop = job.told, threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    schedule = Schedule.model_validate(told["schedule"])
    parts: dict[str, Callable[[], Any]] = {
        "sync": job.take_note if told.get("notes") else job.sync,
        "score": job.score,
        "publish": job.publish,
        "outbox": job.send,
    }

    def outcome(name: str) -> Outcome:
        try:
            found = parts[name]()
        except JianhengError as error:
            return failed(error)
        done = not isinstance(found, list) or all(each.state == "done" for each in found)
        return Outcome(done=done, recovery=None if done else "retry")

    works = {name: lambda name=each.run: outcome(name) for name, each in schedule.jobs.items()}
    terms = Terms(OFFICE, me(), schedule.lease_s, schedule.late_s)
    scheduler = Scheduler(job.store, terms, plans(schedule, None), works, Metrics())
    scheduler.start()
    stop.wait()
    return {"left": scheduler.drain(schedule.drain_s)}


def move_clock(told: dict[str, Any]) -> None:
    """Let this process see another time: ``zone`` and steps ``[after how many seconds, by how many]``, one at once."""
    if "zone" in told:
        os.environ["TZ"] = told["zone"]
        time.tzset()
    if "steps" not in told:
        return
    (_, first), *steps = told["steps"]
    here = time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=first), tick=True).start()

    def step() -> None:
        for after_s, by_s in steps:
            time.sleep(after_s)
            here.shift(dt.timedelta(seconds=by_s))

    threading.Thread(target=step, daemon=True).start()


def child(told: dict[str, Any], policy: Policy) -> int:
    """Do what is wished and tell how it ended."""
    move_clock(told)
    with open(told["log"], "ab") as log:  # noqa: PTH123  # its number is what is wanted
        os.dup2(log.fileno(), 2)
    try:
        job = Job(told, policy)
        ended = keep_going(job) if "schedule" in told else job.whole()
        job.store.dispose()
    except JianhengError as error:
        ended = {"code": error.code, "recovery": error.recovery, "words": str(error)}
    except sa.exc.SQLAlchemyError as error:
        failed_store = store_error(error, "job")
        ended = {"code": failed_store.code, "recovery": failed_store.recovery, "words": str(failed_store)}
    Path(told["told"]).write_text(json.dumps(ended, ensure_ascii=False), encoding="utf-8")
    return 1 if "code" in ended else 0


def main() -> None:
    """Serve wishes until there are no more."""
    policy = law()
    say("ready")
    for line in sys.stdin:
        wish = json.loads(line)
        if "start" in wish:
            process = os.fork()
            if process == 0:
                with suppress(OSError):
                    os.close(0)
                try:
                    code = child(wish["start"], policy)
                except BaseException:  # noqa: BLE001  # whatever it was: a child must not go on as its parent
                    traceback.print_exc()
                    code = 70
                sys.stderr.flush()
                os._exit(code)
            say(str(process))
        else:
            say(str(os.waitstatus_to_exitcode(os.waitpid(wish["wait"], 0)[1])))


if __name__ == "__main__":
    main()
