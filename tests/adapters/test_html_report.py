"""The report leads from the office to every entry, needs no network and runs nobody's code."""

import dataclasses
import errno
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from sample_publication import WHY, sample_publication, target_context, told, uneven

from jianheng.contract import Target
from jianheng.errors import RetryError, StopError
from jianheng_adapters import html_report, output_folder
from jianheng_adapters.html_report import site
from jianheng_adapters.html_report.address import slug
from jianheng_adapters.html_report.figure import distribution, monthly
from jianheng_adapters.scores_view import points_text

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
LINKS = ("href", "src", "action", "srcset", "poster", "data", "formaction")


def make(folder: Path) -> Target:
    return html_report.targets()["html-report"](target_context({"folder": folder}))


@dataclasses.dataclass
class Seen:
    """What a page holds."""

    text: str
    ids: set[str]
    links: list[str]
    attributes: set[str]
    tags: list[str]


def read(page: Path) -> Seen:
    seen = Seen("", set(), [], set(), [])

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.tags.append(tag)
            for name, value in attrs:
                seen.attributes.add(name)
                if name == "id":
                    assert value not in seen.ids, f"{page.name}: {value} twice"
                    seen.ids.add(value)
                if name in LINKS:
                    seen.links.append(value)

        def handle_data(self, data):
            seen.text += data

    Reader().feed(page.read_text(encoding="utf-8"))
    return seen


@pytest.fixture(scope="module")
def publication():
    return sample_publication()


@pytest.fixture(scope="module")
def report(publication, tmp_path_factory):
    return Path(make(tmp_path_factory.mktemp("out")).write(publication).location).parent


@pytest.fixture(scope="module")
def pages(report):
    return {page: read(page) for page in report.rglob("*.html")}


def test_it_lies_under_office_policy_and_period(report):
    assert report.name == "990101-laoshan-2024"
    assert [each.name for each in report.parent.iterdir()] == [report.name]


def test_every_link_leads_to_something_in_the_report(report, pages):
    for page, seen in pages.items():
        for link in seen.links:
            parts = urlsplit(link)
            assert not parts.scheme, f"{page.name} -> {link}"
            assert not parts.netloc, f"{page.name} -> {link}"
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert target.is_file(), f"{page.name} -> {link}"
            assert target.is_relative_to(report)
            assert not parts.fragment or parts.fragment in pages[target].ids, f"{page.name} -> {link}"


def test_every_page_can_be_reached_from_the_index(report, pages):
    reached, open_ends = set(), [report / "index.html"]
    while open_ends:
        page = open_ends.pop()
        if page not in reached:
            reached.add(page)
            paths = (urlsplit(link).path for link in pages[page].links)
            open_ends += [
                target
                for path in paths
                if path.endswith(".html") and (target := (page.parent / path).resolve())
            ]
    assert reached == set(pages)


def test_no_page_runs_foreign_code_or_asks_the_network(report, pages):
    for page, seen in pages.items():
        html = page.read_text(encoding="utf-8")
        assert "default-src 'none'" in html
        assert "unsafe" not in html
        assert not [name for name in seen.attributes if name.startswith("on") or name == "style"]
        assert seen.tags.count("script") == 1
        assert not re.search(r"https?://|//cdn", html)
    for asset in (report / "assets").iterdir():
        assert not re.search(r"https?://|url\(|@import|eval\(|innerHTML", asset.read_text(encoding="utf-8"))


def test_names_are_shown_as_they_are_written(publication, report, pages):
    for score in publication.people:
        assert score.name in pages[report / "people" / f"p-{score.person_key}.html"].text
    assert "<b>本结果含示例参数</b>" in pages[report / "index.html"].text


@pytest.fixture(scope="module")
def uneven_pages(publication, tmp_path_factory):
    folder = Path(make(tmp_path_factory.mktemp("uneven")).write(uneven(publication)).location).parent
    return {
        page.relative_to(folder).as_posix(): page.read_text(encoding="utf-8")
        for page in folder.rglob("*.html")
    }


def cells(html, text):
    """Return the cells of the rows that hold a text."""
    rows = [row for row in re.findall(r"<tr.*?</tr>", html, re.DOTALL) if text in row]
    return [
        [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in rows
    ]


def test_no_total_is_a_dash_with_its_reason_and_in_no_sum(publication, uneven_pages):
    (row,) = cells(uneven_pages["index.html"], "0001")
    assert row[0] == "—"
    assert row[3] == "—"
    assert row[-1] == WHY
    known = points_text(sum(score.points for score in publication.people[1:]))
    assert known in uneven_pages["index.html"]
    assert "1 人次没有总分，未计入" in uneven_pages["index.html"]
    assert WHY in uneven_pages["people/p-990101-0001.html"]


def test_grades_and_places_are_shown_where_the_policy_gives_any(publication, uneven_pages, report, pages):
    (row,) = cells(uneven_pages["index.html"], "0002")
    assert row[4:6] == ["优秀", f"本部门 {publication.people[1].rank} / 3"]
    assert "等次" not in pages[report / "index.html"].text
    assert "优秀" in uneven_pages["people/p-990101-0002.html"]


def test_an_indicator_without_a_number_says_why(uneven_pages):
    (row,) = cells(uneven_pages["people/p-990101-0001.html"], "办结数（件）")
    assert (row[2], row[-1]) == ("—", WHY)
    (row,) = cells(uneven_pages["people/p-990101-0002.html"], "办结数（件）")
    assert row[2] == "7.000"


def test_a_rule_that_changed_stands_once_for_each_span_and_entries_lead_to_theirs(publication, uneven_pages):
    rule = publication.rules[0]
    before, after = cells(uneven_pages["rules.html"], rule.rule_id)
    assert (before[5], after[5]) == ("2024-07-01 前", "2024-07-01 起")
    given = [each.points for each in publication.entries if each.rule_id == rule.rule_id]
    assert sum(int(row[-1].replace(".", "")) for row in (before, after)) == sum(given)
    anchors = re.findall(r'<tr id="(r-[^"]+)"', uneven_pages["rules.html"])
    links = {link for page in uneven_pages.values() for link in re.findall(r'rules\.html#(r-[^"]+)"', page)}
    assert links <= set(anchors)
    assert len(anchors) == len(set(anchors)) == len(publication.rules) + 1


def test_where_nobody_has_a_total_there_is_no_chart_of_totals(publication, tmp_path):
    nobody = [dataclasses.replace(score, points=None, final=None, rank=0) for score in publication.people]
    assert distribution(nobody, "得分分布") is None
    location = make(tmp_path).write(dataclasses.replace(publication, people=nobody)).location
    assert "得分合计" in Path(location).read_text(encoding="utf-8")
    assert f"{len(nobody)} 人次没有总分，未计入" in Path(location).read_text(encoding="utf-8")


def test_totals_are_exact_and_every_entry_is_on_its_persons_and_its_cases_page(publication, report, pages):
    index = pages[report / "index.html"].text
    assert points_text(sum(score.points for score in publication.people)) in index
    for entry in publication.entries:
        person = pages[report / "people" / f"p-{entry.person_key}.html"]
        assert f"e-{entry.entry_id}" in person.ids
        assert entry.evidence in person.text
        case = pages[report / "cases" / f"c-{entry.case_no}.html"]
        assert any(link.endswith(f"p-{entry.person_key}.html#e-{entry.entry_id}") for link in case.links)


def test_void_entries_are_listed_with_their_reason(publication, report, pages):
    void = [entry for entry in publication.entries if entry.state == "void"]
    assert void
    assert pages[report / "void.html"].text.count("权力清单未授予该动作") == len(void)


def test_rules_show_their_authority_and_what_is_assumed(publication, report, pages):
    rules = pages[report / "rules.html"]
    for rule in publication.rules:
        assert rule.cite in rules.text
        assert f"r-{slug(rule.rule_id)}" in rules.ids
    assert rules.text.count("示例") >= sum(rule.assumed for rule in publication.rules)


def test_tables_have_captions_and_scoped_heads(pages):
    for page, seen in pages.items():
        html = page.read_text(encoding="utf-8")
        assert seen.tags.count("table") == seen.tags.count("caption")
        assert len(re.findall(r"<th[ >]", html)) == len(re.findall(r"<th [^>]*scope=", html))
        assert '<html lang="zh-CN">' in html


def test_entries_without_a_case_or_a_listed_person_are_not_lost(publication, tmp_path):
    entry = dataclasses.replace(publication.entries[0], case_no="", person_key="990101-9999", rule_id="gone")
    changed = dataclasses.replace(publication, entries=[entry, *publication.entries[1:]])
    folder = Path(make(tmp_path).write(changed).location).parent
    seen = read(folder / "people" / "p-990101-9999.html")
    assert "非案件事项" in seen.text
    assert "people/p-990101-9999.html" in read(folder / "index.html").links


def test_an_empty_publication_is_a_report(publication, tmp_path):
    empty = dataclasses.replace(
        publication, people=(), entries=(), indicators=(), rules=(), cases={}, notices=()
    )
    assert Path(make(tmp_path).write(empty).location).is_file()


def test_file_names_are_safe_and_never_the_same_for_two_keys():
    keys = ["abc", "ABC", "a/b", "..", "", "东检刑诉〔2024〕1号", "con", "x" * 300, "a b", "abc "]
    slugs = [slug(key) for key in keys]
    assert len({each.casefold() for each in slugs}) == len(keys)
    assert all(re.fullmatch(r"[0-9a-z_-]{1,60}", each) for each in slugs)


def test_the_monthly_chart_shows_deductions_below_zero_and_leaves_void_out(publication):
    entries = [
        dataclasses.replace(entry, points=points, state=state)
        for entry, points, state in zip(
            publication.entries, (5000, -2000, 9000), ("final", "final", "void"), strict=False
        )
    ]
    figure = monthly(entries, publication.start, publication.end, "各月得分")
    drawn = [part for column in figure.columns for part in column.parts]
    assert len(figure.columns) == 12
    assert all(0 <= part.y <= part.y + part.height <= figure.height for part in drawn)
    assert not any("9.000" in column.told for column in figure.columns)


def test_writing_twice_gives_the_same_report(publication, report, tmp_path):
    target = make(tmp_path)
    target.write(publication)
    again = Path(target.write(publication).location).parent
    files = {page.relative_to(report): page.read_bytes() for page in report.rglob("*.*") if page.is_file()}
    assert files == {
        page.relative_to(again): page.read_bytes() for page in again.rglob("*.*") if page.is_file()
    }
    assert [each.name for each in tmp_path.iterdir()] == [report.name]


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (OSError(errno.ENOSPC, "full"), StopError, "report-disk-full"),
        (PermissionError(errno.EACCES, "busy"), RetryError, "report-folder-busy"),
        (OSError(errno.EIO, "broken"), StopError, "report-folder-unusable"),
    ],
)
def test_a_fault_while_writing_leaves_the_former_report(
    publication, tmp_path, monkeypatch, fault, kind, code
):
    target = make(tmp_path)
    index = Path(target.write(publication).location)
    former = index.read_bytes()

    def fail(*_):
        raise fault

    monkeypatch.setattr(site, "_write_cases", fail)
    with pytest.raises(kind) as raised:
        target.write(dataclasses.replace(publication, notices=()))
    assert raised.value.code == code
    told(html_report, raised.value.problem)
    assert index.read_bytes() == former
    assert [each.name for each in tmp_path.iterdir()] == [index.parent.name]


def test_a_former_report_comes_back_when_the_new_one_cannot_take_its_place(
    publication, tmp_path, monkeypatch
):
    target = make(tmp_path)
    index = Path(target.write(publication).location)
    replace, calls = Path.replace, []

    def fail_second(self, where):
        calls.append(self)
        if len(calls) == 2:
            raise OSError(errno.EIO, "broken")
        return replace(self, where)

    monkeypatch.setattr(output_folder.Path, "replace", fail_second)
    with pytest.raises(StopError):
        target.write(publication)
    assert index.is_file()
    assert [each.name for each in tmp_path.iterdir()] == [index.parent.name]


def test_the_check_finds_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    (finding,) = make(tmp_path / "file").check()
    assert finding.problem.code == "report-folder-unusable"
    told(html_report, finding.problem)


@pytest.fixture(scope="module")
def browse(tmp_path_factory):
    """Render a page in a real browser and return its document after scripts ran, and what it logged."""
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not browser:
        pytest.skip(f"no browser found (looked for {', '.join(CHROMIUM)})")
    profile = tmp_path_factory.mktemp("profile")

    def render(url: str) -> tuple[str, str]:
        command = [
            browser,
            *FLAGS,
            f"--user-data-dir={profile}",
            "--enable-logging=stderr",
            "--dump-dom",
            url,
        ]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=120, encoding="utf-8"
        )
        return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)

    return render


def test_a_browser_shows_the_index_without_a_complaint(publication, report, browse):
    dom, console = browse((report / "index.html").as_uri())
    assert not console  # a blocked or failed request, or a script error, would be told here
    assert publication.office_name in dom
    assert points_text(max(score.points for score in publication.people)) in dom
    assert not re.search(r"(src|href)=\"(https?:)?//", dom)


def test_a_browser_opens_the_case_of_the_entry_that_a_link_names(publication, browse, tmp_path):
    many = sample_publication(people=4, entries=400, cases=40)
    folder = Path(make(tmp_path).write(many).location).parent
    entry = max(
        (entry for entry in many.entries if entry.person_key == "990101-0002"), key=lambda e: e.case_no
    )
    dom, console = browse((folder / "people" / "p-990101-0002.html").as_uri() + f"#e-{entry.entry_id}")
    assert not console
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in dom
    assert '<form class="filter" data-filter="" role="search"' in dom  # the script ran: no longer hidden
    opened = re.findall(r'<details class="case" data-case="" open="">.*?</details>', dom, re.DOTALL)
    assert [entry.case_no in each for each in opened] == [True]


def test_hostile_text_in_any_field_stays_text(publication, tmp_path):
    evil = "\"'><script>alert(1)</script>{{ 7*7 }}"
    rules = [
        dataclasses.replace(rule, label=evil, cite=evil, rule_id=rule.rule_id + evil)
        for rule in publication.rules
    ]
    entries = [
        dataclasses.replace(
            entry, entry_id=entry.entry_id + evil, rule_id=entry.rule_id + evil, case_no=evil, item_kind=evil,
            item_key=evil, item_label=evil, reason=evil, evidence=evil, indicator=evil,
        )
        for entry in publication.entries
    ]  # fmt: skip
    hostile = dataclasses.replace(
        publication, office_name=evil, policy_label=evil, period_label=evil, id=evil, notices=[evil], rules=rules,
        entries=entries,
        cases={evil: dataclasses.replace(next(iter(publication.cases.values())), case_no=evil, category_name=evil)},
        people=[dataclasses.replace(score, name=evil, department=evil, note=evil) for score in publication.people],
        indicators=[dataclasses.replace(value, label=evil, note=evil) for value in publication.indicators],
    )  # fmt: skip
    folder = Path(make(tmp_path).write(hostile).location).parent
    for page in folder.rglob("*.html"):
        seen = read(page)
        assert seen.tags.count("script") == 1, page.name
        assert "{{ 7*7 }}" in seen.text
