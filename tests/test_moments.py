"""The latest moment of each source and entity: who writes facts past it is found out, and scored when all is scored."""

import contextlib
import sqlite3

import pytest
import sqlalchemy as sa

from jianheng.store import moments
from jianheng.store.tables import FACT_MOMENT, FACTS, METADATA, OPEN
from office_driver import Office
from upstream import OFFICE, case, sync, table

pytest_plugins = ["office_fixture"]
WEEK_US = 7 * 86_400 * 1_000_000


def deleted_by_hand(office: Office, case_no: str) -> None:
    """Write that a case is gone, as somebody with a database client would."""
    names = [column.name for column in FACTS["case"].columns]
    told = {"recorded_to": str(OPEN), "recorded_from": ":at", "deleted": "1"}
    with contextlib.closing(sqlite3.connect(office.store)) as connection, connection:
        latest = connection.execute("select max(recorded_from) from fact_case").fetchone()[0]
        values = {"at": latest + WEEK_US, "case_no": case_no}
        here = f"case_no = :case_no and recorded_to = {OPEN}"
        connection.execute(f"update fact_case set recorded_to = :at where {here}", values)
        copied = ", ".join(told.get(name, name) for name in names)
        connection.execute(
            f"insert into fact_case ({', '.join(names)}) select {copied} from fact_case"
            " where case_no = :case_no and recorded_to = :at",
            values,
        )


def moment_checks(office: Office) -> list[str]:
    """What the doctor says of the moments."""
    found = office.run("doctor", "--json").json()["checks"]
    codes = [each["problem"]["code"] for each in found if each["problem"]]
    return [code for code in codes if code == "store-moments-behind"]


def test_a_fact_written_by_hand_is_told_and_counts_once_all_is_scored(synced_office):
    office = synced_office
    first = office.score()
    assert moment_checks(office) == []
    counted = office.facts(
        "select case_no, sum(points) as points from ledger_entry where state <> 'void' and case_no <> ''"
        " group by case_no order by points desc limit 1"
    )[0]
    assert counted["points"] > 0

    deleted_by_hand(office, counted["case_no"])
    assert moment_checks(office) == ["store-moments-behind"]
    by_change = office.score()
    assert [run["digest"] for run in by_change] == [run["digest"] for run in first]
    full = office.score("--full")
    assert sum(run["points"] for run in full) < sum(run["points"] for run in first)


def test_a_moment_that_is_none_is_told_too(synced_office):
    """SQLite lets anything be written into a column of numbers; the other checks are made all the same."""
    with contextlib.closing(sqlite3.connect(synced_office.store)) as connection, connection:
        connection.execute("update fact_case set recorded_from = 'noise' where rowid = 1")
    assert moment_checks(synced_office) == ["store-moments-behind"]


def test_what_is_written_through_a_sync_is_never_behind(every_store):
    with every_store.connect() as connection:
        assert moments.behind(connection, OFFICE) == []
    sync(every_store, table("case", case("1"), case("2"), case("3")))
    sync(every_store, table("case", case("1"), case("2")))  # one is buried
    with every_store.connect() as connection:
        assert moments.behind(connection, OFFICE) == []
    with every_store.begin() as connection:
        connection.execute(sa.update(FACT_MOMENT).values(moment=FACT_MOMENT.c.moment - 1))
    with every_store.connect() as connection:
        assert moments.behind(connection, OFFICE) == ["case"]
        assert moments.behind(connection, "other") == []
    sync(every_store, table("case", case("9")), name="another")
    sync(every_store, table("case", case("1"), case("2"), case("4")))
    with every_store.begin() as connection:
        assert moments.behind(connection, OFFICE) == []
        connection.execute(sa.delete(FACT_MOMENT).where(FACT_MOMENT.c.source == "another"))
        assert moments.behind(connection, OFFICE) == [], "an entity's oldest moment bounds what is looked at"
        connection.execute(sa.delete(FACT_MOMENT))
        assert moments.behind(connection, OFFICE) == ["case"]


@pytest.mark.postgresql
def test_postgresql_keeps_by_pages_what_was_recorded_when(postgresql_store):
    """Comparing tables with what is declared says nothing of what kind an index is."""
    declared = {
        index.name: index.dialect_options["postgresql"]["using"] or "btree"
        for held in METADATA.tables.values()
        for index in held.indexes
    }
    with postgresql_store.connect() as connection:
        found = sa.text("select indexname, indexdef from pg_indexes where schemaname = current_schema()")
        made = {name: text for name, text in connection.execute(found) if name in declared}
    assert {name: text.partition(" USING ")[2].split()[0] for name, text in made.items()} == declared
    by_pages = {text.partition(" WITH ")[2] for text in made.values() if " brin " in text}
    assert by_pages == {"(pages_per_range='16', autosummarize='true')"}
