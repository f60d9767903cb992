"""Brings a calendar that another brings too."""

from pathlib import Path

from jianheng.hookspecs import hookimpl


@hookimpl
def calendars():
    return {"zoo-one": Path(__file__).parent / "one.toml"}
