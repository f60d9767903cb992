"""Synthetic upstream systems of a procuratorate: case database, archive service, personnel workbook."""

from jianheng_simulator.archive_service import CLIENT_ID, CLIENT_SECRET, running_archive
from jianheng_simulator.simulation import create, fill_database, pass_time
from jianheng_simulator.workbook import workbook_path, write_workbook
from jianheng_simulator.world import World, all_rows, database_url, load_world

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "World",
    "all_rows",
    "create",
    "database_url",
    "fill_database",
    "load_world",
    "pass_time",
    "running_archive",
    "workbook_path",
    "write_workbook",
]
