"""The statement of every stream, in the words of each database that holds a case system."""

import datetime as dt
import importlib
import re
from functools import cache

import pytest
import sqlalchemy as sa
import sqlglot
from sqlalchemy.dialects import mysql, oracle, postgresql, sqlite

from jianheng_adapters.mapping import MappingFile, load_mapping
from jianheng_adapters.unified_case_sql.live import live_counts
from jianheng_adapters.unified_case_sql.schema import Place, needs, place
from jianheng_adapters.unified_case_sql.source import VERSIONS
from jianheng_adapters.unified_case_sql.statements import Statement, build, count

UNITS = ("990101", "990102")
SINCE = dt.datetime(2025, 3, 1, 9)  # noqa: DTZ001 wall time
MOMENTS = ("SJ", "RQ")
LONGEST_NAME = 30  # Oracle before 12.2; names we give must fit, those of tables are what they are


def dameng() -> sa.Dialect:
    """Dameng's own dialect where it can be loaded, else Oracle's, whose SQL Dameng takes."""
    try:
        made: sa.Dialect = importlib.import_module("dmSQLAlchemy.base").DMDialect()
    except Exception:  # noqa: BLE001 its releases so far load with SQLAlchemy 2.0 only
        return oracle.dialect()
    return made


DIALECTS = {
    "sqlite": sqlite.dialect,
    "postgresql": postgresql.dialect,
    "mariadb": mysql.dialect,
    "oracle": oracle.dialect,
    "dameng": dameng,
}
READ_AS = {
    "sqlite": "sqlite",
    "postgresql": "postgres",
    "mariadb": "mysql",
    "oracle": "oracle",
    "dameng": "oracle",
}


@cache
def mapping(version: int) -> MappingFile:
    return load_mapping(VERSIONS[version], None, placement="table")


def imagined(told: MappingFile, stream: str) -> dict[str, Place]:
    """The tables of a stream as the dictionary says they are, without a database."""
    found = {}
    for alias, (table, columns) in needs(told, told.streams[stream]).items():
        more = {each for each in (told.change_token, told.token_partition) if each}
        kinds = {
            name.upper(): (name, sa.DateTime() if name.endswith(MOMENTS) else sa.String(100))
            for name in sorted(columns | more)
        }
        found[alias] = place(table, f"j_{alias}" if alias else "own", kinds)
    return found


def statements(version: int, dialect: str) -> dict[str, tuple[Statement, list[sa.Select]]]:
    told, made = mapping(version), {}
    for name, stream in told.streams.items():
        places = imagined(told, name)
        built = build(told, name, places, UNITS, dialect)
        found = [count(built), live_counts(told, name, places, built, dialect)]
        if built.tokens:
            found += [built.marks(), built.of_group("2025")]
        found.append(built.since(SINCE) if stream.mode == "cursor" else built.rows)
        made[name] = built, found
    return made


@pytest.mark.parametrize("name", DIALECTS)
def test_every_stream_compiles_and_reads_as_sql_of_the_database(name):
    dialect = DIALECTS[name]()
    made = statements(1, "oracle" if name == "dameng" else name)
    assert len(made) > 100
    for stream, (_, found) in made.items():
        texts = [
            str(each.compile(dialect=dialect, compile_kwargs={"literal_binds": False})) for each in found
        ]
        for text in texts:
            assert "__[POSTCOMPILE" in text or " IN " not in text, stream  # lists are bound, never written in
            assert not re.search(r"'990101'|2025-03-01", text), stream
            given = re.findall(r" AS \"?([A-Za-z@_0-9]+)", text)
            assert [each for each in given if len(each) > LONGEST_NAME] == [], stream
            if name in ("oracle", "dameng"):  # there a table's other name stands without AS
                assert not re.search(r'(FROM|JOIN) "?\w+"? AS ', text), (stream, text)
                assert not re.search(r"\b(true|false|LIMIT)\b", text), stream
        plain = re.sub(r"\(__\[POSTCOMPILE_[^\]]*\]\)", "('x')", texts[-1])
        plain = re.sub(r"%\(\w+\)s|%s|(?<!:):(?!:)\w+", "'x'", plain).replace("?", "'x'")
        assert sqlglot.parse_one(plain, dialect=READ_AS[name]).find(sqlglot.exp.Select), stream


def test_each_stream_reads_what_it_says_and_nothing_else():
    told = mapping(1)
    for stream, (built, _) in statements(1, "postgresql").items():
        assert set(built.index) == set(told.streams[stream].sources())
        assert bool(built.changes) == (told.streams[stream].mode == "cursor"), stream


def test_version_two_compares_tokens_where_version_one_compares_times():
    one, two = statements(1, "postgresql"), statements(2, "postgresql")
    assert [name for name, (built, _) in one.items() if built.tokens] == []
    with_tokens = {name for name, (built, _) in two.items() if built.tokens}
    assert with_tokens == {name for name, stream in mapping(2).streams.items() if stream.mode == "cursor"}
    sources = set(mapping(2).streams["case"].sources()) - set(mapping(1).streams["case"].sources())
    assert sources == {"CBRBM"}


def test_a_table_behind_a_link_is_not_quoted_as_one_name():
    behind = place(
        "TYYW_GG_AJJBXX", "own", {"BMSAH": ("BMSAH", sa.String())}, schema="TYYW", link="TYYW_LINK.NET"
    )
    text = str(sa.select(behind["BMSAH"]).compile(dialect=oracle.dialect()))
    assert 'FROM "TYYW".TYYW_GG_AJJBXX@TYYW_LINK.NET own' in " ".join(text.split())
