"""The kernel on worlds nobody thought of: it agrees with the plain Python oracle, and its laws hold."""

import csv
import datetime as dt
from collections import Counter, defaultdict
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kernel_oracle
from jianheng.facts.entities import ENTITIES
from jianheng.scoring.kernel.score import score
from jianheng.scoring.law.parameters import amounts
from jianheng.scoring.law.period import Period, period, unit_start
from jianheng.scoring.law.policy import Policy, load_policy
from kernel_oracle import Line, half_up
from thoroughness import examples
from upstream import UNIT, facts_of
from whole_pack import CALENDARS, CONDITIONS, write_whole_pack
from whole_worlds import DAYS, WORLDS, worlds


@cache
def law(calendar: str = "calendar year") -> Policy:
    with TemporaryDirectory() as folder:
        return load_policy(write_whole_pack(Path(folder) / "whole", calendar))


PERIODS = st.sampled_from(["2025", "2025", "2025-Q1", "2025-Q2", "2025-H2", "2025-05", "2025-12"])
CALENDAR = st.sampled_from(list(CALENDARS))


def ledger(world, name="2025", policy=None):
    policy = policy or law()
    window = period(name, policy.file.calendar)
    return score(facts_of(world), policy, window, [UNIT]).ledger.to_pylist()


def as_lines(found):
    return Counter(
        Line(
            each["person_key"],
            each["rule_id"],
            each["measure"],
            each["item_key"],
            each["day"],
            each["quantity"],
            each["coefficient"],
            each["factors"],
            each["share"],
            each["points"],
            each["withheld"],
            each["state"],
            each["reason"],
            each["caps"],
        )
        for each in found
    )


@settings(max_examples=examples(30))
@given(name=PERIODS, calendar=CALENDAR, data=st.data())
def test_the_kernel_agrees_with_the_oracle(name, calendar, data):
    """Everything may happen on the days around the period's first one: what was before it takes room in it."""
    policy = law(calendar)
    start = str(period(name, policy.file.calendar).start)
    around = [day for day in DAYS if day < start][-3:] + [day for day in DAYS if day >= start][:2]
    world = data.draw(st.one_of(WORLDS, worlds(st.sampled_from(around))))
    wanted = kernel_oracle.ledger(world, policy, CONDITIONS, period(name, policy.file.calendar), [UNIT])
    found = as_lines(ledger(world, name, policy))
    assert (found - wanted, wanted - found) == (Counter(), Counter())


def limits(policy):
    """Yield every cap: its rules and indicators, its unit, and the most it ever allows."""
    for each in policy.points:
        for unit in ("case", "month", "year"):
            own = [getattr(row, f"{unit}_cap") for row in policy.points if row.id == each.id]
            if None not in own:
                yield {each.id}, ("person", unit), max(own)
    for cap in policy.file.caps:
        rules = {row.id for row in policy.points if row.id in cap.rules or row.indicator in cap.indicators}
        largest = [value for value, _, _ in amounts(policy.layers, cap.limit)]
        yield rules, cap.per, max(largest)


@settings(max_examples=examples(10))
@given(world=WORLDS, calendar=CALENDAR)
def test_caps_are_never_exceeded_and_what_they_take_is_told(world, calendar):
    """In any unit; and what a line was due is what it was granted and what each cap took from it."""
    policy = law(calendar)
    lines = [each for each in ledger(world, policy=policy) if each["state"] != "void"]
    for line in lines:
        taken = sum(int(each.split(":")[1]) for each in line["caps"].split(";") if each)
        assert abs(line["points"]) + taken == abs(line["points"] + line["withheld"])
        assert taken == abs(line["withheld"])
    for rules, per, most in limits(policy):
        given_in: Counter[tuple[object, ...]] = Counter()
        for line in (each for each in lines if each["rule_id"] in rules):
            column = {"person": "person_key", "case": "case_no"}
            unit = tuple(
                line[column[each]] if each in column else unit_start(line["day"], each, policy.file.calendar)
                for each in per
            )
            given_in[unit] += abs(line["points"])
        assert max(given_in.values(), default=0) <= most * 1000


@settings(max_examples=examples(4))
@given(world=WORLDS, calendar=st.sampled_from(["calendar year", "26 December"]))
def test_windows_that_follow_each_other_are_the_window_they_make(world, calendar):
    """``[start, end)``: every item is in one of them, and limits give in parts of a year what they give in the year."""
    policy = law(calendar)
    parts = [line for quarter in range(1, 5) for line in ledger(world, f"2025-Q{quarter}", policy)]
    whole = ledger(world, "2025", policy)

    def told(found, *columns):
        return Counter(tuple(each[name] for name in columns) for each in found)

    counted = ("measure", "item_key", "person_key", "rule_id")
    assert told(parts, *counted, "points", "caps", "state", "reason") == told(
        whole, *counted, "points", "caps", "state", "reason"
    )


@settings(max_examples=examples(8))
@given(world=WORLDS)
def test_what_people_are_due_is_what_items_are_worth(world):
    """Everything multiplied, then rounded once; the parts of a team sum to it, unless nobody has any weight."""
    parts = defaultdict(list)
    for each in ledger(world):
        if each["rule_id"] != "-":
            parts[each["measure"], each["item_key"], each["rule_id"]].append(each)
    for lines in parts.values():
        worth = {line["unit_points"] * line["quantity"] * product(line) for line in lines}
        due = sum(each["points"] + each["withheld"] for each in lines)
        assert len({each["person_key"] for each in lines}) == len(lines)
        assert {due} == ({half_up(each) for each in worth} if any(each["share"] for each in lines) else {0})
        assert all(line["coefficient"] == half_up(1000 * product(line)) for line in lines)


def product(line):
    """Return the product of the factors that a line tells of."""
    made = Fraction(1)
    for each in line["factors"].split(";") if line["factors"] else []:
        made *= Fraction(int(each.split("*")[1]), 1000)
    return made


@cache
def opposite_law() -> Policy:
    """Return the law with every gain turned into a loss and the other way round."""
    with TemporaryDirectory() as folder:
        pack = write_whole_pack(Path(folder) / "whole")
        rows = list(csv.DictReader((pack / "points.csv").read_text(encoding="utf-8").splitlines()))
        with (pack / "points.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(each | {"points": str(-Decimal(each["points"]))} for each in rows)
        return load_policy(pack)


@settings(max_examples=examples(5))
@given(world=WORLDS)
def test_losses_are_counted_shared_and_capped_as_gains_are(world):
    signed = ("unit_points", "points", "withheld")
    hashed = ("entry_id", "fact_hash")

    def told(found, sign):
        return [
            {
                name: sign * value if name in signed else value
                for name, value in each.items()
                if name not in hashed
            }
            for each in found
        ]

    assert told(ledger(world, policy=opposite_law()), -1) == told(ledger(world), 1)


@settings(max_examples=examples(6))
@given(world=WORLDS)
def test_one_fault_is_deducted_once_and_the_heaviest_holds(world):
    """Whatever rules with the same word, on whatever measures, speak of the same fault of somebody in a case."""
    policy = law()
    faults = {row.id for row in policy.points if row.fault}
    key = {each["finding_key"]: each["fault_key"] for each in world["finding"]}
    alike = defaultdict(list)
    always = Period("always", "", policy.file.since, dt.date(2030, 1, 1))
    for line in score(facts_of(world), policy, always, [UNIT]).ledger.to_pylist():
        fault = key.get(line["item_key"]) if line["rule_id"] in faults else None
        if fault is not None and line["reason"] in {"", "same-fault"}:
            alike[line["case_no"], fault, line["person_key"]].append(line)
    for lines in alike.values():
        other_caps = sum(
            int(cap.split(":")[1])
            for each in lines
            for cap in each["caps"].split(";")
            if cap and ".fault_cap:" not in cap
        )
        assert sum(abs(each["points"]) for each in lines) + other_caps == max(
            abs(each["points"] + each["withheld"]) for each in lines
        )


@settings(max_examples=examples(4))
@given(world=WORLDS, data=st.data())
def test_the_order_of_what_arrives_is_nothing(world, data):
    mixed = {name: data.draw(st.permutations(found)) for name, found in world.items()}
    assert ledger(mixed) == ledger(world)


@settings(max_examples=examples(4))
@given(world=WORLDS, chance=st.randoms(use_true_random=False))
def test_two_sources_that_tell_the_same_are_one(world, chance):
    """A record may come from either or from both, and then each column from either or from both."""
    told = {"x": defaultdict(list), "y": defaultdict(list)}
    for name, found in world.items():
        needed = {column.name for column in ENTITIES[name].columns if column.required}
        for each in found:
            first, second = chance.choice([("x", ""), ("y", ""), ("x", "y"), ("y", "x")])
            left_out = {
                column for column in each if second and column not in needed and chance.random() < 0.5
            }
            told[first][name].append(
                {column: value for column, value in each.items() if column not in left_out}
            )
            if second:
                told[second][name].append(each)
    parts = [facts_of(rows, source) for source, rows in told.items()]
    together = {
        name: pa.concat_tables([each[name] for each in parts if name in each])
        for name in told["x"] | told["y"]
    }
    found = score(together, law(), period("2025"), [UNIT], ["x", "y"]).ledger.to_pylist()
    assert as_lines(found) == as_lines(ledger(world))


@settings(max_examples=examples(3))
@given(world=WORLDS)
def test_scoring_twice_is_scoring_once(world):
    first, second = ledger(world), ledger(world)
    assert first == second
    ids = [each["entry_id"] for each in first]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("entity", ["suspect", "archive_volume", "participation", "case_link", "event"])
@settings(max_examples=examples(2))
@given(world=WORLDS)
def test_more_of_what_hangs_on_a_case_does_not_count_it_again(entity, world):
    """However many suspects, volumes, participations, links or events a case has, it is one case."""
    more = {
        "suspect": {"suspect_key": "x{}", "case_no": "A", "suspect_no": "{}"},
        "archive_volume": {"volume_key": "x{}", "case_no": "A", "state": "returned"},
        "participation": {"participation_key": "x{}", "case_no": "A", "person_key": "p1", "role": "clerk"},
        "case_link": {"link_key": "x{}", "from_case_no": "A", "to_case_no": "B", "kind": "related"},
        "event": {"event_key": "x{}", "case_no": "A", "kind": "k", "at": "2025-01-01"},
    }[entity]
    added = [{key: value.format(number) for key, value in more.items()} for number in range(7)]
    found = ledger({**world, entity: [*world.get(entity, []), *added]})
    items = Counter(
        (each["measure"], each["item_key"], each["rule_id"], each["person_key"]) for each in found
    )
    assert [each for each, times in items.items() if times > 1] == []
