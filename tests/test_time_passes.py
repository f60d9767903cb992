"""Ten days go by upstream: only what changed is read, written and scored, and what held before stays visible."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from jianheng_simulator import CLIENT_SECRET, create, pass_time, running_archive
from office_driver import OPEN, SECRET_VARIABLE, SMALL, Office, Told, deploy

pytest_plugins = ["office_fixture"]
pytestmark = pytest.mark.usefixtures("operator")

BEGIN = replace(SMALL, cases=160, today=date(2025, 11, 20))
"""Far enough from the end that ten days stay in the year that is scored."""
CURRENT = 2_147_483_647
IN_SCOPE = "CBDW_BM = '990101' and AJLB_BM not in ('1401', '1402')"

# What of each table the office knows: its key, then everything that is mapped; days where a day is kept.
TABLES = {
    "case": (
        "TYYW_GG_AJJBXX",
        ("BMSAH",),
        """SFSC TYSAH CBDW_BM CBBM_BM CBRGH BADYBM AJLB_BM SLRQ BLKSRQ DQRQ BJRQ WCRQ GDRQ BLTS AJZT DQJD YJZT
        FXDJ YSAY_AYDM YSAY_AYMC YSYJ_DM AJLY_DM SFSWAJ SFDBAJ SFGZAJ SFJBAJ ZCJGSFJYSYRZRF""",
    ),
    "document": (
        "YX_WS_SL",
        ("DWBM", "WSBH"),
        "SFSC BMSAH WSMBBH WSMC NZRGH NZRQ SSRQ SPRGH SPRQ SPJL SFRJ SCRJRQ",
    ),
    "approval": (
        "YX_WS_SP",
        ("DWBM", "WSBH", "SPRGH", "SSRQ", "SPSY"),
        "SFSC BMSAH SSRGH SPRQ SPJL SPJSBM",
    ),
}

Rows = dict[tuple[str, ...], tuple[str, ...]]


def snapshot(office: Office, entity: str) -> Rows:
    """A table as the office may know it, by key: no padding, days only, deleted rows all alike."""
    table, keys, columns = TABLES[entity]
    names = [*keys, *columns.split()]
    scope = IN_SCOPE if entity == "case" else f"BMSAH in (select BMSAH from TYYW_GG_AJJBXX where {IN_SCOPE})"
    found: Rows = {}
    for row in office.case_rows(f"select {', '.join(names)} from {table} where {scope}"):
        plain = {name: "" if row[name] is None else str(row[name]).strip() for name in names}
        content = tuple(plain[name][:10] if name.endswith("RQ") else plain[name] for name in columns.split())
        gone = ("Y",)
        found[tuple(plain[name] for name in keys)] = gone if plain["SFSC"] == "Y" else content
    return found


def volumes(office: Office) -> dict[tuple[str, int], dict[str, Any]]:
    """The archive's volumes by its own database."""
    with sqlite3.connect(office.upstream / "archive.db") as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute("select * from volume where unit = '990101'").fetchall()
    return {(row["dh"], row["jh"]): dict(row) for row in found}


def accepted_cases(held: dict[tuple[str, int], dict[str, Any]]) -> set[str]:
    """The cases all of whose volumes the archive has accepted."""
    alive = [row for row in held.values() if not row["deleted"]]
    waiting = {row["bmsah"] for row in alive if row["state"] != "已归档"}
    return {row["bmsah"] for row in alive} - waiting


def differences(before: dict[Any, Any], after: dict[Any, Any]) -> int:
    """How many records are new or not as they were."""
    return sum(before.get(key) != content for key, content in after.items())


@dataclass(frozen=True, slots=True)
class View:
    """Everything on one day: upstream by its own tables, the ledger by SQL."""

    tables: dict[str, Rows]
    volumes: dict[tuple[str, int], dict[str, Any]]
    ledger: dict[tuple[str, str, str], dict[str, Any]]
    recorded: int


@dataclass(frozen=True, slots=True)
class Story:
    """An office on a day and ten days later."""

    office: Office
    before: View
    after: View
    first: list[dict[str, Any]]
    sync: Told
    runs: list[dict[str, Any]]


def look(office: Office) -> View:
    """Look at everything as it is now."""
    lines = office.facts(
        "select s.period, l.* from ledger_entry l join ledger_scope s using (scope_id) where l.run_to = :now",
        now=CURRENT,
    )
    latest = [
        office.facts(f"select max(recorded_from) as at from fact_{entity}")[0]["at"] or 0
        for entity in (*TABLES, "archive_volume")
    ]
    return View(
        {entity: snapshot(office, entity) for entity in TABLES},
        volumes(office),
        {(row["period"], row["entry_id"], row["item_key"]): row for row in lines},
        max(latest),
    )


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Sync, score, publish; ten days later sync and score again."""
    folder = tmp_path_factory.mktemp("time")
    create(folder / "upstream", BEGIN)
    with pytest.MonkeyPatch.context() as patch, running_archive(folder / "upstream") as archive:
        patch.setenv(SECRET_VARIABLE, CLIENT_SECRET)
        office = deploy(folder, archive)
        assert office.sync().code == 0
        first = office.score()
        assert office.run("publish", "archive").code == 0
        before = look(office)
        pass_time(office.upstream, 10)
        synced = office.sync()
        runs = office.score()
        yield Story(office, before, look(office), first, synced, runs)


def test_something_happened(story):
    """The other tests say little of days on which nothing happens."""
    assert all(differences(story.before.tables[entity], story.after.tables[entity]) for entity in TABLES)
    assert differences(story.before.volumes, story.after.volumes)


def test_only_a_small_part_is_read(story):
    streams = story.sync.streams()
    for entity in TABLES:
        read, there = streams[f"ucs/{entity}"]["emitted"], len(story.after.tables[entity])
        assert differences(story.before.tables[entity], story.after.tables[entity]) <= read
        assert read < there / 4, entity
    assert streams["archive/archive_volume"]["emitted"] < len(story.after.volumes) / 2


@pytest.mark.parametrize("entity", list(TABLES))
def test_a_version_is_written_for_each_record_that_changed_and_no_other(story, entity):
    changed = differences(story.before.tables[entity], story.after.tables[entity])
    written = story.office.facts(
        f"select count(*) as n from fact_{entity} where recorded_from > :since", since=story.before.recorded
    )
    stream = story.sync.streams()[f"ucs/{entity}"]
    assert written[0]["n"] == changed
    assert stream["inserted"] + stream["changed"] + stream["deleted"] == changed


def test_the_archive_is_read_as_the_case_system_is(story):
    known = ("state", "handed_over_at", "accepted_at", "returned_at", "return_reason", "retention", "deleted")
    before, after = (
        {key: [str(row[name])[:10] for name in known] for key, row in view.volumes.items()}
        for view in (story.before, story.after)
    )
    written = story.office.facts(
        "select count(*) as n from fact_archive_volume where recorded_from > :since",
        since=story.before.recorded,
    )
    assert written[0]["n"] == differences(before, after)


def test_former_versions_stay_closed_at_the_moment_the_next_begins(story):
    orphans = story.office.facts(
        f"select a.document_key from fact_document a where a.recorded_to < {OPEN} and not exists"
        " (select 1 from fact_document b where b.document_key = a.document_key and b.source = a.source"
        " and b.recorded_from = a.recorded_to)"
    )
    assert orphans == []


def test_only_the_cases_that_changed_are_scored_again(story):
    every = story.first[0]["cases"]
    for run in story.runs:
        assert (run["mode"], run["reason"]) == ("incremental", "changes")
        assert 0 < run["cases"] < every / 2


def test_scoring_what_changed_comes_to_the_same_ledger_as_scoring_everything(story):
    full = story.office.score("--full")
    assert {run["mode"] for run in full} == {"full"}
    assert [run["digest"] for run in full] == [run["digest"] for run in story.runs]
    assert [(run["added"], run["closed"]) for run in full] == [(0, 0)] * len(full)
    assert [run["points"] for run in full] == [run["points"] for run in story.runs]


def test_lines_that_no_longer_hold_are_closed_and_none_is_lost(story):
    gone = story.before.ledger.keys() - story.after.ledger.keys()
    assert len(gone) == sum(run["closed"] for run in story.runs)
    assert len(story.after.ledger.keys() - story.before.ledger.keys()) == sum(
        run["added"] for run in story.runs
    )
    runs = {run["period"]: run["run_id"] for run in story.runs}
    for period, entry, item in gone:
        kept = story.office.facts(
            "select l.run_from, l.run_to, l.points from ledger_entry l join ledger_scope s using (scope_id)"
            " where s.period = :period and l.entry_id = :entry",
            period=period,
            entry=entry,
        )
        former = story.before.ledger[period, entry, item]
        assert [(row["run_from"], row["run_to"]) for row in kept] == [(former["run_from"], runs[period])]
        assert kept[0]["points"] == former["points"]


def test_points_become_final_when_the_archive_has_accepted_every_volume(story):
    for view in (story.before, story.after):
        accepted = accepted_cases(view.volumes)
        counted = [row for row in view.ledger.values() if row["state"] in ("final", "provisional")]
        assert {row["case_no"] for row in counted if row["state"] == "final"} <= accepted
        assert {row["case_no"] for row in counted if row["state"] == "provisional"}.isdisjoint(accepted)
    newly = accepted_cases(story.after.volumes) - accepted_cases(story.before.volumes)
    turned = {row["case_no"] for row in story.before.ledger.values() if row["state"] == "provisional"} & newly
    assert turned, "the archive has accepted at least one case that had provisional points"
    final = {row["case_no"] for row in story.after.ledger.values() if row["state"] == "final"}
    assert turned <= final


def test_the_archive_was_told_which_cases_are_due(story):
    with sqlite3.connect(story.office.upstream / "archive.db") as connection:
        told = {row[0] for row in connection.execute("select bmsah from due")}
    closed = {
        row["BMSAH"]
        for row in story.office.case_rows(f"select BMSAH from TYYW_GG_AJJBXX where {IN_SCOPE} and SFSC = 'N'")
    }
    assert told
    assert told <= closed
    assert told.isdisjoint(accepted_cases(story.before.volumes))


def test_a_deleted_document_loses_its_points_and_its_history_stays(synced_office):
    """The case system deletes by a mark; whoever looks later still sees what counted and until when."""
    office = synced_office
    office.score()
    chosen = office.facts(
        "select item_key, person_key, points, case_no from ledger_entry"
        " where item_kind = 'document' and points > 0 and run_to = :now order by item_key limit 1",
        now=CURRENT,
    )[0]
    unit, _, number = chosen["item_key"].partition("-")
    touched = office.change_cases(
        "update YX_WS_SL set SFSC = 'Y', ZHXGSJ = '2026-01-02 09:00:00.000000' where DWBM = :u and WSBH = :n",
        u=unit,
        n=number,
    )
    assert touched == 1
    told = office.sync()
    assert told.streams()["ucs/document"]["deleted"] == 1
    (run,) = office.score()
    assert run["mode"] == "incremental"
    lines = office.facts(
        "select points, run_from, run_to from ledger_entry where item_key = :k and person_key = :p",
        k=chosen["item_key"],
        p=chosen["person_key"],
    )
    assert {line["run_to"] for line in lines} == {run["run_id"]}
    assert sum(line["points"] for line in lines) >= chosen["points"]
    versions = office.facts(
        "select deleted, recorded_to from fact_document where document_key = :k order by recorded_from",
        k=chosen["item_key"],
    )
    assert [bool(version["deleted"]) for version in versions] == [False, True]
    assert versions[-1]["recorded_to"] == OPEN
    explained = office.run("explain", chosen["person_key"], "--case", chosen["case_no"], "--json").out
    assert chosen["item_key"] not in explained


def test_the_counts_that_are_printed_say_what_was_done(story):
    told = story.office.run("score").text
    assert told.count("没有变化, 沿用上次结果") == len(story.runs)
    assert "没有变化, 事实库未写入任何记录。" in story.office.run("sync").text


def test_the_office_folder_holds_no_secret(story):
    for file in Path(story.office.folder).glob("*.toml"):
        assert CLIENT_SECRET not in file.read_text(encoding="utf-8")
