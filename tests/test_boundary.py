"""The boundary: whatever an adapter does, the caller gets a value or a coded error, in time."""

import io
import json
import logging
import threading
import time

import pytest
import structlog

from jianheng.boundary import Boundary
from jianheng.errors import RetryError, StopError
from jianheng.logs import configure_logs, get_log, hide, redact, redact_value


def test_a_call_returns_what_the_adapter_returns():
    with Boundary("zoo", 5) as boundary:
        assert boundary.call("add", lambda a, b: a + b, 1, 2, returns=int) == 3


def test_all_calls_run_on_one_thread_of_their_own():
    with Boundary("zoo", 5) as boundary:
        first = boundary.call("who", threading.get_ident)
        steps = list(boundary.iterate("who", lambda: (threading.get_ident() for _ in range(2))))
    assert {first, *steps} == {first}
    assert first != threading.get_ident()


def _raise(error):
    raise error


@pytest.mark.parametrize(
    "error", [ValueError("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), MemoryError()]
)
def test_any_exception_becomes_a_coded_error(error):
    with Boundary("zoo", 5) as boundary, pytest.raises(StopError) as raised:
        boundary.call("open", _raise, error)
    assert raised.value.code == "adapter-raised"
    assert raised.value.problem.fields["exception"] == type(error).__name__
    assert raised.value.problem.fields["at"].startswith("tests/test_boundary.py:")


def test_an_exception_that_cannot_say_what_it_is_is_told_all_the_same():
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    with Boundary("zoo", 5) as boundary, pytest.raises(StopError, match="MuteError"):
        boundary.call("open", _raise, MuteError())


def test_an_error_raised_on_purpose_passes():
    with Boundary("zoo", 5) as boundary, pytest.raises(RetryError) as raised:
        boundary.call("open", _raise, RetryError("zoo-asleep"))
    assert raised.value.code == "zoo-asleep"


def test_a_timeout_the_adapter_raised_is_not_taken_for_ours():
    with Boundary("zoo", 5) as boundary:
        with pytest.raises(StopError) as raised:
            boundary.call("open", _raise, TimeoutError("socket"))
        assert raised.value.code == "adapter-raised"
        assert boundary.call("again", lambda: 1) == 1


def test_a_hung_call_is_given_up_and_poisons_the_boundary():
    boundary = Boundary("zoo", 0.1)
    release = threading.Event()
    began = time.monotonic()
    with pytest.raises(StopError) as raised:
        boundary.call("sleep", release.wait, 30)
    assert raised.value.code == "adapter-timeout"
    assert time.monotonic() - began < 5
    with pytest.raises(StopError) as refused:
        boundary.call("next", lambda: 1)
    assert refused.value.code == "adapter-poisoned"
    assert boundary.poisoned
    release.set()


def test_one_hung_adapter_does_not_hold_another():
    release = threading.Event()
    with pytest.raises(StopError):
        Boundary("slow", 0.05).call("sleep", release.wait, 30)
    with Boundary("quick", 5) as quick:
        assert quick.call("go", lambda: "done") == "done"
    release.set()


def test_each_step_of_an_iteration_is_limited():
    release = threading.Event()

    def rows():
        yield 1
        release.wait(30)
        yield 2

    boundary = Boundary("zoo", 0.2)
    seen = []
    with pytest.raises(StopError) as raised:
        seen.extend(boundary.iterate("read", rows))
    assert raised.value.code == "adapter-timeout"
    release.set()


def test_what_was_yielded_before_an_error_is_kept():
    def rows():
        yield 1
        raise LookupError("gone")

    seen = []
    with Boundary("zoo", 5) as boundary:
        reading = boundary.iterate("read", rows)
        seen.append(next(reading))
        with pytest.raises(StopError):
            next(reading)
        assert boundary.call("after", lambda: 1) == 1
    assert seen == [1]


def test_a_reader_that_stops_early_closes_the_iterator_on_its_thread():
    closed = []

    def rows():
        try:
            yield from range(10)
        finally:
            closed.append(threading.get_ident())

    with Boundary("zoo", 5) as boundary:
        thread = boundary.call("who", threading.get_ident)
        reading = boundary.iterate("read", rows)
        assert next(reading) == 0
        reading.close()
    assert closed == [thread]


def test_an_error_while_closing_does_not_hide_why_reading_stopped():
    def rows():
        try:
            yield 1
            raise LookupError("gone")
        finally:
            raise OSError("also closing failed")

    with Boundary("zoo", 5) as boundary, pytest.raises(StopError) as raised:
        list(boundary.iterate("read", rows))
    assert raised.value.problem.fields["exception"] == "OSError"


@pytest.mark.parametrize(("given", "wanted"), [("1", int), (None, int), (object(), (int, str))])
def test_what_comes_back_is_checked(given, wanted):
    with Boundary("zoo", 5) as boundary, pytest.raises(StopError) as raised:
        boundary.call("count", lambda: given, returns=wanted)
    assert raised.value.code == "adapter-returned-wrong"


def test_what_is_yielded_is_checked():
    with Boundary("zoo", 5) as boundary:
        with pytest.raises(StopError) as raised:
            list(boundary.iterate("read", lambda: ["row"], yields=int))
        assert raised.value.code == "adapter-returned-wrong"
        with pytest.raises(StopError) as raised:
            list(boundary.iterate("read", lambda: None))
        assert raised.value.code == "adapter-returned-wrong"


def test_log_lines_inside_say_whose_they_are():
    out = io.StringIO()
    configure_logs(logging.INFO, as_json=True, stream=out)
    try:
        with Boundary("zoo", 5, office="990101") as boundary:
            boundary.call("read", lambda: get_log("inside").info("here"))
    finally:
        structlog.reset_defaults()
        configure_logs()
    line = json.loads(out.getvalue())
    assert (line["office"], line["adapter"], line["call"], line["event"]) == ("990101", "zoo", "read", "here")


def test_a_traceback_is_logged_at_debug_only_and_redacted():
    hide("s3cret-value")
    for level, expected in ((logging.INFO, False), (logging.DEBUG, True)):
        out = io.StringIO()
        configure_logs(level, as_json=True, stream=out)
        with Boundary("zoo", 5) as boundary, pytest.raises(StopError) as raised:
            boundary.call("open", _raise, ValueError("s3cret-value of 张三 13912345678"))
        configure_logs()
        assert ("Traceback" in out.getvalue()) is expected
        for told in (out.getvalue(), str(raised.value)):
            assert "s3cret-value" not in told
            assert "13912345678" not in told


def test_what_a_library_got_over_is_logged_in_a_line():
    """A pool that finds its connection broken says so with its frames; an operator has no use for them."""
    hide("s3cret-value")
    for level, expected in ((logging.WARNING, False), (logging.DEBUG, True)):
        out = io.StringIO()
        configure_logs(level, as_json=True, stream=out)
        try:
            _raise(OSError("gone:\n s3cret-value"))
        except OSError:
            logging.getLogger("sqlalchemy.pool").exception("while resetting")
        configure_logs()
        assert ("Traceback" in out.getvalue()) is expected
        assert "s3cret-value" not in out.getvalue()
        line = json.loads(out.getvalue())
        assert (line["event"], line.get("error", "OSError: gone: ***")) == (
            "while resetting",
            "OSError: gone: ***",
        )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("身份证 370212199001011234。", "身份证 ******************。"),
        ("37021219900101123X", "******************"),
        ("电话13912345678", "电话***********"),
        ("东检起诉受[2024]13010000026号", "东检起诉受[2024]13010000026号"),
        ("postgresql://reader:pw@host/db", "postgresql://reader:***@host/db"),
        ("http://host:8080/a@b", "http://host:8080/a@b"),
        ("http://host/x?token=abc&page=1", "http://host/x?token=***&page=1"),
        ("2024-01-02 990101", "2024-01-02 990101"),
    ],
)
def test_redaction(text, expected):
    assert redact(text) == expected


def test_redaction_reaches_into_values_and_masks_telling_keys():
    given = {"password": "x", "rows": [{"phone": 13912345678}], "client_token": "y", "count": 3, "ok": True}
    expected = {
        "password": "***",
        "rows": [{"phone": "*" * 11}],
        "client_token": "***",
        "count": 3,
        "ok": True,
    }
    assert redact_value(given) == expected


def test_a_hidden_value_disappears_in_its_written_forms():
    hide("p@ss word+1")
    assert "p%40ss" not in redact("url=p%40ss%20word%2B1 raw=p@ss word+1")


def test_a_short_secret_does_not_garble_words():
    hide("ab")
    assert redact("table ab about") == "table *** about"
