import json
import os
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from source_fakes import UNIT, make_context, read_batches, read_rows

from jianheng.contract import Source
from jianheng.errors import FaultsError, JianhengError, RetryError, StopError
from jianheng_adapters import singer_tap

FROZEN = Path(__file__).with_name("frozen_tap.py")
SECRET = "geheim-1"
FIELDS = {"unit": "string", "no": "string", "info": "object", "at": "string", "unmapped": "string"}

PEOPLE = """
[streams.person]
entity = "person"
mode = "cursor"
table = "people"
scope = "unit"
[streams.person.columns]
person_key = ["unit", "no"]
unit_code = "unit"
staff_no = "no"
name = "info.name"
"""


def record(number: int, at: str = "2026-03-01", **more: Any) -> dict[str, Any]:
    told = {
        "unit": UNIT,
        "no": f"{number:04d}",
        "info": {"name": f"人{number}"},
        "at": at,
        "unmapped": "x",
        **more,
    }
    return {"type": "RECORD", "record": told}


def state(at: str) -> dict[str, Any]:
    return {"type": "STATE", "value": {"at": at}}


@pytest.fixture
def make(tmp_path):
    """Return what makes a source of the frozen tap that emits some messages."""
    tap = tmp_path / "tap"
    tap.write_text(f"#!{sys.executable}\n{FROZEN.read_text(encoding='utf-8')}", encoding="utf-8")
    tap.chmod(0o755)

    def made(
        *messages: dict[str, Any], mapping: str = PEOPLE, config: dict[str, Any] | None = None, **options: Any
    ):
        site = tmp_path / "mapping.toml"
        site.write_text(mapping, encoding="utf-8")
        emitted = {
            "streams": {
                "people": {"fields": FIELDS, "messages": list(messages)},
                "others": {"fields": {}, "messages": [{"do": "exit", "code": 9}]},
            }
        }
        given = {
            "command": tap,
            "mapping": site,
            "config": {**emitted, **(config or {})},
            "timeout_s": 5,
            **options,
        }
        return singer_tap.make_source(make_context(given, secrets={"password": SECRET}))

    return made


def failing(source, cursor: str | None = None) -> JianhengError:
    with pytest.raises(JianhengError) as caught:
        read_batches(source, "person", cursor)
    told = "".join(each.message().as_text() for each in caught.value.problems)
    assert SECRET not in told
    return caught.value


def test_is_what_its_manifest_says(make):
    manifest = tomllib.loads(Path(singer_tap.__file__).with_name("adapter.toml").read_text(encoding="utf-8"))
    assert isinstance(make(), Source)
    assert set(singer_tap.sources()) == {manifest["id"]}


def test_records_become_rows_and_state_the_cursor(make):
    source = make(
        record(1), state("2026-03-01"), record(2, unit="990102"), record(3, "2026-03-02"), state("2026-03-02")
    )
    batches = read_batches(source, "person")
    assert [[row["staff_no"] for row in batch.rows] for batch in batches] == [["0001", "0003"], []]
    assert batches[0].cursor is None  # reading on from a STATE need not repeat rows
    assert json.loads(batches[1].cursor)["state"] == {"at": "2026-03-02"}
    assert batches[0].rows[0]["name"] == "人1"
    assert [row["staff_no"] for row in read_rows(source, "person", batches[1].cursor)] == ["0003"]


def test_a_state_in_the_middle_is_a_place_to_go_on_from(make):
    days = [f"2026-03-{day:02d}" for day in range(1, 6)]
    source = make(
        *(each for number, day in enumerate(days) for each in (record(number, day), state(day))), batch_size=2
    )
    batches = read_batches(source, "person")
    everyone = {row["staff_no"] for batch in batches for row in batch.rows}
    cursors = [(place, batch.cursor) for place, batch in enumerate(batches) if batch.cursor]
    assert len(cursors) > 1
    for place, cursor in cursors:
        before = {row["staff_no"] for batch in batches[:place] for row in batch.rows}
        assert before | {row["staff_no"] for row in read_rows(source, "person", cursor)} == everyone


def test_only_what_is_mapped_is_asked_for(make):
    """What nobody maps never leaves the system."""
    mapping = PEOPLE + '\n[streams.person.deleted]\ncolumn = "unmapped"\n'
    assert len(read_rows(make(record(1)), "person")) == 1
    source = make(record(1))
    catalogue = source._catalogue()
    from jianheng_adapters.singer_tap.catalogue import selecting

    chosen = selecting(catalogue, catalogue[0], source._described("person"))["streams"]
    told = {
        each["breadcrumb"][-1]: each["metadata"]["selected"]
        for each in chosen[0]["metadata"]
        if each["breadcrumb"]
    }
    assert told == {"unit": True, "no": True, "info": True, "at": False, "unmapped": False}
    assert [each["selected"] for each in chosen] == [True, False]
    assert make(record(1), mapping=mapping)


def test_a_snapshot_reads_all_whatever_the_state(make):
    source = make(record(1), state("2026-03-01"), mapping=PEOPLE.replace('mode = "cursor"\n', ""))
    batches = read_batches(source, "person", '{"v":1,"state":{"at":"2099"}}')
    assert [(len(batch.rows), batch.cursor) for batch in batches] == [(1, None)]


def test_a_record_that_a_log_says_is_gone_is_deleted(make):
    rows = read_rows(make(record(1), record(2, _sdc_deleted_at="2026-03-03")), "person")
    assert {row["staff_no"]: row["_deleted"] for row in rows} == {"0001": False, "0002": True}


def test_a_table_that_is_replaced_needs_a_snapshot(make):
    first = make({"type": "ACTIVATE_VERSION", "version": 1}, record(1), state("2026-03-01"))
    cursor = read_batches(first, "person")[-1].cursor
    assert read_batches(first, "person", cursor)
    second = ({"type": "ACTIVATE_VERSION", "version": 2}, record(1))
    assert failing(make(*second), cursor).code == "singer-table-replaced"
    assert read_rows(make(*second, mapping=PEOPLE.replace('mode = "cursor"\n', "")), "person")


def test_a_tap_gets_its_configuration_in_a_private_place_and_nothing_of_ours(make, tmp_path, monkeypatch):
    monkeypatch.setenv("JIANHENG_TEST_SECRET", "of another source")
    seen = tmp_path / "seen.json"
    source = make(
        {"do": "environment", "file": str(seen)},
        record(1),
        config={"db": {"host": "h"}, "folder": "data"},
        secrets_as=[["password", "db.pass"]],
        paths=["folder"],
    )
    read_batches(source, "person", '{"v":1,"state":{"at":"2026-01-01"},"version":null}')
    told = json.loads(seen.read_text(encoding="utf-8"))
    assert told["config"]["db"] == {"host": "h", "pass": SECRET}
    assert told["config"]["folder"] == str(tmp_path / "data")
    assert told["state"] == {"at": "2026-01-01"}
    assert "JIANHENG_TEST_SECRET" not in told["env"]
    assert SECRET not in " ".join(told["args"])
    assert not Path(told["cwd"]).exists()  # with all its files


def left_behind() -> list[str]:
    return [each.name for each in Path(tempfile.gettempdir()).glob("jianheng-tap-*")]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] != "Z"


def test_leaving_early_ends_the_tap_its_children_and_its_files(make, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    child = tmp_path / "child"
    source = make(
        {"do": "child", "file": str(child)}, record(1), record(2), {"do": "sleep", "s": 60}, batch_size=1
    )
    reader = source.preview("person")
    began = time.monotonic()
    messages = source._messages("person", None)
    next(messages)
    next(messages)
    messages.close()
    reader.close()
    assert time.monotonic() - began < 5
    until = time.monotonic() + 5
    while alive(int(child.read_text())) and time.monotonic() < until:
        time.sleep(0.02)
    assert not alive(int(child.read_text()))
    assert left_behind() == []


# What goes wrong.


@pytest.mark.parametrize(
    ("messages", "code", "passing"),
    [
        (
            [{"do": "error", "text": "HTTP 401 Unauthorized for SECRET"}, {"do": "exit", "code": 1}],
            "singer-login-refused",
            False,
        ),
        (
            [{"do": "error", "text": "Connection refused"}, {"do": "exit", "code": 1}],
            "singer-unreachable",
            True,
        ),
        ([{"do": "error", "text": "KeyError: SECRET"}, {"do": "exit", "code": 3}], "singer-failed", False),
        ([{"do": "sleep", "s": 30}], "singer-silent", True),
        ([{"do": "print", "text": "INFO starting"}], "singer-output-wrong", False),
        ([{"do": "print", "text": '{"type": "BATCH"}'}], "singer-output-wrong", False),
        ([{"do": "print", "text": '{"type": "RECORD", "stream": "people"}'}], "singer-output-wrong", False),
        ([{"do": "print", "text": "[" * 5000}], "singer-output-wrong", False),
        ([{"do": "big", "bytes": 20000}], "singer-message-too-large", False),
        ([record(1, info="甲")], "mapping-field-missing", False),
        ([record(1, info={"name": {"a": 1}})], "mapping-field-nested", False),
    ],
)
def test_what_a_tap_does_wrong_is_told_by_code(make, messages, code, passing):
    error = failing(make(*messages, timeout_s=1, max_message_bytes=10000))
    assert error.code == code
    assert isinstance(error, RetryError) is passing


def test_what_came_before_a_failure_counts(make):
    batches = make(record(1), state("2026-03-01"), record(2), {"do": "exit", "code": 1}, batch_size=1)
    reader = batches.read("person", None)
    assert [row["staff_no"] for row in next(reader).rows] == ["0001"]
    assert next(reader).cursor is not None
    with pytest.raises(StopError):
        next(reader)


def told_by_check(source) -> list[str]:
    return [finding.problem.code for finding in source.check() if finding.problem is not None]


def test_a_check_runs_the_tap_until_its_first_record(make, tmp_path):
    assert told_by_check(make(record(1), {"do": "sleep", "s": 60})) == []
    assert told_by_check(make()) == []
    assert told_by_check(make(mapping=PEOPLE.replace('"people"', '"peple"'))) == ["singer-stream-missing"]
    assert told_by_check(make(mapping=PEOPLE.replace("info.name", "infos.name"))) == ["mapping-field-missing"]
    assert told_by_check(make(config={"no_discover": True})) == ["singer-failed"]
    assert told_by_check(make(command=tmp_path / "no-tap")) == ["singer-not-found"]
    assert told_by_check(make(command=tmp_path)) == ["singer-not-found"]
    assert told_by_check(make(secrets_as=[["token", "t"]])) == ["singer-secret-place"]


def test_a_catalogue_may_be_given(make, tmp_path):
    file = tmp_path / "catalog.json"
    assert told_by_check(make(record(1), catalog=file)) == ["singer-catalogue-wrong"]
    file.write_text("{}", encoding="utf-8")
    assert told_by_check(make(record(1), catalog=file)) == ["singer-catalogue-wrong"]
    told = make()._catalogue()
    file.write_text(json.dumps({"streams": told}), encoding="utf-8")
    assert len(read_rows(make(record(1), config={"no_discover": True}, catalog=file), "person")) == 1


@pytest.mark.parametrize("cursor", ["?", "[]", "{}", '{"v":7}'])
def test_a_strange_cursor_is_told(make, cursor):
    assert failing(make(record(1)), cursor).code == "cursor-unreadable"


def test_a_preview_shows_what_is_read_and_what_becomes_of_it(make):
    source = make(record(1))
    ((raw, row),) = source.preview("person")
    assert raw == {"unit": UNIT, "no": "0001", "info.name": "人1"}
    assert row["person_key"] == f"{UNIT}-0001"


def test_a_mapping_for_something_else_is_refused(make):
    with pytest.raises(FaultsError) as caught:
        make(mapping=PEOPLE.replace('table = "people"', 'sql = "SELECT 1"'))
    assert {each.code for each in caught.value.problems} == {"mapping-key-unused", "mapping-key-missing"}


# Real taps.


TAPS = os.environ.get("JIANHENG_TEST_TAPS", "")
"""A folder of virtual environments, one a tap, named as the tap is; without it these tests are skipped."""


def real(name: str) -> Path:
    """Return the executable of a real tap."""
    command = Path(TAPS) / name / "bin" / name
    if not TAPS or not command.is_file():
        pytest.skip(f"{name} is not installed: JIANHENG_TEST_TAPS names the folder of virtual environments")
    return command


REAL = """
[streams.person]
entity = "person"
mode = "cursor"
table = "people"
[streams.person.columns]
person_key = ["unit", "no"]
unit_code = "unit"
staff_no = "no"
name = "name"
"""


def read_by(tmp_path: Path, name: str, config: dict[str, Any], file: Path, line: str, **options: Any) -> None:
    """Read people with a real tap, then those that were added, from its own STATE."""
    site = tmp_path / "mapping.toml"
    site.write_text(REAL, encoding="utf-8")
    given = {
        "command": real(name),
        "mapping": site,
        "config": config,
        "paths": ["path"],
        "timeout_s": 120,
        **options,
    }
    source = singer_tap.make_source(make_context(given))
    assert told_by_check(source) == []
    batches = read_batches(source, "person")
    assert [(row["person_key"], row["name"]) for batch in batches for row in batch.rows] == [
        ("990101-0001", "甲"),
        ("990101-0002", "乙"),
    ]
    cursor = batches[-1].cursor
    assert cursor is not None
    with file.open("a", encoding="utf-8") as opened:
        opened.write(line)
    later = file.stat().st_mtime + 60
    os.utime(file, (later, later))
    assert "0003" in [row["staff_no"] for row in read_rows(source, "person", cursor)]


def test_a_real_tap_of_csv_files(tmp_path):
    """``tap-csv-folder`` of the package index."""
    file = tmp_path / "data" / "people.csv"
    file.parent.mkdir()
    file.write_text("unit,no,name\n990101,0001,甲\n990101,0002,乙\n", encoding="utf-8")
    config = {"path": "data", "filesystem": "local", "read_mode": "one_stream_per_file"}
    read_by(tmp_path, "tap-csv-folder", config, file, "990101,0003,丙\n", catalog_argument="none")


def test_a_real_tap_of_json_lines(tmp_path):
    """``tap-jsonl`` of the package index."""
    file = tmp_path / "people.jsonl"
    people = [("0001", "甲"), ("0002", "乙"), ("0003", "丙")]
    lines = [json.dumps({"unit": UNIT, "no": number, "name": name}) + "\n" for number, name in people]
    file.write_text("".join(lines[:2]), encoding="utf-8")
    config = {"path": "people.jsonl", "stream_name": "people", "primary_keys": ["no"]}
    read_by(tmp_path, "tap-jsonl", config, file, lines[2])
