"""The command line: create, serve, pass-time, misbehave, mend."""

import json
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from jianheng_simulator import mischief, simulation
from jianheng_simulator.archive_service import make_archive_server
from jianheng_simulator.workbook import DROP_FAULT, DUPLICATE_FAULT, SHIFT_FAULT, TEXT_DATE_FAULT
from jianheng_simulator.world import World

_FOLDER = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where the systems live.",
)
_DAY = click.DateTime(["%Y-%m-%d"])


def _say(summary: dict[str, Any]) -> None:
    click.echo(json.dumps(summary, ensure_ascii=False))


def _do(work: Callable[..., dict[str, Any]], *values: object) -> None:
    """Do a piece of work and say what came of it; what the caller can mend is told without a traceback."""
    try:
        _say(work(*values))
    except FileNotFoundError as error:
        message = f"no simulation in this folder ({error.filename} is missing): run create first"
        raise click.ClickException(message) from error
    except (ValueError, DBAPIError) as error:
        raise click.ClickException(str(error)) from error


@click.group()
def main() -> None:
    """Simulate the upstream systems of a procuratorate with synthetic people and cases."""


@main.command()
@_FOLDER
@click.option("--database", default="", help="SQLAlchemy URL; a SQLite file in the folder by default.")
@click.option("--seed", default=20240101, show_default=True)
@click.option("--offices", default=1, show_default=True)
@click.option("--people", default=60, show_default=True, help="People an office.")
@click.option("--cases", default=6000, show_default=True, help="Cases an office, about.")
@click.option("--from", "first", type=_DAY, default="2024-01-01", show_default=True)
@click.option("--until", "last", type=_DAY, default="2025-12-31", show_default=True)
def create(
    folder: Path,
    database: str,
    seed: int,
    offices: int,
    people: int,
    cases: int,
    first: datetime,
    last: datetime,
) -> None:
    """Make all three systems anew."""
    if last <= first:
        raise click.BadParameter("--until must lie after --from")
    world = World(
        seed=seed,
        offices=offices,
        people=people,
        cases=cases,
        first=first.date(),
        last=last.date(),
        today=last.date(),
        database=database,
    )
    _do(simulation.create, folder, world)


@main.command()
@_FOLDER
@click.option("--port", default=0, help="0 picks a free one.")
def serve(folder: Path, port: int) -> None:
    """Serve the archive on the loopback interface until told to stop."""
    server = make_archive_server(folder, port)

    def stop(_signal: int, _frame: object) -> None:
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    _say({"archive_url": f"http://127.0.0.1:{server.server_port}"})
    try:
        server.serve_forever()
    finally:
        server.server_close()


@main.command("pass-time")
@_FOLDER
@click.option("--days", type=click.IntRange(min=1), required=True)
def pass_time(folder: Path, days: int) -> None:
    """Let days pass in all three systems."""
    _do(simulation.pass_time, folder, days)


@main.command()
@_FOLDER
def mend(folder: Path) -> None:
    """Put right what was broken in database and workbook."""
    _do(mischief.mend, folder)


@main.group()
@_FOLDER
@click.pass_context
def misbehave(context: click.Context, folder: Path) -> None:
    """Break the database or the workbook in one known way."""
    context.obj = folder


@misbehave.command("late-commit")
@click.option("--rows", default=5, show_default=True)
@click.option("--minutes", default=90, show_default=True)
@click.pass_obj
def late_commit(folder: Path, rows: int, minutes: int) -> None:
    """Insert rows that changed before the newest one."""
    _do(mischief.commit_late, folder, rows, minutes)


@misbehave.command("malformed-rows")
@click.pass_obj
def malformed_rows(folder: Path) -> None:
    """Insert rows no reader should accept."""
    _do(mischief.add_malformed_rows, folder)


@misbehave.command("rename-column")
@click.argument("table")
@click.argument("column")
@click.argument("new")
@click.pass_obj
def rename_column(folder: Path, table: str, column: str, new: str) -> None:
    """Rename a column."""
    _do(mischief.rename_column, folder, table, column, new)


@misbehave.command("drop-table")
@click.argument("table")
@click.pass_obj
def drop_table(folder: Path, table: str) -> None:
    """Drop a table."""
    _do(mischief.drop_table, folder, table)


@misbehave.command("empty")
@click.argument("table")
@click.pass_obj
def empty(folder: Path, table: str) -> None:
    """Delete all rows of a table."""
    _do(mischief.empty_table, folder, table)


@misbehave.command("duplicate-rows")
@click.argument("table", default="YX_WS_SL")
@click.option("--rows", default=5, show_default=True)
@click.pass_obj
def duplicate_rows(folder: Path, table: str, rows: int) -> None:
    """Insert rows once more."""
    _do(mischief.duplicate_rows, folder, table, rows)


@misbehave.command("workbook-shift")
@click.pass_obj
def workbook_shift(folder: Path) -> None:
    """Put a title row above the header of each sheet."""
    _do(simulation.break_workbook, folder, SHIFT_FAULT)


@misbehave.command("workbook-drop-column")
@click.argument("name")
@click.pass_obj
def workbook_drop_column(folder: Path, name: str) -> None:
    """Leave a column out of every sheet that has it."""
    _do(simulation.break_workbook, folder, DROP_FAULT + name)


@misbehave.command("workbook-text-date")
@click.pass_obj
def workbook_text_date(folder: Path) -> None:
    """Write text where a date belongs."""
    _do(simulation.break_workbook, folder, TEXT_DATE_FAULT)


@misbehave.command("workbook-duplicate-key")
@click.pass_obj
def workbook_duplicate_key(folder: Path) -> None:
    """Repeat the first row of each sheet."""
    _do(simulation.break_workbook, folder, DUPLICATE_FAULT)
