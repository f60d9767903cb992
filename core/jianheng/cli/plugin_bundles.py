"""``jianheng plugins`` keygen, pack, verify, install, remove: signed bundles of plugins, offline."""

import datetime as dt
from pathlib import Path

import click
from packaging.utils import canonicalize_name

from jianheng.cli.output import print_json, print_line, unwritable, write_secret
from jianheng.cli.session import Session, pass_session
from jianheng.config.secrets import resolve_secret
from jianheng.messages import text
from jianheng.trust import installed, packing
from jianheng.trust.bundle import Sealed
from jianheng.trust.keys import new_key, public_of, signing_key
from jianheng.trust.rules import trust_of

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def keygen() -> click.Command:
    """Return the command that makes a publisher's key."""

    @click.command("keygen", help=text("cli-help-plugins-keygen"))
    @click.argument("file", type=click.Path(path_type=Path))
    @pass_session
    def command(session: Session, file: Path) -> None:
        secret, public = new_key()
        try:
            write_secret(file, secret)
        except OSError as error:
            raise unwritable(file, error) from None
        if session.flags.json:
            print_json({"file": str(file), "public_key": public})
        else:
            print_line(text("cli-plugins-key", file=file, key=public))

    return command


def pack() -> click.Command:
    """Return the command that makes a bundle."""

    @click.command("pack", help=text("cli-help-plugins-pack"))
    @click.argument("wheels", nargs=-1, required=True, type=_FILE, metavar="WHEEL...")
    @click.option("--key", required=True, type=_FILE, help=text("cli-help-plugins-key"))
    @click.option(
        "--out",
        type=click.Path(file_okay=False, exists=True, path_type=Path),
        default=Path(),
        help=text("cli-help-plugins-out"),
    )
    @pass_session
    def command(session: Session, wheels: tuple[Path, ...], key: Path, out: Path) -> None:
        signs = signing_key(resolve_secret("--key", f"file:{key.resolve()}", Path()).reveal())
        made = packing.pack(wheels, signs, out, dt.datetime.now(dt.UTC))
        told = {
            "file": str(made.file),
            "distribution": made.manifest.distribution,
            "version": made.manifest.version,
            "wheels": len(made.manifest.wheels),
            "key": public_of(signs),
        }
        if session.flags.json:
            print_json({**told, "left_out": list(made.left_out)})
            return
        print_line(text("cli-plugins-packed", **told))
        if made.left_out:
            print_line(text("cli-plugins-left-out", files=", ".join(made.left_out)))

    return command


def verify() -> click.Command:
    """Return the command that checks a bundle: by whom it is signed, and where there is a deployment, whether that counts."""

    @click.command("verify", help=text("cli-help-plugins-verify"))
    @click.argument("file", type=_FILE)
    @pass_session
    def command(session: Session, file: Path) -> None:
        trust = trust_of(session.deployment) if session.has_deployment else None
        sealed, publisher = installed.check_bundle(file, trust)
        told = _told(sealed, publisher)
        if session.flags.json:
            print_json(told)
        else:
            shown = {"publisher": publisher or sealed.key, "plugins": ", ".join(sealed.manifest.plugins)}
            print_line(text("cli-plugins-verified", **{**told, **shown}))

    return command


def install() -> click.Command:
    """Return the command that installs a bundle beside the deployment."""

    @click.command("install", help=text("cli-help-plugins-install"))
    @click.argument("file", type=_FILE)
    @pass_session
    def command(session: Session, file: Path) -> None:
        plugins = session.deployment.plugins
        done = installed.install(file, trust_of(session.deployment))
        if done.sealed is None:
            raise ValueError(file)
        manifest = done.sealed.manifest
        if session.flags.json:
            print_json({**_told(done.sealed, done.publisher), "folder": str(done.folder)})
            return
        named = {"distribution": manifest.distribution, "version": manifest.version}
        print_line(text("cli-plugins-installed", **named, publisher=done.publisher, folder=done.folder))
        if manifest.distribution not in {canonicalize_name(each) for each in plugins.allow}:
            print_line(text("cli-plugins-allow", distribution=manifest.distribution))

    return command


def remove() -> click.Command:
    """Return the command that takes an installed bundle away."""

    @click.command("remove", help=text("cli-help-plugins-remove"))
    @click.argument("name")
    @pass_session
    def command(session: Session, name: str) -> None:
        installed.remove(name, trust_of(session.deployment))
        if session.flags.json:
            print_json({"removed": name})
        else:
            print_line(text("cli-plugins-removed", name=name))

    return command


def _told(sealed: Sealed, publisher: str) -> dict[str, object]:
    return {
        "distribution": sealed.manifest.distribution,
        "version": sealed.manifest.version,
        "plugins": dict(sealed.manifest.plugins),
        "publisher": publisher,
        "key": sealed.key,
        "sha256": sealed.sha256,
        "made_at": sealed.manifest.made_at,
        "wheels": {each.file: each.sha256 for each in sealed.manifest.wheels},
    }
