"""An office that is no procuratorate: one flat event log, a mapping, a code map and a small policy of its own.

The real log is not shipped. It is looked for in ``JIANHENG_RECEIPT_CSV`` and beside the clone; a small
log of the same form, written here, is always tested.
"""

import csv
import datetime as dt
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from office_driver import CONFIGS, ROOT, Office, jianheng

pytest_plugins = ["office_fixture"]
pytestmark = pytest.mark.usefixtures("operator")

UNIT = "550001"
PERIODS = ("2010", "2011", "2012")
SHANGHAI = dt.timezone(dt.timedelta(hours=8))
HEADER = (
    "case:channel,case:concept:name,case:deadline,case:department,case:enddate,case:enddate_planned,case:group,"
    "case:responsible,case:startdate,concept:instance,concept:name,lifecycle:transition,org:group,org:resource,"
    "time:timestamp"
)
# channel, case, planned end, department, end, responsible, start; then its events: activity, who, when.
CASES = (
    (
        (
            "Internet",
            "case-1",
            "2011-12-06 13:41:31.788000+01:00",
            "General",
            "2011-11-24 15:37:19+01:00",
            "R2",
        ),
        ("Confirmation of receipt", "R1", "2011-10-11 13:45:40.276000+02:00"),
        ("T02 Check confirmation of receipt", "R2", "2011-10-12 08:26:25.398000+02:00"),
        ("T02 Check confirmation of receipt", "R2", "2011-10-12 08:27:00+02:00"),
        ("T04 Determine confirmation of receipt", "R1", "2011-11-24 15:36:51.302000+01:00"),
    ),
    (  # an evening there is the next day here, and New Year's Eve the next year
        ("Desk", "case-2", "2011-12-31 20:00:00+01:00", "Experts", "2011-12-31 20:00:00+01:00", "R9"),
        ("Confirmation of receipt", "R1", "2011-12-31 15:59:59+01:00"),
        ("Confirmation of receipt", "R1", "2011-12-31 17:00:00+01:00"),
        ("T06 Determine necessity of stop advice", "r1", "2011-12-31 16:59:59.999000+01:00"),
    ),
    (  # not ended, an activity nobody has mapped, a comma in quotes
        ("e-mail", "case-3", "2010-12-01 00:00:00+01:00", "Customer contact", "", "R1"),
        ("T99 Something new, and more", "R2", "2010-10-02 09:20:39.266000+02:00"),
        ("T20 Print report Y to stop indication", "R2", "2010-10-03 09:20:39.266000+02:00"),
    ),
)


def write_log(file: Path) -> Path:
    """Write a small log of the same form as the real one."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        log = csv.writer(opened)
        opened.write(HEADER + "\r\n")
        for (channel, case, planned, department, end, responsible), *events in CASES:
            for activity, who, at in events:
                number = f"task-{opened.tell()}"
                about = [
                    channel,
                    case,
                    planned,
                    department,
                    end,
                    planned,
                    "",
                    responsible,
                    "2010-10-01 00:00:00+02:00",
                ]
                log.writerow([*about, number, activity, "complete", "Group 1", who, at])
    return file


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log, read with the csv module and nothing of ours."""

    line: int
    row: dict[str, str]

    @property
    def person(self) -> str:
        """Who did it, under the key this office gives people."""
        return f"{UNIT}-{self.row['org:resource']}"

    @property
    def activity(self) -> str:
        """What was done."""
        return self.row["concept:name"]

    @property
    def year(self) -> str:
        """The year in which it was done, by the clock of Beijing."""
        return day_here(self.row["time:timestamp"])[:4]


def day_here(moment: str) -> str:
    """The day of a moment by the clock of Beijing."""
    return dt.datetime.fromisoformat(moment).astimezone(SHANGHAI).date().isoformat()


def read_log(file: Path) -> list[Event]:
    """Read a log independently."""
    with file.open(encoding="utf-8", newline="") as opened:
        log = csv.DictReader(opened)
        return [Event(log.line_num, row) for row in log]


def real_log() -> Path | None:
    """Where the real log is, if it is anywhere."""
    named = os.environ.get("JIANHENG_RECEIPT_CSV")
    file = Path(named) if named else ROOT.parent / "shared" / "data" / "receipt.csv"
    return file if file.is_file() else None


@dataclass(frozen=True, slots=True)
class Desk:
    """The deployment with its log, read and scored once."""

    office: Office
    events: list[Event]


def deployed(folder: Path, log: Path) -> Desk:
    """Copy the shipped deployment and put a log beside it, as its comments say."""
    shutil.copytree(
        CONFIGS / "permit-desk", folder, ignore=shutil.ignore_patterns("*.db", "*.csv", "out", ".*")
    )
    if log != folder / "receipt.csv":
        shutil.copyfile(log, folder / "receipt.csv")
    return Desk(Office(folder, ""), read_log(folder / "receipt.csv"))


@pytest.fixture(scope="module")
def desks() -> dict[str, Desk]:
    """The offices made so far; tests in random order would make a parametrised one again and again."""
    return {}


@pytest.fixture(params=["synthetic", "real"])
def desk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, desks: dict[str, Desk]
) -> Desk:
    """The office with the small log or the real one, read and scored."""
    if request.param not in desks:
        folder = tmp_path_factory.mktemp("desk")
        log = write_log(folder / "log.csv") if request.param == "synthetic" else real_log()
        if log is None:
            pytest.skip("the real log is not here: set JIANHENG_RECEIPT_CSV to test with it")
        made = deployed(folder / "permit-desk", log)
        told = made.office.sync()
        assert told.code == 0, told.text
        made.office.score()
        desks[request.param] = made
    return desks[request.param]


def ledger(office: Office, what: str, where: str = "") -> list[dict[str, object]]:
    """Read current ledger lines by SQL."""
    return office.facts(
        f"select s.period, l.person_key, {what} from ledger_entry l join ledger_scope s using (scope_id)"
        f" where l.run_to = 2147483647 {where}"
    )


def test_the_ledger_holds_every_event_of_the_file_per_person_and_activity(desk):
    expected = Counter(
        (each.year, each.person, each.activity) for each in desk.events if each.year in PERIODS
    )
    assert sum(expected.values()) == len(desk.events), "the periods cover the whole file"
    held = ledger(desk.office, "l.item_label, l.item_kind", "and l.item_kind = 'event'")
    assert Counter((row["period"], row["person_key"], row["item_label"]) for row in held) == expected


def test_each_known_activity_gives_the_points_of_its_row_in_the_decision_table(desk):
    folder = ROOT / "plugins/jianheng_plugins/provinces/permit-desk"
    with (folder / "points.csv").open(encoding="utf-8-sig", newline="") as opened:
        points = {row["code"]: round(float(row["points"]) * 1000) for row in csv.DictReader(opened)}
    kinds = {
        row["label"]: row["kind"] for row in desk.office.facts("select distinct label, kind from fact_event")
    }
    expected: Counter[tuple[str, str]] = Counter()
    for each in desk.events:
        expected[each.year, each.person] += points.get(kinds[each.activity], 0)
    held: Counter[tuple[str, str]] = Counter()
    for row in ledger(desk.office, "l.points", "and l.item_kind = 'event'"):
        held[row["period"], row["person_key"]] += row["points"]
    assert held == expected


def test_cases_closed_before_their_planned_end_give_a_bonus_to_who_is_responsible(desk):
    cases = {each.row["case:concept:name"]: each.row for each in desk.events}
    expected = Counter(
        (day_here(case["case:enddate"])[:4], f"{UNIT}-{case['case:responsible']}")
        for case in cases.values()
        if case["case:enddate"] and day_here(case["case:enddate"]) < day_here(case["case:enddate_planned"])
    )
    held = ledger(desk.office, "l.points", "and l.rule_id = 'early'")
    assert Counter((row["period"], row["person_key"]) for row in held) == expected
    assert {row["points"] for row in held} == {2000}


def test_every_point_is_final_at_once(desk):
    assert {row["state"] for row in ledger(desk.office, "l.state", "and l.points <> 0")} == {"final"}


def test_an_explanation_names_the_line_of_the_file(desk):
    count = Counter(each.person for each in desk.events if each.year == "2011")
    person = min(count, key=lambda each: (count[each], each))
    told = desk.office.run("explain", person, "--period", "2011", "--all", "--json").json()
    rules = [rule for sheet in told["sheets"] for node in sheet["indicators"] for rule in all_rules(node)]
    named = {
        entry["record"]["locator"]
        for rule in rules
        for entry in rule["entries"]
        if entry["item_kind"] == "event"
    }
    lines = {each.line for each in desk.events if each.person == person and each.year == "2011"}
    assert named == {f"receipt.csv!第{line}行" for line in lines}
    shown = desk.office.run("explain", person, "--period", "2011", "--all").text
    assert all(f"receipt.csv!第{line}行" in shown for line in lines)


def all_rules(node: dict) -> Iterator[dict]:
    """Yield the rules of an indicator and of those below it."""
    yield from node["rules"]
    for child in node["children"]:
        yield from all_rules(child)


def test_reading_the_same_file_again_writes_nothing(desk):
    before = desk.office.facts("select count(*) as n from fact_event")
    assert desk.office.sync().code == 0
    assert desk.office.facts("select count(*) as n from fact_event") == before
    assert {run["mode"] for run in desk.office.score()} == {"unchanged"}


def test_the_same_name_in_another_case_is_another_person(tmp_path):
    desk = deployed(tmp_path / "desk", write_log(tmp_path / "log.csv"))
    desk.office.sync()
    people = desk.office.facts("select person_key from fact_person order by person_key")
    assert [row["person_key"] for row in people] == [f"{UNIT}-R1", f"{UNIT}-R2", f"{UNIT}-R9", f"{UNIT}-r1"]


def test_an_activity_nobody_mapped_is_shown_as_an_item_without_a_rule(tmp_path):
    desk = deployed(tmp_path / "desk", write_log(tmp_path / "log.csv"))
    desk.office.sync()
    assert [run["uncounted"] for run in desk.office.score()] == [1, 0, 0]
    told = desk.office.run("explain", "R2", "--period", "2010").text
    assert "T99 Something new, and more 1 项: 本政策没有对应规则" in told


def test_an_event_added_to_the_file_is_all_that_is_written_and_scored(tmp_path):
    desk = deployed(tmp_path / "desk", write_log(tmp_path / "log.csv"))
    desk.office.sync()
    desk.office.score()
    file = desk.office.folder / "receipt.csv"
    last = file.read_text(encoding="utf-8").splitlines()[-1]
    with file.open("a", encoding="utf-8", newline="") as opened:
        opened.write(last.replace("task-", "task-9") + "\r\n")
    told = desk.office.sync()
    written = {name: stream["inserted"] + stream["changed"] for name, stream in told.streams().items()}
    assert {name: count for name, count in written.items() if count} == {"log/event": 1}
    scored = {run["period"]: (run["mode"], run["cases"], run["added"]) for run in desk.office.score()}
    assert scored["2010"] == ("incremental", 1, 1)


def test_without_the_file_it_is_told_where_it_should_be(tmp_path):
    shutil.copytree(
        CONFIGS / "permit-desk", tmp_path / "desk", ignore=shutil.ignore_patterns("*.csv", "*.db", "out")
    )
    told = jianheng("doctor", "--config", tmp_path / "desk")
    assert told.code == 2
    assert "[table-path-missing]" in told.text
    assert f"位置: {tmp_path / 'desk' / 'receipt.csv'}" in told.text


def test_the_policy_holds_its_own_worked_examples():
    told = jianheng("policy", "check", "permit-desk")
    assert told.code == 0, told.text
