"""A scoring run: what changed is scored again, nothing else, and the result equals scoring everything."""

import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from filled_store import filled
from jianheng.errors import AskError, StopError
from jianheng.scoring.kernel.ledger_lines import scope_id
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy, load_policy
from jianheng.scoring.records.scope import Subject
from jianheng.scoring.run import Report, score_periods, subject_of
from jianheng.store.runs import begin_run, first_unfinished, last_run
from jianheng.store.tables import CURRENT, LEDGER, PERSON_SCORE
from mini_pack import write_pack
from upstream import OFFICE, Table, case, document, person, posting, sync, sync_world, table

PACK = Path(__file__).parents[1] / "plugins" / "jianheng_plugins" / "provinces" / "laoshan"
YEAR = period("2025")
SUBJECT = Subject(OFFICE, (OFFICE,), ("ucs",))
ENTITIES = (
    "person",
    "posting",
    "case",
    "participation",
    "case_link",
    "document",
    "archive_volume",
    "declaration",
)
PEOPLE = (
    ("wang", "quota_prosecutor"),
    ("sun", "prosecutor_assistant"),
    ("li", "clerk"),
    ("zhao", "quota_prosecutor"),
)
"""The last one handles nothing."""


@pytest.fixture(scope="module")
def law() -> Policy:
    return load_policy(PACK)


class World(dict[str, Table]):
    """A small upstream system: its tables by entity."""

    def sync(self, store: sa.Engine) -> None:
        """Read it all as one source."""
        sync(store, *self.values(), name="ucs", accept_mass_change=True)


@pytest.fixture
def world() -> World:
    """Three people, three closed cases with a document each, one of them archived."""
    made = World({name: table(name, may_be_empty=True) for name in ENTITIES})
    for name, role in PEOPLE:
        made["person"].put({"person_key": name, "unit_code": OFFICE, "staff_no": name, "name": name})
        made["posting"].put(_posting(name, role))
    for number in ("A", "B", "C"):
        made["case"].put(_case(number))
        made["document"].put(_document(f"{number}1", number))
        for member, role in PEOPLE[:3]:
            key = f"{number}-{member}"
            made["participation"].put(
                {"participation_key": key, "case_no": number, "person_key": member, "role": role}
            )
    made["archive_volume"].put(_volume("A"))
    return made


def _posting(person: str, role: str, **more: str) -> Mapping[str, Any]:
    posting = {"posting_key": person, "person_key": person, "unit_code": OFFICE, "role": role}
    return posting | {"valid_from": "2020-01-01"} | more


def _case(number: str, **more: str) -> Mapping[str, Any]:
    case = {"case_no": number, "unit_code": OFFICE, "category": "0201", "handler_key": "wang"}
    return case | {"accepted_on": "2025-03-01", "concluded_on": "2025-03-06"} | more


def _document(key: str, number: str, **more: Any) -> Mapping[str, Any]:
    document = {"document_key": key, "case_no": number, "template_code": "100000002001"}
    return document | {"drafter_key": "sun", "drafted_on": "2025-03-04"} | more


def _volume(number: str) -> Mapping[str, Any]:
    return {"volume_key": number, "case_no": number, "state": "accepted", "accepted_on": "2025-05-01"}


def _score(store: sa.Engine, law: Policy, **how: bool) -> Report:
    (report,) = score_periods(store, SUBJECT, law, [YEAR], **how)
    return report


def _first(store: sa.Engine, law: Policy, world: World) -> Report:
    """Read and score the world as the fixture made it."""

    def make() -> Report:
        world.sync(store)
        return _score(store, law)

    return filled(store, make, "three cases", law.version)


def _points(store: sa.Engine, run_id: int) -> dict[str, int]:
    with store.connect() as connection:
        rows = connection.execute(sa.select(PERSON_SCORE).where(PERSON_SCORE.c.run_id == run_id))
        return {row.person_key: row.points for row in rows}


CHANGES = {
    "a document is added": lambda world: world["document"].put(_document("A2", "A")),
    "a document is deleted": lambda world: world["document"].put(_document("B1", "B", _deleted=True)),
    "a document vanishes": lambda world: world["document"].remove("B1"),
    "a document moves to another case": lambda world: world["document"].put(_document("B1", "C")),
    "a case is deleted": lambda world: world["case"].put({**_case("B"), "_deleted": True}),
    "a case becomes special": lambda world: world["case"].put(_case("B", is_supervised="Y")),
    "a case is open again": lambda world: world["case"].put(_case("B", concluded_on="")),
    "somebody's role changes": lambda world: world["posting"].put(_posting("sun", "quota_prosecutor")),
    "somebody leaves before the case closes": lambda world: world["posting"].put(
        _posting("wang", "quota_prosecutor", valid_to="2025-03-05")
    ),
    "a member leaves the team": lambda world: world["participation"].remove("B-li"),
    "a volume is accepted": lambda world: world["archive_volume"].put(_volume("B")),
    "a declaration is approved": lambda world: world["declaration"].put(
        {
            "declaration_key": "d",
            "kind": "major_case",
            "case_no": "C",
            "person_key": "wang",
            "declared_on": "2025-03-07",
            "decided_on": "2025-03-08",
            "decision": "approved",
        }
    ),
}


@pytest.mark.parametrize("change", CHANGES, ids=list(CHANGES))
def test_scoring_a_change_equals_scoring_everything(
    lite_store: sa.Engine, world: World, law: Policy, change: str
) -> None:
    """Whatever changes, the lines that an incremental run leaves are those that a full run makes."""
    first = _first(lite_store, law, world)
    CHANGES[change](world)
    world.sync(lite_store)
    again = _score(lite_store, law)
    assert (first.mode, again.mode) == ("full", "incremental")
    assert again.added + again.closed > 0
    full = _score(lite_store, law, full=True)
    assert (full.added, full.closed, full.digest) == (0, 0, again.digest)
    assert _points(lite_store, full.run_id) == _points(lite_store, again.run_id)


def test_only_the_case_that_changed_is_scored(lite_store: sa.Engine, world: World, law: Policy) -> None:
    """One document of one case: that case alone is looked at, the other lines stand as they are."""
    first = _first(lite_store, law, world)
    world["document"].put(_document("A2", "A"))
    world.sync(lite_store)
    again = _score(lite_store, law)
    drafted_and_guided = 2
    assert (again.cases, again.added, again.closed, again.kept) == (1, drafted_and_guided, 0, first.added)


@pytest.mark.postgresql
def test_databases_give_the_same_ledger(
    lite_store: sa.Engine, postgresql_store: sa.Engine, world: World, law: Policy
) -> None:
    """The store keeps facts; it does not decide points."""
    for engine in (lite_store, postgresql_store):
        world.sync(engine)
    assert _score(lite_store, law).digest == _score(postgresql_store, law).digest


def test_nothing_changed_writes_nothing(store: sa.Engine, world: World, law: Policy) -> None:
    """A second run on the same facts keeps the first run's number and result."""
    first = _first(store, law, world)
    world.sync(store)
    again = _score(store, law)
    assert (again.run_id, again.mode, again.added, again.closed) == (first.run_id, "unchanged", 0, 0)
    assert again.digest == first.digest


def test_former_lines_stay_and_say_which_run_closed_them(
    lite_store: sa.Engine, world: World, law: Policy
) -> None:
    """What a former run published can be read from the ledger line by line."""
    first = _first(lite_store, law, world)
    world["archive_volume"].put(_volume("B"))
    world.sync(lite_store)
    again = _score(lite_store, law)
    with lite_store.begin() as connection:
        ledger = scope_id(connection, OFFICE, law.id, YEAR.id)
        lines = connection.execute(sa.select(LEDGER).where(LEDGER.c.scope_id == ledger)).fetchall()
    then = sum(line.points for line in lines if line.run_from <= first.run_id < line.run_to)
    now = [line for line in lines if line.run_to == CURRENT]
    assert then == first.points
    assert sum(line.points for line in now) == again.points
    closed = [line for line in lines if line.run_to == again.run_id]
    assert {line.state for line in closed} == {"provisional"}
    assert {line.case_no for line in closed} == {"B"}


def test_points_become_final_when_the_archive_accepts(
    lite_store: sa.Engine, world: World, law: Policy
) -> None:
    """Acceptance moves points from provisional to final and changes no total of its own."""
    first = _first(lite_store, law, world)
    world["archive_volume"].put({**_volume("B"), "accepted_on": "2025-12-01"})
    world.sync(lite_store)
    again = _score(lite_store, law)
    assert again.points == first.points
    assert again.provisional < first.provisional


def test_a_changed_policy_scores_everything(
    lite_store: sa.Engine, world: World, law: Policy, tmp_path: Path
) -> None:
    """An office's own parameter is law too: the layer alone makes another version and a full run."""
    _first(lite_store, law, world)
    (tmp_path / "parameters").mkdir()
    (tmp_path / "parameters" / "team.toml").write_text(
        '[team.clerk]\nreplaces = 0.1\nvalues = [{ from = 2018-01-01, value = 0.2, cite = "本院规定" }]\n',
        encoding="utf-8",
    )
    changed = load_policy(PACK, office_layer=tmp_path)
    report = _score(lite_store, changed)
    assert changed.version != law.version
    assert (report.mode, report.reason) == ("full", "policy")
    assert report.closed > 0


def test_everybody_with_a_scored_role_stands_in_the_result(
    lite_store: sa.Engine, world: World, law: Policy
) -> None:
    """Who did nothing stands at zero; he is not left out."""
    world.sync(lite_store)
    points = _points(lite_store, _score(lite_store, law).run_id)
    assert set(points) == {name for name, _ in PEOPLE}
    assert points["zhao"] == 0


def test_a_half_read_source_is_not_scored(lite_store: sa.Engine, world: World, law: Policy) -> None:
    """Cases that were not read must not look like cases not handled, unless somebody says so."""
    world.sync(lite_store)
    world["document"].error = StopError("sync-empty-source", source="ucs", stream="document", entity="文书")
    world.sync(lite_store)
    with pytest.raises(AskError) as refused:
        _score(lite_store, law)
    assert refused.value.code == "score-sync-incomplete"
    assert _score(lite_store, law, accept_incomplete=True).points > 0


def test_an_empty_store_is_not_scored(lite_store: sa.Engine, law: Policy) -> None:
    """No facts is an error, not a table of zeros."""
    with pytest.raises(StopError) as refused:
        score_periods(lite_store, Subject(OFFICE, (OFFICE,)), law, [YEAR])
    assert refused.value.code == "score-no-facts"


def test_several_periods_are_several_ledgers(lite_store: sa.Engine, world: World, law: Policy) -> None:
    """Each has its own lines; the halves of a year sum to the year."""
    world["document"].put(_document("A2", "A", drafted_on="2025-09-01"))
    world.sync(lite_store)
    names = ("2025", "2025-H1", "2025-H2")
    year, first, second = score_periods(lite_store, SUBJECT, law, [period(name) for name in names])
    assert (first.points + second.points, first.added + second.added) == (year.points, year.added)
    assert second.points > 0


def test_another_order_of_trust_scores_everything(lite_store: sa.Engine, world: World, law: Policy) -> None:
    """Which source is believed first may change any line."""
    world.sync(lite_store)
    sync(lite_store, table("case", _case("A", concluded_on="2025-06-07")), name="other")
    orders = (("ucs", "other"), ("other", "ucs"))
    found = [score_periods(lite_store, Subject(OFFICE, (OFFICE,), each), law, [YEAR])[0] for each in orders]
    assert [each.reason for each in found] == ["first", "sources"]
    assert found[0].digest != found[1].digest


LINKS_AND_AWARDS = (
    (
        "measures.toml",
        "",
        """
[paired]
label = "关联"
grain = "case"
where = "linked(has_document('charge') and suspect_count >= 1)"
date = "accepted_on"
unit = "件"
actor = "handler_key"

[award]
label = "奖励"
grain = "personnel_record"
where = "kind = 'award'"
date = "starts_on"
unit = "项"
actor = "person_key"
""",
    ),
    ("points.csv", "", "paired,关联,paired,,,,work,5,,,,第十条\naward,奖励,award,,,,work,4,,,,第十条"),
)
PERSONS = ("wang", "zhao", "sun")
NUMBERS = ("A", "B", "C", "D")
DAYS = ("2025-02-03", "2025-06-30", "2025-07-01", "2024-12-31", None)


def _random_row(chance: random.Random, entity: str) -> dict[str, Any]:
    """Return a row of an entity with one of a few keys, so that rows are changed and moved, not only added."""
    number, who, day = chance.choice(NUMBERS), chance.choice(PERSONS), chance.choice(DAYS)
    key = f"{entity}-{chance.randrange(5)}"
    return {
        "case": case(number, handler_key=chance.choice([who, None]), concluded_on=day),
        "document": document(
            key, number, template_code=chance.choice(["charge", "report"]), drafter_key=who, drafted_on=day
        ),
        "participation": {
            "participation_key": key,
            "case_no": number,
            "person_key": who,
            "role": chance.choice(["quota_prosecutor", "prosecutor_assistant"]),
        },
        "suspect": {"suspect_key": key, "case_no": number, "suspect_no": key},
        "archive_volume": {"volume_key": key, "case_no": number, "state": "accepted", "accepted_on": day},
        "case_link": {
            "link_key": key,
            "from_case_no": number,
            "to_case_no": chance.choice(NUMBERS),
            "kind": "related",
        },
        "posting": posting(
            who,
            chance.choice(["quota_prosecutor", "prosecutor_assistant", "clerk"]),
            valid_to=chance.choice(["2025-06-30", None]),
        ),
        "personnel_record": {"record_key": key, "kind": "award", "person_key": who, "starts_on": day},
    }[entity]


@pytest.mark.parametrize("seed", range(3))
def test_scoring_any_history_step_by_step_equals_scoring_its_end(
    lite_store: sa.Engine, tmp_path: Path, seed: int
) -> None:
    """Also where a rule speaks of linked cases and their documents, and where items hang on no case."""
    law = load_policy(write_pack(tmp_path / "mini", *LINKS_AND_AWARDS))
    subject = Subject(OFFICE, (OFFICE,), ("world",))
    chance = random.Random(seed)  # noqa: S311 histories, not secrets
    people = [person(name) for name in PERSONS]
    rows = {"posting": {name: posting(name) for name in PERSONS}, "case": {n: case(n) for n in NUMBERS}}
    changing = ("case", "document", "participation", "suspect", "archive_volume", "case_link", "posting")
    changing += ("personnel_record",)
    modes = set()
    for _ in range(5):
        for entity in chance.choices(changing, k=chance.randrange(1, 6)):
            row = _random_row(chance, entity)
            held = rows.setdefault(entity, {})
            key = str(next(iter(row.values())))
            if key in held and entity != "posting" and chance.random() < 0.3:
                del held[key]
            else:
                held[key] = row
        told = {entity: list(rows.get(entity, {}).values()) for entity in changing}
        assert sync_world(lite_store, {"person": people} | told).state == "done"
        (step,) = score_periods(lite_store, subject, law, [YEAR])
        (whole,) = score_periods(lite_store, subject, law, [YEAR], full=True)
        modes.add(step.mode)
        assert (whole.added, whole.closed, whole.digest) == (0, 0, step.digest)
    assert "incremental" in modes


def test_a_gate_over_linked_cases_sees_their_archive(
    lite_store: sa.Engine, world: World, tmp_path: Path
) -> None:
    """Where points become final with a linked case's volumes, accepting those moves the lines of this case."""
    pack = tmp_path / "laoshan"
    shutil.copytree(PACK, pack)
    text = (pack / "policy.toml").read_text(encoding="utf-8")
    gate = 'final_when = "archive_accepted_on is not null"'
    assert text.count(gate) == 1
    linked = 'final_when = "linked(archive_accepted_on is not null)"'
    (pack / "policy.toml").write_text(text.replace(gate, linked), encoding="utf-8")
    law = load_policy(pack)
    world["case_link"].put({"link_key": "BC", "from_case_no": "B", "to_case_no": "C", "kind": "related"})
    world.sync(lite_store)
    first = _score(lite_store, law)
    assert first.provisional == first.points
    world["archive_volume"].put(_volume("B"))
    world.sync(lite_store)
    again = _score(lite_store, law)
    assert again.mode == "incremental"
    assert again.provisional < first.provisional
    assert _score(lite_store, law, full=True).digest == again.digest


def test_a_killed_sync_does_not_hide_what_it_would_have_brought(
    lite_store: sa.Engine, world: World, law: Policy
) -> None:
    """What a sync under way commits after the scoring is looked at by the next scoring."""
    world.sync(lite_store)
    with lite_store.begin() as connection:
        begin_run(connection, OFFICE, "sync", "ucs")
    _score(lite_store, law, accept_incomplete=True)
    with lite_store.connect() as connection:
        (_, told) = last_run(connection, OFFICE, "score", subject_of(law, YEAR)) or (0, {})
        begun = first_unfinished(connection, OFFICE, "sync", ["ucs"])
        assert first_unfinished(connection, OFFICE, "sync", ["another"]) is None
    assert begun is not None
    assert told["facts_at"] < begun
