"""For a few cases the program runs on SQLite: the same ledger as DuckDB's, to the last line, or none at all."""

import datetime as dt
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jianheng_plugins.provinces as shipped
from jianheng.errors import Problem, StopError
from jianheng.rules.expression import compile_expression
from jianheng.scoring.checking.example_world import facts_of as facts_of_example
from jianheng.scoring.checking.example_world import read_examples
from jianheng.scoring.kernel import few, program
from jianheng.scoring.kernel.plan_ledger import LEDGER_COLUMNS
from jianheng.scoring.kernel.score import score
from jianheng.scoring.kernel.sqlite_words import EPOCH, NotAlikeError, in_sqlite
from jianheng.scoring.kernel.tallies import tallies_of
from jianheng.scoring.law.pack_files import FolderFiles
from jianheng.scoring.law.period import period
from jianheng.scoring.law.policy import Policy, load_policy
from mini_pack import write_pack
from thoroughness import examples, some
from upstream import CHINA, UNIT, case, document, facts_of, person, posting
from whole_pack import write_whole_pack
from whole_worlds import WORLDS

PROVINCES = Path(str(shipped.__file__)).parent
FOLDERS = {file.parent.name: file.parent for file in sorted(PROVINCES.glob("*/policy.toml"))}
YEAR = period("2025")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tables from the first scoring on, and try every time."""
    monkeypatch.setattr(few, "AFTER", 0)
    monkeypatch.setattr(few, "PATIENCE", 0)


@cache
def whole() -> Policy:
    with TemporaryDirectory() as folder:
        return load_policy(write_whole_pack(Path(folder) / "whole"))


@cache
def shipped_law(pack: str) -> Policy:
    return load_policy(FOLDERS[pack], FOLDERS.get, calendars={"china": CHINA})


def both(
    facts: dict[str, pa.Table], law: Policy, only: list[str], *when: Any
) -> tuple[pa.Table, pa.Table | None]:
    """Return DuckDB's ledger and SQLite's; None where SQLite leaves it to DuckDB."""
    (window,) = when or (YEAR,)
    done: list[Any] = []
    few_score = few.score_few
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few, "score_few", lambda *a: done.append(few_score(*a)) or done[-1])
        score(facts, law, window, [UNIT], only=only)
        patch.setattr(few, "score_few", lambda *_: None)
        there = score(facts, law, window, [UNIT], only=only).ledger
    return there, None if done == [None] else done[0][0]


def everything(facts: dict[str, pa.Table]) -> list[str]:
    """Return the numbers of all cases, and that of what hangs on none."""
    return ["", *facts["case"]["case_no"].to_pylist()] if "case" in facts else [""]


@settings(max_examples=examples(10))
@given(worlds=st.lists(WORLDS, min_size=1, max_size=2), chance=st.randoms())
def test_the_ledger_is_the_same_to_the_bit_whatever_was_scored_before(worlds, chance):
    """Factors, gates, teams, faults, limits per case and every kind of cap; in tables that held another world."""
    for world in worlds:
        facts = facts_of(world)
        numbers = everything(facts)
        only = chance.choice([numbers, chance.sample(numbers, chance.randint(1, len(numbers)))])
        there, here = both(facts, whole(), only)
        assert here is not None
        assert here.schema.equals(there.schema)
        assert here.to_pylist() == there.to_pylist()


KNOWN_UNFIT = {"beijing-court"}
"""They reckon with decimals, of which SQLite keeps about fifteen digits."""


@pytest.mark.parametrize("pack", some(FOLDERS))
def test_every_shipped_law_gives_its_examples_the_same_lines(pack: str) -> None:
    """All examples of a pack one after the other, in the same tables."""
    law = shipped_law(pack)
    fit = []
    for told in list(read_examples(FolderFiles(law.folder)))[: examples(4)]:
        assert not isinstance(told, Problem)
        facts, problems = facts_of_example(told[1], told[0])
        assert not problems
        there, here = both(facts, law, everything(facts), period(told[1].period, law.file.calendar))
        fit.append(here is not None)
        if here is not None:
            assert here.to_pylist() == there.to_pylist()
    assert all(fit) is (pack not in KNOWN_UNFIT)


@settings(max_examples=examples(10))
@given(world=WORLDS)
def test_sums_of_few_lines_are_duckdbs(world):
    ledger = score(facts_of(world), whole(), YEAR, [UNIT]).ledger
    with pytest.MonkeyPatch.context() as patch:
        here = [tallies_of(ledger), tallies_of(ledger, {"papers"})]
        patch.setattr("jianheng.scoring.kernel.tallies.rows_of_few", lambda *_: None)
        assert [tallies_of(ledger), tallies_of(ledger, {"papers"})] == here


def small(**of_case: Any) -> dict[str, pa.Table]:
    """Return the facts of a case with one document, and of who wrote it."""
    return facts_of(
        {
            "person": [person("p1")],
            "posting": [posting("p1")],
            "case": [case("A", handler_key="p1", **of_case)],
            "document": [document("d1", "A", drafter_key="p1", drafted_on="2025-03-01")],
        }
    )


def test_steps_run_again_only_where_something_changed(tmp_path: Path) -> None:
    """Nothing is read anew for a world that stayed; one fact moves what hangs on it."""
    law = load_policy(write_pack(tmp_path / "mini"))
    tables = few.Tables(law, YEAR)
    ran: list[str] = []
    run = tables._run
    tables._run = lambda step: (run(step), ran.append(step.name) if step.name in tables._changed else None)[0]  # type: ignore[method-assign]

    def scored(**of_case: Any) -> list[str]:
        ran.clear()
        facts = {name: table.drop_columns(["source", "locator"]) for name, table in small(**of_case).items()}
        told = {name: facts.get(name) for name in program.facts_in(law)}
        empty = few_facts(law)
        tables.score(
            {name: empty[name] if table is None else table for name, table in told.items()},
            [UNIT],
            ["A"],
            nothing_carried,
        )
        return list(ran)

    assert "held" in scored()
    assert scored() == []
    assert "held" not in (again := scored(charge_name="x"))
    assert "v_case" in again


def few_facts(law: Policy) -> dict[str, pa.Table]:
    """Return no facts of everything a law's program reads."""
    made = facts_of({name: [] for name in program.facts_in(law)})
    return {name: table.drop_columns(["source", "locator"]) for name, table in made.items()}


def nothing_carried(_spots: Any) -> pa.Table:
    return score({}, whole(), YEAR, [UNIT]).ledger.select(LEDGER_COLUMNS).slice(0, 0)


def test_what_goes_wrong_is_told_by_duckdb(tmp_path: Path) -> None:
    """A rule that cannot answer stops the scoring with its name, and the next one is as if nothing had been."""
    condition = "workdays_between(accepted_on, concluded_on) > 3"
    measure = f"""
[slow]
label = "慢"
grain = "case"
where = "concluded_on is not null and {condition}"
date = "concluded_on"
unit = "件"
actor = "handler_key"
"""
    points = ("points.csv", "", "slow,慢,slow,,,,work,-1,,,,第十条")
    folder = write_pack(tmp_path / "mini", ("measures.toml", "", measure), points)
    law = load_policy(folder, calendars={"china": CHINA})
    known = small(accepted_on="2025-02-03", concluded_on="2025-03-03")
    there, here = both(known, law, ["A"])
    assert here is not None
    assert here.to_pylist() == there.to_pylist()
    with pytest.raises(StopError) as failed:
        score(small(accepted_on="1960-02-03", concluded_on="2025-03-03"), law, YEAR, [UNIT], only=["A"])
    assert (failed.value.code, failed.value.problem.fields["rule"]) == ("score-rule-failed", "slow")
    there, here = both(known, law, ["A"])
    assert here is not None
    assert here.to_pylist() == there.to_pylist()


TEXTS = st.text("ab1;,.三年$\n\\ 0201", max_size=8)
CODES = st.lists(st.sampled_from(["0201", "02010", "9901190102000", "a.b", "x$"]), max_size=3).map(";".join)
SENTENCES = st.sampled_from(
    [
        *(
            "有期徒刑三年六个月",
            "二十年零十一个月",
            "２年６个月",
            "P3Y6M",
            "４２",
            "无期徒刑",
            "三年半",
            "十个月\n",
        ),
        *("拘役五个月", "10个月", "死刑,缓期二年执行", "二三年", "", "判处有期徒刑一年", "十一年"),
    ]
)
ASKED = [
    "prefix(charge_name, '02', 'a')",
    "contains(charge_name, '0201')",
    "contains(charge_name, '9901190102000')",
    "contains(charge_name, 'a.b')",
    "contains(charge_name, 'x$')",
    "case when term(charge_name) in ('fixed', 'none') then months(charge_name) end",
    "term(charge_name)",
    "attr('n')",
    "charge_name between '0' and 'b'",
    "coalesce(closed_on, '2025-07-01') - accepted_on",
    "accepted_on + handling_days",
    "days_between(accepted_on, closed_on) * 2 > handling_days",
    "charge_name in ('a', '0201') or not is_supervised",
    "is_supervised is null",
    "case when charge_name = 'a' then 1 when handling_days > 2 then handling_days else 0 end",
    "result_codes",
]


@settings(max_examples=examples(40))
@given(
    texts=st.lists(st.one_of(TEXTS, CODES, SENTENCES, st.none()), min_size=1, max_size=4),
    attribute=st.one_of(TEXTS, st.none()),
    days=st.lists(st.dates(dt.date(1990, 1, 1), dt.date(2030, 12, 31)), min_size=2, max_size=2),
    number=st.one_of(st.none(), st.integers(0, 9)),
)
def test_conditions_are_read_alike(texts, attribute, days, number):
    """Codes, several of them, sentences, attributes, days and numbers: what DuckDB says, or nothing."""
    rows = [
        case(
            f"C{place}",
            charge_name=text,
            attributes=None if attribute is None else {"n": attribute, "m": "x"},
            accepted_on=days[0].isoformat(),
            concluded_on=days[1].isoformat() if place else None,
            handling_days=number,
            is_supervised=[None, False, True][place % 3],
        )
        for place, text in enumerate(texts)
    ]
    outcomes = [
        {"outcome_key": f"o{n}", "case_no": "C0", "result_code": text} for n, text in enumerate(texts) if text
    ]
    facts = facts_of(
        {"case": rows, "case_outcome": outcomes, "suspect": [], "document": [], "archive_volume": []}
    )
    told = {f"fact_{name}": table.drop_columns(["source", "locator"]) for name, table in facts.items()}
    view = program.step_of(program.case_view_sql("t.concluded_on")).select
    asked = ", ".join(f"{compile_expression(text, 'case', 'here')} AS a{n}" for n, text in enumerate(ASKED))
    select = f"SELECT case_no, {asked} FROM ({view}) t ORDER BY case_no"
    with duckdb.connect() as engine:
        for name, table in told.items():
            engine.register(name, table)
        there = engine.execute(select).fetchall()
    here = few.rows_of_few(select, told, facts=True)
    assert here is not None
    assert [tuple(row) for row in here] == [tuple(map(_plain, row)) for row in there]


def _plain(value: Any) -> Any:
    """Return what DuckDB gives as SQLite keeps it."""
    return (value - EPOCH).days if isinstance(value, dt.date) else value


UNFIT = {
    "a decimal in a sum": "SELECT quantity + 1 FROM fact_property_item",
    "decimals summed": "SELECT sum(quantity) FROM fact_property_item",
    "a decimal as text": "SELECT CAST(quantity AS VARCHAR) FROM fact_property_item",
    "a moment beside a day": "SELECT 1 FROM fact_event WHERE at > CAST('2025-01-01' AS DATE)",
    "a product of two facts": "SELECT handling_days * handling_days FROM fact_case",
    "a day of a text": "SELECT CAST(charge_name AS DATE) FROM fact_case",
    "a text as a number": "SELECT CAST(charge_name AS BIGINT) FROM fact_case",
    "128 bits": "SELECT CAST(1 AS HUGEINT) FROM fact_case",
    "a division": "SELECT handling_days / 2 FROM fact_case",
    "no statement": "SELECT FROM WHERE",
    "no day": "SELECT CAST('2025-02-30' AS DATE) FROM fact_case",
    "a function": "SELECT upper(charge_name) FROM fact_case",
    "a pattern of its own": "SELECT 1 FROM fact_case WHERE charge_name LIKE 'a%'",
    "a number too fine": "SELECT 1 FROM fact_property_item WHERE quantity > 123456789012.123456",
    "all but some": "SELECT * EXCLUDE (case_no) FROM fact_case",
    "128 bits that stay": "SELECT CAST(handling_days AS HUGEINT) * 2 FROM fact_case",
}


@pytest.mark.parametrize("select", UNFIT.values(), ids=UNFIT)
def test_what_sqlite_would_not_do_exactly_alike_is_refused(select: str) -> None:
    with pytest.raises(NotAlikeError):
        in_sqlite(select, facts=True)


@pytest.mark.parametrize("quantity", ["1", "3", "2.5"])
def test_a_whole_decimal_counts_and_a_part_stops_the_rule(tmp_path: Path, quantity: str) -> None:
    """``2.5`` hours are no number of hours that can be counted, whoever looks."""
    measure = """
[hours]
label = "学时"
grain = "personnel_record"
where = "kind = 'training'"
date = "starts_on"
unit = "时"
quantity = "quantity"
actor = "person_key"
"""
    points = ("points.csv", "", "hours,学时,hours,,,,work,1,,,,第十条")
    law = load_policy(write_pack(tmp_path / "mini", ("measures.toml", "", measure), points))
    record = {"record_key": "r1", "kind": "training", "person_key": "p1", "starts_on": "2025-02-03"}
    facts = facts_of(
        {
            "person": [person("p1")],
            "posting": [posting("p1")],
            "personnel_record": [record | {"quantity": quantity}],
        }
    )
    if "." in quantity:
        with pytest.raises(StopError, match="hours"):
            both(facts, law, [""])
    else:
        there, here = both(facts, law, [""])
        assert here is not None
        assert here.to_pylist() == there.to_pylist()
        assert here["quantity"].to_pylist() == [int(quantity)]


def test_tables_are_kept_for_a_few_laws_and_periods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest make room; the first scoring of a law and period is DuckDB's, and so are some after a failure."""
    monkeypatch.setattr(few, "AFTER", 1)
    monkeypatch.setattr(few, "PATIENCE", 2)
    monkeypatch.setattr(few, "_MOST_KEPT", 2)
    few._open.clear()
    law = load_policy(write_pack(tmp_path / "mini", ("policy.toml", 'label = "小', 'label = "又小')))
    for name in ("2025-01", "2025-02", "2025-03"):
        fits = [both(small(), law, ["A"], period(name))[1] is not None for _ in range(2)]
        assert fits == [False, True]
    assert [key[1].id for key in few._open] == ["2025-02", "2025-03"]
    with monkeypatch.context() as broken:
        broken.setattr(few.Tables, "score", lambda *_: few.Tables(law, YEAR)._rows("SELECT nothing"))
        assert both(small(), law, ["A"], period("2025-03"))[1] is None
    fits = [both(small(), law, ["A"], period("2025-03"))[1] is not None for _ in range(3)]
    assert fits == [False, False, True]
