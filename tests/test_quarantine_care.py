"""Looking after the quarantine: what is kept is sealed, what is waived expires, what is tried again is checked again."""

import datetime as dt
import io
import json
from pathlib import Path

import openpyxl
import pytest
import sqlalchemy as sa

from jianheng.cli import main
from jianheng.errors import StopError
from jianheng.messages import speaking
from jianheng.scoring.closing import records
from jianheng.scoring.law.period import period
from jianheng.store import tables
from jianheng.store.engine import now_us, writing
from jianheng.store.operations import AUDIT
from jianheng.store.tables import QUARANTINE
from jianheng.sync import entries, quarantine
from jianheng.sync.entries import Wanted
from jianheng.sync.mending import workbook
from jianheng.sync.replay import replay_entries
from jianheng.sync.seal import keyring, seal, unseal, with_keyring
from upstream import OFFICE, case, current, document, person, sync, table

OLD, NEW = "o" * 32, "n" * 32
SECRET_NAME = "化名隐私者"
BAD = {"quota_since": "不详", "name": SECRET_NAME}
TOMORROW = dt.date.today() + dt.timedelta(days=1)  # noqa: DTZ011 a day that is not over anywhere


def opened(store: sa.Engine, **wanted) -> list[entries.Entry]:
    with store.connect() as connection:
        return entries.entries(connection, OFFICE, Wanted(**wanted))


def kept(store: sa.Engine) -> list[str]:
    with store.connect() as connection:
        return list(connection.scalars(sa.select(QUARANTINE.c.payload).order_by(QUARANTINE.c.quarantine_id)))


def audited(store: sa.Engine) -> list[tuple[str, str, str]]:
    with store.connect() as connection:
        rows = connection.execute(
            sa.select(AUDIT.c.action, AUDIT.c.subject, AUDIT.c.who).order_by(AUDIT.c.audit_id)
        )
        return [tuple(row) for row in rows]


def everything(store: sa.Engine) -> str:
    """Return all that the quarantine and the audit hold, as somebody with a dump of the store reads it."""
    with store.connect() as connection:
        return str(
            [connection.execute(sa.select(each)).fetchall() for each in (QUARANTINE, AUDIT, tables.RUN)]
        )


def held_one(store: sa.Engine) -> int:
    sync(store, table("person", person("p1", **BAD), person("p2")))
    (entry,) = opened(store)
    return entry.quarantine_id


# What is kept.


def test_what_is_kept_is_sealed_and_opens_with_the_key_only(store: sa.Engine) -> None:
    sealed = with_keyring(store, keyring([OLD]))
    number = held_one(sealed)
    assert SECRET_NAME not in everything(store)
    with sealed.connect() as connection:
        assert entries.rows_of(connection, OFFICE, [number])[number]["name"] == SECRET_NAME
    for other in (store, with_keyring(store, keyring([NEW]))):
        with other.connect() as connection:
            assert entries.rows_of(connection, OFFICE, [number]) == {}


def test_without_a_key_no_row_is_kept_and_the_source_shows_it_again(lite_store: sa.Engine) -> None:
    """A document that waits for its case is taken when that comes, though nothing was kept of it."""
    held_one(lite_store)
    papers = table("document", document("d", "A", name=SECRET_NAME), mode="cursor")
    sync(lite_store, papers, name="b")
    assert kept(lite_store) == ["", ""]
    assert SECRET_NAME not in everything(lite_store)
    cases = table("case", case("A"), mode="cursor")
    sync(lite_store, cases, papers, name="b")
    assert current(lite_store, "document", "document_key") == [("d",)]


def test_reasons_name_no_person(lite_store: sa.Engine) -> None:
    """Values of names and free text are left out of reasons; numbers of persons are, wherever they stand."""
    sync(
        lite_store,
        table(
            "person", person("p1", name=SECRET_NAME * 1000), person("p2", quota_since="11010119900307123X")
        ),
        table("document", document("d", "A", name=f"{SECRET_NAME}\x01")),
    )
    told = everything(lite_store)
    assert SECRET_NAME not in told
    assert "11010119900307123X" not in told
    assert {each.code for entry in opened(lite_store) for each in entry.problems} >= {
        "row-text-too-long",
        "row-not-a-date",
        "row-control-character",
    }


def test_a_sealed_row_opens_for_its_own_entry_and_unaltered_only() -> None:
    keys = keyring([OLD])
    assert keys is not None
    text = seal(keys, "字", "here")
    assert unseal(keys, text, "here") == "字"
    assert unseal(keys, text, "elsewhere") is None
    assert unseal(keys, text[:-6] + "AAAAA=", "here") is None
    assert unseal(keys, text[:-2], "here") is None
    assert unseal(None, text, "here") is None
    assert seal(keys, "字", "here") != text
    assert OLD not in repr(keys)


def test_a_key_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(StopError, match="quarantine-key-short"):
        keyring([OLD, "short"])
    assert keyring([]) is None


def test_what_no_database_can_hold_is_not_kept(lite_store: sa.Engine) -> None:
    sealed = with_keyring(lite_store, keyring([OLD]))
    sync(sealed, table("person", person("p1", **BAD, note="x" * quarantine.PAYLOAD_LIMIT)))
    assert kept(lite_store) == [""]


def test_a_row_that_was_mended_is_not_kept_any_longer(lite_store: sa.Engine) -> None:
    sealed = with_keyring(lite_store, keyring([OLD]))
    people = table("person", person("p1", **BAD), person("p2"))
    sync(sealed, people)
    people.put(person("p1"))
    sync(sealed, people)
    assert kept(lite_store) == [""]
    (entry,) = opened(lite_store, states=("mended",))
    assert entry.problems


# Keys change.


def test_a_new_key_takes_over_what_the_old_one_sealed(lite_store: sa.Engine) -> None:
    number = held_one(with_keyring(lite_store, keyring([OLD])))
    both = with_keyring(lite_store, keyring([NEW, OLD]))
    with writing(both) as connection:
        assert entries.rows_of(connection, OFFICE, [number])
        assert entries.reseal(connection, OFFICE, 10) == (1, 0, 0)
        assert entries.reseal(connection, OFFICE, 10) == (0, 0, 0)
    with with_keyring(lite_store, keyring([NEW])).connect() as connection:
        assert entries.rows_of(connection, OFFICE, [number])[number]["name"] == SECRET_NAME
    with with_keyring(lite_store, keyring([OLD])).connect() as connection:
        assert entries.rows_of(connection, OFFICE, [number]) == {}


def test_what_no_key_opens_is_emptied_and_read_again(lite_store: sa.Engine) -> None:
    held_one(with_keyring(lite_store, keyring([OLD])))
    with writing(with_keyring(lite_store, keyring([NEW]))) as connection:
        assert entries.reseal(connection, OFFICE, 10) == (0, 1, 0)
    assert kept(lite_store) == [""]
    with writing(lite_store) as connection, pytest.raises(StopError, match="quarantine-no-key"):
        entries.reseal(connection, OFFICE, 10)


def test_a_lost_key_stops_no_sync(lite_store: sa.Engine) -> None:
    papers = table("document", document("d", "A"), mode="cursor")
    sync(with_keyring(lite_store, keyring([OLD])), papers)
    later = with_keyring(lite_store, keyring([NEW]))
    report = sync(later, table("case", case("A"), mode="cursor"), papers)
    assert (report.state, report.open_quarantine) == ("done", 0)
    assert current(lite_store, "document", "document_key") == [("d",)]


# Owners and waivers.


def test_a_waiver_holds_until_its_day_and_is_open_again_after_it(
    lite_store: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = held_one(lite_store)
    with writing(lite_store) as connection:
        entries.waive(connection, OFFICE, [number], TOMORROW, "来源停用", "王")
        entries.assign(connection, OFFICE, [number], "李", "王")
    (entry,) = opened(lite_store)
    assert (entry.state, entry.owner, entry.waived_by, entry.waiver) == ("waived", "李", "王", "来源停用")
    with lite_store.connect() as connection:
        assert quarantine.open_count(connection, OFFICE) == 0
        assert quarantine.open_count(connection, OFFICE, with_waived=True) == 1
    assert opened(lite_store, states=("open",)) == []
    assert len(opened(lite_store, owner="李", states=("waived",))) == 1
    late = now_us() + 3 * 86_400_000_000
    for module in (entries, quarantine):
        monkeypatch.setattr(module, "now_us", lambda: late)
    (entry,) = opened(lite_store)
    assert (entry.state, entry.owner) == ("open", "李")
    with lite_store.connect() as connection:
        assert quarantine.open_count(connection, OFFICE) == 1
    assert [(action, subject, who) for action, subject, who in audited(lite_store)] == [
        ("quarantine-waive", f"#{number}", "王"),
        ("quarantine-owner", f"#{number}", "王"),
    ]


def test_a_waiver_ends_when_something_else_is_wrong(lite_store: sa.Engine) -> None:
    """It was given for that fault, not for whatever may come."""
    people = table("person", person("p1", **BAD), person("p2"))
    sync(lite_store, people)
    (entry,) = opened(lite_store)
    with writing(lite_store) as connection:
        entries.waive(connection, OFFICE, [entry.quarantine_id], TOMORROW, "历史数据", "王")
    sync(lite_store, people)
    assert opened(lite_store)[0].state == "waived"
    people.put(person("p1", suspended="也许"))
    sync(lite_store, people)
    assert opened(lite_store)[0].state == "open"
    assert audited(lite_store)[-1][:2] == ("quarantine-waiver-ended", f"#{entry.quarantine_id}")


def test_a_waiver_can_be_ended_by_hand(lite_store: sa.Engine) -> None:
    number = held_one(lite_store)
    with writing(lite_store) as connection:
        entries.waive(connection, OFFICE, [number], TOMORROW, "历史数据", "王")
        entries.unwaive(connection, OFFICE, [number], "王")
    (entry,) = opened(lite_store)
    assert (entry.state, entry.waived_until) == ("open", None)


@pytest.mark.parametrize(
    ("until", "reason", "by", "code"),
    [
        (TOMORROW - dt.timedelta(days=3), "历史数据", "王", "quarantine-waiver-past"),
        (TOMORROW, " ", "王", "quarantine-waiver-why"),
        (TOMORROW, "历史数据", "", "quarantine-waiver-why"),
        (TOMORROW, "长" * 501, "王", "quarantine-too-long"),
    ],
)
def test_a_waiver_without_day_reason_or_name_is_none(
    lite_store: sa.Engine, until: dt.date, reason: str, by: str, code: str
) -> None:
    number = held_one(lite_store)
    with writing(lite_store) as connection, pytest.raises(StopError, match=code):
        entries.waive(connection, OFFICE, [number], until, reason, by)
    assert opened(lite_store)[0].state == "open"
    assert audited(lite_store) == []


def test_nothing_is_done_to_some_when_others_are_not_there(lite_store: sa.Engine) -> None:
    number = held_one(lite_store)
    with pytest.raises(StopError, match="quarantine-unknown"), writing(lite_store) as connection:
        entries.assign(connection, OFFICE, [number, 999], "李", "王")
    assert opened(lite_store)[0].owner == ""


# Trying again.


def test_a_replay_takes_what_passes_the_same_checks(store: sa.Engine) -> None:
    """What others need is tried first; what still fails stays, with its reason; what nobody kept waits."""
    sealed = with_keyring(store, keyring([OLD]))
    sync(sealed, table("document", document("d", "A"), document("e", "A", drafted_on="?"), mode="cursor"))
    sync(sealed, table("case", case("A", handler_key="p9"), mode="cursor"), name="cases")
    sync(sealed, table("person", person("p9")), name="people")
    (cases,) = replay_entries(sealed, OFFICE, Wanted(source="cases"))
    assert cases.as_json() | {"tried": 1, "taken": 1, "left": 0, "waiting": 0} == cases.as_json()
    (papers,) = replay_entries(sealed, OFFICE, Wanted())
    assert papers.as_json() | {"tried": 2, "taken": 1, "left": 1, "waiting": 0} == papers.as_json()
    assert current(store, "document", "document_key", "case_no") == [("d", "A")]
    (entry,) = opened(store)
    assert (entry.record_key, entry.attempts) == ("e", 2)


def test_a_replay_of_what_is_not_kept_says_that_only_the_source_can_show_it(lite_store: sa.Engine) -> None:
    number = held_one(lite_store)
    (done,) = replay_entries(lite_store, OFFICE, Wanted(numbers=(number,)))
    assert (done.counts.emitted, done.waiting) == (0, 1)


def test_a_replay_leaves_other_entries_alone(lite_store: sa.Engine) -> None:
    sealed = with_keyring(lite_store, keyring([OLD]))
    sync(sealed, table("person", person("p1", **BAD), person("p2", **BAD)))
    first, second = opened(sealed)
    replay_entries(sealed, OFFICE, Wanted(numbers=(first.quarantine_id,)))
    assert [each.attempts for each in opened(sealed)] == [2, 1]
    assert second.quarantine_id != first.quarantine_id


# For those who mend.


def sheets(made: bytes) -> dict[str, list[tuple[object, ...]]]:
    book = openpyxl.load_workbook(io.BytesIO(made))
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}


def test_the_workbook_has_a_sheet_a_stream_and_a_line_a_fault(lite_store: sa.Engine) -> None:
    sealed = with_keyring(lite_store, keyring([OLD]))
    sync(sealed, table("person", person("p1", **BAD, suspended="也许"), person("=1+1", **BAD)))
    sync(sealed, table("document", document("d", "A")), name="b")
    made = sheets(workbook(opened(sealed)))
    assert list(made) == ["b document", "up person"]
    head, *lines = made["up person"]
    assert head[:6] == ("编号", "在来源中的位置", "记录", "栏目", "问题", "怎样更正")
    assert sorted(str(line[3]) for line in lines) == ["入额时间", "入额时间", "是否停职"]
    assert "=1+1" in {line[2] for line in lines}
    assert SECRET_NAME not in str(made)


def test_the_workbook_shows_what_rows_said_only_when_asked(lite_store: sa.Engine) -> None:
    sealed = with_keyring(lite_store, keyring([OLD]))
    number = held_one(sealed)
    with sealed.connect() as connection:
        rows = entries.rows_of(connection, OFFICE, [number])
    assert SECRET_NAME in str(sheets(workbook(opened(sealed), rows)))
    assert list(sheets(workbook([]))["Sheet1"][0]) == ["没有需要更正的记录"]


def test_sheets_of_streams_with_like_names_do_not_clash(lite_store: sa.Engine) -> None:
    for name in ("a" * 40, "a" * 39 + "b"):
        sync(lite_store, table("person", person("p1", **BAD)), name=name)
    assert len(sheets(workbook(opened(lite_store)))) == 2


# Closing.


def bars(store: sa.Engine) -> list[str]:
    """Return which records stand in the way of closing 2025."""
    with store.connect() as connection:
        _, problems = records.open_records(connection, OFFICE, period("2025"), ())
    return [str(each.fields["records"]) for each in problems]


def test_a_waiver_lets_a_period_close_until_it_expires(
    lite_store: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it holds the record stands in the receipt, afterwards in the way."""
    sync(lite_store, table("document", document("bad", "A")))
    (entry,) = opened(lite_store)
    with writing(lite_store) as connection:
        entries.waive(connection, OFFICE, [entry.quarantine_id], TOMORROW, "原件已毁", "王")
        accepted, problems = records.open_records(connection, OFFICE, period("2025"), ())
    assert ([each.record_key for each in accepted], problems) == (["bad"], [])
    monkeypatch.setattr(records, "now_us", lambda: now_us() + 3 * 86_400_000_000)
    assert bars(lite_store) == [f"#{entry.quarantine_id} up/document bad"]


@pytest.mark.parametrize(("accepted", "in_the_way"), [("2025-12-31", 1), ("2026-01-01", 0), (None, 1)])
def test_a_record_without_a_day_is_no_earlier_than_its_case(
    lite_store: sa.Engine, accepted: str | None, in_the_way: int
) -> None:
    """And where its case is not known either, it touches every period."""
    cases = [case("A", accepted_on=accepted)] if accepted else [case("B")]
    sync(lite_store, table("case", *cases), table("document", document("bad", "A", drafted_on="?")))
    assert len(bars(lite_store)) == in_the_way


# The commands.


@pytest.fixture(name="office")
def _office(tmp_path: Path, lite_store: sa.Engine) -> Path:
    file = tmp_path / "deployment.toml"
    file.write_text(
        f'[office]\ncode = "{OFFICE}"\nname = "测试院"\n[store]\nurl = "sqlite:///store.db"\n'
        '[policy]\npack = "laoshan"\nperiods = ["2025"]\n'
        '[quarantine]\nkey = "file:key"\nformer_keys = ["file:old"]\n'
        '[bundle]\nsigning_key = "file:signing"\n',
        encoding="utf-8",
    )
    for name, secret in (("key", NEW), ("old", OLD)):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(secret, encoding="utf-8")
    sync(with_keyring(lite_store, keyring([OLD])), table("person", person("p1", **BAD), person("p2", **BAD)))
    return file


@pytest.fixture(name="run")
def _run(office: Path, capsys: pytest.CaptureFixture[str]):
    def run(*words: object) -> tuple[int, str]:
        code = main([*map(str, words), "--config", str(office)])
        out, err = capsys.readouterr()
        return code, out + err

    return run


def test_an_operator_looks_assigns_waives_tries_again_and_exports(run, office: Path, lite_store) -> None:
    one, two = (each.quarantine_id for each in opened(lite_store))
    code, told = run("quarantine")
    assert (code, told.count("row-not-a-date")) == (0, 2)
    assert SECRET_NAME not in told
    assert run("quarantine", "assign", one, "--to", "李", "--by", "王")[0] == 0
    _, told = run("quarantine", "list", "--owner", "李", "--json")
    assert [each["id"] for each in json.loads(told)["quarantine"]] == [one]
    assert run("quarantine", "waive", two, "--until", TOMORROW, "--reason", "停用", "--by", "王")[0] == 0
    assert "王 放行至" in run("quarantine", "show", two)[1]
    assert SECRET_NAME not in run("quarantine", "show", one)[1]
    assert SECRET_NAME in run("quarantine", "show", one, "--with-payload", "--by", "王")[1]
    assert audited(lite_store)[-1] == ("quarantine-payload", "1", "王")
    code, told = run("quarantine", "replay", "--source", "up")
    assert (code, "仍有问题 2 条" in told) == (4, True)
    assert run("quarantine", "replay", 999)[0] == 2
    assert run("quarantine", "unwaive", two, "--by", "王")[0] == 0
    book = office.parent / "mend.xlsx"
    assert run("quarantine", "export", book, "--code", "row-not-a-date")[0] == 0
    assert len(sheets(book.read_bytes())["up person"]) == 3
    with speaking("en"):
        assert "2 records" in run("quarantine", "export", book, "--with-payload", "--lang", "en")[1]
    assert SECRET_NAME in str(sheets(book.read_bytes()))


def test_an_operator_changes_the_key(run, office: Path, lite_store: sa.Engine) -> None:
    code, told = run("quarantine", "rekey", "--by", "王")
    assert (code, "重新加密 2 条" in told) == (0, True)
    with with_keyring(lite_store, keyring([NEW])).connect() as connection:
        numbers = [each.quarantine_id for each in opened(lite_store)]
        assert len(entries.rows_of(connection, OFFICE, numbers)) == 2
    assert audited(lite_store)[-1][0] == "quarantine-rekey"
    assert "密钥" in run("doctor")[1]
    for line in ('key = "file:key"\n', 'former_keys = ["file:old"]\n'):
        office.write_text(office.read_text(encoding="utf-8").replace(line, ""), encoding="utf-8")
        code, told = run("quarantine", "rekey")
        assert code == 2
    assert "[quarantine-no-key]" in told
    assert "没有配置密钥" in run("doctor")[1]


def test_an_operator_carries_a_bundle(run, office: Path, lite_store: sa.Engine, tmp_path: Path) -> None:
    code, told = run("bundle", "keygen", tmp_path / "signing", "--json")
    public = json.loads(told)["public_key"]
    assert (tmp_path / "signing").stat().st_mode & 0o077 == 0
    assert run("bundle", "keygen", tmp_path / "signing")[0] == 2
    sync(lite_store, table("person", person("p3")), name="b")
    code, told = run("bundle", "export", tmp_path / "medium")
    assert (code, "第 1 包" in told) == (0, True)
    assert audited(lite_store)[-1][0] == "bundle-export"
    assert "未导出" in run("bundle", "export", tmp_path / "medium", "--period", "2024")[1]
    assert "[bundle-since-gap]" in run("bundle", "export", tmp_path / "medium", "--since", "2100-01-01")[1]
    code, told = run("bundle", "import", tmp_path / "medium")
    assert (code, "[bundle-nobody-trusted]" in told) == (2, True)
    text = office.read_text(encoding="utf-8")
    office.write_text(text + 'trusted_keys = ["ed25519:nonsense"]\n', encoding="utf-8")
    assert "[config-bad-public-key]" in run("bundle", "list")[1]
    text += f'trusted_keys = ["{public}"]\n'
    office.write_text(text, encoding="utf-8")
    assert "没有改动" in run("bundle", "import", tmp_path / "medium")[1]
    office.write_text(text.replace("store.db", "mirror.db"), encoding="utf-8")
    assert "还没有数据包" in run("bundle", "list")[1]
    code, told = run("bundle", "import", tmp_path / "medium", "--by", "王")
    assert (code, "收下 1 个事实版本" in told) == (0, True)
    assert "导入" in run("bundle", "list")[1]
    (tmp_path / "signing").write_text("nonsense", encoding="utf-8")
    assert "[bundle-bad-key]" in run("bundle", "export", tmp_path / "medium")[1]
