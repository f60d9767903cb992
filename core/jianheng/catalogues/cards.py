"""Reads definitions of case cards: which field of a card is which column of which table, under which label.

A card's code is no category code, although most are equal: one category may have a card for each court level,
under numbers that other categories have. So cards are a catalogue of their own.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from jianheng.catalogues.dictionary import decode, records
from jianheng.errors import FaultsError, Problem, StopError, problem

TYPES = ("text", "date")
"""How a field is shown."""


@dataclass(frozen=True, slots=True)
class CardField:
    """One field of a case card."""

    card: str
    card_name: str
    tab: str
    table: str
    column: str
    label: str
    type: str


COLUMNS = tuple(each.name for each in fields(CardField))


def read_cards(raw: bytes, file: str) -> list[CardField]:
    """Return the fields of all cards of a file: CSV with :data:`COLUMNS`, or XML of the same.

    The XML is ``<cards><card code= name=><tab name=><item table= column= label= type=/></tab></card></cards>``.

    Raises:
        StopError: it is neither.
        FaultsError: everything wrong with the fields.
    """
    text = decode(raw, file)
    found = _of_xml(text, file) if text.lstrip().startswith("<") else _of_csv(text, file)
    faults = list(_faults(found, file))
    if faults:
        raise FaultsError(faults)
    return found


def _of_csv(text: str, file: str) -> list[CardField]:
    header, rows = records(text, file)
    if not set(COLUMNS) <= set(header):
        raise StopError(
            "catalogue-header", file=file, header="、".join(header)[:200], wanted="、".join(COLUMNS)
        )
    return [CardField(*(row.get(column, "") for column in COLUMNS)) for row in rows]


def _of_xml(text: str, file: str) -> list[CardField]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # what can make a small file large has no place here
        raise StopError("catalogue-bad-xml", file=file, told="DOCTYPE")
    try:
        root = ET.fromstring(text.encode())  # noqa: S314 declarations of entities were refused above
    except ET.ParseError as error:
        raise StopError("catalogue-bad-xml", file=file, told=str(error)) from None
    return [
        CardField(
            card=card.get("code", ""),
            card_name=card.get("name", ""),
            tab=tab.get("name", ""),
            table=item.get("table", ""),
            column=item.get("column", ""),
            label=item.get("label", ""),
            type=item.get("type", "text"),
        )
        for card in root.iter("card")
        for tab in card.iter("tab")
        for item in tab.iter("item")
    ]


def _faults(found: Sequence[CardField], file: str) -> Iterator[Problem]:
    if not found:
        yield problem("catalogue-empty", file=file)
    seen: set[tuple[str, str, str, str]] = set()
    for number, each in enumerate(found, start=1):
        lacking = [name for name in ("card", "table", "column", "label") if not getattr(each, name)]
        if lacking:
            yield problem("catalogue-card-lacks", file=file, number=number, lacking="、".join(lacking))
        elif each.type not in TYPES:
            yield problem(
                "catalogue-card-type", file=file, number=number, given=each.type, known="、".join(TYPES)
            )
        place = (each.card, each.tab, each.table, each.column)
        if not lacking and place in seen:
            yield problem(
                "catalogue-card-twice", file=file, number=number, field=f"{each.table}.{each.column}"
            )
        seen.add(place)
