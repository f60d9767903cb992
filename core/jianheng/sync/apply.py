"""One batch of rows: check each, compare with what is held, write what differs, count all."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any, TypeAlias

import pyarrow as pa
import sqlalchemy as sa

from jianheng.errors import problem
from jianheng.facts.columns import Checked, check
from jianheng.facts.convert import Reject
from jianheng.facts.entity import Entity
from jianheng.facts.given import Rows
from jianheng.facts.vectors import at
from jianheng.store import fact_versions
from jianheng.sync.counts import Counts
from jianheng.sync.place import Place
from jianheng.sync.references import refuse_unknown

PART = 20_000
"""Rows of a batch that are checked and written at a time: what is held of a large batch stays bounded."""
AHEAD = 2_500
"""Rows that are checked at a time while a server writes those before them."""
EARLY = 5_000
"""Rows that are checked at a time before their turn: more at a time cost less each."""


@dataclass(frozen=True, slots=True)
class Looked:
    """Some rows looked at.

    Attributes:
        checked: those that were checked.
        odd: those that may not even be looked at closely.
        ready: all that was checked, ready to be added as it is, where that is likely (:func:`ready_to_add`).
    """

    checked: Checked
    odd: Sequence[Reject] = ()
    ready: fact_versions.New | None = None


Look: TypeAlias = Callable[[Entity, Rows], Looked]
"""Checks some rows; rows that may not even be looked at are left out and told beside."""


@dataclass(slots=True)
class Highest:
    """The highest key that was written since a read began, of a source of which nothing was held then.

    No key above it can be held: most first reads come in the order of their keys and need not look at all.
    """

    key: str = ""


@dataclass(slots=True)
class Seen:
    """What this read has met so far. A snapshot remembers all its keys; a cursor read only a batch's.

    Attributes:
        hashes: content by key.
        deleted: the keys that were told as gone.
        locators: where a row was found, by key, if that was told.
        rejected: the keys of rows that could not be taken.
        known_refs: keys of other entities that are known to exist.
        highest: None when something may be held of any key.
    """

    hashes: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    locators: dict[str, str] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    known_refs: dict[str, set[str]] = field(default_factory=dict)
    highest: Highest | None = None

    @property
    def live(self) -> set[str]:
        """The keys that were met and not told as gone."""
        return self.hashes.keys() - self.deleted


@dataclass(frozen=True, slots=True)
class Taken:
    """Rows of a batch that are usable, changed or not: their keys, which of them are told as gone, where they are."""

    keys: Sequence[str]
    deleted: Sequence[bool]
    locators: Sequence[str]

    @property
    def live(self) -> Iterable[str]:
        """The keys of what is there."""
        if True not in self.deleted:
            return self.keys
        return (key for key, gone in zip(self.keys, self.deleted, strict=True) if not gone)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one batch."""

    counts: Counts
    rejects: tuple[Reject, ...]
    taken: tuple[Taken, ...]

    @property
    def keys(self) -> list[str]:
        """The keys of all rows taken, in the order they came."""
        return [key for part in self.taken for key in part.keys]


def only_checked(entity: Entity, rows: Rows) -> Looked:
    """Check rows of which each may be looked at."""
    return Looked(check(entity, rows))


def ready_to_add(looked: Looked) -> Looked:
    """Return rows with all of them made ready to be sent to a server as new, if all are usable."""
    checked = looked.checked
    if checked.rejects or not len(checked):
        return looked
    return replace(looked, ready=fact_versions.made_ready(checked.entity, _all_new(checked)))


def checked_ahead(entity: Entity, rows: Rows, look: Look, enough: Callable[[], bool]) -> list[Looked]:
    """Check the first rows of a batch before their turn, a part at a time, until it is enough.

    What cannot be checked is left to be told when its turn comes.
    """
    done: list[Looked] = []
    for part in _cut(first_part(rows), EARLY):
        if not len(part) or enough():
            break
        try:
            done.append(look(entity, part))
        except Exception:  # noqa: BLE001 raised again in its turn, after what comes before it
            break
    return done


def apply_rows(
    connection: sa.Connection,
    place: Place,
    rows: Rows,
    seen: Seen,
    adding: fact_versions.Adding,
    look: Look = only_checked,
    first: Sequence[Looked] = (),
) -> Applied:
    """Apply one batch within the caller's transaction.

    Args:
        connection: the transaction's.
        place: where the rows go.
        rows: an Arrow table stands for its rows.
        seen: what this read has met; brought up to date.
        adding: takes the versions to be added; they are there when it is settled.
        look: checks a part of the rows.
        first: what checking the first rows gave, where that was done before (:func:`checked_ahead`).
    """
    counts = Counts()
    rejects: list[Reject] = []
    unknown: list[Reject] = []
    unfit: list[Reject] = []
    taken: list[Taken] = []
    aside = connection.dialect.name != "sqlite"  # which would work in this process too, and wait for its turn
    with closing(_in_parts(place.entity, rows, look, first, aside=aside)) as parts:
        for looked in parts:
            batch, odd = looked.checked, looked.odd
            before = len(rejects)
            sifted = _sift(batch, rejects, place.entity, seen)
            refused = len(rejects) - before
            fresh = refuse_unknown(connection, place, batch, sifted, unknown, seen.known_refs, adding)
            counts += _write(connection, place, looked, fresh, seen.highest, adding)
            counts += Counts(
                emitted=len(batch) + len(odd),
                duplicate=len(batch) - len(sifted) - refused,
                quarantined=refused + len(sifted) - len(fresh) + len(odd),
            )
            taken.append(Taken(*(_at(each, fresh) for each in (batch.keys, batch.deleted, batch.locators))))
            unfit.extend(odd)
    for reject in unknown:  # not before: a row that says the same key again is told as one of the same batch
        del seen.hashes[reject.key]
        seen.deleted.discard(reject.key)
    seen.rejected.update(each.key for each in (*unknown, *unfit))
    return Applied(counts, (*rejects, *unknown, *unfit), tuple(taken))


def first_part(rows: Rows) -> Rows:
    """Return the first rows of a batch, as many as are checked and written at a time."""
    return next(_cut(rows, PART))


def _cut(rows: Rows, size: int, since: int = 0) -> Iterator[Rows]:
    """Yield rows in parts from a place on; of no rows at all one part without any."""
    for start in range(since, max(1, len(rows)), size):
        yield rows.slice(start, size) if isinstance(rows, pa.Table) else rows[start : start + size]


def _in_parts(
    entity: Entity, rows: Rows, look: Look, first: Sequence[Looked], *, aside: bool
) -> Generator[Looked, None, None]:
    """Yield the rows checked, in order; ``aside`` the next are while the caller writes those before."""
    since = sum(len(each.checked) + len(each.odd) for each in first)
    cut = _cut(rows, min(AHEAD, PART) if aside else PART, since)
    yield from first
    if since and since >= len(rows):
        return
    if not aside or len(rows) - since <= AHEAD:
        yield from (look(entity, part) for part in cut)
        return
    with ThreadPoolExecutor(1, "check") as beside:
        coming = beside.submit(look, entity, next(cut))
        for part in cut:
            done = coming.result()
            coming = beside.submit(look, entity, part)
            yield done
        yield coming.result()


def _at(values: Sequence[Any], places: Sequence[int]) -> Sequence[Any]:
    """Return the values at some places, all of them as they are."""
    if len(places) == len(values):
        return values
    return at(values, places) or []


def _sift(batch: Checked, rejects: list[Reject], entity: Entity, seen: Seen) -> Sequence[int]:
    """Return the places of usable rows whose keys are new to this read; add the others to ``rejects``.

    A row that says again what an earlier one said is neither.
    """
    keys = batch.keys
    if not batch.rejects and len({*keys}) == len(keys) and seen.hashes.keys().isdisjoint(keys):
        _remember(batch, range(len(keys)), seen)
        return range(len(keys))
    fresh: list[int] = []
    for place, key in enumerate(keys):
        reject = batch.rejects.get(place)
        if reject is not None:
            rejects.append(reject)
            seen.rejected.add(reject.key)
        elif key not in seen.hashes:
            _remember(batch, (place,), seen)
            fresh.append(place)
        elif (seen.hashes[key], key in seen.deleted) != (batch.hashes[place], batch.deleted[place]):
            rejects.append(_collision(entity, batch, place, seen))
    return fresh


def _remember(batch: Checked, places: Sequence[int], seen: Seen) -> None:
    keys = _at(batch.keys, places)
    seen.hashes.update(zip(keys, _at(batch.hashes, places), strict=True))
    if True in batch.deleted:
        seen.deleted.update(compress(keys, _at(batch.deleted, places)))
    told = _at(batch.locators, places)
    if any(told):
        seen.locators.update(zip(keys, told, strict=True))


def _collision(entity: Entity, batch: Checked, place: int, seen: Seen) -> Reject:
    key, locator = batch.keys[place], batch.locators[place]
    told = problem(
        "row-duplicate-key",
        entity=entity.label,
        entity_name=entity.name,
        value=key,
        at=locator,
        other=seen.locators.get(key, ""),
    )
    return Reject(key, locator, (told,), batch.row(place))


@dataclass(frozen=True, slots=True)
class _Lots:
    """Places of rows by what is to be done with them; ``unseen`` are gone before we looked, but may still be named."""

    inserts: list[int]
    changes: list[int]
    unseen: list[int]
    deleted: list[str]

    def __len__(self) -> int:
        """Return how many rows say something new."""
        return len(self.inserts) + len(self.changes) + len(self.unseen) + len(self.deleted)


def _write(
    connection: sa.Connection,
    place: Place,
    looked: Looked,
    fresh: Sequence[int],
    highest: Highest | None,
    adding: fact_versions.Adding,
) -> Counts:
    if not fresh:
        return Counts()
    batch = looked.checked
    where = (place.entity, place.office, place.source)
    keys = _at(batch.keys, fresh)
    held: dict[str, str] = {}
    buried: set[str] = set()
    if not _lies_above(keys, highest):
        adding.settle()
        held, buried = fact_versions.contents(connection, *where, keys)
    lots = _lots(batch, fresh, held, buried)
    if lots.changes:
        adding.settle()
        fact_versions.close(connection, *where, _at(batch.keys, lots.changes), place.at)
    adding.add(_new(looked, [*lots.inserts, *lots.changes, *lots.unseen]), place.at, place.run_id)
    if lots.deleted:
        adding.settle()
        fact_versions.bury(connection, *where, lots.deleted, place.at, place.run_id)
    return Counts(
        inserted=len(lots.inserts),
        changed=len(lots.changes),
        deleted=len(lots.deleted) + len(lots.unseen),
        unchanged=len(fresh) - len(lots),
    )


def _lots(batch: Checked, fresh: Sequence[int], held: dict[str, str], buried: set[str]) -> _Lots:
    """Return what is to be done with some rows of which this is held."""
    keys, hashes, gone = batch.keys, batch.hashes, batch.deleted
    if not held and True not in gone:
        return _Lots([*fresh], [], [], [])
    lots = _Lots([], [], [], [])
    unlike = [
        spot for spot in fresh if held.get(keys[spot]) != hashes[spot] or gone[spot] or keys[spot] in buried
    ]
    for spot in unlike:
        key = keys[spot]
        if not gone[spot]:
            (lots.changes if key in held else lots.inserts).append(spot)
        elif key not in held:
            lots.unseen.append(spot)
        elif key not in buried:
            lots.deleted.append(key)
    return lots


def _lies_above(keys: Sequence[str], highest: Highest | None) -> bool:
    """Return whether all of some keys, about to be written, lie above any that can be held."""
    if highest is None or not keys:
        return False
    lowest, last = min(keys), max(keys)
    above = lowest > highest.key
    highest.key = max(highest.key, last)
    return above


def _new(looked: Looked, places: Sequence[int]) -> fact_versions.New:
    """Return some rows as versions to add."""
    batch = looked.checked
    if len(places) == len(batch):  # the order of versions is of no account
        return looked.ready or _all_new(batch)
    return fact_versions.New(
        [values.take(places) for values in batch.columns],
        _at(batch.hashes, places),
        _at(batch.deleted, places),
        _at(batch.locators, places),
    )


def _all_new(batch: Checked) -> fact_versions.New:
    return fact_versions.New(batch.columns, batch.hashes, batch.deleted, batch.locators)
