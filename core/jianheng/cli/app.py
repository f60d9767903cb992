"""The command group, built after the language is known so that every help page speaks it."""

from importlib import import_module

import click

from jianheng.cli.wording import dress
from jianheng.messages import text

COMMANDS = {
    "demo": "demo",
    "init": "init",
    "doctor": "doctor",
    "adapter": "adapter",
    "sync": "sync",
    "score": "score",
    "explain": "explain",
    "publish": "publish",
    "outbox": "outbox",
    "notices": "notices",
    "compare": "compare",
    "whatif": "whatif",
    "backtest": "backtest",
    "calibrate": "calibrate",
    "close": "close",
    "adjustments": "adjustments",
    "reproduce": "reproduce",
    "quarantine": "quarantine",
    "reconcile": "reconcile",
    "state": "state",
    "history": "history",
    "bundle": "bundle",
    "catalogue": "catalogue",
    "policy": "policy",
    "measure": "measure",
    "plugins": "plugins",
    "conform": "conform",
    "new": "new",
    "config": "config_show",
    "schedule": "schedule",
    "status": "status",
    "runs": "runs",
    "store": "store",
}
"""The commands and the modules that make them, in the order of the help page."""


class Commands(click.Group):
    """The group of all commands. A command's module is imported when somebody asks for it: no command waits for others."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the command names in the order one needs them."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands by their texts alone: importing each to ask it takes longer than most commands."""
        room = formatter.width - 6 - max(map(len, COMMANDS))
        rows = [
            (name, click.Command(name, help=text(f"cli-help-{name}")).get_short_help_str(room))
            for name in COMMANDS
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, made when it is first asked for."""
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            made = import_module(f"jianheng.cli.{COMMANDS[cmd_name]}").command()
            self.add_command(dress(made), cmd_name)
        return super().get_command(ctx, cmd_name)


def build() -> click.Group:
    """Return the whole command line in the language in force."""
    group = Commands(
        "jianheng", help=text("cli-help-jianheng"), invoke_without_command=True, callback=_help_if_alone
    )
    group.params.append(_version_option())
    dress(group)
    return group


@click.pass_context
def _help_if_alone(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _version_option() -> click.Option:
    def show(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        if value:
            from importlib.metadata import version

            click.echo(f"jianheng {version('jianheng')}")
            context.exit()

    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help=text("cli-help-version"),
    )
