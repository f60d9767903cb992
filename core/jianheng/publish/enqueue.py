"""Into the outbox: what is to leave, in the transaction of the run that made it, newest only, once for each target."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from jianheng.contract import Publication, Receipt
from jianheng.errors import Problem, problem
from jianheng.logs import redact_value
from jianheng.publish.content import packed
from jianheng.store.engine import writing_latest
from jianheng.store.operations import LEASE, OUTBOX
from jianheng.store.runs import begin_run, end_run
from jianheng.store.tables import PUBLICATION

State = Literal["waiting", "sending", "sent", "stopped", "superseded", "dropped"]
OPEN_STATES: tuple[State, ...] = ("waiting", "sending", "stopped")
"""What has not ended: it will be sent, or somebody must look at it."""

LISTED = [column for column in OUTBOX.c if column.name != "payload"]
"""Every column but the payload, which may be megabytes."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A publication for a target. Of two of one kind and subject the one with the higher ``result`` is newer."""

    target: str
    publication: Publication
    result: int


@dataclass(frozen=True, slots=True)
class Queued:
    """What became of an offer.

    ``due``: it waits in the outbox, as ``outbox_id``. ``held``: the target has it, see ``receipt``. ``dropped``:
    somebody decided that it shall not be sent. ``overtaken``: a newer result is in the outbox.
    """

    offer: Offer
    state: Literal["due", "held", "dropped", "overtaken"]
    outbox_id: int | None = None
    receipt: Receipt | None = None


def subject_of(publication: Publication) -> str:
    """Return what a later publication replaces: the policy's one for the period, or its list of all that is due.

    Nothing replaces a notice: each has a subject of its own.
    """
    if publication.notice is not None:
        return publication.notice.key + ("/over" if publication.notice.over else "")
    whole = publication.kind == "archive-due"  # whatever period it was made with
    return publication.policy if whole else f"{publication.policy} {publication.period}"


def queue(
    store: sa.Engine, office: str, offers: Sequence[Offer], now: int, *, again: bool = False
) -> list[Queued]:
    """Write offers into the outbox, with the run that made them, in one transaction.

    What a target has already is not queued again, unless asked for; what still waits from an earlier result
    of the same subject is superseded.

    Args:
        store: where the outbox is.
        office: whose.
        offers: what for whom.
        now: microseconds since 1970; what is queued is due at once.
        again: also what the target has, and what somebody dropped.
    """
    payloads = {each.publication.id: packed(each.publication) for each in offers}
    with writing_latest(store) as connection:
        # Two that publish at once see each other's entries: the older result must not be queued over the newer.
        _take_turn(connection, office)
        titles = dict.fromkeys(f"{each.publication.kind} {subject_of(each.publication)}" for each in offers)

        @cache
        def run_id() -> int:  # where nothing is to leave there is no run
            return begin_run(connection, office, "publish", ", ".join(titles)[:100])

        queued = [_queue(connection, each, payloads, run_id, now, again=again) for each in offers]
        made = [each.outbox_id for each in queued if each.state == "due"]
        if made:
            end_run(connection, run_id(), "done", {"outbox": made, "offers": len(offers)})
    return queued


def told(problems: Iterable[Problem]) -> str:
    """Return problems as they are kept with an entry: without secrets, in no language."""
    kept = [{"code": each.code, "fields": redact_value(each.fields)} for each in problems]
    return json.dumps(kept, ensure_ascii=False, default=str)


def ended(state: State, at: int, *why: Problem) -> dict[str, Any]:
    """Return the values of an entry that is not to be sent any more, whatever the reason."""
    return {"state": state, "ended_at": at, "payload": None, "problems": told(why)}


def same_subject(row: sa.Row[Any]) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the condition for all entries of one subject at one target."""
    return tuple(OUTBOX.c[name] == getattr(row, name) for name in ("office", "target", "kind", "subject"))


def _take_turn(connection: sa.Connection, office: str) -> None:
    """Wait until every other transaction that queues for an office has ended; it waits for ours then."""
    name = f"outbox:{office}"
    turn = sa.update(LEASE).where(LEASE.c.name == name).values(epoch=LEASE.c.epoch + 1)
    if connection.execute(turn).rowcount == 0:
        with (
            suppress(IntegrityError),
            connection.begin_nested(),
        ):  # of two first ones the other may have made it
            connection.execute(
                sa.insert(LEASE).values(name=name, epoch=1, holder="", taken_at=0, expires_at=0)
            )
        connection.execute(turn)


def _queue(
    connection: sa.Connection,
    offer: Offer,
    payloads: Mapping[str, bytes],
    run_id: Callable[[], int],
    now: int,
    *,
    again: bool,
) -> Queued:
    publication = offer.publication
    place = {
        "office": publication.office,
        "target": offer.target,
        "kind": publication.kind,
        "subject": subject_of(publication),
    }
    mine = [OUTBOX.c[name] == value for name, value in place.items()]
    newest = connection.execute(
        sa.select(*LISTED).where(*mine).order_by(OUTBOX.c.result.desc(), OUTBOX.c.outbox_id.desc()).limit(1)
    ).first()
    due: dict[str, Any] = {
        "payload": payloads[publication.id],
        "state": "waiting",
        "next_at": now,
        "ended_at": None,
        "problems": "[]",
    }
    if newest is not None and newest.content_id == publication.id:
        return _offered_before(connection, offer, newest, due, run_id, again=again)
    if newest is not None and newest.result > offer.result:
        return Queued(offer, "overtaken")
    if newest is None and not again:
        receipt = receipt_of(connection, offer.target, publication.id)
        if receipt is not None:
            return Queued(offer, "held", receipt=receipt)
    key = publication.id
    if _is_taken(connection, offer.target, key):
        # What was so before is so again: under its first name the target would take it for what it has seen.
        key = hashlib.sha256(f"{key} {'' if newest is None else newest.idempotency_key}".encode()).hexdigest()
        due["payload"] = packed(replace(publication, id=key))
    connection.execute(
        sa.update(OUTBOX)
        .where(*mine, OUTBOX.c.state.in_(("waiting", "stopped")))
        .values(ended("superseded", now, problem("outbox-superseded", key=key[:12])))
    )
    made = sa.insert(OUTBOX).values(
        **place,
        **due,
        run_id=run_id(),
        result=offer.result,
        content_id=publication.id,
        idempotency_key=key,
        attempts=0,
        rest_until=0,
        created_at=now,
    )
    outbox_id = connection.execute(made.returning(OUTBOX.c.outbox_id)).scalar_one()
    return Queued(offer, "due", int(outbox_id))


def _offered_before(
    connection: sa.Connection,
    offer: Offer,
    entry: sa.Row[Any],
    due: dict[str, Any],
    run_id: Callable[[], int],
    *,
    again: bool,
) -> Queued:
    """The newest entry is this very result: it is there, or waits, or was dropped."""
    if entry.state == "sent" and not again:
        receipt = receipt_of(connection, offer.target, entry.idempotency_key)
        if receipt is not None:
            return Queued(offer, "held", receipt=receipt)
    if entry.state == "dropped" and not again:
        return Queued(offer, "dropped", int(entry.outbox_id))
    if entry.state != "sending":
        if entry.idempotency_key != entry.content_id:
            due["payload"] = packed(replace(offer.publication, id=entry.idempotency_key))
        connection.execute(
            sa.update(OUTBOX)
            .where(OUTBOX.c.outbox_id == entry.outbox_id, OUTBOX.c.state != "sending")
            .values(result=max(entry.result, offer.result), run_id=run_id(), **due)
        )
    return Queued(offer, "due", int(entry.outbox_id))


def _is_taken(connection: sa.Connection, target: str, key: str) -> bool:
    mine = (OUTBOX.c.target == target, OUTBOX.c.idempotency_key == key)
    return connection.scalar(sa.select(OUTBOX.c.outbox_id).where(*mine)) is not None


def receipt_of(connection: sa.Connection, target: str, key: str) -> Receipt | None:
    """Return the receipt of what a target has under a name; None when it has it not."""
    row = connection.execute(
        sa.select(PUBLICATION.c.location, PUBLICATION.c.records).where(
            PUBLICATION.c.publication_id == key, PUBLICATION.c.target == target
        )
    ).first()
    return None if row is None else Receipt(row.location, row.records)
