"""Brings a target that its manifest does not declare."""

from jianheng.hookspecs import hookimpl


@hookimpl
def sources():
    return {"zoo-undeclared": object}


@hookimpl
def targets():
    return {"zoo-undeclared": object}
