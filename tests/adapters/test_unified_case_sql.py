import datetime as dt
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from source_fakes import (
    UNIT,
    CaseDatabase,
    case,
    make_context,
    read_batches,
    read_rows,
    rows_by,
    sqlite_cases,
)

from jianheng.contract import Source
from jianheng.errors import EmptiedError, FaultsError, RetryError, StopError
from jianheng.facts.convert import Fact, convert
from jianheng.facts.entities import ENTITIES
from jianheng_adapters.unified_case_sql.source import UnifiedCaseSource

at = dt.datetime.fromisoformat  # wall time carries no zone

FIRST = case(1)["BMSAH"]


def open_source(url: str, **options) -> UnifiedCaseSource:
    secrets = options.pop("secrets", None)
    units = options.pop("units", (UNIT,))
    return UnifiedCaseSource(
        make_context({"url": url, "connect_attempts": 1, **options}, secrets=secrets, units=units)
    )


@pytest.fixture
def cases(tmp_path: Path) -> tuple[CaseDatabase, str]:
    return sqlite_cases(tmp_path)


def test_is_a_source_whose_streams_are_the_manifests(cases):
    import tomllib

    import jianheng_adapters.unified_case_sql as package

    manifest = tomllib.loads(Path(package.__file__).with_name("adapter.toml").read_text(encoding="utf-8"))
    source = open_source(cases[1])
    assert isinstance(source, Source)
    assert {stream.name for stream in source.streams()} == set(manifest["streams"])
    assert package.sources()["unified-case-sql"] is UnifiedCaseSource


def test_case_row_is_stripped_translated_and_told_apart(cases):
    database, url = cases
    database.add(
        "TYYW_GG_AJJBXX", case(1, BJRQ="1900-01-01 00:00:00", WCRQ="", SFDBAJ="Y", AJZT="3", TYSAH="99  ")
    )
    (row,) = read_rows(open_source(url), "case")
    assert row["case_no"] == FIRST
    assert row["handler_key"] == f"{UNIT}-0007"
    assert row["department_key"] == f"{UNIT}-0101"
    assert row["handling_unit_key"] is None
    assert row["unified_case_no"] == "99"
    assert row["accepted_on"] == dt.date(2024, 2, 1)
    assert (row["concluded_on"], row["completed_on"]) == (None, None)
    assert row["status"] == "archived"
    assert row["is_supervised"] is True
    assert row["_locator"] == f"TYYW_GG_AJJBXX BMSAH={FIRST}"
    assert row["_deleted"] is False
    assert isinstance(convert(ENTITIES["case"], row), Fact)


def test_what_cannot_be_understood_is_passed_on(cases):
    database, url = cases
    database.add("TYYW_GG_AJJBXX", case(1, AJZT="9", SLRQ="某日"))
    (row,) = read_rows(open_source(url), "case")
    assert (row["status"], row["accepted_on"]) == ("9", "某日")


def test_scope_and_excluded_categories(cases):
    database, url = cases
    database.add(
        "TYYW_GG_AJJBXX",
        case(1),
        case(2, CBDW_BM="990199"),
        case(3, AJLB_BM="1402"),
        case(4, AJLB_BM=None),  # kept: core must see it, to quarantine it
    )
    numbers = [row["case_no"][-6:-1] for row in read_rows(open_source(url), "case")]
    assert numbers == ["00001", "00004"]
    both = read_rows(open_source(url, units=(UNIT, "990199")), "case")
    assert len(both) == 3


def test_deleted_rows_are_told(cases):
    database, url = cases
    database.add("TYYW_GG_AJJBXX", case(1, SFSC="Y"))
    assert read_rows(open_source(url), "case")[0]["_deleted"] is True


def test_cursor_goes_on_with_overlap_and_loses_nothing_at_equal_times(cases):
    database, url = cases
    same = "2024-03-01 09:00:00"
    database.add(
        "TYYW_GG_AJJBXX", *(case(number, same) for number in range(1, 8)), case(8, "2024-03-02 08:00:00")
    )
    source = open_source(url, batch_size=3, overlap_minutes=10)
    batches = read_batches(source, "case")
    assert [len(batch.rows) for batch in batches] == [3, 3, 2]
    # killed after the first batch, in the middle of equal times: the rest still comes
    again = rows_by(read_rows(source, "case", batches[0].cursor), "case_no")
    assert len(again) == 8
    late = rows_by(read_rows(source, "case", batches[-1].cursor), "case_no")
    assert set(late) == {case(8)["BMSAH"]}
    database.add("TYYW_GG_AJJBXX", case(9, "2024-03-02 07:55:00"))  # committed late, within the overlap
    late = rows_by(read_rows(source, "case", batches[-1].cursor), "case_no")
    assert set(late) == {case(8)["BMSAH"], case(9)["BMSAH"]}


def test_a_cursor_never_goes_back_or_beyond_the_present(cases):
    database, url = cases
    database.add("TYYW_GG_AJJBXX", case(1), case(2, "2099-01-01 00:00:00"))
    source = open_source(url, batch_size=1, overlap_minutes=10)
    first, second = read_batches(source, "case")
    assert "2024-03-01T09:00:00" in first.cursor
    assert second.cursor == first.cursor
    assert len(read_rows(source, "case", second.cursor)) == 2  # the one from the future comes each time
    database.change("TYYW_GG_AJJBXX", {"BMSAH": FIRST}, ZHXGSJ="2024-03-01 08:55:00")
    (batch, _) = read_batches(source, "case", first.cursor)
    assert batch.cursor == first.cursor


def test_rows_without_a_time_of_change_come_every_time(cases):
    database, url = cases
    database.add("TYYW_GG_AJJBXX", case(1, None), case(2))
    source = open_source(url)
    batches = read_batches(source, "case")
    assert sum(len(batch.rows) for batch in batches) == 2
    later = '{"v":1,"at":"2024-06-01T00:00:00"}'
    assert [row["case_no"] for row in read_rows(source, "case", later)] == [FIRST]


@pytest.mark.parametrize(
    "cursor", ["", "x", "{}", '{"v":2,"at":"2024-01-01"}', '{"v":1,"at":5}', "[1]", '{"v":1,"at":"gone"}']
)
def test_a_foreign_cursor_is_refused(cases, cursor):
    with pytest.raises(StopError) as caught:
        read_rows(open_source(cases[1]), "case", cursor)
    assert caught.value.code == "cursor-unreadable"


def suspect(number: int, **more):
    return {
        "BMSAH": FIRST,
        "XYRBH": f"{number:02d}",
        "XM": "甲某",
        "SFSC": "N",
        "ZHXGSJ": "2024-03-01 09:00:00",
        **more,
    }


def test_suspects_take_results_from_joined_tables_and_lose_their_names(cases):
    database, url = cases
    database.add("TYYW_GG_AJJBXX", case(1))
    database.add("TYYW_GG_XYRJBXX", suspect(1), suspect(2))
    outcome = {"BMSAH": FIRST, "XYRBH": "01", "SFSC": "N", "ZHXGSJ": "2024-03-01 09:00:00"}
    database.add("TYYW_GS_XYRQK", {**outcome, "SJCLQK_DM": "0322110101000", "YSXGX_DM": "0333334400400"})
    source = open_source(url)
    (batch,) = read_batches(source, "suspect")
    rows = rows_by(batch.rows, "suspect_no")
    assert rows["01"]["prosecution_result"] == "0322110101000"
    assert rows["02"]["prosecution_result"] is None
    assert rows["01"]["pseudonym"].startswith("嫌疑人-")
    assert "甲某" not in repr(rows)
    # only the joined row changes: the suspect must come again
    database.change("TYYW_GS_XYRQK", {"XYRBH": "01"}, YSXGX_DM="0333334400800", ZHXGSJ="2024-05-01 09:00:00")
    (again,) = read_batches(source, "suspect", '{"v":1,"at":"2024-04-01T00:00:00"}')
    assert [row["first_judgment"] for row in again.rows] == ["0333334400800"]
    assert "2024-05-01" in again.cursor
    database.change("TYYW_GS_XYRQK", {"XYRBH": "01"}, SFSC="Y", ZHXGSJ="2024-06-01 09:00:00")
    (row,) = read_rows(source, "suspect", again.cursor)
    assert row["first_judgment"] is None


def document(number: int, **more):
    return {
        "BMSAH": FIRST,
        "DWBM": UNIT,
        "WSBH": str(number),
        "WSMBBH": "100000030196",
        "SFSC": "N",
        "NZRGH": "0007",
        "ZHXGSJ": "2024-03-01 09:00:00",
        **more,
    }


def test_documents_only_of_cases_in_scope(cases):
    database, url = cases
    database.add("TYYW_GG_AJJBXX", case(1), case(2, CBDW_BM="990199"), case(3, AJLB_BM="1401"))
    others = [case(number)["BMSAH"] for number in (2, 3)]
    database.add("YX_WS_SL", document(1), *(document(9, BMSAH=other) for other in others))
    assert [row["document_key"] for row in read_rows(open_source(url), "document")] == [f"{UNIT}-1"]


def test_a_case_that_comes_from_another_unit_brings_its_documents(cases, tmp_path):
    database, url = cases
    other = case(2)["BMSAH"]
    database.add("TYYW_GG_AJJBXX", case(1, CBDW_BM="990199"), case(2))
    database.add("YX_WS_SL", document(1), document(2, BMSAH=other))
    source = open_source(url)
    cursor = '{"v":1,"at":"2024-04-01T00:00:00"}'
    assert read_rows(source, "document", cursor) == []
    database.change("TYYW_GG_AJJBXX", {"BMSAH": FIRST}, CBDW_BM=UNIT, ZHXGSJ="2024-05-01 10:00:00")
    assert len(read_rows(source, "document", cursor)) == 1
    site = tmp_path / "site.toml"
    site.write_text("streams.document.follow_case = false\n", encoding="utf-8")
    assert read_rows(open_source(url, mapping=site), "document", cursor) == []


def test_a_stream_that_held_rows_and_holds_none_is_told_from_one_where_nothing_changed(cases):
    database, url = cases
    database.add("TYYW_GG_AJJBXX", case(1))
    after = '{"v":1,"at":"2030-01-01T00:00:00"}'
    assert read_rows(open_source(url), "case", after) == []
    database.change("TYYW_GG_AJJBXX", {"BMSAH": FIRST}, CBDW_BM="990199")
    with pytest.raises(EmptiedError):
        read_rows(open_source(url), "case", after)
    assert read_rows(open_source(url), "case") == []


def test_approvals_carry_the_template_of_their_document(cases):
    database, url = cases
    database.add("TYYW_GG_AJJBXX", case(1))
    database.add("YX_WS_SL", document(1))
    step = {
        "BMSAH": FIRST,
        "DWBM": UNIT,
        "WSBH": "1",
        "SFSC": "N",
        "SPRGH": "0001",
        "SSRQ": "2024-03-01 09:00:00",
        "ZHXGSJ": "2024-03-01 09:00:00",
    }
    database.add(
        "YX_WS_SP", step | {"SPSY": "1"}, step | {"SPSY": "2"}, step | {"WSBH": "lost", "SPSY": None}
    )
    rows = read_rows(open_source(url), "approval")
    assert len({row["approval_key"] for row in rows}) == 3
    assert [row["template_code"] for row in rows] == ["100000030196", "100000030196", None]
    first = rows[0]["approval_key"]
    database.change("YX_WS_SP", {"SPSY": "1"}, SPRQ="2024-03-02 10:00:00", ZHXGSJ="2024-03-02 10:00:00")
    assert first in rows_by(
        read_rows(open_source(url), "approval"), "approval_key"
    )  # decided: still the same approval


def test_units_come_with_what_is_above_them_even_in_a_circle(cases):
    database, url = cases
    database.add(
        "XT_ZZJG_DWBM",
        {"DWBM": UNIT, "DWMC": "区院", "FDWBM": "990100"},
        {"DWBM": "990100", "DWMC": "市院", "FDWBM": "990000"},
        {"DWBM": "990000", "DWMC": "省院", "FDWBM": "990100"},
        {"DWBM": "990102", "DWMC": "别院", "FDWBM": "990100"},
    )
    assert {row["unit_code"] for row in read_rows(open_source(url), "unit")} == {UNIT, "990100", "990000"}


def test_members_participations_links_and_outcomes(cases):
    database, url = cases
    database.add("TYYW_GG_AJJBXX", case(1))
    member = {"DWBM": UNIT, "BADYBM": "A1", "GH": "0007", "BADYLX": "2", "BADYJSBH": "1"}
    database.add("XT_QX_BADYRYFP", member, member | {"GH": "0008", "BADYJSBH": "4"})
    database.add("YX_QX_BADYAJQX", member | {"BMSAH": FIRST, "SFSC": "N", "ZHXGSJ": "2024-03-01 09:00:00"})
    database.add(
        "YX_XT_XTCBR",
        {"BMSAH": FIRST, "XTCBRDW_BM": "990100", "XTCBRGH": "0100", "ZHXGSJ": "2024-03-01 09:00:00"},
    )
    database.add(
        "YX_AG_GLAJ",
        {"YAJ_BMSAH": "另案", "GLAJ_BMSAH": FIRST, "GLAJ_CBDW_BM": UNIT, "ZHXGSJ": "2024-03-01 09:00:00"},
    )
    database.add("YX_AG_CAJL", {"BMSAH": FIRST, "BMSAH_Y": "原案", "ZHXGSJ": "2024-03-01 09:00:00"})
    database.add("TYYW_GG_AJJBXX", case(2, AJLB_BM="0901"))
    database.add(
        "TYYW_SS_XSSSFC",
        {
            "BMSAH": case(2)["BMSAH"],
            "LAFCJARQ": "1900-01-01",
            "BLRQ": "2024-02-20",
            "BLQK_DM": "1",
            "ZHXGSJ": "2024-03-01 09:00:00",
        },
    )
    database.add("XT_DM_AJLBBM", {"AJLBBM": "0301", "AJLBMC": "一审公诉", "YWBM": "03"})
    source = open_source(url)
    lead, clerk = read_rows(source, "handling_unit_member")
    assert (lead["kind"], lead["role"], lead["is_lead"]) == ("team", "quota_prosecutor", True)
    assert (clerk["role"], clerk["is_lead"]) == ("clerk", False)
    (own,) = read_rows(source, "participation")
    (co,) = read_rows(source, "participation_co")
    assert (own["person_key"], own["role"]) == (f"{UNIT}-0007", "quota_prosecutor")
    assert (co["person_key"], co["handling_form"]) == ("990100-0100", "co_handling")
    (link,) = read_rows(source, "case_link")
    (split,) = read_rows(source, "case_link_split")
    assert (link["kind"], link["to_case_no"], split["from_case_no"]) == ("related", FIRST, "原案")
    (appeal,) = read_rows(source, "case_outcome_appeal")
    assert (appeal["decided_on"], appeal["result_code"]) == (dt.date(2024, 2, 20), "1")
    (code,) = read_rows(source, "code_category")
    assert (code["code_key"], code["parent"]) == ("case_category|0301", "03")


def test_every_stream_of_the_shipped_mapping_can_be_read(cases):
    source = open_source(cases[1])
    assert all(read_rows(source, stream.name) == [] for stream in source.streams())


def test_check_counts_and_warns_where_nothing_is_in_scope(cases):
    database, url = cases
    database.add("TYYW_GG_AJJBXX", case(1))
    findings = list(open_source(url).check())
    assert all(finding.ok for finding in findings)
    warned = {finding.problem.fields["stream"] for finding in findings if finding.problem}
    assert "document" in warned
    assert "case" not in warned
    assert any("1 行" in finding.detail for finding in findings)


def test_check_lists_all_that_is_missing_with_the_nearest_name(cases):
    database, url = cases
    database.run("ALTER TABLE YX_WS_SL RENAME TO YX_WS_SL_TYYW")
    database.run("ALTER TABLE TYYW_GG_AJJBXX RENAME COLUMN BJRQ TO BJRQ1")
    problems = [finding.problem for finding in open_source(url).check() if finding.problem and not finding.ok]
    found = {
        (each.code, each.fields["table"], each.fields.get("column"), each.fields["nearest"])
        for each in problems
    }
    assert found == {
        ("ucs-table-missing", "YX_WS_SL", None, "YX_WS_SL_TYYW"),
        ("ucs-column-missing", "TYYW_GG_AJJBXX", "BJRQ", "BJRQ1"),
    }


def test_reading_without_table_or_column_stops_and_names_it(cases):
    database, url = cases
    source = open_source(url)
    database.run("DROP TABLE YX_WS_SL")
    with pytest.raises(StopError) as caught:
        read_rows(source, "document")
    assert caught.value.code == "ucs-table-missing"
    assert "YX_WS_SL" in str(caught.value)
    database.run("ALTER TABLE TYYW_GG_AJJBXX DROP COLUMN AJZT")
    with pytest.raises(FaultsError) as caught:
        read_rows(source, "case")
    assert "AJZT" in str(caught.value)
    with pytest.raises(StopError) as caught:
        read_rows(source, "nothing")
    assert caught.value.code == "mapping-stream-unknown"


def test_site_mapping_with_suffix_other_names_and_no_such_column(tmp_path):
    database, url = sqlite_cases(tmp_path, suffix="_TYYW")
    database.run("ALTER TABLE TYYW_GG_AJJBXX_TYYW RENAME COLUMN BJRQ TO JSBJRQ")
    database.run("ALTER TABLE TYYW_GG_AJJBXX_TYYW DROP COLUMN FXDJ")
    site = tmp_path / "site.toml"
    site.write_text(
        'table_suffix = "_TYYW"\n[streams.case.columns]\nconcluded_on = "JSBJRQ"\nrisk_level = ""\n'
        '[streams.case]\nexclude = { AJLB_BM = ["1402"] }\nattributes = { ours = "DQJD" }\n'
        "[streams.code_line]\nenabled = false\n",
        encoding="utf-8",
    )
    source = open_source(url, mapping=site)
    with database.engine.begin() as connection:
        row = {key: value for key, value in case(1, DQJD="审查").items() if key not in ("BJRQ", "FXDJ")}
        columns = ", ".join([*row, "JSBJRQ"])
        marks = ", ".join(f":{name}" for name in [*row, "JSBJRQ"])
        connection.execute(
            sa.text(f"INSERT INTO TYYW_GG_AJJBXX_TYYW ({columns}) VALUES ({marks})"),
            {**row, "JSBJRQ": "2024-03-05"},
        )
    (found,) = read_rows(source, "case")
    assert found["concluded_on"] == dt.date(2024, 3, 5)
    assert "risk_level" not in found
    assert found["attributes"] == {"ours": "审查"}
    assert "code_line" not in {stream.name for stream in source.streams()}


def test_sqlite_file_is_never_created_and_never_written(tmp_path):
    missing = tmp_path / "gone.db"
    with pytest.raises(StopError) as caught:
        read_rows(open_source(f"sqlite:///{missing}"), "case")
    assert caught.value.code == "ucs-file-missing"
    assert not missing.exists()
    (finding,) = open_source(f"sqlite:///{missing}").check()
    assert finding.problem.code == "ucs-file-missing"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("not a url", "ucs-url-wrong"),
        ("dameng+dmdriver://x@y/z", "ucs-driver-missing"),
        ("oracle+oracledb://x@y/z", "ucs-driver-missing"),
    ],
)
def test_unusable_urls(url, code):
    (finding,) = open_source(url).check()
    assert finding.problem.code == code


def test_unreachable_host_is_worth_a_retry_and_tells_no_password():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        url = f"postgresql+psycopg://reader@127.0.0.1:{port}/ucs"
        source = open_source(url, secrets={"password": "geheim-1"})
        with pytest.raises(RetryError) as caught:
            read_rows(source, "case")
    assert caught.value.code == "ucs-unreachable"
    assert "geheim-1" not in str(caught.value)
    assert str(port) in str(caught.value)


def test_not_a_database_file(tmp_path):
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"this is no database at all, only text" * 100)
    with pytest.raises(StopError) as caught:
        read_rows(open_source(f"sqlite:///{junk}"), "case")
    assert caught.value.code == "ucs-query-failed"


def test_mid_read_failure_is_a_retry(cases, monkeypatch):
    database, url = cases
    database.add("TYYW_GG_AJJBXX", *(case(number) for number in range(1, 5)))
    source = open_source(url, batch_size=1)
    batches = source.read("case", None)
    first = next(batches)
    with pytest.raises(RetryError) as caught:
        batches.throw(sa.exc.OperationalError("select", {}, Exception("server closed the connection")))
    assert caught.value.code == "ucs-connection-lost"
    assert len(read_rows(source, "case", first.cursor)) == 4


@pytest.fixture(
    params=[
        pytest.param("postgresql_url", marks=pytest.mark.postgresql),
        pytest.param("mariadb_url", marks=pytest.mark.mariadb),
    ]
)
def server(request) -> Iterator[tuple[CaseDatabase, str]]:
    url = request.getfixturevalue(request.param)
    database = CaseDatabase(url, suffix="_SRC", dated=True)
    yield database, url
    database.engine.dispose()


def test_servers_read_the_same_with_real_dates(server, tmp_path):
    database, url = server
    site = tmp_path / "site.toml"
    site.write_text('table_suffix = "_src"\n', encoding="utf-8")  # names are compared without case
    database.add(
        "TYYW_GG_AJJBXX",
        *(case(number, at(f"2024-03-{number:02d} 09:00")) for number in range(1, 6)),
        case(7, None),
    )
    database.add("TYYW_GG_XYRJBXX", suspect(1, ZHXGSJ=at("2024-03-01")))
    database.add(
        "TYYW_GS_XYRQK",
        {
            "BMSAH": FIRST,
            "XYRBH": "01",
            "SFSC": "N",
            "SJCLQK_DM": "0322110101000",
            "ZHXGSJ": at("2024-05-01"),
        },
    )
    source = open_source(url, mapping=site, batch_size=2)
    batches = read_batches(source, "case")
    assert sum(len(batch.rows) for batch in batches) == 6
    assert len(read_rows(source, "case", batches[1].cursor)) == 3  # the 4th, the 5th, the timeless one
    (row,) = read_rows(source, "suspect", '{"v":1,"at":"2024-04-01T00:00:00"}')
    assert row["prosecution_result"] == "0322110101000"
    assert all(finding.ok for finding in source.check())
    wrong = sa.make_url(url).set(username="nobody_here", password=None).render_as_string()
    with pytest.raises(StopError) as caught:
        read_rows(open_source(wrong, secrets={"password": "geheim-2"}), "case")
    assert caught.value.code == "ucs-login-refused"
    assert "geheim-2" not in str(caught.value)
