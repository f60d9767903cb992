"""Tables of running it: who may write, what is paused, what was done by hand, what waits to leave, which slots ran."""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from jianheng.store.tables import METADATA

_LONG = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")

LEASE = sa.Table(
    "lease",
    METADATA,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("epoch", sa.BigInteger(), nullable=False),
    sa.Column("holder", sa.String(200), nullable=False),
    sa.Column("taken_at", sa.BigInteger(), nullable=False),
    sa.Column("expires_at", sa.BigInteger(), nullable=False),
)
"""Who may write something just now; ``epoch`` rises with every taking, so that who slept too long is known."""

PAUSE = sa.Table(
    "sync_pause",
    METADATA,
    sa.Column("office", sa.String(20), primary_key=True),
    sa.Column("source", sa.String(60), primary_key=True),
    sa.Column("stream", sa.String(60), primary_key=True),
    sa.Column("paused_at", sa.BigInteger(), nullable=False),
    sa.Column("paused_by", sa.String(100), nullable=False),
    sa.Column("reason", sa.Text(), nullable=False),
)
"""What is not to be read until somebody says so; an empty stream means the whole source."""

STREAM = sa.Table(
    "sync_stream",
    METADATA,
    sa.Column("office", sa.String(20), primary_key=True),
    sa.Column("source", sa.String(60), primary_key=True),
    sa.Column("stream", sa.String(60), primary_key=True),
    sa.Column("shape", _LONG, nullable=False),
    sa.Column("pending", _LONG, nullable=False),
    sa.Column("swept_at", sa.BigInteger(), nullable=False),
)
"""What a stream looked like when last read, what it looks like now if that is held up, and when its keys were compared."""

AUDIT = sa.Table(
    "audit",
    METADATA,
    sa.Column("audit_id", sa.Integer(), primary_key=True),
    sa.Column("office", sa.String(20), nullable=False),
    sa.Column("at", sa.BigInteger(), nullable=False),
    sa.Column("who", sa.String(100), nullable=False),
    sa.Column("action", sa.String(60), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("detail", sa.Text(), nullable=False),
    sa.Index("ix_audit_office_at", "office", "at"),
)
"""What people did by hand: cursors moved, entries waived, sources paused."""

OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("outbox_id", sa.Integer(), primary_key=True),
    sa.Column("office", sa.String(20), nullable=False),
    sa.Column("target", sa.String(60), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("result", sa.BigInteger(), nullable=False),
    sa.Column("content_id", sa.String(64), nullable=False),
    sa.Column("idempotency_key", sa.String(64), nullable=False),
    sa.Column("payload", sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("attempts", sa.Integer(), nullable=False),
    sa.Column("next_at", sa.BigInteger(), nullable=False),
    sa.Column("created_at", sa.BigInteger(), nullable=False),
    sa.Column("ended_at", sa.BigInteger()),
    sa.Column("rest_until", sa.BigInteger(), nullable=False, default=0),
    sa.Column("problems", sa.Text(), nullable=False),
    sa.Column("run_id", sa.Integer(), nullable=False),
    sa.UniqueConstraint("target", "idempotency_key", name="uq_outbox"),
    sa.Index("ix_outbox_waiting", "office", "state", "next_at"),
    sa.Index("ix_outbox_subject", "office", "target", "subject"),
)
"""What is to leave: written with the run that made it, sent afterwards, once.

``payload`` is there until the entry has ended. ``result`` tells which of two entries of one subject is newer;
``content_id`` names what is in it, ``idempotency_key`` is the name under which the target gets it.
``rest_until`` is until when the target asked to be left alone, when this entry came to it; 0 where it did not.
"""

SLOT = sa.Table(
    "job_slot",
    METADATA,
    sa.Column("office", sa.String(20), primary_key=True),
    sa.Column("job", sa.String(100), primary_key=True),
    sa.Column("slot_at", sa.BigInteger(), primary_key=True, autoincrement=False),
    sa.Column("epoch", sa.BigInteger(), nullable=False),
    sa.Column("holder", sa.String(200), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("started_at", sa.BigInteger(), nullable=False),
    sa.Column("finished_at", sa.BigInteger()),
    sa.Column("detail", sa.Text(), nullable=False),
)
"""Every turn of a job that was due: the key allows one start of each, whoever came first."""

BUNDLE = sa.Table(
    "bundle",
    METADATA,
    sa.Column("office", sa.String(20), primary_key=True),
    sa.Column("chain", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("direction", sa.String(10), nullable=False),
    sa.Column("manifest_hash", sa.String(64), nullable=False),
    sa.Column("facts_from", sa.BigInteger(), nullable=False),
    sa.Column("facts_to", sa.BigInteger(), nullable=False),
    sa.Column("at", sa.BigInteger(), nullable=False),
    sa.Column("run_id", sa.Integer(), nullable=False),
)
"""Bundles that left or arrived, in their order: a gap is seen, the same one twice does nothing."""
