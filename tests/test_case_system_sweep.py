"""The case system lists its keys and reads spans of days: the same records as reading gives, on each database that runs here."""

import datetime as dt
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jianheng.contract import Batch, Keyed, Ranged
from jianheng.errors import RetryError
from jianheng.facts.entities import ENTITIES
from jianheng.store.tables import CURSOR
from jianheng.sync.engine import sync_source
from jianheng.sync.task import Reader
from jianheng_adapters.unified_case_sql.source import UnifiedCaseSource
from jianheng_simulator import database_url
from office_driver import CODE, SMALL
from test_case_system_reads import NOW, UNIT, Upstream, day, make_context, read_rows

pytest_plugins = ["office_fixture"]

MARCH = (dt.date(2024, 3, 1), dt.date(2024, 4, 1))
REMOVED = "TYYW_GG_AJJBXX"


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
    made.add("XT_ZZJG_RYBM", DWBM=UNIT, GH="0007", MC="某检察官")
    yield made
    made.engine.dispose()


def reader(source: UnifiedCaseSource, *streams: str) -> Reader:
    """Return some streams of a source as the engine sees them."""
    return Reader(
        "ucs",
        lambda: [each for each in source.streams() if each.name in streams],
        source.read,
        keys=source.keys,
        read_range=lambda stream, span, cursor: source.read_range(stream, *span, cursor),
    )


def key_of(source: UnifiedCaseSource, stream: str) -> str:
    entity = next(each.entity for each in source.streams() if each.name == stream)
    return ENTITIES[entity].key.name


def keys(source: UnifiedCaseSource, stream: str) -> list[str]:
    return [key for page in source.keys(stream) for key in page]


def numbers(store: sa.Engine) -> set[str]:
    found = sa.text("SELECT case_no FROM fact_case WHERE recorded_to > 253402300799999998 AND deleted = :no")
    with store.connect() as connection:
        return {each[-6:-1] for each in connection.scalars(found, {"no": False})}


def test_every_stream_lists_the_keys_of_the_live_rows_that_it_reads(small_upstream):
    source = UnifiedCaseSource(make_context({"url": database_url(small_upstream, SMALL)}, units=(CODE,)))
    assert isinstance(source, Keyed)
    listed = 0
    for each in source.streams():
        key = key_of(source, each.name)
        read = {row[key] for row in read_rows(source, each.name) if not row["_deleted"]}
        assert set(keys(source, each.name)) == read, each.name
        listed += len(read)
    assert listed > 500


def test_a_sweep_finds_what_was_committed_late_and_what_was_removed(upstream, lite_store):
    for number in range(1, 31):
        upstream.case(number, ZHXGSJ=day(3, number), AJLB_BM="0301")
    source = upstream.source(overlap_minutes=10)
    sync_source(lite_store, CODE, reader(source, "person", "case"))
    upstream.case(40, ZHXGSJ=day(3, 2))
    with upstream.engine.begin() as connection:
        cases = upstream.tables[REMOVED]
        connection.execute(sa.delete(cases).where(cases.c.BMSAH.like("%00005号")))
    sync_source(lite_store, CODE, reader(source, "person", "case"))
    assert {"00005"} == numbers(lite_store) - {f"{number:05}" for number in (*range(1, 5), *range(6, 31))}
    report = sync_source(lite_store, CODE, reader(source, "person", "case"), sweep=True)
    assert (report.state, report.counts.vanished, report.counts.inserted) == ("done", 1, 1)
    assert numbers(lite_store) == {f"{number:05}" for number in (*range(1, 5), *range(6, 31), 40)}


def test_a_span_gives_the_rows_of_its_days_and_can_be_taken_up_at_every_batch(upstream):
    for number in range(1, 29):
        upstream.case(number, SLRQ=day(2 + number % 3, number), ZHXGSJ=NOW)
    upstream.case(50, SLRQ=None)
    source = upstream.source(batch_size=3)
    assert isinstance(source, Ranged)
    wanted = {
        row["case_no"]
        for row in read_rows(source, "case")
        if row["accepted_on"] and row["accepted_on"].month == 3
    }
    batches = list(source.read_range("case", *MARCH, None))
    read = [row["case_no"] for batch in batches for row in batch.rows]
    assert (set(read), len(read)) == (wanted, len(wanted))
    assert len(wanted) > 6
    for place, batch in enumerate(batches):
        before = {row["case_no"] for each in batches[: place + 1] for row in each.rows}
        rest = {
            row["case_no"] for each in source.read_range("case", *MARCH, batch.cursor) for row in each.rows
        }
        assert before | rest == wanted


def test_a_span_killed_on_the_way_is_taken_up_where_it_was(tmp_path, lite_store):
    upstream = Upstream(f"sqlite:///{tmp_path / 'ucs.db'}")
    upstream.add("XT_ZZJG_RYBM", DWBM=UNIT, GH="0007", MC="某检察官")
    for number in range(1, 29):
        upstream.case(number, SLRQ=day(3, number), ZHXGSJ=NOW, AJLB_BM="0301")
    source = upstream.source(batch_size=5)
    whole = reader(source, "person", "case")
    asked: list[str | None] = []

    def breaks(stream: str, span: Any, cursor: str | None) -> Iterator[Batch]:
        asked.append(cursor)
        yield from itertools.islice(source.read_range(stream, *span, cursor), 2)
        if len(asked) == 1:
            raise RetryError("ucs-connection-lost", source="ucs", reason="cut")
        yield from source.read_range(stream, *span, asked[-1])

    cut = Reader(whole.name, whole.streams, whole.read, keys=whole.keys, read_range=breaks)
    report = sync_source(lite_store, CODE, cut, span=MARCH)
    assert (report.state, len(numbers(lite_store))) == ("failed", 10)
    report = sync_source(lite_store, CODE, cut, span=MARCH)
    assert (report.state, len(numbers(lite_store))) == ("done", 28)
    assert (asked[0], asked[1] is not None) == (None, True)
    with lite_store.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(CURSOR)) == 0


def test_a_day_that_nobody_can_read_is_in_every_span_and_a_stream_without_days_comes_whole(tmp_path):
    upstream = Upstream(f"sqlite:///{tmp_path / 'text.db'}")
    upstream.case(1, SLRQ=day(3, 5))
    upstream.add("XT_ZZJG_RYBM", DWBM=UNIT, GH="0007", MC="某检察官")
    with upstream.engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE {REMOVED} SET SLRQ = '2024年13月'"))
    upstream.case(2, SLRQ=day(5, 5))
    source = upstream.source()
    told = [row["accepted_on"] for batch in source.read_range("case", *MARCH, None) for row in batch.rows]
    assert told == ["2024年13月"]
    assert [row for batch in source.read_range("person", *MARCH, None) for row in batch.rows]
