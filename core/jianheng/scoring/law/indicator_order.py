"""Which indicator needs which: the graph behind the tree."""

from collections.abc import Sequence

from jianheng.scoring.law.graph import Graph, ordered
from jianheng.scoring.law.pack import Indicator


def dependencies(indicator: Indicator) -> tuple[str, ...]:
    """Return the indicators it names. Its children name it, and so are not among them."""
    named = [indicator.numerator, indicator.denominator, indicator.input, indicator.per]
    named += [each for each in indicator.inputs.values() if "." not in each]  # with a dot: a parameter
    return tuple(dict.fromkeys(each for each in named if each is not None))


def children(indicators: Sequence[Indicator]) -> dict[str, tuple[str, ...]]:
    """Return the children of each indicator that has any, in the order of the file."""
    found: dict[str, tuple[str, ...]] = {}
    for each in indicators:
        if each.parent is not None:
            found[each.parent] = (*found.get(each.parent, ()), each.id)
    return found


def needs(indicators: Sequence[Indicator]) -> Graph:
    """Return what each indicator needs: its children, then what it names. Unknown names are left out."""
    known = {each.id for each in indicators}
    below = children(indicators)
    told = {each.id: (*below.get(each.id, ()), *dependencies(each)) for each in indicators}
    return {
        name: tuple(dict.fromkeys(each for each in named if each in known)) for name, named in told.items()
    }


def evaluation_order(indicators: Sequence[Indicator]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return the ids, each after all it needs, and every circle that was met, as the way around it."""
    return ordered(needs(indicators))
