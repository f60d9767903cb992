"""Expressions: where the value of one canonical column comes from, and what is done to it on the way."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from pydantic import Field, StrictBool, StrictStr, field_validator, model_validator

from jianheng_adapters.mapping.value import Value


class Only(Value):
    """A condition on a source column: what it holds, as text, is one of these values."""

    column: StrictStr
    values: tuple[StrictStr, ...] = Field(min_length=1)


class Expression(Value):
    """Where one canonical column comes from. Exactly one of the first five is given.

    Attributes:
        column: one source column; ``alias.column`` for a joined table, ``a.b.c`` for what lies deeper in a record.
        columns: several, joined to one text; null when any of them is null.
        first_of: the first of several columns, or expressions, that is not null.
        value: a constant.
        row: the number of the row in its file.
        join: what stands between the parts of ``columns``.
        gaps: a missing part of ``columns`` leaves its place empty instead of making all null.
        codes: the code table that translates the value; an unknown code becomes the entry of "*",
            or is passed on as it is where there is none.
        format: strptime formats to try when the text is no ISO date; or ``epoch``, ``epoch_ms``, ``excel``
            for numbers that count seconds, milliseconds, or days as spreadsheets do.
        zone: the time zone of moments that carry none, when it isn't Asia/Shanghai.
        month_end: a month's first day becomes its last.
        width: digits are filled up with zeros: a spreadsheet makes 12 of 0012.
        part: the first and the last character, from 1, of a text that holds several things.
        extract: a regular expression; what its first group (or all of it) matches, null where it doesn't.
        times: a number is multiplied by this: 10000 where amounts are told in 万元.
        present: true or false by whether there is anything at all.
        only_if: the value counts only where another column holds one of some values; null otherwise.
        default: what stands where there is nothing.
        optional: the file or answer may lack this column.
    """

    column: StrictStr | None = None
    columns: "tuple[Expression, ...] | None" = None
    first_of: "tuple[StrictStr | Expression, ...] | None" = None
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
    extract: StrictStr | None = None
    times: Decimal | None = None
    present: StrictBool = False
    only_if: Only | None = None
    default: Any = None
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

    @field_validator("times", mode="before")
    @classmethod
    def _exact(cls, given: Any) -> Any:
        return (
            Decimal(str(given)) if isinstance(given, int | float) and not isinstance(given, bool) else given
        )

    @field_validator("extract")
    @classmethod
    def _is_pattern(cls, given: str | None) -> str | None:
        if given is not None:
            try:
                re.compile(given)
            except re.error:
                raise ValueError("extract") from None
        return given

    @model_validator(mode="after")
    def _one_origin(self) -> "Expression":
        if not isinstance(self.value, str | int | None) or not isinstance(self.default, str | int | None):
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

    def inner(self) -> "Iterator[Expression]":
        """Yield the expressions this one is made of."""
        yield from self.columns or ()
        for each in self.first_of or ():
            if isinstance(each, Expression):
                yield each

    def sources(self) -> Iterator[str]:
        """Yield the source columns this needs, in order."""
        if self.column is not None:
            yield self.column
        for choice in self.first_of or ():
            if isinstance(choice, Expression):
                yield from choice.sources()
            else:
                yield choice
        for part in self.columns or ():
            yield from part.sources()
        if self.only_if is not None:
            yield self.only_if.column

    def everywhere(self) -> "Iterator[Expression]":
        """Yield this expression and all inside it."""
        yield self
        for each in self.inner():
            yield from each.everywhere()
