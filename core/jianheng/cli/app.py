"""The command group, built after the language is known so that every help page speaks it."""

from collections.abc import Callable

import click

from jianheng.cli import (
    adjustments,
    backtest,
    bundle,
    calibrate,
    catalogue,
    close,
    compare,
    config_show,
    demo,
    doctor,
    explain,
    history,
    init,
    measure,
    outbox,
    plugins,
    policy,
    publish,
    quarantine,
    reconcile,
    reproduce,
    runs,
    schedule,
    score,
    state,
    status,
    store,
    sync,
    whatif,
)
from jianheng.cli.services import check_policy, check_quarantine, check_store
from jianheng.cli.wording import dress
from jianheng.messages import text

COMMANDS: tuple[Callable[[], click.Command], ...] = (
    demo.command,
    init.command,
    lambda: doctor.command(check_store, check_policy, check_quarantine),
    sync.command,
    score.command,
    explain.command,
    publish.command,
    outbox.command,
    compare.command,
    whatif.command,
    backtest.command,
    calibrate.command,
    close.command,
    adjustments.command,
    reproduce.command,
    quarantine.command,
    reconcile.command,
    state.command,
    history.command,
    bundle.command,
    catalogue.command,
    policy.command,
    measure.command,
    plugins.command,
    config_show.command,
    schedule.command,
    status.command,
    runs.command,
    store.command,
)
"""What makes each command, one module each, in the order of the help page."""


class InOrder(click.Group):
    """A group that lists its commands as declared: in the order one needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the command names in order."""
        return list(self.commands)


def build() -> click.Group:
    """Return the whole command line in the language in force."""
    group = InOrder(
        "jianheng", help=text("cli-help-jianheng"), invoke_without_command=True, callback=_help_if_alone
    )
    for make in COMMANDS:
        group.add_command(make())
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
