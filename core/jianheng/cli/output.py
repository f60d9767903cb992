"""How commands print: tables for people, JSON for scripts, problems in four parts."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jianheng.errors import Problem
from jianheng.logs import redact

PIPED_WIDTH = 200
"""Columns when nobody's terminal sets the width: wide enough that lines stay whole for grep."""


def console(*, stderr: bool = False) -> Console:
    """Return a console on stdout or stderr as it is now; no colours or wrapping when piped."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(file=stream, width=width, highlight=False, emoji=False, markup=False, soft_wrap=False)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print rows under headings on stdout."""
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else redact(str(cell))) for cell in row))
    console().print(table)


def print_json(payload: Mapping[str, object], *, ok: bool = True) -> None:
    """Print one JSON document on stdout, ``ok`` first."""
    told = json.dumps({"ok": ok, **payload}, ensure_ascii=False, indent=2, default=str)
    click.echo(told)


def print_line(line: str, *, err: bool = False) -> None:
    """Print one line of text without anything secret in it."""
    click.echo(redact(line), err=err)


def problem_json(problem: Problem) -> dict[str, str]:
    """Return a problem's parts by name, without anything secret in them."""
    return {part: redact(told) for part, told in problem.message().as_json().items()}


def print_problems(problems: Iterable[Problem], *, as_json: bool) -> None:
    """Tell problems in four parts: on stderr for people, as one JSON document on stdout for scripts.

    Scripts that asked for JSON read one stream and find ``ok`` in it either way.
    """
    if as_json:
        print_json({"errors": [problem_json(each) for each in problems]}, ok=False)
        return
    for each in problems:
        print_line(each.message().as_text(), err=True)
