"""A folder with one GB18030 file of people, written anew at each change."""

import csv
from contextlib import contextmanager

UNIT = "990101"
HEAD = ("unit", "no", "name")


class Folder:
    def __init__(self, folder):
        self.file = folder / "drop" / "people.csv"
        self.file.parent.mkdir(exist_ok=True)
        self.people = {"0101": "示例甲", "0102": "示例乙"}
        self.write()

    def write(self):
        with self.file.open("w", encoding="gb18030", newline="") as opened:
            writer = csv.writer(opened)
            writer.writerow(HEAD)
            writer.writerows((UNIT, no, name) for no, name in self.people.items())

    def put(self, stream, number, changed, values):
        self.people[f"9{number:05d}"] = values.get("name", f"试用{number}") or ""
        self.write()
        return f"{UNIT}-9{number:05d}"

    def delete(self, stream, number):
        del self.people[f"9{number:05d}"]
        self.write()

    def fill(self, stream, count):
        self.people |= {f"9{number:05d}": f"试用{number}" for number in range(count)}
        self.write()


@contextmanager
def upstream(folder):
    yield Folder(folder)
