"""``jianheng adapter preview``: shows what comes and what becomes of it, and leaves no trace."""

import json
from pathlib import Path

import pytest

from jianheng.cli import adapter
from jianheng.cli.exit_codes import ExitCode
from office_driver import Told, jianheng

DEPLOYMENT = """
[office]
code = "990101"
name = "东屿区院"
[store]
url = "sqlite:///nowhere/store.db"
[policy]
pack = "laoshan"
periods = ["2026"]
[sources.hr]
adapter = "table-file"
options = { path = "people.csv", mapping = "mapping.toml" }
"""
MAPPING = """
[streams.person]
entity = "person"
[streams.person.columns]
person_key = ["单位", "工号"]
unit_code = "单位"
staff_no = "工号"
name = "姓名"
[streams.suspect]
entity = "suspect"
[streams.suspect.columns]
suspect_key = ["单位", "工号"]
case_no = "工号"
suspect_no = "工号"
pseudonym = "姓名"
"""
HEAD = "单位,工号,姓名\n"


@pytest.fixture
def office(tmp_path) -> Path:
    (tmp_path / "deployment.toml").write_text(DEPLOYMENT, encoding="utf-8")
    (tmp_path / "mapping.toml").write_text(MAPPING, encoding="utf-8")
    people(tmp_path, "990101,0101,示例甲")
    return tmp_path


def people(folder: Path, *lines: str) -> None:
    (folder / "people.csv").write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


def preview(folder: Path, *words: object) -> Told:
    return jianheng("adapter", "preview", "hr", "--config", folder, *words)


def test_it_leaves_no_trace(office):
    """No store, no key for pseudonyms, nothing."""
    before = sorted(office.rglob("*"))
    assert preview(office).code == ExitCode.OK
    assert sorted(office.rglob("*")) == before


def test_it_shows_what_was_read_and_what_becomes_of_it(office):
    told = preview(office, "--stream", "person", "--json").json()
    (stream,) = told["streams"]
    assert told["ok"]
    assert (stream["stream"], stream["entity"], stream["mode"], stream["rejected"]) == (
        "person",
        "person",
        "snapshot",
        0,
    )
    assert stream["rows"] == [
        {
            "locator": "people.csv!第2行",
            "raw": {"单位": "990101", "工号": "0101", "姓名": "***"},
            "row": {"person_key": "990101-0101", "unit_code": "990101", "staff_no": "0101", "name": "***"},
            "deleted": False,
            "problems": [],
        }
    ]
    assert stream["origins"]["person_key"] == ["单位", "工号"]


def test_names_are_shown_when_somebody_says_so_and_pseudonyms_are_not_the_offices(office):
    told = preview(office, "--show-personal", "--json").json()
    person, suspect = told["streams"]
    assert person["rows"][0]["row"]["name"] == "示例甲"
    assert suspect["rows"][0]["row"]["pseudonym"].startswith("~")
    masked = preview(office, "--json").json()["streams"][1]["rows"][0]
    assert (masked["row"]["pseudonym"], masked["raw"]["姓名"]) == ("***", "***")


def test_a_row_that_a_sync_would_refuse_is_told_with_the_reason(office):
    people(office, "990101,0101,示例甲", "990101,,示例乙", "990101,0101,示例丙")
    told = preview(office, "--stream", "person", "--json")
    assert told.code == ExitCode.SET_ASIDE
    rows = told.json()["streams"][0]["rows"]
    assert [[each["code"] for each in row["problems"]] for row in rows] == [
        [],
        ["row-missing-value", "row-missing-value"],
        ["row-duplicate-key"],
    ]
    text = preview(office, "--stream", "person")
    assert "[row-duplicate-key]" in text.out
    assert "2 行会被隔离" in text.out


def test_what_a_fault_says_of_a_name_is_masked_too(office):
    people(office, f"990101,0101,{'甲' * 50}\x07")
    told = preview(office, "--stream", "person", "--json")
    assert told.code == ExitCode.SET_ASIDE
    assert "甲" not in told.out


def test_phone_and_id_numbers_are_masked_wherever_they_stand(office):
    people(office, "990101,13800000000,x")
    assert "13800000000" not in preview(office, "--stream", "person", "--json").out


def test_it_stops_after_the_rows_that_were_asked_for(office):
    people(office, *(f"990101,{number:04d},x" for number in range(50)))
    told = preview(office, "--rows", 3, "--json").json()
    assert [len(each["rows"]) for each in told["streams"]] == [3, 3]


def test_one_stream_that_cannot_be_read_keeps_no_other_back(office):
    text = MAPPING.replace('suspect_no = "工号"', 'suspect_no = "编号"')
    (office / "mapping.toml").write_text(text, encoding="utf-8")
    told = preview(office)
    assert told.code == ExitCode.STOP
    assert "990101-0101" in told.out
    assert "[table-column-missing]" in told.err


def test_it_speaks_english_too(office):
    told = preview(office, "--lang", "en", "--stream", "person")
    assert "stream person (person): 1 rows shown, 0 of them would be quarantined" in told.out
    assert "person_key = 990101-0101" in told.out


@pytest.mark.parametrize(
    ("words", "code"),
    [(("--stream", "nobody"), "sync-unknown-stream"), (("--rows", 0), "cli-bad-value")],
)
def test_what_is_asked_for_wrongly_is_told(office, words, code):
    told = preview(office, *words)
    assert told.code == ExitCode.STOP
    assert code in told.err


def test_an_unknown_source_is_told(office):
    told = jianheng("adapter", "preview", "hrr", "--config", office, "--json")
    assert told.code == ExitCode.STOP
    assert json.loads(told.out)["errors"][0]["code"] == "cli-no-such-use"


def test_an_adapter_that_shows_no_records_shows_rows(office, monkeypatch):
    """What an adapter offers beside the contract is not asked of one that has only the contract."""
    monkeypatch.setattr(adapter, "Previewed", bytes)  # which no source is
    told = preview(office, "--stream", "person", "--json").json()
    assert told["streams"][0]["rows"][0]["raw"] is None
    assert "不提供原始记录" in preview(office).out
