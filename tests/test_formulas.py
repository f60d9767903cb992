"""Formulas of a pack: what they may say, what they may not and why, and that a failed one is never a zero."""

import itertools
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jianheng.errors import StopError
from jianheng.scoring.law import formulas
from jianheng.scoring.law.formulas import call_formula, load_formulas
from thoroughness import some

FILE = "small/formulas.py"

PACK = '''"""The formulas of a small pack."""

from decimal import Decimal
from fractions import Fraction


def _mean(values: list) -> Fraction:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0


def over_mean(*, closed: tuple[Fraction | None, ...], full: tuple) -> list[Fraction | None]:
    """Give full points for the mean, and in proportion below it.

    Art. 9.
    """
    mean = _mean(closed)
    result = []
    for own, most in zip(closed, full, strict=True):
        if own is None or mean == 0:
            result.append(None)
        else:
            result.append(min(most, most * own / mean))
    return result


def steps(*, months):
    points = {0: Decimal("0.5"), 1: Decimal("1.25")}
    return [points.get(min(month // 12, 1), 0) + Fraction(1, 2) ** 2 for month in months]
'''


def body(text, columns="a"):
    """Return a module with one formula of one line or several."""
    lines = "\n".join(f"    {line}" for line in text.splitlines())
    return f"from fractions import Fraction\ndef f(*, {columns}):\n{lines}\n"


def load(text):
    found = load_formulas(text, FILE)
    assert not isinstance(found, list), [str(each) for each in found]
    return found


def refusals(text):
    """Return what is refused: line, code, what stands there."""
    found = load_formulas(text, FILE)
    assert isinstance(found, list)
    return [
        (int(each.fields["where"].rsplit(":", 1)[1]), each.code, each.fields.get("what", ""))
        for each in found
        if str(each.fields["where"]).startswith(FILE)
    ]


def run(text, *columns, size=None):
    formula = load(body(text, ", ".join("abc"[: len(columns)])))["f"]
    told = {name: tuple(column) for name, column in zip("abc", columns, strict=False)}
    return call_formula(formula, told, len(columns[0]) if size is None else size)


def test_a_module_gives_its_formulas_and_not_its_helpers():
    found = load(PACK)
    assert list(found) == ["over_mean", "steps"]
    formula = found["over_mean"]
    assert (formula.file, formula.line, formula.arguments) == (FILE, 12, ("closed", "full"))
    assert formula.text == "Give full points for the mean, and in proportion below it.\n\nArt. 9."


def test_a_formula_gives_an_exact_number_or_none_a_person():
    formula = load(PACK)["over_mean"]
    closed = (Fraction(10), None, Fraction(40), Fraction(4))
    assert call_formula(formula, {"closed": closed, "full": (Fraction(60),) * 4}, 4) == [
        Fraction(100, 3),
        None,
        60,
        Fraction(40, 3),
    ]
    empty = {"closed": (None,), "full": (Fraction(60),)}
    assert call_formula(formula, empty, 1) == [None]


def test_whole_numbers_fractions_and_decimals_are_results():
    wanted = [1, Fraction(1, 3), Fraction(-2, 1), None, Fraction("0.1")]
    text = 'return [1, a[0] / 3, -2, None, Decimal("0.1")]'
    module = "from decimal import Decimal\n" + body(text)
    formula = load(module)["f"]
    assert call_formula(formula, {"a": (Fraction(1),)}, 5) == wanted


def test_division_is_exact_whatever_stands_beside_it():
    assert run("return [1 / 3, len(a) / 7, (1 + 1) / (2 * 3)]", [None, None, None]) == [
        Fraction(1, 3),
        Fraction(3, 7),
        Fraction(1, 3),
    ]


COLUMN = st.lists(st.none() | st.fractions(-100, 100, max_denominator=1000), min_size=1, max_size=5)


@given(column=COLUMN, order=st.randoms(use_true_random=False))
def test_a_formula_is_a_function_of_its_columns(column, order):
    """Called again, or with people in another order, everybody gets the same."""
    formula = load(PACK)["over_mean"]
    full = (Fraction(60),) * len(column)
    first = call_formula(formula, {"closed": column, "full": full}, len(column))
    assert call_formula(formula, {"closed": column, "full": full}, len(column)) == first
    places = list(range(len(column)))
    order.shuffle(places)
    moved = call_formula(formula, {"closed": [column[at] for at in places], "full": full}, len(column))
    assert moved == [first[at] for at in places]


# What is refused, where and why.


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("import time\n", [(1, "formula-clock", "import time")]),
        ("import datetime as dt\n", [(1, "formula-clock", "import datetime as dt")]),
        ("from datetime import date\n", [(1, "formula-clock", "from datetime import date")]),
        ("import random\n", [(1, "formula-chance", "import random")]),
        ("from secrets import token_bytes\n", [(1, "formula-chance", "from secrets import token_bytes")]),
        ("import os\n", [(1, "formula-outside", "import os")]),
        ("import requests\n", [(1, "formula-outside", "import requests")]),
        ("import urllib.request\n", [(1, "formula-outside", "import urllib.request")]),
        ("import math\n", [(1, "formula-inexact", "import math")]),
        ("import functools\n", [(1, "formula-import", "import functools")]),
        ("from . import other\n", [(1, "formula-import", "from . import other")]),
        ("from .fractions import Fraction\n", [(1, "formula-import", "from .fractions import Fraction")]),
        ("from fractions import *\n", [(1, "formula-import", "from fractions import *")]),
        ("from fractions import Fraction as F\n", [(1, "formula-import", "from fractions import Fraction as F")]),
        ("from decimal import getcontext\n", [(1, "formula-import", "from decimal import getcontext")]),
    ],
)  # fmt: skip
def test_imports_are_refused_by_what_they_reach_for(text, wanted):
    assert refusals(text) == wanted


@pytest.mark.parametrize(
    ("line", "code", "what"),
    [
        ("return [datetime.now()]", "formula-clock", "datetime.now"),
        ("return [time()]", "formula-clock", "time"),
        ("return [a.now()]", "formula-clock", "a.now"),
        ("return random.random()", "formula-chance", "random.random"),
        ("return [randint(1, 4)]", "formula-chance", "randint"),
        ("return open('x').read()", "formula-outside", "open"),
        ("print(a)", "formula-outside", "print"),
        ("return os.environ", "formula-outside", "os.environ"),
        ("return [requests.get('x')]", "formula-outside", "requests.get"),
        ("return [0.1]", "formula-inexact", "0.1"),
        ("return [float(a[0])]", "formula-inexact", "float"),
        ("return [round(x) for x in a]", "formula-inexact", "round"),
        ("return [x ** y for x in a for y in a]", "formula-inexact", "x ** y"),
        ("return [2 ** -1]", "formula-inexact", "2 ** (-1)"),
        ("return [9 ** 99]", "formula-inexact", "9 ** 99"),
        ("a /= 2", "formula-inexact", "a /= 2"),
        ("while a: pass", "formula-endless", "while a:"),
        ("global a", "formula-state", "global a"),
        ("import fractions", "formula-import", "import fractions"),
        ("return eval('1')", "formula-name", "eval"),
        ("return __import__('os')", "formula-name", "__import__"),
        ("return getattr(a, 'x')", "formula-name", "getattr"),
        ("return globals()", "formula-name", "globals"),
        ("return unknown", "formula-name", "unknown"),
        ("return map(abs, a)", "formula-name", "map"),
        ("return sorted(a, key=abs)", "formula-name", "abs"),
        ("return [len for x in a]", "formula-name", "len"),
        ("return [f for x in a]", "formula-name", "f"),
        ("len = 3", "formula-name", "len"),
        ("return set(a)", "formula-name", "set"),
        ("return {x for x in a}", "formula-unfit", "{x for x in a}"),
        ("return {1, 2}", "formula-unfit", "{1, 2}"),
        ("return a.__class__", "formula-unfit", "a.__class__"),
        ("return [x.limit for x in a]", "formula-unfit", "x.limit"),
        ("a.count = 3", "formula-unfit", "a.count"),
        ("return (lambda: a)()", "formula-unfit", "lambda: a"),
        ("return a[0]()", "formula-unfit", "a[0]()"),
        ("return [f'{a}']", "formula-unfit", "f'{a}'"),
        ("return [b'x']", "formula-unfit", "b'x'"),
        ("return [...]", "formula-unfit", "..."),
        ("yield a", "formula-unfit", "(yield a)"),
        ("if (b := a): pass", "formula-unfit", "(b := a)"),
        ("with a: pass", "formula-unfit", "with a:"),
        ("try: pass\nexcept: pass", "formula-unfit", "try:"),
        ("raise a", "formula-unfit", "raise a"),
        ("assert a", "formula-unfit", "assert a"),
        ("del a", "formula-unfit", "del a"),
        ("class A: pass", "formula-unfit", "class A:"),
        ("def g(x): return x", "formula-unfit", "def g(x):"),
        ("x: int = 3", "formula-unfit", "x: int = 3"),
        ("return [x @ x for x in a]", "formula-unfit", "x @ x"),
        ("return [x << 99 for x in a]", "formula-unfit", "x << 99"),
        ("return [~x for x in a]", "formula-unfit", "~x"),
        ("match a:\n    case _: pass", "formula-unfit", "match a:"),
        ("async def g(): pass", "formula-unfit", "async def g():"),
    ],
)
def test_what_a_formula_may_not_say_is_told_with_its_line_and_the_reason(line, code, what):
    found = refusals(body(line))
    assert (code, what) in {(told, thing) for _, told, thing in found}
    assert {at for at, _, _ in found} <= {3, 4}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("LIMIT = 3\n", (1, "formula-state", "LIMIT = 3")),
        ("seen: list = []\n", (1, "formula-state", "seen: list = []")),
        ("for x in (1, 2):\n    pass\n", (1, "formula-state", "for x in (1, 2):")),
        ("def f(*, a=0):\n    return a\n", (1, "formula-state", "0")),
        ("def _f(a=[]):\n    return a\n", (1, "formula-state", "[]")),
        ("def f(a):\n    return a\n", (1, "formula-signature", "def f(a):")),
        ("def f():\n    return []\n", (1, "formula-signature", "def f():")),
        ("def f(*, a, **rest):\n    return a\n", (1, "formula-signature", "def f(*, a, **rest):")),
        ("def _f(*, a):\n    return a\n", (1, "formula-signature", "def _f(*, a):")),
        (
            "def f(*, a):\n    return a\ndef f(*, b):\n    return b\n",
            (3, "formula-signature", "f"),
        ),
        ("class A:\n    pass\n", (1, "formula-unfit", "class A:")),
        ("@cache\ndef f(*, a):\n    return a\n", (1, "formula-unfit", "@cache")),
        ("def _f(a):\n    return _f(a)\n", (1, "formula-endless", "_f → _f")),
        (
            "def _f(a):\n    return _g(a)\ndef _g(a):\n    return _f(a)\n",
            (1, "formula-endless", "_f → _g → _f"),
        ),
    ],
)
def test_what_a_module_may_not_be(text, wanted):
    assert wanted in refusals(text)


def test_everything_wrong_is_told_at_once_by_line():
    text = "import time\nimport random\ndef f(*, a):\n    return [time.time() + 0.5 for x in a]\n"
    assert [(line, code) for line, code, _ in refusals(text)] == [
        (1, "formula-clock"),
        (2, "formula-chance"),
        (4, "formula-clock"),
        (4, "formula-inexact"),
    ]


@pytest.mark.parametrize(
    "text", ["def f(", "\0", "x = (" * 300, "def f(*, a):\n\treturn a\n        return b"]
)
def test_what_is_no_python_is_told_as_such(text):
    (found,) = load_formulas(text, FILE)
    assert found.code == "policy-file-syntax"
    assert FILE in str(found.fields["file"])


def test_annotations_say_nothing_and_are_not_run():
    assert list(load("def f(*, a: print('x')) -> open('y'):\n    return a\n")) == ["f"]


# When it runs.


def failure(text, *columns, size=None):
    with pytest.raises(StopError) as caught:
        run(text, *columns, size=size)
    return caught.value.code, caught.value.problem.fields


def test_a_formula_that_fails_names_pack_function_and_line():
    code, told = failure("total = 0\nfor x in a:\n    total = total + x\nreturn [total]", [None])
    assert code == "formula-failed"
    assert (told["file"], told["function"], told["line"]) == (FILE, "f", 5)
    assert told["told"].startswith("TypeError: unsupported operand")


def test_the_line_is_that_of_the_helper_that_failed():
    module = "def _g(x):\n    return 1 / x\n\ndef f(*, a):\n    return [_g(x) for x in a]\n"
    with pytest.raises(StopError) as caught:
        call_formula(load(module)["f"], {"a": (Fraction(0),)}, 1)
    assert caught.value.problem.fields["line"] == 2
    assert "formulas.py:2" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("return a", "formula-length", None),
        ("return [1]", "formula-length", None),
        ("return None", "formula-result", "NoneType"),
        ("pass", "formula-result", "NoneType"),
        ("return 'ab'", "formula-result", "str"),
        ("return (x for x in a)", "formula-result", "generator"),
        ("return [True, False]", "formula-result", "bool True"),
        ("return ['1', '2']", "formula-result", "str '1'"),
        ("return [1, [2]]", "formula-result", "list [2]"),
    ],
)
def test_a_result_is_one_exact_number_or_none_a_person(text, code, told):
    found, fields = failure(text, [Fraction(1)] * 3, size=2)
    assert (found, fields.get("told")) == (code, told)


def test_a_float_or_an_inexact_decimal_never_comes_out():
    module = 'from decimal import Decimal\ndef f(*, a):\n    return [Decimal("1e-99") + 1]\n'
    with pytest.raises(StopError, match="Inexact"):
        call_formula(load(module)["f"], {"a": (None,)}, 1)
    module = 'from decimal import Decimal\ndef f(*, a):\n    return [Decimal("NaN")]\n'
    with pytest.raises(StopError, match="formula-result"):
        call_formula(load(module)["f"], {"a": (None,)}, 1)


def test_a_loop_over_a_list_that_grows_ends():
    assert run("b = list(a)\nfor x in b:\n    b.append(x)\nreturn b", [1, 2], size=4) == [1, 2, 1, 2]


def test_a_range_is_no_longer_than_a_list_of_people_may_be():
    code, told = failure("return [x for x in range(10 ** 9)]", [1])
    assert (code, told["line"]) == ("formula-failed", 3)


@pytest.mark.parametrize(
    "body",
    [
        "b = [1]\nreturn [b.append(1) for x in b for y in range(1000000) for z in range(1000000)]",
        "n = 0\nfor i in range(1000000):\n    for j in range(1000000):\n        n += 1\nreturn [n]",
        "n = 9\nfor i in range(99):\n    n = n ** 9\nreturn [n]",
        "n = 9\nfor i in range(99):\n    n *= n\nreturn [n]",
        "b = [1]\nfor i in range(99):\n    b += b\nreturn b",
        "return [1] * 10 ** 9",
    ],
)
def test_whatever_grows_without_end_is_stopped(body, monkeypatch):
    """In time and in memory: a formula is somebody else's text; but for a soak the end comes sooner here."""
    monkeypatch.setattr(formulas, "_MOST_STEPS", some((100_000, formulas._MOST_STEPS))[-1])
    code, told = failure(body, [1])
    assert code == "formula-failed"
    assert "more than" in told["told"]


def test_a_comprehension_over_a_list_that_grows_ends():
    assert run("b = list(a)\nc = [b.append(x) for x in b]\nreturn b", [1, 2], size=4) == [1, 2, 1, 2]


def test_columns_cannot_be_changed():
    code, _ = failure("a[0] = 3\nreturn a", [1])
    assert code == "formula-failed"


def test_nothing_of_the_program_is_in_reach():
    """A formula's world holds the few functions it may call and no more, whatever slips past the white list."""
    space = load(body("return a"))["f"].function.__globals__
    allowed = space["__builtins__"]
    assert "open" not in allowed
    assert "__import__" not in allowed
    assert set(itertools.filterfalse(str.islower, allowed)) == set()


@given(values=st.lists(st.decimals(-1000, 1000, places=3), min_size=1, max_size=5))
def test_sums_in_formulas_are_exact(values):
    column = [Fraction(each) for each in values]
    assert run("return [sum(a)]", column, size=1) == [Fraction(sum(values, Decimal(0)))]
