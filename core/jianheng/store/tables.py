"""All tables. Those of the facts derive from the entities; migrations must match (a test compares).

Versions: a row holds from ``recorded_from`` until ``recorded_to`` (microseconds since 1970, UTC;
``OPEN`` while it is current). Keys end in the closing mark, so the database itself allows only one
current version. Points are integers of 0.001 point, coefficients and shares permille.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from jianheng.facts.entities import ENTITIES
from jianheng.facts.entity import Column, Entity

OPEN = 253_402_300_799_999_999
"""The closing mark of what is current: the last microsecond of the year 9999."""

METADATA = sa.MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_name)s"},
)

_KEY = sa.String(200)


def _column_type(entity: Entity, column: Column) -> sa.types.TypeEngine[Any]:
    if column is entity.key or column.ref:
        return _KEY
    types: dict[str, sa.types.TypeEngine[Any]] = {
        "text": sa.Text(),
        "code": sa.String(100),
        "date": sa.Date(),
        "datetime": sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"),
        "integer": sa.BigInteger(),
        "decimal": sa.Numeric(18, 6),
        "boolean": sa.Boolean(),
        "attributes": sa.Text(),
    }
    return types[column.type]


_BY_PAGES: dict[str, Any] = {
    "postgresql_using": "brin",
    "postgresql_with": {"pages_per_range": 16, "autosummarize": True},
}
"""PostgreSQL keeps of some pages at a time what was recorded first and last there, not of every row: versions are
written in the order of their moments, and what is asked for is mostly the latest."""


def _fact_table(entity: Entity) -> sa.Table:
    columns = [
        sa.Column(
            column.name,
            _column_type(entity, column),
            nullable=column is not entity.key,
            primary_key=column is entity.key,
        )
        for column in entity.columns
    ]
    table = sa.Table(
        f"fact_{entity.name}",
        METADATA,
        sa.Column("office", sa.String(20), primary_key=True),
        sa.Column("source", sa.String(60), primary_key=True),
        *columns,
        sa.Column("recorded_to", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("recorded_from", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content_hash", sa.String(32), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("stream", sa.String(60), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
    )
    sa.Index(f"ix_fact_{entity.name}_recorded", table.c.office, table.c.recorded_from, **_BY_PAGES)
    if "case_no" in entity.names and entity.key.name != "case_no":
        sa.Index(f"ix_fact_{entity.name}_case", table.c.office, table.c.case_no)
    return table


FACTS: dict[str, sa.Table] = {name: _fact_table(entity) for name, entity in ENTITIES.items()}
"""Fact tables by entity name."""

FACT_MOMENT = sa.Table(
    "fact_moment",
    METADATA,
    sa.Column("office", sa.String(20), primary_key=True),
    sa.Column("source", sa.String(60), primary_key=True),
    sa.Column("entity", sa.String(60), primary_key=True),
    sa.Column("moment", sa.BigInteger(), nullable=False),
)
"""The latest ``recorded_from`` of what a source told of an entity."""

RUN = sa.Table(
    "run",
    METADATA,
    sa.Column("run_id", sa.Integer(), primary_key=True),
    sa.Column("office", sa.String(20), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("subject", sa.String(100), nullable=False),
    sa.Column("started_at", sa.BigInteger(), nullable=False),
    sa.Column("finished_at", sa.BigInteger()),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("detail", sa.Text(), nullable=False),
    sa.Index("ix_run_subject", "office", "kind", "subject"),
)
"""Every run of sync, score and publish: what it did, in ``detail`` (JSON)."""

CURSOR = sa.Table(
    "sync_cursor",
    METADATA,
    sa.Column("office", sa.String(20), primary_key=True),
    sa.Column("source", sa.String(60), primary_key=True),
    sa.Column("stream", sa.String(60), primary_key=True),
    sa.Column("partition", sa.String(60), primary_key=True, default=""),
    sa.Column("cursor", sa.Text(), nullable=False),
    sa.Column("mapping_hash", sa.String(32), nullable=False),
    sa.Column("moved_at", sa.BigInteger(), nullable=False),
    sa.Column("run_id", sa.Integer(), nullable=False),
)

QUARANTINE = sa.Table(
    "quarantine",
    METADATA,
    sa.Column("quarantine_id", sa.Integer(), primary_key=True),
    sa.Column("office", sa.String(20), nullable=False),
    sa.Column("source", sa.String(60), nullable=False),
    sa.Column("stream", sa.String(60), nullable=False),
    sa.Column("entity", sa.String(60), nullable=False),
    sa.Column("record_key", _KEY, nullable=False),
    sa.Column("locator", sa.Text(), nullable=False),
    sa.Column("problems", sa.Text(), nullable=False),
    sa.Column("payload", sa.Text(), nullable=False),
    sa.Column("payload_hash", sa.String(32), nullable=False),
    sa.Column("first_seen", sa.BigInteger(), nullable=False),
    sa.Column("last_seen", sa.BigInteger(), nullable=False),
    sa.Column("attempts", sa.Integer(), nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("closed_run", sa.Integer()),
    sa.Column("owner", sa.String(100), nullable=False, default=""),
    sa.Column("waived_until", sa.BigInteger()),
    sa.Column("waived_by", sa.String(100), nullable=False, default=""),
    sa.Column("waiver", sa.String(500), nullable=False, default=""),
    sa.Column("day", sa.Date()),
    sa.Column("case_no", _KEY),
    sa.Index("ix_quarantine_open", "office", "source", "stream", "status"),
)
"""Rows that could not be taken. ``payload`` is sealed, or empty where no key is; ``day`` and ``case_no`` say what
they may touch, NULL where that cannot be read."""

SCOPE = sa.Table(
    "ledger_scope",
    METADATA,
    sa.Column("scope_id", sa.Integer(), primary_key=True),
    sa.Column("office", sa.String(20), nullable=False),
    sa.Column("policy", sa.String(60), nullable=False),
    sa.Column("period", sa.String(20), nullable=False),
    sa.UniqueConstraint("office", "policy", "period", name="uq_ledger_scope"),
)
"""What a ledger is kept for: an office, a policy and a period, numbered."""

LEDGER = sa.Table(
    "ledger_entry",
    METADATA,
    sa.Column("scope_id", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("entry_id", sa.String(32), primary_key=True),
    sa.Column("run_to", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("run_from", sa.Integer(), nullable=False),
    sa.Column("person_key", _KEY, nullable=False),
    sa.Column("sheet", sa.String(60), nullable=False),
    sa.Column("measure", sa.String(60), nullable=False),
    sa.Column("rule_id", sa.String(60), nullable=False),
    sa.Column("indicator", sa.String(60), nullable=False),
    sa.Column("case_no", _KEY, nullable=False),
    sa.Column("item_kind", sa.String(60), nullable=False),
    sa.Column("item_key", _KEY, nullable=False),
    sa.Column("item_label", sa.Text(), nullable=False),
    sa.Column("day", sa.Date(), nullable=False),
    sa.Column("quantity", sa.BigInteger(), nullable=False),
    sa.Column("unit_points", sa.BigInteger(), nullable=False),
    sa.Column("coefficient", sa.BigInteger(), nullable=False),
    sa.Column("factors", sa.Text(), nullable=False),
    sa.Column("share", sa.BigInteger(), nullable=False),
    sa.Column("points", sa.BigInteger(), nullable=False),
    sa.Column("withheld", sa.BigInteger(), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("reason", sa.String(60), nullable=False),
    sa.Column("caps", sa.Text(), nullable=False),
    sa.Column("fact_hash", sa.String(32), nullable=False),
    sa.Index("ix_ledger_entry_case", "scope_id", "case_no"),
    sa.Index("ix_ledger_entry_person", "scope_id", "person_key", "rule_id", "day"),
)
"""One line per counted item and subject; superseded lines stay, closed by the run that replaced them."""

NO_RULE = "-"
"""``rule_id`` of a line for an item that no rule speaks of: it is there so that it can be seen."""

CURRENT = 2_147_483_647
"""``run_to`` of a ledger line that holds."""

ADJUSTS = "adjusts:"
"""Begins the ``reason`` of a line that corrects a closed period, whose name follows."""

TALLY = sa.Table(
    "ledger_tally",
    METADATA,
    sa.Column("scope_id", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("person_key", _KEY, primary_key=True),
    sa.Column("sheet", sa.String(60), primary_key=True),
    sa.Column("measure", sa.String(60), primary_key=True),
    sa.Column("rule_id", sa.String(60), primary_key=True),
    sa.Column("indicator", sa.String(60), nullable=False),
    sa.Column("points", sa.BigInteger(), nullable=False),
    sa.Column("provisional", sa.BigInteger(), nullable=False),
    sa.Column("withheld", sa.BigInteger(), nullable=False),
    sa.Column("entries", sa.BigInteger(), nullable=False),
    sa.Column("items", sa.BigInteger(), nullable=False),
    sa.Column("quantity", sa.BigInteger(), nullable=False),
    sa.Column("shares", sa.BigInteger(), nullable=False),
)
"""The current ledger summed, so that a changed case moves a few sums instead of reading every line again."""

INDICATOR = sa.Table(
    "indicator_value",
    METADATA,
    sa.Column("run_id", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("person_key", _KEY, primary_key=True),
    sa.Column("sheet", sa.String(60), primary_key=True),
    sa.Column("indicator", sa.String(60), primary_key=True),
    sa.Column("points", sa.BigInteger()),
    sa.Column("provisional", sa.BigInteger(), nullable=False),
    sa.Column("entries", sa.Integer(), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("reason", sa.Text(), nullable=False),
    sa.Column("basis", sa.Text(), nullable=False),
)
"""The values of a run's indicators; ``points`` is NULL where there is none, and ``reason`` says why."""

PERSON_SCORE = sa.Table(
    "person_score",
    METADATA,
    sa.Column("run_id", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("person_key", _KEY, primary_key=True),
    sa.Column("sheet", sa.String(60), primary_key=True),
    sa.Column("points", sa.BigInteger()),
    sa.Column("final", sa.BigInteger()),
    sa.Column("provisional", sa.BigInteger(), nullable=False),
    sa.Column("withheld", sa.BigInteger(), nullable=False),
    sa.Column("place", sa.Integer()),
    sa.Column("place_of", sa.Integer(), nullable=False),
    sa.Column("cases", sa.Integer(), nullable=False),
    sa.Column("entries", sa.Integer(), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("reason", sa.Text(), nullable=False),
    sa.Column("grade", sa.String(60), nullable=False),
    sa.Column("grade_reason", sa.Text(), nullable=False),
    sa.Column("places", sa.Text(), nullable=False),
)
"""The standings of a run; without a total there is neither place nor points, and ``reason`` says why."""

CLOSED = sa.Table(
    "closed_period",
    METADATA,
    sa.Column("office", sa.String(20), primary_key=True),
    sa.Column("policy", sa.String(60), primary_key=True),
    sa.Column("period", sa.String(20), primary_key=True),
    sa.Column("start_day", sa.Date(), nullable=False),
    sa.Column("end_day", sa.Date(), nullable=False),
    sa.Column("adjustments", sa.String(10), nullable=False),
    sa.Column("policy_version", sa.String(64), nullable=False),
    sa.Column("engine_version", sa.String(20), nullable=False),
    sa.Column("facts_at", sa.BigInteger(), nullable=False),
    sa.Column("run_id", sa.Integer(), nullable=False),
    sa.Column("closed_at", sa.BigInteger(), nullable=False),
    sa.Column("closed_by", sa.String(100), nullable=False),
    sa.Column("receipt_hash", sa.String(64), nullable=False),
    sa.Column("receipt", sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb"), nullable=False),
)
"""Closed periods with their receipts: what was known, which law was applied, what came out.

``[start_day, end_day)`` is the window; ``adjustments`` is the closed policy's rule for what comes to light later.
"""

ARCHIVED_POLICY = sa.Table(
    "archived_policy",
    METADATA,
    sa.Column("version", sa.String(64), primary_key=True),
    sa.Column("policy", sa.String(60), nullable=False),
    sa.Column("sources", sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb"), nullable=False),
    sa.Column("archived_at", sa.BigInteger(), nullable=False),
)
"""Every text of a policy by which a period was closed: enough to apply it again without its files."""

PUBLICATION = sa.Table(
    "publication",
    METADATA,
    sa.Column("publication_id", sa.String(64), primary_key=True),
    sa.Column("target", sa.String(60), primary_key=True),
    sa.Column("office", sa.String(20), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("policy", sa.String(60), nullable=False),
    sa.Column("period", sa.String(20), nullable=False),
    sa.Column("location", sa.Text(), nullable=False),
    sa.Column("records", sa.Integer(), nullable=False),
    sa.Column("published_at", sa.BigInteger(), nullable=False),
    sa.Column("run_id", sa.Integer(), nullable=False),
)
