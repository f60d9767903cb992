"""The commands around a pack: check with its notes, begin a new one, its schema, the readable page of the law."""

import json
import tomllib
from html.parser import HTMLParser

import pytest

from jianheng.cli import main
from mini_pack import edit


@pytest.fixture
def packs(tmp_path, monkeypatch):
    """A folder with a new pack, where commands run."""
    monkeypatch.chdir(tmp_path)
    assert main(["policy", "new", "first"]) == 0
    return tmp_path


def shown(capsys, *argv):
    """Run a command that goes well; return what it said on both streams."""
    capsys.readouterr()
    assert main([*argv]) == 0
    return capsys.readouterr()


def test_a_new_pack_passes_its_check_at_once(packs, capsys):
    told = shown(capsys, "policy", "check", "first")
    assert "first" in told.out
    assert "note-never-verified" in told.err


def test_a_new_pack_on_another_passes_its_check_at_once(packs, capsys):
    shown(capsys, "policy", "new", "second", "--extends", "first")
    shown(capsys, "policy", "check", "second")
    shown(capsys, "policy", "new", "third", "--id", "last", "--extends", "laoshan")
    assert "last" in shown(capsys, "policy", "check", "third").out


def test_what_a_new_pack_may_override_is_prepared_in_it(packs, capsys):
    """Taking away the mark before a line makes a sound override."""
    shown(capsys, "policy", "new", "second", "--extends", "first")
    file = packs / "second/parameters/own.toml"
    text = file.read_text(encoding="utf-8")
    for name in ("factor.major",):
        at = text.index(f"# [{name}]")
        lines = text[at:].split("\n")
        text = text[:at] + "\n".join([*(line.removeprefix("# ") for line in lines[:3]), *lines[3:]])
    file.write_text(text, encoding="utf-8")
    shown(capsys, "policy", "check", "second")


def test_a_new_pack_is_not_written_over_anything(packs, capsys):
    before = (packs / "first/policy.toml").read_text(encoding="utf-8")
    assert main(["policy", "new", "first"]) == 2
    assert "policy-new-exists" in capsys.readouterr().err
    assert (packs / "first/policy.toml").read_text(encoding="utf-8") == before


def test_check_says_what_was_verified_more_than_a_year_ago(packs, capsys):
    edit(
        packs,
        "first/parameters/numbers.toml",
        'label = "重大案件系数"',
        'label = "重大案件系数"\nverified = 2025-06-30',
    )

    def old(day):
        told = json.loads(shown(capsys, "--json", "policy", "check", "first", "--day", day).out)
        assert (told["ok"], told["policy"], told["examples"]) == (True, "first", 6)
        return [each["where"] for each in told["notes"] if each["code"] == "note-verified-long-ago"]

    assert old("2026-06-30") == []
    assert old("2026-07-01") == ["first/parameters/numbers.toml [factor.major]"]


def test_check_notes_a_parameter_that_nothing_reads_and_rows_that_pay_together(packs, capsys):
    numbers = packs / "first/parameters/numbers.toml"
    extra = "\n[team.clerk]\nlabel = '书记员'\nunit = '权重'\nvalues = [{ from = 2025-01-01, value = 1, cite = 'x' }]\n"
    numbers.write_text(numbers.read_text(encoding="utf-8") + extra, encoding="utf-8")
    points = packs / "first/points.csv"
    points.write_text(
        points.read_text(encoding="utf-8") + "any,任何问题,fault_found,,,,quality,0,,,,,x,\n",
        encoding="utf-8",
    )
    told = shown(capsys, "policy", "check", "first").err
    assert "note-parameter-unread] first/parameters/numbers.toml [team.clerk]" in told
    assert told.count("note-paid-twice") == 2  # with the row of minor faults and that of grave ones


@pytest.mark.parametrize("name", ["policy", "measures", "parameters", "examples"])
def test_the_schema_of_a_file_fits_the_new_pack(packs, capsys, name):
    """Every key that the new pack uses is in the schema, and no other is allowed."""
    schema = json.loads(shown(capsys, "policy", "schema", name).out)
    assert schema["$schema"].endswith("2020-12/schema")
    file = {"parameters": "parameters/numbers.toml", "examples": "examples/cases.toml"}.get(
        name, f"{name}.toml"
    )
    data = tomllib.loads((packs / "first" / file).read_text(encoding="utf-8"))
    assert unknown(data, schema, schema) == []
    broken = {
        "policy": {"colour": 1},
        "measures": {"x": {"colour": 1}},
        "parameters": {"x": {"y": {"colour": 1}}},
    }
    assert unknown(broken.get(name, {"example": [{"colour": 1}]}), schema, schema) == ["colour"]


def unknown(data, schema, whole):
    """Return the keys in some data that its schema does not allow; a small part of JSON Schema."""
    if "$ref" in schema:
        return unknown(data, whole["$defs"][schema["$ref"].rsplit("/", 1)[1]], whole)
    if "anyOf" in schema:
        return min((unknown(data, each, whole) for each in schema["anyOf"]), key=len)
    if isinstance(data, list):
        return [key for each in data for key in unknown(each, schema.get("items", {}), whole)]
    if not isinstance(data, dict):
        return []
    known, other = schema.get("properties", {}), schema.get("additionalProperties", True)
    found = []
    for key, value in data.items():
        if key in known:
            found += unknown(value, known[key], whole)
        elif other is False:
            found.append(key)
        elif isinstance(other, dict):
            found += unknown(value, other, whole)
    return found


def test_schemas_are_written_to_a_folder(packs, capsys):
    shown(capsys, "policy", "schema", "-o", "schemas")
    names = sorted(each.name for each in (packs / "schemas").iterdir())
    assert names == [
        f"{name}.schema.json"
        for name in ("authority", "examples", "measures", "parameters", "points", "policy")
    ]


def test_the_page_shows_the_law_of_the_day(packs, capsys):
    before = shown(capsys, "policy", "docs", "first", "--day", "2025-06-30").out
    after = shown(capsys, "policy", "docs", "first", "--day", "2025-07-01").out
    assert "1.5 倍 (参数 factor.crowded, first, 2025-01-01 起; 第八条(示例))" in before
    assert "2 倍 (参数 factor.crowded, first, 2025-07-01 起; 2025 年修订(示例))" in after
    for text in (
        "coalesce(completed_on, concluded_on)",
        "制作起诉书 [indictment]",
        "权力清单第 1 项(示例)",
        "每月文书分",
        "≥ 15",
        "〔示例〕",
        "重大案件申报获批乘 1.8",
    ):
        assert text in after


def test_the_page_shows_rows_on_their_days_only(packs, capsys):
    edit(
        packs,
        "first/points.csv",
        "indictment,,quota_prosecutor,work,3,1,,,,",
        "indictment,,quota_prosecutor,work,3,1,,,2025-07-01,",
    )
    assert "[indictment]" in shown(capsys, "policy", "docs", "first", "--day", "2025-06-30").out
    assert "[indictment]" not in shown(capsys, "policy", "docs", "first", "--day", "2025-07-01").out


def test_before_its_first_day_there_is_no_law_to_show(packs, capsys):
    assert main(["policy", "docs", "first", "--day", "2024-12-31"]) == 2
    assert "policy-not-in-force" in capsys.readouterr().err


class Tags(HTMLParser):
    """Checks that every element that is opened is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.cells = [], []

    def handle_starttag(self, tag, attrs):
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.cells.append(data)


def test_the_page_as_html_is_whole_and_takes_texts_for_texts(packs, capsys):
    edit(packs, "first/policy.toml", 'label = "每月文书分"', 'label = "<b>每月</b> & 文书"')
    shown(capsys, "policy", "docs", "first", "--day", "2025-07-01", "-o", "law.html")
    page = (packs / "law.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert "<b>" not in page
    assert any("<b>每月</b> & 文书" in cell for cell in tags.cells)
    assert "http" not in page.split("<body>")[1]


def test_the_page_of_every_shipped_pack_can_be_made_in_both_languages(capsys):
    for name in ("laoshan", "permit-desk"):
        for lang in ("zh", "en"):
            told = shown(capsys, "--lang", lang, "policy", "docs", name, "--day", "2026-01-01").out
            assert told.startswith("# ")
            assert "{" not in told


def test_notes_of_the_first_day_of_all_are_no_fault_of_the_program(packs, capsys):
    """A year before it there is no day: then nothing was verified too long ago."""
    edit(
        packs, "first/parameters/numbers.toml", "[factor.crowded]", "[factor.crowded]\nverified = 2025-06-30"
    )
    told = shown(capsys, "policy", "check", "first", "--day", "0001-01-01")
    assert "note-verified-long-ago" not in told
