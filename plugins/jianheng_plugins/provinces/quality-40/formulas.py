"""Formulas of the 40-point sheet."""


def nothing_after(*, score, count):
    """Give the score, or nothing at all to whom something was counted."""
    return [None if one is None else 0 if number > 0 else one for one, number in zip(score, count)]
