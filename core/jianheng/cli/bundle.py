"""``jianheng bundle``: facts over a network that is not connected, as signed files on a medium."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import sqlalchemy as sa
from rich.progress import TaskID

from jianheng.cli.login import login
from jianheng.cli.output import print_json, print_line, print_table, unwritable, write_secret
from jianheng.cli.services import last_period_of, policy_of
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import store_of
from jianheng.config import resolve_secrets
from jianheng.errors import StopError
from jianheng.facts.time import SHANGHAI
from jianheng.messages import text
from jianheng.scoring.records.closed_periods import find_closed
from jianheng.store import audit
from jianheng.store.engine import told_time, writing
from jianheng.sync.bundle_chain import links
from jianheng.sync.bundle_export import Progress, export_bundle
from jianheng.sync.bundle_import import Imported, import_bundles
from jianheng.sync.bundle_manifest import Manifest, signing_key
from jianheng.sync.bundle_seal import new_opening_key, opening_keys
from jianheng.trust.keys import new_key


def command() -> click.Command:
    """Return the group."""

    @click.group("bundle", help=text("cli-help-bundle"))
    def bundle() -> None:
        pass

    for make in (_keygen, _export, _import, _list):
        bundle.add_command(make())
    return bundle


@contextmanager
def _store(session: Session) -> Iterator[tuple[sa.Engine, str]]:
    with store_of(session) as store:
        yield store, session.deployment.office.code


@contextmanager
def _progress(session: Session) -> Iterator[Progress]:
    with session.progress() as bars:
        tasks: list[TaskID] = []

        def tell(part: str, rows: int) -> None:
            if not tasks:
                tasks.append(bars.add_task(part, total=None))
            bars.update(tasks[0], description=part, advance=rows)

        yield tell


def _keygen() -> click.Command:
    @click.command("keygen", help=text("cli-help-bundle-keygen"))
    @click.argument("file", type=click.Path(path_type=Path), metavar=text("cli-help-bundle-file"))
    @click.option("--opening", is_flag=True, help=text("cli-help-bundle-opening"))
    @pass_session
    def keygen(session: Session, file: Path, opening: bool) -> None:
        secret, public = new_opening_key() if opening else new_key()
        try:
            write_secret(file, secret)
        except OSError as error:
            raise unwritable(file, error) from None
        if session.flags.json:
            print_json({"file": str(file), "public_key": public})
        else:
            told = "cli-bundle-opening-key" if opening else "cli-bundle-key"
            print_line(text(told, file=file, key=public))

    return keygen


def _export() -> click.Command:
    @click.command("export", help=text("cli-help-bundle-export"))
    @click.argument("folder", type=click.Path(path_type=Path), metavar=text("cli-help-bundle-folder"))
    @click.option(
        "--since",
        type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
        help=text("cli-help-bundle-since"),
    )
    @click.option("--period", help=text("cli-help-bundle-period"))
    @click.option("--by", default=login, help=text("cli-help-bundle-by"))
    @pass_session
    def export(
        session: Session, folder: Path, since: dt.datetime | None, period: str | None, by: str
    ) -> None:
        deployment = session.deployment
        if deployment.bundle.signing_key is None:
            raise StopError("bundle-no-key", file=str(deployment.file))
        found = resolve_secrets(deployment, under="bundle.signing_key", environ=session.environ)
        key = signing_key(found["bundle.signing_key"].reveal())
        with _store(session) as (store, office), _progress(session) as progress:
            until = None if period is None else _end_of(session, store, period)
            begin = None if since is None else _us(since)
            sources = tuple(deployment.sources)
            made = export_bundle(
                store,
                office,
                sources,
                folder,
                key,
                since=begin,
                until=until,
                recipients=deployment.bundle.recipients,
                progress=progress,
            )
            if made is not None:
                _record(store, office, by, "bundle-export", made.manifest, [made.manifest.number])
        if made is None:
            if session.flags.json:
                print_json({"bundle": None})
            else:
                print_line(text("cli-bundle-nothing"))
            return
        manifest = made.manifest
        told = {
            "folder": str(made.folder),
            "chain": manifest.chain[:8],
            "number": manifest.number,
            "rows": sum(part.rows for part in manifest.parts if part.kind == "facts"),
            "parts": len(manifest.parts),
            "bytes": sum(part.packed for part in manifest.parts),
            "facts_from": _at(manifest.facts_from),
            "facts_to": _at(manifest.facts_to),
        }
        if session.flags.json:
            print_json({"bundle": {**told, "resumed": made.resumed}})
        else:
            print_line(text("cli-bundle-exported", **told))

    return export


def _record(
    store: sa.Engine, office: str, by: str, action: str, manifest: Manifest, numbers: list[int]
) -> None:
    with writing(store) as connection:
        audit.record(connection, office, by, action, manifest.chain, {"numbers": numbers})


def _end_of(session: Session, store: sa.Engine, name: str) -> int:
    """Return the last recorded moment of a period: when it was closed on, else its end."""
    policy = policy_of(session)
    period = last_period_of(session, policy, name)
    with store.connect() as connection:
        closed = find_closed(connection, session.deployment.office.code, policy.id, period.id)
    if closed is not None:
        return closed.facts_at
    return _us(dt.datetime.combine(period.end, dt.time())) - 1


def _us(wall: dt.datetime) -> int:
    """Return wall time in Shanghai as a recorded moment."""
    return int(wall.replace(tzinfo=SHANGHAI).timestamp()) * 1_000_000


def _at(us: int) -> str:
    """Return a recorded moment in wall time; nothing for the beginning of all."""
    return told_time(us) if us else "—"


def _import() -> click.Command:
    @click.command("import", help=text("cli-help-bundle-import"))
    @click.argument("folder", type=click.Path(path_type=Path), metavar=text("cli-help-bundle-folder"))
    @click.option("--by", default=login, help=text("cli-help-bundle-by"))
    @pass_session
    def import_(session: Session, folder: Path, by: str) -> None:
        trusted = session.deployment.bundle.trusted_keys
        opening = resolve_secrets(session.deployment, under="bundle.opening_keys", environ=session.environ)
        keys = opening_keys(each.reveal() for each in opening.values())
        with _store(session) as (store, office):
            with _progress(session) as progress:
                done = import_bundles(store, office, folder, trusted, progress, keys)
            taken = [each.manifest.number for each in done if each.outcome == "taken"]
            if taken:
                _record(store, office, by, "bundle-import", done[0].manifest, taken)
        if session.flags.json:
            print_json({"bundles": [_told(each) for each in done]})
            return
        for each in done:
            print_line(text(f"cli-bundle-{each.outcome}", **_told(each)))

    return import_


def _told(done: Imported) -> dict[str, object]:
    return {
        "folder": str(done.folder),
        "chain": done.manifest.chain[:8],
        "number": done.manifest.number,
        "outcome": done.outcome,
        "rows": done.rows,
        "facts_to": _at(done.manifest.facts_to),
    }


def _list() -> click.Command:
    @click.command("list", help=text("cli-help-bundle-list"))
    @pass_session
    def list_(session: Session) -> None:
        with _store(session) as (store, office), store.connect() as connection:
            found = links(connection, office)
        rows = [
            {
                "direction": each.direction,
                "chain": each.chain[:8],
                "number": each.number,
                "facts_from": _at(each.facts_from),
                "facts_to": _at(each.facts_to),
                "at": _at(each.at),
                "manifest": each.manifest_hash,
            }
            for each in found
        ]
        if session.flags.json:
            print_json({"bundles": rows})
        elif rows:
            names = ("direction", "chain", "number", "facts_from", "facts_to", "at")
            heads = [text(f"cli-bundle-column-{name.replace('_', '-')}") for name in names]
            cells = [
                [text(f"cli-bundle-{each['direction']}"), *(each[name] for name in names[1:])]
                for each in rows
            ]
            print_table(heads, cells)
        else:
            print_line(text("cli-bundle-none"))

    return list_
