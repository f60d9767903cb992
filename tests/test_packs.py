"""Every pack that ships: sound, cited, documented, and able to score and explain an office it was not written for.

Packs are found, not listed: whoever adds a folder is asked the same.
"""

import datetime as dt
import shutil
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel

import jianheng_plugins.provinces as shipped
from jianheng.errors import FaultsError
from jianheng.registry import Registry, discover
from jianheng.scoring.checking.coverage import said_by_itself
from jianheng.scoring.checking.examples import check_examples
from jianheng.scoring.explanation.asked import EVERYTHING, Asked
from jianheng.scoring.explanation.explain import explain
from jianheng.scoring.indicators.standing import total_indicators
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy, load_policy
from jianheng.scoring.records.ledger import kept_standings
from jianheng.scoring.records.scope import Subject
from jianheng.scoring.run import score_periods
from jianheng.store.engine import open_store
from jianheng_simulator import CLIENT_SECRET, running_archive
from office_driver import CODE, ROOT, SECRET_VARIABLE, deploy
from upstream import CHINA, sync, table

pytest_plugins = ["office_fixture"]

PROVINCES = Path(str(shipped.__file__)).parent
FOLDERS = {file.parent.name: file.parent for file in sorted(PROVINCES.glob("*/policy.toml"))}
PAGES = ROOT / "docs" / "packs"
CALENDARS = {"china": CHINA}
YEAR = "2025"
SOURCES = ("ucs", "archive", "personnel", "ratings")

each_pack = pytest.mark.parametrize("pack", FOLDERS)
_laws: dict[str, Policy] = {}


def law_of(pack: str) -> Policy:
    """Load a shipped pack, once for all tests of this file."""
    if pack not in _laws:
        _laws[pack] = load_policy(FOLDERS[pack], FOLDERS.get, calendars=CALENDARS)
    return _laws[pack]


# What every pack must be.


@each_pack
def test_its_examples_hold_and_show_every_threshold_and_every_change(pack):
    examples, problems = check_examples(law_of(pack))
    assert examples > 0
    assert [each.message().what for each in problems] == []


@each_pack
def test_every_number_it_says_has_its_source_or_is_marked_as_assumed(pack):
    own = said_by_itself(law_of(pack))
    assert law_of(pack).id == pack
    told: dict[str, bool] = {f"{where} {row.id}": bool(row.cite) or row.assumed for where, row in own.points}
    for file, declared in own.parameters.values():
        told |= {f"{file} {each.since}": bool(each.cite) for each in declared.values}
    told |= {f"[measures {name}]": bool(each.cite) for name, each in own.measures.items()}
    file = own.file
    assert file is not None
    told |= {
        f"[indicators {each.id}]": bool(each.cite) or each.assumed or not _numbers(each)
        for each in file.indicators
    }
    told |= {f"[caps {each.id}]": bool(each.cite) or not _numbers(each) for each in file.caps}
    told |= {
        f"[factors {each.id}]": bool(each.cite) for each in file.factors if any(map(_numbers, each.choices))
    }
    if file.grades is not None:
        told["[grades]"] = bool(file.grades.cite)
    assert [where for where, cited in told.items() if not cited] == []


def _numbers(part: BaseModel) -> list[Any]:
    """Return the numbers that a part of a law holds itself, not by the name of a parameter; 0, 1 and 100 are none."""
    held = part.model_dump(
        include={"floor", "ceiling", "base", "full", "target", "scale", "beyond", "limit", "value"}
    )
    named = part.model_dump(include={"weights", "ratios"})
    tiers = [value for tier in part.model_dump(include={"tiers"}).get("tiers", ()) for value in tier.values()]
    told = [*held.values(), *(value for each in named.values() for value in each.values()), *tiers]
    return [each for each in told if isinstance(each, Decimal) and each not in {0, 1, 100}]


@each_pack
def test_it_has_a_page_that_names_it_and_says_what_is_not_in_the_source(pack):
    page = PAGES / f"{pack}.md"
    assert page.is_file()
    text = page.read_text(encoding="utf-8")
    assert f"`{pack}`" in text
    assert f"policy check {pack}" in text


def test_no_page_speaks_of_a_pack_that_does_not_ship():
    assert {page.stem for page in PAGES.glob("*.md")} - {"README"} <= set(FOLDERS)


@each_pack
def test_nobody_is_compared_across_offices(pack):
    """The national line of October 2024: no ranking of one procuratorate against another."""
    for group in law_of(pack).file.groups:
        assert "unit" in group.by, group.id


# What single packs promise.


@pytest.mark.parametrize(("value", "codes"), [("0.6", []), ("0.7", []), ("0.599", ["parameter-bounds"])])
def test_the_national_floor_of_performance_binds_every_layer_below(value, codes, tmp_path):
    """At least 60 %: an office may set more, and its file is refused where it sets less."""
    (tmp_path / "parameters").mkdir()
    dated = f'values = [{{ from = 2026-01-01, value = {value}, cite = "本院" }}]'
    frame = f"[frame.performance]\nreplaces = 0.6\n{dated}\n"
    (tmp_path / "parameters" / "frame.toml").write_text(frame, encoding="utf-8")
    told: list[str] = []
    try:
        load_policy(FOLDERS["national"], FOLDERS.get, tmp_path, CALENDARS)
    except FaultsError as error:
        told = [each.code for each in error.problems]
    assert told == codes


def test_the_coefficients_are_the_58_of_the_annex_in_thirtieths():
    rows = law_of("case-coefficients").points
    sizes = {Decimal(size): 0 for size in (40, 30, 20, 15, 10, 3)}
    for row in rows:
        sizes[row.points] += 1
    assert sum(sizes.values()) == len({row.label for row in rows}) == 58
    assert list(sizes.values()) == [2, 25, 10, 3, 14, 4]
    codes = [code for row in rows for code in row.category]
    assert len(codes) == len(set(codes)), "a category of two types would be counted twice"


def test_indicators_of_the_hundred_points_change_only_with_a_year():
    own = said_by_itself(law_of("hundred-point"))
    since = law_of("hundred-point").file.since
    days = {value.since for _, each in own.parameters.values() for value in each.values}
    days |= {day for _, row in own.points for day in (row.since, row.until) if day is not None}
    assert days - {since} == {dt.date(2025, 1, 1)}
    full = {
        year: sum(
            _value(law, name, year)
            for name in own.parameters
            if name.endswith("_base") or name == "rules.base"
        )
        for law in [law_of("hundred-point")]
        for year in (2024, 2025)
    }
    assert full == {2024: 100, 2025: 100}


def _value(law: Policy, name: str, year: int) -> Decimal:
    values = [
        each
        for layer in law.layers
        if name in layer.declarations
        for each in layer.declarations[name][1].values
    ]
    held = [each.value for each in values if each.since <= dt.date(year, 12, 31)]
    assert isinstance(held[-1], Decimal)
    return held[-1]


# Side by side.


@pytest.fixture
def copies(tmp_path, monkeypatch) -> Path:
    """The folder of packs, copied, and found there instead of where it ships."""
    folder = tmp_path / "provinces"
    shutil.copytree(PROVINCES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(shipped, "__file__", str(folder / "__init__.py"))
    return folder


def test_a_broken_pack_hides_no_other(copies):
    """One that cannot be read, one that is wrong, one that takes another's name: all others are there and sound."""
    (copies / "hundred-point" / "policy.toml").write_text("id = ", encoding="utf-8")
    wrong = copies / "quality-40" / "points.csv"
    wrong.write_text(
        wrong.read_text(encoding="utf-8").replace("graded_by_city", "graded_by_nobody"), encoding="utf-8"
    )
    thief = copies / "zz-thief"
    shutil.copytree(copies / "fuxian", thief)
    (plugin,) = [each for each in discover() if each.id == "provinces"]
    folders = Registry((plugin,)).policy_folders()
    assert set(folders) == set(FOLDERS) - {"hundred-point"}
    assert folders["fuxian"] == copies / "fuxian"
    assert [(each.code, each.fields["folder"]) for each in plugin.notices] == [
        ("plugin-policy-bad", "hundred-point"),
        ("plugin-policy-twice", "zz-thief"),
    ]
    with pytest.raises(FaultsError) as refused:
        load_policy(folders["quality-40"], folders.get)
    assert {each.fields["where"].split("/")[0] for each in refused.value.problems} == {"quality-40"}
    for pack in ("national", "fuxian", "jiangsu-municipal"):
        assert load_policy(folders[pack], folders.get).version == law_of(pack).version


def test_a_pack_over_a_broken_one_says_so_and_no_other_is_touched(copies):
    policy = copies / "jiangsu" / "policy.toml"
    policy.write_text(
        policy.read_text(encoding="utf-8").replace("parts.skill", "parts.skil"), encoding="utf-8"
    )
    folders = Registry(tuple(each for each in discover() if each.id == "provinces")).policy_folders()
    for pack in ("jiangsu", "jiangsu-municipal"):
        with pytest.raises(FaultsError) as refused:
            load_policy(folders[pack], folders.get)
        assert {each.fields["where"].split("/")[0] for each in refused.value.problems} == {"jiangsu"}
    assert load_policy(folders["fuxian"], folders.get).version == law_of("fuxian").version


def test_a_measure_that_two_packs_say_alike_reads_the_parameters_of_its_own(copies):
    """What was compiled for one pack serves another only where both say the same."""
    law = law_of("national")
    file = copies / "national" / "parameters" / "grades.toml"
    file.write_text(file.read_text(encoding="utf-8").replace(', "1402"]', "]"), encoding="utf-8")
    other = load_policy(copies / "national")
    assert other.measures == law.measures
    assert ("'1402'" in law.measure_sql["case_closed"], "'1402'" in other.measure_sql["case_closed"]) == (
        True,
        False,
    )
    assert other.measure_sql["award"] == law.measure_sql["award"]


# On an office none of them was written for.


@pytest.fixture(scope="module")
def store(small_upstream, tmp_path_factory) -> Iterator[sa.Engine]:
    """The small simulated office, read once; with what raters gave, which its systems do not hold."""
    folder = tmp_path_factory.mktemp("packs")
    shutil.copytree(small_upstream, folder / "upstream")
    with pytest.MonkeyPatch.context() as patch, running_archive(folder / "upstream") as archive:
        patch.setenv(SECRET_VARIABLE, CLIENT_SECRET)
        office = deploy(folder, archive, YEAR)
        assert office.sync().code == 0
    engine = open_store(f"sqlite:///{office.store}")
    sync(engine, table("rating", *_ratings(engine)), name="ratings")
    yield engine
    engine.dispose()


def _ratings(engine: sa.Engine) -> list[dict[str, Any]]:
    """One rating of everybody by every kind of rater that any pack asks."""
    nodes = [node for pack in FOLDERS for node in law_of(pack).file.indicators if node.kind == "raters"]
    asked = sorted({(str(node.rating), kind) for node in nodes for kind in node.weights})
    with engine.connect() as connection:
        people = (
            connection.execute(sa.text("select distinct person_key from fact_person order by 1"))
            .scalars()
            .all()
        )
    return [
        {
            "rating_key": f"{rating}/{kind}/{person}",
            "rating": rating,
            "person_key": person,
            "rater_kind": kind,
            "score": str(70 + number % 30),
            "rated_on": "2025-12-01",
        }
        for rating, kind in asked
        for number, person in enumerate(people)
    ]


_NOBODY_HERE = frozenset({"permit-desk", "hainan-unit", "hainan-unit-municipal"})
"""Packs of another trade, or of whole offices by a mapping of their own: no person here holds what they score."""


@each_pack
def test_it_scores_the_office_and_any_number_of_a_top_person_explains(pack, store):
    law = law_of(pack)
    year = period(YEAR, law.file.calendar)
    (report,) = score_periods(store, Subject(CODE, (CODE,), SOURCES), law, [year])
    if pack in _NOBODY_HERE:
        return
    assert report.people > 0
    best = _best(store, law, report.run_id)
    with store.connect() as connection:
        whole = explain(connection, CODE, law, year, best["person_key"], SOURCES, EVERYTHING)
        (sheet,) = [each for each in whole["sheets"] if each["id"] == best["sheet"]]
        assert Decimal(sheet["points"]) * 1000 == best["points"]
        total = sheet["indicators"][0]
        assert (total["id"], total["points"]) == (sheet["total"], sheet["points"])
        for node in _walk([total]):
            _says_why(node)
        roots = {node["id"] for node in sheet["indicators"]}
        assert roots & set(total_indicators(law.file).values()) == {sheet["total"]}, "one person, one score"
        leaves = [node for node in _walk([total]) if not node["children"]]
        rules = [rule["id"] for node in leaves for rule in node["rules"]]
        for asked in (
            Asked(indicator=leaves[0]["id"]),
            Asked(indicator=leaves[-1]["id"]),
            *map(_of_rule, rules[:1]),
        ):
            part = explain(connection, CODE, law, year, best["person_key"], SOURCES, asked)
            (alone,) = [each for each in part["sheets"] if each["id"] == best["sheet"]]
            (node,) = alone["indicators"]
            assert asked.indicator in {None, node["id"]}
            assert asked.rule in {None, *(rule["id"] for rule in node["rules"])}


def _of_rule(rule: str) -> Asked:
    return Asked(rule=rule)


def _best(store: sa.Engine, law: Policy, run_id: Any) -> Mapping[str, Any]:
    """Return the standing of the best person with a total."""
    with store.connect() as connection:
        placed = [each for each in kept_standings(connection, run_id) if each["points"] is not None]
    found = max(placed, key=lambda each: (each["points"], each["person_key"]), default=None)
    assert found is not None, f"{law.id}: nobody has a total"
    return found


def _walk(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in nodes:
        yield node
        yield from _walk(node["children"])


def _says_why(node: dict[str, Any]) -> None:
    """A value says what it was made of; where there is none, why."""
    if node["state"] == "scored":
        assert node["points"] is not None
    else:
        assert node["reason_text"]
