"""A review system that exports a file a day; amending a finding writes the file of its day anew. Nobody in it exists."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class ReviewSystem:
    """Findings by day and number."""

    def __init__(self, folder: Path) -> None:
        """Begin with two findings of two days."""
        self.folder = folder
        self.days: dict[dt.date, dict[str, dict[str, object]]] = {}
        folder.mkdir(exist_ok=True)
        for number in (1, 2):
            self.put("finding", number, dt.datetime(2026, 1, 4 + number), {}, "F")

    def put(
        self,
        stream: str,
        number: int,
        changed: dt.datetime,
        values: Mapping[str, str | None],
        prefix: str = "K",
    ) -> str:
        """Find something; return the key that the row must have."""
        key, day = f"{prefix}{number}", changed.date()
        for found in self.days.values():
            found.pop(key, None)
        self.days.setdefault(day, {})[key] = _told(key, day, values)
        self.save()
        return key

    def fill(self, stream: str, count: int) -> None:
        """Find much at once."""
        day = dt.date(2026, 3, 1)
        self.days[day] = {f"N{n}": _told(f"N{n}", day, {}) for n in range(count)}
        self.save()

    def save(self) -> None:
        """Export every day, each file whole or not at all."""
        for day, found in self.days.items():
            draft = self.folder / f".{day}.draft"
            lines = [json.dumps(each, ensure_ascii=False) for each in found.values()]
            draft.write_text("".join(f"{each}\n" for each in lines), encoding="utf-8")
            draft.replace(self.folder / f"findings-{day}.jsonl")


def _told(key: str, day: dt.date, values: Mapping[str, str | None]) -> dict[str, object]:
    told = {
        "评查编号": key,
        "部门受案号": "示例〔2026〕1号",
        "责任人工号": "0101",
        "发现日期": day.isoformat(),
    }
    told |= {"发现主体": "上级院", "程度": "一般", "状态": "属实", "已整改": False}
    told["问题编号"] = values.get("fault_key", f"问题{key}")
    return told


@contextmanager
def upstream(folder: Path) -> Iterator[ReviewSystem]:
    """Start the system for a group of trials."""
    yield ReviewSystem(folder / "exports")
