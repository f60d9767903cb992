"""Bundles: facts over a medium, all of them, in their order, from whom they claim to be, or not at all."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from closing_world import close, law_in, paper, score, world
from jianheng.errors import RetryError, StopError
from jianheng.messages import speaking
from jianheng.store import moments
from jianheng.store.engine import open_engine, writing
from jianheng.store.leases import release
from jianheng.store.runs import begin_run, end_run, unread_sources
from jianheng.store.tables import CURSOR, FACTS, QUARANTINE, RUN
from jianheng.sync import bundle_export, bundle_import, bundle_manifest
from jianheng.sync.bundle_chain import links
from jianheng.sync.bundle_lease import bundling
from jianheng.sync.bundle_manifest import (
    MANIFEST,
    PROGRESS,
    SIGNATURE,
    digest,
    signing_key,
)
from jianheng.sync.fence import take_fence
from jianheng.trust.keys import new_key, public_of
from upstream import OFFICE, broken_chains, case, current, document, person, sync, sync_world, table, versions

SECRET, PUBLIC = new_key()
KEY = signing_key(SECRET)
OTHER = signing_key(new_key()[0])


def export(store: sa.Engine, folder: Path, **options):
    return bundle_export.export_bundle(store, OFFICE, ["up"], folder, KEY, **options)


def take(store: sa.Engine, folder: Path, trusted=(PUBLIC,), office: str = OFFICE):
    return [
        (each.manifest.number, each.outcome, each.rows)
        for each in bundle_import.import_bundles(store, office, folder, trusted)
    ]


def refused(store: sa.Engine, folder: Path, **options) -> str:
    """Return the code with which a bundle is refused, told in both languages, and nothing having been written."""
    before = written(store)
    with pytest.raises(StopError) as error:
        take(store, folder, **options)
    for language in ("zh", "en"):
        with speaking(language):
            assert "{" not in str(error.value)
    assert written(store) == before
    return error.value.code


def written(store: sa.Engine) -> list[int]:
    tables = [FACTS["person"], FACTS["case"], FACTS["document"], RUN, CURSOR]
    with store.connect() as connection:
        return [connection.scalar(sa.select(sa.func.count()).select_from(each)) for each in tables]


def same(one: sa.Engine, other: sa.Engine) -> None:
    """Both hold the same versions of everything, but for the numbers of their runs."""
    for name in ("person", "case", "document", "event"):
        left, right = versions(one, name), versions(other, name)
        for row in (*left, *right):
            row["run_id"] = 0
        assert left == right
        assert broken_chains(other, name) == []


@pytest.fixture(name="mirror")
def _mirror(tmp_path: Path, set_up_file: Path):
    made = tmp_path / "mirror.db"
    shutil.copyfile(set_up_file, made)
    engine = open_engine(f"sqlite:///{made}")
    yield engine
    engine.dispose()


class Upstream:
    """A source that lives on between bundles."""

    def __init__(self, store: sa.Engine) -> None:
        self.store = store
        self.people = table("person", *(person(f"p{n}") for n in range(5)))
        self.cases = table("case", *(case(f"A{n}", handler_key="p1") for n in range(7)), mode="cursor")
        self.papers = table("document", document("d1", "A1"), may_be_empty=True)
        self.sync()

    def sync(self) -> None:
        assert sync(self.store, self.people, self.cases, self.papers, accept_mass_change=True).counts.balanced

    def go_on(self) -> None:
        """A change, a new record and a deletion, the deletion of what was new as well."""
        self.people.put(person("p1", post="甲"))
        self.cases.put(case("A8", handler_key="p2", handling_days="1.5"))
        self.papers.put(document("d2", "A2"))
        self.sync()
        self.people.put(person("p1", post="乙"))
        self.papers.remove("d1")
        self.papers.put(document("d3", "A3"))
        self.sync()


@pytest.fixture(name="up")
def _up(lite_store: sa.Engine) -> Upstream:
    return Upstream(lite_store)


def test_all_versions_arrive_bundle_by_bundle(store: sa.Engine, mirror: sa.Engine, tmp_path: Path) -> None:
    up = Upstream(store)
    first = export(store, tmp_path)
    assert first is not None
    assert take(mirror, tmp_path) == [(1, "taken", 13)]
    same(store, mirror)
    up.go_on()
    second = export(store, tmp_path)
    assert second is not None
    assert (second.manifest.number, second.manifest.facts_from) == (2, first.manifest.facts_to)
    assert second.manifest.previous == digest((first.folder / MANIFEST).read_bytes())
    assert [number for number, outcome, _ in take(mirror, tmp_path) if outcome == "taken"] == [2]
    same(store, mirror)
    assert current(mirror, "document", "document_key") == [("d2",), ("d3",)]
    assert export(store, tmp_path) is None


def test_an_empty_mirror_takes_several_bundles_at_once(
    up: Upstream, mirror: sa.Engine, tmp_path: Path
) -> None:
    export(up.store, tmp_path)
    up.go_on()
    export(up.store, tmp_path, rows_a_part=1)
    assert [outcome for _, outcome, _ in take(mirror, tmp_path)] == ["taken", "taken"]
    same(up.store, mirror)


def test_every_store_hands_over_its_pages_in_order(
    every_store: sa.Engine, mirror: sa.Engine, tmp_path: Path
) -> None:
    """One question a table, asked of the server once: no version twice at the edge of a page, none left out."""
    up = Upstream(every_store)
    up.go_on()
    made = export(every_store, tmp_path, rows_a_part=2)
    assert made is not None
    assert sum(part.entity == "case" for part in made.manifest.parts) > 3
    assert all(part.rows <= 2 for part in made.manifest.parts if part.kind == "facts")
    assert [outcome for _, outcome, _ in take(mirror, tmp_path)] == ["taken"]
    same(every_store, mirror)


def test_cursors_and_counts_arrive_with_the_facts(up: Upstream, mirror: sa.Engine, tmp_path: Path) -> None:
    """A mirror knows that its sources were read to their end, and could go on reading where they stopped."""
    export(up.store, tmp_path)
    take(mirror, tmp_path)
    told = []
    for store in (up.store, mirror):
        with store.connect() as connection:
            cursors = [
                tuple(row)
                for row in connection.execute(sa.select(CURSOR.c.source, CURSOR.c.stream, CURSOR.c.cursor))
            ]
            detail = connection.scalar(sa.select(RUN.c.detail).where(RUN.c.kind == "sync"))
            assert unread_sources(connection, OFFICE, ["up"]) == []
            told.append((cursors, detail))
    assert told[0] == told[1]
    assert told[0][0]


def test_the_same_result_comes_out_on_both_sides(
    lite_store: sa.Engine, mirror: sa.Engine, tmp_path: Path
) -> None:
    """The same ledger, line by line, and receipts that prove the same facts, law and result."""
    law = law_in(tmp_path)
    sync_world(lite_store, world())
    sync_world(lite_store, world() | {"document": [paper("d", "A"), paper("e", "B")]})
    bundle_export.export_bundle(lite_store, OFFICE, ["world"], tmp_path, KEY)
    take(mirror, tmp_path)
    for each in (lite_store, mirror):
        score(each, law, "2025")
    left, right = close(lite_store, law), close(mirror, law)
    assert left.summary.entries > 0
    assert left.summary.digest == right.summary.digest
    unlike = {name for name in left.parts if left.parts[name] != right.parts[name]}
    assert unlike == {"closing"}  # when it was closed, and the number of the scoring


def test_taking_it_twice_does_nothing(up: Upstream, mirror: sa.Engine, tmp_path: Path) -> None:
    export(up.store, tmp_path)
    take(mirror, tmp_path)
    before = written(mirror)
    assert take(mirror, tmp_path) == [(1, "known", 0)]
    assert take(up.store, tmp_path) == [(1, "known", 0)]
    assert written(mirror) == before


def test_a_gap_is_named_and_mended_by_going_back(up: Upstream, mirror: sa.Engine, tmp_path: Path) -> None:
    first = export(up.store, tmp_path / "out")
    assert first is not None
    take(mirror, tmp_path / "out")
    up.go_on()
    lost = export(up.store, tmp_path / "lost")
    up.people.put(person("p9"))
    up.sync()
    third = export(up.store, tmp_path / "later")
    assert lost is not None
    assert third is not None
    assert refused(mirror, tmp_path / "later") == "bundle-gap"
    up.people.put(person("p10"))
    up.sync()
    mended = export(up.store, tmp_path / "mended", since=first.manifest.facts_to - 1)
    assert mended is not None
    assert take(mirror, mended.folder)[0][:2] == (4, "taken")
    same(up.store, mirror)
    assert take(mirror, lost.folder) == [(2, "known", 0)]
    with pytest.raises(StopError, match="bundle-since-gap"):
        export(up.store, tmp_path, since=mended.manifest.facts_to + 1)


def test_a_mirror_that_begins_in_the_middle_is_refused(
    up: Upstream, mirror: sa.Engine, tmp_path: Path
) -> None:
    export(up.store, tmp_path / "first")
    up.go_on()
    export(up.store, tmp_path / "second")
    assert refused(mirror, tmp_path / "second") == "bundle-gap"


def test_another_chain_is_refused(up: Upstream, mirror: sa.Engine, tmp_path: Path, set_up_file: Path) -> None:
    export(up.store, tmp_path / "one")
    take(mirror, tmp_path / "one")
    file = tmp_path / "restored.db"
    shutil.copyfile(set_up_file, file)
    restored = open_engine(f"sqlite:///{file}")
    Upstream(restored)
    export(restored, tmp_path / "other")
    restored.dispose()
    assert refused(mirror, tmp_path / "other") == "bundle-other-chain"


def test_a_store_that_was_set_back_does_not_pass_for_the_one_it_was(
    up: Upstream, mirror: sa.Engine, tmp_path: Path
) -> None:
    """Restored from a backup it makes a second bundle of a number: both cannot be true."""
    export(up.store, tmp_path / "one")
    up.go_on()
    with up.store.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept AS SELECT * FROM bundle")
    export(up.store, tmp_path / "two")
    take(mirror, tmp_path / "one")
    take(mirror, tmp_path / "two")
    with up.store.begin() as connection:
        connection.exec_driver_sql("DELETE FROM bundle WHERE number = 2")
    up.people.put(person("p7"))
    up.sync()
    export(up.store, tmp_path / "again")
    assert refused(mirror, tmp_path / "again") == "bundle-number-twice"
    with up.store.begin() as connection:
        connection.execute(sa.text("UPDATE bundle SET manifest_hash = :h WHERE number = 2"), {"h": "0" * 64})
    up.people.put(person("p8"))
    up.sync()
    export(up.store, tmp_path / "third", since=0)
    assert refused(mirror, tmp_path / "third") == "bundle-other-past"


def test_a_store_with_facts_of_its_own_is_no_mirror(up: Upstream, mirror: sa.Engine, tmp_path: Path) -> None:
    export(up.store, tmp_path)
    sync(mirror, table("person", person("mine")))
    assert refused(mirror, tmp_path) == "bundle-not-a-mirror"


def test_facts_of_another_office_are_refused(up: Upstream, mirror: sa.Engine, tmp_path: Path) -> None:
    made = export(up.store, tmp_path)
    assert made is not None
    assert refused(mirror, tmp_path, office="110101") == "bundle-none"
    assert refused(mirror, made.folder, office="110101") == "bundle-other-office"


def test_what_an_unfinished_sync_has_written_waits(up: Upstream, mirror: sa.Engine, tmp_path: Path) -> None:
    """Half of what a source had to tell is no state that ever was."""
    with up.store.begin() as connection:
        run = begin_run(connection, OFFICE, "sync", "up")
    with up.store.connect() as connection:
        reached = moments.last_recorded(connection, OFFICE)
    sync(up.store, table("person", person("half")), name="other")
    made = export(up.store, tmp_path)
    assert made is not None
    with up.store.connect() as connection:
        assert reached <= made.manifest.facts_to < moments.last_recorded(connection, OFFICE)
    take(mirror, tmp_path)
    assert ("half",) not in current(mirror, "person", "person_key")
    with up.store.begin() as connection:
        end_run(connection, run, "done", {})
    export(up.store, tmp_path)
    take(mirror, tmp_path)
    assert ("half",) in current(mirror, "person", "person_key")
    same(up.store, mirror)


def test_facts_of_a_period_are_those_known_at_its_end(
    up: Upstream, mirror: sa.Engine, tmp_path: Path
) -> None:
    with up.store.connect() as connection:
        reached = moments.last_recorded(connection, OFFICE)
    up.go_on()
    made = export(up.store, tmp_path, until=reached)
    assert made is not None
    assert made.manifest.facts_to == reached
    take(mirror, tmp_path)
    assert current(mirror, "document", "document_key") == [("d1",)]
    assert broken_chains(mirror, "document") == []
    assert export(up.store, tmp_path, until=reached) is None


# Cut off.


class CutOffError(Exception):
    """The machine went down."""


@pytest.mark.parametrize("parts", [0, 2, 6, 7])
def test_an_export_that_was_cut_off_goes_on(
    up: Upstream, mirror: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    """After any file, also between the record in the store and the manifest; and the last line half written."""
    up.go_on()
    real, seen = bundle_export.write_file, []

    def dying(folder: Path, name: str, data: bytes) -> None:
        seen.append(name)
        if len(seen) > 2 * parts + 1:
            raise CutOffError
        real(folder, name, data)

    monkeypatch.setattr(bundle_export, "write_file", dying)
    with pytest.raises(CutOffError):
        export(up.store, tmp_path, rows_a_part=5)
    monkeypatch.undo()
    (progress,) = tmp_path.glob(f"*/{PROGRESS}")
    before = {file.name: file.stat().st_mtime_ns for file in progress.parent.glob("*.zst")}
    with progress.open("a") as file:
        file.write('{"part": {"name"')
    assert refused(mirror, tmp_path) == "bundle-unfinished"
    up.people.put(person("later"))
    up.sync()
    made = export(up.store, tmp_path, rows_a_part=5)
    assert made is not None
    assert made.resumed
    after = {file.name: file.stat().st_mtime_ns for file in made.folder.glob("*.zst")}
    assert sum(before[name] == after[name] for name in before) >= len(before) - 1
    assert not (made.folder / PROGRESS).exists()
    assert len(take(mirror, tmp_path)) == 1
    assert ("later",) not in current(mirror, "person", "person_key")
    assert export(up.store, tmp_path) is not None
    take(mirror, tmp_path)
    same(up.store, mirror)


def test_between_record_and_manifest_the_same_bundle_is_completed(
    up: Upstream, mirror: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bundle_export.write_file

    def dying(folder: Path, name: str, data: bytes) -> None:
        if name == SIGNATURE:
            raise CutOffError
        real(folder, name, data)

    monkeypatch.setattr(bundle_export, "write_file", dying)
    with pytest.raises(CutOffError):
        export(up.store, tmp_path)
    monkeypatch.undo()
    made = export(up.store, tmp_path)
    assert made is not None
    with up.store.connect() as connection:
        (link,) = links(connection, OFFICE)
    assert link.manifest_hash == digest((made.folder / MANIFEST).read_bytes())
    assert take(mirror, tmp_path)[0][:2] == (1, "taken")


def test_an_import_that_was_cut_off_goes_on_with_the_next_bundle(
    up: Upstream, mirror: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle is taken whole or not at all."""
    export(up.store, tmp_path)
    up.go_on()
    export(up.store, tmp_path)
    real, calls = bundle_import.insert_arrow, []

    def dying(*given) -> None:
        calls.append(given)
        if len(calls) > 6:
            raise CutOffError
        real(*given)

    monkeypatch.setattr(bundle_import, "insert_arrow", dying)
    with pytest.raises(CutOffError):
        take(mirror, tmp_path)
    monkeypatch.undo()
    assert ("p4",) in current(mirror, "person", "person_key")
    assert ("d3",) not in current(mirror, "document", "document_key")
    assert [outcome for _, outcome, _ in take(mirror, tmp_path)] == ["known", "taken"]
    same(up.store, mirror)


# Hostile.


def _sign(folder: Path, told: dict, key=KEY) -> None:
    raw = json.dumps(told).encode()
    (folder / MANIFEST).write_bytes(raw)
    (folder / SIGNATURE).write_bytes(bundle_manifest.signature(key, raw))


def _signed(change: Callable[[dict], object]) -> Callable[[Path], None]:
    """Change the manifest and sign it as the trusted signer would."""

    def apply(folder: Path) -> None:
        told = json.loads((folder / MANIFEST).read_text())
        change(told)
        _sign(folder, told)

    return apply


def _altered(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        file = folder / name
        file.write_bytes(change(file.read_bytes()))

    return apply


def _replaced(data: bytes, **declared: object) -> Callable[[Path], None]:
    """Put other bytes in the place of a part, declared and signed for."""

    def apply(folder: Path) -> None:
        told = json.loads((folder / MANIFEST).read_text())
        part = next(each for each in told["parts"] if each["entity"] == "person")
        part |= {"packed": len(data), "sha256": digest(data)} | declared
        (folder / part["name"]).write_bytes(data)
        _sign(folder, told)

    return apply


def _linked(folder: Path) -> None:
    part = folder / "person-000001.arrow.zst"
    moved = part.rename(folder.parent / "elsewhere")
    part.symlink_to(moved)


def _part(**values: object) -> Callable[[dict], None]:
    return lambda told: told["parts"][0].update(values)


BOMB = pa.Codec("zstd").compress(b"\0" * 30_000_000, asbytes=True)

HOSTILE = {
    "unsigned": (lambda folder: (folder / SIGNATURE).unlink(), "bundle-unsigned"),
    "garbage for a signature": (_altered(SIGNATURE, lambda _: b"[1]"), "bundle-unsigned"),
    "a stranger's signature": (
        lambda folder: _sign(folder, json.loads((folder / MANIFEST).read_text()), OTHER),
        "bundle-untrusted",
    ),
    "altered manifest": (
        _altered(MANIFEST, lambda raw: raw.replace(b'"number"', b' "number"')),
        "bundle-altered",
    ),
    "altered part": (
        _altered("person-000001.arrow.zst", lambda raw: bytes([raw[0] ^ 1]) + raw[1:]),
        "bundle-altered",
    ),
    "cut off part": (_altered("person-000001.arrow.zst", lambda raw: raw[:-1]), "bundle-cut-off"),
    "longer part": (_altered("person-000001.arrow.zst", lambda raw: raw + b"x"), "bundle-too-large"),
    "missing part": (lambda folder: (folder / "case-000001.arrow.zst").unlink(), "bundle-file-missing"),
    "a link in place of a part": (_linked, "bundle-file-missing"),
    "newer format": (_signed(lambda told: told.update(format=3, more="?")), "bundle-newer"),
    "unknown key": (_signed(lambda told: told.update(more="?")), "bundle-unreadable"),
    "not a mapping": (lambda folder: _sign(folder, []), "bundle-unreadable"),  # type: ignore[arg-type]
    "path above": (_signed(_part(name="../../etc/passwd")), "bundle-unreadable"),
    "path within": (_signed(_part(name="a/person-000001.arrow.zst")), "bundle-unreadable"),
    "absolute path": (_signed(_part(name="/person-000001.arrow.zst")), "bundle-unreadable"),
    "line break in a name": (_signed(_part(name="person-000001.arrow.zst\n")), "bundle-unreadable"),
    "declared beyond the limit": (_signed(_part(unpacked=10**12)), "bundle-unreadable"),
    "packed beyond the limit": (_signed(_part(packed=10**12)), "bundle-unreadable"),
    "part named twice": (_signed(lambda told: told["parts"].append(told["parts"][0])), "bundle-unreadable"),
    "more parts than may be": (
        _signed(lambda told: told.update(parts=[told["parts"][0]] * 10_001)),
        "bundle-unreadable",
    ),
    "unpacks to more than declared": (_replaced(BOMB, unpacked=1_000), "bundle-too-large"),
    "no rows but noise": (_replaced(BOMB, unpacked=30_000_000), "bundle-altered"),
    "no packing but noise": (_replaced(b"noise", unpacked=1_000), "bundle-altered"),
    "fewer rows than declared": (_signed(_part(rows=99)), "bundle-altered"),
    "an entity nobody knows": (_signed(_part(entity="secret_plan")), "bundle-other-columns"),
    "columns of another entity": (_signed(_part(entity="case")), "bundle-other-columns"),
    "other counts": (
        _signed(lambda told: told["counts"]["person"].update(live=4)),
        "bundle-counts",
    ),
    "an enormous manifest": (_altered(MANIFEST, lambda raw: raw + b" " * 4_000_001), "bundle-too-large"),
}


@pytest.fixture(name="bundle", scope="module")
def _bundle(tmp_path_factory: pytest.TempPathFactory, set_up_file: Path) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    shutil.copyfile(set_up_file, folder / "store.db")
    store = open_engine(f"sqlite:///{folder / 'store.db'}")
    Upstream(store)
    made = export(store, folder / "out")
    store.dispose()
    assert made is not None
    return made.folder


@pytest.fixture(name="untouched", scope="module")
def _untouched(tmp_path_factory: pytest.TempPathFactory, set_up_file: Path) -> Iterator[sa.Engine]:
    """One mirror for all that is refused: nothing may ever be written to it."""
    file = tmp_path_factory.mktemp("untouched") / "store.db"
    shutil.copyfile(set_up_file, file)
    engine = open_engine(f"sqlite:///{file}")
    yield engine
    engine.dispose()


@pytest.mark.parametrize(("harm", "code"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_not_as_it_was_signed_or_asks_too_much_is_refused(
    bundle: Path, untouched: sa.Engine, tmp_path: Path, harm: Callable[[Path], None], code: str
) -> None:
    folder = tmp_path / "medium" / bundle.name
    shutil.copytree(bundle, folder)
    harm(folder)
    assert refused(untouched, folder.parent) == code
    assert written(untouched)[:3] == [0, 0, 0]


def test_a_bundle_is_taken_only_where_somebody_is_trusted(bundle: Path, mirror: sa.Engine) -> None:
    assert refused(mirror, bundle, trusted=()) == "bundle-nobody-trusted"
    assert refused(mirror, bundle, trusted=(public_of(OTHER),)) == "bundle-untrusted"
    assert take(mirror, bundle, trusted=(public_of(OTHER), PUBLIC))[0][1] == "taken"


def test_what_is_in_quarantine_stays_where_it_is(
    lite_store: sa.Engine, mirror: sa.Engine, tmp_path: Path
) -> None:
    sync(lite_store, table("person", person("p1"), person("p2", quota_since="不详")))
    export(lite_store, tmp_path)
    take(mirror, tmp_path)
    with mirror.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(QUARANTINE)) == 0


def test_bundles_are_made_and_taken_by_one_process_at_a_time_and_not_while_a_source_is_read(
    up: Upstream, mirror: sa.Engine, tmp_path: Path
) -> None:
    made = export(up.store, tmp_path)
    assert made is not None
    with bundling(mirror, OFFICE), pytest.raises(RetryError) as second:
        take(mirror, tmp_path)
    fence = take_fence(mirror, OFFICE, "up")
    with pytest.raises(RetryError) as third:
        take(mirror, tmp_path)
    assert (second.value.code, third.value.code) == ("bundle-running", "bundle-sync-running")
    with writing(mirror) as connection:
        release(connection, fence.lease)
    with bundling(up.store, OFFICE), pytest.raises(RetryError) as fourth:
        export(up.store, tmp_path)
    assert fourth.value.code == "bundle-running"
    assert take(mirror, tmp_path)[0][1] == "taken"
