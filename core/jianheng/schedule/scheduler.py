"""The scheduler: one process of several on a store leads, begins what is due, and shows by its beat that it lives.

It beats by a clock that nobody can set: where the wall clock goes back an hour, no lease may run out for want of a
beat. APScheduler wakes it in time and gives it threads; what is due, and whose it is, is decided by the slots and
leases in the store. A job that fails is an entry in the history, never the end of the scheduler.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import sqlalchemy as sa
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError
from structlog.contextvars import bound_contextvars
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from jianheng.errors import JianhengError
from jianheng.facts.time import SHANGHAI
from jianheng.logs import get_log
from jianheng.messages import language, set_language
from jianheng.schedule import slots
from jianheng.schedule.claims import Claim, Terms, claim, finish, give_up
from jianheng.schedule.metrics import Metrics
from jianheng.schedule.timetable import Plan, Wake, chains
from jianheng.schedule.turn import moment_of
from jianheng.schedule.work import Outcome, Work, attempt
from jianheng.store.engine import now_us, store_error, writing_latest
from jianheng.store.leases import Lease, database_now_us, release, renew, shown, take

BEATS = 4
"""Signs of life in the time of one lease."""
LOOK_S = 10.0
"""How long a stop waits for a look at the store that is under way."""
TELLING = "notices"
"""The name under which telling is named among what did not end."""
SKEW_S = 30.0
"""A clock that differs from the database's by more is worth a warning: jobs run at its times."""


class Scheduler:
    """One scheduler process. Of several on a store the one that holds the lease of leadership begins slots."""

    def __init__(
        self,
        store: sa.Engine,
        terms: Terms,
        plans: Sequence[Plan],
        works: Mapping[str, Work],
        metrics: Metrics,
        clock: Callable[[], int] = now_us,
        tell: Work = lambda: Outcome(done=True),
    ) -> None:
        """Make a scheduler; it begins with :meth:`start`.

        Args:
            store: where slots and leases are.
            terms: on what terms slots begin.
            plans: the jobs.
            works: what each does, by its name.
            metrics: the numbers of this process.
            clock: microseconds since 1970.
            tell: called after every job, for those who want to hear what happened.
        """
        self._tell = tell
        self._store, self._terms, self._clock, self._metrics = store, terms, clock, metrics
        self._plans, self._chains = plans, chains(plans)
        self._works = works
        self._leader: Lease | None = None
        self._claims: dict[str, Claim] = {}
        self._ending: set[str] = set()
        self._lock, self._leading = threading.Lock(), threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._quiet, self._tell_waits = threading.Event(), False
        self._quiet.set()
        self._draining = False
        self._last_beat = 0.0
        self._language = language()
        self._log = get_log("jianheng.schedule", office=terms.office, holder=shown(terms.holder))
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._beats = threading.Thread(target=self._keep_beating, name="beats", daemon=True)
        # What it says of a job that comes late or again we tell ourselves.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._scheduler = BackgroundScheduler(
            timezone=SHANGHAI,
            executors={
                "wake": ThreadPoolExecutor(1),
                "work": ThreadPoolExecutor(max(len(plans), 1)),
                "tell": ThreadPoolExecutor(1),
            },
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )

    @property
    def beat_s(self) -> float:
        """Seconds between two signs of life."""
        return self._terms.lease_s / BEATS

    @property
    def leads(self) -> bool:
        """Whether this process begins slots."""
        return self._leader is not None

    def running(self) -> list[str]:
        """Return the jobs that run in this process."""
        with self._lock:
            return sorted(each.plan.name for each in self._claims.values())

    def is_well(self) -> bool:
        """Return whether the last look at the store is not longer ago than a lease lasts."""
        return time.monotonic() - self._last_beat < self._terms.lease_s

    def start(self) -> None:
        """Begin to beat; the first look at what is due is now."""
        add = self._scheduler.add_job
        for plan in self._plans:
            if plan.trigger is not None:
                add(self._wake.set, Wake(plan, self._terms.office), executor="wake", id=f"job:{plan.name}")
        self._scheduler.start()
        self._beats.start()

    def _keep_beating(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            try:
                self.beat()
            except Exception as error:  # noqa: BLE001  # a scheduler that does not beat any more would be dead
                self._log.warning("internal error", reference=secrets.token_hex(4), exc_info=error)
            self._wake.wait(self.beat_s)

    def beat(self) -> None:
        """Show that we live, lead if nobody else does, and begin what is due."""
        try:
            with self._leading:
                self._lead()
            self._renew()
            self._last_beat = time.monotonic()
        except (JianhengError, SQLAlchemyError) as error:
            told = error if isinstance(error, JianhengError) else store_error(error, "schedule")
            self._log.warning("beat failed", code=told.code, told=told.problem.message().what)
            self._metrics.beat(leads=self.leads, well=False)
            return
        self._metrics.beat(leads=self.leads, well=True)
        self._look()

    def _look(self) -> None:
        for first in self._chains:
            self._look_at(first)

    def _lead(self) -> None:
        with writing_latest(self._store) as connection:
            skew = (self._clock() - database_now_us(connection)) / 1_000_000
            if self._leader is not None and not renew(connection, self._leader, self._terms.lease_s):
                self._log.warning("leadership lost")
                self._leader = None
            if self._leader is None and not self._draining:
                name = f"schedule:{self._terms.office}"
                taken = take(connection, name, self._terms.holder, self._terms.lease_s)
                self._leader = taken if isinstance(taken, Lease) else None
                if self._leader is not None:
                    self._log.info("leads", epoch=self._leader.epoch)
        self._metrics.skew(skew)
        if abs(skew) > SKEW_S:
            self._log.warning("clock differs from the database's", seconds=round(skew, 1))

    def _renew(self) -> None:
        with self._lock:
            claims = list(self._claims.values())
        for each in claims:
            with writing_latest(self._store) as connection:
                ours = renew(connection, each.lease, self._terms.lease_s)
                first = each.plan.first  # whose job has ended has given the lease back itself
                if not ours and self._claims.get(first) is each and first not in self._ending:
                    self._log.warning("slot lost", job=each.plan.name, slot=_shown(each))

    def _look_at(self, first: str) -> None:
        """Begin what is due of one chain; what goes wrong here keeps none of the others."""
        with self._lock:
            busy = first in self._claims
        if self._leader is None or self._draining or busy:
            return
        try:
            claimed = claim(self._store, self._terms, self._chains[first], self._leader, self._clock())
        except JianhengError as error:
            self._log.debug("look failed", chain=first, code=error.code)
            return
        except Exception as error:  # noqa: BLE001  # a job that cannot be looked at must not stop the others
            self._log.warning("internal error", chain=first, reference=secrets.token_hex(4), exc_info=error)
            return
        if claimed is not None:
            with self._lock:
                self._claims[first] = claimed
                self._idle.clear()
            # Without a name of its own: the run before may be about to return, and of one name the library runs one.
            self._scheduler.add_job(self._run, args=[claimed], executor="work")

    def _run(self, claimed: Claim) -> None:
        set_language(self._language)
        name, began = claimed.plan.name, time.monotonic()
        with bound_contextvars(office=self._terms.office, job=name, slot=_shown(claimed)):
            self._log.info("job begins", tries=claimed.slot.tries)
            outcome = attempt(self._works[name], secrets.token_hex(4))
            self._end(claimed, outcome, time.monotonic() - began)
        self._tell_later()
        self._wake.set()

    def _tell_later(self) -> None:
        """Tell what happened on a thread of its own: a gateway that hangs must keep no job waiting."""
        with self._lock:
            if self._tell_waits or self._draining:
                return
            self._tell_waits = True
            self._quiet.clear()
        self._scheduler.add_job(self._tell_now, executor="tell")

    def _tell_now(self) -> None:
        set_language(self._language)
        with self._lock:
            self._tell_waits = False
        told = attempt(self._tell, secrets.token_hex(4))
        if not told.done:  # what was not told is told after the next job
            self._log.warning("not told", problems=[each.code for each in told.problems])
        with self._lock:
            if not self._tell_waits:
                self._quiet.set()

    def _end(self, claimed: Claim, outcome: Outcome, seconds: float) -> None:
        name = claimed.plan.name
        self._ending.add(claimed.plan.first)
        state = None
        patience = stop_after_delay(2 * self._terms.lease_s)
        try:
            for again in Retrying(
                retry=retry_if_exception_type(SQLAlchemyError),
                stop=patience,
                wait=wait_random_exponential(0.05, self.beat_s),
                reraise=True,
            ):
                with again:
                    state = finish(self._store, self._terms.office, claimed, outcome, self._clock())
        except (
            SQLAlchemyError
        ) as error:  # the slot stays open until its lease ends and is caught up by its rule
            told = store_error(error, f"schedule {name}").problem.message()
            self._log.warning("end not written", told=told.what)
        finally:
            with self._lock:
                self._claims.pop(claimed.plan.first, None)
                self._ending.discard(claimed.plan.first)
                if not self._claims:
                    self._idle.set()
        self._metrics.ended(name, state or slots.LOST, seconds)
        codes = [each.code for each in outcome.problems]
        log = self._log.info if outcome.done else self._log.warning
        log(
            "job ends",
            state=state or slots.LOST,
            seconds=round(seconds, 3),
            problems=codes,
            counts=dict(outcome.counts),
        )

    def drain(self, limit_s: float, hurry: threading.Event | None = None) -> list[str]:
        """Begin nothing more, let what runs end, and stop; return the jobs that had to be released unended.

        Telling that hangs is named among them: what it did not tell stays in the outbox.

        Args:
            limit_s: how long to wait for what runs.
            hurry: set to stop waiting.
        """
        self._draining = True
        waited = self._leading.acquire(timeout=LOOK_S)  # a beat that hangs must not keep us
        leader, self._leader = self._leader, None
        if waited:
            self._leading.release()
        if leader is not None:
            self._quietly(partial(self._give_back, leader))
        deadline = time.monotonic() + limit_s
        while not (self._idle.wait(0.05) and self._quiet.wait(0.05)) and time.monotonic() < deadline:
            if hurry is not None and hurry.is_set():
                break
        with self._lock:
            left = list(self._claims.values())
        for each in left:
            self._log.warning("job released", job=each.plan.name, slot=_shown(each))
            self._quietly(partial(give_up, self._store, self._terms.office, each))
        self._stopped.set()
        self._wake.set()
        if self._beats.is_alive():
            self._beats.join(LOOK_S)
        self._scheduler.shutdown(wait=False)
        untold = [] if self._quiet.is_set() else [TELLING]
        return sorted(each.plan.name for each in left) + untold

    def _give_back(self, leader: Lease) -> None:
        with writing_latest(self._store) as connection:
            release(connection, leader)

    def _quietly(self, end: Callable[[], object]) -> None:
        """What cannot be given back because the store is away ends by itself with its lease."""
        try:
            end()
        except SQLAlchemyError as error:
            self._log.warning("not given back", told=store_error(error, "schedule").problem.message().what)


def _shown(claimed: Claim) -> str:
    return moment_of(claimed.slot.slot_at).astimezone(SHANGHAI).isoformat()
