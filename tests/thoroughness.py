"""How many random examples a property is tried on: half of them in every run, all of them in a soak."""

import os


def examples(most: int) -> int:
    """Return how many examples to try: ``most`` where ``JIANHENG_SOAK`` is set, else half."""
    return most if os.environ.get("JIANHENG_SOAK") else max(2, most // 2)
