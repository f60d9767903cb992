"""What no cursor shows: late commits, removed rows, spans read by themselves; and a source treated politely."""

import datetime as dt
import json
from importlib.resources import as_file, files

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from jianheng.contract import Batch, Stream
from jianheng.errors import RetryError, StopError
from jianheng.store import leases, moments
from jianheng.store.engine import open_store, writing_latest
from jianheng.store.tables import CURSOR, FACT_MOMENT
from jianheng.sync import cursors
from jianheng.sync.counts import Counts
from jianheng.sync.engine import sync_source
from jianheng.sync.pace import MOST_WAIT_S, Pace, check_quiet, pace_from, paced, quiet_minutes
from jianheng.sync.stream import Reader
from upstream import OFFICE, broken_chains, case, current, reader, sync, table

SPAN = (dt.date(2020, 1, 1), dt.date(2021, 1, 1))
CALM = [case(f"C{n:02}") for n in range(40)]


def codes(report):
    return [each.code for each in report.problems]


def cases_of(store):
    return [key for (key,) in current(store, "case", "case_no")]


def behind(made, row):
    """Commit a row late: it lies before the cursor when it appears."""
    made.cells[row["case_no"]] = (0, {"_locator": row["case_no"], **row})


def listing(made, lists):
    """Return a table as a source that lists its keys, or as one that does not."""
    plain = reader(made)
    if not lists:
        return plain

    def keys(_stream):
        yield [f" {row['case_no']} " for _, row in made.cells.values() if "_deleted" not in row]

    return Reader(plain.name, plain.streams, plain.read, keys=keys)


def swept(store, made, lists, **more):
    return sync_source(store, OFFICE, listing(made, lists), sweep=True, **more)


@pytest.mark.parametrize("lists", [True, False])
def test_a_sweep_finds_late_commits_and_removed_rows(store, lists):
    made = table("case", *CALM, mode="cursor")
    sync(store, made)
    behind(made, case("late"))
    made.remove("C03")
    assert sync(store, made).counts.written == 0
    report = swept(store, made, lists)
    assert (report.state, report.counts.inserted, report.counts.vanished) == ("done", 1, 1)
    assert cases_of(store) == sorted({*(row["case_no"] for row in CALM), "late"} - {"C03"})
    assert broken_chains(store, "case") == []
    reads = len(made.asked)
    assert swept(store, made, lists).counts.written == 0
    assert made.asked[reads:] == (["40"] if lists else [None])


@pytest.mark.parametrize("lists", [True, False])
def test_a_sweep_asks_before_it_believes_that_much_vanished(lite_store, lists):
    made = table("case", *CALM, mode="cursor")
    sync(lite_store, made)
    for number in range(20):
        made.remove(f"C{number:02}")
    report = swept(lite_store, made, lists)
    assert (codes(report), report.counts.vanished, len(cases_of(lite_store))) == (["sync-mass-change"], 0, 40)
    assert swept(lite_store, made, lists, accept_mass_change=True).counts.vanished == 20
    assert len(cases_of(lite_store)) == 20


def test_a_source_that_lists_no_keys_at_all_is_asked_about(lite_store):
    made = table("case", *CALM[:3], mode="cursor")
    sync(lite_store, made)
    plain = reader(made)
    nothing = Reader(plain.name, plain.streams, plain.read, keys=lambda _stream: iter([]))
    report = sync_source(lite_store, OFFICE, nothing, sweep=True)
    assert (codes(report), len(cases_of(lite_store))) == (["sync-mass-change"], 3)


@pytest.mark.parametrize("lists", [True, False])
def test_what_is_in_quarantine_has_not_vanished(lite_store, lists):
    made = table("case", *CALM, mode="cursor")
    sync(lite_store, made)
    made.put(case("C01", accepted_on="不详"))
    made.put(case("new", accepted_on="不详"))
    for _ in range(2):
        report = swept(lite_store, made, lists)
        assert (report.state, report.counts.vanished, report.open_quarantine) == ("done", 0, 2)
    assert len(cases_of(lite_store)) == 40


def test_a_record_that_another_stream_of_the_source_shows_is_not_missing(lite_store):
    first, second = table("case", *CALM, mode="cursor"), table("case", case("C99"), mode="cursor")
    second.stream = Stream("other", "case", "cursor")
    by_name = {"case": first, "other": second}
    both = Reader(
        "up",
        lambda: [first.stream, second.stream],
        lambda name, at: by_name[name].read(at),
        keys=lambda name: iter([[row["case_no"] for _, row in by_name[name].cells.values()]]),
    )
    sync_source(lite_store, OFFICE, both)
    second.put(case("C00"))
    first.remove("C00")
    report = sync_source(lite_store, OFFICE, both, sweep=True)
    assert (report.state, len(cases_of(lite_store))) == ("done", 41)
    assert sync_source(lite_store, OFFICE, both, sweep=True).counts.written == 0


def test_a_sweep_comes_by_itself_when_it_is_time(lite_store):
    made = table("case", *CALM, mode="cursor")
    sync(lite_store, made)
    made.remove("C00")
    assert sync(lite_store, made, sweep_every_s=0.0).counts.vanished == 1
    made.remove("C01")
    assert sync(lite_store, made, sweep_every_s=3600.0).counts.vanished == 0
    assert sync(lite_store, made, sweep_every_s=0.0).counts.vanished == 1


# Spans.


class Years:
    """A source that can be read by spans; it breaks after some batches when told to."""

    def __init__(self):
        self.rows = [case(f"B{n}", accepted_on=f"2020-0{n}-01") for n in range(1, 9)]
        self.asked, self.breaks_after = [], None

    def read_range(self, _stream, span, cursor):
        self.asked.append((span, cursor))
        for number in range(int(cursor or 0), len(self.rows), 2):
            if self.breaks_after is not None and number >= self.breaks_after:
                raise RetryError("test-broken")
            yield Batch(self.rows[number : number + 2], str(number + 2))

    def reader(self, made):
        plain = reader(made)
        return Reader(plain.name, plain.streams, plain.read, read_range=self.read_range)


def test_a_span_is_read_by_itself_and_goes_on_where_it_broke(store):
    years, made = Years(), table("case", *CALM[:3], mode="cursor")
    sync(store, made)
    years.breaks_after = 4
    report = sync_source(store, OFFICE, years.reader(made), span=SPAN)
    assert (codes(report), report.counts) == (["test-broken"], Counts(emitted=4, inserted=4))
    years.breaks_after = None
    report = sync_source(store, OFFICE, years.reader(made), span=SPAN)
    assert (report.state, report.counts) == ("done", Counts(emitted=4, inserted=4))
    assert years.asked == [(SPAN, None), (SPAN, "4")]
    assert len(cases_of(store)) == 11
    with store.connect() as connection:  # the span's own place is forgotten, the stream's stands as it stood
        kept = [tuple(row) for row in connection.execute(sa.select(CURSOR.c.partition, CURSOR.c.cursor))]
    assert [(name, cursors.unpack(text, "up", "case").cursor) for name, text in kept] == [("", "3")]
    assert made.asked == [None]


def test_a_source_without_spans_says_so(lite_store):
    report = sync(lite_store, table("case", case("A"), mode="cursor"), span=SPAN)
    assert codes(report) == ["sync-no-ranges"]


# The envelope.


def test_a_cursor_is_kept_in_an_envelope_whose_version_says_who_can_read_it():
    told = cursors.pack('{"v": 9}')
    assert json.loads(told) == {"v": 2, "cursor": '{"v": 9}'}
    assert cursors.unpack(told, "up", "case") == cursors.Kept('{"v": 9}')
    assert cursors.unpack('{"v": 1, "cursor": "x"}', "up", "case") == cursors.Kept("x")
    whole = cursors.Kept("x", "0011223344556677", 7)
    assert cursors.unpack(cursors.pack(whole.cursor, whole.edge, whole.full_at), "up", "case") == whole
    with pytest.raises(StopError) as newer:
        cursors.unpack('{"v": 3, "cursor": "x"}', "up", "case")
    assert newer.value.code == "sync-cursor-newer"
    for text in ("12", "[]", "{}", "not json", '{"v": "1", "cursor": "x"}'):
        with pytest.raises(StopError):
            cursors.unpack(text, "up", "case")


def test_cursors_from_before_envelopes_are_put_into_one_and_taken_out_again(tmp_path):
    """What an older version had read is not read again after the upgrade, whatever its cursor looked like."""
    engine = open_store(f"sqlite:///{tmp_path / 'old.db'}")
    made = table("case", case("A"), mode="cursor")
    sync(engine, made)
    with as_file(files("jianheng.store") / "migrations") as scripts, engine.begin() as connection:
        configuration = Config()
        configuration.set_main_option("script_location", str(scripts))
        configuration.attributes["connection"] = connection
        command.downgrade(configuration, "0003")
        assert connection.scalar(sa.text("SELECT cursor FROM sync_cursor")) == "1"
        command.upgrade(configuration, "0004")
        kept = connection.scalar(sa.select(CURSOR.c.cursor))
        assert cursors.unpack(kept, "up", "case") == cursors.Kept("1")
        command.upgrade(configuration, "head")
    sync(engine, made)
    assert made.asked == [None, "1"]
    engine.dispose()


def test_a_store_from_before_moments_were_kept_knows_them_after_the_upgrade(every_store):
    """Else what was recorded before would never be scored, and new versions could begin before old ones."""
    engine = every_store
    for name in ("one", "two"):
        sync(engine, table("case", case("A"), case("B")), name=name)
    with engine.connect() as connection:
        kept = connection.execute(sa.select(FACT_MOMENT).order_by("source")).fetchall()
    assert [row[:3] for row in kept] == [(OFFICE, "one", "case"), (OFFICE, "two", "case")]
    with writing_latest(engine) as connection:
        still_at_work = leases.take(connection, "sync:test", "old version", 600)
    assert isinstance(still_at_work, leases.Lease)
    with as_file(files("jianheng.store") / "migrations") as scripts, engine.begin() as connection:
        configuration = Config()
        configuration.set_main_option("script_location", str(scripts))
        configuration.attributes["connection"] = connection
        command.downgrade(configuration, "0004")
        assert not sa.inspect(connection).has_table("fact_moment")
        command.upgrade(configuration, "head")
        again = connection.execute(sa.select(FACT_MOMENT).order_by("source")).fetchall()
        assert again == kept
        assert moments.last_recorded(connection, OFFICE) == max(row.moment for row in kept)
    with writing_latest(engine) as connection:
        assert not leases.renew(connection, still_at_work, 600), "it would keep no moments"
        assert isinstance(leases.take(connection, "sync:test", "this version", 600), leases.Lease)


def test_a_cursor_of_a_newer_version_is_not_guessed_at(lite_store):
    made = table("case", case("A"), mode="cursor")
    sync(lite_store, made)
    with lite_store.begin() as connection:
        connection.execute(sa.update(CURSOR).values(cursor='{"v": 3, "cursor": "1", "more": true}'))
    report = sync(lite_store, made)
    assert (codes(report), made.asked) == (["sync-cursor-newer"], [None])


# Politeness.


def at(hour, minute=0):
    """Return a clock that stands at a time of day in Shanghai."""
    return lambda: (
        int(dt.datetime(2026, 3, 4, hour, minute, tzinfo=dt.timezone(dt.timedelta(hours=8))).timestamp())
        * 10**6
    )


@pytest.mark.parametrize(
    ("windows", "hour", "left"),
    [
        (["08:30-17:00"], 8, 0),
        (["08:30-17:00"], 9, 480),
        (["08:30-17:00"], 17, 0),
        (["22:00-06:00"], 23, 420),
        (["22:00-06:00"], 5, 60),
        (["22:00-06:00"], 6, 0),
        (["08:00-12:00", "12:00-13:00"], 11, 120),
        (["18:00-24:00"], 23, 60),
        ([], 12, 0),
    ],
)
def test_a_source_is_left_alone_in_its_quiet_hours(windows, hour, left):
    pace = pace_from(windows, None)
    assert quiet_minutes(pace, hour * 60) == left
    if not left:
        check_quiet(pace, "up", at(hour))
        return
    with pytest.raises(RetryError) as quiet:
        check_quiet(pace, "up", at(hour))
    assert (quiet.value.code, quiet.value.after_s) == ("sync-quiet", left * 60)


def test_reading_stops_where_quiet_hours_begin_and_keeps_what_it_has(lite_store):
    times = iter([at(7, 59), at(8), at(8)])

    def now():
        return next(times)()

    def read(name, since):
        return paced(plain.read(name, since), pace, "up", now=now)

    made = table("case", *CALM, mode="cursor", size=10)
    pace = pace_from(["08:00-18:00"], None)
    plain = reader(made)
    polite = Reader("up", plain.streams, read)
    report = sync_source(lite_store, OFFICE, polite)
    assert (codes(report), report.counts.inserted) == (["sync-quiet"], 10)


def test_no_more_rows_a_minute_are_asked_than_a_source_wants():
    clock, waited = [0.0], []

    def sleep(seconds):
        waited.append(seconds)
        clock[0] += seconds

    batches = [Batch([{}] * 100), Batch([{}] * 50), Batch([{}] * 100_000), Batch([])]
    pace = Pace(rows_per_minute=100)
    assert [*paced(iter(batches), pace, "up", clock=lambda: clock[0], sleep=sleep)] == batches
    assert waited == [60.0, 30.0, MOST_WAIT_S, MOST_WAIT_S]
    assert [*paced(iter(batches), Pace(), "up", sleep=pytest.fail)] == batches
