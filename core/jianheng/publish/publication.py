"""Building publications: everything a target needs, read once, with an id that names its content."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from jianheng.contract import (
    CaseText,
    DueCase,
    Entry,
    IndicatorValue,
    PersonScore,
    Publication,
    PublicationKind,
    RuleText,
)
from jianheng.facts.entities import ENTITIES
from jianheng.facts.time import SHANGHAI
from jianheng.messages import text
from jianheng.publish.office import Office
from jianheng.scoring.explanation.explain import law_behind
from jianheng.scoring.explanation.words import (
    grade_name,
    group_name,
    line_words,
    outcome_words,
    reason_words,
)
from jianheng.scoring.kernel.directory import Member, category_names, directory
from jianheng.scoring.kernel.score import case_states
from jianheng.scoring.law.pack import Indicator
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.points import SCALE, shown
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.records import ledger
from jianheng.scoring.records.closed_periods import find_closed
from jianheng.scoring.records.remark import remark
from jianheng.scoring.records.scope import read_facts
from jianheng.store import fact_versions, moments
from jianheng.store.engine import moment, now_us
from jianheng.sync import quarantine


def scores(store: sa.Engine, office: Office, policy: Policy, period: Period) -> tuple[int, Publication]:
    """Return the run and the publication of a period's scores; a closed one is read with the law it was closed by.

    Raises:
        StopError: the period was not scored yet, or the policy has changed since.
    """
    with store.connect() as connection:
        policy = law_behind(connection, office.code, policy, period)
        run_id, run = ledger.scored_run(connection, office.code, policy, period)
        members = directory(connection, office.code, period.start, period.end, office.source_order)
        names = category_names(connection, office.code)
        rows = ledger.rows(connection, office.code, policy, period)
        cases = _cases(connection, office, policy, names)
        publication = Publication(
            id=_id("scores", office.code, policy, period.id, run["digest"], run_id),
            sheets={each.id: each.label for each in policy.file.sheets},
            people=_people(policy, members, ledger.kept_standings(connection, run_id)),
            indicators=_indicators(policy, ledger.kept_indicators(connection, run_id)),
            entries=_entries(connection, office.code, policy, rows, names),
            rules=_rules(policy),
            cases={
                number: cases[number] for number in sorted({row.case_no for row in rows}) if number in cases
            },
            notices=_notices(connection, office.code, policy, period, run),
            **_frame("scores", office, policy, period),
        )
    return run_id, publication


def archive_due(store: sa.Engine, office: Office, policy: Policy, period: Period) -> Publication:
    """Return the list of cases that ought to be in the archive: every closed one that is not, whenever it closed."""
    with store.connect() as connection:
        states = _states(connection, office, policy)
    due = tuple(
        DueCase(row["case_no"], row["unit_code"], row["handler_key"], row["closed_on"])
        for row in states
        if row["due"]
    )
    content = hashlib.sha256(repr(due).encode()).hexdigest()
    return Publication(
        id=_id("archive-due", office.code, policy, "", content, 0),
        due=due,
        **_frame("archive-due", office, policy, period),
    )


def _id(kind: str, office: str, policy: Policy, period: str, content: str, run_id: int) -> str:
    told = json.dumps([kind, office, policy.id, policy.version, period, content, run_id])
    return hashlib.sha256(told.encode()).hexdigest()


def _frame(kind: PublicationKind, office: Office, policy: Policy, period: Period) -> dict[str, Any]:
    return {
        "kind": kind,
        "office": office.code,
        "office_name": office.name,
        "policy": policy.id,
        "policy_label": policy.label,
        "policy_version": policy.version,
        "period": period.id,
        "period_label": period.label,
        "start": period.start,
        "end": period.end,
        "as_of": moment(now_us()).astimezone(SHANGHAI),
    }


def _people(
    policy: Policy, members: Mapping[str, Member], rows: Sequence[Mapping[str, Any]]
) -> list[PersonScore]:
    sheets = {each.id: each.label for each in policy.file.sheets}
    order = list(sheets)
    told = []
    for row in sorted(
        rows,
        key=lambda each: (order.index(each["sheet"]), each["place"] or len(rows) + 1, each["person_key"]),
    ):
        member = members.get(row["person_key"])
        told.append(
            PersonScore(
                person_key=row["person_key"],
                name=member.name if member else row["person_key"],
                department=member.department if member else "",
                role=sheets[row["sheet"]],
                sheet=row["sheet"],
                points=row["points"],
                final=row["final"],
                provisional=row["provisional"],
                rank=row["place"] or 0,
                of=row["place_of"],
                cases=row["cases"],
                entries=row["entries"],
                grade=grade_name(policy, row["grade"]),
                note="; ".join(_notes(policy, row, changed=member is not None and member.changed)),
                state=row["state"],
                places={
                    group_name(policy, group): (place, of)
                    for group, (place, of) in json.loads(row["places"]).items()
                },
            )
        )
    return told


def _notes(policy: Policy, row: Mapping[str, Any], *, changed: bool) -> list[str]:
    """Return what a reader of a person's total must know: why there is none, why the grade, a changed post."""
    notes = [outcome_words(policy, row["state"], row["reason"]), reason_words(policy, row["grade_reason"])]
    return [each for each in notes if each] + ([text("note-posting-changed")] if changed else [])


def _indicators(policy: Policy, rows: Sequence[Mapping[str, Any]]) -> list[IndicatorValue]:
    nodes = {each.id: each for each in policy.file.indicators}
    order = list(nodes)
    ranked = sorted(rows, key=lambda row: (row["person_key"], row["sheet"], order.index(row["indicator"])))
    return [
        IndicatorValue(
            person_key=row["person_key"],
            sheet=row["sheet"],
            indicator=row["indicator"],
            label=nodes[row["indicator"]].label,
            parent=nodes[row["indicator"]].parent or "",
            points=row["points"],
            provisional=row["provisional"],
            entries=row["entries"],
            note=_indicator_note(policy, nodes[row["indicator"]], row),
            state=row["state"],
            unit=nodes[row["indicator"]].unit,
        )
        for row in ranked
    ]


def _indicator_note(policy: Policy, node: Indicator, row: Mapping[str, Any]) -> str:
    notes = [outcome_words(policy, row["state"], row["reason"])]
    notes += [text("note-assumed")] if node.assumed else []
    return "; ".join(each for each in notes if each)


def _entries(
    connection: sa.Connection,
    office: str,
    policy: Policy,
    rows: Sequence[sa.Row[Any]],
    names: Mapping[str, str],
) -> list[Entry]:
    kinds = sorted({row.item_kind for row in rows})
    places = {kind: fact_versions.locators(connection, ENTITIES[kind], office) for kind in kinds}
    reasons = {each: line_words(*each) for each in {(row.state, row.reason) for row in rows}}
    told = {each: remark(policy, *each) for each in {(row.factors, row.caps) for row in rows}}
    return [
        Entry(
            entry_id=row.entry_id,
            person_key=row.person_key,
            rule_id=row.rule_id,
            indicator=row.indicator,
            case_no=row.case_no,
            item_kind=row.item_kind,
            item_key=row.item_key,
            item_label=names.get(row.item_label, row.item_label),
            day=row.day,
            quantity=row.quantity,
            unit_points=row.unit_points,
            coefficient=row.coefficient,
            share=row.share,
            points=row.points,
            withheld=row.withheld,
            state=row.state,
            reason="; ".join(
                each for each in (reasons[row.state, row.reason], told[row.factors, row.caps]) if each
            ),
            evidence=places[row.item_kind].get(row.item_key, ""),
        )
        for row in rows
    ]


def _rules(policy: Policy) -> list[RuleText]:
    roles = {each.role: each.label for each in policy.file.sheets}
    return [
        RuleText(
            rule_id=row.id,
            label=row.label,
            indicator=row.indicator,
            sheet="、".join(roles.get(role, role) for role in row.role),
            points=int(row.points * SCALE),
            cite=row.cite,
            assumed=row.assumed,
            since=row.since,
            until=row.until,
        )
        for row in policy.points
    ]


def _cases(
    connection: sa.Connection, office: Office, policy: Policy, names: Mapping[str, str]
) -> dict[str, CaseText]:
    return {
        row["case_no"]: CaseText(
            case_no=row["case_no"],
            category=row["category"],
            category_name=names.get(row["category"], row["category"]),
            accepted_on=row["accepted_on"],
            closed_on=row["closed_on"],
            archived=row["archive_accepted_on"] is not None,
        )
        for row in _states(connection, office, policy)
    }


def _states(connection: sa.Connection, office: Office, policy: Policy) -> list[dict[str, Any]]:
    facts = read_facts(connection, office.code, only=policy.state_entities)
    rows: list[dict[str, Any]] = case_states(facts, policy, office.source_order).to_pylist()
    return rows


def _notices(
    connection: sa.Connection, office: str, policy: Policy, period: Period, run: Mapping[str, Any]
) -> list[str]:
    """Say what a reader must know before he trusts a number."""
    told = [text("notice-gate", gate=each.label) for each in policy.gates]
    if run.get("incomplete"):
        told.insert(0, text("notice-incomplete", sources="、".join(run["incomplete"])))
    closed = find_closed(connection, office, policy.id, period.id)
    if closed is not None:
        at = moment(closed.closed_at).astimezone(SHANGHAI).date()
        told.insert(0, text("notice-closed", period=period.id, at=at, receipt=closed.receipt_hash))
    elif moments.last_recorded(connection, office) > run["facts_at"]:
        told.insert(0, text("notice-newer-facts"))
    if any(row.assumed for row in policy.points):
        told.append(text("notice-assumed"))
    for reason, (count, withheld) in ledger.voids(connection, office, policy, period).items():
        told.append(text("notice-void", reason=text(f"reason-{reason}"), count=count, points=shown(withheld)))
    left = ledger.uncounted(connection, office, policy, period)
    for reason in sorted({row["reason"] for row in left}):
        rows = [row for row in left if row["reason"] == reason]
        most = "、".join(f"{row['item_label'] or row['measure']} {row['items']}" for row in rows[:5])
        items = sum(row["items"] for row in rows)
        told.append(text("notice-uncounted", reason=text(f"reason-{reason}"), count=items, most=most))
    opened = quarantine.open_count(connection, office, with_waived=True)
    if opened:
        told.append(text("notice-quarantine", count=opened))
    return told
