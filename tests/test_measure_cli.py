"""``jianheng measure``: what is counted can be checked before it counts, and looked at while it does."""

import datetime as dt

import pytest

from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import load_policy
from jianheng.scoring.measure_run import count
from mini_pack import write_pack
from office_driver import OPEN, jianheng
from upstream import case, document, facts_of, person

pytest_plugins = ["office_fixture"]
pytestmark = pytest.mark.usefixtures("operator")

CLOSED = 'where = "closed_on is not null"'


def test_a_sound_pack_shows_each_measure_and_for_whom_it_counts(tmp_path):
    told = jianheng("measure", "check", write_pack(tmp_path / "mini"))
    assert told.code == 0, told.text
    assert "政策 mini 的 2 个计量可用" in told.out
    assert all(word in told.out for word in ("closed_on", "办案组成员", "drafter_key"))


def test_every_fault_of_every_measure_is_told_at_once_with_its_place(tmp_path):
    wrong = "catgory = '0301' and status = 'concludd' and closed_on is null"
    more = """
[never]
label = "永不"
grain = "document"
where = "drafted_on < '2020-01-01'"
date = "drafted_on"
unit = "份"
actor = "name"
"""
    pack = write_pack(
        tmp_path / "mini", ("measures.toml", CLOSED, f'where = "{wrong}"'), ("measures.toml", "", more)
    )
    told = jianheng("measure", "check", pack, "--json")
    assert told.code == 2
    at = [(each["code"], each["where"]) for each in told.json()["errors"]]
    assert ("rule-unknown-column", "mini/measures.toml [closed] where") in at
    assert ("rule-unknown-code", "mini/measures.toml [closed] where") in at
    assert ("measure-no-person", "mini/measures.toml [never] actor") in at


def test_a_date_that_can_never_count_is_told(tmp_path):
    pack = write_pack(tmp_path / "mini", ("measures.toml", CLOSED, "where = \"closed_on < '2023-12-31'\""))
    told = jianheng("measure", "check", pack, "--json")
    assert list(told.errors()) == ["measure-unreachable"]


def test_one_measure_shows_its_statement_and_the_engine_s_plan(tmp_path):
    pack = write_pack(
        tmp_path / "mini", ("measures.toml", CLOSED, "where = \"linked(status = 'archived', 'chain')\"")
    )
    told = jianheng("measure", "check", pack, "closed")
    assert told.code == 0, told.text
    assert "FROM v_chain AS l" in told.out
    assert "Join" in told.out
    as_json = jianheng("measure", "check", pack, "closed", "--json").json()["measures"]
    assert list(as_json) == ["closed"]
    assert as_json["closed"]["uses"] == ["chain", "link"]


def test_an_unknown_measure_is_refused_with_the_nearest_named(tmp_path):
    told = jianheng("measure", "check", write_pack(tmp_path / "mini"), "close", "--json")
    assert told.code == 2
    assert "closed" in told.errors()["policy-unknown-name"]["do"]


def test_a_team_s_item_names_everyone_in_the_case_and_an_actor_s_him_alone(tmp_path):
    world = {
        "person": [person("990101-1", name="王一"), person("990101-2", name="孙二"), person("990101-3", name="李三")],
        "case": [
            case("A", concluded_on="2025-03-04", handler_key="990101-3"),
            case("B", concluded_on="2025-03-03", handler_key="990101-3"),
            case("C", concluded_on="2025-03-05"),
        ],
        "participation": [
            {"participation_key": n, "case_no": "A", "person_key": f"990101-{n}", "role": "clerk"} for n in (1, 2)
        ],
        "document": [document("d", "A", drafter_key="990101-2", _locator="行 7"), document("e", "A", drafted_on="2026-01-01")],
    }  # fmt: skip
    law, year = load_policy(write_pack(tmp_path / "mini")), period("2025")
    closed = count(facts_of(world), law, "closed", year)
    assert (closed.items, closed.quantity) == (3, 3)
    assert [(each.item["item_key"], each.people) for each in closed.shown] == [
        ("B", (("990101-3", "李三"),)),
        ("A", (("990101-1", "王一"), ("990101-2", "孙二"))),
        ("C", ()),
    ]
    (made,) = count(facts_of(world), law, "made", year).shown
    assert made.people == (("990101-2", "孙二"),)
    assert made.record == ({"source": "world", "locator": "行 7"},)
    assert made.fact["drafted_on"] == dt.date(2025, 3, 4)
    assert "approver_key" not in made.fact
    assert count(facts_of(world), law, "closed", year, limit=1).shown == closed.shown[:1]


def test_what_two_sources_tell_of_one_item_is_one_item_with_both_its_records(tmp_path):
    rows = [case("A", concluded_on="2025-03-04"), case("A", concluded_on="2025-03-04", charge_name="盗窃")]
    tables = [
        facts_of({"case": [row]}, source)["case"] for row, source in zip(rows, ("one", "two"), strict=True)
    ]
    import pyarrow as pa

    law = load_policy(write_pack(tmp_path / "mini"))
    found = count({"case": pa.concat_tables(tables)}, law, "closed", period("2025"), ("two", "one"))
    (item,) = found.shown
    assert [each["source"] for each in item.record] == ["two", "one"]
    assert item.fact["charge_name"] == "盗窃"


# On a simulated office.


@pytest.fixture
def read(synced_office):
    return synced_office


def test_run_counts_what_the_store_holds_and_shows_the_facts(read):
    told = read.run("measure", "run", "document_made", "--limit", "3", "--json").json()
    held = read.facts(
        "select count(*) as n from fact_document d"
        f" where d.recorded_to = {OPEN} and not d.deleted and d.drafted_on >= '2025-01-01' and d.drafted_on < '2026-01-01'"
    )
    assert told["items"] == told["quantity"] == held[0]["n"] > 3
    assert len(told["shown"]) == 3
    for each in told["shown"]:
        row = read.facts(
            "select drafter_key from fact_document where document_key = :key", key=each["item_key"]
        )
        assert each["people"][0]["key"] == row[0]["drafter_key"]
        assert each["fact"]["document_key"] == each["item_key"]
        assert each["record"][0]["locator"]


def test_run_tells_people_in_words(read):
    told = read.run("measure", "run", "case_closed", "--period", "2025", "--limit", "1")
    assert told.code == 0, told.text
    assert "办结案件: 共" in told.out
    assert "列出 1 项" in told.out


def test_the_periods_of_one_year_count_what_the_year_counts(read):
    def items(name):
        return read.run("measure", "run", "case_closed", "--period", name, "--limit", "0", "--json").json()[
            "items"
        ]

    assert items("2025") == sum(items(f"2025-Q{n}") for n in range(1, 5)) > 0


def test_check_compares_with_the_codes_the_site_told_of(read, tmp_path):
    told = read.run("measure", "check")
    assert told.code == 0, told.text
    assert "case_category" in told.out
    removed = read.change_cases("delete from XT_DM_AJLBBM where AJLBBM = '1722'")
    assert removed == 1
    read.sync("--accept-mass-change")
    refused = read.run("measure", "check", "rights_told", "--json")
    assert refused.code == 2
    assert "1722" in refused.errors()["rule-unknown-code"]["what"]


def test_check_before_the_first_sync_compares_with_nothing_and_says_so(office):
    told = office.run("measure", "check")
    assert told.code == 0, told.text
    assert "还没有事实库或没有目录" in told.out


def test_run_before_the_policy_is_in_force_is_refused(read):
    told = read.run("measure", "run", "case_closed", "--period", "2010", "--json")
    assert list(told.errors()) == ["policy-not-in-force"]
