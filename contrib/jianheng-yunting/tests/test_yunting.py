"""The review system's exports, the bulletin, and the law that stands between them."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pytest
import rig_target

import jianheng_yunting
from jianheng.contract import AdapterContext, PersonScore, Publication
from jianheng.errors import StopError
from jianheng_yunting.bulletin import Bulletin
from jianheng_yunting.reviews import Reviews

SHANGHAI = dt.timezone(dt.timedelta(hours=8))
PEOPLE = (
    PersonScore("990101-1", "示例甲", "一部", "", "s", -500, -500, 0, 2, 2, 1, 1, grade="合格"),
    PersonScore("990101-2", "示例乙", "", "", "s", None, None, 0, 0, 2, 0, 0, note="未定岗", state="missing"),
    PersonScore("990101-3", "示例丙", "一部", "", "s", 98_000, 96_000, 2_000, 1, 2, 1, 1),
)
SCORES = Publication(
    "one",
    "scores",
    "990101",
    "示例院",
    "yunting-quality",
    "办法",
    "abc",
    "2026",
    "2026 年",
    dt.date(2026, 1, 1),
    dt.date(2027, 1, 1),
    dt.datetime(2026, 7, 1, 8, tzinfo=SHANGHAI),
    sheets={"s": "员额检察官"},
    people=PEOPLE,
    notices=("有 1 条记录在隔离中",),
)


class Quiet:
    def debug(self, event, **fields): ...

    info = warning = debug


def context(**options):
    told = {"exports": None, "overlap_days": 7, "folder": None, "names": False} | options
    return AdapterContext("990101", "x", told, {}, ["990101"], Quiet(), str)


def export(folder, day, *findings):
    lines = [
        json.dumps({"评查编号": key, "部门受案号": "A", "责任人工号": "1", **more}, ensure_ascii=False)
        for key, more in findings
    ]
    (folder / f"findings-{day}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(folder, cursor=None, **options):
    return list(Reviews(context(exports=folder, **options)).read("finding", cursor))


def test_words_of_the_review_system_become_codes_and_unknown_ones_pass(tmp_path):
    export(
        tmp_path,
        "2026-05-01",
        ("1", {"发现主体": "本人", "程度": "严重", "状态": "属实"}),
        ("2", {"程度": "轻微"}),
    )
    ((one, two),) = [each.rows for each in read(tmp_path)]
    assert (one["found_by"], one["severity"], one["state"], one["person_key"]) == (
        "self",
        "grave",
        "confirmed",
        "990101-1",
    )
    assert (two["severity"], two["state"], two["_locator"]) == ("轻微", None, "findings-2026-05-01.jsonl:2")


def test_the_last_days_are_read_again_and_the_cursor_never_goes_back(tmp_path):
    for day in ("2026-05-01", "2026-05-05", "2026-05-08"):
        export(tmp_path, day, (day, {}))
    assert [each.cursor for each in read(tmp_path)] == ["2026-05-01", "2026-05-05", "2026-05-08"]
    again = read(tmp_path, "2026-05-08", overlap_days=3)
    assert [(each.rows[0]["finding_key"], each.cursor) for each in again] == [
        ("2026-05-05", "2026-05-08"),
        ("2026-05-08", "2026-05-08"),
    ]


@pytest.mark.parametrize("broken", ['{"评查编号": "1"', "[1]", "null", "", '"x"'])
def test_a_file_that_was_not_exported_to_its_end_stops_before_it(tmp_path, broken):
    export(tmp_path, "2026-05-01", ("1", {}))
    (tmp_path / "findings-2026-05-02.jsonl").write_text(f"{broken}\n", encoding="utf-8")
    reading = Reviews(context(exports=tmp_path)).read("finding", None)
    assert next(reading).cursor == "2026-05-01"
    with pytest.raises(StopError, match="yunting-file"):
        next(reading)


def test_what_is_missing_or_no_day_is_told(tmp_path):
    with pytest.raises(StopError, match="yunting-option"):
        Reviews(context())
    with pytest.raises(StopError, match="yunting-option"):
        Bulletin(context())
    assert [each.problem.code for each in Reviews(context(exports=tmp_path / "no")).check()] == [
        "yunting-no-exports"
    ]
    with pytest.raises(StopError, match="yunting-no-exports"):
        read(tmp_path / "no")
    with pytest.raises(StopError, match="yunting-cursor"):
        read(tmp_path, "yesterday")


def test_a_bulletin_ranks_tells_what_is_unknown_and_names_nobody_unless_asked(tmp_path):
    shelf = rig_target.Shelf(tmp_path)
    receipt = Bulletin(context(folder=tmp_path)).write(SCORES)
    rows = list(rig_target.rows_of(Path(receipt.location)))
    assert [row[:4] for row in rows[1:]] == [
        ["1/2", "990101-3", "一部", "98.000"],
        ["2/2", "990101-1", "一部", "-0.500"],
        ["—", "990101-2", "—", "—"],
    ]
    assert rows[3][6] == "未定岗"
    Bulletin(context(folder=tmp_path, names=True)).write(replace(SCORES, id="two"))
    assert [each["person_key"] for each in shelf.held(SCORES)] == ["示例丙", "示例甲", "示例乙"]
    assert [each.name for each in tmp_path.iterdir()] == ["通报-990101-yunting-quality-2026.docx"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    target = Bulletin(context(folder=tmp_path / "nowhere"))
    assert [each.problem.code for each in target.check()] == ["yunting-folder"]
    with pytest.raises(StopError, match="yunting-folder"):
        target.write(SCORES)


def test_the_policy_it_brings_is_there():
    (folder,) = jianheng_yunting.policies()
    assert sorted(each.name for each in folder.iterdir() if each.suffix) == [
        "measures.toml",
        "points.csv",
        "policy.toml",
    ]
