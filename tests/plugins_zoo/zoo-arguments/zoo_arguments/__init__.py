"""Wants an argument that the hook has not."""

from jianheng.hookspecs import hookimpl


@hookimpl
def sources(config):
    return {"zoo-arguments": object}
