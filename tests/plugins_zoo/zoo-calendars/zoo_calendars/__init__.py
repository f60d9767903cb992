"""Brings three calendars: one that is ours by name, one that another brings too, one of its own."""

from pathlib import Path

from jianheng.hookspecs import hookimpl


@hookimpl
def calendars():
    folder = Path(__file__).parent
    return {"china": folder / "mine.toml", "zoo-one": folder / "one.toml", "zoo-two": folder / "two.toml"}
