"""Target: a bulletin in Word for each policy and period, written whole or not at all; the same scores write the same file."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from docx import Document
from docx.document import Document as Paper
from docx.oxml.ns import qn

from jianheng.contract import AdapterContext, Finding, PersonScore, Publication, Receipt
from jianheng.errors import StopError, problem

_COLUMNS = ("名次", "人员", "部门", "得分", "其中暂计", "等次", "说明")
_NOTHING = "—"


class Bulletin:
    """Writes one document a policy and period into a folder."""

    def __init__(self, context: AdapterContext) -> None:
        if context.options["folder"] is None:
            raise StopError("yunting-option", option="folder")
        self._folder: Path = context.options["folder"]
        self._names: bool = context.options["names"]

    def check(self) -> Iterable[Finding]:
        """Say whether the folder can be written."""
        try:
            with tempfile.TemporaryFile(dir=self._folder):
                pass
        except OSError as error:
            told = problem("yunting-folder", folder=self._folder, reason=error.strerror)
            return [Finding(str(self._folder), told)]
        return [Finding(str(self._folder))]

    def write(self, publication: Publication) -> Receipt:
        """Write the bulletin; a later one of the period takes its place.

        Raises:
            StopError: the folder cannot be written.
        """
        final = self._folder / f"通报-{publication.office}-{publication.policy}-{publication.period}.docx"
        draft = final.with_name(f".{final.name}.draft")
        try:
            self._paper(publication).save(str(draft))
            draft.replace(final)
        except OSError as error:
            raise StopError("yunting-folder", folder=self._folder, reason=error.strerror) from error
        return Receipt(str(final), len(publication.people))

    def _paper(self, publication: Publication) -> Paper:
        paper = Document()
        fonts = paper.styles["Normal"].element.get_or_add_rPr().get_or_add_rFonts()
        fonts.set(qn("w:eastAsia"), "宋体")
        paper.core_properties.identifier = publication.id
        paper.add_heading(f"{publication.office_name}{publication.period_label}评查情况通报", level=1)
        law = f"依据：{publication.policy_label}（版本 {publication.policy_version[:12]}）"
        until = f"数据截至 {publication.as_of:%Y-%m-%d %H:%M}（北京时间）"
        paper.add_paragraph(f"{law}。{until}。")
        for notice in publication.notices:
            paper.add_paragraph(notice, style="List Bullet")
        for sheet, label in publication.sheets.items():
            people = [each for each in publication.people if each.sheet == sheet]
            if people:
                paper.add_heading(label, level=2)
                self._table(paper, people)
        return paper

    def _table(self, paper: Paper, people: list[PersonScore]) -> None:
        table = paper.add_table(rows=1, cols=len(_COLUMNS), style="Table Grid")
        for cell, text in zip(table.rows[0].cells, _COLUMNS, strict=True):
            cell.text = text
        for person in sorted(people, key=lambda each: (each.rank or len(people) + 1, each.person_key)):
            for cell, text in zip(table.add_row().cells, self._cells(person), strict=True):
                cell.text = text

    def _cells(self, person: PersonScore) -> Iterator[str]:
        yield f"{person.rank}/{person.of}" if person.rank else _NOTHING
        yield person.name if self._names and person.name else person.person_key
        yield person.department or _NOTHING
        yield _points(person.points)
        yield _points(person.provisional if person.points is not None else None)
        yield person.grade or _NOTHING
        yield person.note


def _points(thousandths: int | None) -> str:
    """Return points as they are read; a dash, never 0, where there are none."""
    if thousandths is None:
        return _NOTHING
    whole, rest = divmod(abs(thousandths), 1000)
    return f"{'-' if thousandths < 0 else ''}{whole}.{rest:03d}"
