"""The first lines a child runs: it puts itself under guard, and only then under the plugin's search path.

Until the guard is in force nothing is imported but the standard library and what of ours needs no more: a plugin
brings its own versions of everything, of what the contract needs too, and all of that is its code.

Started as a file, not as a module, so that no search path of the host is in force. Of Jianheng a child can
import what a vendor sees, whatever else is installed beside it. A closed child sees the folders it was given,
the standard library, and the few libraries that the contract itself needs; its own versions of them come first.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

SEEN = frozenset({"contract", "errors", "facts", "hookspecs", "isolation", "messages", "reading"})
"""The parts of Jianheng that exist in a child."""


class _Ours:
    """Finds ``jianheng`` where the host has it, and refuses the parts that vendors do not see."""

    def __init__(self, place: str) -> None:
        self._place = place

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top, _, rest = name.partition(".")
        if top != "jianheng":
            return None
        if not rest:
            return _package(name, self._place)
        if rest.partition(".")[0] not in SEEN:
            raise ModuleNotFoundError(f"{name} is no part of the contract (docs/contract.md)", name=name)
        return None  # the package's own path finds it


class _Lent:
    """Finds libraries of the host that the contract needs, after everything the plugin brings itself."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        place = self._places.get(name)
        return None if place is None else _package(name, place)


def _is_standard(place: str) -> bool:
    library = os.path.dirname(os.__file__)  # noqa: PTH120
    return place in (library, f"{library}/lib-dynload") or place.endswith(".zip")


def _package(name: str, place: str) -> ModuleSpec | None:
    if not os.path.isdir(place):  # noqa: PTH112  # pathlib is a dear import at this place
        return importlib.util.spec_from_file_location(name, place)
    file = os.path.join(place, "__init__.py")  # noqa: PTH118
    return importlib.util.spec_from_file_location(name, file, submodule_search_locations=[place])


def main() -> None:
    """Take the host's first order, put this process under guard, and go on in :mod:`jianheng.isolation.child`."""
    told = json.loads(sys.argv[1])
    sys.argv[1:] = []
    sys.meta_path.insert(0, _Ours(told["ours"]))
    found = list(sys.path)
    sys.path[:] = [each for each in found if _is_standard(each)]
    from jianheng.isolation import confining

    pipe = confining.confine(told["read"], told["write"])
    # The standard library first, as everywhere: no plugin takes its place.
    sys.path[:] = dict.fromkeys([*sys.path, *told["path"], *found])
    sys.meta_path.append(_Lent(told["lent"]))
    from jianheng.isolation.child import serve

    serve(pipe)


if __name__ == "__main__":
    main()
