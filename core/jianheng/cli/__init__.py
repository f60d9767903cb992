"""The command line ``jianheng``: one module a command, errors in four parts, documented exit codes."""

import gc
import os
import secrets
import sys
from collections.abc import Sequence
from typing import TextIO

import click

from jianheng.cli.app import build
from jianheng.cli.exit_codes import ExitCode
from jianheng.cli.output import print_line, print_problems
from jianheng.cli.session import Session
from jianheng.cli.wording import pick_language
from jianheng.errors import JianhengError, StopError, problem
from jianheng.logs import get_log
from jianheng.messages import LANGUAGES, set_language, text

__all__ = ["ExitCode", "main"]

GC_THRESHOLD = (200_000, 20, 100)
"""A command builds millions of small values that live until it ends; looking through them for cycles as often
as Python does by default took a fifth of the time of publishing."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (:class:`jianheng.cli.exit_codes.ExitCode`).

    A command returns its exit code, or nothing when all is well.

    Args:
        argv: the words after the program's name, the process's own when not given.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    gc.set_threshold(*GC_THRESHOLD)
    for stream in (sys.stdout, sys.stderr):
        _never_fail_on(stream)
    session = Session()
    # Said before any option is parsed, so that an error in the options is JSON as well.
    as_json = "--json" in words[: words.index("--") if "--" in words else None]
    set_language(LANGUAGES[0])
    try:
        set_language(pick_language(words, os.environ))
        session.configure_logs()
        code = build().main(words, prog_name="jianheng", standalone_mode=False, obj=session)
        return int(code or ExitCode.OK)
    except (click.Abort, KeyboardInterrupt):
        print_line(text("cli-interrupted"), err=True)
        return ExitCode.INTERRUPTED
    except SystemExit as error:  # click ends so when the reader of a pipe has gone
        return error.code if isinstance(error.code, int) else ExitCode.UNEXPECTED
    except Exception as error:  # noqa: BLE001  # the last place where it can be told in words
        return _tell(error, as_json=as_json)


def _tell(error: Exception, *, as_json: bool) -> int:
    """Tell an error in words and return its exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):  # a group alone: its help is the answer
        click.echo(error.ctx.get_help() if error.ctx is not None else "")
        return ExitCode.OK
    if isinstance(error, click.ClickException):
        from jianheng.cli.usage import usage_problem

        error = usage_problem(error)
    elif isinstance(error, OSError):  # a full disk or a closed stream under what we print
        file = f" ({error.filename})" if error.filename else ""
        error = StopError("cli-output-failed", told=f"{error.strerror or type(error).__name__}{file}")
        as_json = False
    elif not isinstance(error, JianhengError):
        error = _of_store(error)
    if isinstance(error, JianhengError):
        print_problems(error.problems, as_json=as_json)
        return error.exit_code
    reference = secrets.token_hex(4)
    get_log("jianheng.cli").debug("internal error", reference=reference, exc_info=error)
    print_problems([problem("internal-error", reference=reference)], as_json=as_json)
    return ExitCode.UNEXPECTED


def _of_store(error: Exception) -> Exception:
    """Return what to tell of an error of the store; any other as it is."""
    from sqlalchemy.exc import SQLAlchemyError  # most commands that fail never touched a database

    if not isinstance(error, SQLAlchemyError):
        return error
    from jianheng.store.engine import store_error

    return store_error(error, "jianheng")


def _never_fail_on(stream: TextIO) -> None:
    """A terminal that lacks a character shows a question mark; it must not end the program."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
