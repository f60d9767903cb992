"""Findings and ratings; factors and caps on lines; sums of the ledger; outcomes, grades and closed periods."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "archived_policy",
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("policy", sa.String(length=60), nullable=False),
        sa.Column(
            "sources",
            sa.Text().with_variant(mysql.LONGTEXT(), "mariadb").with_variant(mysql.LONGTEXT(), "mysql"),
            nullable=False,
        ),
        sa.Column("archived_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_archived_policy")),
    )
    op.create_table(
        "closed_period",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("policy", sa.String(length=60), nullable=False),
        sa.Column("period", sa.String(length=20), nullable=False),
        sa.Column("start_day", sa.Date(), nullable=False),
        sa.Column("end_day", sa.Date(), nullable=False),
        sa.Column("adjustments", sa.String(length=10), nullable=False),
        sa.Column("policy_version", sa.String(length=64), nullable=False),
        sa.Column("engine_version", sa.String(length=20), nullable=False),
        sa.Column("facts_at", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_by", sa.String(length=100), nullable=False),
        sa.Column("receipt_hash", sa.String(length=64), nullable=False),
        sa.Column(
            "receipt",
            sa.Text().with_variant(mysql.LONGTEXT(), "mariadb").with_variant(mysql.LONGTEXT(), "mysql"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("office", "policy", "period", name=op.f("pk_closed_period")),
    )
    op.create_table(
        "fact_finding",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("finding_key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=100), nullable=True),
        sa.Column("case_no", sa.String(length=200), nullable=True),
        sa.Column("person_key", sa.String(length=200), nullable=True),
        sa.Column("found_on", sa.Date(), nullable=True),
        sa.Column("found_by", sa.String(length=100), nullable=True),
        sa.Column("severity", sa.String(length=100), nullable=True),
        sa.Column("grade", sa.String(length=100), nullable=True),
        sa.Column("fault_key", sa.Text(), nullable=True),
        sa.Column("rectified", sa.Boolean(), nullable=True),
        sa.Column("cause_analysed", sa.Boolean(), nullable=True),
        sa.Column("missed_by_owner", sa.Boolean(), nullable=True),
        sa.Column("state", sa.String(length=100), nullable=True),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("recorded_to", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_from", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "office", "source", "finding_key", "recorded_to", name=op.f("pk_fact_finding")
        ),
    )
    with op.batch_alter_table("fact_finding", schema=None) as batch_op:
        batch_op.create_index("ix_fact_finding_case", ["office", "case_no"], unique=False)
        batch_op.create_index("ix_fact_finding_recorded", ["office", "recorded_from"], unique=False)

    op.create_table(
        "fact_rating",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("rating_key", sa.String(length=200), nullable=False),
        sa.Column("rating", sa.String(length=100), nullable=True),
        sa.Column("person_key", sa.String(length=200), nullable=True),
        sa.Column("rater_kind", sa.String(length=100), nullable=True),
        sa.Column("rater_key", sa.String(length=200), nullable=True),
        sa.Column("score", sa.Numeric(precision=18, scale=6), nullable=True),
        sa.Column("rated_on", sa.Date(), nullable=True),
        sa.Column("recorded_to", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recorded_from", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.String(length=32), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("office", "source", "rating_key", "recorded_to", name=op.f("pk_fact_rating")),
    )
    with op.batch_alter_table("fact_rating", schema=None) as batch_op:
        batch_op.create_index("ix_fact_rating_recorded", ["office", "recorded_from"], unique=False)

    op.create_table(
        "ledger_tally",
        sa.Column("scope_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("person_key", sa.String(length=200), nullable=False),
        sa.Column("sheet", sa.String(length=60), nullable=False),
        sa.Column("measure", sa.String(length=60), nullable=False),
        sa.Column("rule_id", sa.String(length=60), nullable=False),
        sa.Column("indicator", sa.String(length=60), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("provisional", sa.BigInteger(), nullable=False),
        sa.Column("withheld", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("shares", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "scope_id", "person_key", "sheet", "measure", "rule_id", name=op.f("pk_ledger_tally")
        ),
    )
    with op.batch_alter_table("indicator_value", schema=None) as batch_op:
        batch_op.add_column(sa.Column("state", sa.String(length=20), nullable=False, server_default="scored"))
        batch_op.add_column(sa.Column("reason", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("basis", sa.Text(), nullable=False, server_default="[]"))

    with op.batch_alter_table("ledger_entry", schema=None) as batch_op:
        batch_op.add_column(sa.Column("factors", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("caps", sa.Text(), nullable=False, server_default=""))
        batch_op.drop_index("ix_ledger_entry_person")
        batch_op.create_index(
            "ix_ledger_entry_person", ["scope_id", "person_key", "rule_id", "day"], unique=False
        )

    with op.batch_alter_table("person_score", schema=None) as batch_op:
        batch_op.add_column(sa.Column("state", sa.String(length=20), nullable=False, server_default="scored"))
        batch_op.add_column(sa.Column("reason", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("grade", sa.String(length=60), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("grade_reason", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("places", sa.Text(), nullable=False, server_default="{}"))
        batch_op.alter_column("points", existing_type=sa.BIGINT(), nullable=True)
        batch_op.alter_column("final", existing_type=sa.BIGINT(), nullable=True)
        batch_op.alter_column("place", existing_type=sa.INTEGER(), nullable=True)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("person_score", schema=None) as batch_op:
        batch_op.alter_column("place", existing_type=sa.INTEGER(), nullable=False)
        batch_op.alter_column("final", existing_type=sa.BIGINT(), nullable=False)
        batch_op.alter_column("points", existing_type=sa.BIGINT(), nullable=False)
        batch_op.drop_column("places")
        batch_op.drop_column("grade_reason")
        batch_op.drop_column("grade")
        batch_op.drop_column("reason")
        batch_op.drop_column("state")

    with op.batch_alter_table("ledger_entry", schema=None) as batch_op:
        batch_op.drop_index("ix_ledger_entry_person")
        batch_op.create_index("ix_ledger_entry_person", ["scope_id", "person_key"], unique=False)
        batch_op.drop_column("caps")
        batch_op.drop_column("factors")

    with op.batch_alter_table("indicator_value", schema=None) as batch_op:
        batch_op.drop_column("basis")
        batch_op.drop_column("reason")
        batch_op.drop_column("state")

    op.drop_table("ledger_tally")
    with op.batch_alter_table("fact_rating", schema=None) as batch_op:
        batch_op.drop_index("ix_fact_rating_recorded")

    op.drop_table("fact_rating")
    with op.batch_alter_table("fact_finding", schema=None) as batch_op:
        batch_op.drop_index("ix_fact_finding_recorded")
        batch_op.drop_index("ix_fact_finding_case")

    op.drop_table("fact_finding")
    op.drop_table("closed_period")
    op.drop_table("archived_policy")
