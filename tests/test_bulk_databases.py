"""Many rows and many keys at once, in each database's own way: what comes back is what was put, and no other row is met."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError, StatementError

from jianheng.facts.entities import ENTITIES
from jianheng.store import fact_versions
from jianheng.store.bulk import among, insert_arrow, insert_rows
from jianheng.store.chunks import CHUNK
from jianheng.store.copying import MOST, Copying, Same
from jianheng.store.engine import open_store, store_error
from jianheng.store.tables import FACTS, RUN
from jianheng.sync import apply
from thoroughness import examples
from upstream import OFFICE, broken_chains, case, current, document, person, sync, table, versions

ODD = ["\\N", "\\", "a\tb", "a\nb", "a\r\nb", "\\t", "'", '"', "{a,b}", "%s", "?", ":x", "𠮷", "NULL", "a\\"]
MANY = CHUNK * 3 + 1


@pytest.fixture
def store(every_store):
    return every_store


def people(count, **columns):
    return [person(f"p{number}", **columns) for number in range(count)]


def test_texts_that_mean_something_to_a_driver_come_back_as_they_were_put(store):
    rows = [person(f"k{at}", name=text, post=None if at % 2 else text) for at, text in enumerate(ODD)]
    sync(store, table("person", *rows))
    held = {key: (name, post) for key, name, post in current(store, "person", "person_key", "name", "post")}
    assert held == {row["person_key"]: (row["name"], row["post"]) for row in rows}


def test_keys_that_differ_in_case_accent_or_width_are_different_records(store):
    keys = ["a", "A", "á", "ａ", "ß", "ss"]
    sync(store, table("person", *(person(key) for key in keys)))
    with store.connect() as connection:
        known = fact_versions.known(connection, ENTITIES["person"], OFFICE, ["A", "ａ", "Á"])
    assert {key for (key,) in current(store, "person", "person_key")} == set(keys)
    assert known == {"A", "ａ"}


def test_more_keys_than_a_list_holds_are_found_each_and_no_other(store):
    odd = [f"k{text}".strip() for text in ODD]
    sync(store, table("person", *people(MANY), *(person(key) for key in odd)))
    entity = ENTITIES["person"]
    wanted = {f"p{number}" for number in range(1, MANY + 50)} | set(odd[1:])
    with store.connect() as connection:
        found = fact_versions.held(connection, entity, OFFICE, "up", wanted)
        again = fact_versions.known(connection, entity, OFFICE, {"p0", "nobody"})
    assert found.keys() == {f"p{number}" for number in range(1, MANY)} | set(odd[1:])
    assert again == {"p0"}


def test_many_changes_and_deletions_at_once_close_just_those_versions(store):
    source = table("person", *people(MANY, post="甲"), person("still"))
    sync(store, source)
    for row in people(MANY - 5, post="乙"):
        source.put(row)
    assert sync(store, source).counts.changed == MANY - 5
    for number in range(MANY - 3):
        source.remove(f"p{number}")
    assert sync(store, source, accept_mass_change=True).counts.vanished == MANY - 3
    assert {key for (key,) in current(store, "person", "person_key")} == {
        "still",
        *(f"p{number}" for number in range(MANY - 3, MANY)),
    }
    assert len(versions(store, "person")) == 1 + MANY + (MANY - 5) + (MANY - 3)
    assert broken_chains(store, "person") == []


@pytest.mark.parametrize("mode", ["cursor", "snapshot"])
def test_a_batch_of_many_parts_is_one_whole(store, monkeypatch, mode):
    """Between the parts of a batch the store is asked, and changed, as if there were no parts."""
    monkeypatch.setattr(apply, "AHEAD", 7)
    cases, known = [f"C{number}" for number in range(40)], 30
    sync(store, table("case", *(case(number) for number in cases[:known])))
    source = table("document", *(document(f"d{at:03d}", f" C{at % 40} ") for at in range(100)), mode=mode)
    counts = sync(store, source).counts
    taken = [at for at in range(100) if at % 40 < known]
    assert (counts.inserted, counts.quarantined) == (len(taken), 100 - len(taken))
    for at in range(0, 100, 3):
        source.put(document(f"d{at:03d}", f"C{at % known}", name="改"))
    source.remove("d001")
    source.put({"document_key": "d099x", "_deleted": True})
    again = sync(store, source, accept_mass_change=True).counts
    changed = set(range(0, 100, 3))
    assert again.balanced
    assert again.changed == len(changed & {*taken})
    held = dict(current(store, "document", "document_key", "name"))
    assert {key for key, name in held.items() if name == "改"} == {f"d{at:03d}" for at in changed}
    assert broken_chains(store, "document") == []


@pytest.mark.postgresql
def test_what_is_between_keys_is_told_by_the_server(request, postgresql_url):
    """Its order may be that of a language: no key is lost that lies elsewhere in the order of characters."""
    keys = [
        f"{first}{second}{at}" for first in "ZabAzB检中一-_" for second in ("", "X", "-") for at in range(9)
    ]
    name = sa.make_url(postgresql_url).database
    here = sa.make_url(postgresql_url).set(database=f"{name}_icu")
    server = sa.create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    order = "LOCALE_PROVIDER icu ICU_LOCALE 'zh-u-co-pinyin' LOCALE 'C.UTF-8'"
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {here.database} TEMPLATE template0 {order}")
        try:
            store = open_store(here)
            sync(store, table("case", *map(case, keys)))
            with store.connect() as opened:
                assert fact_versions.known(opened, ENTITIES["case"], OFFICE, keys) == set(keys)
                least = opened.scalar(sa.select(sa.func.min(FACTS["case"].c.case_no)))
            assert least != min(keys), "or nothing is tested"
            store.dispose()
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {here.database} WITH (FORCE)")
    server.dispose()


def _runs(numbers):
    """Columns of the table of runs, each number one run."""
    return [[*numbers], Same(OFFICE), Same("sync"), Same("s"), Same(0), Same(None), Same("done"), Same("{}")]


@pytest.mark.postgresql
def test_what_is_copied_in_parts_is_there_when_it_is_settled(postgresql_store):
    count = sa.select(sa.func.count()).select_from(RUN)
    with postgresql_store.begin() as connection, Copying(connection, [*RUN.columns]) as copying:
        copying.send(_runs(range(1, 11)), 10)
        copying.send(_runs(range(11, 14)), 3)
        copying.settle()
        assert connection.scalar(count) == 13
        copying.send(_runs(range(14, 14 + MOST + 5)), MOST + 5)
    with postgresql_store.connect() as connection:
        assert connection.scalar(count) == 13 + MOST + 5


EVERY_KIND = sa.Table(
    "every_kind",
    sa.MetaData(),
    sa.Column("number", sa.Integer(), primary_key=True),
    sa.Column("large", sa.BigInteger()),
    sa.Column("amount", sa.Numeric(18, 6)),
    sa.Column("held", sa.Boolean()),
    sa.Column("day", sa.Date()),
    sa.Column("moment", sa.DateTime()),
    sa.Column("word", sa.String(40)),
    sa.Column("body", sa.Text()),
    sa.Column("raw", sa.LargeBinary()),
)
SIGNS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
VALUES = st.tuples(
    *(
        st.none() | each
        for each in (
            st.integers(-(2**63), 2**63 - 1),
            st.decimals(-(10**12) + 1, 10**12 - 1, places=6),
            st.booleans(),
            st.dates(),
            st.datetimes(),
            st.text(SIGNS, max_size=40),
            st.text(SIGNS) | st.integers(4_090, 4_100).map("长".__mul__),
            st.binary(),
        )
    )
)
LAST = dt.datetime(9999, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001 wall time
EDGE = (2**63 - 1, Decimal("0.000001"), False, dt.date.min, LAST, "", "\\N", b"\\x00\0")


@pytest.mark.postgresql
def test_what_is_copied_is_what_the_driver_would_write_row_by_row(postgresql_store):
    with postgresql_store.connect() as connection:
        EVERY_KIND.create(connection)

        @settings(max_examples=examples(40), deadline=None)
        @given(st.lists(VALUES, min_size=1, max_size=12))
        @example([EDGE])
        @example([EDGE, (None,) * 8])
        def check(values):
            rows = [(number, *each) for number, each in enumerate(values)]
            found = []
            names = EVERY_KIND.columns.keys()
            for put in (
                lambda: insert_rows(connection, EVERY_KIND, rows),
                lambda: connection.execute(
                    sa.insert(EVERY_KIND), [dict(zip(names, row, strict=True)) for row in rows]
                ),
            ):
                put()
                found.append(connection.execute(sa.select(EVERY_KIND).order_by("number")).fetchall())
                connection.execute(sa.delete(EVERY_KIND))
            assert found[0] == found[1] == rows

        check()


@pytest.mark.postgresql
@pytest.mark.parametrize("column", ["large", "amount", "day", "moment"])
def test_what_a_column_cannot_hold_is_refused_as_the_server_would(postgresql_store, column):
    unfit = {"large": 2**63, "amount": "much", "day": "2025-01-01", "moment": 7}
    values = [unfit.get(name) if name == column else None for name in EVERY_KIND.columns.keys()[1:]]
    with postgresql_store.connect() as connection:
        EVERY_KIND.create(connection)
        with pytest.raises(StatementError) as refused:
            insert_rows(connection, EVERY_KIND, [(1, *values)])
        assert connection.scalar(sa.select(sa.func.count()).select_from(EVERY_KIND)) == 0
    assert store_error(refused.value, "test").code == "store-failed"


def _copy_and_fail(store, numbers, error=None):
    with store.begin() as connection, Copying(connection, [*RUN.columns]) as copying:
        copying.send(_runs(range(1, 4)), 3)
        copying.send(_runs(numbers), len(numbers))
        if error is not None:
            raise error


@pytest.mark.postgresql
def test_of_what_is_refused_or_given_up_while_it_is_copied_nothing_is_there(postgresql_store):
    with pytest.raises(IntegrityError):
        _copy_and_fail(postgresql_store, [3])
    with pytest.raises(LookupError):
        _copy_and_fail(postgresql_store, [4], LookupError())
    with postgresql_store.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(RUN)) == 0


def test_two_sets_of_keys_one_after_the_other_do_not_mix(store):
    sync(store, table("person", *people(MANY)))
    held = FACTS["person"]
    key = held.c.person_key
    with store.begin() as connection:
        for start in (0, 700):
            wanted = {f"p{number}" for number in range(start, start + CHUNK + 1)}
            found = connection.scalars(
                held.select().with_only_columns(key).where(among(connection, key, wanted))
            )
            assert set(found) == wanted


def test_no_rows_are_no_statement(store):
    empty = pa.table({"person_key": pa.array([], pa.string()), "quota_since": pa.array([], pa.date32())})
    with store.begin() as connection:
        insert_rows(connection, FACTS["person"], [])
        insert_arrow(connection, FACTS["person"], empty, {})
    assert versions(store, "person") == []
