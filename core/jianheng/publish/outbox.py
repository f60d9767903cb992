"""Out of the outbox: what is due is sent, one sender at a target, and what became of it is kept.

A crash after the target has written and before that is recorded sends the entry again, under the same name:
the target's own promise, once by name, makes it one.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from jianheng.contract import Publication, Receipt
from jianheng.errors import JianhengError, RetryError, problem
from jianheng.publish.content import unpacked
from jianheng.publish.enqueue import LISTED, ended, same_subject, told
from jianheng.store import leases
from jianheng.store.engine import now_us, store_error, told_time, writing_latest
from jianheng.store.operations import OUTBOX
from jianheng.store.tables import PUBLICATION

FIRST_WAIT_S = 60
LONGEST_WAIT_S = 3600
LONGEST_ASKED_S = 86_400
"""A service that asks for a longer rest than a day is asked again after a day."""
_OPENING_S = 900.0
MARGIN_S = 60.0
"""How long a target is held while what became of an entry is written."""
_SECOND = 1_000_000
_HANGING = ("adapter-timeout", "adapter-poisoned")
"""Stops for whoever waits for an answer; for what can be sent later, the other side is slow."""


@dataclass(frozen=True, slots=True)
class OpenedTarget:
    """A target ready to be written.

    Attributes:
        write: hands it one publication.
        longest_s: after so many seconds ``write`` has come back, with or without a receipt.
        close: lets it go.
    """

    write: Callable[[Publication], Receipt]
    longest_s: float
    close: Callable[[], None]


OpenTarget = Callable[[str], OpenedTarget]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A publication that a target has, or shall not have: ``dropped`` tells that somebody decided so."""

    target: str
    kind: str
    period: str
    receipt: Receipt
    written: bool
    dropped: bool = False
    outbox_id: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An entry that could not be sent; ``outbox_id`` is None where the target itself was busy or did not open."""

    target: str
    error: JianhengError
    outbox_id: int | None = None


@dataclass(slots=True)
class SendReport:
    """What a round of sending did."""

    deliveries: list[Delivery] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def as_json(self) -> dict[str, int]:
        """Return the counts."""
        return {"sent": len(self.deliveries), "failed": len(self.failures)}


def send_due(
    store: sa.Engine,
    office: str,
    open_target: OpenTarget,
    now: int,
    *,
    only: Collection[int] | None = None,
    progress: Callable[[str], None] = lambda _target: None,
) -> SendReport:
    """Send what is due, oldest first, target by target; one target that fails keeps none of the others.

    What fails for now waits, at first a minute, then twice as long each time, at most an hour, or as long as the
    target asks, and until then nothing at all is sent to that target. What fails for good stops until somebody
    says ``retry``. A target that fails for now is left alone for the rest of the round.

    Args:
        store: where the outbox is.
        office: whose.
        open_target: makes a target of the deployment; raises what is wrong with it.
        now: microseconds since 1970.
        only: these entries, due or not; that a target wants to be left alone is told as a failure then.
        progress: told of each target that was looked at.
    """
    report, read = SendReport(), lru_cache(maxsize=1)(unpacked)  # often the same for every target
    wanted = _due(office, now, only)
    with store.connect() as connection:
        targets = list(connection.scalars(sa.select(OUTBOX.c.target).where(*wanted).distinct()))
    for target in sorted(targets):
        try:
            with holding(store, office, target) as lease:
                rest_until = _rest(store, lease, office, target, now, wanted)
                if rest_until and only is None:
                    continue
                if rest_until:
                    until = told_time(rest_until)
                    raise RetryError(
                        "outbox-resting", after_s=(rest_until - now) / _SECOND, target=target, until=until
                    )
                _send_to(store, lease, target, wanted, open_target, read, now, report)
        except JianhengError as error:
            report.failures.append(Failure(target, error))
        except SQLAlchemyError as error:
            report.failures.append(Failure(target, store_error(error, "outbox")))
        progress(target)
    return report


@contextmanager
def holding(store: sa.Engine, office: str, target: str) -> Iterator[leases.Lease]:
    """Hold the right to send to a target.

    Raises:
        RetryError: ``outbox-busy``: another process is sending to it.
    """
    with writing_latest(store) as connection:
        taken = leases.take(connection, f"outbox:{office}:{target}", leases.me(), _OPENING_S)
    if isinstance(taken, leases.Held):
        raise RetryError(
            "outbox-busy", target=target, holder=leases.shown(taken.holder), since=told_time(taken.since)
        )
    try:
        yield taken
    finally:
        leases.give_back(store, taken)


def backoff_us(target: str, key: str, attempts: int) -> int:
    """Return how long an entry waits after so many failed attempts, in microseconds.

    Up to a quarter is added by the entry's name: what failed together does not come back together.
    """
    longest = min(FIRST_WAIT_S << min(attempts - 1, 16), LONGEST_WAIT_S) * _SECOND
    drawn = hashlib.sha256(f"{target} {key} {attempts}".encode()).digest()
    return longest + longest * int.from_bytes(drawn[:4]) // (4 << 32)


def _due(office: str, now: int, only: Collection[int] | None) -> tuple[sa.ColumnElement[bool], ...]:
    """What is ``sending`` though nobody holds its target was left by a sender that died."""
    mine = (OUTBOX.c.office == office, OUTBOX.c.state.in_(("waiting", "sending")))
    return (*mine, OUTBOX.c.next_at <= now) if only is None else (*mine, OUTBOX.c.outbox_id.in_(only))


def _rest(
    store: sa.Engine,
    lease: leases.Lease,
    office: str,
    target: str,
    now: int,
    wanted: Sequence[sa.ColumnElement[bool]],
) -> int:
    """Return until when a target wants to be left alone, 0 where it does not; let what is wanted wait for that."""
    mine = (OUTBOX.c.office == office, OUTBOX.c.target == target)
    with store.connect() as connection:
        until = connection.scalar(sa.select(sa.func.max(OUTBOX.c.rest_until)).where(*mine)) or 0
    if until <= now:
        return 0
    with leases.fenced(store, lease, MARGIN_S) as connection:
        waits = sa.update(OUTBOX).where(*wanted, *mine, OUTBOX.c.next_at < until)
        connection.execute(waits.values(next_at=until))
    return int(until)


def _send_to(
    store: sa.Engine,
    lease: leases.Lease,
    target: str,
    wanted: Sequence[sa.ColumnElement[bool]],
    open_target: OpenTarget,
    read: Callable[[bytes], Publication],
    now: int,
    report: SendReport,
) -> None:
    with store.connect() as connection:
        due = sa.select(*LISTED).where(*wanted, OUTBOX.c.target == target).order_by(OUTBOX.c.outbox_id)
        entries = connection.execute(due).fetchall()
    try:
        opened = open_target(target)
    except JianhengError as error:
        # Nobody was asked anything, but none of them can leave: all say why.
        for entry in entries:
            _keep_failure(store, lease, entry, error, now, attempts=entry.attempts + 1)
        report.failures.append(Failure(target, error))
        return
    try:
        for entry in entries:
            failure = _send_one(store, lease, opened, entry, read, now, report)
            if failure is not None:
                report.failures.append(Failure(target, failure, int(entry.outbox_id)))
                if _is_passing(failure):
                    return
    finally:
        opened.close()


def _send_one(
    store: sa.Engine,
    lease: leases.Lease,
    opened: OpenedTarget,
    entry: sa.Row[Any],
    read: Callable[[bytes], Publication],
    now: int,
    report: SendReport,
) -> JianhengError | None:
    """Send one entry and keep what became of it; return why it was not sent."""
    payload = _claim(store, lease, entry, opened.longest_s + MARGIN_S)
    if payload is None:  # superseded or dropped since it was listed
        return None
    try:
        publication = read(payload)
        receipt = opened.write(publication)
    except JianhengError as error:
        _keep_failure(store, lease, entry, error, now, attempts=entry.attempts + 1)
        return error
    _keep_receipt(store, lease, entry, publication, receipt)
    report.deliveries.append(
        Delivery(
            entry.target,
            entry.kind,
            publication.period,
            receipt,
            written=True,
            outbox_id=int(entry.outbox_id),
        )
    )
    return None


def _claim(store: sa.Engine, lease: leases.Lease, entry: sa.Row[Any], seconds: float) -> bytes | None:
    """Mark an entry as being sent and return its payload; None when it is not to be sent any more.

    Raises:
        LeaseLostError: another process has taken over the target.
    """
    with leases.fenced(store, lease, seconds) as connection:
        mine = (OUTBOX.c.outbox_id == entry.outbox_id, OUTBOX.c.state.in_(("waiting", "sending")))
        claimed = sa.update(OUTBOX).where(*mine).values(state="sending", attempts=entry.attempts + 1)
        if connection.execute(claimed).rowcount != 1:
            return None
        payload = connection.scalar(sa.select(OUTBOX.c.payload).where(OUTBOX.c.outbox_id == entry.outbox_id))
        return bytes(payload or b"")


def _keep_receipt(
    store: sa.Engine, lease: leases.Lease, entry: sa.Row[Any], publication: Publication, receipt: Receipt
) -> None:
    at = now_us()
    where = (PUBLICATION.c.publication_id == publication.id, PUBLICATION.c.target == entry.target)
    with leases.fenced(store, lease, MARGIN_S) as connection:
        connection.execute(
            sa.update(OUTBOX).where(OUTBOX.c.outbox_id == entry.outbox_id).values(ended("sent", at))
        )
        connection.execute(sa.delete(PUBLICATION).where(*where))
        connection.execute(
            sa.insert(PUBLICATION).values(
                publication_id=publication.id,
                target=entry.target,
                office=publication.office,
                kind=publication.kind,
                policy=publication.policy,
                period=publication.period,
                location=receipt.location,
                records=receipt.records,
                published_at=at,
                run_id=entry.run_id,
            )
        )


def _keep_failure(
    store: sa.Engine,
    lease: leases.Lease,
    entry: sa.Row[Any],
    error: JianhengError,
    now: int,
    *,
    attempts: int,
) -> None:
    """Let an entry wait or stop, with the reason; where a newer one stands behind it, it need not leave at all."""
    asked = round(min(getattr(error, "after_s", None) or 0, LONGEST_ASKED_S) * _SECOND)
    wait = max(backoff_us(entry.target, entry.idempotency_key, attempts), asked)
    with leases.fenced(store, lease, MARGIN_S) as connection:
        newer = connection.scalar(
            sa.select(OUTBOX.c.idempotency_key)
            .where(
                *same_subject(entry), OUTBOX.c.outbox_id > entry.outbox_id, OUTBOX.c.result >= entry.result
            )
            .limit(1)
        )
        values: dict[str, Any] = {
            "state": "waiting" if _is_passing(error) else "stopped",
            "attempts": attempts,
            "next_at": now + wait,
            "problems": told(error.problems),
        }
        if newer is not None:
            values = ended("superseded", now, problem("outbox-superseded", key=newer[:12]), *error.problems)
        values["rest_until"] = now + asked if asked else 0
        connection.execute(
            sa.update(OUTBOX)
            .where(OUTBOX.c.outbox_id == entry.outbox_id, OUTBOX.c.state.in_(("waiting", "sending")))
            .values(values)
        )


def _is_passing(error: JianhengError) -> bool:
    return error.recovery == "retry" or error.code in _HANGING
