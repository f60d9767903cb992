"""How files are written: delimited, fixed width, XML; where the header stands."""

from typing import Literal

from pydantic import Field, StrictStr

from jianheng_adapters.mapping.value import Value

FixedField = tuple[int, int]
"""The first and the last position of a field, from 1."""


class Format(Value):
    """How files are written. ``auto`` reads a byte order mark, then UTF-8, then GB 18030.

    Attributes:
        header_rows: rows that make the header together: cells merged over several columns, or over rows.
        header_join: what stands between the parts of such a heading.
        positions: whether positions of fixed-width fields count bytes, as old Chinese systems do, or characters.
        skip: fixed width: lines at the beginning that are no records.
    """

    delimiter: StrictStr = Field(default=",", min_length=1, max_length=1)
    quote: StrictStr = Field(default='"', min_length=1, max_length=1)
    encoding: StrictStr = "auto"
    header_rows: int = Field(default=1, ge=1, le=5)
    header_join: StrictStr = "/"
    positions: Literal["bytes", "characters"] = "bytes"
    skip: int = Field(default=0, ge=0)
