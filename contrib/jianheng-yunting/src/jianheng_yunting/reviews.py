"""Source: findings of the case review system, one file of JSON lines for each day it exported (findings-YYYY-MM-DD.jsonl)."""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jianheng.contract import AdapterContext, Batch, Finding, Stream
from jianheng.errors import StopError, problem

_PREFIX, _SUFFIX = "findings-", ".jsonl"
_FOUND_BY = {
    "本人": "self",
    "部门": "department",
    "案管": "case_management",
    "上级院": "superior",
    "系统": "tool",
    "投诉": "complaint",
}
_STATES = {"待核": "open", "属实": "confirmed", "不属实": "rejected", "办结": "closed"}
_SEVERITIES = {"一般": "minor", "严重": "grave"}


class Reviews:
    """Reads the daily exports from the last day on, and some days before it: the system amends what it sent."""

    def __init__(self, context: AdapterContext) -> None:
        if context.options["exports"] is None:
            raise StopError("yunting-option", option="exports")
        self._folder: Path = context.options["exports"]
        self._overlap = dt.timedelta(days=context.options["overlap_days"])
        self._office = context.office

    def check(self) -> Iterable[Finding]:
        """Say whether the folder is there."""
        told = None if self._folder.is_dir() else problem("yunting-no-exports", folder=self._folder)
        return [Finding(str(self._folder), told)]

    def streams(self) -> Sequence[Stream]:
        """Return the one stream; a system that found nothing yet is normal."""
        return [Stream("finding", "finding", mode="cursor", may_be_empty=True)]

    def read(self, stream: str, cursor: str | None) -> Iterator[Batch]:
        """Yield a batch for each day.

        Raises:
            StopError: the folder is not there, or a file was not exported to its end.
        """
        del stream
        reached = _day(cursor) if cursor else None
        since = reached - self._overlap if reached else dt.date.min
        for day, file in sorted(self._files()):
            if day >= since:
                reached = max(day, reached or day)
                yield Batch([self._row(each, place) for place, each in _records(file)], reached.isoformat())

    def _files(self) -> Iterator[tuple[dt.date, Path]]:
        try:
            found = [each for each in self._folder.iterdir() if each.name.startswith(_PREFIX)]
        except OSError as error:
            raise StopError("yunting-no-exports", folder=self._folder) from error
        for file in found:
            if file.suffix == _SUFFIX:
                yield _day(file.stem.removeprefix(_PREFIX)), file

    def _row(self, told: Mapping[str, Any], place: str) -> dict[str, Any]:
        staff_no = told.get("责任人工号")
        return {
            "finding_key": told.get("评查编号"),
            "kind": "case_review",
            "case_no": told.get("部门受案号"),
            "person_key": f"{self._office}-{staff_no}" if staff_no else None,
            "found_on": told.get("发现日期"),
            "found_by": _FOUND_BY.get(told.get("发现主体", ""), told.get("发现主体")),
            "severity": _SEVERITIES.get(told.get("程度", ""), told.get("程度")),
            "fault_key": told.get("问题编号"),
            "rectified": told.get("已整改"),
            "state": _STATES.get(told.get("状态", ""), told.get("状态")),
            "_locator": place,
        }


def _records(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        try:
            told = json.loads(line.decode("utf-8-sig"))
        except ValueError as error:
            raise StopError("yunting-file", file=file.name, line=number) from error
        if not isinstance(told, dict):
            raise StopError("yunting-file", file=file.name, line=number)
        yield f"{file.name}:{number}", told


def _day(told: str) -> dt.date:
    try:
        return dt.date.fromisoformat(told)
    except ValueError as error:
        raise StopError("yunting-cursor", cursor=told) from error
