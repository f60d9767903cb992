"""Many rows and many keys at once, in each database's own way: what comes back is what was put, and no other row is met."""

import pyarrow as pa
import pytest

from jianheng.facts.entities import ENTITIES
from jianheng.store import fact_versions
from jianheng.store.bulk import among, insert_arrow, insert_rows
from jianheng.store.chunks import CHUNK
from jianheng.store.tables import FACTS
from upstream import OFFICE, broken_chains, current, person, sync, table, versions

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
