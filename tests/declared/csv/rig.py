"""Whoever drops files: one a change, in GB 18030, under two rows of headings."""

import csv
import io
from contextlib import contextmanager

HEAD = [["单位", "工号", "基本情况", "", "时间"], ["", "", "姓名", "状态", ""]]
UNIT = "990101"


class Dropper:
    def __init__(self, folder):
        self.folder = folder / "in"
        self.folder.mkdir(exist_ok=True)
        self.files = 0
        self._drop([[UNIT, "0101", "示例甲", "", "1"], [UNIT, "0102", "示例乙", "", "1"]])

    def _drop(self, rows):
        self.files += 1
        told = io.StringIO()
        csv.writer(told).writerows([*HEAD, *rows])
        (self.folder / f"people-{self.files:06d}.csv").write_bytes(told.getvalue().encode("gb18030"))

    def put(self, stream, number, changed, values):
        # The number of the file makes two of them differ that say the same.
        self._drop(
            [[UNIT, 1000 + number, values.get("name", f"某人{number}"), "", f"{changed} {self.files}"]]
        )
        return f"{UNIT}-{1000 + number}"

    def fill(self, stream, count):
        self._drop([[UNIT, 1000 + each, f"某人{each}", "", f"{self.files}"] for each in range(1, count + 1)])

    def delete(self, stream, number):
        self._drop([[UNIT, 1000 + number, "", "离开", f"{self.files}"]])


@contextmanager
def upstream(folder):
    yield Dropper(folder)
