"""What is behind a comparison's summary: rule by rule, indicator by indicator, entry by entry."""

from collections.abc import Iterator, Mapping

from jianheng.messages import text
from jianheng.publish.block import Block, Cell, Points, points_or_none
from jianheng.publish.comparison_blocks import heads, rule_labels
from jianheng.scoring.comparison.comparison import Comparison, Shift
from jianheng.scoring.comparison.ledger_difference import Effect
from jianheng.scoring.kernel.directory import Member

_VOID = "void"


def details(comparison: Comparison, members: Mapping[str, Member]) -> list[Block]:
    """Return what each rule does to each person, and what becomes of each indicator."""
    names = {key: each.name for key, each in members.items()}
    labels = rule_labels(comparison)
    told = [
        (names.get(move.person_key, move.person_key), sheet.label, move)
        for sheet in comparison.sheets
        for move in sheet.moves
    ]
    effects = [_effect(name, sheet, effect, labels) for name, sheet, move in told for effect in move.effects]
    shifts: list[tuple[Cell, ...]] = [
        (
            name,
            sheet,
            shift.label,
            points_or_none(shift.points_a),
            points_or_none(shift.points_b),
            _moved(shift),
        )
        for name, sheet, move in told
        for shift in move.shifts
    ]
    by_rule = heads(
        "name", "sheet", "rule", "rule-id", "why", "entries", "points-a", "points-b", "difference"
    )
    by_indicator = heads("name", "sheet", "indicator", "points-a", "points-b", "difference")
    return [
        Block("effects", text("compare-effects"), by_rule, effects),
        Block("shifts", text("compare-shifts"), by_indicator, shifts),
    ]


def _effect(name: str, sheet: str, effect: Effect, labels: Mapping[str, str]) -> tuple[Cell, ...]:
    return (
        name,
        sheet,
        labels.get(effect.rule_id, effect.rule_id),
        effect.rule_id,
        why_text(effect.why),
        effect.entries,
        Points(effect.points_a),
        Points(effect.points_b),
        Points(effect.difference, signed=True),
    )


def _moved(shift: Shift) -> Points | None:
    if shift.points_a is None or shift.points_b is None:
        return None
    return Points(shift.points_b - shift.points_a, signed=True)


def entries(comparison: Comparison, members: Mapping[str, Member], items: Mapping[str, str]) -> Block:
    """Return every ledger entry that differs.

    Args:
        comparison: what is told.
        members: who is who.
        items: what items are called that are labelled by a code: the case categories.
    """
    names = {key: each.name for key, each in members.items()}
    labels = rule_labels(comparison)
    whys = {why: why_text(why) for why in comparison.lines["why"].unique().to_pylist()}
    rows: list[tuple[Cell, ...]] = [
        (
            names.get(row["person_key"], row["person_key"]),
            row["day"].isoformat(),
            labels.get(row["rule_id"], row["rule_id"]),
            row["rule_id"],
            row["case_no"],
            items.get(row["item_label"] or "", row["item_label"] or ""),
            whys[row["why"]],
            Points(row["points_a"]),
            Points(row["points_b"]),
            Points(row["points_b"] - row["points_a"], signed=True),
            "; ".join(_refusals(row)),
        )
        for row in comparison.lines.to_pylist()
    ]
    told = heads(
        "name",
        "day",
        "rule",
        "rule-id",
        "case",
        "item",
        "why",
        "points-a",
        "points-b",
        "difference",
        "remark",
    )
    return Block("entries", text("compare-entries"), told, rows)


def _refusals(row: Mapping[str, str]) -> Iterator[str]:
    for side in "ab":
        if row[f"state_{side}"] == _VOID:
            yield text(f"compare-void-{side}", reason=text(f"reason-{row[f'reason_{side}']}"))


def why_text(why: str) -> str:
    """Return in words why lines differ."""
    return "、".join(text(f"compare-why-{part}") for part in why.split(";"))
