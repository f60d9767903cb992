"""The folder of bulletins, read back as a reader's program would: by the cells of the tables in the document."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from defusedxml.ElementTree import fromstring

from jianheng.contract import Publication

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


class Shelf:
    """A folder of documents."""

    def __init__(self, folder: Path) -> None:
        """Make the folder."""
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.options = {"folder": str(folder)}

    def held(self, publication: Publication) -> list[dict[str, Any]]:
        """Return who stands in the bulletins of a period with how much."""
        rows = [each for file in self.folder.glob(f"*-{publication.period}.docx") for each in rows_of(file)]
        return [
            {"person_key": row[1], "points": _points(row[3]), "note": row[6]}
            for row in rows
            if row[0] != "名次"
        ]


def rows_of(file: Path) -> Iterator[list[str]]:
    """Yield the cells of each row of each table of a document."""
    with zipfile.ZipFile(file) as paper:
        body = fromstring(paper.read("word/document.xml"))
    for row in body.iter(f"{_W}tr"):
        yield ["".join(text.text or "" for text in cell.iter(f"{_W}t")) for cell in row.iter(f"{_W}tc")]


def _points(told: str) -> int | None:
    return None if told == "—" else int(told.replace(".", ""))


@contextmanager
def upstream(folder: Path) -> Iterator[Shelf]:
    """Offer an empty folder to a group of trials."""
    yield Shelf(folder / "out")
