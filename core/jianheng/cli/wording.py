"""The words of the command line itself: the language, the help pages, the options every command takes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from jianheng.cli.session import Session
from jianheng.errors import StopError
from jianheng.messages import LANGUAGES, Language, text

LANGUAGE_VARIABLE = "JIANHENG_LANG"


def pick_language(argv: Sequence[str], environ: Mapping[str, str]) -> Language:
    """Return the language asked for: ``--lang`` anywhere before ``--``, else the environment, else Chinese.

    Raises:
        StopError: it is no language we speak.
    """
    asked = environ.get(LANGUAGE_VARIABLE) or LANGUAGES[0]
    for position, word in enumerate(argv):
        if word == "--":
            break
        if word == "--lang":
            asked = argv[position + 1] if position + 1 < len(argv) else ""
        elif word.startswith("--lang="):
            asked = word.removeprefix("--lang=")
    if asked not in LANGUAGES:
        raise StopError("cli-bad-language", given=asked, known=", ".join(LANGUAGES))
    return asked


class Formatter(click.HelpFormatter):
    """Help pages whose headings are in the language in force."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the usage line."""
        super().write_usage(prog, args, prefix or f"{text('cli-heading-usage')} ")

    def write_heading(self, heading: str) -> None:
        """Write the heading of a section."""
        known = {"Options": "options", "Commands": "commands"}
        super().write_heading(text(f"cli-heading-{known[heading]}") if heading in known else heading)


class Context(click.Context):
    """The context whose help pages use :class:`Formatter`."""

    formatter_class = Formatter


def dress(command: click.Command) -> click.Command:
    """Give a command, and those below it, the shared options and help in the language in force."""
    command.context_class = Context
    command.add_help_option = False
    command.params.extend(_shared_options())
    if isinstance(command, click.Group):
        command.subcommand_metavar = text("cli-metavar-command")
        for each in command.commands.values():
            dress(each)
    command.options_metavar = text("cli-metavar-options")
    return command


def _shared_options() -> list[click.Parameter]:
    """Every command takes these, before or after its name; all write into the one session."""
    return [
        _option(["--config"], "config-option", lambda value: {"config": Path(value)}, metavar="PATH"),
        _option(["--json"], "json", lambda _: {"json": True}, is_flag=True),
        _option(["--verbose", "-v"], "verbose", lambda _: {"verbose": True}, is_flag=True),
        _option(["--quiet", "-q"], "quiet", lambda _: {"quiet": True}, is_flag=True),
        # Read before the commands were made; named here so that it is accepted and explained.
        _option(["--lang"], "lang", lambda _: {}, metavar="|".join(LANGUAGES)),
        click.Option(
            ["--help", "-h"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_help,
            help=text("cli-help-help"),
        ),
    ]


def _option(names: list[str], key: str, flags: Callable[[Any], dict[str, Any]], **how: Any) -> click.Option:
    def write(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value is None or value is False:
            return
        session = context.find_object(Session)
        if session is not None:
            session.flags = replace(session.flags, **flags(value))
            session.configure_logs()

    return click.Option(
        names, is_eager=True, expose_value=False, callback=write, help=text(f"cli-help-{key}"), **how
    )


def _show_help(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        click.echo(context.get_help(), color=context.color)
        context.exit()
