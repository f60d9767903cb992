"""A sample of contract 1: a working calendar."""

from pathlib import Path

from jianheng.hookspecs import hookimpl


@hookimpl
def calendars():
    return {"frozen": Path(__file__).parent / "frozen.toml"}
