"""``jianheng explain`` as people type it: each level by an option, as lines, as JSON, as a page."""

import json

import pytest

from jianheng.store.engine import open_store
from office_driver import jianheng
from upstream import OFFICE, case, document, person, posting, sync_world

pytest_plugins = ["office_fixture"]

DEPLOYMENT = f"""
[office]
code = "{OFFICE}"
name = "东屿区院"
[store]
url = "sqlite:///store.db"
[policy]
pack = "laoshan"
periods = ["2025"]
"""
REPORT = "100000003001"
WORLD = {
    "person": [person("p1", name="王一"), person("p2", name="孙二")],
    "posting": [posting("p1"), posting("p2", "prosecutor_assistant")],
    "case": [
        case("A", concluded_on="2025-03-04", handler_key="p1"),
        case("B", concluded_on="2025-04-04", handler_key="p1"),
    ],
    "document": [document(f"d{n}", "A", template_code=REPORT, drafter_key="p2") for n in range(5)],
}


@pytest.fixture
def desk(operator, tmp_path, monkeypatch):
    """A deployment that was synced and scored; the commands run in its folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deployment.toml").write_text(DEPLOYMENT, encoding="utf-8")
    engine = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    sync_world(engine, WORLD)
    engine.dispose()
    assert jianheng("score").code == 0
    return tmp_path


def told(*words):
    done = jianheng("explain", *words)
    assert done.code == 0, done.text
    return done.out


def rules(*words):
    found = json.loads(told("王一", "--json", *words))
    pending = [node for sheet in found["sheets"] for node in sheet["indicators"]]
    for node in pending:
        pending += node["children"]
    return [rule for node in pending for rule in node["rules"]]


def test_every_level_is_asked_for_by_its_own_option(desk):
    rule = next(each for each in rules() if each["measure"]["grain"] == "case")
    entry = rule["entries"][0]
    assert [each["id"] for each in rules("--rule", rule["id"])] == [rule["id"]]
    assert {each["indicator"] for each in rules("--indicator", rule["indicator"])} == {rule["indicator"]}
    (alone,) = rules("--entry", entry["id"][:10])
    assert [each["id"] for each in alone["entries"]] == [entry["id"]]
    in_case = [each for one in rules("--case", entry["case_no"]) for each in one["entries"]]
    assert {each["case_no"] for each in in_case} == {entry["case_no"]}
    assert "受理日期 accepted_on: 2025-01-02" in told("王一", "--entry", entry["id"])
    assert "计量「" in told("王一", "--rule", rule["id"])


def test_what_is_printed_names_the_numbers_that_can_be_asked_for(desk):
    entry = rules()[0]["entries"][0]
    assert f"#{entry['id'][:8]}" in told("王一", "--all")


def test_what_is_not_there_is_told_in_four_parts(desk):
    done = jianheng("explain", "王一", "--rule", "nothing")
    assert done.code == 2
    assert "[explain-no-such-rule] 政策 laoshan 没有规则 nothing" in done.err


def test_a_page_is_written_in_chinese_whatever_is_spoken(desk):
    out = told("王一", "--html", "page.html", "--lang", "en")
    assert out.strip() == "Written to page.html"
    page = (desk / "page.html").read_text(encoding="utf-8")
    assert "王一" in page
    assert "本项条目的得分与下级指标之和" in page
    assert json.loads(told("王一", "--html", "page.html", "--json")) == {"ok": True, "file": "page.html"}


def test_a_page_that_cannot_be_written_is_an_error_not_a_traceback(desk):
    done = jianheng("explain", "王一", "--html", "no/such/folder/page.html")
    assert done.code == 2
    assert "cli-file-unwritable" in done.err
