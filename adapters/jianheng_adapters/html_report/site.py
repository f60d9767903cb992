"""Writes the pages of the report. Everything a reader needs lies in the folder; nothing points outside it."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.environment import TemplateModule

from jianheng.contract import CaseText, Entry
from jianheng.facts.time import wall_time
from jianheng_adapters.html_report.address import case_page, department_page, person_page
from jianheng_adapters.html_report.figure import monthly
from jianheng_adapters.html_report.line import Line, blocks_by_case, blocks_by_item, make_lines
from jianheng_adapters.html_report.standing import indicator_rows, make_departments, make_groups, rule_rows
from jianheng_adapters.scores_view import (
    NO_DEPARTMENT,
    STATE_LABELS,
    STATE_MEANINGS,
    Person,
    ScoresView,
    known_sum,
    places_text,
    points_text,
    rank_text,
    role_label,
    total_text,
    without_total,
)

_HERE = Path(__file__).parent
_ASSETS = ("report.css", "report.js")
_ALL_OPEN_UP_TO = 40


class _Site:
    """A folder that pages are rendered into, with the values every page shows."""

    def __init__(self, folder: Path, view: ScoresView) -> None:
        self._folder = folder
        self._pages = 0
        self._made: set[Path] = set()
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "points": points_text,
            "total": total_text,
            "places": places_text,
            "rank": rank_text,
            "role": role_label,
            "case_page": case_page,
            "department_page": department_page,
        }
        self._environment.globals |= {
            "publication": view.publication,
            "as_of": wall_time(view.publication.as_of),
            "states": STATE_LABELS,
            "meanings": STATE_MEANINGS,
            "no_department": NO_DEPARTMENT,
        }

    def page(self, path: str, template: str, /, **values: Any) -> None:
        """Render one page; its links start from where it lies."""
        root = "../" * path.count("/")
        text = self._environment.get_template(template).render(root=root, **values)
        target = self._folder / path
        if target.parent not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(target.parent)
        target.write_bytes(text.encode("utf-8", "replace"))
        self._pages += 1

    @property
    def fragments(self) -> TemplateModule:
        """The macros for pieces that many entries share."""
        return self._environment.get_template("fragments.html.jinja").module

    @property
    def pages(self) -> int:
        """How many pages there are so far."""
        return self._pages


def write_site(folder: Path, view: ScoresView) -> int:
    """Write the report of a view into a folder and return its number of pages.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir()
    (folder / "assets").mkdir()
    for name in _ASSETS:
        shutil.copyfile(_HERE / "assets" / name, folder / "assets" / name)
    site = _Site(folder, view)
    lines = make_lines(view, site.fragments)
    _write_office(site, view, lines)
    for person in view.people:
        _write_person(site, view, person, lines)
    _write_cases(site, view, lines)
    return site.pages


def _write_office(site: _Site, view: ScoresView, lines: Mapping[str, Line]) -> None:
    publication = view.publication
    departments = make_departments(view)
    groups = make_groups(score for group in view.groups.values() for score in group)
    void = [line for line in lines.values() if line.entry.state == "void"]
    unlisted = [(person, person_page(person.key)) for person in view.people if not person.scores]
    scores = publication.people
    site.page(
        "index.html",
        "index.html.jinja",
        departments=departments,
        groups=groups,
        points=known_sum(score.points for score in scores),
        final=known_sum(score.final for score in scores),
        provisional=sum(score.provisional for score in scores),
        without_total=without_total(scores),
        people=len({score.person_key for score in scores}),
        cases=sum(1 for case_no in view.by_case if case_no),
        void=len(void),
        unlisted=unlisted,
    )
    for department in departments:
        figure = monthly(department.entries, publication.start, publication.end, "各月得分")
        site.page(department.href, "department.html.jinja", department=department, figure=figure)
    void.sort(key=lambda line: (line.entry.reason, line.name, line.day, line.anchor))
    site.page("void.html", "void.html.jinja", lines=void)
    site.page("rules.html", "rules.html.jinja", rows=rule_rows(view))


def _write_person(site: _Site, view: ScoresView, person: Person, lines: Mapping[str, Line]) -> None:
    own = [lines[entry.entry_id] for entry in person.entries]
    site.page(
        person_page(person.key),
        "person.html.jinja",
        person=person,
        sheets=[(score, indicator_rows(person, score.sheet)) for score in person.scores],
        figure=monthly(person.entries, view.publication.start, view.publication.end, "各月得分"),
        blocks=blocks_by_case(view, own),
        indicators=dict.fromkeys(line.indicator for line in own),
        points=sum(entry.points for entry in person.entries),
        all_open=len(own) <= _ALL_OPEN_UP_TO,
    )


def _write_cases(site: _Site, view: ScoresView, lines: Mapping[str, Line]) -> None:
    known = sorted({*view.publication.cases, *view.by_case} - {""})
    listed: list[tuple[str, str, CaseText | None, str, int, int, int]] = []
    for case_no in known:
        case = view.case(case_no)
        entries: tuple[Entry, ...] = view.by_case.get(case_no, ())
        total = sum(entry.points for entry in entries)
        people = len({entry.person_key for entry in entries})
        category = view.category_name(case_no)
        waiting = sum(entry.points for entry in entries if entry.state == "provisional")
        listed.append((case_no, case_page(case_no), case, category, len(entries), total, waiting))
        site.page(
            case_page(case_no),
            "case.html.jinja",
            case_no=case_no,
            case=case,
            category=category,
            blocks=blocks_by_item(lines[entry.entry_id] for entry in entries),
            entries=len(entries),
            people=people,
            total=total,
        )
    site.page("cases.html", "cases.html.jinja", cases=listed)
