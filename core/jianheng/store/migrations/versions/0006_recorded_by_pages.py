"""PostgreSQL keeps by pages what was recorded when, no longer of every row."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    _index_anew(postgresql_using="brin", postgresql_with={"pages_per_range": 16, "autosummarize": True})


def downgrade() -> None:
    """Take back."""
    _index_anew()


def _index_anew(**how: Any) -> None:
    bind = op.get_bind()
    if bind.dialect.name != "postgresql":
        return
    held = sa.inspect(bind)
    for table in held.get_table_names():
        if any(column["name"] == "recorded_from" for column in held.get_columns(table)):
            name = f"ix_{table}_recorded"
            op.drop_index(name, table_name=table)
            op.create_index(name, table, ["office", "recorded_from"], **how)
