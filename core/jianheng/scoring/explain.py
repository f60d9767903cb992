"""Why a number is what it is: value, indicators, rules, entries, facts, source records."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from jianheng.errors import StopError
from jianheng.facts.entities import ENTITIES
from jianheng.scoring.directory import Member, category_names, directory
from jianheng.scoring.ledger import kept_indicators, kept_standings, lines, scored_run
from jianheng.scoring.parameters import Resolved, value_on
from jianheng.scoring.period import Period
from jianheng.scoring.points import shown
from jianheng.scoring.policy import Policy
from jianheng.store import fact_versions
from jianheng.store.engine import moment
from jianheng.store.tables import NO_RULE, OPEN


def find_person(members: Mapping[str, Member], wanted: str) -> Member:
    """Return a person by key, name or staff number.

    Raises:
        StopError: nobody fits, or several do.
    """
    if wanted in members:
        return members[wanted]
    fitting = [each for each in members.values() if wanted in {each.name, each.staff_no}]
    if not fitting:
        raise StopError("explain-nobody", wanted=wanted)
    if len(fitting) > 1:
        raise StopError(
            "explain-several", wanted=wanted, found="、".join(each.person_key for each in fitting)
        )
    return fitting[0]


def explain(
    connection: sa.Connection,
    office: str,
    policy: Policy,
    period: Period,
    wanted: str,
    source_order: Sequence[str] = (),
    case_no: str | None = None,
) -> dict[str, Any]:
    """Return everything behind a person's score as plain data; points as exact decimal texts.

    With ``case_no`` only the entries of that case are listed; totals stay whole.

    Raises:
        StopError: the person is unknown or ambiguous, has nothing in the case, or nothing was scored yet.
    """
    run_id, run = scored_run(connection, office, policy, period)
    members = directory(connection, office, period.start, period.end, source_order)
    member = find_person(members, wanted)
    standings = [row for row in kept_standings(connection, run_id) if row["person_key"] == member.person_key]
    if not standings:
        raise StopError("explain-not-scored", wanted=wanted, period=period.id)
    entries = lines(connection, office, policy, period, member.person_key)
    values = [row for row in kept_indicators(connection, run_id) if row["person_key"] == member.person_key]
    listed = [entry for entry in entries if case_no is None or entry["case_no"] == case_no]
    if case_no is not None and not listed:
        raise StopError("explain-no-such-case", wanted=wanted, case_no=case_no, period=period.id)
    records = _records(connection, office, listed)
    names = category_names(connection, office)
    return {
        "person": {
            "key": member.person_key,
            "name": member.name,
            "department": member.department,
            "role": member.role,
            "post": member.post,
            "posting_changed": member.changed,
        },
        "period": {
            "id": period.id,
            "label": period.label,
            "start": str(period.start),
            "end": str(period.end),
        },
        "policy": {
            "id": policy.id,
            "label": policy.label,
            "version": policy.version,
            "source": f"{policy.file.source.title} ({policy.file.source.cite})",
            "gate": policy.file.gate.label,
        },
        "run": {"id": run_id, "digest": run["digest"]},
        "sheets": [_sheet(policy, standing, values, listed, records, names) for standing in standings],
        "uncounted": _uncounted(listed, {standing["sheet"] for standing in standings}),
    }


def _sheet(
    policy: Policy,
    standing: Mapping[str, Any],
    values: Sequence[Mapping[str, Any]],
    entries: Sequence[Mapping[str, Any]],
    records: Mapping[tuple[str, str], Mapping[str, Any]],
    names: Mapping[str, str],
) -> dict[str, Any]:
    sheet = standing["sheet"]
    mine: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for entry in entries:
        if entry["sheet"] == sheet and entry["rule_id"] != NO_RULE:
            mine.setdefault((entry["indicator"], entry["rule_id"]), []).append(entry)
    held = {value["indicator"]: value for value in values if value["sheet"] == sheet}

    def node(indicator: str) -> dict[str, Any]:
        value = held[indicator]
        return {
            "id": indicator,
            "label": policy.indicator_label(indicator),
            "points": shown(value["points"]),
            "provisional": shown(value["provisional"]),
            "entries": value["entries"],
            "rules": _rules(policy, indicator, mine, records, names),
            "children": [node(each.id) for each in policy.file.indicators if each.parent == indicator],
        }

    label = next(each.label for each in policy.file.sheets if each.id == sheet)
    totals = {name: shown(standing[name]) for name in ("points", "final", "provisional", "withheld")}
    return {
        "id": sheet,
        "label": label,
        **totals,
        "place": standing["place"],
        "of": standing["place_of"],
        "cases": standing["cases"],
        "indicators": [node(each.id) for each in policy.file.indicators if each.parent is None],
    }


def _rules(
    policy: Policy,
    indicator: str,
    entries: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]],
    records: Mapping[tuple[str, str], Mapping[str, Any]],
    names: Mapping[str, str],
) -> list[dict[str, Any]]:
    told = []
    for row in policy.points:
        mine = entries.get((indicator, row.id), ())
        if not mine:
            continue
        told.append(
            {
                "id": row.id,
                "label": row.label,
                "unit_points": str(row.points),
                "measure": policy.measures[row.measure].label,
                "unit": policy.measures[row.measure].unit,
                "where": policy.measures[row.measure].where,
                "cite": row.cite,
                "assumed": row.assumed,
                "points": shown(sum(entry["points"] for entry in mine)),
                "withheld": shown(sum(entry["withheld"] for entry in mine)),
                "entries": [_entry(policy, entry, records, names) for entry in mine],
            }
        )
    return told


def _entry(
    policy: Policy,
    entry: Mapping[str, Any],
    records: Mapping[tuple[str, str], Mapping[str, Any]],
    names: Mapping[str, str],
) -> dict[str, Any]:
    record = records.get((entry["item_kind"], entry["item_key"]), {})
    label = entry["item_label"]
    told: dict[str, Any] = {
        "id": entry["entry_id"],
        "day": str(entry["day"]),
        "case_no": entry["case_no"],
        "item": names.get(label, label) or entry["item_key"],
        "item_kind": entry["item_kind"],
        "item_key": entry["item_key"],
        "quantity": entry["quantity"],
        "unit_points": shown(entry["unit_points"]),
        "coefficient": shown(entry["coefficient"]),
        "share": shown(entry["share"]),
        "points": shown(entry["points"]),
        "withheld": shown(entry["withheld"]),
        "state": entry["state"],
        "reason": entry["reason"],
        "record": record,
    }
    if entry["state"] != "void" and entry["reason"]:
        told["parameter"] = _coefficient(policy, entry["reason"], entry["day"])
    return told


def _coefficient(policy: Policy, coefficient: str, day: dt.date) -> dict[str, Any] | None:
    found = next((each for each in policy.coefficients if each.id == coefficient), None)
    span = None if found is None else value_on(policy.layers, found.parameter, day)
    return None if span is None else _told(span)


def _told(span: Resolved) -> dict[str, Any]:
    return {
        "name": span.name,
        "label": span.label,
        "value": str(span.value),
        "layer": span.layer,
        "since": str(span.since),
        "cite": span.cite,
        "assumed": span.assumed,
    }


def _records(
    connection: sa.Connection, office: str, entries: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return for each counted item where its record stands in the source and when we learnt it."""
    wanted: dict[str, dict[str, str]] = {}
    for entry in entries:
        wanted.setdefault(entry["item_kind"], {})[entry["item_key"]] = entry["fact_hash"]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for kind, hashes in wanted.items():
        for key, source, locator, since, until, content in fact_versions.sightings(
            connection, ENTITIES[kind], office, hashes
        ):
            # The version that was scored; of records merged from several sources, the current one.
            if content == hashes[key] or (until == OPEN and (kind, key) not in found):
                found[kind, key] = {
                    "source": source,
                    "locator": locator,
                    "recorded_at": moment(since).isoformat(timespec="seconds"),
                    "content_hash": content,
                    "current": until == OPEN,
                }
    return found


def _uncounted(entries: Sequence[Mapping[str, Any]], sheets: set[str]) -> list[dict[str, Any]]:
    """Sum up what is on none of his sheets: items no rule speaks of, or done in a role without a sheet."""
    counts: dict[tuple[str, str, str], int] = {}
    for entry in entries:
        if entry["rule_id"] == NO_RULE or entry["sheet"] not in sheets:
            key = (entry["measure"], entry["item_label"], entry["reason"])
            counts[key] = counts.get(key, 0) + 1
    ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return [
        {"measure": measure, "item": label, "reason": reason, "items": count}
        for (measure, label, reason), count in ranked
    ]
