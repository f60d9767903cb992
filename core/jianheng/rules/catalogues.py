"""Which catalogue a code comes from, and whether a code that a condition names stands in it."""

import difflib
from collections.abc import Collection, Mapping

from jianheng.facts.entity import Column
from jianheng.messages import some_of

CLASSIFICATION = "classification"
"""The one list in which the case system keeps results, charges and opinions together."""

CATALOGUES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("case", "category"): ("case_category",),
    ("case", "charge_code"): ("charge", CLASSIFICATION),
    ("case", "transfer_opinion"): ("transfer_opinion", CLASSIFICATION),
    ("case", "case_source"): ("case_source", CLASSIFICATION),
    ("case_outcome", "result_code"): ("case_result", CLASSIFICATION),
    ("case_outcome", "result_codes"): ("case_result", CLASSIFICATION),
    ("suspect", "arrest_result"): ("case_result", CLASSIFICATION),
    ("suspect", "prosecution_result"): ("case_result", CLASSIFICATION),
    **{
        ("suspect", f"{instance}_{part}"): (special, CLASSIFICATION)
        for instance in ("first", "second", "remand", "retrial", "final")
        for part, special in (("judgment", "sentence"), ("charge", "charge"))
    },
    **{
        ("organisation_suspect", f"{instance}_{part}"): (special, CLASSIFICATION)
        for instance in ("first", "second", "retrial", "final")
        for part, special in (("judgment", "sentence"), ("charge", "charge"))
    },
    **{
        (entity, f"{instance}_result"): ("judgment_result", CLASSIFICATION)
        for entity in ("suspect", "organisation_suspect")
        for instance in ("second", "retrial")
    },
    ("suspect", "transfer_charge"): ("charge", CLASSIFICATION),
    ("suspect", "transfer_opinion"): ("transfer_opinion", CLASSIFICATION),
    ("suspect", "prosecution_charge"): ("charge", CLASSIFICATION),
    ("suspect", "indicted_charge"): ("charge", CLASSIFICATION),
    ("suspect", "non_prosecution_kind"): ("case_result", CLASSIFICATION),
    ("organisation_suspect", "prosecution_result"): ("case_result", CLASSIFICATION),
    ("organisation_suspect", "prosecution_charge"): ("charge", CLASSIFICATION),
    ("case_outcome", "nature"): ("case_nature", CLASSIFICATION),
    ("case_outcome", "matter"): ("appeal_kind", CLASSIFICATION),
    ("coercive_measure", "kind"): ("coercive_measure", CLASSIFICATION),
    ("supervision_act", "supervision_type"): ("supervision_type", CLASSIFICATION),
    ("supervision_act", "result_code"): ("case_result", CLASSIFICATION),
    ("suggestion", "nature"): ("suggestion_nature", CLASSIFICATION),
    ("suggestion", "acceptance"): ("suggestion_acceptance", CLASSIFICATION),
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
    """Return the known word most like one, or where none is like it some of those there are."""
    found = difflib.get_close_matches(word, sorted(known), 1)
    return found[0] if found else some_of(sorted(known))
