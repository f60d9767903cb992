"""Checks of what a source reads from an upstream that nobody touches: streams, rows, keys, locators, twice the same."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jianheng.conformance.bench import Bench, Opened
from jianheng.conformance.reading import Reading, differ, listed, value_of
from jianheng.conformance.rig import Upstream
from jianheng.conformance.use import stream_named
from jianheng.conformance.verdict import FailedError, NotShownError
from jianheng.contract import Batch, LiveCount, Stream
from jianheng.errors import JianhengError, Problem, problem
from jianheng.facts.convert import Fact, convert
from jianheng.facts.entities import ENTITIES

Told = Iterator[Problem | str]
ANY = "*"
CURSOR_LIMIT = 4000


def streams(bench: Bench, _subject: str) -> Told:
    """It names its streams, each once, of known entities, as its manifest declares them."""
    with bench.upstream() as upstream, bench.opened(upstream) as opened:
        try:
            found = opened.streams()
        except JianhengError as error:
            yield bench.unexpected("streams", error)
            return
    wrong = [each for each in found if not isinstance(each, Stream)]
    if wrong or not found:
        yield problem(
            "conform-no-streams", given=listed(type(each).__name__ for each in wrong), at=bench.at()
        )
        return
    twice = [name for name, count in Counter(each.name for each in found).items() if count > 1]
    if twice:
        yield problem("conform-stream-twice", streams=", ".join(twice), at=bench.at())
    for each in found:
        if each.entity not in ENTITIES:
            yield problem("conform-stream-entity", entity=each.entity, at=bench.at(each.name))
        elif ANY not in bench.manifest.streams and each.name not in bench.manifest.streams:
            yield problem("conform-stream-undeclared", at=bench.at(each.name))
    for name in bench.settings.streams:
        if name not in {each.name for each in found}:
            known = ", ".join(each.name for each in found)
            yield problem("conform-stream-unknown", stream=name, known=known, at=bench.at())
    bench.kept["streams"] = {each.name: each for each in found if each.entity in ENTITIES}
    yield ", ".join(each.name for each in found)


@dataclass(frozen=True, slots=True)
class Survey:
    """What two instances read of one stream of an upstream that nobody touched; and how many rows it counted itself."""

    first: Reading
    second: Reading
    counted: int | None = None


def survey(bench: Bench, name: str) -> Survey:
    """Return two reads of a stream; made once, since several checks look at them.

    Raises:
        NotShownError: they could not be made, which the check ``rows`` tells.
    """
    surveys: dict[str, Survey] = bench.kept.setdefault("surveys", {})
    if name not in surveys:
        stream = stream_named(bench, name)
        with bench.upstream() as upstream:
            first = _read(bench, upstream, stream)
            with bench.opened(upstream) as opened:
                second = opened.read(stream)
                counted = _counted(opened, name) if second.error is None else None
        surveys[name] = Survey(first, second, counted)
    found = surveys[name]
    if found.first.error is not None or not _well_formed(found.first):
        raise NotShownError(problem("conform-after", check="rows"))
    return found


def _read(bench: Bench, upstream: Upstream, stream: Stream) -> Reading:
    with bench.opened(upstream) as opened:
        return opened.read(stream)


def _counted(opened: Opened, name: str) -> int | None:
    """Return how many rows the source itself counts; None where it offers no counting."""
    count = getattr(opened.instance, "count", None)
    if not callable(count):
        return None
    counts: list[LiveCount] = opened.call("count", lambda: list(count(name)), returns=list)
    return sum(each.rows for each in counts)


def _well_formed(reading: Reading) -> bool:
    return all(isinstance(row, Mapping) for row in reading.rows) and all(
        cursor is None or isinstance(cursor, str) for _, cursor in reading.batches
    )


def rows(bench: Bench, name: str) -> Told:
    """Its rows are what core can use: known columns, right types, as many as there are, holding what is known."""
    try:
        survey(bench, name)
    except NotShownError as error:
        reading = bench.kept.get("surveys", {}).get(name)
        if reading is None:
            raise
        if reading.first.error is not None:
            raise FailedError(bench.unexpected("read", reading.first.error, name)) from error
        raise FailedError(problem("conform-malformed", type=Batch.__name__, at=bench.at(name))) from error
    found = survey(bench, name)
    reading = found.first
    said = bench.settings.of_stream(name)
    facts, rejects = reading.facts()
    if len(rejects) != said.rejects:
        reasons = Counter(each.code for reject in rejects for each in reject.problems)
        yield problem(
            "conform-rejects",
            count=len(rejects),
            wanted=said.rejects,
            codes=listed(f"{code} × {count}" for code, count in reasons.most_common()),
            example=rejects[0].problems[0].message().what if rejects else "—",
            at=bench.at(name),
        )
    live = {fact.key: fact for fact in facts if not fact.deleted}
    if said.rows is not None and len(live) != said.rows:
        yield problem("conform-count", count=len(live), wanted=said.rows, at=bench.at(name))
    if found.counted is not None and found.counted != len(live):
        yield problem("conform-count-itself", counted=found.counted, read=len(live), at=bench.at(name))
    if said.rows is None and not reading.rows and not reading.stream.may_be_empty:
        yield problem("conform-empty", at=bench.at(name))
    yield from _columns(bench, name, reading)
    yield from _expected(bench, name, reading.stream, live)
    yield f"{len(live)}"


def _columns(bench: Bench, name: str, reading: Reading) -> Told:
    """Each row has the same columns, and each column one kind of value."""
    shapes = Counter(frozenset(row) for row in reading.rows if not row.get("_deleted"))
    if len(shapes) > 1:
        wide = frozenset.union(*shapes)
        uneven = sorted(wide - frozenset.intersection(*shapes) - {"_deleted"})
        if uneven:
            yield problem("conform-columns-uneven", columns=listed(uneven), at=bench.at(name))
    for column, kinds in kinds_of(reading).items():
        if len(kinds) > 1:
            found = ", ".join(sorted(kinds))
            yield problem("conform-kinds-mixed", column=column, kinds=found, at=bench.at(name))


def kinds_of(reading: Reading) -> dict[str, set[str]]:
    """Return the kinds of values that stand in each column; none where all are empty."""
    found: dict[str, set[str]] = {}
    for row in reading.rows:
        for column, value in row.items():
            kinds = found.setdefault(column, set())
            if value is not None:
                kinds.add(_kind(value))
    return found


def _kind(value: object) -> str:
    import datetime as dt
    from decimal import Decimal

    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "boolean"),
        ((int, float, Decimal), "number"),
        (str, "text"),
        (dt.datetime, "datetime"),
        (dt.date, "date"),
        (Mapping, "mapping"),
    )
    return next((kind for types, kind in kinds if isinstance(value, types)), type(value).__name__)


def _expected(bench: Bench, name: str, stream: Stream, live: Mapping[str, Fact]) -> Told:
    said = bench.settings.of_stream(name)
    missing = [key for key in said.keys if key not in live]
    if missing:
        yield problem("conform-key-missing", keys=listed(missing), found=listed(live), at=bench.at(name))
    entity = ENTITIES[stream.entity]
    for golden in said.holds:
        yield from _golden(bench, stream, dict(golden), live.get(str(golden.get(entity.key.name))))


def _golden(bench: Bench, stream: Stream, golden: dict[str, Any], fact: Fact | None) -> Told:
    entity = ENTITIES[stream.entity]
    key = str(golden.get(entity.key.name, "—"))
    if fact is None:
        yield problem("conform-key-missing", keys=key, found="—", at=bench.at(stream.name))
        return
    for column, told in golden.items():
        if column not in entity.names:
            known = ", ".join(entity.names)
            yield problem("conform-golden-column", column=column, known=known, at=bench.at(stream.name))
            continue
        wanted = _as_held(stream, column, told)
        found = value_of(stream, fact, column)
        if wanted != found:
            yield problem(
                "conform-golden", column=column, key=key, wanted=wanted, found=found, at=bench.at(stream.name)
            )


def _as_held(stream: Stream, column: str, value: object) -> object:
    """Return an expected value as core would hold it."""
    if value is None:
        return None
    entity = ENTITIES[stream.entity]
    made = convert(entity, {entity.key.name: "k", column: value, "_deleted": True})
    return value_of(stream, made, column) if isinstance(made, Fact) else value


def keys_unique(bench: Bench, name: str) -> Told:
    """Every record has a key of its own: all rows are read and compared, not only looked at for a declaration."""
    reading = survey(bench, name).first
    facts = [fact for fact in reading.facts()[0] if not fact.deleted]
    versions: dict[str, set[tuple[str, str]]] = {}
    for fact in facts:
        versions.setdefault(fact.key, set()).add((fact.content_hash, fact.locator))
    contested = [key for key, found in versions.items() if len(found) > 1]
    if contested:
        yield problem("conform-keys-shared", keys=listed(contested), count=len(contested), at=bench.at(name))
    counted = Counter(fact.key for fact in facts)
    repeated = [key for key, count in counted.items() if count > 1 and key not in contested]
    if repeated and reading.stream.mode == "snapshot":
        yield problem("conform-keys-repeated", keys=listed(repeated), count=len(repeated), at=bench.at(name))
    yield f"{len(facts)}"


def locators(bench: Bench, name: str) -> Told:
    """Each row says where a person finds it, and says the same each time."""
    found = survey(bench, name)
    bare = [row for row in found.first.rows if not str(row.get("_locator") or "").strip()]
    if bare:
        yield problem("conform-no-locator", count=len(bare), of=len(found.first.rows), at=bench.at(name))
    both = [{fact.key: fact.locator for fact in each.facts()[0]} for each in (found.first, found.second)]
    moved = sorted(key for key in both[0].keys() & both[1].keys() if both[0][key] != both[1][key])
    if moved:
        yield problem("conform-locator-moves", keys=listed(moved), at=bench.at(name))


def reads_equal(bench: Bench, name: str) -> Told:
    """Two instances read the same of an upstream that nobody touched, and cursors are texts that can be kept."""
    found = survey(bench, name)
    if found.second.error is not None:
        yield bench.unexpected("read", found.second.error, name)
        return
    yield from differ(found.first.state(), found.second.state(), bench.at(name))
    long = [cursor for _, cursor in found.first.batches if cursor is not None and len(cursor) > CURSOR_LIMIT]
    if long:
        yield problem("conform-cursor-long", length=len(long[0]), limit=CURSOR_LIMIT, at=bench.at(name))
