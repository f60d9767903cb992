"""The facts the scoring benchmarks count: offices, people, cases, documents, made by arithmetic alone.

The same number of facts gives the same world everywhere, without randomness. Every twenty facts are a case
with a team of one to three, ten documents, six approvals and mostly an archive volume; everything that makes
rows differ (late or in time, archived or not, who wrote what) is a multiplicative hash of a row's number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.ipc

from jianheng.facts.entities import ENTITIES
from jianheng.store.bulk import arrow_type
from jianheng.store.tables import FACTS

PER_CASE = 20
"""Facts a case brings, on average."""
OFFICE = 200_000
"""Facts of an office and a year."""
OUTSIDE = "989999"
"""The unit of those who left: not scored."""


@dataclass(frozen=True, slots=True)
class World:
    """The size of a world.

    Attributes:
        offices: how many units are scored.
        cases: how many cases each of them has.
        staff: people of an office, a multiple of 20: four departments with each role in them.
        first: the number of the first office, so that a large world can be made office by office.
    """

    offices: int
    cases: int
    staff: int
    first: int = 0

    @property
    def units(self) -> list[str]:
        """The unit codes that are scored."""
        return [str(990_001 + number) for number in range(self.first, self.first + self.offices)]


def world_of(facts: int) -> World:
    """Return a world of about so many facts: 200,000 an office where there are enough."""
    offices = max(2, facts // OFFICE)
    cases = max(1, facts // PER_CASE // offices)
    return World(offices, cases, max(20, min(80, cases // 400 * 20)))


def facts_of(world: World) -> dict[str, pa.Table]:
    """Return the facts of a world by entity, as the kernel takes them."""
    with duckdb.connect() as engine:
        engine.execute("SET threads = 2")
        for name, statement in _tables(world).items():
            engine.execute(statement.format(name=name))
        return {
            name: engine.sql(_select(name, columns)).to_arrow_table() for name, columns in _COLUMNS.items()
        }


def save(facts: Mapping[str, pa.Table], folder: Path) -> None:
    """Write facts into a folder, for another process to :func:`load`."""
    for name, table in facts.items():
        with (
            pa.OSFile(str(folder / f"{name}.arrow"), "wb") as file,
            pa.ipc.new_file(file, table.schema) as writer,
        ):
            writer.write_table(table)


def load(folder: Path) -> dict[str, pa.Table]:
    """Return the facts of a folder, in memory as a store hands them over."""
    facts = {}
    for path in sorted(folder.glob("*.arrow")):
        with pa.OSFile(str(path)) as file:
            facts[path.stem] = pa.ipc.open_file(file).read_all()
    return facts


def count(facts: Mapping[str, pa.Table]) -> int:
    """Return how many facts there are."""
    return sum(table.num_rows for table in facts.values())


def _tables(world: World) -> dict[str, str]:
    """Return the statements that make functions, cases, people and is: as numbers, but for the keys."""
    last = world.first + world.offices
    return {
        # A number in [0, n): the upper bits of a product, so that neighbours differ.
        "part": "CREATE MACRO {name}(i, salt, n) AS (i * 2654435761 + salt::BIGINT * 40503001) % 4294967296 // 65536 % n",
        "unit": "CREATE MACRO {name}(office) AS CAST(990001 + office AS VARCHAR)",
        "staffer": "CREATE MACRO {name}(office, number) AS unit(office) || '-' || lpad(CAST(number AS VARCHAR), 4, '0')",
        # Of five people of a department 0 and 1 are prosecutors, 2 and 3 assistants, 4 is the clerk.
        "someone": f"""
            CREATE MACRO {{name}}(office, department, i, salt, duty, width) AS staffer(office,
              5 * (department + 4 * part(i, salt, {world.staff // 20})) + duty + part(i, salt + 50, width))""",
        "p": f"""
            CREATE TABLE {{name}} AS
            SELECT o.range AS office, n.range AS number, n.range % 5 AS duty, n.range // 5 % 4 AS department
            FROM range({world.first}, {last}) o, range({world.staff}) n""",
        "numbered": f"""
            CREATE TABLE {{name}} AS
            SELECT o.range AS office, n.range AS number, o.range * {world.cases} + n.range AS i
            FROM range({world.first}, {last}) o, range({world.cases}) n""",
        "dated": """
            CREATE TABLE {name} AS
            SELECT *, part(i, 1, 20) AS category, part(i, 1, 20) // 5 AS department, i % 3 + 1 AS size,
              DATE '2024-11-01' + CAST(part(i, 2, 400) AS INTEGER) AS accepted_on
            FROM numbered""",
        "c": """
            CREATE TABLE {name} AS
            SELECT *, 'C' || unit(office) || lpad(CAST(number AS VARCHAR), 7, '0') AS case_no,
              someone(office, department, i, 3, 0, 2) AS lead,
              someone(office, department, i, 4, 2, 2) AS assistant,
              CASE WHEN i % 4 = 0 THEN someone(office, department, i, 5, 0, 2)
                ELSE someone(office, department, i, 6, 4, 1) END AS third,
              accepted_on + 30 + 15 * CAST(category % 3 AS INTEGER) AS due_on,
              accepted_on + 12 + CAST(part(i, 7, 70) AS INTEGER) AS closes_on
            FROM dated""",
        "d": """
            CREATE TABLE {name} AS
            SELECT * EXCLUDE (i), i * 10 + place AS i, case_no || 'W' || place AS document_key,
              CASE WHEN place % 2 = 0 THEN '1000000' ELSE '2000000' END
                || lpad(CAST(department * 36 + part(i * 10 + place, 8, 36) AS VARCHAR), 5, '0') AS template_code,
              accepted_on + 2 + 5 * CAST(place AS INTEGER) + CAST(part(i * 10 + place, 9, 9) AS INTEGER) AS drafted_on,
              CASE WHEN place < 4 OR size = 1 THEN lead WHEN place < 8 OR size = 2 THEN assistant ELSE third END AS drafter
            FROM (SELECT c.*, n.range AS place FROM c, range(10) n)""",
    }


_COLUMNS: dict[str, tuple[str, str, dict[str, str]]] = {
    # entity: (what it is made from, its key, its columns); every other column is unknown.
    "person": (
        "p",
        "staffer(office, number)",
        {"unit_code": "unit(office)", "staff_no": "CAST(number AS VARCHAR)", "name": "'化名' || number"},
    ),
    "posting": (
        # One in twenty is promoted in July; one in forty goes elsewhere in October.
        """(SELECT *, 1 AS span, DATE '2020-01-01' AS since, CASE WHEN number % 20 = 3 THEN DATE '2025-06-30'
             WHEN number % 40 = 11 THEN DATE '2025-09-30' END AS until FROM p
           UNION ALL SELECT *, 2, CASE WHEN number % 20 = 3 THEN DATE '2025-07-01' ELSE DATE '2025-10-01' END, NULL
           FROM p WHERE number % 20 = 3 OR number % 40 = 11)""",
        "staffer(office, number) || '-' || span",
        {
            "person_key": "staffer(office, number)",
            "unit_code": f"CASE WHEN span = 2 AND number % 40 = 11 THEN '{OUTSIDE}' ELSE unit(office) END",
            "department_key": "unit(office) || '-' || department",
            "role": "CASE WHEN duty < 2 OR (duty = 3 AND span = 2) THEN 'quota_prosecutor'"
            " WHEN duty < 4 THEN 'prosecutor_assistant' ELSE 'clerk' END",
            "post_level": "CASE WHEN number = 0 THEN 'chief' WHEN number < 4 AND duty < 2 THEN 'deputy_chief' ELSE 'member' END",
            "valid_from": "since",
            "valid_to": "until",
        },
    ),
    "case": (
        "c",
        "case_no",
        {
            "unit_code": "unit(office)",
            "department_key": "unit(office) || '-' || department",
            "handler_key": "lead",
            "category": "lpad(CAST(101 + category * 100 AS VARCHAR), 4, '0')",
            "accepted_on": "accepted_on",
            "due_on": "due_on",
            "concluded_on": "CASE WHEN closes_on <= DATE '2026-01-15' THEN closes_on END",
            "status": "CASE WHEN closes_on <= DATE '2026-01-15' THEN 'concluded' ELSE 'in_hand' END",
            "charge_name": "'案由' || category",
            "is_foreign_related": "i % 50 = 7",
            "is_supervised": "i % 13 = 5",
        },
    ),
    "participation": (
        # One case in eleven names nobody: its handler counts. One in seventeen agreed on parts, some of them badly.
        """(SELECT *, 0 AS seat, lead AS member FROM c WHERE i % 11 <> 4
           UNION ALL SELECT *, 1, assistant FROM c WHERE size > 1 AND i % 11 <> 4
           UNION ALL SELECT *, 2, third FROM c WHERE size > 2 AND i % 11 <> 4)""",
        "case_no || 'P' || seat",
        {
            "case_no": "case_no",
            "person_key": "CASE WHEN seat = 1 AND i % 97 = 0 THEN 'unknown' ELSE member END",
            "role": "CASE WHEN seat = 0 OR (seat = 2 AND i % 4 = 0) THEN 'quota_prosecutor'"
            " WHEN seat = 1 THEN 'prosecutor_assistant' ELSE 'clerk' END",
            "share": "CASE WHEN i % 17 = 1 THEN CASE WHEN size = 1 THEN 1 WHEN seat = 0 THEN 0.7"
            " WHEN size = 2 OR seat = 1 THEN 0.3 ELSE 0 END END",
        },
    ),
    "document": (
        "d",
        "document_key",
        {
            "case_no": "case_no",
            "unit_code": "unit(office)",
            "template_code": "template_code",
            "name": "'文书' || right(template_code, 3)",
            "drafter_key": "CASE WHEN i % 199 <> 7 THEN drafter END",
            "drafted_on": "drafted_on",
            "approver_key": "CASE WHEN place < 6 THEN staffer(office, department * 5) END",
            "approved_on": "CASE WHEN place < 6 THEN drafted_on + 1 + CAST(i % 4 AS INTEGER) END",
            "approval_result": "CASE WHEN place < 6 THEN '同意' END",
            "in_dossier": "i % 10 <> 3",
        },
    ),
    "approval": (
        "(SELECT * FROM d WHERE place < 6)",
        "document_key || 'S'",
        {
            "document_key": "document_key",
            "case_no": "case_no",
            "template_code": "template_code",
            "submitter_key": "drafter",
            "submitted_on": "drafted_on",
            "approver_key": "CASE WHEN place = 5 THEN staffer(office, 0) ELSE someone(office, department, i, 10, 0, 2) END",
            "approved_on": "drafted_on + 1 + CAST(i % 4 AS INTEGER)",
            "conclusion": "CASE WHEN part(i, 11, 20) = 0 THEN '退回' ELSE '同意' END",
        },
    ),
    "archive_volume": (
        "(SELECT * FROM c WHERE closes_on <= DATE '2025-12-31' AND i % 10 <> 3)",
        "case_no || 'J'",
        {
            "case_no": "case_no",
            "unit_code": "unit(office)",
            "state": "CASE WHEN i % 20 = 9 THEN 'handed_over' ELSE 'accepted' END",
            "handed_over_on": "closes_on + 20",
            "accepted_on": "CASE WHEN i % 20 <> 9 THEN closes_on + 30 END",
        },
    ),
}


def _select(entity: str, made: tuple[str, str, dict[str, str]]) -> str:
    """Return the select of an entity's table: all its columns in their order, with their types."""
    source, key, told = made
    known = {ENTITIES[entity].key.name: key} | told
    columns = [
        f"CAST({known.get(name, 'NULL')} AS {_sql_type(entity, name)}) AS {name}"
        for name in ENTITIES[entity].names
    ]
    return f"SELECT 'bench' AS source, {', '.join(columns)}, md5({key}) AS content_hash, {key} AS locator FROM {source}"


def _sql_type(entity: str, column: str) -> str:
    kind = arrow_type(FACTS[entity].c[column])
    named = {
        pa.date32(): "DATE",
        pa.bool_(): "BOOLEAN",
        pa.int64(): "BIGINT",
        pa.decimal128(18, 6): "DECIMAL(18, 6)",
    }
    return named.get(kind, "VARCHAR")
