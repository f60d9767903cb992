"""How a case is seen before a moment: the technical columns every table shares."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from jianheng_simulator.catalogue import read_table
from jianheng_simulator.life import Life, Numbered, Suspect
from jianheng_simulator.office import Place
from jianheng_simulator.worktime import day_of, time_of

Row = dict[str, Any]
Rows = dict[str, list[Row]]

NO_DATE = datetime(1900, 1, 1)  # noqa: DTZ001
"""The placeholder old clients of the case system write where a date is not known."""


@dataclass(frozen=True, slots=True)
class View:
    """What is needed to show the cases of one office before a moment."""

    place: Place
    cases: Mapping[str, Numbered]
    now: int


@dataclass(frozen=True, slots=True)
class Seen:
    """The moments of a life that have come, and the last of them."""

    concluded: bool
    judged: bool
    completed: bool
    archived: bool
    deleted: bool
    touched: int


def look(life: Life, now: int) -> Seen:
    """See which moments of a life lie before now."""
    moments = (
        life.accepted,
        life.started,
        life.warned,
        *life.returned,
        *life.resubmitted,
        life.extended,
        life.concluded,
        life.judged,
        life.completed,
        life.archived,
        life.deleted,
        life.redated,
    )
    return Seen(
        concluded=life.concluded < now,
        judged=life.judged < now,
        completed=life.completed < now,
        archived=life.archived < now,
        deleted=life.deleted < now,
        touched=max(moment for moment in moments if moment < now),
    )


def fixed_columns(view: View, numbered: Numbered, touched: int, *, deleted: bool) -> Row:
    """The technical columns every case table has."""
    life, place = numbered.life, view.place
    return {
        "BMSAH": numbered.case_no,
        "TYSAH": chain_number(numbered),
        "SFSC": "Y" if deleted else "N",
        "CBDW_BM": place.code,
        "CBDW_MC": place.name,
        "FQDWBM": int(place.code[:4]),
        "FQL": str(day_of(life.accepted).year),
        "CJSJ": time_of(life.accepted),
        "ZHXGSJ": time_of(touched),
    }


def fitting(table: str, row: Row) -> Row:
    """What of a row a table has columns for: tables of one kind don't all have the same ones."""
    columns = _columns(table)
    return {name: value for name, value in row.items() if name in columns}


@cache
def _columns(table: str) -> frozenset[str]:
    return frozenset(row["column"] for row in read_table("schema.csv") if row["table"] == table)


def chain_number(numbered: Numbered) -> str | None:
    """The chain number, blank-padded; cases registered by hand never got one."""
    return None if numbered.ordinal % 83 == 0 else numbered.chain_no.ljust(20)


def suspect_number(numbered: Numbered, suspect: Suspect) -> str:
    """The number a suspect keeps through the whole chain."""
    return f"{numbered.chain_no}{suspect.number:02d}"
