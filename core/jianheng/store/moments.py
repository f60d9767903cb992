"""When anything was last recorded, by office, source and entity: kept beside the facts, so that nobody looks through them.

Each transaction that begins versions of facts says so here; it is the only writer of its source.
"""

import sqlalchemy as sa

from jianheng.store.tables import FACT_MOMENT as MOMENT


def mark(connection: sa.Connection, office: str, source: str, entity: str, at: int) -> None:
    """Record that versions began at a moment, in the transaction that began them. A moment never goes back."""
    where = (MOMENT.c.office == office, MOMENT.c.source == source, MOMENT.c.entity == entity)
    moved = connection.execute(sa.update(MOMENT).where(*where, MOMENT.c.moment <= at).values(moment=at))
    if not moved.rowcount and connection.scalar(sa.select(MOMENT.c.moment).where(*where)) is None:
        values = {"office": office, "source": source, "entity": entity, "moment": at}
        connection.execute(sa.insert(MOMENT).values(values))


def sources_of(connection: sa.Connection, office: str, entity: str) -> list[str]:
    """Return the sources that ever told of an entity."""
    told = sa.select(MOMENT.c.source).where(MOMENT.c.office == office, MOMENT.c.entity == entity)
    return sorted(connection.scalars(told))


def changed_since(connection: sa.Connection, office: str, since: int) -> set[str]:
    """Return the entities of which anything changed after a moment."""
    later = sa.select(MOMENT.c.entity).where(MOMENT.c.office == office, MOMENT.c.moment > since)
    return set(connection.scalars(later))


def last_recorded(connection: sa.Connection, office: str) -> int:
    """Return the latest moment at which anything of an office changed; 0 when it has no facts."""
    latest = sa.select(sa.func.max(MOMENT.c.moment)).where(MOMENT.c.office == office)
    return int(connection.scalar(latest) or 0)
