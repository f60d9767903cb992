"""A law of a few indicators for tests: built from plain values, no files, no ledger."""

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import SimpleNamespace

from jianheng.scoring.indicators.outcome import ALL_RULES, Rating, Scored, Tally
from jianheng.scoring.indicators.standing import indicator_values, standings
from jianheng.scoring.law.pack import PolicyFile
from jianheng.scoring.law.pack_rows import PointsRow
from jianheng.scoring.law.parameters import DatedValue, Declaration, Layer
from jianheng.scoring.law.period import Period

YEAR = Period("2025", "2025年度", dt.date(2025, 1, 1), dt.date(2026, 1, 1))
IDENTITY = {
    "id": "small",
    "label": "小政策",
    "level": "office",
    "jurisdiction": "990000",
    "from": dt.date(2024, 1, 1),
    "source": {"title": "测试", "cite": "第一条"},
}
SHEET = {"id": "s", "label": "检察官", "role": "quota_prosecutor"}


def number(unit, *dated):
    """Declare a parameter: ``(day, value)`` pairs, or one value from the policy's first day on."""
    pairs = [each if isinstance(each, tuple) else (dt.date(2024, 1, 1), each) for each in dated]
    values = tuple(
        DatedValue.model_validate({"from": day, "value": Decimal(str(value)), "cite": "第二条"})
        for day, value in pairs
    )
    return Declaration(label="参数", unit=unit, values=values)


def file_of(indicators, **parts):
    """Return a policy file; ids serve as labels where none are given."""
    named = [{"label": each["id"], **each} for each in indicators]
    return PolicyFile.model_validate({**IDENTITY, "sheets": [SHEET], "indicators": named, **parts})


def law(*indicators, parameters: Mapping = {}, rules: Mapping = {}, formulas: Mapping = {}, **parts):
    """Return a policy as far as indicators look at one. ``rules``: id of a points row to its indicator."""
    return SimpleNamespace(
        file=file_of(indicators, **parts),
        layers=(Layer("office", "small", {name: ("n.toml", told) for name, told in parameters.items()}),),
        points=tuple(
            PointsRow(id=name, label=name, measure="m", indicator=indicator, points=Decimal(1), cite="c")
            for name, indicator in rules.items()
        ),
        formulas=formulas,
    )


def scored(*names, sheet="s", **told):
    """Return people with one sheet; what is not told of them is usual."""
    usual = {
        "role": "quota_prosecutor",
        "unit_code": "990101",
        "department_key": "d1",
        "post_level": "member",
        "staff_class": "prosecutor",
    }
    return [Scored(name, sheet, **(usual | told)) for name in names]


def earned(person, indicator, points, *, provisional=0, withheld=0, entries=1, sheet="s", rule="r"):
    """Return a tally of points, in points."""
    amounts = (int(Decimal(str(each)) * 1000) for each in (points, provisional, withheld))
    return Tally(person, sheet, "m", rule, indicator, *amounts, entries, 0, 0, 0)


def had(person, measure, items, *, quantity=None, shares=None, sheet="s"):
    """Return a tally of items."""
    size = items if quantity is None else quantity
    parts = 1000 * items if shares is None else shares
    return Tally(person, sheet, measure, ALL_RULES, "", 0, 0, 0, 0, items, size, parts)


def rated(person, rating, kind, *scores):
    return [Rating(person, rating, kind, Decimal(str(score))) for score in scores]


def values(policy, tallies: Iterable = (), people: Iterable = (), ratings: Iterable = (), period=YEAR):
    """Return every value by person and indicator."""
    told = list(tallies)
    everybody = list(people) or scored(*sorted({each.person_key for each in told}))
    found = indicator_values(policy, period, told, everybody, list(ratings))
    return {(each.person_key, each.indicator): each for each in found}


def placed(policy, tallies: Iterable = (), people: Iterable = (), ratings: Iterable = (), period=YEAR):
    """Return every standing, in order."""
    told = list(tallies)
    everybody = list(people) or scored(*sorted({each.person_key for each in told}))
    found = indicator_values(policy, period, told, everybody, list(ratings))
    return standings(policy, period, found, told, everybody)


def outcome(value):
    """Return a value as a test reads it: points as a decimal text, or why there are none."""
    if value.points is None:
        return f"{value.state} {value.reason}"
    return f"{Decimal(value.points) / 1000:f}"


def outcomes(found, indicator):
    """Return one indicator's outcome by person."""
    return {person: outcome(value) for (person, name), value in found.items() if name == indicator}
