"""A closed period comes out again to the bit, whatever happened since; and whoever changed something is found out."""

import datetime as dt
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from closing_world import (
    NEXT,
    SUBJECT,
    World,
    close,
    closed_case,
    closed_office,
    law_in,
    ledger,
    made_again,
    paper,
    plus,
    score,
    sums,
    volume,
    world,
)
from jianheng.errors import StopError
from jianheng.scoring.closing import receipt as receipts
from jianheng.scoring.closing.adjustments import adjustments_of
from jianheng.scoring.closing.receipt import rows_part
from jianheng.scoring.kernel.evaluation import evaluate
from jianheng.scoring.kernel.score import score as fresh_score
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.records.closed_periods import get_closed
from jianheng.scoring.records.scope import read_facts, read_facts_at
from jianheng.store import engine as store_engine
from jianheng.store import moments
from jianheng.store.engine import open_store, upgrade
from thoroughness import examples, some
from upstream import OFFICE, sync_world


@pytest.fixture
def law(tmp_path: Path) -> Policy:
    return law_in(tmp_path)


# The tree.

ROWS = pa.table(
    {
        "source": ["甲", "甲", "乙"],
        "key": ["1", "2", "1"],
        "day": pa.array([dt.date(2025, 3, 4), None, dt.date(2024, 2, 29)], pa.date32()),
        "at": pa.array([1_741_080_600_000_000, 1_735_689_600_000_005, None], pa.timestamp("us")),
        "share": pa.array([Decimal("0.5"), None, Decimal(3)], pa.decimal128(18, 6)),
        "yes": [True, None, False],
        "count": pa.array([7, -1, None], pa.int64()),
    }
)
SAID = (
    "x\x1fsource=甲\x1fkey=1\x1fday=2025-03-04\x1fat=2025-03-04 09:30:00.000000\x1fshare=0.500000\x1fyes=true\x1fcount=7",
    "x\x1fsource=甲\x1fkey=2\x1fat=2025-01-01 00:00:00.000005\x1fcount=-1",
    "x\x1fsource=乙\x1fkey=1\x1fday=2024-02-29\x1fshare=3.000000\x1fyes=false",
)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_tree_is_what_its_description_says() -> None:
    """Computed by hand with nothing but SHA-256, so that no library may ever change it unseen."""
    part = rows_part("x", ROWS, ROWS.column_names, ("source", "key"))
    bucket = digest("".join(sorted(digest(said) for said in SAID)))
    assert (part.leaves, part.buckets, part.hash) == (3, (bucket,), digest(bucket))
    backwards = ROWS.take([2, 0, 1])
    assert rows_part("x", backwards, ROWS.column_names, ("source", "key")) == part


def test_many_leaves_stand_in_buckets_by_their_key() -> None:
    keys = [str(number) for number in range(100)]
    part = rows_part("x", pa.table({"key": keys}), ("key",), ("key",))
    assert len(part.buckets) == 16
    third = sorted(digest(f"x\x1fkey={key}") for key in keys if digest(key).startswith("3"))
    assert part.buckets[3] == digest("".join(third))
    assert part.hash == digest("".join(part.buckets))


# Facts as they were.


def test_facts_are_read_as_they_were_known_at_a_moment(store: sa.Engine) -> None:
    """Changed, added and deleted since: none of it was known then."""
    told = world()
    sync_world(store, told)
    with store.connect() as connection:
        then = moments.last_recorded(connection, OFFICE)
        known = read_facts(connection, OFFICE)
    told["case"] = [closed_case("A", concluded_on="2025-09-09"), closed_case("C")]
    told["person"] = told["person"][:1]
    sync_world(store, told)
    with store.connect() as connection:
        again, now = read_facts_at(connection, OFFICE, then), read_facts(connection, OFFICE)
        before = read_facts_at(connection, OFFICE, 0)
    assert {name: sorted(map(str, rows.to_pylist())) for name, rows in again.items()} == {
        name: sorted(map(str, rows.to_pylist())) for name, rows in known.items()
    }
    assert sorted(now["case"]["case_no"].to_pylist()) == ["A", "C"]
    assert all(rows.num_rows == 0 for rows in before.values())


# Whatever happens since.


def newer_facts(store: sa.Engine) -> None:
    told = world()
    sync_world(store, told | {"case": [closed_case("A", category="0201")], "document": [], "posting": []})


@pytest.mark.parametrize("rule", ["list", "next"])
def test_a_closed_period_comes_out_again_after_anything(store: sa.Engine, tmp_path: Path, rule: str) -> None:
    """After newer facts, another law, and without its files."""
    law = law_in(tmp_path, *([NEXT] if rule == "next" else []))
    receipt = closed_office(store, law, world())
    newer_facts(store)
    other = law_in(tmp_path, *([NEXT] if rule == "next" else []), ("points.csv", "papers,3", "papers,4"))
    assert other.version != law.version
    score(store, other, "2025", "2026")
    shutil.rmtree(law.folder)
    found = made_again(store)
    assert (found.identical, found.root, found.again) == (True, receipt.root, receipt.root)


MIGRATION = """
import sqlalchemy as sa
from alembic import op
revision = "9999"
down_revision = {head!r}
branch_labels = None
depends_on = None

def upgrade():
    op.create_table("weather", sa.Column("day", sa.Date(), primary_key=True))
    with op.batch_alter_table("fact_case") as batch:
        batch.add_column(sa.Column("weather", sa.Text(), nullable=True))
"""


def test_a_closed_period_comes_out_again_after_a_migration(
    store: sa.Engine, law: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later version of the store has another table and another column of a fact."""
    receipt = closed_office(store, law, world())
    scripts = tmp_path / "migrations"
    shutil.copytree(str(files("jianheng.store") / "migrations"), scripts)
    head = store_engine.schema_state(store)[1]
    (scripts / "versions" / "9999_weather.py").write_text(MIGRATION.format(head=head), encoding="utf-8")
    monkeypatch.setattr(store_engine, "_MIGRATIONS", str(scripts))
    monkeypatch.setattr(store_engine, "REVISION", "9999")
    assert upgrade(store) == "9999"
    later = open_store(store.url)
    assert "weather" in {each["name"] for each in sa.inspect(later).get_columns("fact_case")}
    newer_facts(later)
    found = made_again(later)
    later.dispose()
    assert (found.identical, found.again) == (True, receipt.root)


def test_another_engine_is_told_and_what_is_equal_is_equal(
    lite_store: sa.Engine, law: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entries decide, not the number; the program to go back to is named."""
    closed_office(lite_store, law, world())
    monkeypatch.setattr(receipts, "ENGINE_VERSION", "3")
    found = made_again(lite_store)
    assert found.identical
    assert (found.engine_then, found.engine_now) != (found.engine_now, found.engine_then)
    assert found.engine_now == "3"
    assert found.program


# Whoever changed something is found out.

TAMPERED: dict[str, tuple[str, set[tuple[str, str]], str]] = {
    "a fact's value": (
        "UPDATE fact_case SET concluded_on = NULL WHERE case_no = 'B'",
        {
            ("facts", "facts/case"),
            ("again", "summary"),
            ("again", "ledger"),
            ("again", "values"),
            ("again", "standings"),
        },
        "world B",
    ),
    "a fact's value that gives nothing": (
        "UPDATE fact_document SET approval_result = '同意' WHERE document_key = 'd'",
        {("facts", "facts/document")},
        "world d",
    ),
    "a fact's hash": (
        "UPDATE fact_document SET content_hash = 'x' WHERE document_key = 'd'",
        {("facts", "facts/document"), ("again", "ledger"), ("again", "summary")},
        "world d",
    ),
    "a fact that is gone": (
        "DELETE FROM fact_archive_volume WHERE volume_key = 'A'",
        {
            ("facts", "facts/archive_volume"),
            ("again", "summary"),
            ("again", "ledger"),
            ("again", "values"),
            ("again", "standings"),
        },
        "wang prosecutor work closed A",
    ),
    "a ledger line": (
        "UPDATE ledger_entry SET points = 99000 WHERE item_key = 'B'",
        {("kept", "ledger")},
        "points 99000 ≠ 10000",
    ),
    "a ledger line that is gone": (
        "DELETE FROM ledger_entry WHERE item_key = 'd'",
        {("kept", "ledger")},
        "+ wang prosecutor papers made_p d",
    ),
    "a value": (
        "UPDATE indicator_value SET points = 1 WHERE person_key = 'wang' AND indicator = 'work'",
        {("kept", "values")},
        "wang prosecutor work",
    ),
    "a standing": (
        "UPDATE person_score SET place = 9 WHERE person_key = 'wang'",
        {("kept", "standings")},
        "place 9 ≠ 1",
    ),
    "a law's text": (
        "UPDATE archived_policy SET sources = replace(sources, 'papers,3', 'papers,4')",
        {
            ("law", "law"),
            ("again", "summary"),
            ("again", "ledger"),
            ("again", "values"),
            ("again", "standings"),
        },
        "mini/points.csv",
    ),
    "the law is gone": (
        "DELETE FROM archived_policy",
        {("law", "law"), ("again", "ledger")},
        "close-law-lost",
    ),
    "who closed": (
        "UPDATE closed_period SET closed_by = '李四'",
        {("receipt", "closing")},
        "closed_by: 张三 ≠ 李四",
    ),
    "the receipt": (
        """UPDATE closed_period SET receipt = replace(receipt, '"points":23000', '"points":24000')""",
        {("receipt", "summary")},
        "",
    ),
}


@pytest.mark.parametrize("what", TAMPERED, ids=list(TAMPERED))
def test_what_was_changed_by_hand_is_named(lite_store: sa.Engine, law: Policy, what: str) -> None:
    """The part that differs, and the row as far as it can be told."""
    _tampered_and_named(lite_store, law, what)


@pytest.mark.postgresql
@pytest.mark.parametrize("what", some(TAMPERED), ids=some(TAMPERED))
def test_what_was_changed_by_hand_is_named_in_postgresql(
    postgresql_store: sa.Engine, law: Policy, what: str
) -> None:
    _tampered_and_named(postgresql_store, law, what)


def _tampered_and_named(store: sa.Engine, law: Policy, what: str) -> None:
    statement, where, named = TAMPERED[what]
    closed_office(store, law, world())
    with store.begin() as connection:
        connection.execute(sa.text(statement.replace(":", "\\:")))
    found = made_again(store)
    assert not found.identical
    assert {(each.where, each.part) for each in found.differences} == where
    assert any(named in line for each in found.differences for line in each.named) or not named


def test_a_receipt_that_is_cut_off_is_no_receipt(lite_store: sa.Engine, law: Policy) -> None:
    closed_office(lite_store, law, world())
    with lite_store.begin() as connection:
        connection.execute(sa.text("UPDATE closed_period SET receipt = substr(receipt, 1, 100)"))
    with pytest.raises(StopError) as refused:
        made_again(lite_store)
    assert refused.value.code == "receipt-unreadable"


def test_one_of_many_facts_is_named_alone(lite_store: sa.Engine, law: Policy) -> None:
    """Also where the hash beside it was forged: then with the few that share its bucket."""
    told = world()
    told["document"] = [paper(f"d{number:03}", "A") for number in range(300)]
    closed_office(lite_store, law, told)
    with lite_store.begin() as connection:
        connection.execute(sa.text("UPDATE fact_document SET name = '另' WHERE document_key = 'd123'"))
    (facts, *_) = [each for each in made_again(lite_store).differences if each.where == "facts"]
    assert (facts.then, facts.now, facts.named) == (300, 300, ("world d123",))


# Any history.

DAYS = ("2025-02-03", "2025-12-31", "2026-01-01", "2026-06-30", None)
KEYS = ("k1", "k2", "k3")
_numbers, _days, _keys = st.sampled_from("AB"), st.sampled_from(DAYS), st.sampled_from(KEYS)
CHANGES = st.one_of(
    st.tuples(st.just("case"), st.builds(closed_case, _numbers, concluded_on=_days)),
    st.tuples(
        st.just("document"),
        st.builds(
            paper, _keys, _numbers, drafted_on=_days, template_code=st.sampled_from(("charge", "report"))
        ),
    ),
    st.tuples(st.just("archive_volume"), st.builds(volume, _numbers)),
    st.tuples(
        st.just("suspect"),
        st.builds(
            lambda key, number: {"suspect_key": key, "case_no": number, "suspect_no": key}, _keys, _numbers
        ),
    ),
    st.tuples(
        st.just("remove"), st.tuples(st.sampled_from(("document", "archive_volume", "suspect")), _keys)
    ),
)
HISTORY = st.lists(st.lists(CHANGES, min_size=1, max_size=4), min_size=3, max_size=3)


def change(told: World, steps: list[tuple[str, Any]]) -> None:
    """Apply some changes to a world: rows are added, changed by their key, or removed."""
    for entity, row in steps:
        if entity == "remove":
            kind, key = row
            told[kind] = [each for each in told.get(kind, []) if next(iter(each.values())) != key]
        else:
            key = next(iter(row.values()))
            others = [each for each in told.get(entity, []) if next(iter(each.values())) != key]
            told[entity] = [*others, row]


@contextmanager
def copied(file: Path, folder: Path) -> Iterator[sa.Engine]:
    """Open a fresh copy of an empty store."""
    shutil.copyfile(file, folder / "store.db")
    engine = open_store(f"sqlite:///{folder / 'store.db'}")
    yield engine
    engine.dispose()
    (folder / "store.db").unlink()


def test_any_history_comes_out_again_and_nothing_is_lost(
    set_up_file: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Reproducing is always identical; closed lines and adjustments together are a fresh evaluation."""
    law = law_in(tmp_path, NEXT)

    @settings(max_examples=examples(4))
    @given(HISTORY)
    def holds(history: list[list[tuple[str, Any]]]) -> None:
        with copied(set_up_file, tmp_path_factory.mktemp("history")) as store:
            told = world() | {"suspect": []}
            change(told, history[0])
            sync_world(store, told)
            score(store, law, "2025", "2026")
            close(store, law)
            change(told, history[1])
            sync_world(store, told)
            _adjustments_make_up_the_difference(store, law)
            score(store, law, "2026")
            close(store, law, "2026")
            change(told, history[2])
            sync_world(store, told)
            score(store, law, "2027")
            assert made_again(store, "2025").differences == ()
            assert made_again(store, "2026").differences == ()
            for name, bearers in (("2025", ("2026", "2027")), ("2026", ("2027",))):
                entered = [
                    line
                    for bearer in bearers
                    for line in ledger(store, bearer, corrections=True)
                    if line["reason"].split(":")[1] == name
                ]
                assert plus(sums(ledger(store, name)), sums(entered)) == sums(fresh(store, law, name))

    holds()


def fresh(store: sa.Engine, law: Policy, name: str) -> pa.Table:
    """Return what a year's own lines would be today."""
    with store.connect() as connection:
        facts = read_facts(connection, OFFICE)
    return fresh_score(facts, law, period(name), SUBJECT.units, SUBJECT.source_order).ledger


def _adjustments_make_up_the_difference(store: sa.Engine, law: Policy) -> None:
    """Closed lines changed as the adjustments say are the lines of a fresh evaluation; so are the totals."""
    with store.connect() as connection:
        closed = get_closed(connection, OFFICE, "mini", "2025")
        found = adjustments_of(connection, closed, read_facts(connection, OFFICE))
    place = ("person_key", "sheet", "rule_id", "item_key")

    def lines(rows: list[dict[str, Any]]) -> dict[tuple[Any, ...], tuple[int, str]]:
        return {tuple(row[name] for name in place): (row["points"], row["state"]) for row in rows}

    changed = lines(ledger(store, "2025"))
    for each in found.lines:
        key = tuple(getattr(each, name) for name in place)
        assert changed.get(key, (0, "")) == (each.was, each.was_state)
        changed[key] = (each.now, each.now_state)
        if not each.now_state:
            del changed[key]
    assert changed == lines(fresh(store, law, "2025").to_pylist())
    with store.connect() as connection:
        facts = read_facts(connection, OFFICE)
        kept = connection.execute(
            sa.text(f"SELECT person_key, points FROM person_score WHERE run_id = {closed.run_id}")
        ).fetchall()
    today = evaluate(facts, law, period("2025"), SUBJECT.units, SUBJECT.source_order)
    moved = {each.person_key: each.now for each in found.totals}
    assert {each.person_key: each.points for each in today.standings} == {
        row.person_key: moved.get(row.person_key, row.points) for row in kept
    }
