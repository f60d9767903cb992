"""The latest moment of what each source told of each entity."""

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
    """Apply.

    Who still writes by the former version holds the row of his lease until he commits, and would not keep moments
    afterwards: he is waited for, and loses his lease.
    """
    op.execute("UPDATE lease SET epoch = epoch + 1, holder = '', expires_at = 0")
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


def downgrade() -> None:
    """Take back."""
    op.drop_table("fact_moment")
