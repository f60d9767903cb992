"""The reward for marked effect."""


def marked_effect(*, closed, faults, least, rate, bonus):
    """Give `bonus` to whoever closed at least `least` cases with at most `rate` notified faults a hundred cases, else 0."""
    return [
        _reward(cases, found, few, limit, most)
        for cases, found, few, limit, most in zip(closed, faults, least, rate, bonus)
    ]


def _reward(cases, found, few, limit, most):
    if cases is None or found is None:
        return None
    return most if cases >= few and found * 100 <= limit * cases else 0
