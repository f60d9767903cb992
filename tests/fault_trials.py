"""Trials: a job is killed, started again and done; then store, outbox and target are what the upstreams say."""

import itertools
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import fault_points
import fault_process
from fault_nursery import AT_RANDOM, PATIENCE_S, Nursery, Tally, eventually, state_of
from fault_world import GONE, World, fits
from jianheng.facts.entities import ENTITIES
from jianheng.schedule import slots
from jianheng.scoring.run import score_periods
from jianheng.store import leases
from jianheng.store.engine import now_us
from jianheng.store.operations import LEASE, OUTBOX
from jianheng.store.tables import CURSOR, OPEN, PUBLICATION, QUARANTINE, RUN
from upstream import OFFICE, broken_chains, versions

SECOND = 1_000_000
SCHEDULE = {
    "lease_s": 2,
    "jobs": {
        "sync": {"run": "sync", "every": "1s"},
        "score": {"run": "score", "after": "sync"},
        "publish": {"run": "publish", "after": "score"},
        "outbox": {"run": "outbox", "every": "1s"},
    },
}


@dataclass
class Trials:
    """A store that lives through trials."""

    store: sa.Engine
    folder: Path
    nursery: Nursery
    service: Any
    chance: random.Random
    tally: Tally = field(default_factory=Tally)
    takes_s: float = 0.5
    clock_moves: bool = False

    def __post_init__(self) -> None:
        self.world = World(self.chance)
        self.world.begin()

    def begin(self) -> None:
        """Do everything for the first time, undisturbed."""
        self.finish()

    def trial(self, point: str = "", passes: int = 1) -> bool:
        """Change the upstreams, kill a job at a point or at random, end the work, compare; return whether it was killed."""
        self.tally.trials += 1
        self.world.change()
        self.world.tell(must=False)
        self.world.save(self.upstream)
        child = self.start(death={"point": point, "left": passes} if point else {})
        if not point:
            time.sleep(self.chance.uniform(0, self.takes_s))
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        ended = self.nursery.wait(child)
        killed = ended == -signal.SIGKILL
        assert killed or ended == 0, self.said()
        self.tally.kills[point or AT_RANDOM] += killed
        self.check_after_death()
        if self.chance.random() < 0.5:
            self.world.go_on()
        self.finish()
        return killed

    def finish(self, **more: Any) -> None:
        """Run the job to its end and compare everything."""
        self.world.tell(must=True)
        self.world.save(self.upstream)
        began = time.monotonic()
        ended = self.nursery.wait(self.start(**more))
        self.takes_s = time.monotonic() - began
        assert ended == 0, self.said()
        assert self.said() == {"sources": {"up": ["done", True], "papers": ["done", True]}}
        self.check()

    def scheduled_trial(self, point: str = "", passes: int = 1, *, by: str = "SIGKILL") -> bool:
        """Change the upstreams while a scheduler works that dies; another one goes on; return whether the first died.

        Stopped instead of killed, it is woken when the other has done everything, and has to end in peace.
        """
        self.tally.trials += 1
        self.world.change()
        self.world.tell(must=False)
        self.world.save(self.upstream)
        death = {"point": point, "left": passes, "by": by} if point else {}
        first = self.start(schedule=SCHEDULE, lease_s=1, death=death)
        second = None
        if self.chance.random() < 0.5:
            eventually(lambda: self._leads(first) or state_of(first) in "ZT", "a leader")
            second = self.start(schedule=SCHEDULE)
        if point:
            point = self._see_end(first, point, by)
        else:
            time.sleep(self.chance.uniform(0.1, 1.5))
            os.kill(first, signal.SIGKILL)
        if by == "SIGKILL":
            self.tally.kills[point or AT_RANDOM] += self.nursery.wait(first) == -signal.SIGKILL
        second = second or self.start(schedule=SCHEDULE)
        if self.chance.random() < 0.5:
            self.world.go_on()
        self.world.tell(must=True)
        self.world.save(self.upstream)
        self._see_done(now_us(), f" after {by} at {point or AT_RANDOM}")
        if by != "SIGKILL":
            self.tally.kills[point] += 1
            os.kill(first, signal.SIGCONT)
            time.sleep(0.5)
            os.kill(first, signal.SIGTERM)
            assert self.nursery.wait(first) == 0, self.said()
        os.kill(second, signal.SIGTERM)
        assert self.nursery.wait(second) == 0, self.said()
        self.check_facts()
        self.finish()  # a turn that was published after the last look may still wait in the outbox
        return True

    def _leads(self, process: int) -> bool:
        with self.store.connect() as connection:
            leader = leases.held(connection, f"schedule:{OFFICE}")
        return leader is not None and f"/{process}/" in leader.holder

    def _see_end(self, process: int, point: str, by: str) -> str:
        """Wait for the end of a process at a point; one that lost the lead before it came there ends here, at random."""
        until = time.monotonic() + PATIENCE_S / 3
        while state_of(process) not in "ZT":
            if time.monotonic() > until:
                os.kill(process, signal.Signals[by])
                return AT_RANDOM
            time.sleep(0.05)
        return point

    def disturbed_trial(self, disturb: Callable[[], object]) -> None:
        """Change the upstreams while two schedulers work and something is done to them or to their store; then compare."""
        self.tally.trials += 1
        self.world.change()
        self.world.tell(must=False)
        self.world.save(self.upstream)
        both = [self.start(schedule=SCHEDULE, lease_s=1) for _ in range(2)]
        time.sleep(self.chance.uniform(0.1, 1.5))
        disturb()
        self.world.go_on()
        self.world.tell(must=True)
        self.world.save(self.upstream)
        self._see_done(now_us())
        for each in both:
            os.kill(each, signal.SIGTERM)
        assert [self.nursery.wait(each) for each in both] == [0, 0], self.said()
        self.check_facts()
        self.finish()

    def full_trial(self, room: int) -> str:
        """Change the upstreams, do the job with room for so many pages more, then with enough; return the first's code."""
        self.tally.trials += 1
        self.world.change()
        self.world.tell(must=False)
        self.world.save(self.upstream)
        with self.store.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        ended = self.nursery.wait(self.start(pages=pages + room))
        said = self.said()
        self.check_after_death()
        self.finish()
        assert ended in (0, 1), said
        return str(said["code"]) if ended else ""

    def _see_done(self, since: int, after: str = "") -> None:
        """Wait until everything that the upstreams hold since a moment has gone the whole way."""
        for job in ("sync", "score", "publish", "outbox"):
            since = eventually(
                lambda job=job, since=since: self._ended(job, since), f"a turn of {job}{after}"
            )

    def _ended(self, job: str, since: int) -> int | None:
        with self.store.connect() as connection:
            found = slots.recent(connection, OFFICE, job)
        return next(
            (each.started_at for each in found if each.state == slots.DONE and each.started_at > since), None
        )

    def check_ledger(self) -> None:
        """What was scored change by change is what scoring everything at once gives."""
        (report,) = score_periods(
            self.store, fault_process.SUBJECT, fault_process.law(), [fault_process.YEAR], full=True
        )
        assert (report.added, report.closed) == (0, 0)
        assert report.kept > 0

    def check_slots(self) -> None:
        """Each turn was begun once at a time and ended once; those passed over were counted."""
        with self.store.connect() as connection:
            rows = list(reversed(slots.recent(connection, OFFICE, limit=100_000)))
        for each in rows:
            ends = Counter(one["state"] for one in each.detail.get("attempts", ()))
            assert ends[slots.DONE] == (each.state == slots.DONE), each
            assert each.state in (slots.BASELINE, slots.DONE, slots.LOST, slots.MISSED, slots.FAILED), each
            if each.state == slots.FAILED:
                assert each.detail["why"] in ("tries", "overtaken"), each
        for job in ("sync", "outbox"):
            mine = [each for each in rows if each.job == job]
            for before, after in itertools.pairwise(mine):
                between = (after.slot_at - before.slot_at) // SECOND - 1
                assert after.detail.get("missed", 0) == between, (before, after)

    def said(self) -> Any:
        """Return what the last child said of its end."""
        return json.loads((self.folder / "told.json").read_text(encoding="utf-8"))

    @property
    def upstream(self) -> Path:
        """The file that the upstreams are in."""
        return self.folder / "world.json"

    def told(self) -> dict[str, Any]:
        """Return what every child is told."""
        return {
            "url": self.store.url.render_as_string(hide_password=False),
            "upstream": str(self.upstream),
            "port": self.service.server_port,
            "told": str(self.folder / "told.json"),
            "log": str(self.folder / "log.txt"),
        }

    def start(self, **more: Any) -> int:
        """Start a child on the store as it is; return its process id."""
        (self.folder / "told.json").write_text('"killed"', encoding="utf-8")
        return self.nursery.start(**self.told(), **more)

    def check_after_death(self) -> None:
        """What a dead process left behind is whole, though there may be too little of it."""
        for stream in self.world.tables:
            assert broken_chains(self.store, stream) == []
        held = self._in_quarantine()
        with self.store.connect() as connection:
            rows = connection.execute(sa.select(CURSOR.c.stream, CURSOR.c.cursor)).fetchall()
        for stream, envelope in rows:
            reached = int(json.loads(envelope)["cursor"])
            known = self._histories(stream)
            for key, (stamp, _) in self.world.tables[stream].items():
                if stamp >= reached or (stream, key) in self.world.late:
                    continue
                told = self.world.log.get((stream, key), [])
                assert (stream, key) in held or known.get(key, [""])[-1] == told[-1][0], (stream, key)

    def check(self) -> None:
        """Everything is as the upstreams say: nothing lost, nothing doubled, the history exact, the books balanced."""
        self.check_facts()
        self._check_runs()
        self._check_outbox()

    def check_facts(self) -> None:
        """Facts, quarantine and leases are as the upstreams say."""
        for stream in self.world.tables:
            self._check_stream(stream)
        wrong = {(stream, key) for stream in self.world.tables for key in self.world.bad(stream)}
        held = self._in_quarantine()
        assert wrong <= held, wrong - held
        assert {(stream, key) for stream, key in held - wrong if key in self.world.tables[stream]} == set()
        with self.store.connect() as connection:
            names = list(connection.scalars(sa.select(LEASE.c.name)))
            left = [each for name in names if (each := leases.held(connection, name)) is not None]
        assert left == [], left  # that of somebody who died holds nobody up

    def _check_stream(self, stream: str) -> None:
        assert broken_chains(self.store, stream) == []
        histories = self._histories(stream)
        known = {key: history[-1] for key, history in histories.items() if history[-1] != GONE}
        wanted = self.world.expected(stream)
        self.tally.lost += sum(known.get(key) != token for key, token in wanted.items())
        self.tally.doubled += len(known.keys() - wanted.keys())
        assert known == wanted
        for key, history in histories.items():
            twice = sum(before == after for before, after in itertools.pairwise(history))
            self.tally.doubled += twice
            assert twice == 0, (stream, key, history)
            assert fits(history, self.world.log[stream, key]), (stream, key, history)

    def _histories(self, stream: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        name = ENTITIES[stream].key.name
        for row in versions(self.store, stream):
            found.setdefault(row[name], []).append(GONE if row["deleted"] else row["content_hash"])
            assert row["recorded_to"] == OPEN or row["recorded_to"] > row["recorded_from"]
        return found

    def _in_quarantine(self) -> set[tuple[str, str]]:
        opened = sa.select(QUARANTINE.c.stream, QUARANTINE.c.record_key).where(QUARANTINE.c.status == "open")
        with self.store.connect() as connection:
            found = [(stream, key) for stream, key in connection.execute(opened)]
        self.tally.doubled += len(found) - len(set(found))
        assert len(found) == len(set(found))
        return set(found)

    def _check_runs(self) -> None:
        with self.store.connect() as connection:
            runs = connection.execute(sa.select(RUN)).fetchall()
        for run in runs:
            detail = json.loads(run.detail)
            assert run.state in ({"done", "part", "broken"} if run.kind == "sync" else {"done"}), run
            assert run.finished_at >= run.started_at or self.clock_moves
            if run.state == "broken":
                why = [each["code"] for each in detail.get("problems", ())]
                assert detail in ({"abandoned": True}, {"lease_lost": True}) or why, run
            elif run.kind == "sync":
                for counts in detail["streams"]:
                    ended = ("inserted", "changed", "deleted", "unchanged", "duplicate", "quarantined")
                    assert counts["emitted"] == sum(counts[name] for name in ended), run

    def _check_outbox(self) -> None:
        """Every entry has left or was replaced; the target has each of its keys once, and no other."""
        with self.store.connect() as connection:
            entries = connection.execute(sa.select(OUTBOX)).fetchall()
            receipts = Counter(
                (f"/{row.target}", row.publication_id) for row in connection.execute(sa.select(PUBLICATION))
            )
        assert {each.state for each in entries} <= {"sent", "superseded"}
        sent = Counter((f"/{each.target}", each.idempotency_key) for each in entries if each.state == "sent")
        taken: Counter[tuple[str, str]] = Counter(dict.fromkeys(self.service.asked, 1))
        maybe = {(f"/{each.target}", each.idempotency_key) for each in entries if each.state == "superseded"}
        assert set(taken) - maybe <= set(sent)
        self.tally.lost += len(sent - taken)
        assert sent - taken == Counter()
        # What was asked for again was asked for under its key, and only because somebody had died meanwhile.
        again = sum(self.service.asked.values()) - len(self.service.asked)
        self.tally.doubled += max(again - self.tally.trials, 0)
        assert again <= self.tally.trials
        assert receipts == sent
        newest: dict[tuple[str, str], Any] = {}
        for each in entries:
            newest[each.target, each.kind] = each
        assert {each.state for each in newest.values()} == {"sent"}
        assert all(each.office == OFFICE for each in entries)


def points_in_turn(chance: random.Random, points: tuple[str, ...] = fault_points.JOB) -> Iterator[str]:
    """Yield points, each as often as the others, and as often none: at random."""
    while True:
        some = [*points, *[""] * len(points)]
        chance.shuffle(some)
        yield from some
