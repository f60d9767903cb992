"""What the benchmarks of scoring compare is equal on both sides. Nothing is timed here."""

import pyarrow as pa
import pytest
from benchmarks import scoring_one_case, scoring_rules_engine
from benchmarks.scoring_law import rules, write_pack
from benchmarks.scoring_province import score_province
from benchmarks.scoring_sql import by_hand, by_kernel, digest
from benchmarks.scoring_world import World, count, facts_of, load, save, world_of

from jianheng.facts.entities import ENTITIES
from jianheng.scoring.law.policy import load_policy
from jianheng.store.bulk import arrow_type
from jianheng.store.tables import FACTS

SMALL = World(offices=2, cases=300, staff=20)


@pytest.fixture(scope="module")
def facts():
    return facts_of(SMALL)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return write_pack(tmp_path_factory.mktemp("law") / "bench")


@pytest.fixture(scope="module")
def scored(facts, pack):
    return by_kernel(facts, SMALL.units, pack)


def test_a_world_is_the_same_twice_and_read_back_as_it_was_written(facts, tmp_path):
    save(facts, tmp_path)
    assert load(tmp_path) == facts_of(SMALL) == facts


def test_a_world_is_of_the_size_asked_for():
    for size in (20_000, 400_000):
        assert count(facts_of(world_of(size))) == pytest.approx(size, rel=0.05)


def test_a_world_has_the_columns_that_a_store_hands_over(facts):
    for name, table in facts.items():
        columns = [pa.field(each, arrow_type(FACTS[name].c[each])) for each in ENTITIES[name].names]
        texts = [pa.field(each, pa.string()) for each in ("content_hash", "locator")]
        assert table.schema == pa.schema([pa.field("source", pa.string()), *columns, *texts]), name
        assert len(set(table[ENTITIES[name].key.name].to_pylist())) == table.num_rows


def test_a_world_made_office_by_office_is_the_world_made_at_once(facts):
    parts = [facts_of(World(1, SMALL.cases, SMALL.staff, number)) for number in range(SMALL.offices)]
    for name, table in facts.items():
        key = [(ENTITIES[name].key.name, "ascending")]
        assert pa.concat_tables([each[name] for each in parts]).sort_by(key) == table.sort_by(key)


def test_the_law_is_as_large_as_it_says():
    told = rules()
    assert len({each.id for each in told}) == 300
    assert sum(each.month_cap is not None for each in told) >= 160


def test_kernel_and_hand_written_statements_agree_line_by_line_and_in_every_place(facts, scored):
    ledger, placed = scored
    by_peer, placed_by_peer = by_hand(facts, SMALL.units)
    assert digest(ledger) == digest(by_peer)
    assert placed == placed_by_peer


def test_everything_that_is_compared_happens(scored):
    """Otherwise two sides could agree by both leaving it out."""
    ledger, placed = scored
    assert set(ledger["state"].to_pylist()) == {"final", "provisional", "void"}
    assert set(ledger["reason"].to_pylist()) >= {
        "",
        "no-person",
        "no-rule",
        "outside-office",
        "per-case-limit",
    }
    caps = {cap.split(".")[1].split(":")[0] for cap in ledger["caps"].to_pylist() if cap}
    assert caps == {"case_cap", "month_cap", "year_cap"}
    factors = {each for told in ledger["factors"].to_pylist() for each in told.split(";") if each}
    assert {each.split("*")[0] for each in factors} == {
        *("prompt=late", "prompt=early", "timely=late", "timely=early"),
        *("difficulty=foreign", "difficulty=supervised"),
    }
    assert len(set(ledger["share"].to_pylist())) > 3
    assert {row[-1] for row in placed} == {"excellent", "good", "fair"}


def test_a_province_in_parts_is_the_province_at_once(facts, pack, scored, tmp_path):
    done = score_province(SMALL, load_policy(pack), 1, tmp_path)
    ledger, placed = scored
    assert (done.facts, done.lines) == (count(facts), ledger.num_rows)
    assert sorted(
        (
            each.person_key,
            each.sheet,
            each.points,
            each.final,
            each.withheld,
            each.entries,
            each.place,
            each.grade,
        )
        for each in done.standings
    ) == [(*row[:7], row[-1]) for row in placed]


def test_the_rules_engine_finds_the_same_rules(facts, scored):
    zen = pytest.importorskip("zen")
    rows = scoring_rules_engine.asked_rows(facts, scored[0])[:500]
    law = zen.ZenEngine().create_decision(scoring_rules_engine.json.dumps(scoring_rules_engine.decision()))
    told = [
        law.evaluate({name: row[name] for name in ("measure", "code", "category", "role")}) for row in rows
    ]
    assert scoring_rules_engine.same(rows, [each["result"] for each in told])
    assert not scoring_rules_engine.same(rows, [{"rule_id": "other", "unit_points": 1}] * len(rows))


def test_a_case_scored_again_leaves_the_ledger_a_full_scoring_makes(pack, tmp_path, capsys):
    """The benchmark compares the digests itself."""
    taken = scoring_one_case.measure(1, load_policy(pack), tmp_path, cases=200, changes=3)
    assert len(taken) == 3
    assert "one case" in capsys.readouterr().out
