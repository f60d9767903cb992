"""Forgets the mark on its hook."""


def sources():
    return {"zoo-unmarked": object}
