"""An adapter of others runs in a process of its own: what it gives comes through, what it does wrong hurts nobody."""

import dataclasses
import datetime as dt
import gc
import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from isolated import AWKWARD, SMALL, ZOO, context, opened
from jianheng.boundary import Boundary
from jianheng.cli.opening import open_target
from jianheng.cli.session import Session
from jianheng.contract import (
    CaseText,
    Countable,
    Entry,
    Finding,
    Keyed,
    LiveCount,
    PersonScore,
    Publication,
    Ranged,
    Receipt,
    Source,
    Stream,
    Target,
)
from jianheng.errors import AskError, EmptiedError, FaultsError, JianhengError, RetryError, StopError
from jianheng.isolation import scratch
from jianheng.isolation.host import Code, examine, open_isolated
from jianheng.isolation.limits import GUARDS
from jianheng.messages import speaking
from plugins_zoo.install import install


@pytest.fixture(scope="module")
def animal():
    """One child for all that leaves it alive."""
    with opened() as found:
        yield found


@pytest.fixture
def here(monkeypatch):
    """The same adapter in this process, to compare with."""
    monkeypatch.syspath_prepend(ZOO)
    import zoo_awkward

    yield zoo_awkward
    sys.modules.pop("zoo_awkward")


def failure(animal, stream):
    with pytest.raises(JianhengError) as raised:
        animal.read(stream)
    return raised.value


@pytest.mark.skipif(sys.platform != "linux", reason="limits are read where Linux shows them")
def test_it_has_limits_of_its_own_and_a_session_of_its_own(animal):
    pid = animal.adapter.child.pid
    lines = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()
    told = {line[:26].strip(): line.split()[-3] for line in lines[1:]}
    assert told["Max cpu time"] == str(SMALL.cpu_s)
    assert told["Max open files"] == str(SMALL.open_files)
    assert told["Max core file size"] == "0"
    assert (os.getsid(pid), os.getpgid(pid)) == (pid, pid)
    assert set(animal.adapter.child.guards) <= set(GUARDS)
    assert "audit" in animal.adapter.child.guards


def test_rows_come_through_as_they_are_in_process(animal, here):
    direct = list(here.Awkward(context()).read("rows", None))
    far = animal.read("rows")
    assert [each.cursor for each in far] == [each.cursor for each in direct]
    first, row = direct[0].rows[0], far[0].rows[0]
    assert list(row) == list(first)
    odd = ("odd", "number")
    assert {key: row[key] for key in row if key not in odd} == {
        key: first[key] for key in first if key not in odd
    }
    assert str(row["amount"]) == "1.500"
    assert row["at"].utcoffset() == dt.timedelta(hours=8)
    assert type(row["attributes"]["t"]) is tuple
    assert (type(row["odd"]).__name__, str(row["odd"])) == ("Whatever", "whatever it is")
    assert (type(row["number"]), row["number"]) == (int, 7)
    assert far[0].rows[1] == direct[0].rows[1]
    assert (far[1].rows, far[2].rows) == ((), direct[2].rows)


def test_arrow_comes_through_with_its_schema(animal, here):
    (direct,), (far,) = here.Awkward(context()).read("table", None), animal.read("table")
    assert isinstance(far.rows, pa.Table)
    assert far.rows.schema.equals(direct.rows.schema, check_metadata=True)
    assert far.rows.equals(direct.rows)


def test_checks_streams_and_optional_methods_are_those_of_the_adapter(animal):
    source = animal.adapter
    assert isinstance(source, Source)
    assert not isinstance(source, Target)
    assert all(isinstance(source, each) for each in (Countable, Keyed, Ranged))
    fine, warned = source.check()
    assert fine == Finding("fine", detail="P-张三")
    assert (warned.warning, warned.problem.fields) == (True, {"animal": Decimal("1.0")})
    assert source.streams() == [Stream("rows", "unit"), Stream("table", "unit", "cursor", may_be_empty=True)]
    assert list(source.count("rows")) == [LiveCount("990101", 2026, 3), LiveCount("", None, 1)]
    assert list(source.keys("rows")) == [["990101-1", "990101-2"]]
    (batch,) = source.read_range("rows", dt.date(2026, 1, 1), dt.date(2026, 2, 1), None)
    assert batch.rows == [{"start": dt.date(2026, 1, 1), "end": dt.date(2026, 2, 1), "cursor": None}]


@pytest.mark.parametrize(
    ("stream", "kind", "code"),
    [
        ("stop", StopError, "zoo-sick"),
        ("retry", RetryError, "zoo-sick"),
        ("ask", AskError, "zoo-sick"),
        ("emptied", EmptiedError, "source-emptied"),
        ("faults", FaultsError, "zoo-sick"),
        ("value", StopError, "adapter-raised"),
        ("odd", StopError, "adapter-raised"),
        ("exit", StopError, "adapter-raised"),
        ("interrupt", StopError, "adapter-raised"),
        ("internals", StopError, "adapter-raised"),
    ],
)
def test_what_it_raises_arrives_with_class_and_code_and_the_next_call_goes_on(animal, stream, kind, code):
    error = failure(animal, stream)
    assert type(error) is kind
    assert error.code == code
    assert animal.read("table")


def test_fields_and_problems_of_an_error_come_along(animal):
    assert failure(animal, "stop").problem.fields == {"animal": "东东", "size": Decimal("1.50")}
    assert failure(animal, "retry").after_s == 7.5
    assert [each.fields["animal"] for each in failure(animal, "faults").problems] == ["a", "b"]
    told = failure(animal, "value").problem.fields
    assert told["detail"] == "身份证 ******************"
    assert told["at"].startswith("zoo_awkward/__init__.py:")
    assert failure(animal, "stop").code == "zoo-sick"


def test_what_is_no_batch_is_refused_by_its_type(animal):
    with pytest.raises(StopError) as raised:
        list(animal.boundary.iterate("read", animal.adapter.read, "none", None, yields=Source))
    assert raised.value.problem.fields["given"] == "NoneType"


def test_a_reading_that_is_left_early_leaves_the_adapter_usable(animal):
    batches = animal.boundary.iterate("read", animal.adapter.read, "rows", None)
    assert next(batches).cursor == "c1"
    batches.close()
    assert len(animal.read("rows")) == 3


def test_a_reading_that_nobody_ended_ends_with_the_child_in_silence():
    with opened() as found:
        batches = found.boundary.iterate("read", found.adapter.read, "rows", None)
        assert next(batches).cursor == "c1"
    assert found.adapter.child.stopped
    del batches
    gc.collect()


def test_pseudonyms_are_asked_of_the_host_from_any_thread(animal):
    assert animal.read("threads")[0].rows == [{"name": "P-李四"}]


def test_its_log_is_ours_and_ends_at_the_limit(animal):
    lines = animal.context.log.lines
    del lines[:]
    animal.read("flood_log")
    assert [fields["number"] for event, fields in lines if event == "line"] == list(range(SMALL.log_lines))
    assert len(lines) == SMALL.log_lines + 1


def test_a_line_of_its_log_is_cut(animal):
    lines = animal.context.log.lines
    del lines[:]
    assert animal.read("long_log")[0].rows == [{"ok": True}]
    (event, fields), (whole, rest) = lines
    assert (set(event), len(event), fields) == ({"x"}, 16_000, {"number": 1})
    assert (whole, list(rest)) == ("line", ["left_out"])


def test_its_log_cannot_pass_for_another(animal):
    lines = animal.context.log.lines
    del lines[:]
    animal.read("forged_log")
    given = {"office_": "999999", "method_name_": "x", "exc_info_": (1, 2, 3), "level_": "debug", "number": 1}
    assert lines == [("mine", given), ("bound", {"a": 1, "b": 2})]


def test_what_it_prints_is_cut_and_mixes_with_nothing(animal):
    before = len(animal.told("output"))
    assert animal.read("flood_output")[0].rows == [{"ok": True}]
    assert animal.read("table")
    assert sum(map(len, animal.told("output")[before:])) <= 2 * SMALL.output_bytes


@pytest.mark.parametrize(
    ("stream", "code", "field", "told"),
    [
        ("crash", "isolation-died", "how", "SIGSEGV"),
        ("leave", "isolation-died", "said", "leaving now"),
        ("garbage", "isolation-garbage", "detail", "header"),
        ("forged_rows", "isolation-garbage", "detail", "rows"),
        ("forged_table", "isolation-garbage", "detail", "Arrow: ArrowInvalid"),
        ("compressed", "isolation-garbage", "detail", "compressed"),
    ],
)
def test_its_end_or_its_lies_are_one_coded_error_of_its_own(animal, stream, code, field, told):
    with opened() as broken:
        error = failure(broken, stream)
        assert (error.code, error.problem.fields[field]) == (code, told)
        assert error.problem.fields["call"] == "read"
        assert failure(broken, "table").code == "isolation-died"
        assert not Path(f"/proc/{broken.adapter.child.pid}").exists()
    assert animal.read("table")


def test_what_goes_over_a_limit_is_refused_and_the_adapter_lives_on():
    with opened() as big:
        assert failure(big, "big_batch").code == "isolation-too-large"
        assert failure(big, "memory").code == "isolation-memory"
        assert big.read("table")


@pytest.mark.parametrize("stream", ["hang", "hang_deaf"])
def test_a_hang_ends_with_its_process(stream):
    with opened() as hanging:
        hanging.boundary.timeout_s = 0.5
        pid = hanging.adapter.child.pid
        assert failure(hanging, stream).code == "adapter-timeout"
        assert failure(hanging, stream).code == "adapter-poisoned"
        assert not Path(f"/proc/{pid}").exists()


def test_a_hang_while_it_is_made_ends_with_its_process():
    began = time.monotonic()
    with Boundary("animals", 2) as boundary, pytest.raises(StopError) as raised:
        boundary.call("open", open_isolated, AWKWARD, "source", context(open="hang"), SMALL)
    assert raised.value.code == "adapter-timeout"
    assert time.monotonic() - began < 30


def test_it_words_what_it_says_by_its_own_texts_in_the_language_of_who_asks(tmp_path):
    """The texts stand beside its manifest; its code may use them wherever it runs."""
    module = """
from jianheng.contract import Finding
from jianheng.hookspecs import hookimpl
from jianheng.messages import text


class Wordy:
    def __init__(self, context): ...
    def streams(self): return []
    def read(self, stream, cursor): return iter(())
    def check(self): return [Finding("words", detail=text("wordy-found", count=2))]


@hookimpl
def sources():
    return {"wordy": Wordy}
"""
    package = tmp_path / "wordy"
    package.mkdir()
    (package / "__init__.py").write_text(module, encoding="utf-8")
    (package / "messages.toml").write_text(
        '[wordy-found]\nzh = "找到 {count} 处"\nen = "{count} found"\n', encoding="utf-8"
    )
    code = Code(plugin="wordy", module="wordy", origin=package, kinds=("source",), search=(tmp_path,))
    told = []
    for language in ("zh", "en"):
        with speaking(language):
            source = open_isolated(code, "source", context(), SMALL)
            told += [each.detail for each in source.check()]
            source.close()
    assert told == ["找到 2 处", "2 found"]


def test_a_target_gets_the_publication_as_it_is():
    moment = dt.datetime(2026, 1, 5, 8, tzinfo=dt.timezone(dt.timedelta(hours=8)))
    entries = [
        Entry(
            str(n), "p", "r", "i", "c", "k", "ik", "l", moment.date(), 1, 1000, 1000, 1, n, 0, "final", "", ""
        )
        for n in range(5)
    ]
    person = PersonScore("p", "甲", "d", "r", "s", None, None, 0, 0, 1, 0, 0, places={"all": (1, 2)})
    sent = Publication(
        "id", "scores", "990101", "院", "", "", "v", "2026", "2026年", moment.date(), moment.date(), moment,
        people=(person,), entries=entries, cases={"c": CaseText("c", "01", "甲类", None, moment.date(), True)},
    )  # fmt: skip
    with opened("target") as board:
        assert isinstance(board.adapter, Target)
        receipt = board.boundary.call("write", board.adapter.write, sent, returns=Receipt)
        assert receipt == Receipt(f"id {moment} p=None", 5, repr(sent.cases))
        with pytest.raises(StopError) as raised:
            board.boundary.call("write", board.adapter.write, dataclasses.replace(sent, policy="leave"))
        assert raised.value.code == "isolation-died"


def test_a_boundary_that_is_forgotten_ends_what_was_started_for_it():
    boundary = Boundary("animals", 30)
    pid = boundary.call("open", open_isolated, AWKWARD, "source", context(), SMALL).child.pid
    assert Path(f"/proc/{pid}").exists()
    del boundary
    gc.collect()
    assert not Path(f"/proc/{pid}").exists()


def test_a_deployment_says_how_much_memory_an_adapter_may_take(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path / "site")
    install(tmp_path / "site", "zoo-target")
    (tmp_path / "deployment.toml").write_text(
        '[office]\ncode = "990101"\nname = "院"\n[policy]\npack = "laoshan"\nperiods = ["2024"]\n'
        '[plugins]\nallow = ["zoo-target"]\n[targets.cage]\nadapter = "zoo-target"\nmemory_mb = 300\n',
        encoding="utf-8",
    )
    session = Session({"JIANHENG_CONFIG": str(tmp_path)})
    found = open_target(session, "cage")
    limits = Path(f"/proc/{found.target.child.pid}/limits").read_text(encoding="ascii")
    found.boundary.close()
    (line,) = [each for each in limits.splitlines() if each.startswith("Max data size")]
    assert line.split()[3:5] == [str(300 << 20)] * 2


def test_what_a_killed_host_left_is_swept_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch.tempfile, "gettempdir", lambda: str(tmp_path))
    gone, living, fresh, other = (
        tmp_path / name
        for name in (
            "jianheng-child-4194305-a",
            f"jianheng-child-{os.getpid()}-a",
            "jianheng-child-4194305-b",
            "other-1-a",
        )
    )
    for each in (gone, living, fresh, other):
        each.mkdir()
    for each in (gone, living, other):
        os.utime(each, (0, 0))
    scratch.sweep.__wrapped__()
    assert sorted(tmp_path.iterdir()) == sorted([living, fresh, other])


HOST = """
import sys, time
from isolated import AWKWARD, SMALL, context, open_isolated
from jianheng.boundary import Boundary
boundary = Boundary("animals", 600)
source = boundary.call("open", open_isolated, AWKWARD, "source", context(), SMALL)
print(source.child.pid, flush=True)
list(boundary.iterate("read", source.read, "hang_deaf", None))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent ended")
def test_the_child_ends_with_a_host_that_is_killed():
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
    }
    with subprocess.Popen(
        [sys.executable, "-c", HOST], stdout=subprocess.PIPE, text=True, env=environ
    ) as host:
        pid = int(host.stdout.readline())
        time.sleep(0.2)  # let it be deep in its loop
        host.kill()
    until = time.monotonic() + 30
    while Path(f"/proc/{pid}/cwd").is_symlink() and time.monotonic() < until:
        time.sleep(0.05)
    assert time.monotonic() < until


def test_examining_imports_in_a_child_only():
    found = examine(AWKWARD, timeout_s=30)
    assert (found.folders, found.calendars) == ((), {})
    assert "zoo_awkward" not in sys.modules
    with pytest.raises(StopError) as raised:
        examine(dataclasses.replace(AWKWARD, kinds=("source",)), timeout_s=30)
    assert raised.value.code == "plugin-hook-undeclared"
