"""Reads the ranking on the first page of the report of a period."""

import html
import re
from contextlib import contextmanager

ROW = re.compile(
    r'<tr><td class="number">[^<]*</td><th scope="row"><a [^>]*>([^<]*)</a> <small>(\d+)</small></th>'
    r'.*?<td class="number strong"><a [^>]*>([^<]*)</a></td>'
)


class Board:
    def __init__(self, folder):
        self.folder = folder / "board"
        self.folder.mkdir()

    def held(self, publication):
        return [
            {
                "person_key": f"{publication.office}-{number}",
                "name": html.unescape(name),
                "points": None if told == "—" else round(float(told.replace(",", "")) * 1000),
            }
            for page in self.folder.glob("[!.]*[!l]/index.html")
            for name, number, told in ROW.findall(page.read_text(encoding="utf-8"))
        ]


@contextmanager
def upstream(folder):
    yield Board(folder)
