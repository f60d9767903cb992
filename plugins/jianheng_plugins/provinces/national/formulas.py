"""Formulas of the national frame."""


def adjusted(*, base, count, each):
    """Give a base changed by so many points for each thing counted; `each` is negative where it takes."""
    return [one + number * points for one, number, points in zip(base, count, each)]


def adjusted_both_ways(*, base, gained, gain, lost, loss):
    """Give a base with something for each thing gained and something less (`loss` is negative) for each lost."""
    return [
        one + won * plus + gone * minus for one, won, plus, gone, minus in zip(base, gained, gain, lost, loss)
    ]
