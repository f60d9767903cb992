"""What a formula may say: a white list over Python's syntax, so that the same columns always give the same result.

A formula has arithmetic, comparisons, loops over what is there, comprehensions, a few functions and the
module's own helpers. It has no clock, chance, outside world or memory, no binary floats, and nothing that
could go on for ever. Everything else is refused with its line and the reason.
"""

import ast
from collections.abc import Iterator, Mapping

from jianheng.errors import Problem, problem
from jianheng.scoring.law.graph import ordered

FUNCTIONS = frozenset(
    (
        "abs", "all", "any", "dict", "divmod", "enumerate", "int", "len", "list", "max", "min", "range",
        "reversed", "sorted", "sum", "tuple", "zip",
    )
)  # fmt: skip
"""The functions of Python that a formula may call."""

IMPORTS = {"fractions": "Fraction", "decimal": "Decimal"}
"""What a formula may import: exact numbers."""

_ATTRIBUTES = frozenset(
    ("append", "count", "denominator", "get", "index", "items", "keys", "numerator", "values")
)

# Why a name is refused; whatever stands in none of these is refused as unknown.
_REASONS = {
    "formula-clock": "calendar date datetime now perf_counter sleep time today utcnow zoneinfo",
    "formula-chance": "choice numpy randint randrange random sample secrets shuffle urandom uuid uuid4",
    "formula-outside": (
        "breakpoint csv duckdb ftplib http httpx input io json locale logging open os pandas pathlib pickle"
        " print requests shutil socket sqlalchemy sqlite3 subprocess sys tempfile threading urllib"
    ),
    "formula-inexact": "complex float math round statistics",
}
_REASON_OF = {name: code for code, names in _REASONS.items() for name in names.split()}

# Statements, expressions and operators that are allowed whatever they hold; for some others see _fits.
_ALLOWED = (
    ast.FunctionDef, ast.Return, ast.Assign, ast.For, ast.If, ast.Expr, ast.Pass,
    ast.Break, ast.Continue, ast.ImportFrom,
    ast.Attribute, ast.BoolOp, ast.Compare, ast.Dict, ast.DictComp,
    ast.GeneratorExp, ast.IfExp, ast.List, ast.ListComp, ast.Name, ast.Slice, ast.Starred, ast.Subscript,
    ast.Tuple,
    ast.UAdd, ast.USub, ast.Not,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow,
)  # fmt: skip
_LARGEST_POWER = 9

Refusal = tuple[int, str, str]
"""Line, code, and what stands there."""


def check_formulas(tree: ast.Module, name: str) -> list[Problem]:
    """Return everything a module of formulas says that it may not, by line.

    Annotations are taken out of the tree: they say nothing that is run.
    """
    for each in ast.walk(tree):
        if isinstance(each, ast.FunctionDef):
            each.returns = None
        elif isinstance(each, ast.arg):
            each.annotation = None
    functions = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
    found = [*_check_module(tree), *_check_circles(functions)]
    callable_ = FUNCTIONS | set(functions) | set(IMPORTS.values())
    for function in functions.values():
        found += [*_check_signature(function), *_check_names(function, callable_)]
    for node in ast.walk(tree):
        found += _check_node(node)
    return [problem(code, where=f"{name}:{line}", what=what) for line, code, what in sorted(set(found))]


def _shown(node: ast.AST) -> str:
    return ast.unparse(node).splitlines()[0][:80]


def _check_module(tree: ast.Module) -> Iterator[Refusal]:
    """Only imports and functions, each once: a value kept here would be memory between two calls."""
    seen: set[str] = set()
    for place, each in enumerate(tree.body):
        if isinstance(each, ast.FunctionDef):
            if each.name in seen:
                yield each.lineno, "formula-signature", each.name
            seen.add(each.name)
        elif isinstance(each, ast.Expr) and place == 0 and isinstance(each.value, ast.Constant):
            continue  # its docstring
        elif not isinstance(each, ast.Import | ast.ImportFrom):
            yield each.lineno, "formula-state", _shown(each)


def _check_signature(function: ast.FunctionDef) -> Iterator[Refusal]:
    """A formula has keyword-only columns, a helper (``_name``) plain arguments; nothing has a default."""
    told = function.args
    plain, named = [*told.posonlyargs, *told.args], told.kwonlyargs
    wanted, unwanted = (plain, named) if function.name.startswith("_") else (named, plain)
    if not wanted or unwanted or told.vararg or told.kwarg:
        yield function.lineno, "formula-signature", _shown(function)
    for default in (*told.defaults, *told.kw_defaults):
        if default is not None:
            yield default.lineno, "formula-state", _shown(default)
    for parameter in getattr(function, "type_params", ()):  # Python 3.12
        yield parameter.lineno, "formula-unfit", _shown(parameter)
    for decorator in function.decorator_list:
        yield decorator.lineno, "formula-unfit", f"@{_shown(decorator)}"
    for inner in ast.walk(function):
        if isinstance(inner, ast.FunctionDef | ast.ImportFrom) and inner is not function:
            yield inner.lineno, "formula-unfit", _shown(inner)


def _check_names(function: ast.FunctionDef, callable_: frozenset[str]) -> Iterator[Refusal]:
    """Every name is an argument, a local one, or a function that is called on the spot and not handed on."""
    names = [each for each in ast.walk(function) if isinstance(each, ast.Name)]
    bindings = [(each.arg, each.lineno) for each in ast.walk(function) if isinstance(each, ast.arg)]
    bindings += [(each.id, each.lineno) for each in names if isinstance(each.ctx, ast.Store)]
    for name, line in bindings:
        if name in callable_:
            yield line, "formula-name", name
    known = callable_ | {name for name, _ in bindings}
    called = {id(each.func) for each in ast.walk(function) if isinstance(each, ast.Call)}
    told: set[int] = set()
    for at in ast.walk(function):
        if not isinstance(at, ast.Attribute):
            continue
        root = at.value.id if isinstance(at.value, ast.Name) else None
        if root is not None and root not in known:
            told.add(id(at.value))
            yield at.lineno, _REASON_OF.get(root) or _REASON_OF.get(at.attr, "formula-name"), _shown(at)
        elif at.attr not in _ATTRIBUTES or isinstance(at.ctx, ast.Store):
            yield at.lineno, _REASON_OF.get(at.attr, "formula-unfit"), _shown(at)
    for each in names:
        handed_on = each.id in callable_ and id(each) not in called
        if id(each) not in told and (each.id not in known or handed_on) and isinstance(each.ctx, ast.Load):
            yield each.lineno, _REASON_OF.get(each.id, "formula-name"), each.id


def _check_circles(functions: Mapping[str, ast.FunctionDef]) -> Iterator[Refusal]:
    """A function that calls itself, however far around, might never end."""
    calls = {
        name: tuple(
            each.func.id
            for each in ast.walk(function)
            if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in functions
        )
        for name, function in functions.items()
    }
    for circle in ordered(calls)[1]:
        yield functions[circle[0]].lineno, "formula-endless", " → ".join((*circle, circle[0]))


def _check_node(node: ast.AST) -> Iterator[Refusal]:
    """What is refused wherever it stands."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from _check_import(node)
    elif isinstance(node, ast.stmt | ast.expr):
        code = _refused(node)
        if code is not None:
            yield node.lineno, code, _shown(node)


def _refused(node: ast.stmt | ast.expr) -> str | None:
    if isinstance(node, ast.While):
        return "formula-endless"
    if isinstance(node, ast.Global | ast.Nonlocal):
        return "formula-state"
    if _is_inexact(node):
        return "formula-inexact"
    return None if _fits(node) else "formula-unfit"


def _is_inexact(node: ast.stmt | ast.expr) -> bool:
    """Divisions within an expression are made exact; a power must be written out and small to be so."""
    match node:
        case ast.Constant(value=float() | complex()) | ast.AugAssign(op=ast.Div() | ast.Pow()):
            return True
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=int(power))):
            return not 0 <= power <= _LARGEST_POWER
        case ast.BinOp(op=ast.Pow()):
            return True
    return False


def _fits(node: ast.stmt | ast.expr) -> bool:
    match node:
        case ast.Constant():
            return isinstance(node.value, str | int | None)
        case ast.Call():
            return isinstance(node.func, ast.Name | ast.Attribute)
        case ast.BinOp() | ast.AugAssign() | ast.UnaryOp():
            return isinstance(node.op, _ALLOWED)
    return isinstance(node, _ALLOWED)


def _check_import(node: ast.Import | ast.ImportFrom) -> Iterator[Refusal]:
    if isinstance(node, ast.ImportFrom):
        told = [(each.name, each.asname) for each in node.names]
        if told == [(IMPORTS.get(node.module or ""), None)] and not node.level:
            return
        modules = [node.module or ""]
    else:
        modules = [each.name for each in node.names]
    for module in modules:
        yield node.lineno, _REASON_OF.get(module.split(".")[0], "formula-import"), _shown(node)
