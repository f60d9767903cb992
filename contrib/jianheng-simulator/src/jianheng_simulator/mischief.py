"""Breaking the case database in known ways, and mending everything."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from jianheng_simulator.chance import dice
from jianheng_simulator.database import insert_rows, make_engine, schema
from jianheng_simulator.simulation import Summary, fill_database
from jianheng_simulator.view import Row
from jianheng_simulator.workbook import write_workbook
from jianheng_simulator.world import World, database_url, load_world, save_world

_CASES, _PAPERS = "TYYW_GG_AJJBXX", "YX_WS_SL"


def with_database(folder: Path, work: Callable[[sa.Connection, World], Summary]) -> Summary:
    """Do something to the database of a folder in one transaction."""
    world = load_world(folder)
    engine = make_engine(database_url(folder, world))
    try:
        with engine.begin() as connection:
            return work(connection, world)
    finally:
        engine.dispose()


def check_names(table: str, column: str = "") -> None:
    """Refuse names the schema does not have: they go into statements as they are."""
    found = schema().tables.get(table)
    if found is None or (column and column not in found.c):
        message = f"no such table or column in the case database: {table} {column}".strip()
        raise ValueError(message)


def commit_late(folder: Path, count: int, minutes: int) -> Summary:
    """Insert cases and documents whose last change lies before the newest one already there."""

    def work(connection: sa.Connection, world: World) -> Summary:
        cases, papers = schema().tables[_CASES], schema().tables[_PAPERS]
        newest = connection.execute(sa.select(sa.func.max(papers.c.ZHXGSJ))).scalar_one()
        at = newest - timedelta(minutes=minutes)
        rng = dice(world.seed, "late", len(world.late_rows))
        models = _latest(connection, cases, count)
        new_cases: list[Row] = []
        new_papers: list[Row] = []
        for place, model in enumerate(models):
            number = 90000 + len(world.late_rows) + place
            case_no = f"{str(model['BMSAH'])[:-6]}{number:05d}号"
            when = at - timedelta(seconds=rng.randint(0, 600))
            new_cases.append(
                model | {"BMSAH": case_no, "TYSAH": None, "CJSJ": when, "ZHXGSJ": when, "SFSC": "N"}
            )
            paper = _latest(connection, papers, 1)[0]
            number_text = f"{model['CBDW_BM']}{world.today.year}L{number:05d}"
            new_papers.append(
                paper | {"BMSAH": case_no, "WSBH": number_text, "TYSAH": None, "CJSJ": when, "ZHXGSJ": when}
            )
        insert_rows(connection, {_CASES: new_cases, _PAPERS: new_papers})
        return {"late_cases": [row["BMSAH"] for row in new_cases], "zhxgsj": str(at), "newest": str(newest)}

    summary = with_database(folder, work)
    world = load_world(folder)
    save_world(folder, replace(world, late_rows=(*world.late_rows, *summary["late_cases"])))
    return summary


def _latest(connection: sa.Connection, table: sa.Table, count: int) -> list[Row]:
    # Criminal cases would ask for suspects and outcomes of their own.
    newest = sa.select(table).order_by(table.c.ZHXGSJ.desc(), table.c.BMSAH).limit(count)
    if table.name == _CASES:
        newest = newest.where(table.c.AJLB_BM.in_(("0212", "0204", "0703", "0704", "0705")))
    return [dict(row) for row in connection.execute(newest).mappings()]


def add_malformed_rows(folder: Path) -> Summary:
    """Insert an empty case number, an unknown handler and, where the database lets it in, text for a date."""

    def work(connection: sa.Connection, world: World) -> Summary:
        at = datetime.combine(world.today, datetime.min.time()) + timedelta(hours=18)
        cases = schema().tables[_CASES]
        models = _latest(connection, cases, 3)
        keep = {"TYSAH": None, "CJSJ": at, "ZHXGSJ": at, "SFSC": "N"}
        numbers = [f"{str(model['BMSAH'])[:-6]}{99990 + place:05d}号" for place, model in enumerate(models)]
        rows = [
            models[0] | keep | {"BMSAH": ""},
            models[1] | keep | {"BMSAH": numbers[1], "CBRGH": "9999  ", "CBR": "查无此人"},
        ]
        insert_rows(connection, {_CASES: rows})
        done = ["empty BMSAH", "unknown CBRGH"]
        if connection.dialect.name == "sqlite":
            insert_rows(connection, {_CASES: [models[2] | keep | {"BMSAH": numbers[2]}]})
            # The type would refuse it, so the text goes in beside it.
            text = sa.literal("2025年13月", sa.String())
            chosen = sa.update(cases).where(cases.c.BMSAH.in_(numbers[2:]))
            connection.execute(chosen.values(SLRQ=sa.type_coerce(text, sa.String())))
            done.append("text in SLRQ")
        return {"malformed": done}

    return with_database(folder, work)


def rename_column(folder: Path, table: str, column: str, new: str) -> Summary:
    """Rename a column, as an upgrade of the original might."""
    check_names(table, column)
    if not new.isidentifier():
        message = f"not a column name: {new}"
        raise ValueError(message)

    def work(connection: sa.Connection, _world: World) -> Summary:
        quote = connection.dialect.identifier_preparer.quote
        connection.execute(
            sa.text(f"alter table {quote(table)} rename column {quote(column)} to {quote(new)}")
        )
        return {"renamed": {f"{table}.{column}": new}}

    return with_database(folder, work)


def drop_table(folder: Path, table: str) -> Summary:
    """Drop a table."""
    check_names(table)

    def work(connection: sa.Connection, _world: World) -> Summary:
        schema().tables[table].drop(connection)
        return {"dropped": table}

    return with_database(folder, work)


def empty_table(folder: Path, table: str) -> Summary:
    """Delete all rows of a table."""
    check_names(table)

    def work(connection: sa.Connection, _world: World) -> Summary:
        return {"emptied": {table: connection.execute(sa.delete(schema().tables[table])).rowcount}}

    return with_database(folder, work)


def duplicate_rows(folder: Path, table: str, count: int) -> Summary:
    """Insert some rows of a table once more."""
    check_names(table)

    def work(connection: sa.Connection, _world: World) -> Summary:
        found = schema().tables[table]
        rows = [dict(row) for row in connection.execute(sa.select(found).limit(count)).mappings()]
        insert_rows(connection, {table: rows})
        return {"duplicated": {table: len(rows)}}

    return with_database(folder, work)


def mend(folder: Path) -> Summary:
    """Restore database and workbook to what they hold today; rows committed late stay."""
    world = load_world(folder)
    late = _rescue_late(folder, world)
    counts = fill_database(folder, world)
    if late:
        with_database(folder, lambda connection, _world: dict(insert_rows(connection, late)))
    world = replace(world, workbook_faults=(), late_rows=world.late_rows if late else ())
    write_workbook(folder, world)
    save_world(folder, world)
    return {"rows": counts, "late_rows_kept": sum(len(rows) for rows in late.values())}


def _rescue_late(folder: Path, world: World) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for name in (_CASES, _PAPERS) if world.late_rows else ():
        try:
            found |= with_database(folder, partial(_read_late, name))
        except sa.exc.DBAPIError:
            # The very table is broken: then its late rows are lost with it.
            continue
    return found


def _read_late(name: str, connection: sa.Connection, world: World) -> Summary:
    table = schema().tables[name]
    chosen = sa.select(table).where(table.c.BMSAH.in_(world.late_rows))
    return {name: [dict(row) for row in connection.execute(chosen).mappings()]}
