"""The kernel on worlds nobody thought of: it agrees with the plain Python oracle, and its laws hold."""

import datetime as dt
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kernel_oracle
from jianheng.facts.entities import ROLES
from jianheng.scoring.kernel import score
from jianheng.scoring.period import period
from jianheng.scoring.policy import load_policy
from kernel_oracle import Line
from upstream import UNIT, case, facts_of, person, posting

POLICY = load_policy(Path(__file__).parents[1] / "plugins/jianheng_plugins/provinces/laoshan")
ELSEWHERE = "990202"
PEOPLE = ["p1", "p2", "p3", "p4", "p5", "stranger"]
CASES = ["A", "B", "C", "D", "E", "gone"]
TEMPLATES = [
    "100000000001",  # everybody may, three a case
    "100000002001",  # a report: guided by the handler
    "100000002002",
    "100000002003",
    "100000003005",
    "100000003007",  # prosecutors only
    "100000003009",
    "999999999999",  # no rule speaks of it
]
EDGES = ["2024-12-31", "2025-01-01", "2025-06-30", "2025-07-01", "2025-12-31", "2026-01-01"]


def days():
    inside = st.dates(dt.date(2025, 1, 1), dt.date(2025, 12, 31)).map(str)
    return st.one_of(inside, st.sampled_from(EDGES))


def maybe(strategy):
    return st.integers(0, 7).flatmap(lambda chance: strategy if chance else st.none())


def row(**columns):
    return st.fixed_dictionaries(columns)


def numbered(key, found):
    """Give each row a key of its own."""
    return [{**each, key: f"{key}-{number}"} for number, each in enumerate(found)]


def rows(key, strategy, least, most):
    return st.lists(strategy, min_size=least, max_size=most).map(lambda found: numbered(key, found))


def bursts(key, strategy, least, most):
    """Return rows that come several at a time: limits per case bite only then."""
    found = st.lists(st.tuples(strategy, st.sampled_from([1, 2, 5])), min_size=least, max_size=most)
    return found.map(lambda pairs: numbered(key, [each for each, times in pairs for _ in range(times)]))


person_keys = st.sampled_from([*PEOPLE, "p1", "p2", "p3"])
case_numbers = st.sampled_from(CASES)
SHARES = st.sampled_from([None, "0.5", "0.25", "1", "0.333333"])
SENSIBLE = [
    {"drafter_key": "p1", "template_code": "100000003007"},
    {"drafter_key": "p3", "template_code": "100000002001"},
    {"drafter_key": "p3", "template_code": "100000002003"},
    {"drafter_key": "p4", "template_code": "100000000001"},
]
"""Who makes what he may: the other documents are made by anybody."""
STAFF = [
    posting("p1", "quota_prosecutor", post_level="dept_head"),
    posting("p2", "quota_prosecutor", post_level="member"),
    posting("p3", "prosecutor_assistant"),
    posting("p4", "clerk", valid_to="2025-06-30"),
    posting("p4", "clerk", posting_key="p4-2", valid_from="2025-07-02"),
]
MOVES = row(
    person_key=st.sampled_from(PEOPLE[:-1]),
    unit_code=st.sampled_from([UNIT, UNIT, ELSEWHERE]),
    role=st.sampled_from(ROLES),
    post_level=st.sampled_from([None, "member", "dept_head", "deputy_chief"]),
    valid_from=st.sampled_from(["2000-01-01", *EDGES]),
    valid_to=st.sampled_from([None, "2025-06-30", "2025-12-31"]),
)

WORLDS = st.fixed_dictionaries(
    {
        "person": st.sampled_from([PEOPLE[:-1], PEOPLE[:3]]).map(lambda keys: [person(key) for key in keys]),
        "posting": st.tuples(
            st.sampled_from([STAFF, STAFF, STAFF[:3], []]), rows("posting_key", MOVES, 0, 3)
        ).map(lambda pair: [*pair[0], *pair[1]]),
        "case": st.lists(
            row(
                category=st.sampled_from(["0201", "0301", "1701", "0208", "9999"]),
                handler_key=maybe(person_keys),
                concluded_on=maybe(days()),
                completed_on=maybe(days()),
                due_on=maybe(days()),
                is_supervised=st.sampled_from([None, False, True]),
            ),
            min_size=3,
            max_size=5,
        ).map(lambda found: [case(CASES[number], **each) for number, each in enumerate(found)]),
        "participation": rows(
            "participation_key",
            row(case_no=case_numbers, person_key=person_keys, role=st.sampled_from(ROLES), share=SHARES),
            2,
            10,
        ),
        "suspect": bursts("suspect_key", row(case_no=case_numbers, suspect_no=st.just("1")), 0, 4),
        "document": bursts(
            "document_key",
            st.tuples(
                row(case_no=case_numbers, drafted_on=maybe(days())),
                st.one_of(
                    st.sampled_from(SENSIBLE),
                    row(template_code=st.sampled_from(TEMPLATES), drafter_key=maybe(person_keys)),
                ),
            ).map(lambda pair: pair[0] | pair[1]),
            4,
            12,
        ),
        "approval": bursts(
            "approval_key",
            row(
                case_no=case_numbers,
                document_key=st.just("document_key-0"),
                template_code=maybe(st.sampled_from(TEMPLATES)),
                approver_key=maybe(person_keys),
                approved_on=maybe(days()),
                conclusion=st.sampled_from(["同意", "审核同意", "退回", None]),
            ),
            1,
            5,
        ),
        "archive_volume": rows(
            "volume_key",
            row(
                case_no=case_numbers,
                state=st.sampled_from(["accepted", "accepted", "accepted", "returned"]),
                accepted_on=maybe(days()),
            ),
            1,
            4,
        ),
        "declaration": rows(
            "declaration_key",
            row(
                kind=st.sampled_from(["major_case", "excellent_case", "excellent_document"]),
                case_no=case_numbers,
                person_key=person_keys,
                declared_on=st.just("2025-03-01"),
                decided_on=maybe(days()),
                decision=st.sampled_from(["approved", "approved", "rejected", None]),
            ),
            0,
            4,
        ),
    }
)


def ledger(world, name="2025"):
    return score(facts_of(world), POLICY, period(name), [UNIT]).ledger.to_pylist()


def as_lines(found):
    return Counter(
        Line(
            each["person_key"],
            each["rule_id"],
            each["item_key"],
            each["points"],
            each["withheld"],
            each["state"],
            each["reason"],
        )
        for each in found
    )


def test_the_oracle_speaks_of_the_pack_as_it_is():
    """Its conditions are written by hand; a changed pack must change them too."""
    texts = {name: measure.where for name, measure in POLICY.measures.items()}
    texts["closing"], texts["gate"] = POLICY.file.closing, POLICY.file.gate.final_when
    texts |= {each.id: each.when for each in POLICY.file.coefficients}
    assert texts == kernel_oracle.CONDITIONS


@settings(max_examples=20)
@given(world=WORLDS, name=st.sampled_from(["2025", "2025", "2025-H1", "2025-06"]))
def test_the_kernel_agrees_with_the_oracle(world, name):
    window = period(name)
    wanted = kernel_oracle.ledger(world, POLICY, window.start, window.end, [UNIT])
    assert as_lines(ledger(world, name)) == wanted


@settings(max_examples=4)
@given(world=WORLDS)
def test_windows_that_follow_each_other_count_every_item_once(world):
    """``[start, end)``: what the halves count is what the year counts, apart from limits within a period."""
    halves = [item for half in ("2025-H1", "2025-H2") for item in ledger(world, half)]
    whole = ledger(world)

    def counted(found):
        return Counter(
            (each["measure"], each["item_key"], each["person_key"], each["rule_id"]) for each in found
        )

    assert counted(halves) == counted(whole)
    window = period("2025")
    assert all(window.start <= each["day"] < window.end for each in whole)


@settings(max_examples=6)
@given(world=WORLDS)
def test_what_people_get_is_what_items_are_worth(world):
    """The parts of a team sum to its item; only where nobody in it has any weight is nothing given."""
    parts = defaultdict(list)
    for each in ledger(world):
        if each["rule_id"] != "-":
            parts[each["measure"], each["item_key"], each["rule_id"]].append(each)
    for lines in parts.values():
        amounts = {kernel_oracle.worth(each["unit_points"], each["coefficient"]) for each in lines}
        given_away = sum(each["points"] + each["withheld"] for each in lines)
        assert len({each["person_key"] for each in lines}) == len(lines)
        assert {given_away} == (amounts if any(each["share"] for each in lines) else {0})


@settings(max_examples=4)
@given(world=WORLDS, data=st.data())
def test_the_order_of_what_arrives_is_nothing(world, data):
    mixed = {name: data.draw(st.permutations(found)) for name, found in world.items()}
    assert ledger(mixed) == ledger(world)


@settings(max_examples=3)
@given(world=WORLDS)
def test_scoring_twice_is_scoring_once(world):
    first, second = ledger(world), ledger(world)
    assert first == second
    ids = [each["entry_id"] for each in first]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("entity", ["suspect", "archive_volume", "participation", "case_link", "event"])
@settings(max_examples=3)
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
