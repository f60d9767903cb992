"""Bad input, end to end: a clear coded error or a quarantined row, the good kept, complete after the mend."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from jianheng_simulator import CLIENT_SECRET, create, mischief, running_archive
from jianheng_simulator.simulation import break_workbook
from office_driver import (
    SECRET_VARIABLE,
    SMALL,
    Office,
    Whole,
    deploy,
    jianheng,
)
from thoroughness import some

pytest_plugins = ["office_fixture"]

OK, STOP, RETRY, SET_ASIDE, ASK = 0, 2, 3, 4, 5


def assert_complete(office: Office, whole: Whole) -> None:
    """The next sync ends the work: nothing in quarantine, nothing missing, nothing twice, all as it should be."""
    told = office.sync()
    assert told.code == OK, told.text
    assert office.facts("select record_key from quarantine where status = 'open'") == []
    assert office.known() == whole.known


def closed_port() -> int:
    """A port of the loopback interface where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


# --- configuration ----------------------------------------------------------------------------


@pytest.fixture
def paper_office(operator: None, tmp_path: Path) -> Office:
    """A deployment without the systems it names."""
    return deploy(tmp_path, f"http://127.0.0.1:{closed_port()}")


@pytest.mark.parametrize("command", ["sync", "score", "publish", "config show"])
def test_an_unknown_key_is_named_with_the_nearest_known_one(paper_office, command):
    paper_office.edit(r'(?m)^name = "(.*)"$', r'nmae = "\1"')
    told = paper_office.run(*command.split())
    assert told.code == STOP
    assert "[config-unknown-key] 未知配置项 nmae" in told.text
    assert f"位置: {paper_office.file} 的 office.nmae" in told.text
    assert "最接近的是 name；请改正或删去" in told.text
    english = paper_office.run(*command.split(), "--lang", "en")
    assert "The nearest known one is name; correct or remove it." in english.text


def test_a_value_of_the_wrong_type_is_told_with_the_type_that_is_wanted(paper_office):
    paper_office.edit(r"periods = \[.*\]", 'periods = "2025"')
    told = paper_office.run("sync")
    assert told.code == STOP
    assert "[config-wrong-type] policy.periods 的类型不对" in told.text
    assert "列表 [...]" in told.text
    assert f"{paper_office.file} 的 policy.periods" in told.text


def test_an_unknown_option_of_an_adapter_is_named_with_the_nearest_known_one(paper_office):
    paper_office.edit(
        'url = "sqlite:///upstream/case.db"', 'url = "sqlite:///upstream/case.db", bach_size = 9'
    )
    told = paper_office.run("sync", "ucs", "--json")
    assert told.code == STOP
    error = told.errors()["config-unknown-option"]
    assert error["where"] == f"{paper_office.file} 的 sources.ucs.options.bach_size"
    assert error["do"].startswith("最接近的是 batch_size")


def test_all_that_is_wrong_with_a_deployment_is_told_at_once(paper_office):
    paper_office.edit(r'(?m)^name = "(.*)"$', r'nmae = "\1"')
    paper_office.edit(r"periods = \[.*\]", 'periods = "2025"')
    told = paper_office.run("sync", "--json")
    assert set(told.errors()) == {"config-unknown-key", "config-wrong-type", "config-missing-key"}


def test_a_missing_secret_stops_its_source_alone_and_the_scoring_until_it_is_set(office, whole, monkeypatch):
    monkeypatch.delenv(SECRET_VARIABLE)
    told = office.sync()
    assert told.code == STOP
    error = told.errors()["secret-variable-missing"]
    assert error["where"] == "sources.archive.client_secret"
    assert SECRET_VARIABLE in error["do"]
    assert office.current("case") == whole.count("case")
    assert office.current("archive_volume") == 0
    refused = office.run("score", "--json")
    assert (refused.code, set(refused.errors())) == (ASK, {"score-sync-incomplete"})
    assert "archive" in refused.errors()["score-sync-incomplete"]["what"]
    monkeypatch.setenv(SECRET_VARIABLE, CLIENT_SECRET)
    assert_complete(office, whole)
    assert [run["digest"] for run in office.score()] == whole.digests


# --- systems that cannot be reached -----------------------------------------------------------


def test_a_database_nobody_serves_is_told_with_its_place_and_may_be_tried_again(office, whole):
    port = closed_port()
    office.edit("sqlite:///upstream/case.db", f"postgresql+psycopg://reader@127.0.0.1:{port}/ucs")
    told = office.sync()
    assert told.code == RETRY
    assert f"127.0.0.1:{port}" in told.errors()["ucs-unreachable"]["where"]
    assert "重新运行" in told.errors()["ucs-unreachable"]["do"]
    assert office.current("posting") == whole.count("posting")
    assert {stream["state"] for name, stream in told.streams().items() if name.startswith("ucs/")} == {
        "failed",
        "skipped",
    }
    english = office.run("sync", "ucs", "--lang", "en")
    assert "[ucs-unreachable] the database can't be reached" in english.text
    office.edit(r"postgresql\+psycopg://[^\"]*", "sqlite:///upstream/case.db")
    assert_complete(office, whole)


@pytest.fixture
def guarded_database(mariadb_url: str) -> Iterator[tuple[sa.URL, str]]:
    """An empty database that a reader may enter with a password only."""
    url = sa.make_url(mariadb_url)
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    user, password = f"reader_{url.database}"[:30], "right-and-long-password"
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE USER '{user}'@'127.0.0.1' IDENTIFIED BY '{password}'"))
        connection.execute(sa.text(f"GRANT SELECT ON {url.database}.* TO '{user}'@'127.0.0.1'"))
    try:
        yield url.set(username=user), password
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text(f"DROP USER '{user}'@'127.0.0.1'"))
        engine.dispose()


@pytest.mark.mariadb
def test_a_wrong_password_is_told_as_such_and_shown_to_nobody(
    office, whole, guarded_database, mariadb_url, monkeypatch
):
    url, right = guarded_database
    create(office.upstream, replace(SMALL, database=mariadb_url))
    office.edit("sqlite:///upstream/case.db", url.render_as_string())
    office.edit(
        r"\[sources\.personnel\]",
        '[sources.ucs.secrets]\npassword = "env:UCS_PASSWORD"\n\n[sources.personnel]',
    )
    wrong = "wrong-and-long-password"
    monkeypatch.setenv("UCS_PASSWORD", wrong)
    for command in ("sync", "doctor"):
        told = office.run(command, "--json")
        assert told.code == STOP
        assert "ucs-login-refused" in told.out
        assert "secrets.password" in told.out
        assert wrong not in told.text
    assert office.current("case") == 0
    monkeypatch.setenv("UCS_PASSWORD", right)
    told = office.sync()
    assert right not in told.text
    assert_complete(office, whole)


# --- the case database ------------------------------------------------------------------------


def test_a_missing_table_stops_what_needs_it_and_keeps_the_rest(office, whole):
    mischief.drop_table(office.upstream, "YX_WS_SL")
    told = office.sync()
    assert told.code == STOP
    missing = [each for each in told.json()["errors"] if each["code"] == "ucs-table-missing"]
    assert {each["what"] for each in missing} == {"数据库中没有表 YX_WS_SL"}
    assert any("streams.document.table" in each["do"] for each in missing)
    states = {name: stream["state"] for name, stream in told.streams().items() if stream["state"] != "done"}
    assert states == {"ucs/document": "failed", "ucs/approval": "failed"}
    assert office.current("case") == whole.count("case")
    assert office.current("archive_volume") == whole.count("archive_volume")
    office.mend(whole)
    assert_complete(office, whole)


def test_a_renamed_column_is_named_with_what_it_may_be_now(synced_office, whole):
    office = synced_office
    before = office.versions()
    mischief.rename_column(office.upstream, "TYYW_GG_AJJBXX", "CBRGH", "CBRGH_NEW")
    told = office.sync()
    assert told.code == STOP
    error = told.errors()["ucs-column-missing"]
    assert error["what"] == "表 TYYW_GG_AJJBXX 没有列 CBRGH"
    assert "最接近的列：CBRGH_NEW" in error["where"]
    waiting = told.errors()["sync-stream-waits"]["what"]
    assert "document" in waiting
    assert "participation" in waiting
    assert office.versions() == before
    assert office.run("score").code == ASK
    office.mend(whole)
    assert_complete(office, whole)


def test_rows_given_twice_count_once(office, whole):
    mischief.duplicate_rows(office.upstream, "YX_WS_SL", 5)
    told = office.sync()
    assert told.code == OK
    assert told.streams()["ucs/document"]["duplicate"] == 5
    assert_complete(office, whole)


def test_of_two_rows_with_one_key_that_differ_one_is_taken_and_the_other_told(office, whole):
    mischief.duplicate_rows(office.upstream, "YX_WS_SL", 1)
    doubled = office.case_rows("select WSBH from YX_WS_SL group by DWBM, WSBH having count(*) > 1")
    assert len(doubled) == 1
    office.change_cases(
        "update YX_WS_SL set WSMC = '另一份' where rowid = (select max(rowid) from YX_WS_SL where WSBH = :w)",
        w=doubled[0]["WSBH"],
    )
    told = office.sync()
    assert told.code == SET_ASIDE
    held = office.quarantine()
    assert [each["problems"][0]["code"] for each in held] == ["row-duplicate-key"]
    assert doubled[0]["WSBH"].strip() in held[0]["record_key"]
    assert "保留其中一行" in held[0]["problems"][0]["do"]
    assert office.current("document") == whole.count("document")
    office.mend(whole)
    assert_complete(office, whole)


def test_a_row_nobody_mends_does_not_make_every_sync_a_full_one_and_full_finds_a_late_mend(
    synced_office, whole
):
    office = synced_office
    mischief.add_malformed_rows(office.upstream)
    read = [office.sync("ucs").streams()["ucs/case"]["emitted"] for _ in range(4)]
    assert min(read[1:3]) > whole.count("case"), "soon after, everything is read again: the mend may be there"
    assert read[3] < whole.count("case"), "later only now and then"
    office.mend(whole)
    told = office.sync(
        "ucs"
    )  # the rows that came with the cursor are gone: that alone makes it look at everything
    assert told.code == OK
    assert "sync-edge-torn" in told.text
    assert office.sync("--full").code == OK
    assert_complete(office, whole)


def test_malformed_rows_are_quarantined_each_with_its_reason(synced_office, whole):
    office = synced_office
    mischief.add_malformed_rows(office.upstream)
    told = office.sync()
    assert told.code == SET_ASIDE
    assert told.streams()["ucs/case"]["quarantined"] == 3
    held = {each["problems"][0]["code"]: each for each in office.quarantine()}
    assert set(held) == {"row-missing-value", "row-unknown-reference", "row-not-a-date"}
    assert held["row-missing-value"]["problems"][0]["what"] == "案件缺少「部门受案号」"
    assert "2025年13月" in held["row-not-a-date"]["problems"][0]["what"]
    assert all("TYYW_GG_AJJBXX" in each["locator"] for each in held.values())
    assert office.current("case") == whole.count("case")
    office.mend(whole)
    assert_complete(office, whole)


def test_a_case_of_an_unknown_handler_waits_and_comes_by_itself_when_the_person_does(office, whole):
    chosen = office.case_rows(
        "select BMSAH, CBRGH from TYYW_GG_AJJBXX where SFSC = 'N' and AJLB_BM = '0301' order by BMSAH limit 1"
    )[0]
    person = office.case_rows("select * from XT_ZZJG_RYBM where GH = :n", n=chosen["CBRGH"].strip())[0]
    office.change_cases(
        "update XT_ZZJG_RYBM set GH = '9876' where GH = :n and DWBM = :u", n=person["GH"], u=person["DWBM"]
    )
    break_workbook(office.upstream, "drop:工号")  # nor does the workbook know him
    told = office.sync()
    held = [each for each in office.quarantine() if each["stream"] == "case"]
    assert chosen["BMSAH"] in {each["record_key"] for each in held}
    assert {each["problems"][0]["code"] for each in held} == {"row-unknown-reference"}
    assert person["GH"] in held[0]["problems"][0]["what"]
    assert told.streams()["ucs/case"]["inserted"] == whole.count("case") - len(held)
    assert {each["problems"][0]["code"] for each in office.quarantine()} == {"row-unknown-reference"}
    office.change_cases("update XT_ZZJG_RYBM set GH = :n where GH = '9876'", n=person["GH"])
    mended = office.sync("ucs")
    assert mended.code == OK, mended.text
    assert [each for each in office.quarantine() if each["source"] == "ucs"] == []
    assert office.current("case") == whole.count("case")
    assert office.current("document") == whole.count("document")


# --- an empty upstream ------------------------------------------------------------------------


def test_an_upstream_that_is_empty_at_the_first_sync_is_not_taken_for_an_office_without_cases(office, whole):
    mischief.empty_table(office.upstream, "TYYW_GG_AJJBXX")
    told = office.sync()
    assert told.code == STOP
    error = told.errors()["sync-empty-source"]
    assert "数据流 case 没有任何案件记录" in error["what"]
    assert "office] units" in error["do"]
    assert told.streams()["ucs/document"]["state"] == "skipped"
    assert office.current("person") == whole.count("person")
    office.mend(whole)
    assert_complete(office, whole)


@pytest.mark.parametrize(
    ("table", "stream"), [("XT_ZZJG_RYBM", "person"), ("TYYW_GG_AJJBXX", "case")], ids=["snapshot", "cursor"]
)
def test_an_upstream_emptied_later_stops_and_deletes_nothing(synced_office, whole, table, stream):
    office = synced_office
    before = office.versions()
    mischief.empty_table(office.upstream, table)
    told = office.sync()
    assert told.code == ASK
    error = told.errors()["sync-mass-change"]
    assert stream in error["what"]
    assert "--accept-mass-change" in error["do"]
    assert office.versions() == before
    assert office.run("score").code == ASK
    english = office.run("sync", "ucs", "--lang", "en")
    assert english.code == ASK
    assert "sync again with --accept-mass-change" in english.text
    office.mend(whole)
    assert_complete(office, whole)


@pytest.mark.parametrize(
    ("table", "entity"),
    [("XT_ZZJG_BMBM", "department"), ("TYYW_GG_AJJBXX", "case")],
    ids=["snapshot", "cursor"],
)
def test_what_vanished_is_believed_when_somebody_says_so_and_can_come_back(
    synced_office, whole, table, entity
):
    office = synced_office
    mischief.empty_table(office.upstream, table)
    told = office.sync("--accept-mass-change")
    assert told.code == OK, told.text
    assert told.streams()[f"ucs/{entity}"]["vanished"] == whole.count(entity)
    assert office.current(entity) == 0
    kept = office.facts(f"select count(*) as n from fact_{entity} where not deleted")[0]["n"]
    assert kept == whole.count(entity), "the last version of each stays, closed"
    office.mend(whole)
    assert_complete(office, whole)


# --- the personnel workbook -------------------------------------------------------------------


def test_a_title_above_the_header_changes_nothing(synced_office, whole):
    office = synced_office
    before = office.versions()
    break_workbook(office.upstream, "shift")
    told = office.sync()
    assert told.code == OK
    assert office.versions() == before
    assert "表头在第 2 行" in office.run("doctor").text


def test_a_missing_column_stops_its_sheet_alone(office, whole):
    break_workbook(office.upstream, "drop:办案角色")
    told = office.sync()
    assert told.code == STOP
    error = told.errors()["table-column-missing"]
    assert error["what"] == "缺少列“办案角色”"
    assert "人员信息.xlsx 任职经历" in error["where"]
    assert "恢复原列名" in error["do"]
    failed = [name for name, stream in told.streams().items() if stream["state"] != "done"]
    assert failed == ["personnel/posting"]
    assert office.current("posting") == 0
    assert office.current("personnel_record") == whole.count("personnel_record")
    office.mend(whole)
    assert_complete(office, whole)


def test_every_missing_column_of_a_sheet_is_told(office):
    break_workbook(office.upstream, "drop:办案角色")
    break_workbook(office.upstream, "drop:起始日期")
    told = office.sync("personnel")
    what = {each["what"] for each in told.json()["errors"] if each["code"] == "table-column-missing"}
    assert what == {"缺少列“办案角色”", "缺少列“起始日期”"}


def test_text_in_a_date_quarantines_its_row_and_keeps_what_was_known(synced_office, whole):
    office = synced_office
    break_workbook(office.upstream, "text-date")
    told = office.sync()
    assert told.code == SET_ASIDE
    held = [each for each in office.quarantine() if each["stream"] == "posting"]
    assert len(held) == 1
    reason = held[0]["problems"][0]
    assert reason["code"] == "row-not-a-date"
    assert "2025年13月" in reason["what"]
    assert reason["where"] == "任职经历!第2行"
    assert office.current("posting") == whole.count("posting")
    assert [run["digest"] for run in office.score()] == whole.digests
    office.mend(whole)
    assert_complete(office, whole)


def test_two_rows_of_one_person_that_differ_are_told_with_both_places(office, whole):
    break_workbook(office.upstream, "duplicate-key")
    told = office.sync()
    assert told.code == SET_ASIDE
    held = [each for each in office.quarantine() if each["stream"] == "person_profile"]
    assert [each["problems"][0]["code"] for each in held] == ["row-duplicate-key"]
    assert "另见 人员信息!第2行" in held[0]["problems"][0]["where"]
    assert office.current("person") == whole.count("person")
    office.mend(whole)
    assert_complete(office, whole)


def test_a_workbook_that_is_no_workbook_is_told_as_such(office, whole):
    book = next((office.upstream / "personnel").glob("*.xlsx"))
    book.write_text("<html>登录</html>", encoding="utf-8")
    told = office.sync()
    assert told.code == STOP
    assert str(book) in told.errors()["table-not-workbook"]["where"]
    assert "另存为 .xlsx" in told.errors()["table-not-workbook"]["do"]
    assert office.current("case") == whole.count("case")
    office.mend(whole)
    assert_complete(office, whole)


# --- the archive service ----------------------------------------------------------------------


@pytest.fixture
def hasty_office(office: Office) -> Office:
    """An office that soon gives up on its archive."""
    office.edit(
        'client_id = "jianheng"', 'client_id = "jianheng", attempts = 2, timeout_s = 1, max_wait_s = 0'
    )
    return office


ARCHIVE_FAULTS = {
    "html": ({"kind": "html", "times": 9}, STOP, "archive-not-json", "登录页"),
    "500": ({"kind": "status", "status": 500, "times": 9}, RETRY, "archive-unavailable", "HTTP 500"),
    "429": (
        {"kind": "status", "status": 429, "times": 9, "retry_after": 1},
        RETRY,
        "archive-unavailable",
        "HTTP 429",
    ),
    "cut": ({"kind": "cut", "times": 9}, RETRY, "archive-unavailable", "没有正常应答"),
    "stall": ({"kind": "stall", "seconds": 1.5, "times": 2}, RETRY, "archive-unavailable", "ReadTimeout"),
}


@pytest.mark.parametrize(
    ("fault", "exit_code", "code", "told_of"),
    some(ARCHIVE_FAULTS.values(), 2),
    ids=some(ARCHIVE_FAULTS, 2),
)
def test_an_archive_that_fails_is_told_and_caught_up_with_later(
    hasty_office, whole, fault, exit_code, code, told_of
):
    hasty_office.fault(**fault)
    told = hasty_office.sync()
    assert told.code == exit_code
    error = told.errors()[code]
    assert hasty_office.archive.removeprefix("http://") in error["where"]
    assert told_of in error["what"] + error["why"]
    assert error["do"]
    assert hasty_office.run("score").code == ASK
    assert hasty_office.current("case") == whole.count("case")
    hasty_office.no_faults()
    assert_complete(hasty_office, whole)


def test_an_archive_that_fails_once_is_asked_again(hasty_office, whole):
    hasty_office.fault(kind="status", status=503)
    assert hasty_office.sync("archive").code == OK
    assert hasty_office.current("archive_volume") == whole.count("archive_volume")


def test_a_page_given_twice_counts_once(hasty_office, whole):
    hasty_office.fault(kind="duplicate_page")
    told = hasty_office.sync("archive")
    assert told.code == OK
    assert told.streams()["archive/archive_volume"]["duplicate"] > 0
    assert hasty_office.current("archive_volume") == whole.count("archive_volume")


def test_a_malformed_volume_is_quarantined_and_the_others_taken(hasty_office, whole):
    hasty_office.fault(kind="malformed_row")
    told = hasty_office.sync("archive")
    assert told.code == SET_ASIDE
    held = hasty_office.quarantine()
    assert {each["code"] for each in held[0]["problems"]} == {"row-missing-value", "row-not-a-number"}
    assert len(held) == 1
    assert hasty_office.current("archive_volume") == whole.count("archive_volume") - 1
    assert_complete(hasty_office, whole)


# --- people who move --------------------------------------------------------------------------


@pytest.fixture
def large_office(operator: None, tmp_path: Path) -> Iterator[Office]:
    """An office with enough people that one moved to the office above in the middle of a year."""
    create(tmp_path / "upstream", replace(SMALL, people=40, cases=200))
    with running_archive(tmp_path / "upstream") as archive:
        yield deploy(tmp_path, archive)


def test_who_changed_unit_keeps_the_points_of_the_old_post_and_brings_none_to_the_new(large_office):
    office = large_office
    assert office.sync().code in (OK, SET_ASIDE)
    office.score()
    moves = office.facts(
        "select a.person_key as before, b.person_key as after, a.valid_to as last"
        " from fact_posting a join fact_posting b on b.unit_code <> a.unit_code and b.valid_from = date(a.valid_to, '+1 day')"
        " join fact_person p on p.person_key = a.person_key join fact_person q on q.person_key = b.person_key and q.name = p.name"
        " where a.unit_code = '990101'"
    )
    moved = {(each["before"], each["after"], each["last"]) for each in moves}
    assert len(moved) == 1
    before, after, last = moved.pop()
    entries = office.facts(
        "select person_key, day, points, state, reason from ledger_entry where run_to = 2147483647"
        " and person_key in (:before, :after) and rule_id <> '-'",
        before=before,
        after=after,
    )
    old = [each for each in entries if each["person_key"] == before]
    assert sum(each["points"] for each in old if each["day"] <= last) > 0
    late = [each for each in old if each["day"] > last]
    assert [each for each in late if each["points"]] == []
    new = [each for each in entries if each["person_key"] == after]
    assert [each for each in new if each["points"]] == []
    standings = office.facts("select person_key from person_score where person_key = :after", after=after)
    assert standings == []


# --- running again ----------------------------------------------------------------------------


def test_a_second_run_with_nothing_changed_writes_nothing(synced_office):
    office = synced_office
    office.score()
    office.run("publish")
    before = office.versions()
    ledger = office.facts("select count(*) as n from ledger_entry")
    files = {each: each.stat().st_mtime_ns for each in (office.folder / "out").rglob("*")}
    told = office.run("sync")
    assert told.code == OK
    assert "没有变化, 事实库未写入任何记录。" in told.text
    assert office.versions() == before
    scored = office.run("score")
    assert scored.text.count("没有变化, 沿用上次结果") == 1
    assert office.facts("select count(*) as n from ledger_entry") == ledger
    published = office.run("publish")
    assert published.code == OK
    assert published.text.count("已是最新, 未重写") == 3
    assert {each: each.stat().st_mtime_ns for each in (office.folder / "out").rglob("*")} == files


def test_scoring_refuses_half_read_sources_unless_told_and_then_says_so(office):
    mischief.drop_table(office.upstream, "YX_WS_SP")
    assert office.sync().code == STOP
    refused = office.run("score", "--json")
    assert refused.code == ASK
    error = refused.errors()["score-sync-incomplete"]
    assert "ucs" in error["what"]
    assert "--accept-incomplete" in error["do"]
    assert office.facts("select count(*) as n from ledger_entry")[0]["n"] == 0
    english = office.run("score", "--lang", "en")
    assert (english.code, "add --accept-incomplete" in english.text) == (ASK, True)
    assert len(office.score("--accept-incomplete")) == 1


def test_reading_one_stream_does_not_make_a_half_read_source_whole(office):
    mischief.drop_table(office.upstream, "YX_WS_SP")
    office.sync()
    assert office.sync("ucs", "--stream", "case").code == OK
    assert office.run("score").code == ASK


def test_a_command_that_does_not_exist_is_told_in_words():
    told = jianheng("snyc")
    assert told.code == STOP
    assert "是否为：sync" in told.text
