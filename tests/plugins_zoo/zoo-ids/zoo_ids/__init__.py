"""Brings a second source under a built-in's name."""

from jianheng.hookspecs import hookimpl


@hookimpl
def sources():
    return {"zoo-ids": object, "unified-case-sql": object}
