"""The latest moment of what each source told of each entity; PostgreSQL knows by pages what was recorded when."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ENTITIES = (
    "unit",
    "department",
    "person",
    "posting",
    "role_assignment",
    "handling_unit",
    "handling_unit_member",
    "code",
    "case",
    "case_outcome",
    "participation",
    "suspect",
    "organisation_suspect",
    "coercive_measure",
    "case_link",
    "document",
    "approval",
    "event",
    "supervision_act",
    "suggestion",
    "clue_transfer",
    "defence_request",
    "property_item",
    "disclosure",
    "electronic_file",
    "archive_volume",
    "personnel_record",
    "declaration",
    "finding",
    "rating",
)


def upgrade() -> None:
    """Apply."""
    kept = op.create_table(
        "fact_moment",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("entity", sa.String(length=60), nullable=False),
        sa.Column("moment", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("office", "source", "entity", name=op.f("pk_fact_moment")),
    )
    for entity in ENTITIES:
        held = sa.table(
            f"fact_{entity}",
            sa.column("office"),
            sa.column("source"),
            sa.column("recorded_from", sa.BigInteger()),
        )
        latest = sa.select(
            held.c.office, held.c.source, sa.literal(entity), sa.func.max(held.c.recorded_from)
        ).group_by(held.c.office, held.c.source)
        op.execute(sa.insert(kept).from_select(["office", "source", "entity", "moment"], latest))
    _index_anew(postgresql_using="brin", postgresql_with={"pages_per_range": 16, "autosummarize": "on"})


def downgrade() -> None:
    """Take back."""
    _index_anew()
    op.drop_table("fact_moment")


def _index_anew(**how: Any) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for entity in ENTITIES:
        name = f"ix_fact_{entity}_recorded"
        op.drop_index(name, table_name=f"fact_{entity}")
        op.create_index(name, f"fact_{entity}", ["office", "recorded_from"], **how)
