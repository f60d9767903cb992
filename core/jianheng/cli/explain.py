"""``jianheng explain``: one person's score, opened down to the source records."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.tree import Tree

from jianheng.cli.output import console, print_json
from jianheng.cli.services import last_period_of, office_of, policy_of, store_of
from jianheng.cli.session import Session, pass_session
from jianheng.logs import redact
from jianheng.messages import text
from jianheng.scoring.explain import explain

SHOWN_PER_RULE = 3


def command() -> click.Command:
    """Return the command."""

    @click.command("explain", help=text("cli-help-explain"))
    @click.argument("person", metavar=text("cli-help-explain-person"))
    @click.option("--period", help=text("cli-help-one-period"))
    @click.option("--case", "case_no", help=text("cli-help-explain-case"))
    @click.option("--all", "everything", is_flag=True, help=text("cli-help-explain-all"))
    @pass_session
    def explain_(
        session: Session, person: str, period: str | None, case_no: str | None, everything: bool
    ) -> None:
        told = explanation(session, person, period, case_no)
        if session.flags.json:
            print_json(told)
        else:
            print_tree(told, None if everything or case_no else SHOWN_PER_RULE)

    return explain_


def explanation(
    session: Session, person: str, period: str | None = None, case_no: str | None = None
) -> dict[str, Any]:
    """Return everything behind a person's score as plain data."""
    policy, office = policy_of(session), office_of(session)
    when = last_period_of(session, period)
    store = store_of(session)
    try:
        with store.connect() as connection:
            return explain(connection, office.code, policy, when, person, office.source_order, case_no)
    finally:
        store.dispose()


def print_tree(told: Mapping[str, Any], most: int | None) -> None:
    """Print an explanation as a tree on stdout; ``most`` entries a rule, all when None."""
    for sheet in told["sheets"]:
        person = told["person"]
        head = text(
            "explain-head",
            **{name: person[name] for name in ("name", "key", "department")},
            role=sheet["label"],
            period=told["period"]["label"],
            **{name: sheet[name] for name in ("points", "final", "provisional", "place", "of", "label")},
        )
        tree = Tree(head, guide_style="dim")
        policy = told["policy"]
        version = policy["version"][:12]
        tree.add(text("explain-policy", label=policy["label"], version=version, source=policy["source"]))
        for indicator in sheet["indicators"]:
            _add_indicator(tree, indicator, most)
        _add_uncounted(tree, told["uncounted"])
        console().print(tree, soft_wrap=True)


def _add_indicator(tree: Tree, node: Mapping[str, Any], most: int | None) -> None:
    told = {name: node[name] for name in ("label", "points", "entries", "provisional")}
    branch = tree.add(text("explain-indicator", **told))
    for rule in node["rules"]:
        _add_rule(branch, rule, most)
    for child in node["children"]:
        if child["entries"]:
            _add_indicator(branch, child, most)


def _add_rule(tree: Tree, rule: Mapping[str, Any], most: int | None) -> None:
    withheld = text("explain-withheld", withheld=rule["withheld"]) if rule["withheld"] != "0.000" else ""
    told = {name: rule[name] for name in ("id", "label", "unit", "unit_points", "points", "cite")}
    branch = tree.add(text("explain-rule", **told, count=len(rule["entries"]), withheld=withheld))
    listed: Sequence[Mapping[str, Any]] = rule["entries"] if most is None else rule["entries"][:most]
    for entry in listed:
        _add_entry(branch, entry)
    if len(rule["entries"]) > len(listed):
        branch.add(text("explain-more", count=len(rule["entries"]) - len(listed)))


def _add_entry(tree: Tree, entry: Mapping[str, Any]) -> None:
    state = text(f"state-{entry['state']}")
    void = entry["state"] == "void"
    told = {name: entry[name] for name in ("day", "case_no", "item", "unit_points", "points")}
    branch = tree.add(
        redact(
            text(
                "explain-entry",
                **told,
                factor="" if entry["coefficient"] == "1.000" else f" × {entry['coefficient']}",
                share="" if entry["share"] == "1.000" else f" × {entry['share']}",
                state=state,
                reason=f": {text('reason-' + entry['reason'])}" if void else "",
            )
        )
    )
    if entry.get("parameter"):
        names = ("label", "value", "layer", "since", "cite")
        branch.add(text("explain-parameter", **{name: entry["parameter"][name] for name in names}))
    if entry["record"]:
        branch.add(text("explain-record", **entry["record"]))


def _add_uncounted(tree: Tree, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    branch = tree.add(text("explain-uncounted"))
    for row in rows:
        item = row["item"] or row["measure"]
        branch.add(
            text(
                "explain-uncounted-line",
                item=item,
                count=row["items"],
                reason=text(f"reason-{row['reason']}"),
            )
        )
