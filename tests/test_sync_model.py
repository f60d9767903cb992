"""A model of the engine: whatever the upstream does and wherever a run dies, what is known ends as the upstream is."""

import itertools
from dataclasses import dataclass, field

import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jianheng.contract import Batch, Stream
from jianheng.errors import RetryError
from jianheng.store.engine import now_us
from jianheng.store.operations import LEASE
from jianheng.store.tables import OPEN, RUN
from jianheng.sync.engine import sync_source
from jianheng.sync.stream import Reader
from thoroughness import examples
from upstream import OFFICE, broken_chains, case, current, person, versions

KEYS = ["a", "b", "c", "d"]
STAGES = ["甲", "乙", "丙"]


class CrashError(BaseException):
    """The process is no more: nothing after it happens, not even tidying up."""


@dataclass
class Upstream:
    """A system whose clock is coarse, whose rows commit late, vanish and spoil, and that breaks at times."""

    size: int
    lists_keys: bool
    clock: int = 0
    cases: dict = field(default_factory=dict)
    people: dict = field(default_factory=dict)
    ever: set = field(default_factory=set)
    breaks_after: int | None = None

    def do(self, operation, calm):
        kind, key, stage, step, late = operation
        kind = {"remove": "mark", "spoil": "write"}.get(kind, kind) if calm else kind
        self.clock += step
        stamp = 0 if late and not calm else self.clock
        if kind == "write":
            self.cases[key] = (stamp, case(key, current_stage=stage))
            self.people[key] = person(key, post=stage)
            self.ever.add((key, stage))
        elif kind == "spoil":
            self.cases[key] = (stamp, case(key, current_stage=stage, accepted_on="不详"))
            self.people[key] = person(key, post=stage, quota_since="不详")
        elif kind == "mark":
            self.cases[key] = (stamp, {"case_no": key, "_deleted": True})
            self.people[key] = {"person_key": key, "_deleted": True}
        else:
            self.cases.pop(key, None)
            self.people.pop(key, None)

    def mend(self):
        """Write good rows for spoilt ones."""
        self.clock += 1
        for key, (_, row) in list(self.cases.items()):
            if row.get("accepted_on") == "不详":
                self.cases[key] = (self.clock, case(key, current_stage=row["current_stage"]))
                self.people[key] = person(key, post=row["current_stage"])
                self.ever.add((key, row["current_stage"]))

    def read(self, stream, cursor):
        if stream == "person":
            rows = [({"_locator": f"p {key}", **row}, None) for key, row in sorted(self.people.items())]
        else:
            since = int(cursor or 0)
            found = sorted((stamp, key, row) for key, (stamp, row) in self.cases.items() if stamp >= since)
            rows = [({"_locator": f"c {key}", **row}, str(stamp)) for stamp, key, row in found]
        for number, start in enumerate(range(0, len(rows), self.size)):
            if number == self.breaks_after:
                raise RetryError("test-broken")
            some = rows[start : start + self.size]
            yield Batch([row for row, _ in some], some[-1][1])

    def keys(self, _stream):
        yield [key for key, (_, row) in self.cases.items() if "_deleted" not in row]

    def reader(self):
        streams = [
            Stream("person", "person", may_be_empty=True),
            Stream("case", "case", "cursor", may_be_empty=True),
        ]
        return Reader("up", lambda: streams, self.read, keys=self.keys if self.lists_keys else None)

    def alive(self):
        return {key: row["current_stage"] for key, (_, row) in self.cases.items() if "_deleted" not in row}


class Deaths:
    """Ends the process at the n-th commit, before or after it; nothing can be done with the store until it is started again."""

    def __init__(self, store):
        self.store, self.left, self.after, self.dead = store, None, False, False
        sa.event.listen(store, "begin", self.begin)
        sa.event.listen(store, "commit", self.commit)

    def begin(self, _connection):
        if self.dead or (self.after and self.left == 0):
            self.dead = True
            raise CrashError

    def commit(self, _connection):
        if self.left is None:
            return
        self.left -= 1
        if self.dead or (not self.after and self.left == 0):
            self.dead = True
            raise CrashError

    def arm(self, left, after):
        self.left, self.after = left, after

    def start_again(self):
        """Start the process again, its lease as that of a process long dead."""
        self.left, self.after, self.dead = None, False, False
        with self.store.begin() as connection:
            connection.execute(sa.update(LEASE).where(LEASE.c.expires_at > 0).values(expires_at=1))


OPERATION = st.tuples(
    st.sampled_from(["write", "write", "write", "spoil", "mark", "remove"]),
    st.sampled_from(KEYS),
    st.sampled_from(STAGES),
    st.sampled_from([0, 0, 1]),
    st.booleans(),
)
FAULT = st.one_of(
    st.none(),
    st.tuples(st.just("break"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("die"), st.integers(1, 9), st.booleans()),
)
ROUND = st.tuples(
    st.lists(OPERATION, min_size=1, max_size=4), FAULT, st.integers(0, 3).map(lambda number: number == 3)
)


def copied(set_up_file):
    source = sa.create_engine(f"sqlite:///{set_up_file}")
    store = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    with source.connect() as full, store.connect() as empty:
        full.connection.driver_connection.backup(empty.connection.driver_connection)
    source.dispose()
    return store


def check_history(store, entity, key, column, ever):
    """Look at every version: they follow each other without a gap, each differs from the last, none was made up."""
    assert broken_chains(store, entity) == []
    for _, group in itertools.groupby(versions(store, entity), key=lambda row: row[key]):
        rows = list(group)
        for before, after in itertools.pairwise(rows):
            assert (before["content_hash"], before["deleted"]) != (after["content_hash"], after["deleted"])
        for row in rows:
            assert row["deleted"] or (row[key], row[column]) in ever
            assert row["recorded_from"] <= now_us() + 1_000_000


def first(*operations):
    return ([(kind, key, "甲", step, late) for kind, key, step, late in operations], None, False)


def dying(number, after):
    operations, _, _ = first(("write", KEYS[number % 4], 1, False), ("write", KEYS[number % 3], 0, False))
    return (operations, ("die", number, after), False)


# By hand what chance may take long to find: a write at the very stamp of the cursor, a row that commits behind it,
# a death on either side of every commit.
EQUAL_STAMPS = [first(("write", "a", 1, False)), first(("write", "b", 0, False))]
LATE_COMMIT = [first(("write", "a", 1, False)), first(("write", "b", 1, True))]
DEATHS = [dying(number, after) for number in range(1, 9) for after in (False, True)]


@example(rounds=EQUAL_STAMPS, size=1, lists_keys=True, calm=True)
@example(rounds=LATE_COMMIT, size=1, lists_keys=True, calm=False)
@example(rounds=LATE_COMMIT, size=1, lists_keys=False, calm=False)
@example(rounds=DEATHS, size=1, lists_keys=True, calm=True)
@settings(max_examples=examples(12))
@given(
    rounds=st.lists(ROUND, min_size=2, max_size=5),
    size=st.integers(1, 3),
    lists_keys=st.booleans(),
    calm=st.booleans(),
)
def test_whatever_happens_what_is_known_ends_as_the_upstream_is(set_up_file, rounds, size, lists_keys, calm):
    """Changes, late commits, equal stamps, deletions of both kinds, spoilt rows, faults, deaths at any commit, replays.

    In a calm history nothing comes late, vanishes or spoils.
    """
    store = copied(set_up_file)
    upstream, deaths = Upstream(size, lists_keys), Deaths(store)
    for operations, fault, sweep in rounds:
        for operation in operations:
            upstream.do(operation, calm)
        kind, number, after = fault or ("", 0, False)
        upstream.breaks_after = number if kind == "break" else None
        if kind == "die":
            deaths.arm(number, after)
        try:
            report = sync_source(store, OFFICE, upstream.reader(), sweep=sweep, accept_mass_change=True)
            assert report.counts.balanced
            assert report.state == "done" or kind == "break"
            if (
                calm and report.state == "done"
            ):  # nothing came late or vanished: no sweep is needed to be right
                assert dict(current(store, "case", "case_no", "current_stage")) == upstream.alive()
        except CrashError:
            assert kind == "die"
        deaths.start_again()
    upstream.breaks_after = None
    upstream.mend()
    last = sync_source(store, OFFICE, upstream.reader(), sweep=True, accept_mass_change=True)
    assert last.state == "done"
    alive = upstream.alive()
    assert {key for (key,) in current(store, "case", "case_no")} == alive.keys()
    if lists_keys:  # a list of keys cannot show that a row changed late
        last = sync_source(store, OFFICE, upstream.reader(), full=True)
    assert dict(current(store, "case", "case_no", "current_stage")) == alive
    assert last.open_quarantine == 0
    assert dict(current(store, "person", "person_key", "post")) == alive
    check_history(store, "case", "case_no", "current_stage", upstream.ever)
    check_history(store, "person", "person_key", "post", upstream.ever)
    again = sync_source(store, OFFICE, upstream.reader(), sweep=True)
    assert (again.state, again.counts.written) == ("done", 0)
    with store.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).where(RUN.c.state == "running")) == 0
    assert OPEN in {row["recorded_to"] for row in versions(store, "case")} or not upstream.cases
    store.dispose()
