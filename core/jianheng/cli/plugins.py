"""``jianheng plugins``: what is installed, what is in use, and why the rest is not."""

import click

from jianheng.cli.exit_codes import ExitCode
from jianheng.cli.output import print_json, print_line, print_table, problem_json
from jianheng.cli.plugin_bundles import install, keygen, pack, remove, verify
from jianheng.cli.session import Session, pass_session
from jianheng.conformance.result import standing
from jianheng.isolation.limits import GUARDS
from jianheng.messages import language, text
from jianheng.registry import Plugin
from jianheng.registry.served import TELLING

COLUMNS = (
    "id",
    "kind",
    "label",
    "version",
    "distribution",
    "contract",
    "streams",
    "maturity",
    "tested",
    "isolation",
    "signature",
    "state",
)


def command() -> click.Command:
    """Return the group, which lists when it is called alone."""

    @click.group("plugins", help=text("cli-help-plugins"), invoke_without_command=True)
    @click.pass_context
    @pass_session
    def plugins(session: Session, context: click.Context) -> int:
        if context.invoked_subcommand is not None:
            return ExitCode.OK
        session.examines = True
        found = session.registry.plugins
        if session.flags.json:
            print_json({"plugins": [_json(each) for each in found]})
        else:
            print_table([text(f"cli-column-{column}") for column in COLUMNS], map(_row, found))
            _tell_reasons(found)
        return _exit_code(found)

    for make in (keygen, pack, verify, install, remove):
        plugins.add_command(make())
    return plugins


def _exit_code(found: tuple[Plugin, ...]) -> int:
    # What the operator switched off, or never allowed, was not set aside by us.
    chosen = ("plugin-disabled", "plugin-not-allowed")
    told = [problem for each in found for problem in (each.reason, *each.notices) if problem is not None]
    aside = [each for each in told if each.code not in (*chosen, *TELLING)]
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
        standing(plugin.origin).shown(),
        _isolation(plugin),
        text(f"cli-signature-{plugin.signature}", publisher=plugin.publisher).strip(),
        state,
    )


def _isolation(plugin: Plugin) -> str:
    """Return where its code runs, and which guards this machine lacks for that."""
    lacking = [each for each in GUARDS if each not in plugin.guards] if plugin.guards else []
    told = text(f"cli-isolation-{plugin.isolation}")
    return text("cli-isolation-lacking", where=told, guards=", ".join(lacking)) if lacking else told


def _shortened(names: tuple[str, ...], most: int = 4) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" … +{rest}" if rest > 0 else "")


def _tell_reasons(found: tuple[Plugin, ...]) -> None:
    for plugin in found:
        for each in (*([plugin.reason] if plugin.reason else []), *plugin.notices):
            print_line(f"{plugin.id}: {each.message().as_text()}")


def _json(plugin: Plugin) -> dict[str, object]:
    tested = standing(plugin.origin)
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
        "tested": {"tier": tested.tier, "state": tested.state, "exemptions": tested.exemptions},
        "isolation": plugin.isolation,
        "guards": list(plugin.guards),
        "signature": plugin.signature,
        "publisher": plugin.publisher,
        "enabled": plugin.enabled,
        "reason": problem_json(plugin.reason) if plugin.reason else None,
        "notices": [problem_json(each) for each in plugin.notices],
    }
