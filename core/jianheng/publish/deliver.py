"""Handing a publication to a target, once: what a target already has is not written again."""

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from jianheng.contract import Publication, Receipt
from jianheng.store.engine import now_us, writing
from jianheng.store.tables import PUBLICATION


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one publication at one target."""

    target: str
    kind: str
    period: str
    receipt: Receipt
    written: bool


def deliver(
    store: sa.Engine,
    target: str,
    publication: Publication,
    write: Callable[[Publication], Receipt],
    run_id: int,
    *,
    again: bool = False,
) -> Delivery:
    """Write a publication unless this target has it; remember the receipt.

    A crash between writing and remembering repeats the write, which targets must bear (same id).
    """
    where = (PUBLICATION.c.publication_id == publication.id, PUBLICATION.c.target == target)
    with store.connect() as connection:
        held = connection.execute(
            sa.select(PUBLICATION.c.location, PUBLICATION.c.records).where(*where)
        ).first()
    if held is not None and not again:
        return Delivery(
            target, publication.kind, publication.period, Receipt(held.location, held.records), written=False
        )
    receipt = write(publication)
    with writing(store) as connection:
        connection.execute(sa.delete(PUBLICATION).where(*where))
        connection.execute(
            sa.insert(PUBLICATION).values(
                publication_id=publication.id,
                target=target,
                office=publication.office,
                kind=publication.kind,
                policy=publication.policy,
                period=publication.period,
                location=receipt.location,
                records=receipt.records,
                published_at=now_us(),
                run_id=run_id,
            )
        )
    return Delivery(target, publication.kind, publication.period, receipt, written=True)
