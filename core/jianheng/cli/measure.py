"""``jianheng measure``: is what is counted well defined, and what does it count?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from jianheng.cli.output import print_json, print_line, print_table
from jianheng.cli.services import last_period_of, office_of, policy_asked, policy_of
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import bare_store_of, store_of
from jianheng.errors import FaultsError
from jianheng.messages import text
from jianheng.rules.measure import Measure
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.measure_run import (
    Count,
    Counted,
    check_codes,
    count,
    measure_of,
    plan_of,
    site_catalogues,
)
from jianheng.scoring.records.scope import read_facts
from jianheng.store.engine import schema_state

SHOWN = 20


def command() -> click.Command:
    """Return the group."""

    @click.group("measure", help=text("cli-help-measure"))
    def measure() -> None:
        pass

    @measure.command("check", help=text("cli-help-measure-check"))
    @click.argument("pack", required=False, metavar=text("cli-help-policy-pack"))
    @click.argument("name", required=False, metavar=text("cli-help-measure-name"))
    @pass_session
    def check(session: Session, pack: str | None, name: str | None) -> None:
        _check(session, pack, name)

    @measure.command("run", help=text("cli-help-measure-run"))
    @click.argument("name", metavar=text("cli-help-measure-name"))
    @click.option("--period", help=text("cli-help-one-period"))
    @click.option("--limit", type=click.IntRange(min=0), default=SHOWN, help=text("cli-help-measure-limit"))
    @pass_session
    def run(session: Session, name: str, period: str | None, limit: int) -> None:
        _run(session, name, period, limit)

    return measure


def _check(session: Session, pack: str | None, name: str | None) -> None:
    folders = session.registry.policy_folders()
    if pack is not None and name is None and not Path(pack).is_dir() and pack not in folders:
        pack, name = None, pack  # one word that is no pack names a measure of the deployment's policy
    policy = policy_asked(session, pack)
    names = list(policy.measures) if name is None else [name]
    measures = {each: measure_of(policy, each) for each in names}
    catalogues = {} if pack is not None else _site_catalogues(session)
    problems = check_codes(policy, names, catalogues)
    if problems:
        raise FaultsError(problems)
    plans = {each: plan_of(policy, each) for each in names}
    if session.flags.json:
        told = {each: {**_definition(measures[each]), **plans[each]} for each in names}
        print_json({"policy": policy.id, "catalogues": sorted(catalogues), "measures": told})
        return
    columns = [
        text(f"measure-column-{each}") for each in ("name", "label", "grain", "date", "unit", "whom", "uses")
    ]
    print_table(
        columns,
        [
            (each, one.label, one.grain, one.date, one.unit, _whom(one), " ".join(plans[each]["uses"]))
            for each, one in measures.items()
        ],
    )
    if name is not None:
        print_line(plans[name]["sql"])
        print_line(plans[name]["plan"])
    checked = "、".join(sorted(catalogues)) or text("measure-no-catalogues")
    print_line(text("measure-good", policy=policy.id, count=len(names), catalogues=checked))


def _site_catalogues(session: Session) -> dict[str, frozenset[str]]:
    """Return the codes the site has told of; none where no store has been made yet."""
    with bare_store_of(session) as store:
        has, wanted = schema_state(store)
        if has is None or has != wanted:
            return {}
        with store.connect() as connection:
            return site_catalogues(connection, office_of(session).code)


def _whom(measure: Measure) -> str:
    return text("measure-team") if measure.team else str(measure.actor)


def _definition(measure: Measure) -> dict[str, Any]:
    told = measure.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {"label": measure.label, **told}


def _run(session: Session, name: str, asked: str | None, limit: int) -> None:
    policy, office = policy_of(session), office_of(session)
    measure_of(policy, name)
    when = last_period_of(session, policy, asked)
    with store_of(session) as store, store.connect() as connection:
        facts = read_facts(connection, office.code)
    found = count(facts, policy, name, when, office.source_order, limit)
    measure = policy.measures[name]
    if session.flags.json:
        print_json(
            {
                "policy": policy.id,
                "measure": name,
                "label": measure.label,
                "unit": measure.unit,
                "period": {"id": when.id, "start": when.start, "end": when.end},
                "items": found.items,
                "quantity": found.quantity,
                "shown": [_item_json(each) for each in found.shown],
            }
        )
    else:
        _print(policy, name, when.label, found)


def _item_json(counted: Counted) -> Mapping[str, object]:
    people = [{"key": key, "name": name} for key, name in counted.people]
    return {**counted.item, "people": people, "fact": counted.fact, "record": list(counted.record)}


def _print(policy: Policy, name: str, period: str, found: Count) -> None:
    measure = policy.measures[name]
    columns = ("day", "case", "item", "code", "quantity", "fault", "people", "fact", "record")
    rows = []
    for each in found.shown:
        item = each.item
        people = "、".join(f"{name or '—'} ({key})" for key, name in each.people)
        fact = "; ".join(f"{column} {value}" for column, value in each.fact.items() if column != "attributes")
        record = "; ".join(f"{one['source']} {one['locator']}".strip() for one in each.record)
        shown = item["item_label"] or item["item_key"]
        rows.append(
            (
                item["day"],
                item["case_no"],
                shown,
                item["code"],
                item["quantity"],
                item["fault"],
                people,
                fact,
                record,
            )
        )
    print_table([text(f"measure-column-{each}") for each in columns], rows)
    told = {"label": measure.label, "unit": measure.unit, "period": period}
    print_line(
        text("measure-total", **told, items=found.items, quantity=found.quantity, shown=len(found.shown))
    )
