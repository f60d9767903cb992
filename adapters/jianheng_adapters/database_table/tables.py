"""The four tables a reader finds in the database, and how points stand in them."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

PREFIX = re.compile(r"[a-z][a-z0-9_]{0,23}")
_KEY, _NAME = 120, 200
_OPTIONS: dict[str, Any] = {
    # compares keys byte by byte, as every other database does
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


class Thousandths(TypeDecorator[int]):
    """Whole thousandths in Python, a decimal number with three places in the database."""

    impl = Numeric(18, 3)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the column type; SQLite has no decimals, its numbers are exact to 0.001 all the same."""
        plain: Numeric[Any] = Numeric(18, 3, asdecimal=False) if dialect.name == "sqlite" else Numeric(18, 3)
        return dialect.type_descriptor(plain)

    def process_bind_param(self, value: int | None, dialect: Dialect) -> object:
        """Return what the driver is given."""
        if value is None:
            return None
        return value / 1000 if dialect.name == "sqlite" else Decimal(value).scaleb(-3)

    def process_result_value(self, value: object, dialect: Dialect) -> int | None:  # noqa: ARG002  # SQLAlchemy's signature
        """Return thousandths for what the driver gave."""
        return None if value is None else round(Decimal(str(value)).scaleb(3))


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables under one prefix."""

    metadata: MetaData
    publication: Table
    person_score: Table
    indicator_value: Table
    ledger_entry: Table

    @property
    def details(self) -> tuple[Table, ...]:
        """The tables that hold only what is current."""
        return (self.person_score, self.indicator_value, self.ledger_entry)


def make_tables(prefix: str) -> Tables:
    """Return the tables whose names begin with a prefix."""
    metadata = MetaData()
    publication = Table(
        f"{prefix}publication",
        metadata,
        Column("publication_id", String(_KEY), primary_key=True),
        Column("office", String(_KEY), nullable=False),
        Column("office_name", String(_NAME), nullable=False),
        Column("policy", String(_KEY), nullable=False),
        Column("policy_label", String(_NAME), nullable=False),
        Column("policy_version", String(_KEY), nullable=False),
        Column("period", String(_KEY), nullable=False),
        Column("period_label", String(_NAME), nullable=False),
        Column("start_on", Date, nullable=False),
        Column("end_before", Date, nullable=False),
        Column("as_of", DateTime, nullable=False),
        Column("notices", Text, nullable=False),
        Column("is_current", Boolean, nullable=False),
        # office, policy and period of the current one, NULL in history: no two writers can both be current
        Column("current_slot", String(3 * _KEY)),
        UniqueConstraint("current_slot", name=f"{prefix}one_current"),
        **_OPTIONS,
    )
    person_score = Table(
        f"{prefix}person_score",
        metadata,
        Column("publication_id", String(_KEY), primary_key=True),
        Column("person_key", String(_KEY), primary_key=True),
        Column("sheet", String(_KEY), primary_key=True),
        Column("name", String(_NAME), nullable=False),
        Column("department", String(_NAME), nullable=False),
        Column("role", String(_KEY), nullable=False),
        # NULL where there is no total; state and note say why
        Column("points", Thousandths),
        Column("final", Thousandths),
        Column("provisional", Thousandths, nullable=False),
        Column("place", Integer),
        Column("out_of", Integer, nullable=False),
        Column("cases", Integer, nullable=False),
        Column("entries", Integer, nullable=False),
        Column("note", Text, nullable=False),
        Column("grade", String(_NAME), nullable=False),
        Column("state", String(20), nullable=False),
        Column("places", Text, nullable=False),
        **_OPTIONS,
    )
    indicator_value = Table(
        f"{prefix}indicator_value",
        metadata,
        Column("publication_id", String(_KEY), primary_key=True),
        Column("person_key", String(_KEY), primary_key=True),
        Column("sheet", String(_KEY), primary_key=True),
        Column("indicator", String(_KEY), primary_key=True),
        Column("label", String(_NAME), nullable=False),
        Column("parent", String(_KEY), nullable=False),
        Column("points", Thousandths),
        Column("provisional", Thousandths, nullable=False),
        Column("entries", Integer, nullable=False),
        Column("note", Text, nullable=False),
        Column("state", String(20), nullable=False),
        Column("unit", String(_KEY), nullable=False),
        **_OPTIONS,
    )
    ledger_entry = Table(
        f"{prefix}ledger_entry",
        metadata,
        Column("publication_id", String(_KEY), primary_key=True),
        Column("entry_id", String(_KEY), primary_key=True),
        Column("person_key", String(_KEY), nullable=False, index=True),
        Column("rule_id", String(_KEY), nullable=False),
        Column("rule_label", Text, nullable=False),
        Column("indicator", String(_KEY), nullable=False),
        Column("case_no", String(_KEY), nullable=False, index=True),
        Column("item_kind", String(_KEY), nullable=False),
        Column("item_key", String(_NAME), nullable=False),
        Column("item_label", Text, nullable=False),
        Column("day", Date, nullable=False),
        Column("quantity", Integer, nullable=False),
        Column("unit_points", Thousandths, nullable=False),
        Column("coefficient", Thousandths, nullable=False),
        Column("share", Thousandths, nullable=False),
        Column("points", Thousandths, nullable=False),
        Column("withheld", Thousandths, nullable=False),
        Column("state", String(16), nullable=False),
        Column("reason", Text, nullable=False),
        Column("evidence", Text, nullable=False),
        **_OPTIONS,
    )
    return Tables(metadata, publication, person_score, indicator_value, ledger_entry)
