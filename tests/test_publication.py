"""Publishing: what targets get is the ledger, whole and named by its content."""

import datetime as dt
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

import explained_law
from explained_law import write_law
from jianheng.errors import RetryError, StopError
from jianheng.messages import speaking, text
from jianheng.publish.office import Office
from jianheng.publish.publication import archive_due, scores
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import load_policy
from jianheng.scoring.records.scope import Subject
from jianheng.scoring.run import score_periods
from jianheng.store.engine import open_store
from jianheng.store.tables import CURRENT, LEDGER, NO_RULE
from mini_pack import write_pack
from upstream import OFFICE, case, document, person, posting, sync, sync_world, table

YEAR = period("2025")
SUBJECT = Subject(OFFICE, (OFFICE,), ("world",))
DONGYU = Office(OFFICE, "东屿区院", (OFFICE,), ("world",))
TEAM = [
    {"participation_key": f"t{key}", "case_no": "A", "person_key": key, "role": role}
    for key, role in (("wang", "quota_prosecutor"), ("sun", "prosecutor_assistant"))
]


def volume(number):
    return {"volume_key": f"v{number}", "case_no": number, "state": "accepted", "accepted_on": "2025-05-01"}


WORLD = {
    "person": [person("wang", name="王一"), person("sun", name="孙二"), person("zhao", name="赵三")],
    "posting": [
        posting("wang", department_key="d1", valid_to="2025-06-30"),
        posting("wang", posting_key="w2", department_key="d2", valid_from="2025-07-01"),
        posting("sun", "prosecutor_assistant", department_name="二部"),
        posting("zhao"),
    ],
    "department": [
        {"department_key": "d1", "unit_code": OFFICE, "department_code": "1", "name": "第一检察部"},
        {"department_key": "d2", "unit_code": OFFICE, "department_code": "2", "name": "第二检察部"},
    ],
    "case": [
        case("A", concluded_on="2025-03-04", handler_key="wang"),
        case("B", concluded_on="2025-03-05", handler_key="wang"),
        case("C", concluded_on="2024-03-05", handler_key="zhao"),
    ],
    "participation": TEAM,
    "document": [
        document("d1", "A", template_code="report", drafter_key="sun"),
        document("d2", "A", template_code="charge", drafter_key="sun"),
        document("d3", "A", template_code="odd", name="奇文", drafter_key="wang"),
        document("d4", "A", template_code="report", drafter_key="nobody"),
    ],
    "archive_volume": [volume("A")],
    "code": [{"code_key": "c", "catalogue": "case_category", "code": "0301", "name": "一审公诉案件"}],
}


@pytest.fixture(scope="module")
def law(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack") / "mini"
    return load_policy(write_pack(folder, ("authority.csv", "made,report,,,,", "made,report;odd,,,,")))


@pytest.fixture(scope="module")
def scored_file(set_up_file, tmp_path_factory, law):
    """A store with a small office, scored for 2025, to be copied."""
    file = tmp_path_factory.mktemp("scored") / "store.db"
    shutil.copyfile(set_up_file, file)
    store = open_store(f"sqlite:///{file}")
    sync_world(store, WORLD)
    score_periods(store, SUBJECT, law, [YEAR])
    with store.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.dispose()
    return file


@pytest.fixture
def scored(scored_file, tmp_path):
    shutil.copyfile(scored_file, tmp_path / "scored.db")
    store = open_store(f"sqlite:///{tmp_path / 'scored.db'}")
    yield store
    store.dispose()


def published(store, law):
    return scores(store, DONGYU, law, YEAR)[1]


def ledger_sum(store, *columns):
    statement = sa.select(*(sa.func.sum(LEDGER.c[name]) for name in columns), sa.func.count())
    with store.connect() as connection:
        return tuple(
            connection.execute(statement.where(LEDGER.c.run_to == CURRENT, LEDGER.c.rule_id != NO_RULE)).one()
        )


def test_the_publication_is_the_ledger(scored, law):
    found = published(scored, law)
    told = (sum(each.points for each in found.entries), sum(each.withheld for each in found.entries))
    assert (*told, len(found.entries)) == ledger_sum(scored, "points", "withheld")
    assert sum(each.points for each in found.people) == told[0]
    roots = [each for each in found.indicators if not each.parent]
    assert sum(each.points for each in roots) == told[0]
    assert all(each.final + each.provisional == each.points for each in found.people)


def test_people_stand_best_first_and_nobody_is_left_out(scored, law):
    found = [
        (each.name, each.sheet, each.points, each.rank, each.of) for each in published(scored, law).people
    ]
    assert found == [
        ("王一", "prosecutor", 16_666, 1, 2),
        ("赵三", "prosecutor", 0, 2, 2),
        ("孙二", "assistant", 5334, 1, 1),
    ]


def test_a_person_is_shown_where_he_was_last(scored, law):
    people = {each.name: each for each in published(scored, law).people}
    assert {name: each.department for name, each in people.items()} == {
        "王一": "第二检察部",
        "赵三": "",
        "孙二": "二部",
    }
    assert [name for name, each in people.items() if each.note] == ["王一"]


def test_an_entry_names_its_record_and_its_reason_in_words(scored, law):
    found = {each.item_key + each.person_key: each for each in published(scored, law).entries}
    assert found["d1sun"].evidence == "world: d1"
    assert (found["d2sun"].state, found["d2sun"].points, found["d2sun"].withheld) == ("void", 0, 3000)
    assert found["d2sun"].reason == "权力清单不允许此人作此动作"
    assert found["Awang"].item_label == "一审公诉案件"


def test_cases_are_told_without_anybodys_name(scored, law):
    cases = published(scored, law).cases
    assert {number: (each.category_name, each.archived) for number, each in cases.items()} == {
        "A": ("一审公诉案件", True),
        "B": ("一审公诉案件", False),
    }


def test_every_rule_is_told_with_its_source(scored, law):
    assert [(each.rule_id, each.points, each.cite) for each in published(scored, law).rules] == [
        ("closed", 10_000, "第三条"),
        ("made_p", 3000, "第四条"),
        ("made_a", 2000, "第五条"),
    ]


@pytest.fixture(scope="module")
def uneven(set_up_file, tmp_path_factory):
    """What is published of an office whose law is more than sums."""
    law = load_policy(write_law(tmp_path_factory.mktemp("uneven") / "mini"))
    file = tmp_path_factory.mktemp("uneven") / "store.db"
    shutil.copyfile(set_up_file, file)
    store = open_store(f"sqlite:///{file}")
    sync_world(store, explained_law.WORLD)
    score_periods(store, SUBJECT, law, [YEAR])
    yield scores(store, DONGYU, law, YEAR)[1]
    store.dispose()


def test_no_total_is_no_zero_and_says_why(uneven):
    people = {each.person_key: each for each in uneven.people}
    sun = people["sun"]
    assert (sun.points, sun.final, sun.rank, sun.state, sun.grade) == (None, None, 0, "missing", "")
    assert sun.note == "缺少数据, 不作推定: 没有 colleague 的评分"
    assert next(each.person_key for each in uneven.people if each.sheet == "prosecutor") == "wang"


def test_a_total_has_its_grade_with_the_reason_and_its_other_places(uneven):
    wang = next(each for each in uneven.people if each.person_key == "wang")
    assert (wang.points, wang.rank, wang.of, wang.state) == (88_550, 1, 1, "scored")
    assert (wang.grade, wang.note) == ("称职", "一票否决: 奇文")
    assert wang.places == {"本部门": (1, 2)}


def test_an_indicator_without_a_number_is_told_with_its_reason_and_every_one_with_its_unit(uneven):
    found = {(each.person_key, each.indicator): each for each in uneven.indicators}
    missing = found["sun", "opinion"]
    assert (missing.points, missing.state) == (None, "missing")
    assert missing.note == "缺少数据, 不作推定: 没有 colleague 的评分"
    assert (found["wang", "closed_count"].points, found["wang", "closed_count"].unit) == (2000, "件")
    assert all((each.points is None) == (each.state != "scored") for each in uneven.indicators)
    assert all(each.note for each in uneven.indicators if each.points is None)


def test_a_rule_with_dated_rows_is_told_once_for_each(uneven):
    told = [(each.points, each.since, each.until) for each in uneven.rules if each.rule_id == "odd"]
    assert told == [
        (-3000, dt.date(2025, 4, 1), dt.date(2025, 6, 1)),
        (-4000, dt.date(2025, 6, 1), None),
    ]


def test_an_entry_says_what_multiplied_it_and_what_caps_took(uneven):
    found = {
        each.item_key: each
        for each in uneven.entries
        if each.rule_id == "made_p" and each.person_key == "wang"
    }
    assert {key: each.reason for key, each in found.items()} == {
        "d1": "",
        "d2": "文书每月封顶, 减去 2.000",
        "d3": "人多 ×2; 文书每月封顶, 减去 2.000",
    }


def test_the_same_content_has_the_same_name_and_other_content_another(scored, law):
    first = published(scored, law)
    assert published(scored, law).id == first.id
    sync_world(scored, WORLD | {"archive_volume": [volume("A"), volume("B")]})
    score_periods(scored, SUBJECT, law, [YEAR])
    assert published(scored, law).id != first.id


def notices(store, law):
    return "\n".join(published(store, law).notices)


def test_notices_say_what_was_refused_what_was_not_counted_and_what_is_missing(scored, law):
    sync(scored, table("person", person("p9", quota_since="不详"), person("p8")), name="staff")
    told = notices(scored, law)
    assert "权力清单不允许此人作此动作" in told
    assert "3.000" in told
    assert "奇文 1" in told
    assert "有 1 条来源记录因错误被隔离" in told
    assert "归档" in told
    assert "数据不全" not in told


def test_a_result_of_half_read_data_says_so(lite_store, law):
    everyone = table("person", *WORLD["person"])
    papers = table("case", *WORLD["case"], mode="cursor")
    papers.error = RetryError("test-broken")
    sync(lite_store, everyone, papers, name="world")
    score_periods(lite_store, SUBJECT, law, [YEAR], accept_incomplete=True)
    assert published(lite_store, law).notices[0].startswith("数据不全: world")


def test_notices_are_in_the_language_that_is_spoken(scored, law):
    chinese = published(scored, law).notices
    with speaking("en"):
        english = published(scored, law).notices
    assert len(english) == len(chinese)
    assert set(english).isdisjoint(chinese)


def test_what_was_not_scored_or_by_another_law_is_not_published(lite_store, law, tmp_path):
    sync_world(lite_store, WORLD)
    with pytest.raises(StopError) as never:
        published(lite_store, law)
    score_periods(lite_store, SUBJECT, law, [YEAR])
    changed = load_policy(write_pack(tmp_path / "other", ("points.csv", ",work,10,", ",work,11,")))
    with pytest.raises(StopError) as other:
        published(lite_store, changed)
    assert [never.value.code, other.value.code] == ["score-not-yet", "score-policy-changed"]


def test_the_cases_that_ought_to_be_archived_are_those_closed_and_not_accepted(scored, law):
    """Whenever they closed, and whatever period is published."""
    found = archive_due(scored, DONGYU, law, YEAR)
    assert [(each.case_no, each.handler_key, each.closed_on) for each in found.due] == [
        ("B", "wang", dt.date(2025, 3, 5)),
        ("C", "zhao", dt.date(2024, 3, 5)),
    ]
    assert archive_due(scored, DONGYU, law, period("2025-H1")).id == found.id
    sync_world(scored, WORLD | {"archive_volume": [volume("A"), volume("B")]})
    changed = archive_due(scored, DONGYU, law, YEAR)
    assert ([each.case_no for each in changed.due], changed.id == found.id) == (["C"], False)


def test_a_shipped_law_tells_what_is_illustration(lite_store):
    pack = Path(__file__).parents[1] / "plugins/jianheng_plugins/provinces/laoshan"
    law = load_policy(pack)
    sync_world(lite_store, WORLD)
    score_periods(lite_store, SUBJECT, law, [YEAR])
    found = published(lite_store, law)
    assert any("示例" in notice for notice in found.notices)
    assert {each.rule_id for each in found.rules if each.assumed} == {
        row.id for row in law.points if row.assumed
    }


def test_a_result_that_newer_records_are_not_in_says_so(scored, law):
    """Between a sync and the next scoring a reader must know that he sees the former state."""
    notice = text("notice-newer-facts")
    assert notice not in published(scored, law).notices
    sync_world(scored, WORLD | {"document": WORLD["document"][:-1]})
    assert notice in published(scored, law).notices
    score_periods(scored, SUBJECT, law, [YEAR])
    assert notice not in published(scored, law).notices
