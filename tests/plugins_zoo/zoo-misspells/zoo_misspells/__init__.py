"""Misspells its hook."""

from jianheng.hookspecs import hookimpl


@hookimpl
def sorces():
    return {"zoo-misspells": object}
