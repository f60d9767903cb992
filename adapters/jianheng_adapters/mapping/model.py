"""The values of a mapping file, as they are after reading."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, field_validator, model_validator

from jianheng.contract import Mode

CASE_STREAM = "case"
"""The stream that ``via_case`` joins to: it knows which cases are in scope."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Expression(_Value):
    """Where one canonical column comes from. Exactly one of the first five is given.

    Attributes:
        column: one source column; ``alias.column`` for a joined table.
        columns: several, joined to one text; null when any of them is null.
        first_of: the first of several columns that is not null.
        value: a constant.
        row: the number of the row in its file.
        join: what stands between the parts of ``columns``.
        gaps: a missing part of ``columns`` leaves its place empty instead of making all null.
        codes: the code table that translates the value; an unknown code becomes the entry of "*",
            or is passed on as it is where there is none.
        format: strptime formats to try when the text is no ISO date.
        zone: the time zone of moments that carry none, when it isn't Asia/Shanghai.
        month_end: a month's first day becomes its last.
        width: digits are filled up with zeros: a spreadsheet makes 12 of 0012.
        part: the first and the last character, from 1, of a text that holds several things.
        optional: the file or answer may lack this column.
    """

    column: StrictStr | None = None
    columns: "tuple[Expression, ...] | None" = None
    first_of: tuple[StrictStr, ...] | None = None
    value: Any = None
    row: StrictBool = False
    join: StrictStr = "-"
    gaps: StrictBool = False
    codes: StrictStr | None = None
    format: tuple[StrictStr, ...] = ()
    zone: StrictStr | None = None
    month_end: StrictBool = False
    width: int = Field(default=0, ge=0, le=20)
    part: tuple[int, int] | None = None
    optional: StrictBool = False

    @model_validator(mode="before")
    @classmethod
    def _widen(cls, given: Any) -> Any:
        """A bare name is a column, a bare list is a key of several columns."""
        if isinstance(given, str):
            return {"column": given}
        if isinstance(given, list):
            return {"columns": given}
        if isinstance(given, dict) and isinstance(given.get("format"), str):
            return {**given, "format": (given["format"],)}
        return given

    @model_validator(mode="after")
    def _one_origin(self) -> "Expression":
        if not isinstance(self.value, str | int | None):
            raise ValueError("value")  # noqa: TRY004 -- pydantic collects ValueError
        given = [
            self.column is not None,
            bool(self.columns),
            bool(self.first_of),
            self.value is not None,
            self.row,
        ]
        if sum(given) != 1:
            raise ValueError("column | columns | first_of | value | row")
        if self.part is not None and not 1 <= self.part[0] <= self.part[1]:
            raise ValueError("part")
        return self

    def sources(self) -> Iterator[str]:
        """Yield the source columns this needs, in order."""
        if self.column is not None:
            yield self.column
        yield from self.first_of or ()
        for part in self.columns or ():
            yield from part.sources()


class Deleted(_Value):
    """How the source says that a row is gone."""

    column: StrictStr
    values: tuple[StrictStr, ...] = ("Y",)


class Ancestors(_Value):
    """A tree of units: those in scope come with everything above them."""

    key: StrictStr
    parent: StrictStr


class Join(_Value):
    """A table read beside the stream's own, one row to one row.

    Attributes:
        on: the columns that must be equal, by the same name on both sides, or a table
            ``{ joined = "own" }``; ``own`` may be a column of a table joined before, ``alias.column``.
        cursor: its time of last change: a newer joined row brings the row again.
        deleted: a joined row that is gone counts as none.
    """

    table: StrictStr
    on: dict[StrictStr, StrictStr] = Field(min_length=1)
    cursor: StrictStr | None = None
    deleted: Deleted | None = None

    @field_validator("on", mode="before")
    @classmethod
    def _same_names(cls, given: Any) -> Any:
        return {name: name for name in given} if isinstance(given, list) else given


class StreamMapping(_Value):
    """One stream: an entity, where its rows come from, and its columns.

    Attributes:
        part_of: SQL: the stream that this one is a part of, with others of its entity.
        table: SQL: the table, without suffix.
        sheet: files: the sheet of a workbook.
        file: files: which files of the folder, as a glob.
        cursor: the column that tells when a row last changed.
        order: what breaks ties among equal cursor values; the key's columns unless said.
        deleted: how a row says that it is gone.
        exclude: rows whose column holds one of these values aren't read.
        only: rows whose column holds none of these values aren't read.
        only_with: a row in which none of these source columns holds anything counts as gone: the
            table has a row for every case, whether or not the thing happened.
        categories: with ``via_case``: only of cases of these categories.
        scope: columns one of which must hold a unit in scope.
        via_case: the column that holds the case number: read what belongs to cases in scope.
        follow_case: a changed case brings its rows of this stream again, so that a case that
            comes from another unit doesn't come alone.
        ancestors: also read what is above the units in scope.
        distinct: a flat file repeats parents: keep the first of each key, drop identical ones.
        locator: the columns that tell a person where the row is; together as unique as the key,
            since a quarantined row without a usable key is known by them.
    """

    entity: StrictStr
    mode: Mode = "snapshot"
    enabled: StrictBool = True
    may_be_empty: StrictBool = False
    part_of: StrictStr | None = None
    table: StrictStr | None = None
    sheet: StrictStr | None = None
    file: StrictStr | None = None
    cursor: StrictStr | None = None
    order: tuple[StrictStr, ...] = ()
    deleted: Deleted | None = None
    exclude: dict[StrictStr, tuple[StrictStr, ...]] = {}
    only: dict[StrictStr, tuple[StrictStr, ...]] = {}
    only_with: tuple[StrictStr, ...] = ()
    categories: tuple[StrictStr, ...] = ()
    scope: tuple[StrictStr, ...] = ()
    via_case: StrictStr | None = None
    follow_case: StrictBool = True
    ancestors: Ancestors | None = None
    join: dict[StrictStr, Join] = {}
    distinct: StrictBool = False
    locator: tuple[StrictStr, ...] = ()
    columns: dict[StrictStr, Expression]
    attributes: dict[StrictStr, Expression] = {}

    @field_validator("scope", mode="before")
    @classmethod
    def _one_or_more(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given

    def expressions(self) -> Iterator[Expression]:
        """Yield every expression, columns first."""
        yield from self.columns.values()
        yield from self.attributes.values()

    def sources(self) -> tuple[str, ...]:
        """Return the source columns a row is made of, each once, in order."""
        names = [name for expression in self.expressions() for name in expression.sources()]
        if self.deleted:
            names.append(self.deleted.column)
        return tuple(dict.fromkeys((*names, *self.only_with, *self.locator)))

    def optional_sources(self) -> frozenset[str]:
        """Return the source columns that may be absent."""
        needed = {name for each in self.expressions() if not each.optional for name in each.sources()}
        return frozenset(self.sources()) - needed - set(self.locator)


class Normalise(_Value):
    """What holds for every value of the file.

    Attributes:
        strip: take the padding of CHAR columns away; what is empty then is null.
        null_dates: days that mean "no date".
        true: texts that mean yes in a boolean column.
        false: texts that mean no.
        date_formats: strptime formats to try when a date is not ISO.
    """

    strip: StrictBool = True
    null_dates: tuple[StrictStr, ...] = ()
    true: tuple[StrictStr, ...] = ()
    false: tuple[StrictStr, ...] = ()
    date_formats: tuple[StrictStr, ...] = ()


class Format(_Value):
    """How a delimited file is written. ``auto`` reads a byte order mark, then UTF-8, then GB 18030."""

    delimiter: StrictStr = Field(default=",", min_length=1, max_length=1)
    quote: StrictStr = Field(default='"', min_length=1, max_length=1)
    encoding: StrictStr = "auto"


class MappingFile(_Value):
    """A whole mapping after its layers were merged.

    Attributes:
        table_suffix: SQL: what a site appends to every table name.
        tables: SQL: tables that have another name here, by the name the streams use; the suffix
            is not appended to these.
        database_link: SQL, Oracle and Dameng: the tables are read over this link, ``TABLE@LINK``.
        change_token: SQL: a column that is written anew whenever a row changes, in no order. Where
            every table of a stream has it, it tells what changed instead of the stream's ``cursor``.
        token_partition: SQL: the column by which rows are grouped when tokens are compared; the
            groups in which anything changed are read whole.
        layout: how delimited files are written; ``[format]`` in the file.
    """

    table_suffix: StrictStr = ""
    tables: dict[StrictStr, StrictStr] = {}
    database_link: StrictStr = ""
    change_token: StrictStr = ""
    token_partition: StrictStr = ""
    normalise: Normalise = Normalise()
    layout: Format = Field(default=Format(), alias="format")
    codes: dict[StrictStr, dict[StrictStr, Any]] = {}
    streams: dict[StrictStr, StreamMapping]

    @field_validator("codes")
    @classmethod
    def _plain_codes(cls, given: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        if not all(isinstance(code, str | int) for table in given.values() for code in table.values()):
            raise ValueError("codes")
        return given

    def table_name(self, name: str) -> str:
        """Return a table's name as it is here."""
        return self.tables.get(name) or name + self.table_suffix


Placement = Literal["table", "sheet", "field"]
"""What an adapter reads: tables of a database, sheets or files, fields of an answer."""
