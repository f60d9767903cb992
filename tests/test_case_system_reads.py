"""The case system read for real: every theme of the mapping, both versions, on each database that runs here."""

import datetime as dt
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).with_name("adapters")))

from source_fakes import UNIT, case, make_context, read_batches, read_rows

from jianheng.errors import EmptiedError, FaultsError
from jianheng.facts.convert import Fact, convert
from jianheng.facts.entities import ENTITIES
from jianheng_adapters.mapping import load_mapping
from jianheng_adapters.unified_case_sql.schema import needs
from jianheng_adapters.unified_case_sql.source import VERSIONS, UnifiedCaseSource

NOW = dt.datetime(2024, 3, 1, 9)  # noqa: DTZ001 wall time
NO_DATE = dt.datetime(1900, 1, 1)  # noqa: DTZ001
DATES = ("RQ", "SJ")


def day(month: int, number: int) -> dt.datetime:
    return dt.datetime(2024, month, number)  # noqa: DTZ001


class Upstream:
    """A case system with real dates, holding the tables that a version of the mapping reads."""

    def __init__(self, url: str, version: int = 1, *, renamed: dict[str, str] | None = None) -> None:
        self.url, self.version = url, version
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)
        self.metadata = sa.MetaData()
        told = load_mapping(VERSIONS[version], None, placement="table")
        columns: dict[str, set[str]] = {}
        for stream in told.streams.values():
            for name, found in needs(told, stream).values():
                more = {told.change_token, told.token_partition} - {""} if "BMSAH" in found else set()
                columns.setdefault(name, set()).update(found | more)
        self.tables = {
            name: sa.Table((renamed or {}).get(name, name), self.metadata, *map(self._column, sorted(found)))
            for name, found in columns.items()
        }
        self.metadata.create_all(self.engine)

    @staticmethod
    def _column(name: str) -> sa.Column[Any]:
        return sa.Column(name, sa.DateTime() if name.endswith(DATES) else sa.String(60))

    def add(self, table: str, **values: Any) -> None:
        found = self.tables[table]
        base = {"SFSC": "N", "ZHXGSJ": NOW, "CJSJ": NOW}
        known = {name: value for name, value in base.items() if name in found.c}
        with self.engine.begin() as connection:
            connection.execute(sa.insert(found).values(known | values))

    def change(self, table: str, key: str, **values: Any) -> None:
        found = self.tables[table]
        with self.engine.begin() as connection:
            connection.execute(sa.update(found).where(key == found.c.BMSAH).values(**values))

    def case(self, number: int, **more: Any) -> str:
        row = case(number) | {"SLRQ": day(2, 1), "ZHXGSJ": NOW} | more
        self.add("TYYW_GG_AJJBXX", **row)
        return str(row["BMSAH"])

    def source(self, **options: Any) -> UnifiedCaseSource:
        return UnifiedCaseSource(make_context({"url": self.url, "version": self.version, **options}))


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgresql),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ]
)
def upstream(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Upstream]:
    kind = request.param
    url = f"sqlite:///{tmp_path / 'ucs.db'}" if kind == "sqlite" else request.getfixturevalue(f"{kind}_url")
    made = Upstream(url)
    yield made
    made.engine.dispose()


@pytest.fixture
def local(tmp_path: Path) -> Upstream:
    return Upstream(f"sqlite:///{tmp_path / 'ucs.db'}")


def live(source: UnifiedCaseSource, stream: str) -> list[dict[str, Any]]:
    rows = read_rows(source, stream)
    entity = ENTITIES[next(each.entity for each in source.streams() if each.name == stream)]
    assert [row for row in rows if not isinstance(convert(entity, row), Fact)] == []
    return [row for row in rows if not row["_deleted"]]


def test_each_theme_is_read_alike_on_every_database(upstream):
    arrest = upstream.case(1, AJLB_BM="0201")
    again = upstream.case(2, AJLB_BM="0202")
    filing = upstream.case(3, AJLB_BM="0204")
    watched = upstream.case(4)
    upstream.case(5, AJLB_BM="1402", SLRQ=day(2, 9))
    upstream.add(
        "TYYW_ZJ_SCDB", BMSAH=arrest, SJRQ=day(2, 5), SJCLJG_DM="0201101201001", SJCLJG_MC="批准逮捕"
    )
    upstream.add("YX_AG_GLAJ", YAJ_BMSAH=arrest, GLAJ_BMSAH=again, YAJ_AJLB_BM="0201", GLAJ_CBDW_BM=UNIT)
    upstream.add(
        "YX_AG_GLAJ", YAJ_BMSAH=watched, GLAJ_BMSAH=case(5)["BMSAH"], GLAJ_AJLB_BM="1402", GLAJ_CBDW_BM=UNIT
    )
    upstream.add("TYYW_AG_LCJKXX", BMSAH=case(5)["BMSAH"], SFFXWGQX="Y")
    upstream.add("TYYW_AG_LCJKRZ", BMSAH=watched, ZGJB="1416201300300", CJSJ=day(2, 20))
    upstream.add(
        "TYYW_ZJ_LAJD", BMSAH=filing, YQGAJGSMLALYRQ=day(2, 3), TZGAJGLARQ=day(2, 6), LATZGACARQ=NO_DATE
    )
    upstream.add("TYYW_GG_JCJYQK", BMSAH=watched, XH="1", JCJYRQ=day(2, 7), CNRQ=day(2, 28), JCJYXZ_DM="01")
    upstream.add("TYYW_GG_QZCSQK", BMSAH=watched, XYRBH="01", QZCSBH="1", QZCS_DM="5", QZCSCQRQ=day(1, 30))
    upstream.add("TYYW_GG_DWFZXX", BMSAH=watched, DWBH="D1", DWMC="某公司", SJCLQK_DM="0322110101000")
    upstream.add("YX_AG_SAKWDJ", BMSAH=watched, XH="1", SAKWLB="现金", SL="3", JZ="120.50", RKSJ=day(2, 2))
    upstream.add("YX_AG_AJFPRZ", BMSAH=watched, FPFS="3", CJSJ=day(2, 1))
    upstream.add("YX_AG_AJFPRZ", BMSAH=filing, FPFS="2", CJSJ=day(2, 1))
    upstream.add(
        "YX_AG_SLRQXGJL", BMSAH=watched, XGSJ=day(2, 4), YSLRQ=day(2, 2), XSLRQ=day(2, 1), SFSPTG="Y"
    )
    upstream.add("YX_YJ_AJCQJL", BMSAH=watched, KSCQRQ=day(2, 25))
    upstream.add("YX_JWGK_AJGKRZ", BMSAH=watched, DWBM=UNIT, GKZT="1")
    upstream.add("YX_DZJZ_JZJBXX", BMSAH=watched, JZBH=f"{UNIT}00000001", JZSCSJ=day(2, 2), JZSCRGH="0007")
    upstream.add("YX_AG_BHYDLQK", BMSAH=watched, TQBHRDYJRQ=day(2, 12), FLYZBLRQ=NO_DATE)
    source = upstream.source()

    told = {(row["case_no"], row["result_code"], row["decided_on"]) for row in live(source, "case_outcome")}
    assert told == {(number, "0201101201001", dt.date(2024, 2, 5)) for number in (arrest, again)}
    acts = {(row["kind"], row["form"], row["decided_on"]) for row in live(source, "supervision_act")}
    assert acts == {
        ("filing", "reason_demanded", dt.date(2024, 2, 3)),
        ("filing", "notice", dt.date(2024, 2, 6)),
    }
    found = {(row["case_no"], row.get("severity"), row.get("state")) for row in live(source, "finding")}
    assert found == {(watched, "monitoring_notice", None), (watched, None, "confirmed")}
    assert [row["accepted_on"] for row in live(source, "suggestion")] == [dt.date(2024, 2, 28)]
    assert [row["suspect_key"] for row in live(source, "coercive_measure")] == [f"{watched}|01"]
    (accused,) = live(source, "organisation_suspect")
    assert accused["prosecution_result"] == "0322110101000"
    assert "某公司" not in str(accused)
    assert [str(row["value"]) for row in live(source, "property_item")] == ["120.50"]
    events = {
        (row["case_no"], row["kind"], row.get("attributes", {}).get("method"))
        for row in live(source, "event")
    }
    assert events == {
        (watched, "allocation", "manual"),
        (filing, "allocation", "automatic"),
        (watched, "accept_date_change", None),
        (watched, "overdue", None),
    }
    assert [row["state"] for row in live(source, "disclosure")] == ["disclosed"]
    assert [row["maker_key"] for row in live(source, "electronic_file")] == [f"{UNIT}-0007"]
    assert [row["kind"] for row in live(source, "defence_request")] == ["opinion_heard"]
    # The count of the database is the count of what was read; a server is asked for what differs between them.
    known = [each.name for each in source.streams()]
    for stream in known if upstream.engine.dialect.name == "sqlite" else ("supervision_act", "person"):
        counted = sum(each.rows for each in source.count(stream))
        assert counted == len(live(source, stream)), stream
    by_place = {(each.unit_code, each.year): each.rows for each in source.count("case")}
    assert by_place == {(UNIT, 2024): 4}


def test_an_act_whose_day_is_taken_back_is_gone(local):
    number = local.case(1, AJLB_BM="0204")
    local.add("TYYW_ZJ_LAJD", BMSAH=number, TZGAJGLARQ=day(2, 6))
    source = local.source()
    (cursor,) = {batch.cursor for batch in read_batches(source, "supervision_act")}
    local.change("TYYW_ZJ_LAJD", number, TZGAJGLARQ=None, ZHXGSJ=NOW + dt.timedelta(hours=1))
    rows = {
        row["supervision_act_key"]: row["_deleted"] for row in read_rows(source, "supervision_act", cursor)
    }
    assert rows[f"{number}|filing_notice"] is True
    assert sum(each.rows for each in source.count("supervision_act")) == 0


def test_an_outcome_counts_for_the_categories_of_its_table_only(local):
    """The arrest table has a row for prosecutions that came from an arrest: it says nothing of how those ended."""
    number = local.case(1, AJLB_BM="0301")
    local.add("TYYW_ZJ_SCDB", BMSAH=number, SJCLJG_DM="0201101201001")
    local.add("TYYW_GS_SCQS", BMSAH=number, SJQK_DM="0322110101000")
    assert [row["result_code"] for row in live(local.source(), "case_outcome")] == ["0322110101000"]


def test_a_part_that_cannot_be_read_keeps_no_other_back(local):
    number = local.case(1, AJLB_BM="0301")
    local.add("TYYW_GS_SCQS", BMSAH=number, SJQK_DM="0322110101000")
    local.tables["TYYW_SS_PCJD"].drop(local.engine)
    batches = local.source().read("case_outcome", None)
    read = list(next(batches).rows)
    with pytest.raises(FaultsError) as told:
        next(batches)
    assert [row["result_code"] for row in read] == ["0322110101000"]
    assert [each.fields["table"] for each in told.value.problems] == ["TYYW_SS_PCJD"]


def test_every_part_goes_on_from_its_own_cursor(local):
    """A part read late must not lose what changed in one that was read early."""
    first, second = local.case(1, AJLB_BM="0201"), local.case(2, AJLB_BM="0301")
    local.add("TYYW_ZJ_SCDB", BMSAH=first, SJCLJG_DM="A", ZHXGSJ=NOW)
    local.add("TYYW_GS_SCQS", BMSAH=second, SJQK_DM="B", ZHXGSJ=NOW + dt.timedelta(days=30))
    source = local.source(overlap_minutes=0)
    cursor = read_batches(source, "case_outcome")[-1].cursor
    local.change("TYYW_ZJ_SCDB", first, SJCLJG_DM="C", ZHXGSJ=NOW + dt.timedelta(minutes=5))
    changed = [row["result_code"] for row in read_rows(source, "case_outcome", cursor)]
    assert "C" in changed


@pytest.fixture
def second(tmp_path: Path) -> Upstream:
    made = Upstream(f"sqlite:///{tmp_path / 'two.db'}", version=2)
    made.add("XT_ZZJG_RYBM", DWBM=UNIT, RYBM=f"{UNIT}0007", MC="某检察官", JCRYSF_DM="99790001")
    return made


def add_case(made: Upstream, number: int, year: str, token: str) -> str:
    row = {name: value for name, value in case(number).items() if name != "CBRGH"}
    row |= {"SLRQ": day(2, 1), "ZHXGSJ": NOW, "CBRBM": f"{UNIT}0007", "FQL": year, "SJBSBH": token}
    made.add("TYYW_GG_AJJBXX", **row)
    return str(row["BMSAH"])


def test_version_two_knows_people_by_one_code_and_keeps_their_key(second):
    add_case(second, 1, "2024", "t1")
    (person,) = live(second.source(), "person")
    (found,) = live(second.source(), "case")
    assert person["person_key"] == found["handler_key"] == f"{UNIT}-0007"
    assert person["staff_no"] == "0007"


def test_version_two_reads_whatever_group_a_token_changed_in(second):
    for number, year in ((1, "2024"), (2, "2024"), (3, "2025")):
        add_case(second, number, year, f"t{number}")
    source = second.source()
    batches = read_batches(source, "case")
    cursor = batches[-1].cursor
    assert sum(len(batch.rows) for batch in batches) == 3
    assert read_rows(source, "case", cursor) == []
    # The time of change stays as it was: only the token tells.
    second.change("TYYW_GG_AJJBXX", case(3)["BMSAH"], AJZT="3", SJBSBH="t9")
    again = read_batches(source, "case", cursor)
    assert [row["case_no"] for batch in again for row in batch.rows] == [case(3)["BMSAH"]]
    assert read_rows(source, "case", again[-1].cursor) == []
    with second.engine.begin() as connection:
        connection.execute(sa.delete(second.tables["TYYW_GG_AJJBXX"]))
    with pytest.raises(EmptiedError):
        read_rows(source, "case", again[-1].cursor)


def test_a_site_that_names_its_tables_otherwise_needs_only_a_mapping(tmp_path):
    """A vendor's copy: other names, a suffix for the rest, another mark of deletion, columns that are not there."""
    names = {"TYYW_GG_AJJBXX": "FACT_GG_AJJBXX", "YX_WS_SL": "FACT_WS_SL"}
    known = Upstream(f"sqlite:///{tmp_path / 'known.db'}").tables
    made = Upstream(
        f"sqlite:///{tmp_path / 'copy.db'}", renamed={name: names.get(name, f"{name}_BAK") for name in known}
    )
    site = tmp_path / "site.toml"
    site.write_text(
        'table_suffix = "_bak"\n'
        "[tables]\n" + "".join(f'{name} = "{here}"\n' for name, here in names.items()) + "[streams.case]\n"
        'deleted = { column = "SFSC", values = ["1"] }\n'
        '[streams.case.columns]\nrisk_level = ""\n'
        '[streams.suspect.join]\njuvenile_trial = ""\n'
        + "[streams.suspect.columns]\n"
        + "".join(
            f'{name} = "trial.{each.first_of[0].partition(".")[2]}"\n'
            for name, each in load_mapping(VERSIONS[1], None, placement="table")
            .streams["suspect"]
            .columns.items()
            if each.first_of and each.first_of[0].startswith("trial.")
        ),
        encoding="utf-8",
    )
    number = made.case(1, SFSC="0")
    made.case(2, SFSC="1")
    made.add("YX_WS_SL", BMSAH=number, DWBM=UNIT, WSBH="W1", WSMBBH="100000030196")
    source = made.source(mapping=site)
    assert [row["case_no"] for row in live(source, "case")] == [number]
    assert [row["template_code"] for row in live(source, "document")] == ["100000030196"]
    assert live(source, "suspect") == []
    findings = [each for each in source.check() if not each.ok]
    assert findings == []


def test_a_table_behind_a_link_is_asked_for_by_both_names(tmp_path, local):
    site = tmp_path / "site.toml"
    site.write_text('database_link = "TYYW_LINK.NET"\n', encoding="utf-8")
    told = load_mapping(VERSIONS[1], site, placement="table")
    assert told.database_link == "TYYW_LINK.NET"
    assert told.table_name("YX_WS_SL") == "YX_WS_SL"


def test_a_shape_nobody_declared_and_a_part_of_another_kind_are_faults(tmp_path):
    site = tmp_path / "site.toml"
    site.write_text(
        '[streams.disclosure]\nlike = "per_cace"\n[streams.clue_transfer]\nentity = "suggestion"\n',
        encoding="utf-8",
    )
    with pytest.raises(FaultsError) as told:
        load_mapping(VERSIONS[1], site, placement="table")
    assert [(each.code, each.fields["nearest"]) for each in told.value.problems] == [
        ("mapping-unknown-shape", "per_case")
    ]


def test_cursors_of_parts_are_refused_when_they_are_not_ours(local):
    local.case(1)
    for wrong in ("x", json.dumps({"v": 9, "parts": {}}), json.dumps({"v": 1, "parts": []})):
        with pytest.raises(Exception, match="cursor-unreadable"):
            read_rows(local.source(), "case_outcome", wrong)
    assert Counter(row["_deleted"] for row in read_rows(local.source(), "case_outcome")) == {}
