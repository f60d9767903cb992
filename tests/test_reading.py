"""What adapters may use to read: pages end, cursors never skip or move back, retries are few and polite."""

import datetime as dt

import pytest

from jianheng.contract import Batch
from jianheng.errors import RetryError, StopError
from jianheng.reading import batches, by_change, in_order, numbered_pages, pages, retried, since


def changed(record):
    return record


def row(record):
    return {"case_no": record}


def test_pages_go_on_until_there_is_no_next():
    book = {"": ([1, 2], "b"), "b": ([], "c"), "c": ([3], None)}
    assert list(pages(book.__getitem__, "")) == [[1, 2], [], [3]]


def test_pages_that_lead_back_stop():
    book = {1: ([1], 2), 2: ([2], 1)}
    with pytest.raises(StopError) as raised:
        list(pages(book.__getitem__, 1))
    assert raised.value.code == "reading-page-again"


@pytest.mark.parametrize("count", [0, 1, 3, 4, 6, 7])
def test_numbered_pages_give_each_record_once_and_ask_for_no_page_in_vain(count):
    asked = []

    def fetch(number):
        asked.append(number)
        return list(range(count))[(number - 1) * 3 : number * 3]

    assert list(range(count)) == [each for page in numbered_pages(fetch, 3) for each in page]
    assert asked == list(range(1, count // 3 + 2))


def test_a_page_larger_than_asked_for_stops():
    with pytest.raises(StopError) as raised:
        list(numbered_pages(lambda _number: [1, 2, 3], 2))
    assert raised.value.code == "reading-page-size"


class System:
    """Records ``(changed, id)`` that may change while they are read; the earliest change first."""

    def __init__(self, records, most=100):
        self.records, self.most, self.asked = list(records), most, []

    def fetch(self, moment, limit):
        self.asked.append((moment, limit))
        found = sorted(each for each in self.records if each[0] >= (moment or ""))
        return found[: min(limit, self.most)]


def moment_of(record):
    return record[0]


@pytest.mark.parametrize("moments", ["", "a", "abc", "aab", "abb", "aaab", "abbbbc", "aaaaaaaa", "abcdefgh"])
def test_by_change_every_record_comes_once_however_many_share_a_moment(moments):
    system = System((each, number) for number, each in enumerate(moments))
    given = list(by_change(system.fetch, None, changed=moment_of, size=2, most=16))
    assert given == sorted(system.records)


def test_by_change_what_changes_in_the_meantime_moves_nothing_out_of_sight():
    """With offsets, the record behind each one that leaves an earlier page is never seen."""
    system = System((each, number) for number, each in enumerate("abcdefgh"))
    given = []
    for record in by_change(system.fetch, None, changed=moment_of, size=3):
        if record == ("c", 2):
            system.records[0] = ("x", 0)
            system.records.remove(("b", 1))
        given.append(record)
    assert given == [("a", 0), ("b", 1), *[each for each in sorted(system.records) if each >= ("c", 2)]]


@pytest.mark.parametrize(("most", "holds"), [(None, 2), (2, 2), (4, 4)])
def test_by_change_more_in_one_moment_than_the_system_gives_stops_instead_of_missing_any(most, holds):
    system = System((("a", number) for number in range(9)), most=holds)
    with pytest.raises(StopError) as raised:
        list(by_change(system.fetch, None, changed=moment_of, size=2, most=most))
    assert raised.value.code == "reading-moment-full"


def test_by_change_an_answer_that_goes_back_stops():
    with pytest.raises(StopError) as raised:
        list(by_change(lambda _moment, limit: [("a", 1)] * limit, "b", changed=moment_of, size=2))
    assert raised.value.code == "reading-not-in-order"


def test_batches_hold_every_row_once_in_order():
    rows = [row(str(number)) for number in range(5)]
    assert [Batch(rows[:2]), Batch(rows[2:4]), Batch(rows[4:])] == list(batches(rows, 2))
    assert list(batches([], 2)) == []


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        (None, None),
        ("2026-01-05T00:05:00", "2026-01-04T23:55:00"),
        ("2026-01-05T00:05:00Z", "2026-01-04T23:55:00Z"),
        ("2026-01-05T00:05:00+08:00", "2026-01-04T23:55:00+08:00"),
    ],
)
def test_a_read_goes_back_behind_its_cursor_in_the_cursors_own_form(cursor, expected):
    assert expected == since(cursor, dt.timedelta(minutes=10))


@pytest.mark.parametrize("cursor", ["page 7", "", "0001-01-01T00:00:00"])
def test_a_cursor_that_is_no_moment_stops(cursor):
    with pytest.raises(StopError) as raised:
        since(cursor)
    assert raised.value.code == "reading-cursor"


def test_from_every_cursor_reading_on_misses_nothing():
    """Equal moments at the edge of a batch included."""
    system = ["a", "b", "b", "b", "c", "d", "d"]

    def read(cursor):
        return in_order(
            [each for each in system if each >= (cursor or "")], cursor, changed=changed, row=row, size=2
        )

    whole = list(read(None))
    assert [row(each) for each in system] == [each for batch in whole for each in batch.rows]
    for place, batch in enumerate(whole):
        later = [each for after in whole[place + 1 :] for each in after.rows]
        again = [each for after in read(batch.cursor) for each in after.rows]
        assert all(each in again for each in later)
    assert whole[-1].cursor == "d"


def test_a_cursor_never_moves_back_within_the_overlap():
    assert [each.cursor for each in in_order(["j", "k", "l"], "m", changed=changed, row=row, size=2)] == [
        "m",
        "m",
    ]


def test_records_out_of_order_stop_before_a_cursor_skips_any():
    given = in_order(["b", "c", "a"], None, changed=changed, row=row, size=1)
    assert Batch([row("b")], "b") == next(given)
    with pytest.raises(StopError) as raised:
        list(given)
    assert raised.value.code == "reading-not-in-order"


def failing(errors):
    """Return a call that raises the errors one after the other and then answers."""
    left = list(errors)

    def call(answer):
        if left:
            raise left.pop(0)
        return answer

    return call


def test_a_call_is_made_again_after_what_the_other_side_asked_for(waited):
    call = failing([RetryError("away", after_s=7), RetryError("away")])
    assert retried(call)("here") == "here"
    assert waited[0] == 7
    assert 0 <= waited[1] <= 30


@pytest.mark.parametrize(
    ("told", "kept"),
    [(7, 7), (0, 0), (-1, None), (float("nan"), None), (float("inf"), 86_400), (1e300, 86_400)],
)
def test_a_wait_that_makes_no_sense_is_none(told, kept):
    assert RetryError("away", after_s=told).after_s == kept


def test_a_call_is_made_only_so_often(waited):
    with pytest.raises(RetryError):
        retried(failing([RetryError("away")] * 9), attempts=3)("here")
    assert len(waited) == 2


@pytest.mark.parametrize("error", [StopError("wrong"), ValueError("fault"), RetryError("away", after_s=31)])
def test_what_waiting_does_not_mend_is_raised_at_once(waited, error):
    with pytest.raises(type(error)):
        retried(failing([error]), longest_s=30)("here")
    assert waited == []
