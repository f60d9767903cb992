import datetime as dt
import re
import tomllib
from pathlib import Path

import pytest
import sqlalchemy as sa
from source_fakes import UNIT, make_context, read_batches, read_rows

from jianheng.contract import Countable, Keyed, LiveCount, Ranged, Secret, Source
from jianheng.errors import EmptiedError, FaultsError, JianhengError, RetryError
from jianheng_adapters import sql_query
from jianheng_adapters.mapping.position import Marks
from jianheng_adapters.sql_query.query import as_kept, check_select

at = dt.datetime.fromisoformat  # wall time carries no zone

PEOPLE = """
[streams.person]
entity = "person"
mode = "cursor"
cursor = "CHANGED"
scope = "DWBM"
deleted = { column = "gone" }
%s
[streams.person.columns]
person_key = ["DWBM", "NO"]
unit_code = "DWBM"
staff_no = "NO"
name = "NAME"
"""
TABLE = 'table = "staff"'
QUERY = (
    'sql = "SELECT dwbm, no, name, gone, changed FROM staff WHERE changed >= :cursor AND dwbm IN (:units);"'
)
QUICK = {"connect_attempts": 1, "overlap_minutes": 0, "batch_size": 2}


class Staff:
    """A table of people, its times kept as text or as moments."""

    def __init__(self, url: str, *, dated: bool) -> None:
        self.url = url
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)
        changed = sa.DateTime() if dated else sa.String(30)
        self.dated = dated
        self.table = sa.Table(
            "staff",
            sa.MetaData(),
            *(sa.Column(name, sa.String(40)) for name in ("dwbm", "no", "name", "gone")),
            sa.Column("changed", changed),
            sa.Column("version", sa.Integer()),
        )
        self.table.create(self.engine)

    def add(
        self, number: int, changed: str | None = "2026-03-01 09:00:00", unit: str | None = UNIT, **more
    ) -> None:
        told = at(changed) if self.dated and changed else changed
        row = {"dwbm": unit, "no": f"{number:04d}", "name": f"人{number}", "changed": told, "version": number}
        with self.engine.begin() as connection:
            connection.execute(sa.insert(self.table).values(**{**row, **more}))

    def clear(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.delete(self.table))


@pytest.fixture(params=["text", "moment", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def staff(request, tmp_path):
    if request.param == "postgresql":
        return Staff(request.getfixturevalue("postgresql_url"), dated=True)
    return Staff(f"sqlite:///{tmp_path / 'hr.db'}", dated=request.param == "moment")


def make(staff: Staff, folder: Path, mapping: str = PEOPLE % TABLE, **options):
    file = folder / "mapping.toml"
    file.write_text(mapping, encoding="utf-8")
    return sql_query.make_source(make_context({"url": staff.url, "mapping": file, **QUICK, **options}))


def numbers(source, cursor: str | None = None) -> list[str]:
    return [row["staff_no"] for row in read_rows(source, "person", cursor)]


def minute(number: int) -> str:
    return f"2026-03-01 09:{number:02d}:00"


@pytest.fixture(params=[TABLE, QUERY], ids=["table", "query"])
def mapping(request):
    return PEOPLE % request.param


def test_is_what_its_manifest_says(tmp_path):
    manifest = tomllib.loads(Path(sql_query.__file__).with_name("adapter.toml").read_text(encoding="utf-8"))
    source = make(Staff(f"sqlite:///{tmp_path / 'hr.db'}", dated=False), tmp_path)
    assert set(sql_query.sources()) == {manifest["id"]}
    assert all(isinstance(source, each) for each in (Source, Keyed, Countable, Ranged))


def test_every_batch_is_a_place_to_go_on_from_and_repeats_its_last_row(staff, tmp_path, mapping):
    for number in range(7):
        staff.add(number, minute(number // 2))
    source = make(staff, tmp_path, mapping)
    batches = read_batches(source, "person")
    assert [row["staff_no"] for batch in batches for row in batch.rows] == [
        f"{each:04d}" for each in range(7)
    ]
    for place, batch in enumerate(batches):
        before = {row["staff_no"] for each in batches[: place + 1] for row in each.rows}
        after = numbers(source, batch.cursor)
        assert batch.rows[-1]["staff_no"] in after
        assert before | {*after} == {f"{each:04d}" for each in range(7)}


def test_a_later_read_takes_what_changed_with_an_overlap(staff, tmp_path, mapping):
    for number in range(4):
        staff.add(number, minute(number))
    cursor = read_batches(make(staff, tmp_path, mapping), "person")[-1].cursor
    staff.add(9, minute(9))
    assert numbers(make(staff, tmp_path, mapping), cursor) == ["0003", "0009"]
    assert numbers(make(staff, tmp_path, mapping, overlap_minutes=2), cursor) == [
        "0001",
        "0002",
        "0003",
        "0009",
    ]


def test_rows_that_do_not_say_when_they_changed_come_every_time_and_last(staff, tmp_path):
    staff.add(1, None)
    staff.add(2, minute(2))
    source = make(staff, tmp_path)
    cursor = read_batches(source, "person")[-1].cursor
    assert numbers(source) == numbers(source, cursor) == ["0002", "0001"]


def test_only_units_in_scope_are_read_and_what_says_none_is_passed_on(staff, tmp_path):
    staff.add(1)
    staff.add(2, unit="990102")
    staff.add(3, unit=None)
    assert sorted(numbers(make(staff, tmp_path))) == ["0001", "0003"]


def test_a_time_in_the_future_does_not_hide_what_comes_until_then(staff, tmp_path, mapping):
    staff.add(1, minute(1))
    staff.add(2, "2199-01-01 00:00:00")
    source = make(staff, tmp_path, mapping)
    cursor = read_batches(source, "person")[-1].cursor
    staff.add(3, minute(3))
    assert "0003" in numbers(source, cursor)


def test_a_cursor_may_be_a_number_that_grows(staff, tmp_path):
    for number in range(1, 6):
        staff.add(number)
    told = (PEOPLE % TABLE).replace('cursor = "CHANGED"', 'cursor = "VERSION"\ncursor_kind = "number"')
    source = make(staff, tmp_path, told, overlap_numbers=1)
    cursor = read_batches(source, "person")[-1].cursor
    assert numbers(source, cursor) == ["0004", "0005"]


def test_a_snapshot_reads_all(staff, tmp_path):
    for number in range(5):
        staff.add(number)
    told = (PEOPLE % 'sql = "WITH s AS (SELECT * FROM staff) SELECT * FROM s"').replace(
        'mode = "cursor"\n', ""
    )
    batches = read_batches(make(staff, tmp_path, told), "person")
    assert [batch.cursor for batch in batches] == [None] * 3
    assert sum(len(batch.rows) for batch in batches) == 5


def test_a_table_that_is_suddenly_empty_is_told(staff, tmp_path, mapping):
    staff.add(1)
    cursor = read_batches(make(staff, tmp_path, mapping), "person")[-1].cursor
    staff.clear()
    with pytest.raises(EmptiedError):
        read_batches(make(staff, tmp_path, mapping), "person", cursor)


def test_keys_are_those_of_live_rows_in_scope(staff, tmp_path, mapping):
    staff.add(1)
    staff.add(2, gone="Y")
    staff.add(3, unit="990102")
    assert [key for part in make(staff, tmp_path, mapping).keys("person") for key in part] == [f"{UNIT}-0001"]


def test_live_rows_are_counted_in_the_database(staff, tmp_path, mapping):
    staff.add(1)
    staff.add(2, gone="Y")
    staff.add(3)
    assert list(make(staff, tmp_path, mapping).count("person")) == [LiveCount(UNIT, None, 2)]


CASES = """
[streams.case]
entity = "case"
table = "staff"
scope = "dwbm"
[streams.case.columns]
case_no = "no"
unit_code = "dwbm"
category = { value = "0301" }
accepted_on = "changed"
"""


def test_cases_are_counted_by_year_and_read_by_days(staff, tmp_path):
    staff.add(1, "2025-12-31 23:00:00")
    staff.add(2, "2026-01-01 00:00:00")
    staff.add(3, "2026-02-01 00:00:00")
    source = make(staff, tmp_path, CASES)
    assert sorted(source.count("case"), key=lambda each: each.year or 0) == [
        LiveCount(UNIT, 2025, 1),
        LiveCount(UNIT, 2026, 2),
    ]
    span = source.read_range("case", dt.date(2026, 1, 1), dt.date(2026, 2, 1), None)
    assert [row["case_no"] for batch in span for row in batch.rows] == ["0002"]
    derived = CASES.replace('accepted_on = "changed"', 'accepted_on = { first_of = ["changed"] }')
    with pytest.raises(JianhengError) as caught:
        list(
            make(staff, tmp_path, derived).read_range("case", dt.date(2026, 1, 1), dt.date(2026, 2, 1), None)
        )
    assert caught.value.code == "sql-no-span"


def test_a_preview_shows_what_is_read_and_what_becomes_of_it(staff, tmp_path):
    staff.add(1)
    source = make(staff, tmp_path)
    ((raw, row),) = source.preview("person")
    assert raw["NAME"] == "人1"
    assert (row["person_key"], row["_locator"]) == (f"{UNIT}-0001", f"staff DWBM={UNIT} NO=0001")
    assert source.origins("person")["person_key"] == ("DWBM", "NO")


# What goes wrong.


@pytest.fixture
def lite(tmp_path):
    return Staff(f"sqlite:///{tmp_path / 'hr.db'}", dated=False)


def told_by_check(source) -> list[str]:
    found = [finding.problem for finding in source.check() if finding.problem is not None]
    assert not any(re.search(r"\{[a-z_]+\}", each.message().as_text()) for each in found)
    return [each.code for each in found]


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ('table = "stafff"', "sql-table-missing"),
        ('sql = "SELECT dwbm, no, name, gone FROM staff"', "sql-column-missing"),
        ('sql = "SELECT * FROM stafff"', "sql-connection-lost"),  # what SQLite calls an operational error
        ('sql = "DELETE FROM staff"', "sql-not-select"),
        ('sql = "SELECT 1; DROP TABLE staff"', "sql-not-select"),
        ('sql = "SELECT FROM WHERE"', "sql-not-select"),
    ],
)
def test_a_mapping_that_does_not_fit_is_told(lite, tmp_path, told, code):
    lite.add(1)
    assert told_by_check(make(lite, tmp_path, PEOPLE % told)) == [code]


def test_a_check_speaks_of_what_can_be_read(lite, tmp_path):
    assert told_by_check(make(lite, tmp_path)) == ["sql-nothing-in-scope"]
    lite.add(1)
    assert told_by_check(make(lite, tmp_path)) == []
    lite.clear()
    lite.add(1, "yesterday")
    assert told_by_check(make(lite, tmp_path)) == ["sql-cursor-unreadable"]
    with pytest.raises(JianhengError) as caught:
        read_batches(make(lite, tmp_path), "person")
    assert caught.value.code == "sql-cursor-unreadable"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("sqlite:///nowhere.db", "sql-file-missing"),
        ("nonsense", "sql-url-wrong"),
        ("nosuchdb://u@h/x", "sql-driver-missing"),
        ("postgresql+psycopg://u@127.0.0.1:9/x", "sql-unreachable"),
    ],
)
def test_a_database_that_is_not_there_is_told(lite, tmp_path, url, code):
    assert told_by_check(make(lite, tmp_path, url=url)) == [code]


def test_a_password_means_nothing_to_a_file(lite, tmp_path):
    lite.add(1)
    source = make(lite, tmp_path)
    source._context.secrets["password"] = Secret("made-up")
    assert told_by_check(source) == []
    assert told_by_check(make(lite, tmp_path, url="sqlite://user@host/x.db")) == ["sql-file-missing"]


@pytest.mark.postgresql
def test_a_wrong_password_and_a_missing_database_are_refusals(tmp_path, postgresql_url, lite):
    url = sa.make_url(postgresql_url).set(database="no_such_database").render_as_string(hide_password=False)
    assert told_by_check(make(lite, tmp_path, url=url)) == ["sql-login-refused"]


@pytest.mark.postgresql
def test_a_query_can_change_nothing(tmp_path, postgresql_url):
    """What passes for a SELECT may still call a function that writes; the transaction is read-only."""
    staff = Staff(postgresql_url, dated=True)
    with staff.engine.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE FUNCTION wipe() RETURNS text LANGUAGE plpgsql AS "
                "$$BEGIN DELETE FROM staff; RETURN 'x'; END$$"
            )
        )
    staff.add(1)
    told = PEOPLE % 'sql = "SELECT dwbm, no, wipe() AS name, gone, changed FROM staff"'
    with pytest.raises(JianhengError):
        read_batches(make(staff, tmp_path, told), "person")
    assert numbers(make(staff, tmp_path)) == ["0001"]


def test_a_database_that_is_locked_may_recover(lite, tmp_path):
    lite.add(1)
    with lite.engine.connect() as holder:
        holder.exec_driver_sql("BEGIN EXCLUSIVE")
        with pytest.raises(RetryError):
            read_batches(make(lite, tmp_path, connect_timeout_s=1), "person")


@pytest.mark.parametrize(
    "sql", ["SELECT a FROM t WHERE b IN ( :units ) ;", "(SELECT a FROM t) UNION SELECT b FROM u"]
)
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mysql", "oracle", "dm"])
def test_reading_queries_of_every_dialect_pass(sql, dialect):
    assert "( :units )" not in check_select(sql, dialect, "x")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1)",
        "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
        "SELECT * INTO u FROM t",
        "SELECT * FROM t FOR UPDATE",
        "CREATE TABLE x AS SELECT 1",
        "",
    ],
)
def test_queries_that_do_more_than_read_are_refused(sql):
    with pytest.raises(JianhengError) as caught:
        check_select(sql, "postgresql", "x")
    assert caught.value.code == "sql-not-select"


@pytest.mark.parametrize(
    ("position", "stamp", "kept"),
    [
        (at("2026-01-02T03:04:05"), "2026-01-02T03:04:05", "2026-01-02T03:04:05"),
        (at("2026-01-02T03:04:05"), "2026-01-02", "2026-01-02"),
        (at("2026-01-02T03:04:05"), dt.date(2026, 1, 2), dt.date(2026, 1, 2)),
        (at("2026-01-02T03:04:05"), at("2026-01-02T03:04:05+00:00"), at("2026-01-02T03:04:05+08:00")),
        (Marks("number").position("7.0"), 7, 7),
        ("b", "a", "b"),
    ],
)
def test_a_position_is_asked_for_as_the_database_keeps_it(position, stamp, kept):
    assert as_kept(position, stamp) == kept


def test_tables_and_queries_exclude_each_other(lite, tmp_path):
    with pytest.raises(FaultsError):
        make(lite, tmp_path, PEOPLE % f"{TABLE}\n{QUERY}")
    with pytest.raises(FaultsError):
        make(lite, tmp_path, PEOPLE % "")


def test_an_unknown_stream_and_a_strange_cursor_are_told(lite, tmp_path):
    for stream, cursor, code in (("x", None, "mapping-stream-unknown"), ("person", "?", "cursor-unreadable")):
        with pytest.raises(JianhengError) as caught:
            read_batches(make(lite, tmp_path), stream, cursor)
        assert caught.value.code == code
