"""Reads an exported code table: a header of the case system's own columns, or of ours."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from jianheng.errors import FaultsError, Problem, StopError, problem

LONGEST = 100
"""Characters of a code; what is longer is no code."""


@dataclass(frozen=True, slots=True)
class Layout:
    """An export that is known by its header: the columns of code, parent and name, and the catalogue it is."""

    catalogue: str
    code: str
    parent: str
    name: str


LAYOUTS = (
    Layout("classification", "DM", "FDM", "MC"),
    Layout("external_unit", "GXDWDM", "FGXDWDM", "GXDWMC"),
    Layout("case_category", "AJLBBM", "", "AJLBMC"),
    Layout("document_template", "WSMBBH", "", "WSMC"),
    Layout("business_line", "YWBM", "", "YWMC"),
    Layout("", "code", "parent", "name"),
)
"""Tables of the case system, and the form that catalogues have here; the first whose columns are there holds."""


@dataclass(frozen=True, slots=True)
class Code:
    """One code, the code it stands under (empty at the top), and its name."""

    code: str
    parent: str
    name: str


def decode(raw: bytes, file: str) -> str:
    """Return an export's text: UTF-8 with or without its mark, or GB 18030 as older tools write it.

    Raises:
        StopError: it is neither, or holds what no text holds.
    """
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text
    raise StopError("catalogue-not-text", file=file)


def records(text: str, file: str) -> tuple[list[str], list[dict[str, str]]]:
    """Return the header and the rows of a delimited file, blanks taken away.

    Raises:
        StopError: it is empty or cannot be read as a table.
    """
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if any(row)]
    except csv.Error as error:
        raise StopError("catalogue-no-table", file=file, told=str(error)) from None
    if not rows:
        raise StopError("catalogue-empty", file=file)
    header = [cell.strip() for cell in rows[0]]
    return header, [dict(zip(header, (cell.strip() for cell in row), strict=False)) for row in rows[1:]]


def read_codes(raw: bytes, file: str, catalogue: str = "") -> tuple[str, list[Code]]:
    """Return the name of a catalogue and its codes, in their order.

    Args:
        raw: the export.
        file: what it is called where something is wrong.
        catalogue: its name; needed where the header does not tell.

    Raises:
        StopError: it is no table of codes, or nobody said of which catalogue.
        FaultsError: everything wrong with its rows.
    """
    header, rows = records(decode(raw, file), file)
    known = {column.upper(): column for column in header}
    layout = next((each for each in LAYOUTS if {each.code.upper(), each.name.upper()} <= known.keys()), None)
    if layout is None:
        wanted = "；".join(f"{each.code}、{each.name}" for each in LAYOUTS)
        raise StopError("catalogue-header", file=file, header="、".join(header)[:200], wanted=wanted)
    name = catalogue or layout.catalogue
    if not name:
        raise StopError("catalogue-unnamed", file=file)
    codes = [
        Code(
            *(
                row.get(known.get(column.upper(), ""), "")
                for column in (layout.code, layout.parent, layout.name)
            )
        )
        for row in rows
    ]
    faults = list(_faults(codes, file))
    if faults:
        raise FaultsError(faults)
    return name, list(dict.fromkeys(codes))


def _faults(codes: Sequence[Code], file: str) -> Iterator[Problem]:
    """Every code there, short, told once or alike, under a code that is there, and in no circle."""
    if not codes:
        yield problem("catalogue-empty", file=file)
    known: dict[str, Code] = {}
    for number, each in enumerate(codes, start=2):
        if not each.code or len(each.code) > LONGEST:
            yield problem("catalogue-bad-code", file=file, line=number, code=each.code[:60])
        elif known.setdefault(each.code, each) != each:
            yield problem("catalogue-code-twice", file=file, line=number, code=each.code)
    parents = {each.code: each.parent for each in codes}
    for number, each in enumerate(codes, start=2):
        if each.parent and each.parent not in parents:
            yield problem(
                "catalogue-unknown-parent", file=file, line=number, code=each.code, parent=each.parent
            )
        elif each.parent and _circles(each.code, parents):
            yield problem("catalogue-circle", file=file, line=number, code=each.code)


def _circles(code: str, parents: Mapping[str, str]) -> bool:
    met, above = {code}, parents[code]
    while above:
        if above == code:
            return True
        if above in met:
            return False  # a circle further up, told where it is
        met.add(above)
        above = parents.get(above, "")
    return False
