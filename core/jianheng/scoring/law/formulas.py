"""``formulas.py`` of a pack: declared, pure functions over columns, the rare exception to rules as tables.

A formula takes keyword-only columns, each a tuple with one exact number or None a person, in the same order,
and returns a list or tuple of the same length: ``int``, ``Fraction``, ``Decimal`` or None (no value). A
module is read, checked against a white list (:mod:`jianheng.scoring.law.formula_check`) and compiled with three
changes: ``/`` divides exactly whatever stands beside it; a loop goes over what was there when it began, and all
loops of a call together take ten million steps at most; no number grows beyond 100,000 bits. So it ends.
"""

import ast
import builtins
import copy
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow, localcontext
from fractions import Fraction
from types import TracebackType
from typing import Any

from jianheng.errors import Problem, StopError, problem
from jianheng.scoring.law.formula_check import FUNCTIONS, check_formulas

Column = Sequence[Fraction | None]

_LONGEST_RANGE = 1_000_000
_MOST_STEPS = 10_000_000
_LARGEST_BITS = 100_000
_STEPS: ContextVar[int] = ContextVar("steps")
"""Steps that the loops of the call under way have taken together."""
_TOLD = 200
# No name that could be written in a module, so none can be replaced by one.
_DIVIDE = "exact division"
_MULTIPLY = "exact product"
_POWER = "exact power"
_ADD = "exact sum"
_SNAPSHOT = "what is there"
_WRAPPED: Mapping[type[ast.operator], str] = {
    ast.Div: _DIVIDE,
    ast.Mult: _MULTIPLY,
    ast.Pow: _POWER,
    ast.Add: _ADD,
}
_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])


@dataclass(frozen=True, slots=True)
class Formula:
    """One function of a pack's ``formulas.py``.

    Attributes:
        file: pack and file, as messages name it.
        arguments: the columns it takes.
        text: its docstring, for the readable page of the law.
    """

    file: str
    name: str
    line: int
    arguments: tuple[str, ...]
    text: str
    function: Callable[..., Any]


def load_formulas(text: str, name: str) -> Mapping[str, Formula] | list[Problem]:
    """Return the formulas of a module by name, or everything that is wrong with it.

    Args:
        text: the module.
        name: pack and file, for messages.
    """
    try:
        tree = ast.parse(text, name)
        found = check_formulas(tree, name)
        if found:
            return found
        public = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name[0] != "_"]
        texts = {each.name: ast.get_docstring(each) or "" for each in public}
        code = compile(ast.fix_missing_locations(_Exactly().visit(tree)), name, "exec", dont_inherit=True)
    except SyntaxError as error:
        return [problem("policy-file-syntax", file=f"{name}:{error.lineno}", told=error.msg)]
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte; nesting without end
        return [problem("policy-file-syntax", file=name, told=str(error) or type(error).__name__)]
    space = _namespace()
    exec(code, space)  # noqa: S102 nothing runs here but the definitions that passed the white list
    return {
        each.name: Formula(
            name,
            each.name,
            each.lineno,
            tuple(argument.arg for argument in each.args.kwonlyargs),
            texts[each.name],
            space[each.name],
        )
        for each in public
    }


def call_formula(formula: Formula, columns: Mapping[str, Column], size: int) -> list[Fraction | None]:
    """Return what a formula gives for some columns, one exact number or None a person.

    Args:
        formula: the function.
        columns: its arguments, each of ``size`` entries.
        size: how many people.

    Raises:
        StopError: it failed, or gave something else than one number or None each; a failed formula is
            never a zero.
    """
    where = {"file": formula.file, "function": formula.name}
    try:
        _STEPS.set(0)
        with localcontext(_EXACT):
            given = formula.function(**{name: tuple(column) for name, column in columns.items()})
    except Exception as error:  # noqa: BLE001 whatever a pack's function raises is told as its fault
        line = _line_of(error.__traceback__, formula)
        told = f"{type(error).__name__}: {error}"[:_TOLD]
        raise StopError("formula-failed", line=line, told=told, **where) from None
    if not isinstance(given, list | tuple):
        raise StopError("formula-result", line=formula.line, told=type(given).__name__, **where)
    if len(given) != size:
        raise StopError("formula-length", line=formula.line, given=len(given), wanted=size, **where)
    return [_number(value, formula, where) for value in given]


def _number(value: object, formula: Formula, where: Mapping[str, str]) -> Fraction | None:
    if value is None or isinstance(value, Fraction):
        return value
    if isinstance(value, Decimal) and value.is_finite():
        return Fraction(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return Fraction(value)
    told = f"{type(value).__name__} {value!r}"[:_TOLD]
    raise StopError("formula-result", line=formula.line, told=told, **where)


def _line_of(traceback: TracebackType | None, formula: Formula) -> int:
    """Return the innermost line of the module that a failure went through."""
    line = formula.line
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == formula.file:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


class _Exactly(ast.NodeTransformer):
    """Divide exactly; loop over what is there; grow no further than anything of a policy has to."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        name = _WRAPPED.get(type(node.op))
        if name is None:
            return node
        return ast.copy_location(_call(name, node.left, node.right), node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        held = copy.deepcopy(node.target)
        held.ctx = ast.Load()
        plain = ast.Assign([node.target], ast.BinOp(held, node.op, node.value))
        return self.visit(ast.fix_missing_locations(ast.copy_location(plain, node)))  # type: ignore[no-any-return]

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.iter = ast.copy_location(_call(_SNAPSHOT, node.iter), node.iter)
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        node.iter = ast.copy_location(_call(_SNAPSHOT, node.iter), node.iter)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        del node  # what may be imported is there already
        return None


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _namespace() -> dict[str, Any]:
    """Return the names a module starts with; it has no others."""
    allowed = {name: getattr(builtins, name) for name in FUNCTIONS} | {"range": _bounded_range}
    return {
        "__builtins__": allowed,
        "Fraction": Fraction,
        "Decimal": Decimal,
        _DIVIDE: _divide,
        _MULTIPLY: _multiply,
        _POWER: _power,
        _ADD: _add,
        _SNAPSHOT: _snapshot,
    }


def _snapshot(found: Iterable[Any]) -> tuple[Any, ...]:
    """Return what is to be looped over as it is now; all loops of one call together have an end."""
    taken = tuple(itertools.islice(found, _MOST_STEPS + 1))
    steps = _STEPS.get() + len(taken)
    if steps > _MOST_STEPS:
        raise ValueError(f"more than {_MOST_STEPS} steps")
    _STEPS.set(steps)
    return taken


def _multiply(left: Any, right: Any) -> Any:
    _grows_to(_size(left) * right if _is_many(left) else _size(right) * left if _is_many(right) else 0)
    return _bounded(left * right)


def _power(left: Any, right: Any) -> Any:
    if not _is_many(left) and not isinstance(left, Decimal) and abs(right) * _size(left) > _LARGEST_BITS:
        raise ValueError(f"number of more than {_LARGEST_BITS} bits")
    return _bounded(left**right)


def _add(left: Any, right: Any) -> Any:
    _grows_to(_size(left) + _size(right) if _is_many(left) and _is_many(right) else 0)
    return _bounded(left + right)


def _is_many(value: Any) -> bool:
    return isinstance(value, list | tuple | str)


def _size(value: Any) -> int:
    """Return how many entries a sequence has, how many bits an exact number."""
    if _is_many(value):
        return len(value)
    if isinstance(value, int | Fraction):
        return max(value.numerator.bit_length(), value.denominator.bit_length())
    return 0


def _grows_to(entries: Any) -> None:
    if entries > _LONGEST_RANGE:
        raise ValueError(f"more than {_LONGEST_RANGE} entries")


def _bounded(value: Any) -> Any:
    if not _is_many(value) and _size(value) > _LARGEST_BITS:
        raise ValueError(f"number of more than {_LARGEST_BITS} bits")
    return value


def _divide(left: Any, right: Any) -> Fraction:
    return Fraction(left) / Fraction(right)


def _bounded_range(*arguments: int) -> range:
    """A range of the length a list of people may have."""
    found = range(*arguments)
    if len(found) > _LONGEST_RANGE:
        raise ValueError(f"range longer than {_LONGEST_RANGE}")
    return found
