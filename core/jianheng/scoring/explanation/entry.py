"""One entry: quantity times points times factors times share, what each cap took, and why it does not count yet or at all."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from jianheng.facts.entities import ENTITIES
from jianheng.messages import text
from jianheng.scoring.explanation.rule import RULE_CAPS, row_on, rows_of
from jianheng.scoring.explanation.words import corrected_period, line_words, number_told, span_words
from jianheng.scoring.law.pack_rows import PointsRow
from jianheng.scoring.law.points import SCALE, shown
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.records.remark import cap_label
from jianheng.store.tables import NO_RULE

SHORT_ID = 8
"""How much of an entry's number is shown to people; the command takes any beginning of it."""


def entry_told(
    policy: Policy,
    entry: Mapping[str, Any],
    rows: Sequence[PointsRow],
    names: Mapping[str, str],
    open_gates: Sequence[str] = (),
) -> dict[str, Any]:
    """Return everything about one ledger line but its fact.

    Args:
        policy: the law that was applied: to a line that corrects a closed period, the one it was closed by.
        entry: the line.
        rows: the rows of its rule; none where no rule speaks of it.
        names: the names of case categories.
        open_gates: the labels of the gates it has still to pass.
    """
    label = entry["item_label"]
    day: dt.date = entry["day"]
    told: dict[str, Any] = {
        "id": entry["entry_id"],
        "day": str(day),
        "case_no": entry["case_no"],
        "item": names.get(label, label) or entry["item_key"],
        "item_kind": entry["item_kind"],
        "item_kind_label": ENTITIES[entry["item_kind"]].label,
        "item_key": entry["item_key"],
        "measure": entry["measure"],
        "quantity": entry["quantity"],
        "unit_points": shown(entry["unit_points"]),
        "coefficient": shown(entry["coefficient"]),
        "share": shown(entry["share"]),
        "due": shown(entry["points"] + entry["withheld"]),
        "points": shown(entry["points"]),
        "withheld": shown(entry["withheld"]),
        "state": entry["state"],
        "state_label": text(f"state-{entry['state']}"),
        "reason": entry["reason"],
        "reason_text": line_words(entry["state"], entry["reason"]),
        "corrects": corrected_period(entry["reason"]),
        "factors": _factors(policy, entry["factors"], day),
        "caps": _caps(policy, entry["caps"], day),
        "until_gates": list(open_gates),
    }
    if rows:
        told["row"] = row_on(rows, day)
        told["span"] = span_words(rows[told["row"]].since, rows[told["row"]].until)
    told["calculation"] = _calculation(entry, told)
    return told


def _calculation(entry: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """Return what an entry was worth: the share, which is rounded for reading, stands beside the product.

    A line that corrects a closed period is a difference, and not worked out by itself.
    """
    if entry["rule_id"] == NO_RULE:
        return shown(0)
    if told["corrects"] is not None:
        return f"{'+' if entry['points'] > 0 else ''}{told['points']}"
    parts = [str(entry["quantity"])] if entry["quantity"] != 1 else []
    parts += [told["unit_points"], *(each["value"] for each in told["factors"])]
    share = text("explain-entry-share", share=_percent(entry["share"])) if entry["share"] != SCALE else ""
    line = f"{' × '.join(parts)}{share}"
    if line != told["due"]:
        line += f" = {told['due']}"
    if entry["withheld"] == 0:
        return line
    taken = "".join(f" - {each['taken']}" for each in told["caps"])
    return f"{line}{taken} → {told['points']}"


def _percent(permille: int) -> str:
    return f"{shown(permille * 100).rstrip('0').rstrip('.')}%"


def _factors(policy: Policy, factors: str, day: dt.date) -> list[dict[str, Any]]:
    """Return what multiplied an entry: the factor, the choice that held, the number and the parameter it is."""
    found = []
    for each in filter(None, factors.split(";")):
        name, _, rest = each.partition("=")
        chosen, _, permille = rest.partition("*")
        factor = next(one for one in policy.file.factors if one.id == name)
        choice = next(one for one in factor.choices if one.id == chosen)
        number = number_told(policy, choice.value, day)
        found.append(
            {
                "id": name,
                "label": factor.label,
                "choice": choice.label,
                "value": shown(int(permille)).rstrip("0").rstrip("."),
                "when": choice.when,
                "declared": choice.declared,
                "cite": choice.cite or factor.cite,
                **({"parameter": number["parameter"]} if "parameter" in number else {}),
            }
        )
    return found


def _caps(policy: Policy, caps: str, day: dt.date) -> list[dict[str, Any]]:
    """Return which caps took how much of an entry, and the limit of each on its day."""
    found = []
    for each in filter(None, caps.split(";")):
        name, _, taken = each.rpartition(":")
        told = {"id": name, "label": cap_label(policy, name), "taken": shown(int(taken))}
        found.append(told | _limit(policy, name, day))
    return found


def _limit(policy: Policy, cap: str, day: dt.date) -> dict[str, Any]:
    rule, _, own = cap.partition(".")
    if own == "fault_cap":  # no number of the law: what was counted before for the same fault
        return {"value": None}
    if own in RULE_CAPS:
        rows = rows_of(policy, rule)
        return number_told(policy, getattr(rows[row_on(rows, day)], own), day)
    return number_told(policy, next(each.limit for each in policy.file.caps if each.id == cap), day)
