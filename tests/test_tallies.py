"""Sums of ledger lines: what counts as an item, what is summed, and that sums move as their lines do."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jianheng.errors import StopError
from jianheng.scoring.indicators.outcome import ALL_RULES, Tally
from jianheng.scoring.kernel.evaluation import check_books
from jianheng.scoring.kernel.score import score
from jianheng.scoring.kernel.tallies import CASES, Key, counted_measures, moved, tallies_of
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy, load_policy
from mini_pack import write_pack
from thoroughness import examples
from upstream import UNIT, case, document, facts_of, person, posting
from whole_pack import write_whole_pack
from whole_worlds import WORLDS


@cache
def whole() -> Policy:
    with TemporaryDirectory() as folder:
        return load_policy(write_whole_pack(Path(folder) / "whole"))


def ledger_of(world: Any, policy: Policy) -> pa.Table:
    return score(facts_of(world), policy, period("2025"), [UNIT]).ledger


def by_hand(lines: list[dict[str, Any]]) -> dict[Key, Tally]:
    """Return the sums of some lines, one line at a time."""
    found: dict[Key, Tally] = {}
    items: dict[tuple[str, str, str, str], tuple[int, int]] = {}
    cases: dict[tuple[str, str], set[str]] = {}
    for line in lines:
        who = (line["person_key"], line["sheet"])
        if line["sheet"] == "" or line["reason"] in {"outside-office", "unknown-person"}:
            continue
        counts = int(line["state"] != "void" or line["reason"] == "no-rule")
        key = (*who, line["measure"], line["rule_id"])
        held = found.get(key, Tally(*key, line["indicator"], 0, 0, 0, 0, 0, 0, 0))
        found[key] = held._replace(
            points=held.points + line["points"],
            provisional=held.provisional + line["points"] * (line["state"] == "provisional"),
            withheld=held.withheld + line["withheld"],
            entries=held.entries + 1,
            items=held.items + counts,
            quantity=held.quantity + counts * line["quantity"],
            shares=held.shares + counts * line["share"],
        )
        if counts:
            at = (*who, line["measure"], line["item_key"])
            items[at] = (line["quantity"], max(line["share"], items.get(at, (0, 0))[1]))
        if line["state"] != "void":
            cases.setdefault(who, set()).add(line["case_no"])
    for (*where, _), (quantity, share) in items.items():
        key = (*where, ALL_RULES)
        held = found.get(key, Tally(*key, "", 0, 0, 0, 0, 0, 0, 0))
        found[key] = held._replace(
            items=held.items + 1, quantity=held.quantity + quantity, shares=held.shares + share
        )
    for who, numbers in cases.items():
        key = (*who, CASES, ALL_RULES)
        found[key] = Tally(*key, "", 0, 0, 0, 0, len(numbers), 0, 0)
    return found


@settings(max_examples=examples(12))
@given(world=WORLDS)
def test_sums_are_those_of_the_lines_one_by_one(world):
    ledger = ledger_of(world, whole())
    assert tallies_of(ledger) == by_hand(ledger.to_pylist())


@settings(max_examples=examples(8))
@given(world=WORLDS, gone=st.sets(st.sampled_from("ABCD")), back=st.sets(st.sampled_from("ABCD")))
def test_sums_move_by_the_difference_of_the_lines_that_were_replaced(world, gone, back):
    """Lines of some cases leave and those of others come: what is left is what remains would give afresh."""
    ledger = ledger_of(world, whole())
    inside = pa.compute.is_in(ledger["case_no"], pa.array(sorted(gone), pa.string()))
    old, rest = ledger.filter(inside), ledger.filter(pa.compute.invert(inside))
    new = old.filter(pa.compute.is_in(old["case_no"], pa.array(sorted(back), pa.string())))
    after = moved(tallies_of(ledger), tallies_of(old), tallies_of(new))
    assert after == tallies_of(pa.concat_tables([rest, new]))
    assert moved({}, {}, tallies_of(ledger)) == tallies_of(ledger)
    assert moved(tallies_of(ledger), tallies_of(ledger), {}) == {}


@pytest.fixture
def sums(tmp_path):
    """Score a small world by the small policy, with edits, and return its sums."""

    def made(*edits: tuple[str, str, str], **facts: Any) -> dict[Key, Tally]:
        world = {
            "person": [person("wang"), person("zhao"), person("li")],
            "posting": [posting("wang"), posting("zhao", unit_code="990202"), posting("li", "clerk")],
            "case": [case("A"), case("B")],
        }
        return tallies_of(ledger_of(world | facts, load_policy(write_pack(tmp_path / "mini", *edits))))

    return made


def letters(*numbers: str, who: str = "wang", code: str = "report") -> list[dict[str, Any]]:
    return [
        document(f"{number}-{place}", number, template_code=code, drafter_key=who)
        for place, number in enumerate(numbers)
    ]


def test_points_are_summed_by_person_sheet_measure_and_rule(sums):
    """Beside them: how many items the measure counts whatever the rules, and in how many cases."""
    volume = {"volume_key": "v", "case_no": "A", "state": "accepted", "accepted_on": "2025-05-01"}
    found = sums(document=letters("A", "A", "B"), archive_volume=[volume])
    wang = ("wang", "prosecutor")
    assert found == {
        (*wang, "made", "made_p"): Tally(*wang, "made", "made_p", "papers", 9000, 3000, 0, 3, 3, 3, 3000),
        (*wang, "made", ALL_RULES): Tally(*wang, "made", ALL_RULES, "", 0, 0, 0, 0, 3, 3, 3000),
        (*wang, CASES, ALL_RULES): Tally(*wang, CASES, ALL_RULES, "", 0, 0, 0, 0, 2, 0, 0),
    }


def test_an_item_that_several_rules_speak_of_is_one_item(sums):
    more = ("points.csv", "", "twice,又一条,made,report,,,work,1,,,,第四条")
    found = sums(more, document=letters("A"))
    items = {key[3]: tally.items for key, tally in found.items() if key[2] == "made"}
    assert items == {"made_p": 1, "twice": 1, ALL_RULES: 1}


@pytest.mark.parametrize(
    ("papers", "items", "withheld"),
    [
        (letters("A", code="unheard-of"), 1, 0),
        (letters("A", "B", code="charge"), 0, 6000),
    ],
)
def test_what_no_rule_speaks_of_is_an_item_and_what_was_refused_is_none(sums, papers, items, withheld):
    authority = ("authority.csv", "made,charge,,quota_prosecutor,,", "made,charge,,clerk,,")
    found = sums(authority, document=papers)
    made = [tally for key, tally in found.items() if key[2] == "made"]
    assert sum(each.items for each in made if each.rule_id == ALL_RULES) == items
    assert sum(each.withheld for each in made) == withheld
    assert sum(each.points for each in made) == 0
    assert not any(key[2] == CASES for key in found)


@pytest.mark.parametrize("who", ["zhao", "nobody", "li"])
def test_who_is_not_of_this_office_or_has_no_sheet_has_lines_and_no_sums(sums, who):
    assert sums(document=letters("A", who=who)) == {}


def test_quantities_and_shares_are_those_of_items(sums):
    """Two in a team have 600 and 300 of 900 permille of a case; a document may be several."""
    several = ("measures.toml", 'unit = "份"', 'unit = "份"\nquantity = "coalesce(case_handling_days, 1)"')
    team = [
        {"participation_key": who, "case_no": "A", "person_key": who, "role": role}
        for who, role in (("wang", "quota_prosecutor"), ("sun", "prosecutor_assistant"))
    ]
    found = sums(
        several,
        case=[case("A", concluded_on="2025-03-04", handling_days=4)],
        document=letters("A"),
        participation=team,
        posting=[posting("wang"), posting("sun", "prosecutor_assistant")],
    )
    told = {key[:1] + key[2:]: (t.items, t.quantity, t.shares) for key, t in found.items()}
    assert told["wang", "closed", ALL_RULES] == (1, 1, 666)
    assert told["sun", "closed", ALL_RULES] == (1, 1, 333)
    assert told["wang", "made", ALL_RULES] == (1, 4, 1000)


def test_items_are_counted_where_somebody_asks(tmp_path):
    """What no indicator counts and no veto looks for is summed by its rules only; asked for, it is as if of all."""
    policy = load_policy(write_pack(tmp_path / "mini"))
    world = {"person": [person("wang")], "posting": [posting("wang")], "case": [case("A")]}
    ledger = ledger_of(world | {"document": letters("A")}, policy)
    everything = tallies_of(ledger)
    some = tallies_of(ledger, counted_measures(policy))
    left_out = {key for key in everything if key[3] == ALL_RULES and key[2] != CASES} - some.keys()
    assert {key[2] for key in left_out} == {"made"}
    assert counted_measures(policy) == frozenset()
    assert tallies_of(ledger, {"made"}) == everything
    assert some == {key: tally for key, tally in everything.items() if key not in left_out}


def test_books_that_do_not_balance_are_refused(tmp_path):
    policy = load_policy(write_pack(tmp_path / "mini"))
    world = {"person": [person("wang")], "posting": [posting("wang")], "case": [case("A")]}
    ledger = ledger_of(world | {"document": letters("A")}, policy)
    tallies = tallies_of(ledger)
    check_books(policy, ledger, tallies)
    key = ("wang", "prosecutor", "made", "made_p")
    with pytest.raises(StopError) as refused:
        check_books(policy, ledger, tallies | {key: tallies[key]._replace(points=2999)})
    assert refused.value.code == "score-not-balanced"
