"""What was typed wrongly, told in our words instead of click's."""

import click

from jianheng.config.faults import likely
from jianheng.errors import StopError
from jianheng.messages import text

EXTRA = "unexpected extra argument"
"""Click tells this one by its words only; with other words it is still told, less well."""


def usage_problem(error: click.ClickException) -> StopError:
    """Return the coded error for a mistake on the command line."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context is not None else "jianheng"
    if isinstance(error, click.NoSuchOption | click.exceptions.NoSuchCommand):
        return _unknown(error, command)
    if isinstance(error, click.MissingParameter):
        return StopError("cli-missing", command=command, parameter=parameter_name(error.param))
    if isinstance(error, click.BadOptionUsage):
        return StopError("cli-option-value", command=command, option=error.option_name)
    if isinstance(error, click.BadParameter):
        return StopError(
            "cli-bad-value", command=command, parameter=parameter_name(error.param), wanted=_wanted(error)
        )
    if context is not None and EXTRA in error.format_message():
        return StopError(
            "cli-extra-arguments", command=command, given=error.format_message().partition("(")[2][:-1]
        )
    return StopError("cli-usage", command=command, detail=error.format_message())


def _unknown(error: click.NoSuchOption | click.exceptions.NoSuchCommand, command: str) -> StopError:
    if isinstance(error, click.NoSuchOption):
        near = likely(error.option_name, _options(error.ctx))
        return StopError("cli-unknown-option", command=command, option=error.option_name, nearest=near)
    group = error.ctx.command if error.ctx is not None else None
    names = sorted(group.list_commands(error.ctx)) if error.ctx and isinstance(group, click.Group) else []
    near = likely(error.command_name, names)
    return StopError("cli-unknown-command", command=command, name=error.command_name, nearest=near)


def _options(context: click.Context | None) -> list[str]:
    if context is None:
        return []
    return [name for each in context.command.params for name in (*each.opts, *each.secondary_opts)]


def parameter_name(parameter: click.Parameter | None) -> str:
    """Return what a parameter is called on the command line."""
    if parameter is None:
        return "—"
    if isinstance(parameter, click.Option):
        return " / ".join(parameter.opts)
    return parameter.make_metavar(click.Context(click.Command("jianheng")))


def _wanted(error: click.BadParameter) -> str:
    kind = error.param.type if error.param is not None else None
    if isinstance(kind, click.Choice):
        return ", ".join(str(choice) for choice in kind.choices)
    if isinstance(kind, click.DateTime):
        return ", ".join(_day_form(each) for each in kind.formats)
    if isinstance(kind, click.types.IntParamType):
        return text("config-type-integer")
    return error.message


def _day_form(given: str) -> str:
    """Return a form of days and times as people write it: ``YYYY-MM-DD``."""
    for mark, letters in {
        "%Y": "YYYY",
        "%m": "MM",
        "%d": "DD",
        "%H": "hh",
        "%M": "mm",
        "%S": "ss",
        "%f": "ffffff",
    }.items():
        given = given.replace(mark, letters)
    return given
