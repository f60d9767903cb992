"""What people did by hand, with who, when and why: kept with what they did, never changed afterwards."""

import json
from collections.abc import Mapping

import sqlalchemy as sa

from jianheng.store.engine import now_us
from jianheng.store.operations import AUDIT

_WHO, _SUBJECT = 100, 200
"""Characters that the columns take."""


def record(
    connection: sa.Connection, office: str, who: str, action: str, subject: str, detail: Mapping[str, object]
) -> None:
    """Record one thing somebody did, in the transaction in which it is done."""
    connection.execute(
        sa.insert(AUDIT).values(
            office=office,
            at=now_us(),
            who=who[:_WHO],
            action=action,
            subject=subject[:_SUBJECT],
            detail=json.dumps(detail, ensure_ascii=False, sort_keys=True, default=str),
        )
    )
