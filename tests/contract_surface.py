"""The public surface of the contract as lines of text: every name a vendor may import, and all that hangs on it.

A line stands for one promise: a parameter, a field, a value a literal may have, a column of an entity. So a
change that only adds is told from one that breaks by looking at which lines went.
"""

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from jianheng.facts.entities import ENTITIES

MODULES = (
    "jianheng.contract",
    "jianheng.errors",
    "jianheng.facts.entities",
    "jianheng.facts.entity",
    "jianheng.facts.time",
    "jianheng.hookspecs",
    "jianheng.messages",
    "jianheng.reading",
)
"""What a vendor may import. The other modules of ``jianheng.facts`` are core's own."""

METHODS = (
    "contract.Source.",
    "contract.Target.",
    "contract.Countable.",
    "contract.Keyed.",
    "contract.Ranged.",
)
"""What an adapter offers: one method more would make every adapter that is there incomplete."""

SPECIAL = ("__init__", "__enter__", "__exit__", "__str__", "__repr__")


def surface() -> list[str]:
    """Return every promise of the contract, a line each, module by module in the order of the source."""
    told = [line for module in MODULES for line in _module(module)]
    columns = [
        f"entity {entity.name}({column.name}: {column.type}{' needed' if column.required else ''})"
        for entity in ENTITIES.values()
        for column in entity.columns
    ]
    return told + columns


def broken(before: list[str], now: list[str]) -> list[str]:
    """Return what of a stored surface does not hold any more, and what was added so that it breaks others.

    Args:
        before: the stored surface.
        now: that of the source.
    """
    gone = [line for line in before if line not in now]
    known, groups = _groups(before), _groups(now)
    moved = [
        owner
        for owner, lines in known.items()
        if not set(lines) & set(gone) and groups[owner][: _kept(owner, lines)] != lines[: _kept(owner, lines)]
    ]
    added = [line for line in now if line not in before]
    asked = [line for line in added if _asks(line) and (_owner(line) in known or line.startswith(METHODS))]
    return [
        *(f"gone: {line}" for line in gone),
        *(f"another order: {owner}" for owner in moved),
        *(f"asks for more: {line}" for line in asked),
    ]


def _kept(owner: str, lines: list[str]) -> int:
    """How many of an owner's lines keep their place: of an entity the key alone, rows are told by name."""
    return 1 if owner.startswith("entity ") else len(lines)


def _asks(line: str) -> bool:
    """Whether an added line makes what was enough before too little."""
    if line.startswith("entity "):
        return line.endswith(" needed)")
    return " = " not in line if _owner(line) else line.startswith(METHODS)


def _owner(line: str) -> str:
    return line.partition("(")[0] if "(" in line else ""


def _groups(lines: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        if owner := _owner(line):
            found.setdefault(owner, []).append(line)
    return found


def _module(name: str) -> Iterator[str]:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    short = name.removeprefix("jianheng.")
    # A package of the contract only gathers what its modules hold.
    inner = sorted(Path(spec.origin).parent.glob("[!_]*.py")) if short == "contract" else []
    for file in (Path(spec.origin), *inner):
        yield from _file(short, file)


def _file(short: str, file: Path) -> Iterator[str]:
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _class(f"{short}.{node.name}", node)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield from _function(f"{short}.{node.name}", node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name) and not target.id.startswith("_"):
                yield from _constant(f"{short}.{target.id}", node)


def _class(name: str, node: ast.ClassDef) -> Iterator[str]:
    marks = [ast.unparse(each).partition("(")[0] for each in (*node.decorator_list, *node.bases)]
    told = [each for each in marks if each != "runtime_checkable"]
    yield f"{name} [{', '.join(told)}]" if told else name
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            told_field = f"{each.target.id}: {ast.unparse(each.annotation)}"
            value = f" = {ast.unparse(each.value)}" if each.value is not None else ""
            yield f"{name}({told_field}{value})" if "dataclass" in told else f"{name}.{told_field}{value}"
        elif isinstance(each, ast.Assign) and not ast.unparse(each.targets[0]).startswith("_"):
            yield f"{name}.{ast.unparse(each)}"
        elif isinstance(each, ast.FunctionDef) and (each.name in SPECIAL or not each.name.startswith("_")):
            yield from _function(f"{name}.{each.name}", each)


def _function(name: str, node: ast.FunctionDef) -> Iterator[str]:
    marks = [ast.unparse(each) for each in node.decorator_list]
    yield f"{name} [{', '.join(marks)}]" if marks else name
    given = node.args
    places = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(places) - len(given.defaults)) + list(given.defaults)
    for place, default in zip(places, defaults, strict=True):
        if place.arg != "self":
            yield f"{name}({ast.unparse(place)}{_default(default)})"
    if given.vararg is not None:
        yield f"{name}(*{ast.unparse(given.vararg)} = ())"
    for keyword, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        yield f"{name}(* {ast.unparse(keyword)}{_default(default)})"
    if given.kwarg is not None:
        yield f"{name}(**{ast.unparse(given.kwarg)} = {{}})"
    if node.returns is not None:
        yield f"{name} -> {ast.unparse(node.returns)}"


def _default(value: ast.expr | None) -> str:
    return "" if value is None else f" = {ast.unparse(value)}"


def _constant(name: str, node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    value = node.value
    is_literal = isinstance(value, ast.Subscript) and ast.unparse(value.value) == "Literal"
    if is_literal and isinstance(value, ast.Subscript):
        members = value.slice.elts if isinstance(value.slice, ast.Tuple) else [value.slice]
        yield from (f"{name} may be {ast.unparse(each)}" for each in members)
    elif isinstance(
        value, ast.Call | ast.Dict | ast.DictComp
    ):  # an entity, a table: told by what it holds, not by how it is made
        yield name
    else:
        yield f"{name} = {'' if value is None else ast.unparse(value)}"
