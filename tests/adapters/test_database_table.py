"""The database holds exactly one current result a period, to the last thousandth, and its history."""

import dataclasses
import sqlite3
import threading
from decimal import Decimal

import pytest
from sample_publication import REVISED_ON, WHY, sample_publication, target_context, told, uneven
from sqlalchemy import create_engine, event, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from jianheng.errors import JianhengError, RetryError, StopError
from jianheng_adapters import database_table
from jianheng_adapters.database_table import database
from jianheng_adapters.database_table.tables import make_tables

PREFIX = "t_result_"
TABLES = make_tables(PREFIX)


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgresql),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ]
)
def url(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'results.db'}"
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(scope="module")
def publication():
    return sample_publication(people=6, entries=60, cases=10)


def make(url, **secrets):
    return database_table.targets()["database-table"](
        target_context({"url": url, "prefix": PREFIX}, **secrets)
    )


def rows(url, table):
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return [row._asdict() for row in connection.execute(select(table))]


def all_rows(url):
    return [sorted(map(repr, rows(url, table))) for table in (TABLES.publication, *TABLES.details)]


def test_every_value_comes_back_as_it_was_published(url, publication):
    receipt = make(url).write(publication)
    assert receipt.records == len(publication.entries)
    entries = {row["entry_id"]: row for row in rows(url, TABLES.ledger_entry)}
    assert len(entries) == len(publication.entries)
    for entry in publication.entries:
        row = entries[entry.entry_id]
        for name, value in dataclasses.asdict(entry).items():
            assert row[name] == value
    scores = {row["person_key"]: row for row in rows(url, TABLES.person_score)}
    for score in publication.people:
        row = scores[score.person_key]
        assert (row["name"], row["points"], row["place"], row["out_of"]) == (
            score.name, score.points, score.rank, score.of,
        )  # fmt: skip
    found = {
        (row["person_key"], row["indicator"]): row["points"] for row in rows(url, TABLES.indicator_value)
    }
    assert found == {(value.person_key, value.indicator): value.points for value in publication.indicators}


def test_no_total_is_null_with_its_state_and_reason(url, publication):
    """Neither a total nor a place of 0: whoever sums the table must not count a zero nobody earned."""
    make(url).write(uneven(publication))
    scores = {row["person_key"]: row for row in rows(url, TABLES.person_score)}
    first, second = (scores[score.person_key] for score in publication.people[:2])
    assert [first[name] for name in ("points", "final", "place", "state", "note")] == [None] * 3 + [
        "missing",
        WHY,
    ]
    assert (second["grade"], second["places"]) == ("优秀", f"本部门 {publication.people[1].rank} / 3")
    values = {(row["person_key"], row["indicator"]): row for row in rows(url, TABLES.indicator_value)}
    missing, there = (values[score.person_key, "count"] for score in publication.people[:2])
    assert (missing["points"], missing["state"], missing["note"]) == (None, "missing", WHY)
    assert (there["points"], there["state"], there["unit"]) == (7000, "scored", "件")


def test_an_entry_has_the_words_its_rule_had_on_its_day(url, publication):
    make(url).write(uneven(publication))
    rule = publication.rules[0]
    own = [row for row in rows(url, TABLES.ledger_entry) if row["rule_id"] == rule.rule_id]
    assert {(row["day"] >= REVISED_ON, row["rule_label"]) for row in own} == {
        (False, rule.label),
        (True, f"{rule.label} 修订"),
    }


def test_points_are_decimal_numbers_to_whoever_reads_the_tables(url, publication):
    make(url).write(publication)
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        total = connection.execute(text(f"SELECT SUM(points) FROM {TABLES.person_score.name}")).scalar_one()
    expected = sum(score.points for score in publication.people)
    assert Decimal(str(total)).quantize(Decimal("0.001")) == Decimal(expected).scaleb(-3)


def test_the_same_publication_again_changes_nothing(url, publication):
    target = make(url)
    assert target.write(publication).detail == ""
    before = all_rows(url)
    assert target.write(publication).detail == "unchanged"
    assert all_rows(url) == before


def test_a_new_publication_takes_the_place_of_the_former_and_history_stays(url, publication):
    target = make(url)
    target.write(publication)
    newer = dataclasses.replace(publication, id="newer", entries=publication.entries[:7])
    target.write(newer)
    flags = {row["publication_id"]: row["is_current"] for row in rows(url, TABLES.publication)}
    assert flags == {publication.id: False, "newer": True}
    for table in TABLES.details:
        assert {row["publication_id"] for row in rows(url, table)} == {"newer"}
    assert len(rows(url, TABLES.ledger_entry)) == 7


def test_a_superseded_publication_can_become_current_again(url, publication):
    target = make(url)
    target.write(publication)
    target.write(dataclasses.replace(publication, id="newer", entries=()))
    target.write(publication)
    flags = {row["publication_id"]: row["is_current"] for row in rows(url, TABLES.publication)}
    assert flags == {publication.id: True, "newer": False}
    assert len(rows(url, TABLES.ledger_entry)) == len(publication.entries)


def test_other_periods_offices_and_policies_stay(url, publication):
    target = make(url)
    for change in ({}, {"period": "2025"}, {"office": "990102"}, {"policy": "other"}):
        target.write(dataclasses.replace(publication, id=f"p{change}", **change))
    assert all(row["is_current"] for row in rows(url, TABLES.publication))
    assert len(rows(url, TABLES.ledger_entry)) == 4 * len(publication.entries)


def test_a_fault_half_way_undoes_everything(url, publication, monkeypatch):
    target = make(url)
    target.write(publication)
    before = all_rows(url)
    twice = dataclasses.replace(
        publication, id="newer", entries=[*publication.entries, publication.entries[0]], notices=()
    )
    with pytest.raises(RetryError) as raised:
        target.write(twice)
    assert raised.value.code == "database-busy"
    assert publication.entries[0].person_key not in told(database_table, raised.value.problem)
    assert all_rows(url) == before


def test_two_writers_at_once_leave_one_current(url, publication):
    make(url).write(publication)
    ready, failures = threading.Barrier(2), []

    def write(number):
        ready.wait()
        try:
            make(url).write(dataclasses.replace(publication, id=f"writer {number}"))
        except JianhengError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(error, RetryError) for error in failures)
    (current,) = [row for row in rows(url, TABLES.publication) if row["is_current"]]
    assert {row["publication_id"] for row in rows(url, TABLES.ledger_entry)} == {current["publication_id"]}
    assert len(rows(url, TABLES.ledger_entry)) == len(publication.entries)


def test_the_check_passes_before_and_after_the_first_write_and_leaves_nothing(url, publication):
    target = make(url)
    assert [finding.ok for finding in target.check()] == [True]
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection, pytest.raises(SQLAlchemyError):
        connection.execute(select(func.count()).select_from(TABLES.publication))
    target.write(publication)
    before = all_rows(url)
    assert [finding.ok for finding in target.check()] == [True]
    assert all_rows(url) == before


def test_somebody_elses_table_is_left_alone(url, publication):
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE {TABLES.person_score.name} (points INTEGER)"))
    target = make(url)
    with pytest.raises(StopError) as raised:
        target.write(publication)
    assert raised.value.code == "database-table-mismatch"
    told(database_table, raised.value.problem)
    (finding,) = target.check()
    assert finding.problem.code == "database-table-mismatch"


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("not a url", "database-url-invalid"),
        ("sqlite://host:port/x", "database-url-invalid"),
        ("nosuch://host/db", "database-driver-missing"),
        ("postgresql+nosuch://host/db", "database-driver-missing"),
        ("postgresql+psycopg://someone@127.0.0.1:1/db", "database-unreachable"),
        ("sqlite:////nonexistent/folder/results.db", "database-unreachable"),
    ],
)
def test_what_is_wrong_with_the_address_is_told_without_the_password(address, code, publication):
    target = make(address) if address.startswith("sqlite:////") else make(address, password="hunter2")
    (finding,) = target.check()
    assert finding.problem.code == code
    assert "hunter2" not in told(database_table, finding.problem) + finding.subject
    with pytest.raises(JianhengError) as raised:
        target.write(publication)
    assert raised.value.code == code
    assert raised.value.recovery == ("retry" if code == "database-unreachable" else "stop")


def test_a_prefix_that_could_be_anything_else_is_refused(tmp_path, publication):
    options = {"url": f"sqlite:///{tmp_path / 'x.db'}", "prefix": 'x"; DROP TABLE y; --'}
    target = database_table.targets()["database-table"](target_context(options))
    (finding,) = target.check()
    assert finding.problem.code == "database-prefix-invalid"
    told(database_table, finding.problem)


def test_missing_rights_are_told_and_nobodys_rows_are(tmp_path, publication, monkeypatch):
    """A database that may only be read: SQLite says so on the first statement that writes."""
    url = f"sqlite:///{tmp_path / 'results.db'}"
    make(url).write(publication)
    create = database.create_engine

    def read_only(*args, **options):
        engine = create(*args, **options)
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = 1"))
        return engine

    monkeypatch.setattr(database, "create_engine", read_only)
    (finding,) = make(url).check()
    assert finding.problem.code == "database-refused"
    assert publication.people[0].person_key not in told(database_table, finding.problem)


def test_a_locked_database_is_tried_again_later(tmp_path, publication, monkeypatch):
    path = tmp_path / "results.db"
    url = f"sqlite:///{path}"
    make(url).write(publication)
    create = database.create_engine
    monkeypatch.setattr(
        database, "create_engine", lambda url, **options: create(url, connect_args={"timeout": 0}, **options)
    )
    holder = sqlite3.connect(path)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RetryError) as raised:
            make(url).write(dataclasses.replace(publication, id="newer"))
    finally:
        holder.close()
    assert raised.value.code == "database-busy"
    told(database_table, raised.value.problem)
