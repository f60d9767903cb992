"""How an entity is declared. Tables, checks, fact views, docs and JSON Schema all derive from this."""

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["text", "code", "date", "datetime", "integer", "decimal", "boolean", "attributes"]
Privacy = Literal["none", "staff", "party"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an entity.

    Attributes:
        name: canonical English name (the glossary's term).
        label: the Chinese term, which is authoritative.
        type: ``code`` is text from a catalogue; ``datetime`` is Asia/Shanghai wall time;
            ``attributes`` is a mapping of what core does not know.
        required: a row without it is quarantined.
        ref: the entity whose key this column holds.
        strict: a row whose ``ref`` is unknown is quarantined; otherwise it is kept and scoring
            says that the record is unknown.
        allowed: the codes that may stand here; empty when the site's catalogue decides.
        privacy: ``staff`` names people who are scored; ``party`` names people in a case, and is
            pseudonymised at the door.
    """

    name: str
    label: str
    type: ColumnType = "text"
    required: bool = False
    ref: str | None = None
    strict: bool = False
    allowed: tuple[str, ...] = ()
    privacy: Privacy = "none"


@dataclass(frozen=True, slots=True, eq=False)  # there is one of each: compared and hashed by identity
class Entity:
    """One kind of fact. The first column is its key, unique within an office and a source.

    Attributes:
        grain: what one row is, in Chinese.
        business_time: the column that places a row in time, if it has one.
        may_be_empty: an office may have none at all.
    """

    name: str
    label: str
    grain: str
    columns: tuple[Column, ...]
    business_time: str | None = None

    @property
    def key(self) -> Column:
        """The key column."""
        return self.columns[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in declared order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """Return a column by name; KeyError when the entity has none of that name."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def refs(self) -> tuple[str, ...]:
        """The entities this one strictly needs, so that they are read first."""
        return tuple(
            sorted({column.ref for column in self.columns if column.ref and column.strict} - {self.name})
        )
