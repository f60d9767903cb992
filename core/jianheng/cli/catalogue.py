"""``jianheng catalogue import``: take code lists and case cards over from the case system, in versions."""

import datetime as dt
from pathlib import Path

import click

from jianheng.catalogues.cards import COLUMNS, read_cards
from jianheng.catalogues.dictionary import read_codes
from jianheng.catalogues.versions import FOLDER, Kept, keep
from jianheng.cli.output import print_json, print_line, unwritable
from jianheng.cli.session import Session, pass_session
from jianheng.errors import StopError
from jianheng.messages import text

CARD, CARD_FIELD = "case_card", "cards/case_card_field"
"""The catalogue of the cards, and that of their fields."""


def command() -> click.Command:
    """Return the group."""

    @click.group("catalogue", help=text("cli-help-catalogue"))
    def catalogue() -> None:
        pass

    catalogue.add_command(_import())
    return catalogue


def _import() -> click.Command:
    @click.command("import", help=text("cli-help-catalogue-import"))
    @click.argument("file", type=click.Path(path_type=Path), metavar=text("cli-help-catalogue-file"))
    @click.option(
        "--to", "folder", required=True, type=click.Path(path_type=Path), help=text("cli-help-catalogue-to")
    )
    @click.option("--name", default="", help=text("cli-help-catalogue-name"))
    @click.option("--cards", is_flag=True, help=text("cli-help-catalogue-cards"))
    @click.option(
        "--since", type=click.DateTime(["%Y-%m-%d"]), required=True, help=text("cli-help-catalogue-since")
    )
    @pass_session
    def import_(
        session: Session, file: Path, folder: Path, name: str, cards: bool, since: dt.datetime
    ) -> None:
        _check_name(name)
        if not folder.is_dir():
            raise StopError("catalogue-no-folder", folder=str(folder))
        raw = _read(file)
        try:
            done = (
                _keep_cards(folder, raw, file.name, since.date())
                if cards
                else [_keep_codes(folder, raw, file.name, name, since.date())]
            )
        except OSError as error:
            raise unwritable(folder / FOLDER, error) from None
        _tell(session, done)

    return import_


def _check_name(name: str) -> None:
    if name and not name.replace("_", "").isalnum():
        raise StopError("catalogue-bad-name", name=name)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise StopError(
            "catalogue-unreadable", file=str(file), told=error.strerror or type(error).__name__
        ) from None


def _keep_codes(folder: Path, raw: bytes, file: str, name: str, since: dt.date) -> Kept:
    catalogue, codes = read_codes(raw, file, name)
    rows = sorted((each.code, each.parent, each.name) for each in codes)
    return keep(folder, catalogue, ("code", "parent", "name"), rows, since, file)


def _keep_cards(folder: Path, raw: bytes, file: str, since: dt.date) -> list[Kept]:
    """Keep the cards as codes, and their fields where no pack takes them for codes."""
    found = read_cards(raw, file)
    cards = sorted({(each.card, "", each.card_name) for each in found})
    fields = [tuple(getattr(each, column) for column in COLUMNS) for each in found]
    return [
        keep(folder, CARD, ("code", "parent", "name"), cards, since, file),
        keep(folder, CARD_FIELD, COLUMNS, fields, since, file),
    ]


def _tell(session: Session, done: list[Kept]) -> None:
    if session.flags.json:
        names = ("catalogue", "version", "rows", "added", "removed", "changed")
        print_json({"catalogues": [{name: getattr(each, name) for name in names} for each in done]})
        return
    for each in done:
        code = "catalogue-imported" if each.changed else "catalogue-unchanged"
        told = {"rows": each.rows, "added": each.added, "removed": each.removed}
        print_line(text(code, catalogue=each.catalogue, version=each.version, **told))
