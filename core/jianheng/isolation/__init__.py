"""Adapters of others, each in a process of its own: the host's side in :mod:`.host`, the child's in :mod:`.child`.

Nothing is imported here: the child must get at its own half without the libraries of the host.
"""
