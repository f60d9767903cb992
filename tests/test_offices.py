"""A second office, of another province, goes live with one new file; offices never see each other's cases."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pytest

import jianheng as core
import jianheng_adapters
import jianheng_plugins
from jianheng.config import load_deployment
from jianheng.facts.entities import ENTITIES
from jianheng_simulator import CLIENT_SECRET, World, create, database_url, load_world, running_archive
from office_driver import CONFIGS, OPEN, Told, jianheng, rows
from thoroughness import some

pytest_plugins = ["office_fixture"]
pytestmark = pytest.mark.usefixtures("operator")

FIRST, SECOND = "990101", "880203"
FILES = {
    FIRST: "configs/canghai/binhai-dongyu/deployment.toml",
    SECOND: "configs/yunling/lanshan-songxi/deployment.toml",
}
TWO_OFFICES = World(offices=2, people=14, cases=50)
MOST_LINES = 60


@dataclass(frozen=True, slots=True)
class Country:
    """The shipped configurations in a folder of their own, the simulated systems beside them.

    Attributes:
        folder: holds ``configs/`` and ``upstream/``.
        archive: address of the archive service.
    """

    folder: Path
    archive: str

    @property
    def case_url(self) -> str:
        """The case database that both offices are in."""
        return database_url(self.folder / "upstream", load_world(self.folder / "upstream"))

    def deploy(self, code: str) -> Path:
        """Add the one file of an office; return it."""
        file = self.folder / FILES[code]
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CONFIGS.parent / FILES[code], file)
        return file

    def here(self, code: str, store: str) -> Path:
        """Say where the store and the archive happen to be in this test: one more layer, laid over the file."""
        file = self.folder / FILES[code]
        told = [f'extends = "{file.name}"', "[store]", f'url = "{store}"', "[sources.archive.options]"]
        told += [f'url = "{self.archive}"']
        if load_deployment(file).targets.keys() & {"archive"}:
            told += ["[targets.archive.options]", f'url = "{self.archive}"']
        layer = file.with_name("here.toml")
        layer.write_text("\n".join(told) + "\n", encoding="utf-8")
        return layer

    def work(self, config: Path) -> dict[str, Told]:
        """Do the whole job of an office."""
        told = {
            name: jianheng(name, "--json", "--config", config)
            for name in ("doctor", "sync", "score", "publish")
        }
        for name, each in told.items():
            assert each.code == 0, f"{name}: {each.text}"
        return told


@pytest.fixture(scope="module")
def two_offices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The systems of two offices in two provinces, to be copied."""
    folder = tmp_path_factory.mktemp("country") / "upstream"
    create(folder, TWO_OFFICES)
    return folder


@contextmanager
def running(folder: Path, upstream: Path) -> Iterator[Country]:
    """The configurations as they were before the second office came, and the systems of both."""
    shutil.copytree(upstream, folder / "upstream")
    for file in CONFIGS.rglob("*.toml"):
        kept = folder / "configs" / file.relative_to(CONFIGS)
        if str(kept.relative_to(folder)) != FILES[SECOND] and "permit-desk" not in kept.parts:
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, kept)
    with running_archive(folder / "upstream") as archive:
        yield Country(folder, archive)


def code_digest() -> str:
    """A digest of all the code and law that is installed."""
    digest = hashlib.sha256()
    for package in (core, jianheng_adapters, jianheng_plugins):
        folder = Path(str(package.__file__)).parent
        for file in sorted(
            each for each in folder.rglob("*") if each.is_file() and "__pycache__" not in each.parts
        ):
            digest.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return digest.hexdigest()


def live_cases(country: Country, unit: str) -> set[str]:
    """The cases of a unit by the case database's own tables: neither deleted nor one of the two that are none."""
    found = rows(
        country.case_url,
        "select BMSAH from TYYW_GG_AJJBXX where CBDW_BM = :unit and SFSC = 'N' and AJLB_BM not in ('1401', '1402')",
        unit=unit,
    )
    return {row["BMSAH"] for row in found}


def held(store: str, office: str, entity: str = "case") -> set[str]:
    """The keys of an office's current facts, by SQL over the store."""
    key = ENTITIES[entity].key.name
    found = rows(
        store,
        f"select {key} as k from fact_{entity} where office = :office and recorded_to = {OPEN} and not deleted",
        office=office,
    )
    return {row["k"] for row in found}


@dataclass(frozen=True, slots=True)
class Story:
    """What was so when the first office worked alone, and what came of the second.

    Attributes:
        country: the configurations and the systems, as they are in the end.
        store: address of the store that both offices are in.
        told: what each office's whole job said.
        added: the files that came with the second office.
        digests: of all code and law, before and after it came.
    """

    country: Country
    store: str
    told: dict[str, dict[str, Told]]
    added: set[Path]
    digests: tuple[str, str]


@pytest.fixture(
    scope="module", params=some([pytest.param("postgresql", marks=pytest.mark.postgresql), "sqlite"], 2)
)
def story(request, two_offices: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """One office works, then a second comes: in what offices share in production, and in a soak in SQLite too."""
    folder = tmp_path_factory.mktemp("story")
    sqlite = f"sqlite:///{folder / 'store.db'}"
    store = sqlite if request.param == "sqlite" else request.getfixturevalue("shared_postgresql_url")
    with pytest.MonkeyPatch.context() as patch, running(folder, two_offices) as country:
        patch.setenv("ARCHIVE_CLIENT_SECRET", CLIENT_SECRET)
        told = {FIRST: country.work(country.here(FIRST, store))}
        before, files = code_digest(), set(folder.rglob("*.toml"))
        new = country.deploy(SECOND)
        added = set(folder.rglob("*.toml")) - files
        assert added == {new}
        told[SECOND] = country.work(country.here(SECOND, store))
        yield Story(country, store, told, added, (before, code_digest()))


@pytest.mark.parametrize("file", sorted(CONFIGS.rglob("deployment.toml")), ids=lambda file: file.parent.name)
def test_every_shipped_deployment_is_sound_and_short(file):
    deployment = load_deployment(file)
    assert deployment.office.code
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_a_second_office_of_another_province_is_one_new_file(story):
    (new,) = story.added
    assert len(new.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    told = story.told[SECOND]
    assert story.digests[0] == story.digests[1]
    assert all(check["state"] == "ok" for check in told["doctor"].json()["checks"])
    assert held(story.store, SECOND) == live_cases(story.country, SECOND)
    assert len(held(story.store, SECOND)) > 30
    assert {run["period"] for run in told["score"].json()["runs"]} == {"2025-H1", "2025-H2"}


def test_what_is_published_is_what_the_ledger_holds(story):
    told = story.told[SECOND]
    places = {
        (each["target"], each["period"]): Path(each["location"])
        for each in told["publish"].json()["publications"]
    }
    assert set(places) == {(t, p) for t in ("workbook", "report") for p in ("2025-H1", "2025-H2")}
    assert all(place.is_file() for place in places.values())
    for run in told["score"].json()["runs"]:
        period, total = run["period"], run["points"]
        ledger = rows(
            story.store,
            "select cast(sum(l.points) as integer) as n from ledger_entry l join ledger_scope s using (scope_id)"
            " where s.office = :office and s.period = :period and l.run_to = 2147483647",
            office=SECOND,
            period=period,
        )
        assert ledger[0]["n"] == total
        rate = rows(  # the one thing in a total of this law that is no entry
            story.store,
            "select cast(coalesce(sum(points), 0) as integer) as n from indicator_value"
            " where run_id = :run and indicator = 'in_time_points'",
            run=run["run_id"],
        )
        assert ranked(places["workbook", period]) == total + rate[0]["n"]
        assert "澜山市松溪区人民检察院" in places["report", period].read_text(encoding="utf-8")


def ranked(workbook: Path) -> int:
    """The sum of the totals in a workbook's ranking, in 0.001 point, as a reader of the file would add them."""
    book = openpyxl.load_workbook(workbook, read_only=True)
    try:
        for sheet in book.worksheets:
            cells = [list(row) for row in sheet.iter_rows(values_only=True)]
            for number, row in enumerate(cells):
                if "总分" in row and "姓名" in row:
                    column, name = row.index("总分"), row.index("姓名")
                    listed = [
                        each[column]
                        for each in cells[number + 1 :]
                        if each[name] and each[column] is not None
                    ]
                    return sum(round(float(each) * 1000) for each in listed)
    finally:
        book.close()
    raise AssertionError(f"no ranking in {workbook}")


def test_two_offices_share_a_store_without_mixing(story):
    told, store_url, country = story.told, story.store, story.country
    for code in (FIRST, SECOND):
        assert held(store_url, code) == live_cases(country, code)
    offices = Counter(
        row["unit_code"] + row["office"] for row in rows(store_url, "select office, unit_code from fact_case")
    )
    assert set(offices) == {FIRST * 2, SECOND * 2}
    strangers = rows(
        store_url,
        "select l.case_no from ledger_entry l join ledger_scope s using (scope_id)"
        " left join fact_case c on c.case_no = l.case_no and c.office = s.office where c.case_no is null",
    )
    assert strangers == []
    for entity in ("document", "approval", "participation", "declaration", "personnel_record"):
        assert held(store_url, FIRST, entity).isdisjoint(held(store_url, SECOND, entity)), entity
    alone = {code: [run["digest"] for run in told[code]["score"].json()["runs"]] for code in (FIRST, SECOND)}
    again = jianheng("score", "--json", "--full", "--config", country.here(FIRST, store_url))
    assert [run["digest"] for run in again.json()["runs"]] == alone[FIRST], "the other's facts change nothing"


def test_an_office_cannot_be_told_the_other_ones_secret(two_offices, tmp_path, monkeypatch):
    """What one office's job prints holds no secret, whoever's it is."""
    monkeypatch.setenv("ARCHIVE_CLIENT_SECRET", "another-secret-altogether")
    with running(tmp_path, two_offices) as country:
        country.deploy(SECOND)
        told = jianheng("sync", "--config", country.here(SECOND, f"sqlite:///{tmp_path / 'store.db'}"))
    assert told.code == 2
    assert "[archive-login-refused]" in told.text
    assert "another-secret-altogether" not in told.text
    assert CLIENT_SECRET not in told.text
