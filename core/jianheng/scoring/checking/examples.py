"""Running a policy's worked examples: what each must give, and whether they show every threshold and every change."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from jianheng.errors import JianhengError, Problem, problem
from jianheng.messages import text
from jianheng.scoring.checking.coverage import uncovered
from jianheng.scoring.checking.example_world import (
    UNIT,
    Example,
    ExpectedEntry,
    Shown,
    facts_of,
    read_examples,
)
from jianheng.scoring.kernel.evaluation import Evaluation, evaluate
from jianheng.scoring.law.pack_files import FolderFiles
from jianheng.scoring.law.period import period
from jianheng.scoring.law.points import shown
from jianheng.scoring.law.policy import Policy


def check_examples(policy: Policy) -> tuple[int, list[Problem]]:
    """Run every example of a policy; return how many there are and everything that does not hold or is not shown.

    Whether every threshold and change is shown is asked only once all examples hold.
    """
    count = 0
    found: list[Problem] = []
    seen: list[Shown] = []
    for each in read_examples(FolderFiles(policy.folder)):
        if isinstance(each, Problem):
            found.append(each)
            continue
        count += 1
        where, example = each
        told = _run(policy, example, where)
        if isinstance(told, Shown):
            seen.append(told)
            found += _differences(policy, example, told.evaluation, where)
        else:
            found += told
    if count == 0 and not found:
        found.append(problem("example-none", policy=policy.id))
    return count, found or list(uncovered(policy, seen))


def _run(policy: Policy, example: Example, where: str) -> Shown | list[Problem]:
    facts, problems = facts_of(example, where)
    if problems:
        return problems
    try:
        window = period(example.period, policy.file.calendar)
        return Shown(window, facts, evaluate(facts, policy, window, [UNIT], again=True))
    except JianhengError as error:
        return [problem("example-stopped", where=where, told=error.problem.message().what)]


def _differences(policy: Policy, example: Example, got: Evaluation, where: str) -> Iterator[Problem]:
    lines = [line for line in got.ledger.to_pylist() if line["rule_id"] != "-"]
    for stated, states in ((example.points, ("final", "provisional")), (example.final, ("final",))):
        for person, wanted in stated.items():
            held = sum(
                line["points"] for line in lines if line["person_key"] == person and line["state"] in states
            )
            if _decimal(held) != wanted:
                fields = {"person": person, "wanted": wanted, "got": shown(held)}
                yield problem("example-differs", where=where, entries=_entries(lines, person), **fields)
    for entry in example.entries:
        if not any(_meets(entry, line) for line in lines):
            stated_entry = entry.model_dump(mode="json", exclude_none=True)
            told = _entries(lines, entry.person)
            yield problem("example-entry-missing", where=where, wanted=stated_entry, entries=told)
    yield from _other_values(policy, example, got, where)
    yield from _other_standings(policy, example, got, where)


def _other_values(policy: Policy, example: Example, got: Evaluation, where: str) -> Iterator[Problem]:
    known = {each.id for each in policy.file.indicators}
    for indicator, people in example.indicators.items():
        if indicator not in known:
            yield problem(
                "example-unknown-name", where=where, kind_name=text("policy-kind-indicator"), name=indicator
            )
            continue
        values = [each for each in got.values if each.indicator == indicator]
        for person, wanted in people.items():
            held = [each for each in values if person in (each.person_key, f"{each.person_key}/{each.sheet}")]
            if len(held) != 1:
                yield _which(where, person, [each.sheet for each in held])
                continue
            value = held[0]
            same = (
                value.points is not None and _decimal(value.points) == wanted
                if isinstance(wanted, Decimal)
                else value.state == wanted
            )
            if not same:
                told = value.state if value.points is None else shown(value.points)
                basis = "; ".join(f"{name} {number}" for name, number in value.basis)
                because = basis or value.reason or "—"
                fields = {"what": indicator, "person": person, "wanted": wanted, "got": told}
                yield problem("example-value-differs", where=where, basis=because, **fields)


def _other_standings(policy: Policy, example: Example, got: Evaluation, where: str) -> Iterator[Problem]:
    bands = {each.id for each in policy.file.grades.bands} if policy.file.grades else set()
    for what, stated in (("place", example.places), ("grade", example.grades)):
        for person, wanted in stated.items():
            held = [
                each
                for each in got.standings
                if person in (each.person_key, f"{each.person_key}/{each.sheet}")
            ]
            if what == "grade" and wanted not in {*bands, ""}:
                yield problem(
                    "example-unknown-name", where=where, kind_name=text("policy-kind-band"), name=wanted
                )
            elif len(held) != 1:
                yield _which(where, person, [each.sheet for each in held])
            elif getattr(held[0], what) != wanted:
                standing = held[0]
                total = standing.state if standing.points is None else shown(standing.points)
                because = " ".join(filter(None, (total, standing.reason, standing.grade_reason)))
                fields = {"what": what, "person": person, "wanted": wanted, "got": getattr(standing, what)}
                yield problem("example-value-differs", where=where, basis=because, **fields)


def _which(where: str, person: str, sheets: list[str]) -> Problem:
    told = "、".join(f"{person}/{sheet}" for sheet in sheets) or "—"
    return problem("example-which-sheet", where=where, person=person, sheets=told)


def _decimal(points: int) -> Decimal:
    """Return 0.001 points as a decimal to compare with; whatever an example states, comparing is exact and safe."""
    return Decimal(points).scaleb(-3)


def _meets(entry: ExpectedEntry, line: Mapping[str, Any]) -> bool:
    if (line["person_key"], line["rule_id"]) != (entry.person, entry.rule):
        return False
    numbers = ((entry.points, line["points"]), (entry.withheld, line["withheld"]))
    if any(wanted is not None and wanted != _decimal(got) for wanted, got in numbers):
        return False
    texts = ((entry.state, line["state"]), (entry.reason, line["reason"]))
    return all(wanted is None or wanted == got for wanted, got in texts)


def _entries(lines: list[dict[str, Any]], person: str) -> str:
    return "; ".join(_told(line) for line in lines if line["person_key"] == person) or "—"


def _told(line: Mapping[str, Any]) -> str:
    reason = f" ({line['reason']})" if line["reason"] else ""
    return f"{line['rule_id']} {shown(line['points'])} {line['state']}{reason}"
