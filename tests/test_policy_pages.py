"""The pages for policy owners: their packs hold, and they tell every key, kind, function and reason there is."""

import datetime as dt
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from document_pages import ROOT, blocks, files, first_cells, message_files, page, section, table
from jianheng.rules.expression import FUNCTIONS
from jianheng.rules.measure import Change, Measure
from jianheng.rules.views import GRAINS
from jianheng.rules.workdays import WorkCalendar, read_calendar
from jianheng.scoring.checking.example_world import Example
from jianheng.scoring.checking.examples import check_examples
from jianheng.scoring.law.formula_check import FUNCTIONS as CALLED
from jianheng.scoring.law.pack import (
    Band,
    Calendar,
    Cap,
    Choice,
    Factor,
    Gate,
    Grades,
    Group,
    Grouping,
    Indicator,
    IndicatorKind,
    NamedPeriod,
    PolicyFile,
    Tier,
    Veto,
)
from jianheng.scoring.law.pack_rows import AuthorityRow, PointsRow
from jianheng.scoring.law.parameters import DatedValue, Declaration
from jianheng.scoring.law.period import check_calendar, period
from jianheng.scoring.law.policy import load_policy

PAGES = ("policies.md", "measures.md", "points.md", "indicators.md", "layers.md")
CALENDARS = {file.stem: file for file in (ROOT / "plugins" / "jianheng_plugins" / "calendars").glob("*.toml")}
TABLES: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("policies.md", "key of policy.toml", PolicyFile),
    ("policies.md", "key of an example", Example),
    ("measures.md", "key of a measure", Measure),
    ("measures.md", "key of a change", Change),
    ("points.md", "column of points.csv", PointsRow),
    ("points.md", "column of authority.csv", AuthorityRow),
    ("points.md", "key of a factor", Factor),
    ("points.md", "key of a choice", Choice),
    ("points.md", "key of a cap", Cap),
    ("points.md", "key of a gate", Gate),
    ("indicators.md", "key of an indicator", Indicator),
    ("indicators.md", "key of a tier", Tier),
    ("indicators.md", "key of a group", Group),
    ("indicators.md", "key of grades", Grades),
    ("indicators.md", "key of a band", Band),
    ("indicators.md", "key of a veto", Veto),
    ("layers.md", "key of a parameter", Declaration),
    ("layers.md", "key of a value", DatedValue),
    ("layers.md", "key of the calendar", Calendar),
    ("layers.md", "key of a named period", NamedPeriod),
)
"""Where a page lists every key of something, by the head of the table's first column."""


@pytest.mark.parametrize("name", PAGES)
def test_the_packs_of_a_page_hold_with_all_their_examples(name, tmp_path):
    """A pack is a folder with a policy file; ``NAME-office`` is the own folder of an office that uses it."""
    files(page(name), tmp_path)
    packs = [each.parent for each in sorted(tmp_path.glob("*/policy.toml"))]
    assert packs
    for pack in packs:
        office = tmp_path / f"{pack.name}-office"
        policy = load_policy(pack, lambda one: tmp_path / one, office if office.exists() else None, CALENDARS)
        count, problems = check_examples(policy)
        assert [each.message().as_text() for each in problems] == []
        assert count > 0


def test_the_first_page_tells_how_many_examples_its_pack_has(tmp_path):
    count, _ = check_examples(load_policy(files(page("policies.md"), tmp_path) / "greenhill"))
    told = re.findall(r"政策 greenhill 可用: (\d+) 个算例全部通过", page("policies.md"))
    assert told == [str(count)]


@pytest.mark.parametrize(("name", "head", "model"), TABLES, ids=[head for _, head, _ in TABLES])
def test_every_key_of_a_pack_is_documented_and_no_other(name, head, model):
    keys = {field.alias or key for key, field in model.model_fields.items()}
    assert first_cells(table(page(name), head)) == keys


def test_every_function_is_documented_and_used_by_the_pages_pack(tmp_path):
    told = {word.partition("(")[0] for word in first_cells(section(page("measures.md"), "Functions"))}
    assert set(FUNCTIONS) == told
    measures = (files(page("measures.md"), tmp_path) / "counting" / "measures.toml").read_text("utf-8")
    assert [each for each in FUNCTIONS if f"{each}(" not in measures] == []


def test_every_grain_is_documented():
    assert first_cells(table(page("measures.md"), "grain")) == set(GRAINS)


def test_every_kind_of_indicator_has_its_part_and_is_used_by_the_pages_pack(tmp_path):
    kinds = set(get_args(IndicatorKind))
    assert set(re.findall(r"^### (\w+)$", section(page("indicators.md"), "Kinds"), re.MULTILINE)) == kinds
    policy = load_policy(files(page("indicators.md"), tmp_path) / "standing")
    assert {each.kind for each in policy.file.indicators} == kinds


def test_every_way_to_group_people_is_told():
    told = table(page("indicators.md"), "key of a group")
    assert [each for each in get_args(Grouping) if f"`{each}`" not in told] == []


def test_every_function_a_formula_may_call_is_told():
    (line,) = [
        each for each in page("indicators.md").splitlines() if each.startswith("- What may be called:")
    ]
    assert set(re.findall(r"`(\w+)`", line)) == CALLED


def test_every_reason_why_a_line_gives_nothing_is_told():
    texts = tomllib.loads(message_files()["scoring"].read_text(encoding="utf-8"))
    reasons = {each.removeprefix("reason-") for each in texts if each.startswith("reason-")}
    assert reasons <= first_cells(table(page("points.md"), "reason"))


def test_periods_are_as_the_page_tells_for_its_calendar():
    text = section(page("layers.md"), "Calendars")
    (block,) = [content for language, name, content in blocks(text) if (language, name) == ("toml", "")]
    calendar = Calendar.model_validate(tomllib.loads(block)["calendar"])
    assert check_calendar(calendar, "") == []
    rows = re.findall(r"^\| `([^`]+)` \| (\S+) \| (\S+) \|$", text, re.MULTILINE)
    assert len(rows) > 3
    for name, first, after in rows:
        window = period(name, calendar)
        assert (window.start, window.end) == (dt.date.fromisoformat(first), dt.date.fromisoformat(after))


def test_the_working_calendar_of_the_page_can_be_read():
    (text,) = [content for _, name, content in blocks(page("layers.md")) if name == "greenhill.toml"]
    calendar = read_calendar(text, "greenhill.toml")
    assert isinstance(calendar, WorkCalendar)
    assert not calendar.is_workday(dt.date(2026, 1, 2))
    assert calendar.is_workday(dt.date(2026, 1, 4))


# What pages show of errors.


def errors() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Return the texts of every error: by code and language the parts."""
    told: dict[str, Mapping[str, Mapping[str, str]]] = {}
    for file in message_files().values():
        entries = tomllib.loads(file.read_text(encoding="utf-8"))
        told |= {code: each for code, each in entries.items() if isinstance(each["zh"], Mapping)}
    return told


def as_pattern(template: str) -> str:
    """Return what a text with fields looks like once they are filled in."""
    return ".*".join(re.escape(part) for part in re.split(r"\{\w+\}", template))


@pytest.mark.parametrize("file", sorted((ROOT / "docs").rglob("*.md")), ids=lambda file: file.stem)
def test_errors_that_a_page_shows_are_told_so_by_the_program(file: Path):
    known = errors()
    for language, _, content in blocks(file.read_text(encoding="utf-8")):
        for code, what in re.findall(r"^.*?\[([a-z]+(?:-[a-z0-9]+)+)\] (.+)$", content, re.MULTILINE):
            if language or code.startswith("acme-"):
                continue  # not output; the vendor guide's own
            assert code in known
            patterns = [as_pattern(known[code][each]["what"]) + "$" for each in ("zh", "en")]
            assert any(re.search(each, what) for each in patterns), (code, what)
