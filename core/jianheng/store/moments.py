"""When anything was last recorded, by office, source and entity: kept beside the facts, so that nobody looks through them.

Each transaction that begins versions of facts says so here. Of a source there is one at a time, by its lease.
"""

import sqlalchemy as sa

from jianheng.store.tables import FACT_MOMENT as MOMENT
from jianheng.store.tables import FACTS


def _of(office: str, source: str, entity: str) -> tuple[sa.ColumnElement[bool], ...]:
    return MOMENT.c.office == office, MOMENT.c.source == source, MOMENT.c.entity == entity


def mark(connection: sa.Connection, office: str, source: str, entity: str, at: int) -> None:
    """Record that versions began at a moment, in the transaction that began them. A moment never goes back."""
    where = _of(office, source, entity)
    # Asked first: where MariaDB finds nothing to change, it lets nobody else add anything beside it.
    kept = connection.scalar(sa.select(MOMENT.c.moment).where(*where))
    if kept is None:
        values = {"office": office, "source": source, "entity": entity, "moment": at}
        connection.execute(sa.insert(MOMENT).values(values))
    elif kept < at:
        connection.execute(sa.update(MOMENT).where(*where).values(moment=at))


def sources_of(connection: sa.Connection, office: str, entity: str) -> list[str]:
    """Return the sources that ever told of an entity."""
    told = sa.select(MOMENT.c.source).where(MOMENT.c.office == office, MOMENT.c.entity == entity)
    return sorted(connection.scalars(told))


def is_told(connection: sa.Connection, office: str, source: str, entity: str) -> bool:
    """Return whether a source ever told of an entity."""
    kept = sa.select(MOMENT.c.moment).where(*_of(office, source, entity))
    return connection.scalar(kept) is not None


def changed_since(connection: sa.Connection, office: str, since: int) -> set[str]:
    """Return the entities of which anything changed after a moment."""
    later = sa.select(MOMENT.c.entity).where(MOMENT.c.office == office, MOMENT.c.moment > since)
    return set(connection.scalars(later))


def last_recorded(connection: sa.Connection, office: str) -> int:
    """Return the latest moment at which anything of an office changed; 0 when it has no facts."""
    latest = sa.select(sa.func.max(MOMENT.c.moment)).where(MOMENT.c.office == office)
    return int(connection.scalar(latest) or 0)


def behind(connection: sa.Connection, office: str) -> list[str]:
    """Return the entities of which a source told something later than is said here: somebody else wrote there.

    What was changed where it stands, or was recorded before a later moment of the same source, is not seen.
    """
    told = sa.select(MOMENT.c.entity, MOMENT.c.source, MOMENT.c.moment).where(MOMENT.c.office == office)
    said: dict[str, dict[str, int]] = {}
    for entity, source, at in connection.execute(told):
        said.setdefault(entity, {})[source] = at
    found = []
    for name, table in FACTS.items():
        known = said.get(name, {})
        later = [sa.and_(table.c.source == each, table.c.recorded_from > at) for each, at in known.items()]
        since = table.c.recorded_from > min(known.values(), default=-1)  # what the index of moments leads to
        unsaid = sa.or_(table.c.source.not_in(list(known)), *later)
        if connection.scalar(sa.select(sa.exists().where(table.c.office == office, since, unsaid))):
            found.append(name)
    return found
