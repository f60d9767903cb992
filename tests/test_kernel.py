"""The kernel, rule by rule: who gets how much for what on which day, and why somebody gets nothing."""

import pyarrow as pa
import pytest

from jianheng.errors import StopError
from jianheng.scoring.kernel import case_states, score
from jianheng.scoring.period import period
from jianheng.scoring.points import half_up, shown, thousandths
from jianheng.scoring.policy import load_policy
from mini_pack import write_pack
from upstream import UNIT, case, document, facts_of, person, posting

PEOPLE = [person("wang"), person("zhao"), person("sun"), person("li")]
POSTINGS = [
    posting("wang", post_level="chief"),
    posting("zhao", post_level="member"),
    posting("sun", "prosecutor_assistant"),
    posting("li", "clerk"),
]


@pytest.fixture
def policy(tmp_path):
    """Make the small policy, with edits."""
    return lambda *edits: load_policy(write_pack(tmp_path / "mini", *edits))


def ledger(policy, name="2025", *, units=(UNIT,), postings=POSTINGS, **facts):
    world = {"person": PEOPLE, "posting": postings} | facts
    return score(facts_of(world), policy, period(name), units).ledger.to_pylist()


def told(lines, *columns):
    return [tuple(line[name] for name in columns) for line in lines]


def points(lines):
    """Return what each line gives or withholds, and why."""
    return told(lines, "person_key", "rule_id", "points", "withheld", "state", "reason")


def team(number, **people):
    return [
        {"participation_key": f"{number}-{key}", "case_no": number, "person_key": key, "role": role}
        for key, role in people.items()
    ]


CLOSED = case("A", concluded_on="2025-03-04", handler_key="wang")


def test_a_period_before_the_policy_is_an_error_and_not_a_guess(policy):
    with pytest.raises(StopError) as early:
        ledger(policy(), "2023")
    assert early.value.code == "policy-not-in-force"


def test_no_facts_give_an_empty_ledger(policy):
    assert score({}, policy(), period("2025"), [UNIT]).ledger.num_rows == 0


def test_a_case_without_a_team_is_its_handlers(policy):
    assert points(ledger(policy(), case=[CLOSED])) == [("wang", "closed", 10_000, 0, "provisional", "")]


def test_a_team_shares_by_role_and_the_parts_make_the_whole(policy):
    """0.6 to two prosecutors together, 0.3 to one assistant; thousandths that do not divide go in order of role."""
    three = team("A", wang="quota_prosecutor", zhao="quota_prosecutor", sun="prosecutor_assistant")
    lines = ledger(policy(("points.csv", ",work,10,", ",work,10.001,")), case=[CLOSED], participation=three)
    assert dict(told(lines, "person_key", "points")) == {"wang": 3333, "zhao": 3334, "sun": 3334}
    assert sum(line["points"] for line in lines) == 10_001


def test_a_deduction_is_shared_like_a_gain(policy):
    three = team("A", wang="quota_prosecutor", zhao="quota_prosecutor", sun="prosecutor_assistant")
    lines = ledger(policy(("points.csv", ",work,10,", ",work,-10.001,")), case=[CLOSED], participation=three)
    assert dict(told(lines, "person_key", "points")) == {"wang": -3333, "zhao": -3334, "sun": -3334}


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        (("0.7", "0.3"), [7000, 3000]),
        (("1", "0"), [10_000, 0]),
        (("0.7", "0.4"), [6667, 3333]),
        (("0.7", None), [6667, 3333]),
    ],
)
def test_what_a_team_agreed_holds_if_everybody_agreed_and_it_makes_one(policy, shares, expected):
    two = team("A", wang="quota_prosecutor", sun="prosecutor_assistant")
    agreed = [{**each, "share": share} for each, share in zip(two, shares, strict=True)]
    lines = ledger(policy(), case=[CLOSED], participation=agreed)
    given = dict(told(lines, "person_key", "points"))
    assert [given["wang"], given["sun"]] == pytest.approx(expected, abs=1)
    assert sum(given.values()) == 10_000


def test_somebody_named_twice_in_a_case_takes_part_once_in_his_strongest_role(policy):
    twice = [
        {"participation_key": "1", "case_no": "A", "person_key": "nobody", "role": "prosecutor_assistant"},
        {"participation_key": "2", "case_no": "A", "person_key": "nobody", "role": "quota_prosecutor"},
        {"participation_key": "3", "case_no": "A", "person_key": "wang", "role": "quota_prosecutor"},
    ]
    lines = ledger(policy(), case=[CLOSED], participation=twice)
    assert sorted(points(lines)) == [
        ("nobody", "closed", 0, 5000, "void", "unknown-person"),
        ("wang", "closed", 5000, 0, "provisional", ""),
    ]


def test_a_team_without_weights_is_given_nothing(policy):
    lines = ledger(policy(), case=[CLOSED], participation=team("A", li="clerk"))
    assert points(lines) == [("li", "closed", 0, 0, "void", "no-sheet")]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2025-06-30", ("made_p", 3000)),
        ("2025-07-01", ("made_a", 2000)),
    ],
)
def test_the_role_is_that_of_the_day(policy, day, expected):
    postings = [
        posting("wang", "quota_prosecutor", valid_to="2025-06-30"),
        posting("wang", "prosecutor_assistant", posting_key="wang-2", valid_from="2025-07-01"),
    ]
    papers = [document("d", "A", template_code="report", drafter_key="wang", drafted_on=day)]
    lines = ledger(policy(), postings=postings, case=[case("A")], document=papers)
    assert told(lines, "rule_id", "points") == [expected]


def test_of_two_postings_on_a_day_the_one_that_began_last_holds(policy):
    postings = [
        posting("wang", "prosecutor_assistant", posting_key="b", valid_from="2025-01-01"),
        posting("wang", "quota_prosecutor", posting_key="a", valid_from="2024-01-01"),
    ]
    papers = [document("d", "A", template_code="report", drafter_key="wang")]
    lines = ledger(policy(), postings=postings, case=[case("A")], document=papers)
    assert told(lines, "rule_id") == [("made_a",)]


@pytest.mark.parametrize(
    ("drafter", "postings", "reason"),
    [
        ("nobody", POSTINGS, "unknown-person"),
        ("zhao", [posting("zhao", unit_code="990202")], "outside-office"),
        ("zhao", [posting("zhao", valid_to="2025-03-03")], "outside-office"),
        ("zhao", [posting("zhao", valid_from="2025-03-05")], "outside-office"),
        ("sun", POSTINGS, "not-authorised"),
    ],
)
def test_what_is_refused_says_why_and_what_it_would_have_given(policy, drafter, postings, reason):
    papers = [document("d", "A", template_code="charge", drafter_key=drafter)]
    lines = ledger(policy(), postings=postings, case=[case("A")], document=papers)
    assert points(lines) == [(drafter, "made_p", 0, 3000, "void", reason)]


@pytest.mark.parametrize(
    ("paper", "reason"),
    [
        ({"template_code": "unheard-of", "drafter_key": "wang"}, "no-rule"),
        ({"template_code": "report", "drafter_key": None}, "no-person"),
        ({"template_code": "report", "drafter_key": "li"}, "no-rule"),
        ({"template_code": "unheard-of", "drafter_key": "nobody"}, "unknown-person"),
    ],
)
def test_what_no_rule_speaks_of_is_in_the_ledger_all_the_same(policy, paper, reason):
    lines = ledger(policy(), case=[case("A")], document=[document("d", "A", **paper)])
    assert points(lines) == [(paper["drafter_key"] or "", "-", 0, 0, "void", reason)]


PERMIT = ("policy.toml", 'unlisted = "refuse"', 'unlisted = "permit"')
UNLISTED = ("authority.csv", "made,report,,,,第六条\n", "")


@pytest.mark.parametrize(
    ("edits", "state"),
    [((UNLISTED,), "void"), ((UNLISTED, PERMIT), "provisional"), ((PERMIT,), "provisional")],
)
def test_what_the_authority_list_does_not_name_is_as_the_policy_says(policy, edits, state):
    papers = [document("d", "A", template_code="report", drafter_key="sun")]
    lines = ledger(policy(*edits), case=[case("A")], document=papers)
    assert told(lines, "state") == [(state,)]


def test_permitting_the_unlisted_does_not_permit_what_is_listed_for_others(policy):
    papers = [document("d", "A", template_code="charge", drafter_key="sun")]
    lines = ledger(policy(PERMIT), case=[case("A")], document=papers)
    assert told(lines, "reason") == [("not-authorised",)]


def test_authority_may_ask_for_a_post(policy):
    edit = ("authority.csv", "made,charge,,quota_prosecutor,,", "made,charge,,,chief;deputy_chief,")
    papers = [document(f"d-{key}", "A", template_code="charge", drafter_key=key) for key in ("wang", "zhao")]
    lines = ledger(policy(edit), case=[case("A")], document=papers)
    assert told(lines, "person_key", "state") == [("wang", "provisional"), ("zhao", "void")]


DATED = (
    "points.csv",
    "made_p,检察官文书,made,charge;report,,quota_prosecutor,papers,3,,,,第四条\n",
    (
        "made_new,新,made,charge,,quota_prosecutor,papers,4,,2025-07-01,,第四条\n"
        "made_old,旧,made,charge,,quota_prosecutor,papers,3,,,2025-07-01,第四条\n"
    ),
)


@pytest.mark.parametrize("drafter", ["wang", "sun"])
@pytest.mark.parametrize(("day", "rule"), [("2025-06-30", "made_old"), ("2025-07-01", "made_new")])
def test_the_rule_is_that_of_the_day_also_for_what_was_not_allowed(policy, drafter, day, rule):
    papers = [document("d", "A", template_code="charge", drafter_key=drafter, drafted_on=day)]
    (line,) = ledger(policy(DATED), case=[case("A")], document=papers)
    assert line["rule_id"] == rule
    assert line["reason"] == ("" if drafter == "wang" else "not-authorised")


@pytest.mark.parametrize("first", ["a_other", "z_other"])
def test_what_was_not_allowed_is_told_by_the_rule_that_is_nearest(policy, first):
    """A rule for everybody tells a clerk more than one for prosecutors, whatever they are called."""
    edits = (
        (
            "points.csv",
            "",
            f"{first},他人,made,charge,,prosecutor_assistant,papers,7,,,,第四条\nm_all,人人,made,charge,,,papers,1,,,,第四条",
        ),
    )
    papers = [document("d", "A", template_code="charge", drafter_key="li")]
    (line,) = ledger(policy(*edits), case=[case("A")], document=papers)
    assert (line["rule_id"], line["withheld"]) == ("m_all", 1000)


def test_every_rule_that_fits_gives_its_points_once_however_it_is_written(policy):
    edits = (
        (
            "points.csv",
            "",
            "both,两条,made,report;report;charge,0301;0301,quota_prosecutor;quota_prosecutor,papers,1,,,,第四条",
        ),
    )
    papers = [document("d", "A", template_code="report", drafter_key="wang")]
    lines = ledger(policy(*edits), case=[case("A")], document=papers)
    assert told(lines, "rule_id", "points") == [("both", 1000), ("made_p", 3000)]


def test_only_the_first_so_many_of_a_case_count_in_the_order_of_days_then_keys(policy):
    days = {"d1": "2025-03-02", "d2": "2025-03-01", "d4": "2025-03-02", "d3": "2025-03-02"}
    papers = [
        document(key, "A", template_code="report", drafter_key="sun", drafted_on=day)
        for key, day in days.items()
    ]
    papers.append(document("e1", "B", template_code="report", drafter_key="sun", drafted_on="2025-03-09"))
    lines = ledger(policy(), case=[case("A"), case("B")], document=papers)
    assert told(lines, "item_key", "points", "reason") == [
        ("d2", 2000, ""),
        ("d1", 2000, ""),
        ("d3", 0, "per-case-limit"),
        ("d4", 0, "per-case-limit"),
        ("e1", 2000, ""),
    ]


def test_what_is_refused_does_not_use_up_the_limit_of_a_case(policy):
    edits = (("authority.csv", "made,report,,,,", "made,report,,prosecutor_assistant,,"),)
    postings = [
        posting("sun", "clerk", valid_to="2025-03-02"),
        posting("sun", "prosecutor_assistant", posting_key="sun-2", valid_from="2025-03-03"),
    ]
    papers = [
        document(f"d{day}", "A", template_code="report", drafter_key="sun", drafted_on=f"2025-03-0{day}")
        for day in range(1, 6)
    ]
    lines = ledger(policy(*edits), postings=postings, case=[case("A")], document=papers)
    assert [line["reason"] for line in lines] == ["not-authorised"] * 2 + [""] * 2 + ["per-case-limit"]


SUSPECTS = [{"suspect_key": f"s{n}", "case_no": "A", "suspect_no": n} for n in range(2)]
DECLARED = {"declaration_key": "x", "kind": "major_case", "case_no": "A", "person_key": "wang"}
APPROVED = DECLARED | {"declared_on": "2025-03-01", "decided_on": "2025-03-02", "decision": "approved"}


@pytest.mark.parametrize(
    ("day", "more", "expected"),
    [
        ("2025-06-30", {}, (10_000, "")),
        ("2025-06-30", {"suspect": SUSPECTS[:1]}, (10_000, "")),
        ("2025-06-30", {"suspect": SUSPECTS}, (15_000, "large")),
        ("2025-07-01", {"suspect": SUSPECTS}, (20_000, "large")),
        ("2025-06-30", {"declaration": [APPROVED]}, (18_000, "declared")),
        ("2025-06-30", {"declaration": [APPROVED | {"decision": "rejected"}]}, (10_000, "")),
        ("2025-06-30", {"declaration": [APPROVED | {"kind": "excellent_case"}]}, (10_000, "")),
        ("2025-06-30", {"declaration": [APPROVED], "suspect": SUSPECTS}, (18_000, "declared")),
        ("2025-07-01", {"declaration": [APPROVED], "suspect": SUSPECTS}, (20_000, "large")),
    ],
)
def test_of_the_factors_in_force_on_the_day_the_largest_holds(policy, day, more, expected):
    closed = case("A", concluded_on=day, handler_key="wang")
    lines = ledger(policy(), case=[closed], **more)
    assert told(lines, "points", "reason") == [expected]


def test_a_factor_for_some_measures_leaves_the_others_alone(policy):
    papers = [document("d", "A", template_code="report", drafter_key="wang")]
    lines = ledger(policy(), case=[case("A")], document=papers, declaration=[APPROVED])
    assert told(lines, "points", "coefficient") == [(3000, 1000)]


@pytest.mark.parametrize(("given", "expected"), [("0.001", 2), ("0.003", 5), ("-0.001", -2), ("0.002", 3)])
def test_half_a_thousandth_is_rounded_away_from_zero(policy, given, expected):
    edit = ("points.csv", ",work,10,", f",work,{given},")
    lines = ledger(policy(edit), case=[CLOSED], suspect=SUSPECTS)
    assert told(lines, "points") == [(expected,)]
    assert half_up(int(float(given) * 1000) * 1500, 1000) == expected


def volume(key, state, **more):
    return {"volume_key": key, "case_no": "A", "state": state, "accepted_on": "2025-05-01"} | more


@pytest.mark.parametrize(
    ("volumes", "state"),
    [
        ([], "provisional"),
        ([volume("1", "accepted")], "final"),
        ([volume("1", "accepted"), volume("2", "returned")], "provisional"),
        ([volume("1", "accepted", accepted_on=None)], "provisional"),
    ],
)
def test_points_are_provisional_until_the_gate_is_passed(policy, volumes, state):
    assert told(ledger(policy(), case=[CLOSED], archive_volume=volumes), "state") == [(state,)]


def test_only_people_of_the_units_in_scope_are_scored(policy):
    postings = [posting("wang", unit_code="990202")]
    both = ledger(policy(), postings=postings, units=[UNIT, "990202"], case=[CLOSED])
    one = ledger(policy(), postings=postings, case=[CLOSED])
    assert told([*both, *one], "reason", "points") == [("", 10_000), ("outside-office", 0)]


LINKED = ("measures.toml", 'where = "closed_on is not null"', "where = \"linked(category = '0201')\"")


def test_a_condition_may_speak_of_linked_cases(policy):
    cases = [CLOSED, case("B", category="0201", concluded_on="2025-03-04", handler_key="zhao")]
    link = {"link_key": "l", "from_case_no": "A", "to_case_no": "B", "kind": "related"}
    assert ledger(policy(LINKED), case=cases) == []
    lines = ledger(policy(LINKED), case=cases, case_link=[link, {**link, "link_key": "m"}])
    assert told(lines, "item_key") == [("A",)]


@pytest.mark.parametrize(
    ("edit", "rule"),
    [
        (("policy.toml", 'closing = "concluded_on"', 'closing = "category"'), "closed"),
        (
            ("policy.toml", 'final_when = "archive_accepted_on is not null"', 'final_when = "category > 3"'),
            "gate.final_when",
        ),
        (
            ("policy.toml", 'when = "suspect_count >= 2"', "when = \"suspect_count >= 'many'\""),
            "coefficients large",
        ),
        (("measures.toml", 'where = "drafted_on is not null"', "where = \"drafted_on > 'soon'\""), "made"),
    ],
)
def test_a_rule_that_cannot_be_evaluated_stops_and_is_named(policy, edit, rule):
    facts = {
        "case": [case("A", category="盗窃", concluded_on="2025-03-04")],
        "document": [document("d", "A")],
    }
    with pytest.raises(StopError) as failed:
        ledger(policy(edit), **facts)
    assert (failed.value.code, failed.value.problem.fields["rule"]) == ("score-rule-failed", rule)


def test_an_item_that_comes_twice_stops_everything(policy):
    facts = facts_of({"person": PEOPLE, "posting": POSTINGS, "case": [CLOSED]})
    facts["case"] = pa.concat_tables([facts["case"], facts["case"]])
    with pytest.raises(StopError) as twice:
        score(facts, policy(), period("2025"), [UNIT])
    assert (twice.value.code, twice.value.problem.fields["key"]) == ("measure-multiplies", "A")


def test_two_sources_tell_of_one_record_column_by_column(policy):
    """The first that has a value is believed; the order of the deployment decides, not that of arrival."""
    here = {"case": [case("A", handler_key="wang", concluded_on=None)]}
    there = {"case": [case("A", handler_key="zhao", concluded_on="2025-03-04")]}
    people = facts_of({"person": PEOPLE, "posting": POSTINGS})

    def handler(first, second, order):
        both = pa.concat_tables([facts_of(first, "x")["case"], facts_of(second, "y")["case"]])
        lines = score(people | {"case": both}, policy(), period("2025"), [UNIT], order).ledger.to_pylist()
        return told(lines, "person_key", "points")

    assert handler(here, there, ["x", "y"]) == [("wang", 10_000)]
    assert handler(here, there, ["y", "x"]) == [("zhao", 10_000)]
    assert handler(there, here, ["y", "x"]) == [("wang", 10_000)]
    assert handler(here, there, []) == handler(here, there, ["x", "y"])


def test_an_entry_is_named_by_everything_in_it(policy):
    one, two = ledger(policy(), case=[CLOSED]), ledger(policy(), case=[{**CLOSED, "charge_name": "盗窃"}])
    assert one[0]["entry_id"] == ledger(policy(), case=[CLOSED])[0]["entry_id"]
    assert one[0]["entry_id"] != two[0]["entry_id"]


def test_a_case_that_closed_and_is_not_archived_is_due(policy):
    world = {
        "case": [CLOSED, case("B"), case("C", concluded_on="2025-03-04")],
        "archive_volume": [volume("1", "accepted", case_no="C")],
    }
    states = case_states(facts_of(world), policy()).to_pylist()
    assert told(states, "case_no", "due", "handler_key") == [
        ("A", True, "wang"),
        ("B", False, ""),
        ("C", False, ""),
    ]


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("2025", "2025-01-01", "2026-01-01"),
        ("2025-H2", "2025-07-01", "2026-01-01"),
        ("2025-Q4", "2025-10-01", "2026-01-01"),
        ("2024-02", "2024-02-01", "2024-03-01"),
        ("2025-12", "2025-12-01", "2026-01-01"),
    ],
)
def test_a_period_is_a_calendar_window(name, start, end):
    window = period(name)
    assert (str(window.start), str(window.end)) == (start, end)


@pytest.mark.parametrize(
    "name", ["", "25", "2025-13", "2025-Q5", "2025-H3", "2025-1", "1889", "2101", "２０２５", "2025\n"]
)
def test_a_name_that_is_no_period_is_refused(name):
    with pytest.raises(StopError) as refused:
        period(name)
    assert refused.value.code == "period-unknown"


@pytest.mark.parametrize(
    ("points", "text"), [(0, "0.000"), (12_345, "12.345"), (-1, "-0.001"), (-1500, "-1.500")]
)
def test_points_are_shown_exactly(points, text):
    assert shown(points) == text
    assert thousandths(int(points), "x") == points * 1000
