"""Which gates a provisional entry has still to pass.

A line keeps only that it has not passed them all; each is asked again of the facts that were scored.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from jianheng.scoring.explanation.rule import gates_on
from jianheng.scoring.kernel.program import facts_in
from jianheng.scoring.kernel.score import open_world
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.records.scope import read_facts_of

Row = Mapping[str, Any]


def open_gates(
    connection: sa.Connection,
    office: str,
    entries: Iterable[Row],
    law_of: Callable[[Row], Policy],
    source_order: Sequence[str],
    at: int,
) -> dict[str, list[str]]:
    """Return the labels of the gates that provisional entries still have to pass, by entry.

    Where one gate alone bears on an entry it is that one, and nothing is read.

    Args:
        connection: where the facts are.
        office: whose.
        entries: ledger lines; those that are not provisional are left out.
        law_of: gives the law that an entry was made by.
        source_order: the sources, the more trusted first.
        at: the recorded moment (microseconds since 1970) whose facts were scored.
    """
    found: dict[str, list[str]] = {}
    several: dict[str, tuple[Policy, list[Row]]] = {}
    for entry in entries:
        if entry["state"] == "provisional":
            law = law_of(entry)
            gates = gates_on(law, entry["measure"])
            found[entry["entry_id"]] = [each.label for each in gates]
            if len(gates) > 1:
                several.setdefault(law.version, (law, []))[1].append(entry)
    for law, some in several.values():
        cases = {entry["case_no"] for entry in some}
        passed = _passed(connection, office, law, cases, source_order, at)
        for entry in some:
            open_ = [
                each.label
                for each in gates_on(law, entry["measure"])
                if (entry["case_no"], each.id) not in passed
            ]
            # Facts that arrived while a scoring was under way may say that all are passed: then any may be it.
            found[entry["entry_id"]] = open_ or found[entry["entry_id"]]
    return found


def _passed(
    connection: sa.Connection, office: str, law: Policy, cases: set[str], source_order: Sequence[str], at: int
) -> set[tuple[str, str]]:
    """Return which cases passed which gates, as far as was known at a recorded moment."""
    # A condition may look at linked cases; then all are read.
    wanted = None if "link" in law.uses else cases
    facts = read_facts_of(connection, office, facts_in(law), at, wanted)
    told = ", ".join(f"coalesce(({each.sql}), false)" for each in law.gates)
    with open_world(facts, law, source_order) as engine:
        rows = engine.execute(f"SELECT case_no, {told} FROM v_case t").fetchall()  # noqa: S608 checked expressions
    return {
        (case_no, gate.id)
        for case_no, *holds in rows
        if case_no in cases
        for gate, held in zip(law.gates, holds, strict=True)
        if held
    }
