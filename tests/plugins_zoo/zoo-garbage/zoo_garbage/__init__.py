"""Returns a list where a mapping is due."""

from jianheng.hookspecs import hookimpl


@hookimpl
def sources():
    return ["zoo-garbage"]
