"""Reads the ranking of the workbook of a period."""

from contextlib import contextmanager

from python_calamine import CalamineWorkbook


class Board:
    def __init__(self, folder):
        self.folder = folder / "board"
        self.folder.mkdir()

    def held(self, publication):
        return [
            {
                "person_key": f"{publication.office}-{row[3]}",
                "department": row[4],
                "points": None if row[6] == "—" else round(row[6] * 1000),
                "final": None if row[7] == "—" else round(row[7] * 1000),
                "note": row[11],
            }
            for file in self.folder.glob("*.xlsx")
            for row in CalamineWorkbook.from_path(file).get_sheet_by_name("排名").to_python()[2:]
        ]


@contextmanager
def upstream(folder):
    yield Board(folder)
