"""Closing a period: what stands against it, what the receipt covers, and what becomes of later facts."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa

from closing_world import (
    LATER,
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
    register,
    score,
    scored_office,
    sums,
    volume,
    world,
)
from jianheng.cli import close as cli_close
from jianheng.errors import FaultsError, JianhengError, RetryError, StopError
from jianheng.scoring import run
from jianheng.scoring.closing import corrections
from jianheng.scoring.closing.adjustments import Adjustments, adjustments_of
from jianheng.scoring.closing.receipt import broken_parts, read_receipt
from jianheng.scoring.explanation.explain import explain
from jianheng.scoring.kernel.score import score as fresh_score
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.records.closed_periods import get_closed, kind_of, law_of, receipt_text
from jianheng.scoring.records.scope import read_facts
from jianheng.store.engine import store_error
from jianheng.store.runs import begin_run, end_run
from jianheng.store.tables import ARCHIVED_POLICY, CLOSED, QUARANTINE, TALLY
from office_driver import Office, jianheng
from upstream import OFFICE, case, posting, sync_world

pytest_plugins = ["office_fixture"]

RATED = (
    "policy.toml",
    "",
    """
[[indicators]]
id = "view"
label = "民主评议"
parent = "total"
kind = "raters"
rating = "conduct"
weights = { department = 1 }
""",
)
"""An indicator that is missing until somebody was rated."""


def codes(store: sa.Engine, law: Policy, **how: Any) -> list[str]:
    """Return why a period is not closed, and see that nothing was kept."""
    with pytest.raises(FaultsError) as refused:
        close(store, law, **how)
    with store.connect() as connection:
        kept = [
            connection.scalar(sa.select(sa.func.count()).select_from(t)) for t in (CLOSED, ARCHIVED_POLICY)
        ]
    assert kept == [0, 0]
    return [each.code for each in refused.value.problems]


@pytest.fixture
def law(tmp_path: Path) -> Policy:
    return law_in(tmp_path)


# The receipt.


def test_a_receipt_covers_facts_law_result_and_who_closed(store: sa.Engine, law: Policy) -> None:
    """What was used is counted part by part, and the receipt in the store holds together."""
    receipt = closed_office(store, law, world())
    leaves = {name: part.leaves for name, part in receipt.parts.items()}
    assert leaves == {
        "facts/person": 2,
        "facts/posting": 2,
        "facts/case": 2,
        "facts/document": 1,
        "facts/archive_volume": 1,
        "law": len(law.sources),
        "ledger": 3,
        "values": 6,
        "standings": 2,
        "closing": 1,
        "engine": 1,
        "summary": 1,
    }
    assert set(receipt.parts["law"].files) == set(law.sources)
    assert (receipt.closing.closed_by, receipt.closing.policy_version) == ("张三", law.version)
    summary = receipt.summary
    assert (summary.points, summary.provisional, summary.provisional_entries) == (23_000, 10_000, 1)
    assert broken_parts(receipt) == []
    closed = register(store)
    assert (closed.receipt_hash, closed.facts_at) == (receipt.root, receipt.closing.facts_at)
    with store.connect() as connection:
        assert read_receipt(receipt_text(connection, closed), "store") == receipt
        assert law_of(connection, closed).version == law.version


@pytest.mark.parametrize(
    ("place", "value", "broken"),
    [
        (("closing", "closed_by"), "李四", {"closing"}),
        (("summary", "points"), 1, {"summary"}),
        (("engine", "version"), "1", {"engine"}),
        (("parts", "facts/case", "buckets"), ["0" * 64], {"facts/case"}),
        (("parts", "facts/case", "hash"), "0" * 64, {"facts/case", "root"}),
        (("parts", "law", "files", "mini/points.csv"), "0" * 64, {"law"}),
        (("root",), "0" * 64, {"root"}),
    ],
)
def test_a_receipt_that_was_changed_contradicts_itself(
    lite_store: sa.Engine, law: Policy, place: tuple[str, ...], value: Any, broken: set[str]
) -> None:
    """Whatever is changed in it, what covers it says so; no store is needed to see it."""
    told = closed_office(lite_store, law, world()).model_dump(mode="json")
    at = told
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    assert set(broken_parts(read_receipt(json.dumps(told), "file"))) == broken


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 2}'])
def test_what_is_no_receipt_is_told_as_such(text: str) -> None:
    with pytest.raises(StopError) as refused:
        read_receipt(text, "file")
    assert refused.value.code == "receipt-unreadable"


# What stands against closing.


def test_a_period_is_closed_on_its_last_days_morrow_at_the_earliest(
    lite_store: sa.Engine, law: Policy
) -> None:
    scored_office(lite_store, law, world())
    assert codes(lite_store, law, today=dt.date(2025, 12, 31)) == ["close-not-ended"]
    assert close(lite_store, law, today=dt.date(2026, 1, 1)).root


def test_what_was_not_scored_is_not_closed(lite_store: sa.Engine, law: Policy) -> None:
    sync_world(lite_store, world())
    score(lite_store, law, "2024")
    assert codes(lite_store, law) == ["close-not-scored"]


def test_what_another_law_scored_is_not_closed(lite_store: sa.Engine, law: Policy, tmp_path: Path) -> None:
    scored_office(lite_store, law, world())
    other = law_in(tmp_path / "other", ("points.csv", "papers,3", "papers,4"))
    assert codes(lite_store, other) == ["close-policy-changed"]


def test_facts_that_change_the_result_must_be_scored_first(lite_store: sa.Engine, law: Policy) -> None:
    told = world()
    scored_office(lite_store, law, told)
    told["document"].append(paper("e", "B"))
    sync_world(lite_store, told)
    assert codes(lite_store, law) == ["close-score-again"]
    score(lite_store, law, "2025")
    assert close(lite_store, law).parts["facts/document"].leaves == 2


def test_newer_facts_of_other_days_do_not_stand_in_the_way(lite_store: sa.Engine, law: Policy) -> None:
    """A case of the next year is among the facts that were known, and changes nothing."""
    told = world()
    scored_office(lite_store, law, told)
    told["case"].append(case("C", accepted_on="2026-01-05"))
    sync_world(lite_store, told)
    assert close(lite_store, law).parts["facts/case"].leaves == 3


def test_a_source_that_was_not_read_to_its_end_stands_in_the_way(lite_store: sa.Engine, law: Policy) -> None:
    scored_office(lite_store, law, world())
    with lite_store.begin() as connection:
        end_run(connection, begin_run(connection, OFFICE, "sync", "world"), "failed", {})
    assert codes(lite_store, law) == ["close-sync-incomplete"]


def _with_broken(told: World, **more: Any) -> World:
    return told | {"document": [*told["document"], paper("bad", "B", template_code="", **more)]}


def test_a_quarantined_record_stands_in_the_way_until_somebody_waives_it(
    lite_store: sa.Engine, law: Policy
) -> None:
    """Who waives it names it, and it stands in the receipt."""
    scored_office(lite_store, law, _with_broken(world()))
    with pytest.raises(FaultsError) as refused:
        close(lite_store, law)
    assert [each.code for each in refused.value.problems] == ["close-quarantine"]
    assert "world/document bad" in str(refused.value)
    with lite_store.connect() as connection:
        number = connection.scalar(sa.select(QUARANTINE.c.quarantine_id))
    assert codes(lite_store, law, waived=(number, 999)) == ["close-waived-unknown"]
    (waived,) = close(lite_store, law, waived=(number,)).closing.waived
    assert (waived.number, waived.record_key) == (number, "bad")


@pytest.mark.parametrize(
    ("day", "bars"), [("2025-12-31", True), ("2026-01-01", False), ("no day", True), (None, True)]
)
def test_a_quarantined_record_of_a_later_day_does_not(
    lite_store: sa.Engine, law: Policy, day: str | None, bars: bool
) -> None:
    """Only what is surely later is left aside; of what has no day nobody knows."""
    scored_office(lite_store, law, _with_broken(world(), drafted_on=day))
    if bars:
        assert codes(lite_store, law) == ["close-quarantine"]
    else:
        assert close(lite_store, law).closing.waived == ()


def test_what_is_missing_stands_in_the_way_and_is_named(lite_store: sa.Engine, tmp_path: Path) -> None:
    """Whose, which indicator and why; a total that is missing by it is told too."""
    law = law_in(tmp_path, RATED)
    scored_office(lite_store, law, world())
    with pytest.raises(FaultsError) as refused:
        close(lite_store, law)
    (problem,) = refused.value.problems
    assert (problem.code, problem.fields["count"]) == ("close-missing", 4)
    assert "sun 民主评议" in str(refused.value)
    assert "sun 总分" in str(refused.value)


def test_what_the_law_leaves_out_where_it_is_missing_does_not(lite_store: sa.Engine, tmp_path: Path) -> None:
    law = law_in(
        tmp_path, RATED, ("policy.toml", 'label = "总分"\n', 'label = "总分"\non_missing = "skip"\n')
    )
    assert closed_office(lite_store, law, world()).summary.missing == 2


@pytest.mark.parametrize("table", ["ledger_entry", "indicator_value", "person_score"])
def test_a_result_that_was_tampered_with_is_not_closed(
    lite_store: sa.Engine, law: Policy, table: str
) -> None:
    scored_office(lite_store, law, world())
    with lite_store.begin() as connection:
        connection.execute(sa.text(f"UPDATE {table} SET points = points + 1"))
    assert codes(lite_store, law) == ["close-not-reproduced"]


def test_everything_that_stands_against_it_is_told_together(lite_store: sa.Engine, tmp_path: Path) -> None:
    law = law_in(tmp_path, RATED)
    told = world()
    scored_office(lite_store, law, told)
    sync_world(lite_store, _with_broken(told | {"case": [closed_case("A")]}))
    with lite_store.begin() as connection:
        end_run(connection, begin_run(connection, OFFICE, "sync", "world"), "failed", {})
    assert codes(lite_store, law, today=dt.date(2025, 6, 1)) == [
        "close-not-ended",
        "close-sync-incomplete",
        "close-quarantine",
        "close-score-again",
        "close-missing",
    ]


def test_a_period_is_closed_once(lite_store: sa.Engine, law: Policy) -> None:
    receipt = closed_office(lite_store, law, world())
    with pytest.raises(StopError) as refused:
        close(lite_store, law)
    assert refused.value.code == "close-already"
    assert receipt.root in str(refused.value)


# Afterwards.


def test_scoring_leaves_a_closed_period_as_it_is(lite_store: sa.Engine, law: Policy, tmp_path: Path) -> None:
    """Whatever has changed since, and whoever asks for everything anew."""
    told = world()
    closed_office(lite_store, law, told)
    before = ledger(lite_store, "2025")
    sync_world(lite_store, told | {"document": [], "case": [closed_case("A")]})
    other = law_in(tmp_path / "other", ("points.csv", "papers,3", "papers,4"))
    for how in ({}, {"full": True}):
        (report,) = score(lite_store, other, "2025", **how)
        assert (report.mode, report.reason, report.added, report.closed) == ("unchanged", "closed", 0, 0)
    assert ledger(lite_store, "2025") == before


def found_since(store: sa.Engine, name: str = "2025") -> Adjustments:
    with store.connect() as connection:
        closed = get_closed(connection, OFFICE, "mini", name)
        return adjustments_of(connection, closed, read_facts(connection, OFFICE))


def test_what_comes_to_light_is_listed_by_kind(store: sa.Engine, law: Policy) -> None:
    """Added, removed, changed, become final; and whose totals that would move."""
    told = world()
    told["document"].append(paper("e", "B"))
    closed_office(store, law, told)
    assert (found_since(store).lines, found_since(store).totals) == ([], [])
    told["document"] = [paper("e", "B"), paper("f", "B", template_code="report")]
    told["suspect"] = [{"suspect_key": n, "case_no": "A", "suspect_no": n} for n in "12"]
    told["archive_volume"].append(volume("B"))
    sync_world(store, told)
    found = found_since(store)
    assert {(each.kind, each.rule_id, each.item_key, each.was, each.now) for each in found.lines} == {
        ("removed", "made_p", "d", 3_000, 0),
        ("final", "made_p", "e", 3_000, 3_000),
        ("added", "made_p", "f", 0, 3_000),
        ("changed", "closed", "A", 10_000, 15_000),
        ("final", "closed", "B", 10_000, 10_000),
    }
    assert all(bool(each.entry_id) == (each.kind != "added") for each in found.lines)
    assert [(each.person_key, each.was, each.now) for each in found.totals] == [("wang", 26_000, 31_000)]
    assert {each.indicator for each in found.values} == {"total", "work"}
    score(store, law, "2025", "2026")
    assert ledger(store, "2026", corrections=True) == []


def test_only_a_closed_period_has_adjustments(lite_store: sa.Engine, law: Policy) -> None:
    sync_world(lite_store, world())
    with pytest.raises(StopError) as refused:
        found_since(lite_store)
    assert refused.value.code == "close-not-closed"


# Entered in the next open period.


@pytest.fixture
def next_law(tmp_path: Path) -> Policy:
    return law_in(tmp_path, NEXT)


def today_in(store: sa.Engine, law: Policy, name: str) -> Mapping[tuple[str, ...], int]:
    """Return what a year's own lines would be today."""
    with store.connect() as connection:
        facts = read_facts(connection, OFFICE)
    return sums(fresh_score(facts, law, period(name), SUBJECT.units, SUBJECT.source_order).ledger)


def test_what_comes_to_light_is_entered_once_in_the_next_period(store: sa.Engine, next_law: Policy) -> None:
    """Closed lines and corrections together are what would be entered today; scoring again adds nothing."""
    told = world()
    closed_office(store, next_law, told)
    told["case"] = [closed_case("A")]
    told["document"].append(paper("e", "A"))
    sync_world(store, told)
    (_, first) = score(store, next_law, "2025", "2026")
    entered = ledger(store, "2026", corrections=True)
    by_item = {each["item_key"]: each for each in entered}
    closed = {each["item_key"]: each["entry_id"] for each in ledger(store, "2025")}
    assert (by_item["B"]["points"], by_item["B"]["state"]) == (-10_000, "provisional")
    assert by_item["B"]["reason"] == f"adjusts:2025:{closed['B'][:12]}"
    assert (by_item["e"]["points"], by_item["e"]["reason"]) == (3_000, "adjusts:2025")
    assert (first.points, first.provisional) == (-7_000, -10_000)
    assert plus(sums(ledger(store, "2025")), sums(entered)) == today_in(store, next_law, "2025")
    assert score(store, next_law, "2026")[0].mode == "unchanged"
    (whole,) = score(store, next_law, "2026", full=True)
    assert (whole.added, whole.closed, whole.digest) == (0, 0, first.digest)


def test_a_correction_is_no_item_of_the_period_that_bears_it(lite_store: sa.Engine, next_law: Policy) -> None:
    """It moves points; what is counted by number is counted in the period it belongs to."""
    told = world()
    closed_office(lite_store, next_law, told)
    told["document"].append(paper("e", "A"))
    told["document"].append(paper("own", "A", drafted_on="2026-02-01"))
    sync_world(lite_store, told)
    score(lite_store, next_law, "2026")
    with lite_store.connect() as connection:
        rows = connection.execute(sa.select(TALLY).where(TALLY.c.scope_id == 2)).fetchall()
    (made,) = [row for row in rows if row.rule_id == "made_p"]
    assert (made.points, made.entries, made.items, made.quantity) == (6_000, 2, 1, 1)
    assert [row.items for row in rows if row.measure == "*"] == [1]


@pytest.mark.parametrize(
    "step", [{"case": [closed_case("A")]}, {"archive_volume": [volume("A"), volume("B")]}]
)
def test_corrections_move_with_the_facts_until_their_period_is_closed(
    lite_store: sa.Engine, next_law: Policy, step: World
) -> None:
    """Step by step they come to what scoring everything anew gives."""
    told = world()
    closed_office(lite_store, next_law, told)
    told["document"].append(paper("e", "A"))
    for change in ({}, step, {"document": [paper("d", "A")]}, {}):
        told |= change
        sync_world(lite_store, told)
        (report,) = score(lite_store, next_law, "2026")
        assert plus(sums(ledger(lite_store, "2025")), sums(ledger(lite_store, "2026", corrections=True))) == (
            today_in(lite_store, next_law, "2025")
        )
        assert score(lite_store, next_law, "2026", full=True)[0].digest == report.digest


def test_a_closed_period_is_looked_at_again_only_when_something_touched_it(
    lite_store: sa.Engine, next_law: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step gives what scoring everything gives; only what may move a closed year scores it as a whole."""
    whole: list[bool] = []
    rating = {"rating_key": "r", "person_key": "wang", "rating": "year", "rater_kind": "boss", "score": "9"}
    rating |= {"rated_on": "2025-06-01"}

    def counted(*place: Any, only: Any = None, **how: Any) -> Any:
        whole.append(only is None)
        return fresh_score(*place, only=only, **how)

    monkeypatch.setattr(corrections, "score", counted)
    told = world()
    closed_office(lite_store, next_law, told)
    later = {
        "case": [*told["case"], case("C", handler_key="wang", accepted_on="2026-01-05")],
        "document": [paper("d", "A"), paper("e", "A"), paper("x", "C", drafted_on="2026-02-01")],
    }
    gone = posting("wang", valid_to="2025-03-01")
    steps: list[tuple[World, bool]] = [
        ({"document": [paper("d", "A"), paper("e", "A")]}, True),
        (later, False),
        ({"rating": [rating]}, False),
        ({"document": [paper("d", "A"), paper("x", "C", drafted_on="2025-12-31")]}, True),
        ({"document": [paper("d", "A"), paper("x", "C", drafted_on="2026-02-01")]}, True),
        ({"posting": [gone, posting("sun", role="prosecutor_assistant")]}, True),
    ]
    for change, looked in steps:
        told |= change
        sync_world(lite_store, told)
        whole.clear()
        (report,) = score(lite_store, next_law, "2026")
        assert any(whole) == looked, change
        own, entered = ledger(lite_store, "2025"), ledger(lite_store, "2026", corrections=True)
        assert plus(sums(own), sums(entered)) == today_in(lite_store, next_law, "2025")
    (again,) = score(lite_store, next_law, "2026", full=True)
    assert (again.added, again.closed, again.digest) == (0, 0, report.digest)


def test_a_year_that_was_closed_since_is_looked_at(store: sa.Engine, next_law: Policy) -> None:
    """What the last run of the open year looked at was another chain of closed years."""
    told = world()
    sync_world(store, told)
    score(store, next_law, "2024", "2025", "2026")
    close(store, next_law, "2025")
    told["document"].append(paper("e", "A"))
    sync_world(store, told)
    score(store, next_law, "2026")
    close(store, next_law, "2024")
    told["document"].append(paper("x", "A", drafted_on="2026-02-01"))
    told["document"].append(paper("f", "A", drafted_on="2024-02-01"))
    sync_world(store, told)
    (report,) = score(store, next_law, "2026")
    assert {each["item_key"] for each in ledger(store, "2026", corrections=True)} == {"e", "f"}
    assert score(store, next_law, "2026", full=True)[0].digest == report.digest


def test_a_correction_is_not_granted_anew_under_a_cap(lite_store: sa.Engine, tmp_path: Path) -> None:
    """Lines that share a person's month are looked at again with a change; what corrects a closed month is not."""
    cap = '\n[[caps]]\nid = "papers"\nlabel = "文书"\nper = ["person", "month"]\nlimit = 4\nindicators = ["papers"]\n'
    law = law_in(tmp_path, NEXT, ("policy.toml", "", cap))
    told = world()
    closed_office(lite_store, law, told)
    told["document"] += [paper("e", "A"), paper("x", "A", drafted_on="2026-02-01")]
    sync_world(lite_store, told)
    score(lite_store, law, "2026")
    told["document"].append(paper("y", "B", drafted_on="2026-02-02"))
    sync_world(lite_store, told)
    (step,) = score(lite_store, law, "2026")
    own = {each["item_key"]: each["points"] for each in ledger(lite_store, "2026")}
    entered = {each["item_key"]: each["points"] for each in ledger(lite_store, "2026", corrections=True)}
    assert (own, entered) == ({"x": 3_000, "y": 1_000}, {"e": 1_000})
    assert score(lite_store, law, "2026", full=True)[0].digest == step.digest


def test_what_one_period_has_entered_the_next_does_not(store: sa.Engine, next_law: Policy) -> None:
    """Each later period enters what came to light after the one before it was closed."""
    told = world()
    closed_office(store, next_law, told)
    told["document"].append(paper("e", "A"))
    sync_world(store, told)
    score(store, next_law, "2026")
    receipt = close(store, next_law, "2026")
    assert receipt.closing.corrects == {"2025": register(store).receipt_hash}
    assert receipt.summary.points == 3_000
    told["document"] = [paper("d", "A"), paper("f", "A"), paper("late", "A", drafted_on="2026-05-01")]
    sync_world(store, told)
    score(store, next_law, "2027")
    entered = ledger(store, "2027", corrections=True)
    assert {(each["item_key"], each["points"], each["reason"].split(":")[1]) for each in entered} == {
        ("e", -3_000, "2025"),
        ("f", 3_000, "2025"),
        ("late", 3_000, "2026"),
    }
    assert made_again(store, "2025").identical
    assert made_again(store, "2026").identical
    found = found_since(store, "2026")
    assert [each.item_key for each in found.lines] == ["late"]
    assert [each.now for each in found.totals] == [6_000]


def test_only_the_period_that_follows_without_a_gap_enters(lite_store: sa.Engine, next_law: Policy) -> None:
    """Years follow years: neither a quarter nor the year after an open one takes what belongs to another."""
    told = world()
    closed_office(lite_store, next_law, told)
    told["document"].append(paper("e", "A"))
    sync_world(lite_store, told)
    score(lite_store, next_law, "2026-Q1", "2027")
    assert ledger(lite_store, "2026-Q1", corrections=True) == []
    assert ledger(lite_store, "2027", corrections=True) == []


def test_points_that_have_no_place_any_more_are_not_lost(
    lite_store: sa.Engine, next_law: Policy, tmp_path: Path
) -> None:
    """Where today's law has dropped the indicator, scoring stops and says which it is."""
    told = world()
    closed_office(lite_store, next_law, told)
    told["document"].append(paper("e", "A"))
    sync_world(lite_store, told)
    gone = law_in(
        tmp_path / "other",
        NEXT,
        ("policy.toml", '[[indicators]]\nid = "papers"\nlabel = "文书"\nparent = "work"\n', ""),
        ("points.csv", "made_p,检察官文书,made,charge;report,,quota_prosecutor,papers,3,,,,第四条\n", ""),
        (
            "points.csv",
            "made_a,助理文书,made,report,,prosecutor_assistant,papers,",
            "made_a,助理文书,made,report,,prosecutor_assistant,work,",
        ),
    )
    with pytest.raises(StopError) as refused:
        score(lite_store, gone, "2026")
    assert refused.value.code == "close-no-place"
    assert "papers" in str(refused.value)


def test_corrections_are_explained_like_other_entries(lite_store: sa.Engine, next_law: Policy) -> None:
    """They stand under their rule, and say what they correct."""
    told = world()
    closed_office(lite_store, next_law, told)
    told["document"].append(paper("e", "A"))
    sync_world(lite_store, told)
    score(lite_store, next_law, "2026")
    with lite_store.connect() as connection:
        told_all = json.dumps(explain(connection, OFFICE, next_law, period("2026"), "wang"), default=str)
    assert "adjusts:2025" in told_all


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("2025", "year"),
        ("2025-H1", "H"),
        ("2025-Q3", "Q"),
        ("2025-07", "month"),
        ("2019-2020", "month"),
        ("long", "named"),
    ],
)
def test_periods_follow_those_of_their_kind(name: str, kind: str) -> None:
    assert kind_of(name) == kind


# At once, and cut off.

KILLED = """
import sys, time, datetime as dt
sys.path.insert(0, {tests!r})
import sqlalchemy as sa
from pathlib import Path
from closing_world import close
from jianheng.scoring.law.policy import load_policy
from jianheng.store.engine import open_store
store = open_store({url!r})
@sa.event.listens_for(store, "commit")
def _stop(connection):
    print("about to commit", flush=True)
    time.sleep(60)
close(store, load_policy(Path({pack!r})))
"""


def test_a_closing_that_is_killed_leaves_no_receipt(lite_store: sa.Engine, law: Policy) -> None:
    """One transaction: killed on the point of its end, nothing of it is there, and closing again works."""
    scored_office(lite_store, law, world())
    url = lite_store.url.render_as_string(hide_password=False)
    program = KILLED.format(tests=str(Path(__file__).parent), url=url, pack=str(law.folder))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as closing:
        assert closing.stdout is not None
        assert closing.stdout.readline() == "about to commit\n"
        os.kill(closing.pid, signal.SIGKILL)
    with lite_store.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(CLOSED)) == 0
        assert connection.scalar(sa.select(sa.func.count()).select_from(ARCHIVED_POLICY)) == 0
    assert close(lite_store, law).root
    assert made_again(lite_store).identical


def test_a_scoring_under_way_does_not_move_what_is_closed_meanwhile(
    store: sa.Engine, law: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes second waits, is told to come again, or that it must be scored first; nothing is half closed."""
    told = world()
    scored_office(store, law, told)
    told["document"].append(paper("e", "B"))
    sync_world(store, told)
    entered, go_on = Event(), Event()
    scope_of = run.scope_of

    def slow(*words: Any, **how: Any) -> Any:
        entered.set()
        assert go_on.wait(30)
        return scope_of(*words, **how)

    monkeypatch.setattr(run, "scope_of", slow)

    def attempt(job: Any) -> str:
        try:
            job(store, law)
        except JianhengError as error:
            return error.code
        except sa.exc.SQLAlchemyError as failed:
            error = store_error(failed, "test")
            assert isinstance(error, RetryError)
            return error.code
        return "done"

    with ThreadPoolExecutor(2) as pool:
        scoring = pool.submit(attempt, lambda *place: score(*place, "2025"))
        assert entered.wait(30)
        closing = pool.submit(attempt, close)
        go_on.set()
        assert scoring.result(60) == "done"
        assert closing.result(60) in {"done", "store-busy", "close-score-again"}
    if closing.result() != "done":
        close(store, law)
    assert made_again(store).identical
    assert len(ledger(store, "2025")) == 4


# The commands.


def test_an_operator_closes_and_shows_and_verifies(
    synced_office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From the deployment of the simulated office to a receipt on paper, and back."""
    monkeypatch.setattr(cli_close, "today", lambda: LATER)
    office = synced_office
    office.score()
    assert "还没有结账" in office.run("close", "--list").out
    file = tmp_path / "receipt.json"
    closed = office.run("close", "2025", "--by", "王检", "-o", file)
    assert closed.code == 0, closed.text
    assert "已结账" in closed.out
    root = office.run("close", "--list", "--json").json()["closed"][0]["root"]
    assert root in closed.out
    assert office.run("close", "--show", "2025", "--json").json()["receipt"] == json.loads(file.read_text())
    assert root in office.run("close", "--verify", file).out
    file.write_text(file.read_text().replace("王检", "李检"))
    assert list(office.run("close", "--verify", file, "--json").errors()) == ["receipt-broken"]
    assert office.run("close", "2025").code == 2
    assert office.run("close").code == 2
    assert "已结账" in office.run("score").out
    assert "没有变化" in office.run("adjustments", "2025").out
    same = office.run("reproduce", "2025")
    assert (same.code, root in same.out) == (0, True)
    engine = sa.create_engine(f"sqlite:///{office.store}")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE ledger_entry SET points = points + 1000 WHERE rowid = 1"))
    engine.dispose()
    changed = office.run("reproduce", "2025")
    assert changed.code == 2
    assert "reproduce-kept" in changed.err
    told = office.run("reproduce", "2025", "--json").json()
    assert (told["ok"], [each["part"] for each in told["differences"]]) == (False, ["ledger"])


def test_a_closed_result_is_read_by_the_law_it_was_closed_by(
    synced_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after the law has changed: explained and published as it was closed, and said to be closed."""
    monkeypatch.setattr(cli_close, "today", lambda: LATER)
    office = synced_office
    office.score()
    assert office.run("close", "2025", "--json").json()["ok"]
    (office.folder / "layer" / "parameters").mkdir(parents=True)
    (office.folder / "layer" / "parameters" / "team.toml").write_text(
        '[team.clerk]\nreplaces = 0.1\nvalues = [{ from = 2018-01-01, value = 0.2, cite = "本院规定" }]\n',
        encoding="utf-8",
    )
    office.edit('pack = "laoshan"', 'pack = "laoshan"\nlayer = "layer"')
    (person,) = office.facts("SELECT person_key FROM person_score WHERE place = 1 LIMIT 1")
    told = office.run("explain", person["person_key"], "--period", "2025", "--json").json()
    (closed,) = office.run("close", "--list", "--json").json()["closed"]
    assert told["policy"]["version"] == closed["policy_version"]
    published = office.run("publish")
    assert published.code == 0, published.text
    (page,) = (office.folder / "out").glob("*/index.html")
    assert closed["root"] in page.read_text(encoding="utf-8")


def test_a_file_that_is_not_there_is_told(tmp_path: Path, operator: None) -> None:
    told = jianheng("close", "--verify", tmp_path / "nowhere.json", "--json")
    assert list(told.errors()) == ["receipt-file"]
