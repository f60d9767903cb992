"""Each distribution of contrib/ stands alone: its own tests pass against its wheel, and an office can use what it brings."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from document_pages import blocks
from office_driver import ROOT, jianheng

CONTRIB = ROOT / "contrib"
NAMES = sorted(
    each.parent.name for each in CONTRIB.glob("*/pyproject.toml") if each.parent.name != "jianheng-simulator"
)
"""The simulator is no plugin; tests/test_packaging.py installs it."""
NOT_SHIPPED = shutil.ignore_patterns("src", "build", "dist", "__pycache__", ".pytest_cache")


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel of each distribution, built and laid out in a folder of its own."""
    made = {}
    for name in NAMES:
        folder = tmp_path_factory.mktemp(name)
        run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, CONTRIB / name],
            folder,
        )
        (wheel,) = folder.glob("*.whl")
        made[name] = folder / "site"
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--no-index",
            "--disable-pip-version-check",
        ]
        run([*pip, "--target", made[name], wheel], folder)
    return made


def run(words: list[object], folder: Path, **more: str) -> str:
    """Run a command and return what it printed; it must succeed."""
    done = subprocess.run(
        [str(each) for each in words],
        cwd=folder,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_its_own_tests_pass_against_its_wheel(sites, tmp_path, name):
    """Nothing of its sources is beside the tests: what they import is what was built."""
    alone = shutil.copytree(CONTRIB / name, tmp_path / name, ignore=NOT_SHIPPED)
    told = run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=.", "tests"],
        alone,
        PYTHONPATH=str(sites[name]),
    )
    assert " passed" in told


@pytest.mark.parametrize("name", NAMES)
def test_what_the_readme_says_of_a_deployment_is_taken(sites, tmp_path, monkeypatch, name):
    """Each option and secret that the README names is one the plugin has."""
    monkeypatch.syspath_prepend(sites[name])
    office = deployment(tmp_path, *(text for text in settings(name)))
    told = jianheng("plugins", "--json", "--config", office)
    brought = [each for each in told.json()["plugins"] if each["distribution"] == name]
    assert brought
    assert all(each["enabled"] for each in brought), told.text
    assert jianheng("config", "show", "--config", office).code == 0


def settings(name: str) -> list[str]:
    """Return the parts of a deployment that a README shows."""
    page = (CONTRIB / name / "README.md").read_text(encoding="utf-8")
    return [content for language, _, content in blocks(page) if language == "toml"]


def deployment(folder: Path, *parts: str) -> Path:
    """Write a deployment of a made-up office."""
    text = '[office]\ncode = "990101"\nname = "东屿区院"\n' + "\n".join(parts)
    if "[policy]" not in text:
        text += '\n[policy]\npack = "laoshan"\nperiods = ["2026"]\n'
    (folder / "deployment.toml").write_text(text, encoding="utf-8")
    return folder


LOG = """<log xmlns="http://www.xes-standard.org/"><trace>
<string key="concept:name" value="case-1"/><string key="responsible" value="R1"/>
<date key="enddate" value="2011-11-24T15:37:19+01:00"/>
<event><string key="concept:name" value="Confirmation of receipt"/><string key="org:resource" value="R1"/>
<date key="time:timestamp" value="2011-10-11T13:45:40+02:00"/></event>
<event><string key="concept:name" value="T02"/><string key="org:resource" value="R2"/>
<date key="time:timestamp" value="{second}"/></event></trace></log>"""


def test_a_process_log_becomes_cases_and_events_that_a_policy_scores(sites, tmp_path, monkeypatch):
    """From the file of a process system to points, and an event that cannot be read is set aside, not guessed."""
    monkeypatch.syspath_prepend(sites["jianheng-xes"])
    (tmp_path / "receipt.xes").write_text(LOG.format(second="2011-10-12T08:26:25+02:00"), encoding="utf-8")
    options = 'path = "receipt.xes", unit_name = "窗口", handler = "responsible", concluded = "enddate"'
    codes = 'codes = { "Confirmation of receipt" = "t01", "T02" = "t02" }'
    office = deployment(
        tmp_path,
        '[policy]\npack = "permit-desk"\nperiods = ["2011"]\n[plugins]\nallow = ["jianheng-xes"]',
        f'[sources.log]\nadapter = "xes-log"\noptions = {{ {options}, {codes} }}',
    )
    told = jianheng("sync", "--json", "--config", office)
    taken = {name.partition("/")[2]: each["inserted"] for name, each in told.streams().items()}
    assert taken == {"unit": 1, "person": 2, "posting": 2, "case": 1, "event": 2}, told.text
    (scored,) = jianheng("score", "--json", "--config", office).json()["runs"]
    assert scored["points"] > 0
    (tmp_path / "receipt.xes").write_text(LOG.format(second="yesterday"), encoding="utf-8")
    assert jianheng("sync", "--json", "--config", office).code == 4
    held = jianheng("quarantine", "--json", "--config", office).json()["quarantine"]
    assert {each["locator"] for each in held} == {"receipt.xes #1", "receipt.xes #1.2", "receipt.xes #1 R2"}


def test_a_province_of_a_vendor_goes_from_its_review_system_to_its_bulletin(sites, tmp_path, monkeypatch):
    """Adapter, policy and target of one distribution: what a review found is deducted and stands in the document."""
    monkeypatch.syspath_prepend(sites["jianheng-yunting"])
    exports = tmp_path / "exports"
    exports.mkdir()
    (tmp_path / "bulletins").mkdir()
    told = {
        "评查编号": "1",
        "部门受案号": "A",
        "责任人工号": "R1",
        "发现日期": "2026-05-01",
        "发现主体": "上级院",
    }
    told |= {"程度": "严重", "状态": "属实", "问题编号": "x"}
    line = json.dumps(told, ensure_ascii=False)
    (exports / "findings-2026-05-01.jsonl").write_text(f"{line}\n", encoding="utf-8")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    office = deployment(
        tmp_path,
        '[policy]\npack = "yunting-quality"\nperiods = ["2026"]\n[plugins]\nallow = ["jianheng-yunting"]',
        '[sources.people]\nadapter = "table-file"\noptions = { path = ".", mapping = "mapping.toml" }',
        '[sources.reviews]\nadapter = "yunting"\noptions = { exports = "exports" }',
        '[targets.bulletin]\nadapter = "yunting"\noptions = { folder = "bulletins", names = true }',
    )
    synced = jianheng("sync", "--json", "--config", office)
    assert synced.code == 0, synced.text
    assert jianheng("score", "--config", office).code == 0
    published = jianheng("publish", "--json", "--config", office)
    assert published.code == 0, published.text
    (paper,) = (tmp_path / "bulletins").iterdir()
    from docx import Document  # python-docx is the bundle's own dependency

    (table,) = Document(str(paper)).tables
    assert [cell.text for cell in table.rows[1].cells][:4] == ["1/1", "示例甲", "—", "90.000"]


FILES = {
    "people.csv": "unit,no,name,role,from\n990101,R1,示例甲,quota_prosecutor,2026-01-01\n",
    "cases.csv": "no,unit,category,accepted\nA,990101,0301,2026-03-01\n",
    "mapping.toml": """
[streams.unit]
entity = "unit"
file = "people.csv"
distinct = true
columns = { unit_code = "unit", name = "unit" }
[streams.person]
entity = "person"
file = "people.csv"
columns = { person_key = ["unit", "no"], unit_code = "unit", staff_no = "no", name = "name" }
[streams.posting]
entity = "posting"
file = "people.csv"
columns = { posting_key = ["unit", "no"], person_key = ["unit", "no"], unit_code = "unit", role = "role", valid_from = "from" }
[streams.case]
entity = "case"
file = "cases.csv"
columns = { case_no = "no", unit_code = "unit", category = "category", accepted_on = "accepted" }
""",
}
