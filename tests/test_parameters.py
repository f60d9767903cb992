"""Parameters: which value holds on which day, who may set it, and what an override must say."""

import datetime as dt
import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jianheng.errors import StopError
from jianheng.scoring.law.parameters import (
    DatedValue,
    Declaration,
    Layer,
    amount,
    amounts,
    check_layers,
    resolve,
    shown_value,
    value_on,
)

NAME = "team.clerk"
LEVELS = ("nation", "province", "city", "office")


def day(text):
    return dt.date.fromisoformat(text)


def dated(since, value):
    """Return a dated value; None hands back to the layer above."""
    inherit = value is None
    return DatedValue.model_validate(
        {"from": since, "value": value, "inherit": inherit, "cite": f"自{since}"}
    )


def declared(*values, **more):
    options = {"label": "书记员份额", "unit": "权重", "may_set": LEVELS} | more
    return Declaration.model_validate({**options, "values": [dated(since, value) for since, value in values]})


def chain(*declarations):
    """Return layers from the general to the special; None where a layer says nothing."""
    return [
        Layer(level, level, {} if each is None else {NAME: (f"{level}.toml", each)})
        for level, each in zip(LEVELS, declarations, strict=False)
    ]


def override(*values, replaces, **more):
    return declared(*values, label=None, unit=None, replaces=replaces, **more)


NATION = declared(("2023-01-01", "2"), ("2024-01-01", "3"))


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("2022-12-31", None),
        ("2023-01-01", Decimal(2)),
        ("2023-12-31", Decimal(2)),
        ("2024-01-01", Decimal(3)),
        ("2999-01-01", Decimal(3)),
    ],
)
def test_a_value_holds_from_its_day_until_the_day_before_the_next(on, expected):
    held = value_on(chain(NATION), NAME, day(on))
    assert (held.value if held else None) == expected


@pytest.mark.parametrize(
    ("on", "value", "layer"),
    [
        ("2024-06-30", "3", "nation"),
        ("2024-07-01", "5", "province"),
        ("2025-12-31", "5", "province"),
        ("2026-01-01", "3", "nation"),
    ],
)
def test_the_most_special_layer_in_force_wins_and_may_hand_back(on, value, layer):
    province = override(("2024-07-01", "5"), ("2026-01-01", None), replaces="3")
    layers = chain(NATION, province)
    assert check_layers(layers) == []
    held = value_on(layers, NAME, day(on))
    assert (held.value, held.layer) == (Decimal(value), layer)


def test_a_resolved_value_says_where_it_comes_from():
    layers = chain(NATION, override(("2024-07-01", "5"), replaces="3", assumed=True))
    held = value_on(layers, NAME, day("2024-07-01"))
    assert (held.name, held.label, held.unit) == (NAME, "书记员份额", "权重")
    assert (held.cite, held.layer, held.assumed) == ("自2024-07-01", "province", True)
    assert (held.since, held.until) == (day("2024-07-01"), None)


def test_a_name_nobody_declares_is_an_error_and_not_a_default():
    with pytest.raises(StopError) as unknown:
        resolve(chain(NATION), "team.stranger")
    assert unknown.value.code == "parameter-unknown"


def faults(*declarations):
    return [(each.code, each.fields["where"]) for each in check_layers(chain(*declarations))]


@pytest.mark.parametrize(
    ("base", "code"),
    [
        (declared(("2024-01-01", "1"), ("2023-01-01", "2")), "parameter-days"),
        (declared(("2024-01-01", "1"), ("2024-01-01", "2")), "parameter-days"),
        (declared(("2024-01-01", None)), "parameter-value"),
        (declared(("2024-01-01", "1"), label=None), "parameter-undeclared"),
        (declared(("2024-01-01", "1"), unit=None), "parameter-undeclared"),
        (declared(("2024-01-01", "1"), ("2025-01-01", "4"), max="3"), "parameter-bounds"),
        (declared(("2024-01-01", "1"), min="2"), "parameter-bounds"),
    ],
)
def test_a_first_declaration_is_checked(base, code):
    assert faults(base) == [(code, f"nation.toml [{NAME}]")]


def test_bounds_themselves_are_within_bounds():
    assert faults(declared(("2024-01-01", "2"), ("2025-01-01", "3"), min="2", max="3")) == []


@pytest.mark.parametrize("both", [{"value": "1", "inherit": True}, {"inherit": False}])
def test_a_dated_value_is_a_value_or_hands_back_but_not_both(both):
    odd = DatedValue.model_validate({"from": "2025-01-01", "cite": "x"} | both)
    province = override(("2024-01-01", "3"), replaces="3")
    province = province.model_copy(update={"values": (*province.values, odd)})
    assert ("parameter-value", f"province.toml [{NAME}]") in faults(NATION, province)


@pytest.mark.parametrize(
    ("province", "code"),
    [
        (override(("2024-07-01", "5"), replaces=None), "parameter-replaces-nothing"),
        (override(("2024-07-01", "5"), replaces="2"), "parameter-stale"),
        (override(("2023-07-01", "5"), replaces="2"), "parameter-stale"),
        (override(("2024-07-01", "50"), replaces="3"), "parameter-bounds"),
    ],
)
def test_an_override_names_what_it_replaces_on_every_day_it_lives(province, code):
    nation = declared(("2023-01-01", "2"), ("2024-01-01", "3"), max="10")
    assert faults(nation, province) == [(code, f"province.toml [{NAME}]")]


def test_a_stale_override_says_from_which_day():
    """The inherited value changed under it in 2024, after it began."""
    (told,) = check_layers(chain(NATION, override(("2023-07-01", "5"), replaces="2")))
    assert (told.fields["day"], told.fields["inherited"]) == (day("2024-01-01"), "3")


def test_an_override_may_begin_before_what_it_replaces():
    """There is nothing to compare with before the first day; from then on there is."""
    early = override(("2020-01-01", "5"), replaces="2")
    assert faults(declared(("2023-01-01", "2")), early) == []


def test_a_layer_sets_only_what_it_is_allowed_to():
    nation = declared(("2023-01-01", "2"), may_set=["province"])
    province = override(("2024-01-01", "3"), replaces="2")
    office = override(("2025-01-01", "4"), replaces="3")
    assert faults(nation, province) == []
    assert faults(nation, province, None, office) == [("parameter-may-not-set", f"office.toml [{NAME}]")]


CODES = declared(("2024-01-01", ["0201", "0301"]), ("2025-01-01", []))


def test_a_parameter_may_hold_codes_and_none_at_all_is_a_list_too():
    held = [value_on(chain(CODES), NAME, day(on)).value for on in ("2024-06-01", "2025-06-01")]
    assert held == [("0201", "0301"), ()]
    assert shown_value(held[0]) == "0201;0301"


def test_an_override_of_codes_names_all_of_them():
    assert faults(CODES, override(("2024-07-01", ["0201"]), replaces=["0201", "0301"])) == [
        ("parameter-stale", f"province.toml [{NAME}]")  # there are none above from 2025 on
    ]
    nation = declared(("2024-01-01", ["0201", "0301"]))
    assert faults(nation, override(("2024-07-01", ["0201"]), replaces=["0201", "0301"])) == []


@pytest.mark.parametrize(
    ("nation", "province"),
    [
        (declared(("2024-01-01", ["0201"]), max="3"), None),
        (declared(("2024-01-01", ["0201"]), ("2025-01-01", "3")), None),
        (declared(("2024-01-01", "3")), override(("2025-01-01", ["0201"]), replaces="3")),
    ],
)
def test_a_parameter_holds_numbers_or_codes_and_codes_have_no_bounds(nation, province):
    assert [code for code, _ in faults(nation, province)] == ["parameter-kind"]


def test_a_parameter_may_be_declared_before_anything_is_known():
    unknown = declared(label="同类省份人均办案量", unit="件/人")
    assert faults(unknown) == []
    assert resolve(chain(unknown), NAME) == ()
    assert value_on(chain(unknown), NAME, day("2026-01-01")) is None
    assert (amount(chain(unknown), NAME, day("2026-01-01")).value, faults(declared(label=None))) == (
        None,
        [("parameter-undeclared", f"nation.toml [{NAME}]")],
    )


def test_what_was_not_known_above_is_set_below_and_replaces_nothing():
    unknown = declared()
    assert faults(unknown, override(("2025-01-01", "3"), replaces=None)) == []
    assert faults(unknown, override(("2025-01-01", "3"), replaces="2")) == [
        ("override-of-nothing", f"province.toml [{NAME}]")
    ]


def test_an_override_says_something():
    assert faults(NATION, override(replaces="3")) == [("policy-missing-key", f"province.toml [{NAME}]")]


def test_a_number_of_the_law_is_itself_or_what_its_parameter_holds():
    layers = chain(NATION)
    assert (
        amount(layers, Decimal("1.5"), day("2020-01-01")).value,
        amount(layers, Decimal(1), DAYS[0]).read,
    ) == (
        Decimal("1.5"),
        None,
    )
    found = amount(layers, NAME, day("2024-01-01"))
    assert (found.value, found.read.since) == (Decimal(3), day("2024-01-01"))
    assert list(amounts(layers, NAME)) == [
        (Decimal(2), day("2023-01-01"), day("2024-01-01")),
        (Decimal(3), day("2024-01-01"), None),
    ]
    assert list(amounts(layers, Decimal(4))) == [(Decimal(4), None, None)]


def test_codes_are_no_number():
    with pytest.raises(StopError) as codes:
        amount(chain(CODES), NAME, day("2024-06-01"))
    assert codes.value.code == "parameter-no-number"


DAYS = [day("2024-01-01") + dt.timedelta(days=number) for number in range(12)]
VALUES = st.lists(
    st.tuples(st.sampled_from(DAYS), st.one_of(st.none(), st.integers(0, 9))),
    min_size=1,
    max_size=4,
    unique_by=lambda pair: pair[0],
).map(lambda pairs: declared(*sorted(pairs, key=lambda pair: pair[0])))


def naive(layers, on):
    """Return the value of a day by asking each layer, the most special first."""
    for layer in reversed(layers):
        for _, one in layer.declarations.values():
            said = [each for each in one.values if each.since <= on]
            if said and not said[-1].inherit:
                return said[-1].value
    return None


@given(layers=st.lists(st.one_of(st.none(), VALUES), min_size=1, max_size=4).filter(any))
def test_spans_are_what_asking_day_by_day_gives(layers):
    held = chain(*layers)
    for on in [DAYS[0] - dt.timedelta(1), *DAYS, DAYS[-1] + dt.timedelta(1)]:
        found = value_on(held, NAME, on)
        assert (found.value if found else None) == naive(held, on)
    spans = resolve(held, NAME)
    assert all(before.until <= after.since for before, after in itertools.pairwise(spans))
    assert not spans or spans[-1].until is None or naive(held, DAYS[-1]) is None
