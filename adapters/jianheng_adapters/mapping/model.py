"""The values of a mapping file, as they are after reading."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, StrictBool, StrictStr, field_validator

from jianheng.contract import Mode
from jianheng_adapters.mapping.expression import Expression
from jianheng_adapters.mapping.files import FixedField, Format
from jianheng_adapters.mapping.service import Call, Request, Service
from jianheng_adapters.mapping.value import Value

CASE_STREAM = "case"
"""The stream that ``via_case`` joins to: it knows which cases are in scope."""

CursorKind = Literal["moment", "number", "text"]


class Deleted(Value):
    """How the source says that a row is gone."""

    column: StrictStr
    values: tuple[StrictStr, ...] = ("Y",)


class Ancestors(Value):
    """A tree of units: those in scope come with everything above them."""

    key: StrictStr
    parent: StrictStr


class Join(Value):
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


class StreamMapping(Value):
    """One stream: an entity, where its rows come from, and its columns.

    Attributes:
        part_of: SQL: the stream that this one is a part of, with others of its entity.
        table: SQL: the table, without suffix. Singer: the tap's own stream.
        sql: SQL: a SELECT instead of a table; ``:cursor`` and ``:units`` are filled in.
        sheet: files: the sheet of a workbook.
        file: files: which files of the folder, as a glob.
        record: XML: the element that is a record.
        fields: fixed width: the first and the last position, from 1, of each column.
        request: JSON over HTTP: what is asked, and where the records stand in the answer.
        call: SOAP: which operation is called, and where the records stand in the answer.
        each: records that lie in a list of each record: that list; the outer one is ``parent`` then.
        cursor: the column that tells when a row last changed.
        cursor_kind: what that column holds: a moment, a number that only grows, or a text that does.
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
    sql: StrictStr | None = None
    sheet: StrictStr | None = None
    file: StrictStr | None = None
    record: StrictStr | None = None
    fields: dict[StrictStr, FixedField] = Field(default_factory=dict)
    request: Request | None = None
    call: Call | None = None
    each: StrictStr | None = None
    cursor: StrictStr | None = None
    cursor_kind: CursorKind = "moment"
    order: tuple[StrictStr, ...] = ()
    deleted: Deleted | None = None
    exclude: dict[StrictStr, tuple[StrictStr, ...]] = Field(default_factory=dict)
    only: dict[StrictStr, tuple[StrictStr, ...]] = Field(default_factory=dict)
    only_with: tuple[StrictStr, ...] = ()
    categories: tuple[StrictStr, ...] = ()
    scope: tuple[StrictStr, ...] = ()
    via_case: StrictStr | None = None
    follow_case: StrictBool = True
    ancestors: Ancestors | None = None
    join: dict[StrictStr, Join] = Field(default_factory=dict)
    distinct: StrictBool = False
    locator: tuple[StrictStr, ...] = ()
    columns: dict[StrictStr, Expression]
    attributes: dict[StrictStr, Expression] = Field(default_factory=dict)

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

    def all_sources(self) -> tuple[str, ...]:
        """Return every source column that reading needs: those of rows, and what chooses and orders them."""
        # Of records inside others, the outer one says when it changed.
        tells = self.cursor is not None and self.mode == "cursor" and self.each is None
        cursor = (str(self.cursor),) if tells else ()
        return tuple(dict.fromkeys((*self.sources(), *cursor, *self.scope, *self.exclude, *self.only)))


class Normalise(Value):
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


class MappingFile(Value):
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
        layout: how files are written; ``[format]`` in the file.
        service: how a web service is spoken to, JSON or SOAP.
    """

    table_suffix: StrictStr = ""
    tables: dict[StrictStr, StrictStr] = Field(default_factory=dict)
    database_link: StrictStr = ""
    change_token: StrictStr = ""
    token_partition: StrictStr = ""
    normalise: Normalise = Normalise()
    layout: Format = Field(default=Format(), alias="format")
    service: Service = Service()
    codes: dict[StrictStr, dict[StrictStr, Any]] = Field(default_factory=dict)
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


Placement = Literal["table", "query", "sheet", "drop", "field", "request", "call", "tap"]
"""What an adapter reads: tables of a database, a table or a query of any, sheets or files, files as they are
dropped, fields of an answer, requests, SOAP calls, streams of a Singer tap."""
