"""``jianheng config show``: the values in force and which file each comes from."""

import click

from jianheng.cli.output import print_json, print_table
from jianheng.cli.session import Session, pass_session
from jianheng.config import Deployment
from jianheng.config.faults import likely
from jianheng.config.layers import DEFAULT
from jianheng.errors import StopError
from jianheng.logs import redact_value
from jianheng.messages import text


def command() -> click.Command:
    """Return the command."""

    @click.command("show", help=text("cli-help-config-show"))
    @click.argument("key", required=False)
    @pass_session
    def show(session: Session, key: str | None) -> None:
        deployment = session.deployment
        values = _below(deployment, key)
        if session.flags.json:
            told = {
                name: {
                    "value": _shown(name, value),
                    "layer": _layer(deployment, name),
                    "file": _file(deployment, name),
                }
                for name, value in values.items()
            }
            print_json({"file": str(deployment.file), "values": told})
            return
        columns = [text(f"cli-column-{column}") for column in ("key", "value", "origin")]
        rows = [
            (name, _text(_shown(name, value)), _origin(deployment, name)) for name, value in values.items()
        ]
        print_table(columns, rows, title=str(deployment.file))

    group = click.Group("config", help=text("cli-help-config"))
    group.add_command(show)
    return group


def _below(deployment: Deployment, key: str | None) -> dict[str, object]:
    values = deployment.values()
    if not key:
        return values
    below = {name: value for name, value in values.items() if name == key or name.startswith(f"{key}.")}
    if not below:
        tables = {name.rsplit(".", each)[0] for name in values for each in range(name.count(".") + 1)}
        raise StopError(
            "config-no-such-value", file=str(deployment.file), key=key, nearest=likely(key, tables)
        )
    return below


def _shown(name: str, value: object) -> object:
    """A secret's reference is shown; everything else passes the redaction."""
    return value if ".secrets." in name else redact_value(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _layer(deployment: Deployment, name: str) -> str:
    origin = deployment.origins.get(name)
    return DEFAULT if origin is None else origin.layer


def _file(deployment: Deployment, name: str) -> str | None:
    origin = deployment.origins.get(name)
    return None if origin is None or origin.file is None else str(origin.file)


def _origin(deployment: Deployment, name: str) -> str:
    layer = _layer(deployment, name)
    return text("cli-origin-default") if layer == DEFAULT else layer
