"""How commands print: tables for people, JSON for scripts, problems in four parts."""

import errno
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jianheng.errors import Problem, StopError
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


def check_place(file: Path | None) -> None:
    """Refuse a file that cannot be written where it is to stand, before anything is done for it.

    Raises:
        StopError: it is a folder, or its folder is not there or takes no files.
    """
    if file is None:
        return
    if not file.name or file.is_dir():
        raise _unwritable(file, errno.EISDIR)
    if not file.parent.is_dir():
        raise _unwritable(file, errno.ENOENT)
    if not os.access(file.parent, os.W_OK):
        raise _unwritable(file, errno.EACCES)


def write_whole(file: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        StopError: it cannot be written.
    """
    check_place(file)
    draft = file.with_name(f".{file.name}.tmp")
    try:
        draft.write_bytes(content)
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise unwritable(file, error) from None


def write_secret(file: Path, secret: str) -> None:
    """Write a secret into a new file that only its owner can read.

    Raises:
        OSError: it cannot be written, or there is a file already.
    """
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "w", encoding="ascii") as made:
        made.write(secret + "\n")


def unwritable(file: Path, error: OSError) -> StopError:
    """Return why a file cannot be written, with its path."""
    told = error.strerror or type(error).__name__
    return StopError("cli-file-unwritable", file=str(error.filename or file), told=told)


def _unwritable(file: Path, number: int) -> StopError:
    return unwritable(file, OSError(number, os.strerror(number)))
