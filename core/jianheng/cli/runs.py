"""``jianheng runs``: what ran, how it ended, what it counted."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from jianheng.cli.output import print_json, print_table
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import store_of
from jianheng.messages import codes, text
from jianheng.schedule import slots
from jianheng.schedule.run_history import Run, read_runs
from jianheng.schedule.slots import BASELINE, Slot
from jianheng.schedule.status import alive_now, state_now
from jianheng.store.engine import told_time
from jianheng.store.leases import shown


def command() -> click.Command:
    """Return the command."""

    @click.command("runs", help=text("cli-help-runs"))
    @click.option("--kind", default=None, help=text("cli-help-runs-kind"))
    @click.option("--subject", default=None, help=text("cli-help-runs-subject"))
    @click.option("--limit", type=click.IntRange(1, 10_000), default=20, help=text("cli-help-runs-limit"))
    @click.option("--jobs", is_flag=True, help=text("cli-help-runs-jobs"))
    @pass_session
    def runs(session: Session, kind: str | None, subject: str | None, limit: int, jobs: bool) -> None:
        office = session.deployment.office.code
        with store_of(session) as store, store.connect() as connection:
            if jobs:
                turns = slots.recent(connection, office, subject, limit)
                alive = alive_now(connection)
                told = [replace(each, state=state_now(each, alive)) for each in turns]
                _tell_slots(session, [each for each in told if each.state != BASELINE])
            else:
                _tell_runs(session, read_runs(connection, office, kind, subject, limit))

    return runs


def _tell_runs(session: Session, found: list[Run]) -> None:
    if session.flags.json:
        print_json({"runs": [_json(each) for each in found]})
        return
    columns = ("run", "kind", "subject", "started", "seconds", "state", "counts")
    rows = [
        (
            each.run_id,
            each.kind,
            each.subject,
            told_time(each.started_at),
            _seconds(each.started_at, each.finished_at),
            run_word(each.state),
            counts_told(each.counts),
        )
        for each in found
    ]
    print_table([text(f"cli-column-{each}") for each in columns], rows)


def _tell_slots(session: Session, found: list[Slot]) -> None:
    if session.flags.json:
        print_json({"slots": [_slot_json(each) for each in found]})
        return
    columns = ("job", "slot", "started", "seconds", "state", "holder", "reason")
    rows = [
        (
            each.job,
            told_time(each.slot_at),
            told_time(each.started_at),
            _seconds(each.started_at, each.finished_at),
            text(f"cli-slot-{each.state}"),
            shown(each.holder),
            _why(each.detail),
        )
        for each in found
    ]
    print_table([text(f"cli-column-{each}") for each in columns], rows)


def _why(detail: Mapping[str, Any]) -> str:
    """Return what went wrong last, or why the slot did not run, or what it counted."""
    attempts = detail.get("attempts", ())
    codes = [each["code"] for each in attempts[-1].get("problems", ())] if attempts else []
    why = [text(f"cli-why-{detail['why']}")] if "why" in detail else []
    missed = [text("cli-why-passed", count=detail["missed"])] if "missed" in detail else []
    tries = [text("cli-why-attempts", count=len(attempts))] if len(attempts) > 1 else []
    return "; ".join([*why, *missed, *tries, *dict.fromkeys(codes)]) or counts_told(detail.get("counts", {}))


def counts_told(counts: Mapping[str, Any]) -> str:
    """Return counts in one line, those of a period behind its name; what is 0 is left out."""
    told = [f"{name}={value}" for name, value in counts.items() if isinstance(value, int) and value]
    told += [f"{name}: {counts_told(each)}" for name, each in counts.items() if isinstance(each, Mapping)]
    return " ".join(told)


def run_word(state: str) -> str:
    """Return a run's state in words; one of a plugin's own as it is."""
    return text(f"cli-run-{state}") if f"cli-run-{state}" in codes() else state


def _seconds(begun: int, ended: int | None) -> str:
    return "" if ended is None else f"{(ended - begun) / 1_000_000:.1f}"


def _json(run: Run) -> dict[str, object]:
    return {
        "run": run.run_id,
        "kind": run.kind,
        "subject": run.subject,
        "started_at": told_time(run.started_at),
        "finished_at": None if run.finished_at is None else told_time(run.finished_at),
        "state": run.state,
        "counts": dict(run.counts),
    }


def _slot_json(slot: Slot) -> dict[str, object]:
    return {
        "job": slot.job,
        "slot": told_time(slot.slot_at),
        "started_at": told_time(slot.started_at),
        "finished_at": None if slot.finished_at is None else told_time(slot.finished_at),
        "state": slot.state,
        "holder": shown(slot.holder),
        "detail": dict(slot.detail),
    }
