"""Sealed bundles: only whom they are for can read them, and all that holds of bundles holds of them."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from jianheng.errors import StopError
from jianheng.messages import speaking
from jianheng.store.engine import open_store
from jianheng.sync import bundle_export
from jianheng.sync.bundle_export import export_bundle
from jianheng.sync.bundle_import import import_bundles
from jianheng.sync.bundle_manifest import MANIFEST, signature, signing_key
from jianheng.sync.bundle_seal import new_opening_key, opening_keys
from jianheng.trust.keys import new_key
from upstream import OFFICE, case, current, person, sync, table

SECRET, PUBLIC = new_key()
KEY = signing_key(SECRET)
OPENS, FOR = new_opening_key()
OTHER_OPENS, FOR_OTHER = new_opening_key()


def export(store: sa.Engine, folder: Path, *recipients: str, **more):
    made = export_bundle(store, OFFICE, ["up"], folder, KEY, recipients=recipients, **more)
    assert made is not None
    return made.folder


def take(store: sa.Engine, folder: Path, *secrets: str):
    return [
        each.outcome for each in import_bundles(store, OFFICE, folder, [PUBLIC], keys=opening_keys(secrets))
    ]


def refused(store: sa.Engine, folder: Path, *secrets: str) -> str:
    with pytest.raises(StopError) as error:
        take(store, folder, *secrets)
    for language in ("zh", "en"):
        with speaking(language):
            assert "{" not in str(error.value)
    assert [*current(store, "person", "person_key")] == []
    return error.value.code


@pytest.fixture(name="up")
def _up(lite_store: sa.Engine) -> sa.Engine:
    people = table("person", *(person(f"p{n}", name=f"化名某某{n}") for n in range(9)))
    sync(lite_store, people, table("case", case("A1", handler_key="p1"), mode="cursor"))
    return lite_store


@pytest.fixture(name="mirror")
def _mirror(tmp_path: Path):
    engine = open_store(f"sqlite:///{tmp_path / 'mirror.db'}")
    yield engine
    engine.dispose()


def test_a_sealed_bundle_is_read_by_each_it_is_for_and_by_nobody_else(up, mirror, tmp_path):
    folder = export(up, tmp_path / "out", FOR_OTHER, FOR)
    read = b"".join(each.read_bytes() for each in folder.iterdir())
    assert "化名某某".encode() not in read
    assert refused(mirror, folder) == "bundle-sealed-for-others"
    stranger, _ = new_opening_key()
    assert refused(mirror, folder, stranger) == "bundle-sealed-for-others"
    assert take(mirror, folder, stranger, OPENS) == ["taken"]
    assert [*current(mirror, "person", "person_key")] == [*current(up, "person", "person_key")]
    assert take(mirror, folder, OTHER_OPENS) == ["known"]


def test_what_is_not_sealed_is_as_it_ever_was(up, mirror, tmp_path):
    folder = export(up, tmp_path / "out")
    told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    assert (told["format"], "sealed" in told) == (1, False)
    assert take(mirror, folder, OPENS) == ["taken"]


def test_a_part_in_the_place_of_another_does_not_open_however_well_it_is_signed(up, mirror, tmp_path):
    folder = export(up, tmp_path / "out", FOR, rows_a_part=5)
    told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    first, second = [each for each in told["parts"] if each["entity"] == "person"]
    data = (folder / second["name"]).read_bytes()
    (folder / first["name"]).write_bytes(data)
    first |= {name: second[name] for name in ("packed", "unpacked", "sha256", "rows")}
    raw = json.dumps(told).encode()
    (folder / MANIFEST).write_bytes(raw)
    (folder / "manifest.sig").write_bytes(signature(KEY, raw))
    assert refused(mirror, folder, OPENS) == "bundle-altered"


def test_an_export_that_was_cut_off_goes_on_sealed_for_the_same(up, mirror, tmp_path, monkeypatch):
    real, seen = bundle_export.write_file, []

    def dying(folder: Path, name: str, data: bytes) -> None:
        seen.append(name)
        if len([each for each in seen if each.endswith(".zst")]) == 2:
            raise KeyboardInterrupt
        real(folder, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(bundle_export, "write_file", dying)
        with pytest.raises(KeyboardInterrupt):
            export(up, tmp_path / "out", FOR, rows_a_part=5)
    folder = export(up, tmp_path / "out", rows_a_part=5)  # whom it is for was said when it was begun
    assert take(mirror, folder, OPENS) == ["taken"]
    assert len([*current(mirror, "person", "person_key")]) == 9


def test_a_key_that_is_none_is_told(tmp_path):
    with pytest.raises(StopError, match="bundle-bad-opening-key"):
        opening_keys(["not a key"])
