"""A publication as rows of the four tables."""

from collections.abc import Iterator
from typing import Any

from jianheng.contract import Publication
from jianheng.facts.time import wall_time
from jianheng_adapters.scores_view import places_text, rule_label, rule_texts

Row = dict[str, Any]


def slot(publication: Publication) -> str:
    """Return what can have only one current publication."""
    return f"{publication.office}|{publication.policy}|{publication.period}"


def publication_row(publication: Publication) -> Row:
    """Return the row of a publication that is current."""
    return {
        "publication_id": publication.id,
        "office": publication.office,
        "office_name": publication.office_name,
        "policy": publication.policy,
        "policy_label": publication.policy_label,
        "policy_version": publication.policy_version,
        "period": publication.period,
        "period_label": publication.period_label,
        "start_on": publication.start,
        "end_before": publication.end,
        "as_of": wall_time(publication.as_of).replace(microsecond=0),
        "notices": "\n".join(publication.notices),
        "is_current": True,
        "current_slot": slot(publication),
    }


def score_rows(publication: Publication) -> Iterator[Row]:
    """Yield a row a person and sheet."""
    for score in publication.people:
        yield {
            "publication_id": publication.id,
            "person_key": score.person_key,
            "sheet": score.sheet,
            "name": score.name,
            "department": score.department,
            "role": score.role,
            "points": score.points,
            "final": score.final,
            "provisional": score.provisional,
            "place": score.rank or None,
            "out_of": score.of,
            "cases": score.cases,
            "entries": score.entries,
            "note": score.note,
            "grade": score.grade,
            "state": score.state,
            "places": places_text(score),
        }


def indicator_rows(publication: Publication) -> Iterator[Row]:
    """Yield a row a person, sheet and indicator."""
    for value in publication.indicators:
        yield {
            "publication_id": publication.id,
            "person_key": value.person_key,
            "sheet": value.sheet,
            "indicator": value.indicator,
            "label": value.label,
            "parent": value.parent,
            "points": value.points,
            "provisional": value.provisional,
            "entries": value.entries,
            "note": value.note,
            "state": value.state,
            "unit": value.unit,
        }


def entry_rows(publication: Publication) -> Iterator[Row]:
    """Yield a row an entry, with the words its rule had on its day."""
    texts = rule_texts(publication.rules)
    for entry in publication.entries:
        yield {
            "publication_id": publication.id,
            "entry_id": entry.entry_id,
            "person_key": entry.person_key,
            "rule_id": entry.rule_id,
            "rule_label": rule_label(texts, entry),
            "indicator": entry.indicator,
            "case_no": entry.case_no,
            "item_kind": entry.item_kind,
            "item_key": entry.item_key,
            "item_label": entry.item_label,
            "day": entry.day,
            "quantity": entry.quantity,
            "unit_points": entry.unit_points,
            "coefficient": entry.coefficient,
            "share": entry.share,
            "points": entry.points,
            "withheld": entry.withheld,
            "state": entry.state,
            "reason": entry.reason,
            "evidence": entry.evidence,
        }
