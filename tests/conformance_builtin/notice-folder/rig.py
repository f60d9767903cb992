"""Reads the files of a folder of notices."""

import json
from contextlib import contextmanager


class Folder:
    def __init__(self, folder):
        self.folder = folder / "notices"
        self.folder.mkdir()

    def held(self, publication):
        told = [json.loads(each.read_text(encoding="utf-8")) for each in self.folder.glob("*.json")]
        names = ("key", "subject", "title", "text", "needs_person")
        return [
            {name: each[name] for name in names} for each in told if each["key"] == publication.notice.key
        ]


@contextmanager
def upstream(folder):
    yield Folder(folder)
