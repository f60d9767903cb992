"""Check of texts: that they arrive as they are, and that nothing arrives as nothing."""

import datetime as dt
from collections.abc import Iterator

from jianheng.conformance.bench import Bench
from jianheng.conformance.changing import Trial, text_column, trial
from jianheng.conformance.reading import value_of
from jianheng.conformance.verdict import NotApplicableError, NotShownError
from jianheng.contract import Stream
from jianheng.errors import Problem, problem
from jianheng.facts.convert import CODE_LIMIT, KEY_LIMIT, TEXT_LIMIT
from jianheng.facts.entities import ENTITIES

Told = Iterator[Problem | str]
SAMPLES = (
    "汉字〇㐀𠮷龘",
    "😀👩‍⚖️",
    "零\u200b宽\u00a0空",
    'a,"b";c\'d|e\\n',
    "制\t表",
    "<b>&amp;</b>",
    "=1+1",
    "007",
    "1e5",
    "NULL",
    "None",
    "true",
    "2026-01-05",
    "é" + "e\u0301",
)
"""Texts that careless readers change: rare characters, what looks like a number, a date, nothing, or markup."""


def values(bench: Bench, name: str) -> Told:
    """Texts arrive as they are, long ones whole, and what is empty arrives as nothing."""
    with trial(bench, name) as each:
        text = text_column(each)
        elsewhere = [one for one in bench.streams if one != name and bench.settings.of_stream(one).text]
        if bench.settings.of_stream(name).text == "" and elsewhere:
            raise NotApplicableError("conform-no-text")
        if text is None:
            raise NotShownError(problem("conform-no-text-column", at=each.at))
        samples = [*SAMPLES, *_long(each.stream, text)]
        placed = {
            each.put(number, bench.start + dt.timedelta(seconds=number), {text: sample}): sample
            for number, sample in enumerate(samples, 1)
        }
        found = {fact.key: fact for fact in each.read().facts()[0]}
        wrong = [
            (sample, value_of(each.stream, found[key], text) if key in found else None)
            for key, sample in placed.items()
            if key not in found or value_of(each.stream, found[key], text) != sample
        ]
        for sample, got in wrong[:3]:
            yield problem(
                "conform-value",
                column=text,
                put=_cut(sample),
                got=_cut(got),
                count=len(wrong),
                of=len(samples),
                at=each.at,
            )
        if not wrong:
            yield from _empty(each, text, len(samples) + 1)
        yield f"{len(samples)}"


def _long(stream: Stream, column: str) -> list[str]:
    entity = ENTITIES[stream.entity]
    told = entity.column(column)
    limit = KEY_LIMIT if told is entity.key or told.ref else CODE_LIMIT if told.type == "code" else TEXT_LIMIT
    return ["长" * (limit - 1) + "尾"]


def _empty(each: Trial, column: str, number: int) -> Told:
    """Nothing must arrive as nothing, not as a word for it."""
    if ENTITIES[each.stream.entity].column(column).required:
        return
    key = each.put(number, each.last + dt.timedelta(seconds=1), {column: None})
    found = {fact.key: fact for fact in each.read().facts()[0]}
    got = value_of(each.stream, found[key], column) if key in found else "—"
    if got is not None:
        yield problem("conform-null", column=column, got=_cut(got), at=each.at)


def _cut(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:30]}…{text[-20:]} ({len(text)})"  # noqa: PLR2004
