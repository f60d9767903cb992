"""The kernel, rule by rule: who gets how much for what on which day, and why somebody gets nothing."""

import datetime as dt
from dataclasses import replace

import pyarrow as pa
import pytest

from jianheng.errors import FaultsError, StopError
from jianheng.scoring.kernel import program
from jianheng.scoring.kernel.plan_ledger import LEDGER_COLUMNS, LEDGER_ORDER
from jianheng.scoring.kernel.score import case_states, score
from jianheng.scoring.law.period import period
from jianheng.scoring.law.points import half_up, shown, thousandths
from jianheng.scoring.law.policy import load_policy
from jianheng.store.bulk import arrow_type
from jianheng.store.tables import LEDGER
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
        (("0.5", "0.4"), [6667, 3333]),
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


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2025-03-03", {"wang": 5000, "zhao": 5000}),
        ("2025-03-04", {"wang": 3334, "zhao": 6666}),
        ("2025-03-05", {"wang": 3334, "zhao": 6666}),
    ],
)
def test_a_team_is_that_of_the_day(policy, day, expected):
    """Wang is a prosecutor up to 3 March and an assistant from the 4th."""
    two = team("A", wang="quota_prosecutor", zhao="quota_prosecutor")
    postings = [
        posting("wang", valid_to="2025-03-03"),
        posting("wang", "prosecutor_assistant", posting_key="wang-2", valid_from="2025-03-04"),
        posting("zhao"),
    ]
    closed = [case("A", concluded_on=day)]
    lines = ledger(policy(), postings=postings, case=closed, participation=two)
    assert dict(told(lines, "person_key", "points")) == expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2025-03-03", {"wang": 6666, "sun": 3334}),
        ("2025-03-04", {"wang": 7500, "sun": 2500}),
        ("2025-03-05", {"wang": 7500, "sun": 2500}),
    ],
)
def test_the_weights_of_a_team_are_those_of_the_day(policy, day, expected):
    """0.6 to 0.3, from 4 March 0.9 to 0.3; nobody's posting changes on that day."""
    change = (
        "parameters/numbers.toml",
        'value = 0.6, cite = "第七条" }]',
        'value = 0.6, cite = "第七条" }, { from = 2025-03-04, value = 0.9, cite = "第七条, 修订" }]',
    )
    two = team("A", wang="quota_prosecutor", sun="prosecutor_assistant")
    lines = ledger(policy(change), case=[case("A", concluded_on=day)], participation=two)
    assert dict(told(lines, "person_key", "points")) == expected


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


def test_parts_that_do_not_sum_to_the_whole_are_refused(policy, monkeypatch):
    """Planted: everybody's part is what the last one has; nothing is kept of it."""
    steps = program.pricing

    def wrong(*args, **named):
        return tuple(
            replace(step, select=step.select.replace("(so_far - weight)", "so_far"))
            if step.name == "line"
            else step
            for step in steps(*args, **named)
        )

    monkeypatch.setattr(program, "pricing", wrong)
    two = team("A", wang="quota_prosecutor", sun="prosecutor_assistant")
    with pytest.raises(StopError) as refused:
        ledger(policy(), case=[CLOSED], participation=two)
    assert refused.value.code == "score-item-split"
    assert "A" in str(refused.value)


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


def test_the_limit_of_a_case_is_each_persons_own(policy):
    edits = (("points.csv", "prosecutor_assistant,papers,2,2,", ",papers,2,2,"),)
    papers = [
        document(f"d{n}-{who}", "A", template_code="report", drafter_key=who)
        for n in range(3)
        for who in ("sun", "wang")
    ]
    lines = ledger(policy(*edits), case=[case("A")], document=papers)
    counted = [(each["person_key"], each["rule_id"]) for each in lines if each["state"] != "void"]
    assert counted.count(("sun", "made_a")) == counted.count(("wang", "made_a")) == 2


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
        ("2025-06-30", {}, (10_000, 1000, "")),
        ("2025-06-30", {"suspect": SUSPECTS[:1]}, (10_000, 1000, "")),
        ("2025-06-30", {"suspect": SUSPECTS}, (15_000, 1500, "special=large*1500")),
        ("2025-07-01", {"suspect": SUSPECTS}, (20_000, 2000, "special=large*2000")),
        ("2025-06-30", {"declaration": [APPROVED]}, (18_000, 1800, "special=declared*1800")),
        ("2025-06-30", {"declaration": [APPROVED | {"decision": "rejected"}]}, (10_000, 1000, "")),
        ("2025-06-30", {"declaration": [APPROVED | {"kind": "excellent_case"}]}, (10_000, 1000, "")),
        (
            "2025-06-30",
            {"declaration": [APPROVED], "suspect": SUSPECTS},
            (18_000, 1800, "special=declared*1800"),
        ),
        (
            "2025-07-01",
            {"declaration": [APPROVED], "suspect": SUSPECTS},
            (20_000, 2000, "special=large*2000"),
        ),
    ],
)
def test_of_the_choices_in_force_on_the_day_the_largest_holds(policy, day, more, expected):
    closed = case("A", concluded_on=day, handler_key="wang")
    lines = ledger(policy(), case=[closed], **more)
    assert told(lines, "points", "coefficient", "factors") == [expected]


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


def factor(name, *choices, **more):
    """Return a factor on documents as a table of ``policy.toml``; a choice is its name, value and condition."""
    told = "".join(
        f'\n[[factors.choices]]\nid = "{choice}"\nlabel = "{choice}"\nvalue = {value}\nwhen = "{when}"\n'
        for choice, value, when in choices
    )
    said = {"id": name, "label": name, "over": "item"} | more
    words = "".join(f'{key} = "{value}"\n' for key, value in said.items())
    return f'\n[[factors]]\n{words}measures = ["made"]\n{told}'


def report(**more):
    return [document("d", "A", template_code="report", drafter_key="wang") | more]


def factored(policy, *factors, points="3", paper=None, **facts):
    edits = (("policy.toml", "", "".join(factors)), ("points.csv", "papers,3,", f"papers,{points},"))
    lines = ledger(policy(*edits), case=[case("A")], document=report(**(paper or {})), **facts)
    return told(lines, "points", "coefficient", "factors")


def test_factors_multiply_and_are_rounded_once(policy):
    """0.005 x 1.1 x 1.3 is 0.00715, so 0.007; rounded in between, 0.006 x 1.3 would be 0.008."""
    both = factor("one", ("c", 1.1, "true")), factor("two", ("c", 1.3, "true"))
    assert factored(policy, *both, points="0.005") == [(7, 1430, "one=c*1100;two=c*1300")]
    halves = factor("one", ("c", 0.5, "true")), factor("two", ("c", 0.001, "true"))
    assert factored(policy, *halves, points="3") == [(2, 1, "one=c*500;two=c*1")]


@pytest.mark.parametrize(
    ("take", "expected"),
    [
        ("first", (3600, 1200, "f=small*1200")),
        ("best", (6000, 2000, "f=large*2000")),
    ],
)
def test_of_choices_that_hold_the_first_or_the_best_is_taken(policy, take, expected):
    choices = (
        ("none", 9, "name = 'x'"),
        ("small", 1.2, "true"),
        ("large", 2, "template_code = 'report'"),
        ("same", 2, "true"),
    )
    assert factored(policy, factor("f", *choices, take=take)) == [expected]


def test_a_factor_of_nothing_gives_nothing_and_is_not_refused(policy):
    assert factored(policy, factor("f", ("found", 0, "true"))) == [(0, 0, "f=found*0")]


def test_a_factor_none_of_whose_choices_holds_is_one(policy):
    assert factored(policy, factor("f", ("c", 9, "in_dossier"), ("d", 8, "in_dossier"))) == [(3000, 1000, "")]
    assert factored(policy, factor("f", ("c", 9, "in_dossier"), take="first")) == [(3000, 1000, "")]


def test_a_factor_without_a_value_on_the_first_day_is_refused(policy):
    """It would silently do nothing until somebody says what it is."""
    late = (
        "parameters/numbers.toml",
        "",
        '[factor.late]\nlabel = "后来"\nunit = "倍"\nvalues = [{ from = 2025-07-01, value = 3, cite = "第十一条" }]',
    )
    with pytest.raises(FaultsError) as refused:
        policy(late, ("policy.toml", "", factor("f", ("later", '"factor.late"', "true"))))
    assert [each.code for each in refused.value.problems] == ["policy-value-late"]


def test_however_many_choices_a_factor_has_the_best_is_found(policy):
    """A table of charges with their weights is one factor."""
    many = [(f"c{n}", f"{n}.5", f"template_code <> 'x{n}'") for n in range(30)]
    assert factored(policy, factor("f", *many)) == [(88_500, 29_500, "f=c29*29500")]


def test_large_numbers_are_exact(policy):
    """Also where the product does not fit into 64 bits before it is rounded."""
    large = [factor(f"f{n}", ("c", "99.999", "true")) for n in range(3)]
    expected = half_up(999_999 * 99_999**3, 1000**3)
    assert 999_999 * 99_999**3 > 2**64
    assert [line[0] for line in factored(policy, *large, points="999.999")] == [expected]
    small = [factor(f"f{n}", ("c", "1", "true")) for n in range(8)]
    assert [line[:2] for line in factored(policy, *small)] == [(3000, 1000)]


def test_the_parts_of_a_large_number_are_exact(policy):
    three = team("A", wang="quota_prosecutor", zhao="quota_prosecutor", sun="prosecutor_assistant")
    large = factor("f", ("c", "999.999", "true"), over="case").replace("made", "closed")
    edits = (("policy.toml", "", large), ("points.csv", ",work,10,", ",work,999999.999,"))
    lines = ledger(policy(*edits), case=[CLOSED], participation=three)
    whole = half_up(999_999_999 * 999_999, 1000)
    assert sum(line["points"] for line in lines) == whole
    assert {abs(line["points"] - whole // 3) <= 1 for line in lines} == {True}


CHANGES = """changes = [
  { from = 2025-07-01, where = "approved_on is not null", date = "approved_on", actor = "approver_key" },
]
"""


@pytest.mark.parametrize(
    ("drafted", "approved", "expected"),
    [
        ("2025-06-30", None, ("wang", "2025-06-30")),
        ("2025-06-30", "2025-07-01", ("wang", "2025-06-30")),
        ("2025-07-01", "2025-07-02", ("zhao", "2025-07-02")),
        ("2025-07-01", "2025-06-30", None),
        (None, "2025-07-01", ("zhao", "2025-07-01")),
    ],
)
def test_a_measure_that_changed_counts_an_item_once_by_what_holds_on_its_day(
    policy, drafted, approved, expected
):
    """By the day of drafting until June, for who drafted; by that of approval since, for who approved."""
    edit = ("measures.toml", 'actor = "drafter_key"', f'actor = "drafter_key"\n{CHANGES}')
    papers = report(drafted_on=drafted, approved_on=approved, approver_key="zhao")
    lines = ledger(policy(edit), case=[case("A")], document=papers)
    assert [(each["person_key"], str(each["day"])) for each in lines] == ([expected] if expected else [])


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


GATES = """
[[gates]]
id = "papers"
label = "文书已审"
final_when = "due_on is not null"
measures = ["made"]
"""


@pytest.mark.parametrize(
    ("due", "volumes", "expected"),
    [
        (None, [], {"closed": "provisional", "made": "provisional"}),
        (None, [volume("1", "accepted")], {"closed": "final", "made": "provisional"}),
        ("2025-04-01", [], {"closed": "provisional", "made": "provisional"}),
        ("2025-04-01", [volume("1", "accepted")], {"closed": "final", "made": "final"}),
    ],
)
def test_points_are_final_when_every_gate_of_their_measure_is_passed(policy, due, volumes, expected):
    """A gate without measures is everybody's."""
    lines = ledger(
        policy(("policy.toml", "", GATES)),
        case=[CLOSED | {"due_on": due}],
        document=report(),
        archive_volume=volumes,
    )
    assert dict(told(lines, "measure", "state")) == expected


def test_a_gate_is_nothing_to_other_measures_and_to_what_hangs_on_no_case(policy):
    edits = (
        ("policy.toml", 'label = "归档"', 'label = "归档"\nmeasures = ["closed"]'),
        AWARDS[0],
        ("points.csv", "", "award,奖励,award,,,,work,4,,,,第十条"),
    )
    award = {"record_key": "r", "kind": "award", "person_key": "wang", "starts_on": "2025-03-05"}
    lines = ledger(policy(*edits), case=[CLOSED], document=report(), personnel_record=[award])
    states = {"closed": "provisional", "made": "final", "award": "final"}
    assert dict(told(lines, "measure", "state")) == states
    everybodys = ledger(policy(*edits[1:]), case=[CLOSED], document=report(), personnel_record=[award])
    assert dict(told(everybodys, "measure", "state")) == states | {"made": "provisional"}


AWARDS = (
    (
        "measures.toml",
        "",
        """
[award]
label = "奖励"
grain = "personnel_record"
where = "kind = 'award'"
date = "starts_on"
unit = "项"
actor = "person_key"
""",
    ),
)


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


WHERE = 'where = "drafted_on is not null"'
MANY = "months('many') > 3"


@pytest.mark.parametrize(
    ("edit", "rule"),
    [
        (("policy.toml", '"concluded_on"', f'"case when {MANY} then concluded_on end"'), "closing"),
        (("policy.toml", '"archive_accepted_on is not null"', f'"{MANY}"'), "gates gate"),
        (("policy.toml", 'declared = "major_case"', f'when = "{MANY}"'), "factors special declared"),
        (("measures.toml", WHERE, f'where = "{MANY}"'), "made"),
    ],
)
def test_a_rule_that_cannot_be_evaluated_stops_and_is_named(policy, edit, rule):
    facts = {
        "case": [case("A", concluded_on="2025-03-04")],
        "document": [document("d", "A")],
    }
    with pytest.raises(StopError) as failed:
        ledger(policy(edit), **facts)
    assert (failed.value.code, failed.value.problem.fields["rule"]) == ("score-rule-failed", rule)


@pytest.mark.parametrize(
    ("quantity", "told"), [("-1", "-1"), ("0.5", "0.5"), ("case_handling_days", "空"), ("2 - 3", "-1")]
)
def test_a_quantity_that_is_none_stops_and_the_record_is_named(policy, quantity, told):
    """What is not known in number can neither be scored nor taken for zero."""
    edit = ("measures.toml", WHERE, f'{WHERE}\nquantity = "{quantity}"')
    papers = [document("d", "A", template_code="report", drafter_key="wang")]
    with pytest.raises(StopError) as failed:
        ledger(policy(edit), case=[case("A")], document=papers)
    assert failed.value.code == "score-rule-failed"
    assert failed.value.problem.fields | {"policy": ""} == {
        "policy": "",
        "rule": "made",
        "told": f"数量不是 0 或正整数: d, {told}",
    }


@pytest.mark.parametrize(("days", "expected"), [(None, (1, 3000)), (0, (0, 0)), (3, (3, 9000))])
def test_points_are_for_one_unit_of_quantity(policy, days, expected):
    edit = ("measures.toml", WHERE, f'{WHERE}\nquantity = "coalesce(case_handling_days, 1)"')
    papers = [document("d", "A", template_code="report", drafter_key="wang")]
    lines = ledger(policy(edit), case=[case("A", handling_days=days)], document=papers)
    assert told(lines, "quantity", "points") == [expected]


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


def test_a_line_says_what_was_counted_for_whom_by_which_rule_and_what_became_of_it(policy):
    """Points and what was withheld make what was due: 10 x 2 shared by two, of whom one is under a cap."""
    capped = (
        "policy.toml",
        "",
        '[[caps]]\nid = "most"\nlabel = "上限"\nper = ["person", "year"]\nrules = ["closed"]\nlimit = 13',
    )
    both = team("A", wang="quota_prosecutor", sun="prosecutor_assistant")
    closed = case("A", concluded_on="2025-07-04", handler_key="wang")
    world = {
        "person": PEOPLE,
        "posting": POSTINGS,
        "case": [closed],
        "participation": both,
        "suspect": SUSPECTS,
    }
    ledger = score(facts_of(world), policy(capped), period("2025"), [UNIT]).ledger
    assert ledger.column_names == ["entry_id", *LEDGER_COLUMNS]
    assert [field.type for field in ledger.schema] == [
        arrow_type(LEDGER.c[name]) for name in ledger.column_names
    ]
    of_wang = next(line for line in ledger.to_pylist() if line["person_key"] == "wang")
    hashes = {name: of_wang.pop(name) for name in ("entry_id", "fact_hash")}
    assert all(hashes.values())
    assert of_wang == {
        "person_key": "wang",
        "sheet": "prosecutor",
        "measure": "closed",
        "rule_id": "closed",
        "indicator": "work",
        "case_no": "A",
        "item_kind": "case",
        "item_key": "A",
        "item_label": "0301",
        "day": dt.date(2025, 7, 4),
        "quantity": 1,
        "unit_points": 10_000,
        "coefficient": 2000,
        "factors": "special=large*2000",
        "share": 666,
        "points": 13_000,
        "withheld": 333,
        "state": "provisional",
        "reason": "",
        "caps": "most:333;",
    }


def test_lines_come_by_person_and_day_and_then_as_their_texts_sort(policy):
    """Neither the rows of the table nor the sheets of the policy are in that order, and one paper is under two rules."""
    extra = ("points.csv", "made_a,助理", "extra,再加,made,report,,,papers,1,,,,第五条\nmade_a,助理")
    papers = [
        document(f"{code}-{day}-{drafter}", "A", template_code=code, drafter_key=drafter, drafted_on=day)
        for day in ("2025-03-05", "2025-03-04")
        for code in ("unheard-of", "report", "charge")
        for drafter in ("wang", "sun", "nobody")
    ]
    lines = ledger(policy(extra), case=[CLOSED], document=papers)
    order = told(lines, *LEDGER_ORDER)
    assert order == sorted(order)
    first = [line[3] for line in order if line[:2] == ("wang", dt.date(2025, 3, 4))]
    assert first == ["closed", "-", "extra", "made_p", "made_p"]


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


def test_a_tree_of_codes_is_the_packs_own_where_the_site_tells_none(tmp_path):
    """What the site tells of a catalogue holds alone: two trees of one catalogue would be a third one."""
    folder = write_pack(
        tmp_path / "mini",
        (
            "measures.toml",
            'where = "closed_on is not null"',
            "where = \"closed_on is not null and in_tree(category, '03')\"",
        ),
    )
    (folder / "catalogues").mkdir()
    (folder / "catalogues" / "case_category.csv").write_text(
        "code,parent,name\n03,,公诉\n0301,03,一审公诉\n0201,,审查逮捕\n", "utf-8"
    )
    law = load_policy(folder)
    cases = [
        case("A", category="0301", concluded_on="2025-03-04", handler_key="wang"),
        case("B", category="0201", concluded_on="2025-03-04", handler_key="wang"),
    ]
    site = [
        {"code_key": "1", "catalogue": "case_category", "code": "0201", "parent": "03", "name": "审查逮捕"}
    ]
    assert told(ledger(law, case=cases), "item_key") == [("A",)]
    assert told(ledger(law, case=cases, code=site), "item_key") == [("B",)]
