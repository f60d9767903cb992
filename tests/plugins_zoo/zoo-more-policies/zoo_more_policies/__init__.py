"""Brings a policy that zoo-policies brings as well."""

from pathlib import Path

from jianheng.hookspecs import hookimpl


@hookimpl
def policies():
    here = Path(__file__).parent
    return [here / "one", here / "two"]
