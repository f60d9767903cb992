"""What is told of a plugin that is in use: a former contract (docs/contract.md, "Versions"), guards that are not there."""

import datetime as dt
from collections.abc import Mapping, Sequence

from jianheng.contract import CONTRACT_VERSION
from jianheng.errors import Problem, problem
from jianheng.isolation.limits import GUARDS

ENDS: Mapping[int, dt.date] = {}
"""For each former contract that is served still, the first day on which it is not."""

TELLING = frozenset({"plugin-contract-former", "isolation-unguarded"})
"""Codes of notices that announce something: nothing was set aside."""


def announced(plugin: str, contract: int) -> tuple[Problem, ...]:
    """Return what is to be told of a plugin that keeps a former contract; nothing where it keeps the current one.

    Args:
        plugin: its id.
        contract: the version it keeps, which is served.
    """
    if contract == CONTRACT_VERSION:
        return ()
    until = ENDS[contract]
    return (
        problem(
            "plugin-contract-former", plugin=plugin, contract=contract, current=CONTRACT_VERSION, until=until
        ),
    )


def unguarded(plugin: str, guards: Sequence[str]) -> tuple[Problem, ...]:
    """Return what is to be told of a plugin whose process this machine cannot guard in full (docs/isolation.md).

    Args:
        plugin: its id.
        guards: what guarded its process; empty where it was not looked at in one.
    """
    missing = [each for each in GUARDS if each not in guards]
    if not guards or not missing:
        return ()
    return (problem("isolation-unguarded", plugin=plugin, guards=", ".join(missing)),)
