"""Leases, pauses, audit, outbox, slots of jobs, bundles; owners and waivers of what is in quarantine; partitions."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_LONG = sa.Text().with_variant(mysql.LONGTEXT(), "mariadb").with_variant(mysql.LONGTEXT(), "mysql")
_BINARY = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mariadb").with_variant(mysql.LONGBLOB(), "mysql")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "sync_pause",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("paused_at", sa.BigInteger(), nullable=False),
        sa.Column("paused_by", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("office", "source", "stream", name=op.f("pk_sync_pause")),
    )
    op.create_table(
        "sync_stream",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("shape", _LONG, nullable=False),
        sa.Column("pending", _LONG, nullable=False),
        sa.Column("swept_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("office", "source", "stream", name=op.f("pk_sync_stream")),
    )
    op.create_table(
        "audit",
        sa.Column("audit_id", sa.Integer(), nullable=False),
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("ix_audit_office_at", ["office", "at"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("outbox_id", sa.Integer(), nullable=False),
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("target", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("result", sa.BigInteger(), nullable=False),
        sa.Column("content_id", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=64), nullable=False),
        sa.Column("payload", _BINARY, nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("rest_until", sa.BigInteger(), nullable=False),
        sa.Column("problems", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("outbox_id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("target", "idempotency_key", name="uq_outbox"),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("ix_outbox_waiting", ["office", "state", "next_at"], unique=False)
        batch_op.create_index("ix_outbox_subject", ["office", "target", "subject"], unique=False)
    op.create_table(
        "job_slot",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("job", sa.String(length=100), nullable=False),
        sa.Column("slot_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("office", "job", "slot_at", name=op.f("pk_job_slot")),
    )
    op.create_table(
        "bundle",
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("chain", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("direction", sa.String(length=10), nullable=False),
        sa.Column("manifest_hash", sa.String(length=64), nullable=False),
        sa.Column("facts_from", sa.BigInteger(), nullable=False),
        sa.Column("facts_to", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("office", "chain", "number", name=op.f("pk_bundle")),
    )
    with op.batch_alter_table("quarantine", schema=None) as batch_op:
        batch_op.add_column(sa.Column("owner", sa.String(length=100), server_default="", nullable=False))
        batch_op.add_column(sa.Column("waived_until", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("waived_by", sa.String(length=100), server_default="", nullable=False))
        batch_op.add_column(sa.Column("waiver", sa.String(length=500), server_default="", nullable=False))
        batch_op.add_column(sa.Column("day", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("case_no", sa.String(length=200), nullable=True))
    # What was kept in clear is not kept any more: the next sync reads it again from its source.
    op.execute("UPDATE quarantine SET payload = '', attempts = 1")
    _remake_cursors({"partition": ""})


def downgrade() -> None:
    """Take back. Partial cursors are forgotten: what they spoke of is read again."""
    _remake_cursors(None)
    with op.batch_alter_table("quarantine", schema=None) as batch_op:
        for name in ("case_no", "day", "waiver", "waived_by", "waived_until", "owner"):
            batch_op.drop_column(name)
    op.execute("UPDATE quarantine SET payload = '{}', attempts = 1")  # what is sealed opens for nobody there
    for name in ("bundle", "job_slot", "outbox", "audit", "sync_stream", "sync_pause", "lease"):
        op.drop_table(name)


def _cursor_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("office", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=60), nullable=False),
        sa.Column("stream", sa.String(length=60), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("mapping_hash", sa.String(length=32), nullable=False),
        sa.Column("moved_at", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
    ]


def _remake_cursors(partition: dict[str, str] | None) -> None:
    """Give the key of the cursors a partition, or take it: databases change primary keys in too many ways."""
    held = sa.table(
        "sync_cursor", *(sa.column(column.name) for column in _cursor_columns()), sa.column("partition")
    )
    wanted = sa.select(*(held.c[column.name] for column in _cursor_columns()))
    wanted = wanted if partition is not None else wanted.where(held.c.partition == "")
    rows = [dict(row) for row in op.get_bind().execute(wanted).mappings()]
    op.drop_table("sync_cursor")
    added = [sa.Column("partition", sa.String(length=60), nullable=False)] if partition is not None else []
    key = ["office", "source", "stream", *(column.name for column in added)]
    made = op.create_table(
        "sync_cursor",
        *_cursor_columns(),
        *added,
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_sync_cursor")),
    )
    op.bulk_insert(
        made, [{**row, **(partition or {}), "cursor": _enveloped(row["cursor"], partition)} for row in rows]
    )


def _enveloped(cursor: str, partition: dict[str, str] | None) -> str:
    """Put the source's own cursor into an envelope, or take it out."""
    if partition is not None:
        return json.dumps({"v": 1, "cursor": cursor}, ensure_ascii=False)
    return str(json.loads(cursor)["cursor"])
