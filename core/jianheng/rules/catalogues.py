"""Which catalogue a code comes from, and whether a code that a condition names stands in it."""

import difflib
from collections.abc import Collection, Mapping

from jianheng.facts.entity import Column

CLASSIFICATION = "classification"
"""The one list in which the case system keeps results, charges and opinions together."""

CATALOGUES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("case", "category"): ("case_category",),
    ("case", "charge_code"): ("charge", CLASSIFICATION),
    ("case", "transfer_opinion"): ("transfer_opinion", CLASSIFICATION),
    ("case", "case_source"): ("case_source", CLASSIFICATION),
    ("case_outcome", "result_code"): ("case_result", CLASSIFICATION),
    ("suspect", "arrest_result"): ("case_result", CLASSIFICATION),
    ("suspect", "prosecution_result"): ("case_result", CLASSIFICATION),
    ("suspect", "first_judgment"): ("sentence", CLASSIFICATION),
    ("document", "template_code"): ("document_template",),
    ("approval", "template_code"): ("document_template",),
    ("event", "kind"): ("event_kind",),
    ("finding", "kind"): ("finding_kind",),
    ("finding", "severity"): ("finding_severity",),
    ("finding", "grade"): ("finding_grade",),
    ("posting", "staff_class"): ("staff_class",),
}
"""By entity and column the catalogues a code may come from: the special one first, then the general."""

ABOVE: Mapping[str, tuple[str, ...]] = {"case_category": ("business_line",)}
"""Catalogues whose codes stand as parents in another one."""


def codes_of(entity: str, column: Column, catalogues: Mapping[str, Collection[str]]) -> frozenset[str]:
    """Return the codes a column may hold; empty when nobody says which, and nothing can be checked."""
    if column.allowed:
        return frozenset(column.allowed)
    named = CATALOGUES.get((entity, column.name), ())
    return frozenset(code for name in named for code in catalogues.get(name, ()))


def codes_above(entity: str, column: Column, catalogues: Mapping[str, Collection[str]]) -> frozenset[str]:
    """Return the codes that stand above those of a column in other catalogues."""
    named = CATALOGUES.get((entity, column.name), ())
    return frozenset(
        code for name in named for above in ABOVE.get(name, ()) for code in catalogues.get(above, ())
    )


def nearest(word: str, known: Collection[str]) -> str:
    """Return the known word most like one, or a dash when none is like it."""
    found = difflib.get_close_matches(word, sorted(known), 1)
    return found[0] if found else "—"
