"""An event log as cases, events and people: what is taken, what is left, and what is told when it is no log."""

import datetime as dt
import gzip
import tracemalloc

import pytest

from jianheng.contract import AdapterContext
from jianheng.errors import StopError
from jianheng_xes import XesLog
from jianheng_xes.log import traces

OFFICE = "550001"
DEFAULTS = {
    "unit_name": "窗口",
    "category": "process",
    "category_from": None,
    "role": "other",
    "handler": None,
    "accepted": None,
    "concluded": None,
    "event_id": None,
    "transitions": ["complete"],
    "keep": [],
    "codes": {},
    "zone": "Asia/Shanghai",
    "batch_size": 2,
}
EVENING = "2011-10-11T18:45:40.276+02:00"
LOG = f"""<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1.0" xmlns="http://www.xes-standard.org/">
  <global scope="event"><string key="concept:name" value="none"/></global>
  <trace>
    <string key="concept:name" value="case-1"/><string key="responsible" value="R9"/>
    <date key="enddate" value="2011-12-31T20:00:00+01:00"/>
    <event><string key="concept:name" value="Check"/><string key="org:resource" value="R1"/>
      <string key="lifecycle:transition" value="COMPLETE"/><date key="time:timestamp" value="{EVENING}"/></event>
    <event><string key="concept:name" value="Check"/><string key="org:resource" value="R1"/>
      <string key="lifecycle:transition" value="complete"/><date key="time:timestamp" value="{EVENING}"/></event>
    <event><string key="concept:name" value="Wait"/><string key="org:resource" value="R2"/>
      <string key="lifecycle:transition" value="start"/><date key="time:timestamp" value="2011-10-10T08:00:00"/></event>
  </trace>
  <trace>
    <string key="concept:name" value="case-2"/>
    <event><string key="concept:name" value="Print"/><string key="org:resource" value="R2"/>
      <date key="time:timestamp" value="2011-10-12T08:00:00"/></event>
  </trace>
</log>
"""


class Quiet:
    def debug(self, event, **fields): ...

    info = warning = debug


def opened(path, **options):
    return XesLog(
        AdapterContext(OFFICE, "log", DEFAULTS | {"path": path} | options, {}, [OFFICE], Quiet(), str)
    )


def read(path, stream, **options):
    return [row for batch in opened(path, **options).read(stream, None) for row in batch.rows]


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "log.xes"
    file.write_text(LOG, encoding="utf-8")
    return file


def test_a_trace_is_a_case_and_its_days_are_shanghais(log):
    """An evening in Europe is the next day here."""
    one, two = read(log, "case", handler="responsible", concluded="enddate")
    assert (one["case_no"], one["handler_key"], two["handler_key"]) == ("case-1", "550001-R9", None)
    assert (one["accepted_on"], one["concluded_on"]) == (dt.date(2011, 10, 12), dt.date(2012, 1, 1))
    assert (two["accepted_on"], two["concluded_on"]) == (dt.date(2011, 10, 12), None)


def test_only_completed_events_count_and_the_same_twice_is_two(log):
    events = read(log, "event", codes={"Check": "t02"})
    assert [(each["kind"], each["label"]) for each in events] == [
        ("t02", "Check"),
        ("t02", "Check"),
        ("Print", "Print"),
    ]
    assert len({each["event_key"] for each in events}) == 3
    assert [each["kind"] for each in read(log, "event", transitions=["start"])] == ["Wait", "Print"]
    assert events[2]["at"].isoformat() == "2011-10-12T08:00:00+08:00"


def test_an_event_recorded_late_changes_no_other_events_key(log):
    before = {each["event_key"] for each in read(log, "event")}
    late = '<event><string key="concept:name" value="Late"/><date key="time:timestamp" value="2011-10-01T08:00:00"/></event>'
    log.write_text(LOG.replace("<event>", f"{late}<event>", 1), encoding="utf-8")
    assert before < {each["event_key"] for each in read(log, "event")}


def test_everybody_named_is_a_person_posted_from_the_first_day(log):
    assert [each["staff_no"] for each in read(log, "person", handler="responsible")] == ["R1", "R2", "R9"]
    since = {each["person_key"]: each["valid_from"] for each in read(log, "posting", handler="responsible")}
    assert since["550001-R1"] == dt.date(2011, 10, 12)
    assert since["550001-R2"] == since["550001-R9"] == dt.date(2011, 10, 10)


def test_a_moment_that_cannot_be_read_leaves_the_first_day_unknown(log):
    log.write_text(LOG.replace(EVENING, "yesterday", 1), encoding="utf-8")
    assert read(log, "case")[0]["accepted_on"] == "yesterday"
    assert read(log, "event")[0]["at"] == "yesterday"


def test_nothing_is_kept_that_was_not_asked_for(log):
    assert read(log, "case")[0]["attributes"] == {}
    assert read(log, "case", keep=["responsible"])[0]["attributes"] == {"responsible": "R9"}


def test_a_folder_of_packed_logs_is_read_in_order_of_names(tmp_path, log):
    (tmp_path / "a.xes.gz").write_bytes(gzip.compress(LOG.replace("case-", "other-").encode()))
    assert [each["case_no"] for each in read(tmp_path, "case")] == ["other-1", "other-2", "case-1", "case-2"]
    assert [len(batch.rows) for batch in opened(tmp_path).read("case", None)] == [2, 2]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (LOG[:-9].encode(), "xes-not-a-log"),
        (b"<html></html>", "xes-not-a-log"),
        (b"", "xes-not-a-log"),
        (b"case,activity\n1,2\n", "xes-not-a-log"),
        (b'<!DOCTYPE log [<!ENTITY a "b">]><log>&a;</log>', "xes-unsafe"),
        (b'<?xml version="1.0" encoding="nonsense"?><log/>', "xes-not-a-log"),
    ],
)
def test_what_is_no_whole_log_is_told_and_not_believed(tmp_path, content, code):
    file = tmp_path / "log.xes"
    file.write_bytes(content)
    (found,) = opened(file).check() if content != LOG[:-9].encode() else [None]
    assert found is None or found.problem.code == code
    with pytest.raises(StopError) as raised:
        read(file, "case")
    assert raised.value.code == code


def test_a_packed_log_that_is_cut_is_told(tmp_path):
    file = tmp_path / "log.xes.gz"
    file.write_bytes(gzip.compress(LOG.encode())[:-20])
    with pytest.raises(StopError, match="xes-not-a-log"):
        list(traces(file))


def test_no_log_a_wrong_zone_and_an_attribute_that_is_not_there_are_told(tmp_path, log):
    (tmp_path / "empty").mkdir()
    assert [each.problem.code for each in opened(tmp_path / "empty").check()] == ["xes-no-log"]
    assert [each.problem.code for each in opened(tmp_path / "none.xes").check()] == ["xes-no-log"]
    with pytest.raises(StopError) as raised:
        opened(log, zone="Mars/Olympus")
    assert raised.value.code == "xes-zone"
    (found,) = opened(log, handler="nobody").check()
    assert (found.ok, found.problem.fields["attributes"]) == (True, "nobody")


@pytest.mark.parametrize("encoding", ["gb2312", "GBK", "gb18030", "big5", "utf-16"])
def test_a_log_in_another_encoding_is_read(tmp_path, encoding):
    file = tmp_path / "log.xes"
    trace = '<trace><string key="concept:name" value="受理"/></trace>'
    text = f'<?xml version="1.0" encoding="{encoding}"?><log>{"<!-- 案件 -->" * 2000}{trace}</log>'
    file.write_bytes(text.encode(encoding))
    assert [each.attributes["concept:name"] for each in traces(file)] == ["受理"]


@pytest.mark.parametrize(
    "content",
    [
        b'<log><trace><string key="a" value="' + b"x" * (5 << 20) + b'"/></trace></log>',
        b"<log>" + b" " * (5 << 20) + b"</log>",
        b'<?xml version="1.0" encoding="gbk"?><log><string key="a" value="\xff"/></log>',
        b'<?xml version="1.0" encoding="euc-kr"?><log/>',
    ],
)
def test_a_text_without_end_and_unknown_bytes_are_told(tmp_path, content):
    file = tmp_path / "log.xes"
    file.write_bytes(content)
    with pytest.raises(StopError) as caught:
        list(traces(file))
    assert caught.value.problem.code == "xes-not-a-log"


def test_memory_does_not_keep_what_stands_beside_the_cases(tmp_path):
    file = tmp_path / "log.xes"
    file.write_bytes(b"<log>" + b'<event><string key="a" value="b"/></event>' * 50_000 + b"<trace/></log>")
    tracemalloc.start()
    assert len(list(traces(file))) == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
