"""A batch as its source gave it, turned into columns: mappings or an Arrow table, no cell of it read yet."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import methodcaller
from typing import Any, TypeAlias

import pyarrow as pa

from jianheng.facts.whole import Texts, texts_in

Rows: TypeAlias = Sequence[Mapping[str, Any]] | pa.Table
"""A batch as a source gives it: mappings, or an Arrow table that stands for its ``to_pylist()``."""


@dataclass(frozen=True, eq=False)
class Given:
    """A batch turned into columns. An Arrow column stays one until its values are needed."""

    size: int
    columns: Mapping[str, Sequence[Any] | pa.ChunkedArray]
    row: Callable[[int], Mapping[str, Any]]
    with_others: Callable[[frozenset[str]], Iterable[int]]

    @cached_property
    def _kinds(self) -> dict[str, set[type]]:
        return {}

    @cached_property
    def _texts(self) -> dict[str, Texts | None]:
        return {}

    def kinds(self, name: str) -> set[type]:
        """Return of which types the cells of a column are; nothing is said of an Arrow column."""
        found = self._kinds.get(name)
        if found is None:
            cells = self.columns[name]
            found = set() if isinstance(cells, pa.ChunkedArray) else set(map(type, cells))
            self._kinds[name] = found
        return found

    def texts(self, name: str) -> Texts | None:
        """Return a column of texts, or of days in Arrow; None where it holds anything else."""
        if name not in self._texts:
            self._texts[name] = texts_in(self.columns[name])
        return self._texts[name]

    def listed(self, name: str) -> Sequence[Any]:
        """Return the cells of a column."""
        cells = self.columns[name]
        found: Sequence[Any] = cells.to_pylist() if isinstance(cells, pa.ChunkedArray) else cells
        return found


def given_in(rows: Rows) -> Given:
    """Return a batch in columns; in mappings what is not named is None."""
    if isinstance(rows, pa.Table):
        names = rows.column_names
        if len(set(names)) < len(names):  # the last of a name wins
            return given_in(rows.to_pylist())
        table = rows
        return Given(
            table.num_rows,
            dict(zip(names, table.columns, strict=True)),
            lambda place: dict(table.slice(place, 1).to_pylist()[0]),
            lambda _known: range(table.num_rows),
        )
    mappings = rows
    layouts = {*map(tuple, mappings)}
    columns: dict[str, Sequence[Any]]
    if len(layouts) == 1:
        names = [*layouts.pop()]
        cells = [*chain.from_iterable(map(methodcaller("values"), mappings))]
        columns = {name: cells[place :: len(names)] for place, name in enumerate(names)}
    else:
        names = [*dict.fromkeys(chain.from_iterable(layouts))]
        columns = {name: [row.get(name) for row in mappings] for name in names}
    return Given(
        len(mappings),
        columns,
        mappings.__getitem__,
        lambda known: [place for place, row in enumerate(mappings) if not row.keys() <= known],
    )
