"""The page of an explanation: one file, complete, offline, safe whatever people and documents are called."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from explained_law import HOSTILE, WORLD, write_law
from jianheng.scoring.explanation.asked import Asked
from jianheng.scoring.explanation.explain import explain
from jianheng.scoring.explanation.page import page
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import load_policy
from jianheng.scoring.records.scope import Subject
from jianheng.scoring.run import score_periods
from jianheng.store.engine import open_store
from upstream import OFFICE, sync_world

YEAR = period("2025")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-logging=stderr", "--dump-dom",
)  # fmt: skip


@pytest.fixture(scope="module")
def told(set_up_file, tmp_path_factory):
    """Explanations of everybody in a small office, by person; and of single levels of one."""
    law = load_policy(write_law(tmp_path_factory.mktemp("pack") / "mini"))
    file = tmp_path_factory.mktemp("scored") / "store.db"
    shutil.copyfile(set_up_file, file)
    engine = open_store(f"sqlite:///{file}")
    sync_world(engine, WORLD)
    score_periods(engine, Subject(OFFICE, (OFFICE,), ("world",)), law, [YEAR])

    def of(who, **asked):
        with engine.connect() as connection:
            return explain(connection, OFFICE, law, YEAR, who, ("world",), Asked(**asked))

    found = {who: of(who) for who in ("wang", "sun", "li", "zhao")}
    found |= {
        "rule": of("wang", rule="odd"),
        "indicator": of("wang", indicator="tidy"),
        "case": of("wang", case_no="A"),
    }
    engine.dispose()
    return found


class Seen(HTMLParser):
    """What a page holds."""

    def __init__(self, html):
        super().__init__()
        self.text, self.tags, self.attributes = "", [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data

    def of(self, name):
        return [value for key, value in self.attributes if key == name]


@pytest.mark.parametrize("what", ["wang", "sun", "li", "zhao", "rule", "indicator", "case"])
def test_a_page_is_whole_by_itself_and_runs_nothing(told, what):
    html = page(told[what])
    seen = Seen(html)
    assert "script" not in seen.tags
    assert "default-src 'none'" in html
    assert not re.search(r"https?://|url\(|@import", html)
    assert not [name for name, _ in seen.attributes if name.startswith("on") or name in {"style", "src"}]
    ids = seen.of("id")
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in seen.of("href")} <= set(ids)


def test_hostile_names_and_labels_stay_text(told):
    for what in ("zhao", "wang"):
        seen = Seen(page(told[what]))
        assert HOSTILE in seen.text
        assert "script" not in seen.tags


def test_the_page_holds_every_number_rule_parameter_and_record_of_the_explanation(told):
    text = Seen(page(told["wang"])).text
    found = json.loads(json.dumps(told["wang"]))
    (sheet,) = found["sheets"]
    pending, wanted = list(sheet["indicators"]), [sheet["points"], sheet["grade"]["reason_text"]]
    while pending:
        node = pending.pop()
        pending += node["children"]
        wanted += [node["label"], node["points"] or node["reason_text"], node["calculation"]]
        wanted += [part["parameter"]["cite"] for part in node["basis"] if "parameter" in part]
        for rule in node["rules"]:
            wanted += [rule["label"], rule["points"], rule["measure"]["definitions"][0]["where"]]
            wanted += [row["span"] for row in rule["rows"]]
            for entry in rule["entries"]:
                wanted += [entry["calculation"], entry["id"][:8], entry["record"]["locator"]]
    wanted += [record["content_hash"] for fact in found["facts"].values() for record in fact["records"]]
    wanted += [label for entity in found["entities"].values() for label in entity["columns"].values()]
    assert [each for each in wanted if each not in text] == []


def test_no_total_is_a_dash_with_its_reason(told):
    seen = Seen(page(told["sun"]))
    assert re.search(r"—\s+缺少数据, 不作推定: 没有 colleague 的评分", seen.text)


def test_personal_numbers_are_not_on_the_page(told):
    changed = told["wang"] | {"person": told["wang"]["person"] | {"post": "11010119900307123X 13812345678"}}
    html = page(changed)
    assert "11010119900307123X" not in html
    assert "13812345678" not in html


def test_the_same_explanation_gives_the_same_page(told):
    assert page(told["wang"]) == page(told["wang"])


def test_a_browser_shows_it_styled_and_asks_nobody(told, tmp_path):
    """What a page's own policy blocked, or could not be fetched, the browser would tell on its console."""
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not browser:
        pytest.skip(f"no browser found (looked for {', '.join(CHROMIUM)})")
    file = Path(tmp_path / "explanation.html")
    file.write_text(page(told["wang"]), encoding="utf-8")
    command = [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", file.as_uri()]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, encoding="utf-8")
    assert "CONSOLE" not in done.stderr
    assert "综合得分" in done.stdout
    assert "&lt;script&gt;alert(1)" in done.stdout
