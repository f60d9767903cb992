"""Brings two policies, and a folder that is not there."""

from pathlib import Path

from jianheng.hookspecs import hookimpl


@hookimpl
def policies():
    here = Path(__file__).parent
    return [here / "one", here / "two", here / "nowhere"]
