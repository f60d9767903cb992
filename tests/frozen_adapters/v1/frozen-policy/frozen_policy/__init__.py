"""A sample of contract 1: a policy pack that counts documents by the working calendar of another plugin."""

from pathlib import Path

from jianheng.hookspecs import hookimpl


@hookimpl
def policies():
    return [Path(__file__).parent / "frozen"]
