"""When anything was last recorded, by office, source and entity: kept beside the facts, so that nobody looks through them.

Each transaction that begins versions of facts says so here. Of a source there is one at a time, by its lease.
"""

import sqlalchemy as sa

from jianheng.store.tables import FACT_MOMENT as MOMENT


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
