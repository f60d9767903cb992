"""Raises when its hook is called."""

from jianheng.hookspecs import hookimpl


@hookimpl
def sources():
    raise LookupError("nothing here")
