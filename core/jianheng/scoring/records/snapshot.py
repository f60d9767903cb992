"""The facts of an office as they are known at one moment: read once, in one transaction that writes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import sqlalchemy as sa

from jianheng.errors import StopError
from jianheng.scoring.kernel.directory import Member, category_names, directory
from jianheng.scoring.law.period import Period
from jianheng.scoring.records.scope import Subject, read_facts
from jianheng.store import moments
from jianheng.store.runs import unread_sources


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What several policies can be tried on, all on the same facts.

    Attributes:
        subject: whose work.
        facts_at: when the latest of these facts was recorded, in microseconds since 1970.
        facts: current facts by entity.
        incomplete: the sources whose last sync did not read everything.
        members: who is who, by period: with the posting he held last within it.
        categories: what case categories are called.
    """

    subject: Subject
    facts_at: int
    facts: Mapping[str, pa.Table]
    incomplete: tuple[str, ...]
    members: Mapping[str, Mapping[str, Member]]
    categories: Mapping[str, str]


def read_snapshot(store: sa.Engine, subject: Subject, periods: Sequence[Period] = ()) -> Snapshot:
    """Return what is known of an office now.

    Args:
        store: where the facts are.
        subject: whose work.
        periods: the windows for which people are to be named.

    Raises:
        StopError: there are no facts.
    """
    with store.connect() as connection:
        facts_at = moments.last_recorded(connection, subject.office)
        if facts_at == 0:
            raise StopError("score-no-facts", office=subject.office)
        incomplete = tuple(unread_sources(connection, subject.office, subject.source_order))
        who = (connection, subject.office)
        return Snapshot(
            subject,
            facts_at,
            read_facts(*who),
            incomplete,
            {each.id: directory(*who, each.start, each.end, subject.source_order) for each in periods},
            category_names(*who),
        )
