"""``jianheng plugins``: what is installed, what is in use, and why the rest is not."""

import click

from jianheng.cli.exit_codes import ExitCode
from jianheng.cli.output import print_json, print_line, print_table, problem_json
from jianheng.cli.session import Session, pass_session
from jianheng.messages import language, text
from jianheng.registry import Plugin

COLUMNS = ("id", "kind", "label", "version", "distribution", "contract", "streams", "maturity", "state")


def command() -> click.Command:
    """Return the command."""

    @click.command("plugins", help=text("cli-help-plugins"))
    @pass_session
    def plugins(session: Session) -> int:
        found = session.registry.plugins
        if session.flags.json:
            print_json({"plugins": [_json(each) for each in found]})
        else:
            print_table([text(f"cli-column-{column}") for column in COLUMNS], map(_row, found))
            _tell_reasons(found)
        return _exit_code(found)

    return plugins


def _exit_code(found: tuple[Plugin, ...]) -> int:
    # What the operator switched off, or never allowed, was not set aside by us.
    chosen = ("plugin-disabled", "plugin-not-allowed")
    aside = [each for each in found if each.notices or (each.reason and each.reason.code not in chosen)]
    return ExitCode.SET_ASIDE if aside else ExitCode.OK


def _row(plugin: Plugin) -> tuple[object, ...]:
    state = text("cli-enabled") if plugin.reason is None else plugin.reason.code
    return (
        plugin.id,
        ", ".join(text(f"cli-kind-{kind}") for kind in plugin.kinds),
        plugin.label.get(language(), ""),
        plugin.version,
        plugin.distribution,
        plugin.contract,
        _shortened(plugin.streams or plugin.publications or tuple(plugin.folders)),
        plugin.maturity,
        state,
    )


def _shortened(names: tuple[str, ...], most: int = 4) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" … +{rest}" if rest > 0 else "")


def _tell_reasons(found: tuple[Plugin, ...]) -> None:
    for plugin in found:
        for each in (*([plugin.reason] if plugin.reason else []), *plugin.notices):
            print_line(f"{plugin.id}: {each.message().as_text()}")


def _json(plugin: Plugin) -> dict[str, object]:
    return {
        "id": plugin.id,
        "kind": list(plugin.kinds),
        "label": plugin.label.get(language(), ""),
        "version": plugin.version,
        "distribution": plugin.distribution,
        "contract": plugin.contract,
        "streams": list(plugin.streams),
        "publications": list(plugin.publications),
        "policies": sorted(plugin.folders),
        "maturity": plugin.maturity,
        "enabled": plugin.enabled,
        "reason": problem_json(plugin.reason) if plugin.reason else None,
        "notices": [problem_json(each) for each in plugin.notices],
    }
