"""The chain of a policy: nation, province, city, office. What is said again names what it replaces."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jianheng.errors import FaultsError
from jianheng.scoring.law.chain import fingerprint, without_days
from jianheng.scoring.law.pack import Group
from jianheng.scoring.law.pack_rows import PointsRow
from jianheng.scoring.law.policy import load_policy, load_policy_from
from mini_pack import write_pack

PROVINCE = ("policy.toml", 'level = "office"', 'level = "province"')
CHILD = """
id = "{name}"
label = "{name}"
level = "{level}"
jurisdiction = "990000"
from = 2024-01-01
extends = "{extends}"

[source]
title = "测试"
cite = "第一条"
"""


class Packs:
    """Packs in a folder: ``mini`` (a province) and what extends it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_pack(folder / "mini", PROVINCE)

    def base(self, *edits):
        """Write the pack everything rests on again, with edits."""
        write_pack(self.folder / "mini", PROVINCE, *edits)

    def add(self, name="city", level="city", extends="mini", policy="", **files):
        """Write a pack that extends another: what it adds to policy.toml, and its other files."""
        pack = self.folder / name
        pack.mkdir(exist_ok=True)
        head = CHILD.format(name=name, level=level, extends=extends)
        (pack / "policy.toml").write_text(head + policy, encoding="utf-8")
        self._write(pack, files)

    def office(self, **files):
        """Write an office's own folder."""
        (self.folder / "own").mkdir(exist_ok=True)
        self._write(self.folder / "own", files)
        return self.folder / "own"

    def _write(self, folder, files):
        names = {"measures": "measures.toml", "points": "points.csv", "authority": "authority.csv"}
        for name, text in files.items():
            file = folder / names.get(name, "parameters/own.toml")
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")

    def load(self, name="city", office=None):
        def find(pack):
            folder = self.folder / pack
            return folder if folder.is_dir() else None

        return load_policy(self.folder / name, find, office)

    def told(self, name="city", office=None):
        """Return the code and place of every problem."""
        with pytest.raises(FaultsError) as faults:
            self.load(name, office)
        return [
            (each.code, each.fields.get("where") or each.fields["file"]) for each in faults.value.problems
        ]


@pytest.fixture
def packs(tmp_path):
    return Packs(tmp_path)


def mark(packs, kind, name):
    """Return the fingerprint of something in the base pack."""
    file = packs.load("mini").file
    found = getattr(file, kind)
    return fingerprint(next(each for each in found if each.id == name) if isinstance(found, tuple) else found)


def test_a_pack_that_says_nothing_has_all_of_what_it_extends(packs):
    packs.add()
    base, child = packs.load("mini"), packs.load()
    assert (child.id, child.file.level) == ("city", "city")
    assert child.measure_sql == base.measure_sql
    assert (child.points, child.authority, child.closing_sql) == (
        base.points,
        base.authority,
        base.closing_sql,
    )
    assert (child.file.sheets, child.gates, child.factors) == (base.file.sheets, base.gates, base.factors)
    assert [layer.name for layer in child.layers] == ["mini", "city"]


def test_a_chain_may_have_every_level(packs):
    write_pack(packs.folder / "mini", ("policy.toml", 'level = "office"', 'level = "nation"'))
    packs.add("province", "province", "mini")
    packs.add("city", "city", "province")
    packs.add("office", "office", "city")
    assert [layer.level for layer in packs.load("office").layers] == ["nation", "province", "city", "office"]


def test_what_is_new_comes_after_what_is_inherited(packs):
    packs.add(policy='[[indicators]]\nid = "extra"\nlabel = "附加"\nparent = "total"\n')
    assert [each.id for each in packs.load().file.indicators] == ["total", "work", "papers", "extra"]


OVERRIDES = {
    "sheets": ("assistant", 'id = "assistant"\nlabel = "助理 (市)"\nrole = "prosecutor_assistant"\n'),
    "indicators": ("papers", 'id = "papers"\nlabel = "文书 (市)"\nparent = "work"\n'),
    "gates": ("gate", 'label = "验收"\nfinal_when = "archive_accepted_on is not null and is_supervised"\n'),
    "factors": (
        "papers",
        'id = "papers"\nlabel = "x"\nmeasures = ["made"]\nchoices = [{ id = "a", label = "a", value = 2, when = "is_watched" }]\n',
    ),
}


@pytest.mark.parametrize("kind", OVERRIDES)
def test_an_override_carries_the_mark_of_what_it_replaces(packs, kind):
    name, text = OVERRIDES[kind]
    wanted = mark(packs, kind, name)
    packs.add(policy=f"[[{kind}]]\n{text}")
    where = f"city/policy.toml [{kind} {name}]"
    assert packs.told() == [("override-unmarked", where)]
    with pytest.raises(FaultsError) as faults:
        packs.load()
    assert wanted in faults.value.problems[0].message().do  # what to write is said

    packs.add(policy=f'[[{kind}]]\nreplaces = "00000000"\n{text}')
    assert packs.told() == [("override-stale", where)]

    packs.add(policy=f'[[{kind}]]\nreplaces = "{wanted}"\n{text}')
    things = getattr(packs.load().file, kind)
    position = [each.id for each in things].index(name)
    assert position == [each.id for each in getattr(packs.load("mini").file, kind)].index(name)
    assert things[position] != getattr(packs.load("mini").file, kind)[position]


def test_an_override_is_stale_when_the_thing_above_has_changed(packs):
    name, text = OVERRIDES["indicators"]
    packs.add(policy=f'[[indicators]]\nreplaces = "{mark(packs, "indicators", name)}"\n{text}')
    packs.load()
    packs.base(("policy.toml", 'label = "文书"\nparent', 'label = "法律文书"\nparent'))
    assert packs.told() == [("override-stale", "city/policy.toml [indicators papers]")]


SINGLE = {
    "team": '[team]\nweights = { quota_prosecutor = "team.prosecutor", prosecutor_assistant = "team.prosecutor" }\n',
    "authority": '[authority]\nunlisted = "permit"\n',
}


@pytest.mark.parametrize("name", SINGLE)
def test_what_is_said_once_is_replaced_whole_and_by_its_mark(packs, name):
    packs.add(policy=SINGLE[name])
    assert packs.told() == [("override-unmarked", f"city/policy.toml [{name}]")]
    wanted = fingerprint(getattr(packs.load("mini").file, name))
    packs.add(policy=SINGLE[name].replace("]\n", f']\nreplaces = "{wanted}"\n', 1))
    assert getattr(packs.load().file, name) != getattr(packs.load("mini").file, name)


def test_a_mark_holds_only_what_is_said():
    """A later version that knows one key more must not make the overrides of every province stale."""

    class Later(Group):
        also: str = ""

    said = {"id": "peers", "label": "同级", "by": ("sheet", "unit")}
    mark = fingerprint(Group(**said))
    assert fingerprint(Later(**said)) == mark
    assert fingerprint(Group(**said, rank=Group.model_fields["rank"].default)) == mark
    assert fingerprint(Later(**said, also="x")) != mark
    assert fingerprint(Group(**(said | {"label": "别的"}))) != mark


def test_a_measure_is_replaced_by_its_mark(packs):
    measure = """
[made]
{mark}label = "文书"
grain = "document"
where = "drafted_on is not null and in_dossier"
date = "drafted_on"
unit = "份"
code = "template_code"
actor = "drafter_key"
"""
    packs.add(measures=measure.format(mark=""))
    assert packs.told() == [("override-unmarked", "city/measures.toml [made]")]
    wanted = fingerprint(packs.load("mini").measures["made"])
    packs.add(measures=measure.format(mark=f'replaces = "{wanted}"\n'))
    assert "in_dossier" in packs.load().measure_sql["made"]


def test_a_mark_where_nothing_is_inherited_is_a_fault(packs):
    packs.add(policy='[[indicators]]\nid = "new"\nlabel = "x"\nparent = "work"\nreplaces = "01234567"\n')
    assert packs.told() == [("override-of-nothing", "city/policy.toml [indicators new]")]


def test_the_lowest_layer_that_says_it_decides_on_closing_calendar_and_adjustments(packs):
    packs.add(
        policy='[[closing]]\nrule = "completed_on"\n[calendar]\nyear_start = "12-26"\n[adjustments]\nrule = "next"\n'
    )
    packs.add("office", "office", "city")
    law = packs.load("office")
    assert "completed_on" in law.closing_sql
    assert (law.file.calendar.year_start, law.file.adjustments.rule) == ("12-26", "next")


HEAD = "id,label,measure,role,indicator,points,from,until,replaces,cite\n"


def rows(policy, rule):
    """Return the spans and points of a rule."""
    held = [(each.since, each.until, each.points) for each in policy.points if each.id == rule]
    return sorted(held, key=lambda row: row[0] or dt.date.min)


def test_a_row_of_points_from_a_day_on_leaves_the_inherited_one_in_force_before_it(packs):
    packs.add(points=HEAD + "closed,办结,closed,,work,12,2025-07-01,,10,市第一条\n")
    day = dt.date(2025, 7, 1)
    assert rows(packs.load(), "closed") == [(None, day, 10), (day, None, 12)]


def test_a_row_of_points_without_days_replaces_the_inherited_one_entirely(packs):
    packs.add(points=HEAD + "closed,办结,closed,,work,12,,,10,市第一条\n")
    assert rows(packs.load(), "closed") == [(None, None, 12)]


def test_a_row_of_points_on_some_days_is_between_two_parts_of_the_inherited_one(packs):
    packs.add(points=HEAD + "closed,办结,closed,,work,12,2025-01-01,2025-07-01,10,市第一条\n")
    first, last = dt.date(2025, 1, 1), dt.date(2025, 7, 1)
    assert rows(packs.load(), "closed") == [(None, first, 10), (first, last, 12), (last, None, 10)]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("closed,办结,closed,,work,12,,,,市第一条", "override-unmarked"),
        ("closed,办结,closed,,work,12,,,9,市第一条", "override-stale"),
        ("other,办结,closed,quota_prosecutor,work,12,,,10,市第一条", "override-of-nothing"),
    ],
)
def test_a_row_of_points_names_the_points_it_replaces(packs, row, code):
    packs.add(points=f"{HEAD}{row}\n")
    assert packs.told() == [(code, "city/points.csv:2")]


def test_a_new_row_of_points_is_added(packs):
    packs.add(points=HEAD + "extra,附加,closed,quota_prosecutor,work,1,,,,市第二条\n")
    assert [row.id for row in packs.load().points] == ["closed", "made_p", "made_a", "extra"]


def test_rows_of_the_authority_list_are_added(packs):
    packs.add(authority="measure,code,cite\nmade,note,市第三条\n")
    assert [row.code for row in packs.load().authority] == [("charge",), ("report",), ("note",)]


def test_a_pack_extends_nothing_more_special_than_itself(packs):
    packs.add("upper", "nation", "mini")
    assert packs.told("upper") == [("policy-level-order", "upper/policy.toml extends")]


def test_a_pack_may_extend_one_of_its_own_level(packs):
    packs.add("twin", "province", "mini")
    assert packs.load("twin").id == "twin"


def test_what_does_not_exist_cannot_be_extended(packs):
    packs.add(extends="nobody")
    assert packs.told() == [("policy-not-found", "city/policy.toml extends")]


def test_a_pack_found_under_another_name_is_told(packs):
    packs.add()
    packs.base(("policy.toml", 'id = "mini"', 'id = "maxi"'))
    assert packs.told() == [("policy-id-differs", "mini/policy.toml")]


def test_packs_that_extend_each_other_are_a_circle(packs):
    packs.add("one", "city", "two")
    packs.add("two", "city", "one")
    assert packs.told("one") == [("policy-circle", "one/policy.toml")]


MAY = "\n[may_set]\n{kind} = [{levels}]\n"


def allow(packs, kind, *levels):
    listed = ", ".join(f'"{each}"' for each in levels)
    packs.base(("policy.toml", "", MAY.format(kind=kind, levels=listed)))


def test_packs_may_override_unless_the_levels_are_listed_and_theirs_is_not(packs):
    text = (
        HEAD + "closed,办结,closed,,work,12,,,10,市第一条\nextra,附加,closed,quota_prosecutor,work,1,,,,市\n"
    )
    packs.add(points=text)
    packs.load()
    allow(packs, "points", "city")
    packs.load()
    allow(packs, "points", "office")
    assert packs.told() == [("override-may-not", "city/points.csv:2")]


def test_an_office_may_set_only_what_is_listed_for_it(packs):
    packs.add()
    own = packs.office(points=HEAD + "closed,办结,closed,,work,12,2025-01-01,,10,本院\n")
    assert packs.told(office=own) == [("override-may-not", "own/points.csv:2")]
    allow(packs, "points", "city", "office")
    assert rows(packs.load(office=own), "closed")[-1][-1] == 12
    own = packs.office(measures=MEASURE)
    assert packs.told(office=own) == [("override-may-not", "own/measures.toml [own]")]


MEASURE = '[own]\nlabel = "本院"\ngrain = "case"\ndate = "closed_on"\nunit = "件"\nactor = "handler_key"\n'


def test_a_middle_layer_may_narrow_what_those_below_it_may_set_but_not_widen_it(packs):
    allow(packs, "points", "city")
    packs.add(policy='[may_set]\npoints = ["office"]\n')
    own = packs.office(points=HEAD + "extra,附加,closed,quota_prosecutor,work,1,,,,本院\n")
    assert packs.told(office=own) == [("override-may-not", "own/points.csv:2")]


def test_an_office_folder_is_no_pack(packs):
    packs.add()
    own = packs.office()
    (own / "policy.toml").write_text("x = 1", encoding="utf-8")
    assert packs.told(office=own) == [("office-layer-file", "own/policy.toml")]


def test_parameters_of_packs_and_of_the_office_stand_in_the_order_of_the_chain(packs):
    packs.base(
        (
            "parameters/numbers.toml",
            '[team.assistant]\nlabel = "助理"',
            '[team.assistant]\nmay_set = ["city", "office"]\nlabel = "助理"',
        )
    )
    said = "[team.assistant]\nreplaces = {old}\nvalues = [{{ from = {day}, value = {new}, cite = 'x' }}]\n"
    packs.add(parameters=said.format(old=0.3, day="2025-01-01", new=0.4))
    own = packs.office(parameters=said.format(old=0.4, day="2025-07-01", new=0.5))
    law = packs.load(office=own)
    assert [layer.name for layer in law.layers] == ["mini", "city", "own"]
    own = packs.office(parameters=said.format(old=0.3, day="2025-07-01", new=0.5))
    assert packs.told(office=own) == [("parameter-stale", "own/parameters/own.toml [team.assistant]")]


def test_faults_of_all_files_of_all_layers_are_told_together(packs):
    packs.base(("measures.toml", 'date = "drafted_on"', 'date = "drafted_at"'))
    packs.add(
        policy='[[indicators]]\nid = "x"\nlabel = "x"\nparent = "nowhere"\ncolour = "red"\n',
        points=f"{HEAD}extra,附加,closd,,work,1,,,,市\n",
        parameters="[team.clerk]\nlabel = 'x'\nunit = '权重'\nvalues = [{ from = 2024-01-01, value = 0.0001, cite = 'x' }]\n",
    )
    own = packs.office(parameters="[team.stranger]\nreplaces = 1\nvalues = []\n")
    assert sorted(packs.told(office=own)) == [
        ("override-of-nothing", "own/parameters/own.toml [team.stranger]"),
        ("policy-too-fine", "city/parameters/own.toml [team.clerk]"),
        ("policy-unknown-key", "city/policy.toml"),
        ("policy-unknown-name", "city/points.csv:2 extra"),
        ("rule-unknown-column", "mini/measures.toml [made] date"),
    ]


def test_the_same_policy_is_loaded_again_from_its_texts(packs):
    packs.add(points=HEAD + "closed,办结,closed,,work,12,2025-07-01,,10,市第一条\n")
    allow(packs, "points", "city", "office")
    own = packs.office(points=HEAD + "extra,附加,closed,quota_prosecutor,work,1,,,,本院\n")
    law = packs.load(office=own)
    again = load_policy_from(law.sources, "city")
    assert again.version == law.version
    assert (again.points, again.layers, again.measure_sql) == (law.points, law.layers, law.measure_sql)
    assert again.sources == law.sources


def test_what_a_layer_changes_makes_another_law_and_looking_again_does_not(packs):
    packs.add(points=HEAD + "closed,办结,closed,,work,12,2025-07-01,,10,市第一条\n")
    before = packs.load().version
    packs.base(("parameters/numbers.toml", "[team.assistant]", "[team.assistant]\nverified = 2026-01-01"))
    assert packs.load().version == before
    packs.add(points=HEAD + "closed,办结,closed,,work,13,2025-07-01,,10,市第一条\n")
    assert packs.load().version != before


DAYS = [dt.date(2025, 1, 1) + dt.timedelta(days=each) for each in range(8)]
SPAN = st.tuples(
    st.one_of(st.none(), st.sampled_from(DAYS)), st.one_of(st.none(), st.sampled_from(DAYS))
).filter(lambda span: span[0] is None or span[1] is None or span[0] < span[1])


@given(above=SPAN, below=SPAN, on=st.sampled_from(DAYS))
def test_on_every_day_the_lower_row_holds_where_it_speaks_and_the_upper_one_elsewhere(above, below, on):
    def row(span, points):
        since, until = span
        told = {"id": "r", "label": "r", "measure": "m", "indicator": "i", "cite": "c", "points": points}
        return PointsRow.model_validate({**told, "from": since, "until": until})

    def holds(each, day):
        return (each.since is None or each.since <= day) and (each.until is None or day < each.until)

    upper, lower = row(above, Decimal(1)), row(below, Decimal(2))
    merged = [*without_days(upper, [(lower.since or dt.date.min, lower.until or dt.date.max)]), lower]
    held = [each.points for each in merged if holds(each, on)]
    assert held == ([Decimal(2)] if holds(lower, on) else [Decimal(1)] if holds(upper, on) else [])
