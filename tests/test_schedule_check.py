"""What doctor says of the schedule, and what init makes so that rows in quarantine are kept."""

import datetime as dt
import stat

import pytest

from compare_world import deployment, run
from jianheng.cli.runs import counts_told
from jianheng.cli.sync import _once
from jianheng.errors import problem
from jianheng.schedule.claims import Terms
from jianheng.store.engine import writing
from jianheng.store.leases import me, take
from upstream import OFFICE

NIGHTLY = '[schedule.jobs.nightly]\nrun = "sync"\nworkdays = "01:30"\nsources = ["one"]\n'
PUBLISH = '[schedule.jobs.out]\nrun = "publish"\nafter = "nightly"\ntargets = ["book"]\n'
SOURCES = '[sources.{0}]\nadapter = "table-file"\noptions = {{ path = "{0}" }}\n'
TARGETS = '[targets.{}]\nadapter = "{}"\noptions = {{ folder = "{}" }}\n'


def told(folder, *more):
    """Return what doctor says of the schedule after some lines were added to the deployment."""
    file = folder / "deployment.toml"
    file.write_text(file.read_text(encoding="utf-8") + "".join(more), encoding="utf-8")
    checks = run(folder, "doctor", "--json").json()["checks"]
    assert "failed" not in [each["state"] for each in checks if each["area"] == "config"]
    return [each for each in checks if each["area"] == "schedule"]


def codes(checks):
    return sorted(each["problem"]["code"] for each in checks if each["problem"])


def test_without_jobs_doctor_says_so_and_nothing_is_wrong(tmp_path, lite_store, monkeypatch):
    (only,) = told(deployment(tmp_path, lite_store, monkeypatch))
    assert (only["state"], "没有定时任务" in only["detail"]) == ("ok", True)


def test_each_job_is_told_with_its_next_time_and_what_no_job_touches_is_a_warning(
    tmp_path, lite_store, monkeypatch
):
    monkeypatch.setattr("jianheng.cli.schedule_check.ENDS_SOON", dt.timedelta(0))
    folder = deployment(tmp_path, lite_store, monkeypatch)
    uses = [SOURCES.format("one"), SOURCES.format("two")]
    uses += [
        TARGETS.format(*each) for each in (("book", "excel-workbook", "a"), ("page", "html-report", "b"))
    ]
    uses += [TARGETS.format("sms", "notice-folder", "c")]
    found = told(folder, *uses, NIGHTLY, PUBLISH)
    assert codes(found) == ["schedule-no-outbox", "schedule-source-unread", "schedule-target-unserved"]
    warned = {each["problem"]["code"]: each["problem"]["what"] for each in found if each["problem"]}
    assert "two" in warned["schedule-source-unread"]
    assert "page" in warned["schedule-target-unserved"]
    jobs = {each["subject"]: each["detail"] for each in found if each["subject"]}
    assert "01:30" in jobs["nightly"]
    assert {each["state"] for each in found} == {"ok", "warning"}


def test_a_calendar_that_is_not_installed_fails_and_one_that_ends_soon_warns(
    tmp_path, lite_store, monkeypatch
):
    folder = deployment(tmp_path, lite_store, monkeypatch)
    monkeypatch.setattr("jianheng.cli.schedule_check.now_us", lambda: 4_000_000_000_000_000)
    found = told(folder, SOURCES.format("one"), NIGHTLY)
    assert codes(found) == ["schedule-calendar-ends"]
    assert [each["state"] for each in told(folder, '[schedule]\ncalendar = "mars"\n')] == ["failed"]


@pytest.mark.parametrize("leads", [False, True])
def test_doctor_says_whether_a_scheduler_runs(tmp_path, lite_store, monkeypatch, leads):
    folder = deployment(tmp_path, lite_store, monkeypatch)
    terms = Terms(OFFICE, me(), 30.0, 300.0)
    if leads:
        with writing(lite_store) as connection:
            take(connection, f"schedule:{OFFICE}", terms.holder, terms.lease_s)
    found = told(folder, SOURCES.format("one"), NIGHTLY)
    assert ("调度正在运行" in found[-1]["detail"]) == leads


def test_init_makes_a_key_for_the_quarantine_that_only_its_owner_reads_and_never_changes_one(tmp_path):
    words = ["init", "--folder", tmp_path, "--office-code", "990101", "--office-name", "东屿区院"]
    words += ["--policy", "laoshan", "--period", "2025"]
    assert run(tmp_path, *words).code == 0
    key = tmp_path / "secrets" / "quarantine.key"
    first = key.read_text(encoding="ascii")
    assert len(first.strip()) == 64
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert run(tmp_path, *words, "--force").code == 0
    assert key.read_text(encoding="ascii") == first
    checks = run(tmp_path, "doctor", "--json").json()["checks"]
    (sealed,) = [each for each in checks if each["area"] == "quarantine"]
    assert sealed["state"] == "ok"
    assert "没有" not in sealed["detail"]


def test_doctor_sees_before_the_first_sync_that_no_key_of_pseudonyms_can_be_made(
    tmp_path, lite_store, monkeypatch
):
    folder = deployment(tmp_path, lite_store, monkeypatch)

    def checked():
        checks = run(folder, "doctor", "--json").json()["checks"]
        (only,) = [each for each in checks if each["area"] == "privacy"]
        return only["state"], (only["problem"] or {}).get("code")

    assert checked() == ("ok", None)
    assert not (folder / ".pseudonym-key").exists()
    with monkeypatch.context() as patch:
        patch.setattr("jianheng.cli.doctor._is_writable", lambda _folder: False)
        assert checked() == ("failed", "pseudonym-key-unwritable")
    (folder / ".pseudonym-key").write_text("no key\n", encoding="ascii")
    (folder / ".pseudonym-key").chmod(0o600)
    assert checked() == ("failed", "pseudonym-key-bad")


def test_one_fault_of_many_streams_is_told_once_with_all_their_names():
    """An adapter's own stay apart, each told once: what they say to do names a key of the one stream."""
    torn = [problem("sync-edge-torn", source="ucs", stream=name) for name in ("a", "b", "a")]
    faults = [problem("ucs-table-missing", stream=name, table="T", nearest="U") for name in ("a", "b", "a")]
    waits = problem("sync-stream-waits", source="ucs", stream="c", waits_for="案件")
    told = _once([waits, *torn, *faults])
    assert [(each.code, each.fields["stream"]) for each in told] == [
        ("sync-edge-torn", "a、b"),
        ("ucs-table-missing", "a"),
        ("ucs-table-missing", "b"),
        ("sync-stream-waits", "c"),
    ]


def test_counts_are_told_in_one_line_those_of_a_period_behind_its_name():
    assert counts_told({"emitted": 3, "changed": 0, "runs": [1], "2025": {"cases": 2}}) == (
        "emitted=3 2025: cases=2"
    )
