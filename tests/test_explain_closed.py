"""Explaining and publishing what is closed, and what corrects it: by the law it was closed by, whatever holds today."""

import pytest

from closing_world import NEXT, closed_case, closed_office, law_in, paper, score, world
from jianheng.publish.office import Office
from jianheng.publish.publication import scores
from jianheng.scoring.explanation.explain import explain
from jianheng.scoring.law.period import period
from upstream import OFFICE, sync_world

DESK = Office(OFFICE, "东屿区院", (OFFICE,), ("world",))
DEARER = ("points.csv", ",work,10,", ",work,11,")
WITHOUT_RULE = (
    "points.csv",
    "made_p,检察官文书,made,charge;report,,quota_prosecutor,papers,3,,,,第四条\n",
    "",
)


def told(store, law, name):
    with store.connect() as connection:
        return explain(connection, OFFICE, law, period(name), "wang", ("world",))


def walk(nodes):
    for node in nodes:
        yield node
        yield from walk(node["children"])


def rules(found):
    return {
        rule["id"]: rule
        for sheet in found["sheets"]
        for node in walk(sheet["indicators"])
        for rule in node["rules"]
    }


@pytest.fixture
def next_law(tmp_path):
    """A law that enters what comes to light later in the next open period."""
    return law_in(tmp_path, NEXT)


def test_a_closed_period_is_explained_and_published_by_the_law_it_was_closed_by(
    lite_store, next_law, tmp_path
):
    closed_office(lite_store, next_law, world())
    today = law_in(tmp_path / "today", NEXT, DEARER)
    found = told(lite_store, today, "2025")
    assert found["policy"]["version"] == next_law.version
    assert rules(found)["closed"]["rows"][0]["points"] == "10"
    _, publication = scores(lite_store, DESK, today, period("2025"))
    assert publication.policy_version == next_law.version
    assert {each.points for each in publication.rules if each.rule_id == "closed"} == {10_000}


def test_a_correction_says_what_it_corrects_and_is_a_difference(lite_store, next_law):
    facts = world()
    closed_office(lite_store, next_law, facts)
    facts["document"].append(paper("e", "A"))
    sync_world(lite_store, facts)
    score(lite_store, next_law, "2026")
    (entry,) = rules(told(lite_store, next_law, "2026"))["made_p"]["entries"]
    assert (entry["corrects"], entry["calculation"], entry["points"]) == ("2025", "+3.000", "3.000")
    assert entry["reason_text"] == "更正已结账的 2025"
    _, publication = scores(lite_store, DESK, next_law, period("2026"))
    (published,) = [each for each in publication.entries if each.rule_id == "made_p"]
    assert published.reason == "更正已结账的 2025"


def test_what_came_to_less_is_a_negative_difference_that_names_the_closed_line(lite_store, next_law):
    facts = world()
    closed_office(lite_store, next_law, facts)
    facts["document"] = []
    sync_world(lite_store, facts)
    score(lite_store, next_law, "2026")
    (entry,) = rules(told(lite_store, next_law, "2026"))["made_p"]["entries"]
    assert entry["calculation"] == "-3.000"
    assert entry["reason_text"].startswith("更正已结账的 2025 #")


def test_a_correction_by_a_rule_that_is_gone_is_explained_by_the_law_that_had_it(
    lite_store, next_law, tmp_path
):
    """Nothing is left out: the sum of what is told is the total."""
    facts = world()
    closed_office(lite_store, next_law, facts)
    facts["document"].append(paper("e", "A"))
    facts["case"].append(closed_case("C", concluded_on="2026-02-03"))
    sync_world(lite_store, facts)
    today = law_in(tmp_path / "today", NEXT, WITHOUT_RULE)
    score(lite_store, today, "2026")
    found = told(lite_store, today, "2026")
    rule = rules(found)["made_p"]
    assert (rule["label"], rule["rows"][0]["points"], rule["points"]) == ("检察官文书", "3", "3.000")
    assert found["sheets"][0]["points"] == "13.000"
