"""Mutants of the good adapters: one small change of the code each, as a tired vendor would make it."""

import ast
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from conformance_zoo.zoo import GOOD, HERE, put_up
from jianheng.conformance.outcome import Check
from jianheng.conformance.run import FUNCTIONS, LAST, Run, running

SLOW = ("slow", "hangs", "network", "memory", "elsewhere", "kill", "leaks")
"""Checks that take long: made last, where no other has rejected a mutant yet."""

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
SWAPPED = {"RetryError": "StopError", "StopError": "RetryError"}


Change = Callable[[ast.AST], None]
"""Changes one node in its place."""

Changes = Iterator[tuple[str, Change]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of an adapter.

    Attributes:
        name: what is changed and in which statement; stays the same when lines move.
        place: which node of the tree, in the order of a walk.
        number: which of the node's changes.
    """

    base: str
    name: str
    place: int
    number: int

    def source(self) -> str:
        """Return the code with the change made."""
        tree = ast.parse(code_file(self.base).read_text(encoding="utf-8"))
        node = [*ast.walk(tree)][self.place]
        [*_changes(node)][self.number][1](node)
        return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


@cache
def mutants(base: str) -> tuple[Mutant, ...]:
    """Return every mutant of a good adapter, in the order of its code."""
    tree = ast.parse(code_file(base).read_text(encoding="utf-8"))
    statements = [each for each in ast.walk(tree) if isinstance(each, ast.stmt)]
    found: dict[str, Mutant] = {}
    for place, node in enumerate(ast.walk(tree)):
        for number, (told, _) in enumerate(_changes(node)):
            name = f"{base}: {told} in {_line(node, statements)}"
            while name in found:
                name += " again"
            found[name] = Mutant(base, name, place, number)
    return tuple(found.values())


def code_file(base: str) -> Path:
    """Return the code of a good adapter."""
    return GOOD / base / base.replace("-", "_") / "__init__.py"


def _line(node: ast.AST, statements: list[ast.stmt]) -> str:
    """Return the statement that a node stands in, as one line."""
    number = getattr(node, "lineno", 0)
    inside = [each for each in statements if each.lineno <= number <= (each.end_lineno or 0)]
    if not inside:
        return "the module"
    innermost = min(inside, key=lambda each: (each.end_lineno or 0) - each.lineno)
    return ast.unparse(innermost).splitlines()[0].strip()


def _changes(node: ast.AST) -> Changes:
    """Yield what can be changed of one node: in words, and what does it to a copy of the node."""
    for kind, change in CHANGES.items():
        if isinstance(node, kind):
            yield from change(node)


def _compare(node: ast.Compare) -> Changes:
    other = COMPARISONS.get(type(node.ops[0]))
    if other is not None:
        yield f"{type(node.ops[0]).__name__} → {other.__name__}", lambda each: setattr(each, "ops", [other()])


def _constant(node: ast.Constant) -> Changes:
    if type(node.value) is int:
        yield f"{node.value} → {node.value + 1}", lambda each: setattr(each, "value", node.value + 1)
    elif isinstance(node.value, bool):
        yield f"{node.value} → {not node.value}", lambda each: setattr(each, "value", not node.value)


def _dict(node: ast.Dict) -> Changes:
    for place, key in enumerate(node.keys):
        name = key.value if isinstance(key, ast.Constant) else place

        def drop(each: ast.AST, place: int = place) -> None:
            each.keys.pop(place)
            each.values.pop(place)

        def empty(each: ast.AST, place: int = place) -> None:
            each.values[place] = ast.Constant(None)

        yield f"without {name}", drop
        yield f"{name} empty", empty


def _block(node: ast.AST) -> Changes:
    """Leave out one statement of a block; a raise, and a return of an error, becomes nothing."""
    for part in ("body", "orelse", "finalbody"):
        for place, each in enumerate(getattr(node, part, None) or ()):
            if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
                continue
            if isinstance(each, (ast.Expr, ast.Raise, ast.AugAssign)):

                def drop(block: ast.AST, part: str = part, place: int = place) -> None:
                    getattr(block, part)[place] = ast.Pass()

                yield f"without {ast.unparse(each).splitlines()[0]}", drop
            if isinstance(each, ast.Raise):

                def swallow(block: ast.AST, part: str = part, place: int = place) -> None:
                    getattr(block, part)[place] = ast.Return(ast.Constant(None))

                yield f"None instead of {ast.unparse(each).splitlines()[0]}", swallow


def _if(node: ast.If | ast.IfExp) -> Changes:
    def negate(each: ast.AST) -> None:
        each.test = ast.UnaryOp(ast.Not(), each.test)

    def always(each: ast.AST) -> None:
        each.test = ast.Constant(True)

    def never(each: ast.AST) -> None:
        each.test = ast.Constant(False)

    shown = ast.unparse(node.test)
    yield f"not: {shown}", negate
    yield f"always: {shown}", always
    yield f"never: {shown}", never


def _name(node: ast.Name) -> Changes:
    if node.id in SWAPPED and isinstance(node.ctx, ast.Load):
        yield f"{node.id} → {SWAPPED[node.id]}", lambda each: setattr(each, "id", SWAPPED[node.id])


def _call(node: ast.Call) -> Changes:
    for place, each in enumerate(node.keywords):
        yield f"without {each.arg}=", lambda call, place=place: call.keywords.pop(place)
    if len(node.args) > 1:
        yield "without the last argument", lambda call: call.args.pop()


def _arithmetic(node: ast.BinOp) -> Changes:
    other = {ast.Add: ast.Sub, ast.Sub: ast.Add}.get(type(node.op))
    if other is not None:
        yield f"{type(node.op).__name__} → {other.__name__}", lambda each: setattr(each, "op", other())


def _boolean(node: ast.BoolOp) -> Changes:
    other = ast.Or if isinstance(node.op, ast.And) else ast.And
    yield f"{type(node.op).__name__} → {other.__name__}", lambda each: setattr(each, "op", other())


def _subscript(node: ast.Subscript) -> Changes:
    if isinstance(node.slice, ast.UnaryOp):
        yield "the last → the first", lambda each: setattr(each, "slice", ast.Constant(0))


def _comprehension(node: ast.ListComp) -> Changes:
    def shorten(each: ast.AST) -> None:
        loop = each.generators[0]
        loop.iter = ast.Subscript(
            ast.Call(ast.Name("list", ast.Load()), [loop.iter], []),
            ast.Slice(None, ast.UnaryOp(ast.USub(), ast.Constant(1))),
            ast.Load(),
        )

    yield "without the last of the list", shorten


def _tuple(node: ast.Tuple) -> Changes:
    for place, each in enumerate(node.elts):
        yield f"without {ast.unparse(each)}", lambda found, place=place: found.elts.pop(place)


def _loop(node: ast.For) -> Changes:
    def once(each: ast.AST) -> None:
        each.body.append(ast.Break())

    yield f"only the first of {ast.unparse(node.iter)}", once


CHANGES: dict[type[ast.AST] | tuple[type[ast.AST], ...], Callable[..., Changes]] = {
    ast.Compare: _compare,
    ast.Constant: _constant,
    ast.Dict: _dict,
    (ast.FunctionDef, ast.If, ast.For, ast.While, ast.Try, ast.ExceptHandler, ast.With): _block,
    (ast.If, ast.IfExp): _if,
    ast.Name: _name,
    ast.Call: _call,
    ast.BinOp: _arithmetic,
    ast.BoolOp: _boolean,
    ast.Subscript: _subscript,
    ast.ListComp: _comprehension,
    ast.Tuple: _tuple,
    ast.For: _loop,
}


def equivalent() -> dict[str, str]:
    """Return the mutants that are as good as the original, each with the reason."""
    told = tomllib.loads((HERE / "equivalent.toml").read_text(encoding="utf-8"))
    return {each["mutant"]: each["reason"] for each in told["equivalent"]}


def rejected_by(mutant: Mutant, folder: Path) -> str:
    """Return the first check that rejects a mutant; empty where none does."""
    place = put_up(mutant.base, folder)
    inner = mutant.base.replace("-", "_")
    (place / inner / "__init__.py").write_text(mutant.source(), encoding="utf-8")
    settings = place / "conform.toml"
    quick = settings.read_text(encoding="utf-8").replace("call_s = 4", "call_s = 3\nread_s = 3")
    settings.write_text(quick, encoding="utf-8")
    with running(place) as run:
        return _first(run)


def _first(run: Run) -> str:
    checks = {each.name: each for each in run.checks()}
    for name in FUNCTIONS:
        if name in checks and name not in (*SLOW, *LAST) and _failed(run, checks[name]):
            return name
    for name in LAST:  # of what was said so far: as a check of its own it would make all others first
        if any(not isinstance(each, str) for each in FUNCTIONS[name](run.bench, "")):
            return name
    return next((name for name in (*SLOW, *LAST) if name in checks and _failed(run, checks[name])), "")


def _failed(run: Run, check: Check) -> bool:
    return any(each.state == "failed" for each in run.make(check))
