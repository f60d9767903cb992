"""Chance that always falls the same way: dice made from what they are thrown for."""

from random import Random


def dice(*purpose: object) -> Random:
    """A generator of its own for one purpose; the same purpose gives the same numbers anywhere."""
    # Seeding by text goes through SHA-512, so hash seeds and other draws play no part.
    return Random("/".join(str(part) for part in purpose))  # noqa: S311


def happens(rng: Random, share: float) -> bool:
    """Whether something happens that happens in a share of all cases."""
    return rng.random() < share
