"""The workbook of a publication: what it is, ranking, indicators, rules, then a sheet a person."""

from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from jianheng.facts.time import wall_time
from jianheng_adapters.excel_workbook.overview import (
    write_about,
    write_indicators,
    write_ranking,
    write_rules,
)
from jianheng_adapters.excel_workbook.page import FONT, Page, SheetNames, make_formats
from jianheng_adapters.excel_workbook.person import check_size, write_person
from jianheng_adapters.scores_view import ScoresView


def write_workbook(path: Path, view: ScoresView) -> None:
    """Write a workbook. The same view gives the same bytes.

    Raises:
        StopError: a person has more entries than a worksheet has rows.
        OSError: the file cannot be written.
    """
    check_size(view)
    book = xlsxwriter.Workbook(str(path), _options())
    publication = view.publication
    title = f"{publication.office_name} {publication.policy_label} {publication.period_label}"
    book.set_properties(
        {"title": title, "company": publication.office_name, "created": wall_time(publication.as_of)}
    )
    formats = make_formats(book)
    names = SheetNames()

    def added(name: str, suffix: str = "") -> Page:
        return Page(book.add_worksheet(names.take(name, suffix)), formats)

    about, ranking, indicators, rules = (added(name) for name in ("说明", "排名", "指标", "规则"))
    pages = {person.key: added(person.name, person.staff_no) for person in view.people}
    sheets = {key: page.sheet.get_name() for key, page in pages.items()}
    write_about(about, view)
    write_ranking(ranking, view, sheets)
    write_indicators(indicators, view, sheets)
    write_rules(rules, view)
    for person in view.people:
        write_person(pages[person.key], person, view)
    for page in (about, ranking, indicators, rules, *pages.values()):
        page.print_on_a4(title)
    try:
        book.close()
    except FileCreateError as error:
        cause = error.args[0]
        raise (cause if isinstance(cause, OSError) else OSError(str(cause))) from error


def _options() -> dict[str, Any]:
    """Return fresh options: the writer changes what it is given."""
    return {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "in_memory": True,  # results name people: nothing of them is left in a temporary folder
        "default_format_properties": {"font_name": FONT, "font_size": 10},
    }
