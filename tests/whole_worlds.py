"""Small worlds for the pack that uses everything, as hypothesis draws them."""

from hypothesis import strategies as st

from jianheng.facts.entities import ROLES
from upstream import UNIT, case, person, posting

ELSEWHERE = "990202"
PEOPLE = ["p1", "p2", "p3", "p4", "stranger"]
CASES = ["A", "B", "C", "D", "gone"]
DAYS = [
    "2024-03-05",
    "2024-12-25",
    "2024-12-26",
    "2024-12-31",
    "2025-01-01",
    "2025-01-31",
    "2025-02-01",
    "2025-03-25",
    "2025-03-26",
    "2025-03-31",
    "2025-04-01",
    "2025-05-13",
    "2025-05-14",
    "2025-05-20",
    "2025-06-30",
    "2025-07-01",
    "2025-07-02",
    "2025-09-30",
    "2025-12-25",
    "2025-12-26",
    "2025-12-31",
    "2026-01-01",
]
"""The edges of periods, of units of caps, and of the law's changes: whatever goes wrong, goes wrong there."""


def maybe(strategy):
    return st.integers(0, 7).flatmap(lambda chance: strategy if chance else st.none())


def row(**columns):
    return st.fixed_dictionaries(columns)


def numbered(key, found):
    """Give each row a key of its own; the rows of an entity do not come in the order of their keys."""
    return [{key: f"{key[0]}{number * 7 % 97:02}", **each} for number, each in enumerate(found)]


def rows(key, strategy, least, most):
    return st.lists(strategy, min_size=least, max_size=most).map(lambda found: numbered(key, found))


def bursts(key, strategy, least, most):
    """Return rows that come several at a time: limits bite only then."""
    found = st.lists(st.tuples(strategy, st.sampled_from([1, 1, 2, 4])), min_size=least, max_size=most)
    return found.map(lambda pairs: numbered(key, [each for each, times in pairs for _ in range(times)]))


person_keys = st.sampled_from(["p1", "p1", "p1", "p1", *PEOPLE])
case_numbers = st.sampled_from([*CASES, "A", "B"])
flags = st.sampled_from([None, False, True])
STAFF = [
    posting("p1", "quota_prosecutor", post_level="dept_head"),
    posting("p2", "quota_prosecutor", post_level="member"),
    posting("p3", "prosecutor_assistant", post_level="member"),
    posting("p4", "clerk", valid_to="2025-06-30"),
    posting("p4", "quota_prosecutor", posting_key="p4-2", valid_from="2025-07-02"),
]
MOVES = row(
    person_key=st.sampled_from(PEOPLE[:-1]),
    unit_code=st.sampled_from([UNIT, UNIT, ELSEWHERE]),
    role=st.sampled_from(ROLES),
    post_level=st.sampled_from([None, "member", "dept_head", "deputy_chief"]),
    valid_from=st.sampled_from(["2000-01-01", "2025-01-01", "2025-07-01"]),
    valid_to=st.sampled_from([None, "2025-06-30", "2025-12-31"]),
)
SENSIBLE = [
    {"drafter_key": "p1", "template_code": "report"},
    {"drafter_key": "p2", "template_code": "letter"},
    {"drafter_key": "p2", "template_code": "report"},
    {"drafter_key": "p1", "template_code": "letter"},
    {"drafter_key": "p3", "template_code": "report"},
    {"drafter_key": "p3", "template_code": "batch"},
]
"""Who makes what he may: the other documents are made by anybody."""


def worlds(days):
    """Return worlds in which everything happens on a few days, for limits to bite."""
    return st.fixed_dictionaries(
        {
            "person": st.sampled_from([PEOPLE[:-1], PEOPLE[:3]]).map(
                lambda keys: [person(key) for key in keys]
            ),
            "posting": st.tuples(
                st.sampled_from([STAFF, STAFF, STAFF, STAFF[:3], []]), rows("posting_key", MOVES, 0, 2)
            ).map(lambda pair: [*pair[0], *pair[1]]),
            "case": st.lists(
                row(
                    category=st.sampled_from(["0201", "0301"]),
                    handler_key=maybe(person_keys),
                    concluded_on=maybe(days),
                    handling_days=st.sampled_from([None, 0, 3]),
                    is_supervised=st.sampled_from([None, None, False, True]),
                    is_watched=flags,
                ),
                min_size=3,
                max_size=4,
            ).map(lambda found: [case(CASES[number], **each) for number, each in enumerate(found)]),
            "participation": rows(
                "participation_key",
                row(
                    case_no=case_numbers,
                    person_key=person_keys,
                    role=st.sampled_from(ROLES),
                    share=st.sampled_from([None, None, "0.5", "0.25", "1", "0.333333"]),
                ),
                0,
                6,
            ),
            "suspect": bursts("suspect_key", row(case_no=case_numbers, suspect_no=st.just("1")), 0, 3),
            "document": bursts(
                "document_key",
                st.tuples(
                    row(case_no=case_numbers, drafted_on=maybe(days), in_dossier=flags),
                    st.one_of(
                        st.sampled_from(SENSIBLE),
                        row(
                            template_code=st.sampled_from(["report", "letter", "batch", "unheard-of"]),
                            drafter_key=maybe(person_keys),
                        ),
                    ),
                ).map(lambda pair: pair[0] | pair[1]),
                4,
                12,
            ),
            "approval": bursts(
                "approval_key",
                row(
                    document_key=st.just("d00"),
                    case_no=case_numbers,
                    submitter_key=maybe(person_keys),
                    submitted_on=maybe(days),
                    approver_key=maybe(person_keys),
                    approved_on=maybe(days),
                    conclusion=st.sampled_from(["同意", "同意", "退回", None]),
                ),
                0,
                4,
            ),
            "finding": bursts(
                "finding_key",
                row(
                    kind=st.sampled_from(["late", "error"]),
                    case_no=case_numbers,
                    person_key=maybe(person_keys),
                    found_on=days,
                    found_by=st.sampled_from([None, "self", "superior", "tool"]),
                    fault_key=st.sampled_from([None, "f1", "f1", "f2"]),
                    rectified=flags,
                    missed_by_owner=flags,
                    state=st.sampled_from([None, "open", "confirmed", "rejected"]),
                ),
                0,
                6,
            ),
            "personnel_record": rows(
                "record_key",
                row(
                    kind=st.sampled_from(["award", "award", "training"]),
                    person_key=person_keys,
                    starts_on=maybe(days),
                    quantity=st.sampled_from([None, "0", "1", "2"]),
                ),
                0,
                4,
            ),
            "archive_volume": rows(
                "volume_key",
                row(
                    case_no=case_numbers,
                    state=st.sampled_from(["accepted", "accepted", "accepted", "returned"]),
                    accepted_on=maybe(days),
                ),
                0,
                4,
            ),
            "declaration": rows(
                "declaration_key",
                row(
                    kind=st.sampled_from(["major_case", "major_case", "excellent_case"]),
                    case_no=case_numbers,
                    person_key=person_keys,
                    declared_on=st.just("2025-03-01"),
                    decided_on=maybe(days),
                    decision=st.sampled_from(["approved", "approved", "rejected", None]),
                ),
                0,
                3,
            ),
        }
    )


FEW_DAYS = st.one_of(
    st.tuples(st.integers(0, len(DAYS) - 2), st.integers(2, 5)).map(lambda at: DAYS[at[0] : at[0] + at[1]]),
    st.lists(st.sampled_from(DAYS), min_size=1, max_size=6),
)
WORLDS = FEW_DAYS.map(st.sampled_from).flatmap(worlds)
"""Rows by entity."""
