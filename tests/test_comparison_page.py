"""What a province costs here, measured; ``docs/comparison.md`` holds the table and must be current.

``JIANHENG_WRITE_DOCS=1`` rewrites the table instead of comparing it.
"""

import os
import re
from pathlib import Path

import pytest

from office_driver import ROOT, Office

pytest_plugins = ["office_fixture"]

PAGE = ROOT / "docs" / "comparison.md"
PROVINCES = ROOT / "plugins" / "jianheng_plugins" / "provinces"
PACKS = ("hainan", "hainan-unit", "hainan-unit-municipal", "hubei-screening")
_BEGIN, _END = "<!-- measured -->", "<!-- end of what is measured -->"


def lines(file: Path) -> int:
    """Lines that say something: no blanks, no comments."""
    told = (line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines())
    return sum(1 for line in told if line and not line.startswith("#"))


def measured() -> str:
    """Return the table: per pack its files, lines of law, of mapping, of worked examples, and of Python."""
    rows = [
        "| pack | files | lines of law | lines of mapping | lines of worked examples | lines of Python |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for pack in PACKS:
        files = [
            file
            for file in (PROVINCES / pack).rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        ]
        examples = [file for file in files if file.parent.name == "examples"]
        mapping = [file for file in files if file.name == "mapping.toml"]
        python = [file for file in files if file.suffix == ".py"]
        law = set(files) - {*examples, *mapping, *python}
        sizes = (sum(map(lines, some)) for some in (law, mapping, examples, python))
        rows.append(f"| `{pack}` | {len(files)} | " + " | ".join(map(str, sizes)) + " |")
    return "\n".join(rows)


def test_the_page_holds_what_is_measured():
    """When this fails: JIANHENG_WRITE_DOCS=1 python -m pytest tests/test_comparison_page.py."""
    text = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(f"{_BEGIN}.*?{_END}", re.DOTALL)
    current = pattern.sub(lambda _: f"{_BEGIN}\n\n{measured()}\n\n{_END}", text)
    if os.environ.get("JIANHENG_WRITE_DOCS") == "1":
        PAGE.write_text(current, encoding="utf-8")
        text = current
    assert len(pattern.findall(text)) == 1
    assert current == text


def test_no_province_costs_a_line_of_python():
    assert not [file for pack in PACKS for file in (PROVINCES / pack).rglob("*.py")]


def test_a_second_level_changes_numbers_only():
    """The municipal sheet is the grassroots one with two parameters: no measure, no row of points, no indicator."""
    folder = PROVINCES / "hainan-unit-municipal"
    assert {file.relative_to(folder).as_posix() for file in folder.rglob("*.*")} == {
        "policy.toml",
        "parameters/numbers.toml",
        "examples/cases.toml",
    }
    assert (
        len(
            re.findall(
                r"^replaces = ",
                (folder / "parameters/numbers.toml").read_text(encoding="utf-8"),
                re.MULTILINE,
            )
        )
        == 2
    )


@pytest.mark.parametrize("folder", ["core/jianheng", "adapters/jianheng_adapters"])
def test_no_code_knows_any_of_these_provinces(folder):
    words = ("hainan", "hubei", "海南", "湖北", "460000", "420000")
    found = [
        f"{file.name}: {word}"
        for file in (ROOT / folder).rglob("*.py")
        for word in words
        if word in file.read_text(encoding="utf-8").lower()
    ]
    assert found == []


@pytest.mark.usefixtures("operator")
def test_one_line_of_a_deployment_swaps_the_policy_and_compare_shows_the_effect(
    synced_office: Office,
):
    """The same office, the same year: before the swap as a comparison, after it as the score in force."""
    office = synced_office
    before = office.score()
    told = office.run("compare", "laoshan", "hainan", "--period", "2025")
    assert told.code == 0, told.text
    assert "海南" in told.text
    former = office.file.read_text(encoding="utf-8").splitlines()
    office.edit(r'pack = "laoshan"', 'pack = "hainan"')
    latter = office.file.read_text(encoding="utf-8").splitlines()
    assert sum(one != other for one, other in zip(former, latter, strict=True)) == 1
    after = office.score()
    assert [run["policy"] for run in before + after] == ["laoshan", "hainan"]
    assert before[0]["digest"] != after[0]["digest"]
