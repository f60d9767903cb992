"""Who is compared with whom: people who agree in everything that a group names.

Whoever has two sheets is there once for each; a group that should not mix them names ``sheet`` too.
"""

from collections.abc import Sequence

from jianheng.scoring.indicators.outcome import Scored
from jianheng.scoring.law.pack import Group, Grouping

_FIELDS: dict[Grouping, str] = {
    "sheet": "sheet",
    "unit": "unit_code",
    "department": "department_key",
    "role": "role",
    "post_level": "post_level",
    "staff_class": "staff_class",
}

Key = tuple[str, ...]
"""What the people of one group have in common."""

SHEET = Group(id="sheet", label="", by=("sheet",))
"""Everyone with the same sheet: who is compared where a policy names no group."""


def group_key(person: Scored, group: Group) -> Key | None:
    """Return which group somebody is in; None where something it takes is not known of him.

    Two people of whom the same is unknown have nothing in common.
    """
    key = tuple(str(getattr(person, _FIELDS[name])) for name in group.by)
    return key if all(key) else None


def members(people: Sequence[Scored], group: Group) -> dict[Key, list[int]]:
    """Return the positions of the people in each group; who is in none is left out."""
    found: dict[Key, list[int]] = {}
    for position, person in enumerate(people):
        key = group_key(person, group)
        if key is not None:
            found.setdefault(key, []).append(position)
    return found
