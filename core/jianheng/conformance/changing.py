"""Checks of what a source sees of an upstream that changes: inserts, updates, deletes, late commits, equal stamps."""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from jianheng.conformance.bench import Bench, Opened
from jianheng.conformance.reading import Reading, apart, listed, rows_of
from jianheng.conformance.rig import Upstream
from jianheng.conformance.use import stream_named
from jianheng.conformance.verdict import FailedError, NotApplicableError
from jianheng.contract import Stream
from jianheng.errors import Problem, problem
from jianheng.facts.entities import ENTITIES

Told = Iterator[Problem | str]
LONG_AGO = dt.timedelta(days=30)


@dataclass(slots=True)
class Trial:
    """One stream of one upstream, changed record by record while an instance reads it.

    Attributes:
        keys: key of each record that was put, by its number.
        last: the latest stamp that was given.
    """

    bench: Bench
    stream: Stream
    upstream: Upstream
    opened: Opened
    keys: dict[int, str] = field(default_factory=dict)
    last: dt.datetime = dt.datetime.min  # noqa: DTZ901  # wall time, before any

    @property
    def at(self) -> str:
        """How a message calls the place."""
        return self.bench.at(self.stream.name)

    @property
    def puts(self) -> int:
        """How many records a trial begins with."""
        return self.bench.settings.of_stream(self.stream.name).puts

    def put(self, number: int, changed: dt.datetime, values: Mapping[str, str | None] | None = None) -> str:
        """Write one record; return its key."""
        key = self.upstream.put(self.stream.name, number, changed, values or {})
        self.keys[number] = key
        self.last = max(self.last, changed)
        return key

    def put_many(self, numbers: range, first: dt.datetime, step: dt.timedelta) -> set[str]:
        """Write records one after the other; return their keys."""
        return {self.put(number, first + step * place) for place, number in enumerate(numbers)}

    def read(self, cursor: str | None = None) -> Reading:
        """Read the stream where nothing is in the way; raises FailedError."""
        return self.bench.good_read(self.opened, self.stream, cursor)

    def read_to_cursor(self) -> tuple[Reading, str]:
        """Read everything, and return the last cursor with it.

        Raises:
            FailedError: there was none.
        """
        found = self.read()
        if found.cursor is None:
            raise FailedError(problem("conform-no-cursor", at=self.at))
        return found, found.cursor


@contextmanager
def trial(bench: Bench, name: str) -> Iterator[Trial]:
    """Run a fresh upstream with an open instance, for changing one stream of it.

    Raises:
        NotApplicableError: its rows are made of the records of another stream, which is changed instead.
        NotShownError: the rig can't change anything.
    """
    stream = stream_named(bench, name)
    _by_itself(bench, name)
    with bench.upstream() as upstream:
        upstream.needs("put")
        with bench.opened(upstream) as opened:
            yield Trial(bench, stream, upstream, opened)


def _by_itself(bench: Bench, name: str) -> None:
    followed = bench.settings.of_stream(name).follows
    if followed is None:
        return
    known = [each for each in bench.streams if bench.settings.of_stream(each).follows is None]
    if followed not in known:
        raise FailedError(
            problem("conform-follows-nothing", stream=followed, known=listed(known), at=bench.at(name))
        )
    raise NotApplicableError("conform-follows")


def cursors_only(bench: Bench, name: str) -> None:
    """End the check for a stream that is always read whole; raises NotApplicableError."""
    if stream_named(bench, name).mode == "snapshot":
        raise NotApplicableError("conform-snapshot")


def changes(bench: Bench, name: str) -> Told:
    """What is inserted and what is updated is read, under the key it should have, and keeps it."""
    with trial(bench, name) as each:
        second = dt.timedelta(seconds=1)
        keys = each.put_many(range(1, each.puts + 1), bench.start, second)
        if len(keys) < each.puts:
            yield problem("conform-rig-keys", puts=each.puts, keys=len(keys), at=each.at)
            return
        first = each.read()
        if lost := sorted(keys - first.state().keys()):
            yield problem("conform-insert-lost", keys=listed(lost), found=listed(first.state()), at=each.at)
            return
        cursor = first.cursor if each.stream.mode == "cursor" else None
        yield from _updated(each, first, cursor)
        added = each.put(each.puts + 1, each.last + second)
        found = each.read(cursor)
        if added not in found.state():
            yield problem("conform-insert-lost", keys=added, found=listed(found.state()), at=each.at)


def _updated(each: Trial, first: Reading, cursor: str | None) -> Told:
    text = text_column(each)
    key = each.keys[2]
    before = first.state()
    each.put(2, each.last + dt.timedelta(seconds=1), {text: "已更正"} if text else {})
    found = each.read(cursor)
    after = found.state()
    if key not in after:
        yield problem("conform-update-lost", key=key, at=each.at)
    elif text is not None and after[key] == before[key]:
        yield problem("conform-update-old", key=key, column=text, at=each.at)
    if surplus := sorted(after.keys() - before.keys()):
        yield problem("conform-key-changes", key=key, keys=listed(surplus), at=each.at)


def text_column(each: Trial) -> str | None:
    """Return the column of free text that the rig can set, if it was named.

    Raises:
        FailedError: the entity has no such column.
    """
    column = each.bench.settings.of_stream(each.stream.name).text or None
    if column is not None and column not in ENTITIES[each.stream.entity].names:
        known = ", ".join(ENTITIES[each.stream.entity].names)
        raise FailedError(problem("conform-golden-column", column=column, known=known, at=each.at))
    return column


def resume(bench: Bench, name: str) -> Told:
    """From every cursor that was given, a new instance reads on without missing anything, and not all again."""
    cursors_only(bench, name)
    with trial(bench, name) as each:
        half = each.puts // 2
        old = each.put_many(range(1, half + 1), bench.start - LONG_AGO, dt.timedelta(minutes=7))
        each.put_many(range(half + 1, each.puts + 1), bench.start, dt.timedelta(seconds=1))
        whole, last = each.read_to_cursor()
        wanted = whole.state()
        for place, cursor in whole.checkpoints:
            with bench.opened(each.upstream) as other:
                rest = bench.good_read(other, each.stream, cursor)
            missing, added, changed = apart(wanted, rest.state(whole.state(batches=place)))
            if missing or added or changed:
                keys = listed([*missing, *added, *changed])
                count = len(missing) + len(added) + len(changed)
                yield problem("conform-resume", checkpoint=place, count=count, keys=keys, at=each.at)
                return
        again = each.read(last).keys() & old
        if again:
            yield problem("conform-cursor-ignored", count=len(again), keys=listed(sorted(again)), at=each.at)
        yield f"{len(whole.checkpoints)}"


def late_commit(bench: Bench, name: str) -> Told:
    """A record whose stamp lies before what was read, because its transaction took long, is still found."""
    cursors_only(bench, name)
    with trial(bench, name) as each:
        late = dt.timedelta(seconds=bench.settings.of_stream(name).late_s)
        each.put_many(range(1, each.puts + 1), bench.start, dt.timedelta(seconds=1))
        _, cursor = each.read_to_cursor()
        for number, by in ((each.puts + 1, dt.timedelta(seconds=1)), (each.puts + 2, late)):
            key = each.put(number, each.last - by)
            if key not in each.read(cursor).state():
                yield problem("conform-late-lost", key=key, seconds=int(by.total_seconds()), at=each.at)
                return


def equal_times(bench: Bench, name: str) -> Told:
    """Records with one stamp are all read, across pages, after the cursor, and from every cursor."""
    cursors_only(bench, name)
    with trial(bench, name) as each:
        keys = each.put_many(range(1, each.puts + 1), bench.start, dt.timedelta(0))
        whole, cursor = each.read_to_cursor()
        if lost := sorted(keys - whole.state().keys()):
            yield problem("conform-equal-lost", count=len(lost), keys=listed(lost), at=each.at)
            return
        for place, checkpoint in whole.checkpoints:
            rest = each.read(checkpoint).state(whole.state(batches=place))
            if lost := sorted(keys - rest.keys()):
                yield problem(
                    "conform-resume", checkpoint=place, count=len(lost), keys=listed(lost), at=each.at
                )
                return
        more = each.put_many(range(each.puts + 1, each.puts + 4), bench.start, dt.timedelta(0))
        if lost := sorted(more - each.read(cursor).state().keys()):
            yield problem("conform-equal-lost", count=len(lost), keys=listed(lost), at=each.at)


def deletes(bench: Bench, name: str) -> Told:
    """What the upstream deleted is given as deleted, or is not there when everything is read."""
    with trial(bench, name) as each:
        each.upstream.needs("delete")
        each.put_many(range(1, each.puts + 1), bench.start, dt.timedelta(seconds=1))
        first = each.read()
        key = each.keys[3]
        each.upstream.delete(name, 3)
        yield from _still_there(each, key, "full", None, {})
        if each.stream.mode == "cursor" and first.cursor is not None:
            yield from _still_there(each, key, "cursor", first.cursor, {})
        keys = getattr(each.opened.instance, "keys", None)
        if callable(keys):
            listed_keys = {
                found for some in each.opened.boundary.iterate("keys", keys, name) for found in some
            }
            if key in listed_keys:
                yield problem("conform-delete-lost", key=key, how="keys", at=each.at)
            if lost := sorted(set(each.read().state()) - listed_keys):
                yield problem("conform-keys-incomplete", keys=listed(lost), at=each.at)


def _still_there(each: Trial, key: str, how: str, cursor: str | None, before: Mapping[str, str]) -> Told:
    if key in each.read(cursor).state(before):
        yield problem("conform-delete-lost", key=key, how=how, at=each.at)


def moves(bench: Bench, name: str) -> Told:
    """What changes while it is read is complete after the next read: nothing slips between two pages."""
    cursors_only(bench, name)
    with trial(bench, name) as each:
        text = text_column(each)
        second = dt.timedelta(seconds=1)
        # Far apart, so that what slips through is not found again by reading some minutes twice.
        each.put_many(range(1, each.puts + 1), bench.start - LONG_AGO, LONG_AGO / each.puts)
        found, moved = Reading(each.stream), False
        for batch in each.opened.steps(name, None):
            found.batches.append((rows_of(batch), batch.cursor))
            read = found.keys()
            behind = [number for number, key in each.keys.items() if key in read]
            if behind and not moved:  # those of the pages before move behind the last
                moved = True
                for number in behind[:3]:
                    each.put(
                        number, max(each.last, bench.start) + second, {text: "读取中更正"} if text else {}
                    )
                each.put(each.puts + 1, max(each.last, bench.start) + second)
        after = each.read(found.cursor).state(found.state())
        if lost := sorted(set(each.keys.values()) - after.keys()):
            yield problem("conform-moved-lost", keys=listed(lost), at=each.at)
            return
        missing, added, changed = apart(each.read().state(), after)
        if missing or added or changed:
            yield problem("conform-moved-lost", keys=listed([*missing, *added, *changed]), at=each.at)


def cancel(bench: Bench, name: str) -> Told:
    """A reader that is closed in the middle lets go at once, and the next read gives everything."""
    stream = stream_named(bench, name)
    with bench.upstream() as upstream:
        for each, puts in bench.putting(upstream):
            for number in range(1, puts + 1):
                upstream.put(each, number, bench.start + dt.timedelta(seconds=number), {})
        with bench.opened(upstream) as opened:
            wanted = bench.good_read(opened, stream).state()
            steps = opened.steps(name, None)
            next(steps, None)
            before = bench.watch.unclosed
            steps.close()
            if opened.boundary.poisoned or bench.watch.unclosed > before:
                yield problem("conform-cancel-hangs", at=bench.at(name))
                return
            found = bench.good_read(opened, stream).state()
    missing, added, changed = apart(wanted, found)
    if missing or added or changed:
        yield problem("conform-cancel-loses", keys=listed([*missing, *added, *changed]), at=bench.at(name))
