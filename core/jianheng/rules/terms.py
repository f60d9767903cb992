"""Terms of imprisonment as judgments tell them: ``有期徒刑三年六个月``, ``一年零六个月``, ``P3Y6M``, ``42``.

The same SQL runs on every engine: characters are exchanged, patterns matched, digits cast, nothing more.
What is told and understood by neither pattern stops the rule: a term that cannot be read is not a short one.
"""

from sqlglot import exp

from jianheng.rules.failing import fails, told
from jianheng.rules.kinds import kind_of
from jianheng.rules.place import Place

_FROM = "０１２３４５６７８９〇一二三四五六七八九两壹贰叁肆伍陆柒捌玖拾"
_TO = "012345678901234567892123456789十"
_NUMBER = "([0-9]{1,3}|[1-9]?十[1-9]?)"
_KIND = "^(判处)?(有期徒刑|拘役|管制)?[ 　]*"
_WORDED = f"{_KIND}({_NUMBER}年([ 　]*零?[ 　]*{_NUMBER}个?月)?|{_NUMBER}个?月)$"
_DIGIT = "一二三四五六七八九两壹贰叁肆伍陆柒捌玖"
_JOINED = f"[{_DIGIT}][0-9０-９{_DIGIT}]|[0-9０-９][{_DIGIT}]"
"""``二三年`` is two or three years, not twenty-three."""
_ISO = "^P([0-9]{1,3}Y([0-9]{1,3}M)?|[0-9]{1,3}M)$"
_PLAIN = "^[0-9０-９]{1,3}$"
_NONE = (
    "^(判处)?(死刑([,，、]?缓期2年执行)?|死缓|无期(徒刑)?|免予刑事处罚|免除(刑事)?处罚|免刑|单处罚金|(宣告)?无罪)"
    "([,，、]?剥夺政治权利终身)?$"
)
_YEAR, _MONTH = "[年Y]", "(个?月|M)"
_MOST_NODES = 200
"""What is read stands in its SQL a dozen times, so it must be small itself."""


def make_months(place: Place, arguments: list[exp.Expr]) -> exp.Expr:
    """Return the SQL of ``months``: NULL where nothing is told or what is told has no length."""
    text = _argument(place, arguments, "months")
    if text is None:
        return exp.null()
    plain = _exchanged(text)
    key = exp.column(place.over.key, table=place.alias)
    years = exp.Mul(this=exp.paren(_number(plain, _YEAR)), expression=exp.Literal.number(12))
    return (
        exp.case()
        .when(_blank(text), exp.null())
        .when(_worded(text, plain), exp.Add(this=years, expression=_number(plain, _MONTH)))
        .when(_matches(text, _PLAIN), _cast(plain))
        .when(_matches(plain, _NONE), exp.null())
        .else_(fails(told("刑期读不出: ", text, f" ({place.over.key} ", key, ")")))
    )


def make_term(place: Place, arguments: list[exp.Expr]) -> exp.Expr:
    """Return the SQL of ``term``: one of the words of :data:`jianheng.rules.place.TERM`; NULL where nothing is told."""
    text = _argument(place, arguments, "term")
    if text is None:
        return exp.null()
    plain = _exchanged(text)
    return (
        exp.case()
        .when(_blank(text), exp.null())
        .when(exp.or_(_worded(text, plain), _matches(text, _PLAIN)), exp.Literal.string("fixed"))
        .when(_matches(plain, _NONE), exp.Literal.string("none"))
        .else_(exp.Literal.string("unreadable"))
    )


def _argument(place: Place, arguments: list[exp.Expr], function: str) -> exp.Expr | None:
    if len(arguments) != 1 or kind_of(arguments[0], place.over) not in {"text", None}:
        place.wrong_arguments(function)
        return None
    text = place.compile(arguments[0], place)
    if sum(1 for _ in text.walk()) > _MOST_NODES:
        place.wrong_arguments(function)
        return None
    return text


def _exchanged(text: exp.Expr) -> exp.Expr:
    return exp.func("translate", text.copy(), exp.Literal.string(_FROM), exp.Literal.string(_TO))


def _blank(text: exp.Expr) -> exp.Expr:
    return exp.Coalesce(this=text.copy(), expressions=[exp.Literal.string("")]).eq(exp.Literal.string(""))


def _matches(text: exp.Expr, pattern: str) -> exp.Expr:
    return exp.RegexpLike(this=text.copy(), expression=exp.Literal.string(pattern))


def _worded(text: exp.Expr, plain: exp.Expr) -> exp.Expr:
    return exp.and_(
        exp.or_(_matches(plain, _WORDED), _matches(plain, _ISO)), exp.not_(_matches(text, _JOINED))
    )


def _cast(text: exp.Expr) -> exp.Expr:
    return exp.TryCast(this=text.copy(), to=exp.DataType.build("INT"))


def _digits(text: exp.Expr, pattern: str, otherwise: int) -> exp.Expr:
    """Return the first group of a pattern as a number."""
    part = exp.RegexpExtract(
        this=text.copy(), expression=exp.Literal.string(pattern), group=exp.Literal.number(1)
    )
    return exp.Coalesce(this=_cast(part), expressions=[exp.Literal.number(otherwise)])


def _number(text: exp.Expr, unit: str) -> exp.Expr:
    """Return how many of a unit a text tells, in digits or in tens (``2十5``); 0 where it speaks of none."""
    tens = exp.Mul(this=_digits(text, f"([1-9])十[1-9]?{unit}", 1), expression=exp.Literal.number(10))
    in_tens = exp.case().when(_matches(text, f"十[1-9]?{unit}"), tens).else_(exp.Literal.number(0))
    return exp.Add(this=_digits(text, f"([0-9]+){unit}", 0), expression=in_tens)
