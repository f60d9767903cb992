"""Notices: what began and what is over, told once each to every target that takes notices, through the outbox."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import sqlalchemy as sa

from jianheng.contract import Notice, NoticeAbout, Publication
from jianheng.facts.time import SHANGHAI
from jianheng.logs import redact
from jianheng.messages import Message, text
from jianheng.publish.enqueue import Offer, Queued, queue
from jianheng.schedule.incidents import Incident
from jianheng.store.engine import moment
from jianheng.store.operations import OUTBOX

KIND = "notices"
MOST_TOLD = 20
"""Problems that one notice tells in full."""
LOOK_BACK = 2_000
"""Notices of a target that are looked at for what was told before."""
_OVER = "/over"


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose notices: the office as publications name it."""

    code: str
    name: str


def queue_notices(
    store: sa.Engine, office: Sender, found: Sequence[Incident], targets: Sequence[str], now: int
) -> list[Queued]:
    """Put into the outbox what a target has not been told yet: what began, and what is over.

    A target is not told of its own trouble.

    Args:
        store: where the outbox is.
        office: whose.
        found: everything that stands now.
        targets: those that take notices.
        now: microseconds since 1970.
    """
    with store.connect() as connection:
        offers = [
            Offer(target, publication(office, each, now), now)
            for target in targets
            for each in _new(found, told_before(connection, office.code, target), target, now)
        ]
    return queue(store, office.code, offers, now) if offers else []


def told_before(connection: sa.Connection, office: str, target: str) -> list[str]:
    """Return the keys of what a target was told, or is to be told, the newest first; ends bear ``/over``."""
    mine = (OUTBOX.c.office == office, OUTBOX.c.target == target, OUTBOX.c.kind == KIND)
    newest = sa.select(OUTBOX.c.subject).where(*mine).order_by(OUTBOX.c.outbox_id.desc()).limit(LOOK_BACK)
    return list(connection.scalars(newest))


def waiting(connection: sa.Connection, office: str, now: int) -> list[int]:
    """Return the notices whose time to be sent has come."""
    mine = (OUTBOX.c.office == office, OUTBOX.c.kind == KIND, OUTBOX.c.state.in_(("waiting", "sending")))
    return list(connection.scalars(sa.select(OUTBOX.c.outbox_id).where(*mine, OUTBOX.c.next_at <= now)))


def publication(office: Sender, notice: Notice, now: int) -> Publication:
    """Return a notice as what leaves; the same notice has the same id."""
    told = json.dumps([KIND, office.code, notice.key, notice.over])
    at = moment(now).astimezone(SHANGHAI)
    return Publication(
        id=hashlib.sha256(told.encode()).hexdigest(),
        kind="notices",
        office=office.code,
        office_name=office.name,
        policy="",
        policy_label="",
        policy_version="",
        period="",
        period_label="",
        start=at.date(),
        end=at.date(),
        as_of=at,
        notice=notice,
    )


def title_of(each: Incident) -> str:
    """Return what stands, in one line."""
    # The bare code is that of the problem in its four parts.
    code = "standing-quarantine-title" if each.about == "quarantine" else f"standing-{each.about}"
    return text(code, subject=each.subject)


def _new(found: Sequence[Incident], told: Sequence[str], target: str, now: int) -> Iterator[Notice]:
    known = set(told)
    for each in found:
        if not each.held and each.key not in known and (each.about, each.subject) != ("target", target):
            yield _begun(each)
    standing = {(each.about, each.subject) for each in found}
    ended: set[tuple[str, str]] = set()
    for key in told:  # of several of one subject only the newest can be over now
        about, subject, _ = key.removesuffix(_OVER).split("/", 2)
        if (about, subject) in standing | ended:
            continue
        ended.add((about, subject))
        if not key.endswith(_OVER):
            yield _over(key, cast("NoticeAbout", about), subject, now)


def _begun(each: Incident) -> Notice:
    shown = [Message(**_parts(one)).as_text() for one in each.told[:MOST_TOLD]]
    left = len(each.told) - MOST_TOLD
    shown += [text("standing-more", count=left)] if left > 0 else []
    return Notice(
        key=each.key,
        over=False,
        about=each.about,
        subject=each.subject,
        at=moment(each.at).astimezone(SHANGHAI),
        needs_person=each.needs_person,
        title=redact(title_of(each)),
        text=redact("\n".join(shown)),
        codes=tuple(dict.fromkeys(one.get("code", "") for one in each.told)),
    )


def _parts(told: Mapping[str, str]) -> dict[str, str]:
    return {part: told.get(part, "") for part in ("code", "what", "where", "why", "do")}


def _over(key: str, about: NoticeAbout, subject: str, now: int) -> Notice:
    title = text(f"standing-{about}-over", subject=subject)
    at = moment(now).astimezone(SHANGHAI)
    return Notice(
        key, over=True, about=about, subject=subject, at=at, needs_person=False, title=title, text=title
    )
