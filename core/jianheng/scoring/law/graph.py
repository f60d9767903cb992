"""What needs what: an order in which each thing comes after all it needs, and the circles that prevent one."""

from collections.abc import Iterable, Mapping

Graph = Mapping[str, tuple[str, ...]]
"""A name, and the names it needs; each of them is a name of the graph itself."""


def ordered(graph: Graph) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return the names, each after all it needs, and every circle that was met, as the way around it.

    The order is that of the graph wherever the needs leave a choice. A circle begins with its first name
    in the graph; the order is of no use then.
    """
    order: list[str] = []
    circles: dict[tuple[str, ...], None] = {}
    position = {name: place for place, name in enumerate(graph)}
    done: set[str] = set()
    for start in graph:
        # A stack of our own: a deep graph must not meet the limit of Python's.
        path = [start] if start not in done else []
        pending = [iter(graph[name]) for name in path]
        while path:
            needed = next(pending[-1], None)
            if needed is None:
                pending.pop()
                done.add(path[-1])
                order.append(path.pop())
            elif needed in path:
                circle = path[path.index(needed) :]
                first = circle.index(min(circle, key=position.__getitem__))
                circles[*circle[first:], *circle[:first]] = None
            elif needed not in done:
                path.append(needed)
                pending.append(iter(graph[needed]))
    return order, list(circles)


def reached(starts: Iterable[str], graph: Graph) -> set[str]:
    """Return everything that some names need, they themselves included; unknown starts are left out."""
    found: set[str] = set()
    pending = [each for each in starts if each in graph]
    while pending:
        each = pending.pop()
        if each not in found:
            found.add(each)
            pending.extend(graph[each])
    return found
