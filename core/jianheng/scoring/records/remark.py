"""What the marks on a ledger line say in words: the factors that multiplied it, the caps that took of it."""

from jianheng.messages import text
from jianheng.scoring.law.points import shown
from jianheng.scoring.law.policy import Policy
from jianheng.store.tables import ADJUSTS


def remark(policy: Policy, factors: str, caps: str) -> str:
    """Return in words what multiplied an entry and what caps took of it; empty when nothing did."""
    told = []
    for each in filter(None, factors.split(";")):
        factor, _, rest = each.partition("=")
        choice, _, permille = rest.partition("*")
        told.append(f"{choice_label(policy, factor, choice)} ×{_plain(int(permille))}")
    for each in filter(None, caps.split(";")):
        cap, _, taken = each.rpartition(":")
        words = {"points": shown(int(taken))}
        if cap.endswith(".fault_cap"):
            told.append(text("note-fault", **words))
        else:
            told.append(text("note-capped", cap=cap_label(policy, cap), **words))
    return "; ".join(told)


def _plain(permille: int) -> str:
    return shown(permille).rstrip("0").rstrip(".")


def choice_label(policy: Policy, factor: str, choice: str) -> str:
    """Return what a choice of a factor is called."""
    found = (
        each.label for one in policy.factors if one.id == factor for each in one.choices if each.id == choice
    )
    return next(found, choice)


def cap_label(policy: Policy, cap: str) -> str:
    """Return what a cap is called: its own label, or the rule's with the unit of its own cap, or with its fault."""
    rule, _, unit = cap.partition(".")
    if not unit:
        return next((each.label for each in policy.file.caps if each.id == cap), cap)
    label = next((row.label for row in policy.points if row.id == rule), rule)
    return text(f"cap-{unit.removesuffix('_cap')}", rule=label)


def correction(reason: str) -> str:
    """Return in words which closed period a line corrects, and which of its lines; empty for any other line."""
    if not reason.startswith(ADJUSTS):
        return ""
    period, _, entry = reason.removeprefix(ADJUSTS).partition(":")
    return text("reason-adjusts", period=period) + (f" #{entry}" if entry else "")
