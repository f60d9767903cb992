"""``jianheng state``, ``history`` and the options of ``sync`` that move what is kept of a source."""

import json

import pytest
import sqlalchemy as sa

from jianheng.errors import RetryError, StopError
from jianheng.store.engine import writing
from jianheng.store.leases import release
from jianheng.store.operations import AUDIT
from jianheng.sync import steer
from jianheng.sync.fence import take_fence
from office_driver import Told
from upstream import OFFICE, case, current, person, reader, sync, table

DEPLOYMENT = """
[office]
code = "{office}"
name = "某院"

[store]
url = "{url}"

[policy]
pack = "laoshan"
periods = ["2025"]

[sources.up]
adapter = "table-file"
options = {{ folder = "in", mapping = "in.toml" }}
quiet = {quiet}
"""


def deploy(tmp_path, store, quiet="[]"):
    url = store.url.render_as_string(hide_password=False)
    (tmp_path / "deployment.toml").write_text(
        DEPLOYMENT.format(office=OFFICE, url=url, quiet=quiet), encoding="utf-8"
    )
    return tmp_path


def jianheng(folder, *words):
    """Run a command in a deployment; return what it said."""
    import contextlib
    import io

    from jianheng.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*words, "--config", str(folder)])
    return Told(code, out.getvalue(), err.getvalue())


@pytest.fixture
def office(lite_store, tmp_path):
    """A store in which a source was read, and a deployment that names it."""
    made = table("case", case("A"), case("B"), mode="cursor")
    sync(lite_store, table("person", person("p1")), made)
    return deploy(tmp_path, lite_store), lite_store, made


def audited(store):
    with store.connect() as connection:
        return [
            tuple(row) for row in connection.execute(sa.select(AUDIT.c.who, AUDIT.c.action, AUDIT.c.subject))
        ]


def refusal(told):
    assert told.code == 2, told.text
    return [*told.errors()]


def test_what_is_kept_of_a_source_is_shown_and_moved_only_while_it_is_paused(office):
    folder, store, made = office
    (shown,) = jianheng(folder, "state", "show", "up", "--json").json()["sources"]
    by_stream = {each["stream"]: each for each in shown["streams"]}
    assert (by_stream["case"]["cursor"], shown["paused"], shown["running"]) == ("2", [], None)
    assert refusal(jianheng(folder, "state", "rewind", "up", "--json")) == ["state-pause-first"]
    assert refusal(jianheng(folder, "state", "resume", "up", "--json")) == ["state-not-paused"]
    assert jianheng(folder, "state", "pause", "up", "--by", "王检", "--reason", "搬家").code == 0
    assert "王检" in jianheng(folder, "state", "show").out
    assert "搬家" in jianheng(folder, "state", "show").out
    assert refusal(jianheng(folder, "state", "rewind", "up", "--to", "1", "--json")) == [
        "state-to-needs-stream"
    ]
    assert (
        jianheng(folder, "state", "rewind", "up", "--stream", "case", "--to", "1", "--by", "王检").code == 0
    )
    assert sync(store, made).state == "failed"
    assert jianheng(folder, "state", "resume", "up", "--by", "王检").code == 0
    sync(store, made)
    assert made.asked == [None, "1"]
    assert audited(store) == [
        ("王检", "state pause", "up"),
        ("王检", "state rewind", "up/case"),
        ("王检", "state resume", "up"),
    ]


def test_a_rewound_stream_is_read_from_the_beginning_and_compared(office):
    _, store, made = office
    steer.pause(store, OFFICE, "up", "case", by="tester", reason="")
    assert steer.rewind(store, OFFICE, "up", "case", by="tester") == 1
    with pytest.raises(StopError) as never:
        steer.rewind(store, OFFICE, "up", "case", by="tester", to="1")
    assert never.value.code == "state-no-cursor"
    steer.resume(store, OFFICE, "up", "case", by="tester")
    assert sync(store, made).counts.unchanged == 2
    assert made.asked == [None, None]


def test_no_cursor_moves_under_a_run(office):
    _, store, _ = office
    steer.pause(store, OFFICE, "up", "", by="tester", reason="")
    fence = take_fence(store, OFFICE, "up")
    with pytest.raises(RetryError) as running:
        steer.rewind(store, OFFICE, "up", "", by="tester")
    assert running.value.code == "sync-running"
    with writing(store) as connection:
        release(connection, fence.lease)
    assert steer.rewind(store, OFFICE, "up", "", by="tester") == 1


def test_exported_cursors_can_be_put_back_and_no_others(office, tmp_path):
    folder, store, made = office
    file = tmp_path / "cursors.json"
    assert jianheng(folder, "state", "export", "up", "--file", str(file)).code == 0
    made.put(case("C"))
    sync(store, made)
    words = ("state", "import", "up", "--file", str(file), "--json")
    assert refusal(jianheng(folder, *words)) == ["state-pause-first"]
    jianheng(folder, "state", "pause", "up")
    assert jianheng(folder, *words, "--by", "王检").code == 0
    jianheng(folder, "state", "resume", "up")
    sync(store, made)
    assert made.asked == [None, "2", "2"]
    told = json.loads(file.read_text(encoding="utf-8"))
    for wrong, code in (
        (told | {"source": "other"}, "state-export-of-another"),
        (told | {"v": 2}, "state-bad-export"),
        (told | {"cursors": [{"stream": "case"}]}, "state-bad-export"),
        ([], "state-bad-export"),
    ):
        file.write_text(json.dumps(wrong), encoding="utf-8")
        assert refusal(jianheng(folder, *words)) == [code]
    file.write_text("no json", encoding="utf-8")
    assert refusal(jianheng(folder, *words)) == ["state-bad-export"]


def test_a_source_that_the_deployment_does_not_name_is_refused(office):
    folder, _, _ = office
    assert refusal(jianheng(folder, "state", "pause", "pu", "--json")) == ["cli-no-such-use"]


def test_who_reads_just_now_is_shown(office):
    folder, store, _ = office
    fence = take_fence(store, OFFICE, "up")
    (shown,) = jianheng(folder, "state", "show", "--json").json()["sources"]
    assert shown["running"]["holder"]
    assert shown["running"]["holder"] in jianheng(folder, "state", "show").out
    with writing(store) as connection:
        release(connection, fence.lease)


# The history of a record.


def test_every_version_of_a_record_is_told_with_its_run_and_what_held_at_a_moment(office):
    folder, store, made = office
    made.put(case("A", category="0201"))
    second = sync(store, made)
    made.put({"case_no": "A", "_deleted": True})
    sync(store, made)
    told = jianheng(folder, "history", "case", "A", "--json").json()
    versions = told["versions"]
    assert [(each["values"]["category"], each["deleted"]) for each in versions] == [
        ("0301", False),
        ("0201", False),
        ("0201", True),
    ]
    assert [each["recorded_to"] for each in versions] == [
        versions[1]["recorded_from"],
        versions[2]["recorded_from"],
        None,
    ]
    assert (versions[1]["run_id"], versions[1]["run_kind"]) == (second.run_id, "sync")
    moment = versions[1]["recorded_from"].replace(" ", "T")
    assert (
        jianheng(folder, "history", "case", "A", "--at", moment, "--json").json()["versions"] == versions[1:2]
    )
    page = jianheng(folder, "history", "case", "A").out
    assert "0301 → 0201" in page
    assert page.count("sync") == 3
    early = jianheng(folder, "history", "case", "A", "--at", "2001-01-01", "--json")
    assert refusal(early) == ["history-none"]
    assert refusal(jianheng(folder, "history", "case", "Z", "--json")) == ["history-none"]
    assert refusal(jianheng(folder, "history", "csae", "A", "--json")) == ["history-unknown-entity"]
    assert refusal(jianheng(folder, "history", "case", "A", "--source", "other", "--json")) == [
        "history-none"
    ]


# The options of sync.


@pytest.mark.parametrize(
    "words",
    [("--from", "2025-01-01"), ("--to", "2025-01-01"), ("--from", "2025-02-01", "--to", "2025-02-01")],
)
def test_half_a_span_is_none(office, words):
    folder, _, _ = office
    assert refusal(jianheng(folder, "sync", *words, "--json")) == ["sync-bad-span"]


def test_a_source_in_its_quiet_hours_is_left_alone_and_stands_as_it_stood(lite_store, tmp_path):
    sync(lite_store, table("case", case("A")))
    folder = deploy(tmp_path, lite_store, '["00:00-12:00", "12:00-23:59"]')
    told = jianheng(folder, "sync", "--json")
    if told.code == 3:  # but for one minute a day
        assert [*told.errors()] == ["sync-quiet"]
    assert current(lite_store, "case", "case_no") == [("A",)]
    with lite_store.connect() as connection:
        assert connection.scalar(sa.text("SELECT state FROM run ORDER BY run_id DESC LIMIT 1")) == "done"


def test_a_source_that_another_reads_is_refused_and_stands_as_it_stood(lite_store):
    """A refusal is no failed read: the source does not become incomplete by it."""
    sync(lite_store, table("case", case("A")))
    fence = take_fence(lite_store, OFFICE, "up")
    with pytest.raises(RetryError):
        sync(lite_store, table("case", case("A")))
    with lite_store.connect() as connection:
        assert connection.scalar(sa.text("SELECT COUNT(*) FROM run")) == 1
    with writing(lite_store) as connection:
        release(connection, fence.lease)
    assert reader(table("case")).keys is None
