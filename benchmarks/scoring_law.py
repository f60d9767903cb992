"""The policy the scoring benchmarks apply: 300 rules over six measures, caps, shares, factors, peers, grades.

Written as a pack like any other, so that it is loaded and compiled as a policy owner's would be.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TEMPLATES = 144
"""Templates of each kind, 36 a department: those a person answers for alone, and those of the team."""
DIMENSIONS = ("quantity", "quality", "efficiency", "effect", "norm", "safety", "ability")
WEIGHTS = ("0.25", "0.2", "0.15", "0.1", "0.1", "0.1", "0.1")
CATEGORIES = tuple(f"{101 + 100 * number:04d}" for number in range(20))
ROLES = ("quota_prosecutor", "prosecutor_assistant", "clerk")

POLICY = """
id = "bench"
label = "基准测试"
level = "office"
jurisdiction = "990000"
from = 2020-01-01
closing = "concluded_on"
due_for_archive = "closed_on is not null and archive_accepted_on is null"

[source]
title = "基准测试"
cite = "第一条"

[[gates]]
id = "archived"
label = "归档"
final_when = "archive_accepted_on is not null"

[team]
weights = { quota_prosecutor = "team.prosecutor", prosecutor_assistant = "team.assistant", clerk = "team.clerk" }

[[factors]]
id = "prompt"
label = "文书及时"
over = "item"
take = "first"
measures = ["made", "joint"]
choices = [
  { id = "late", label = "迟延", value = "factor.late", when = "drafted_on > case_due_on" },
  { id = "early", label = "提前", value = 1.2, when = "drafted_on <= case_accepted_on + 10" },
]

[[factors]]
id = "timely"
label = "办案及时"
over = "case"
take = "first"
measures = ["closed", "led"]
choices = [
  { id = "late", label = "超期", value = "factor.late", when = "closed_on > due_on" },
  { id = "early", label = "提前", value = 1.2, when = "closed_on + 15 < due_on" },
]

[[factors]]
id = "difficulty"
label = "难度"
over = "case"
take = "best"
choices = [
  { id = "supervised", label = "督办", value = 1.3, when = "is_supervised" },
  { id = "foreign", label = "涉外", value = 1.55, when = "is_foreign_related" },
]

[[groups]]
id = "peers"
label = "同院同岗"
by = ["sheet", "unit"]
rank = true

[[groups]]
id = "colleagues"
label = "同部门同岗"
by = ["sheet", "unit", "department"]
rank = true

[grades]
group = "peers"
ties = "out"
bands = [
  { id = "excellent", label = "优秀", share = 0.2, rounding = "down" },
  { id = "good", label = "良好", share = 0.35, rounding = "half_up" },
  { id = "fair", label = "合格" },
]
"""

MEASURES = """
[made]
label = "文书"
grain = "document"
where = "prefix(template_code, '1')"
date = "drafted_on"
unit = "份"
code = "template_code"
item = "name"
actor = "drafter_key"

[joint]
label = "合办文书"
grain = "document"
where = "prefix(template_code, '2') and in_dossier"
date = "drafted_on"
unit = "份"
code = "template_code"
item = "name"
team = true

[approved]
label = "审批"
grain = "approval"
where = "conclusion = '同意'"
date = "approved_on"
unit = "次"
code = "template_code"
actor = "approver_key"

[closed]
label = "办结"
grain = "case"
where = "closed_on is not null"
date = "closed_on"
unit = "件"
item = "charge_name"
team = true

[led]
label = "主办"
grain = "case"
where = "closed_on is not null"
date = "closed_on"
unit = "件"
item = "charge_name"
actor = "handler_key"

[overdue]
label = "超期"
grain = "case"
where = "closed_on > due_on"
date = "closed_on"
unit = "件"
item = "charge_name"
actor = "handler_key"
"""

PARAMETERS = """
[team.prosecutor]
label = "检察官份额"
unit = "权重"
values = [{ from = 2020-01-01, value = 0.55, cite = "第二条" }]

[team.assistant]
label = "助理份额"
unit = "权重"
values = [{ from = 2020-01-01, value = 0.35, cite = "第二条" }]

[team.clerk]
label = "书记员份额"
unit = "权重"
values = [{ from = 2020-01-01, value = 0.1, cite = "第二条" }]

[factor.late]
label = "迟延"
unit = "倍"
values = [{ from = 2020-01-01, value = 0.5, cite = "第三条" }]
"""

COLUMNS = (
    "id",
    "label",
    "measure",
    "code",
    "category",
    "role",
    "indicator",
    "points",
    "per_case",
    "case_cap",
    "month_cap",
    "year_cap",
    "cite",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of ``points.csv``; points and caps in 0.001 point."""

    id: str
    measure: str
    points: int
    indicator: str
    code: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    role: str = ""
    per_case: int | None = None
    case_cap: int | None = None
    month_cap: int | None = None
    year_cap: int | None = None


def rules() -> list[Rule]:
    """Return the 300 rules: none speaks of what another speaks of."""
    return [*_papers(), *_approvals(), *_cases()]


def _leaf(number: int, kind: str) -> str:
    return f"{DIMENSIONS[number % 7]}_{kind}"


def _papers() -> Iterator[Rule]:
    """Own papers: 36 groups of two templates for whoever wrote them, 36 with points by role. Joint ones by category."""
    for group in range(TEMPLATES // 2):
        codes = tuple(f"{100_000_000_000 + 2 * group + n}" for n in range(2))
        points = 300 + 37 * group
        cap = points * (3 + group % 4) + 250
        for role in ("",) if group % 2 else ROLES[:2]:
            yield Rule(
                f"made_{group:03}{role[:1]}",
                "made",
                points + 100 * len(role),
                _leaf(group, "own"),
                codes,
                role=role,
                per_case=1 if group % 9 == 0 else None,
                month_cap=cap if group % 4 < 3 else None,
                year_cap=7 * cap if group % 6 == 1 else None,
            )
    for group in range(TEMPLATES // 2):
        codes = tuple(f"{200_000_000_000 + 2 * group + n}" for n in range(2))
        points = 500 + 41 * group
        department = group // 18
        own = CATEGORIES[5 * department : 5 * department + 5]
        for part, categories in enumerate((own[:2], own[2:]) if group % 3 == 0 else ((),)):
            yield Rule(
                f"joint_{group:03}{part}",
                "joint",
                points + 333 * part,
                _leaf(group + 1, "team"),
                codes,
                categories,
                month_cap=4 * points + 125 if group % 3 < 2 else None,
                case_cap=points + 200 if group % 3 == 2 else None,
            )


def _approvals() -> Iterator[Rule]:
    for group in range(TEMPLATES // 4):
        first = 8 * (group % 18)
        kind = 1 + group // 18
        yield Rule(
            f"approved_{group:02}",
            "approved",
            100 + 15 * group,
            _leaf(group + 2, "own"),
            tuple(f"{kind * 100_000_000_000 + first + n}" for n in range(8)),
            role=ROLES[0],
            month_cap=2_000 + 60 * group if group % 3 else None,
        )


def _cases() -> Iterator[Rule]:
    for number, category in enumerate(CATEGORIES):
        of = (category,)
        yield Rule(f"closed_{category}", "closed", 8_001 + 1_111 * number, _leaf(number, "team"), category=of)
        yield Rule(
            f"led_{category}",
            "led",
            1_000 + 70 * number,
            _leaf(number + 3, "own"),
            category=of,
            year_cap=9_000,
        )
        yield Rule(
            f"overdue_{category}",
            "overdue",
            -500 - 50 * number,
            _leaf(2, "own"),
            category=of,
            month_cap=1_800,
        )


def _decimal(points: int | None) -> str:
    if points is None:
        return ""
    return f"{'-' if points < 0 else ''}{abs(points) // 1000}.{abs(points) % 1000:03}"


def _indicators() -> Iterator[str]:
    weights = ", ".join(f"{name}_score = {weight}" for name, weight in zip(DIMENSIONS, WEIGHTS, strict=True))
    yield f'[[indicators]]\nid = "total"\nlabel = "总分"\nkind = "weighted"\nweights = {{ {weights} }}\n'
    for name in DIMENSIONS:
        yield (
            f'[[indicators]]\nid = "{name}_score"\nlabel = "{name}得分"\nparent = "total"\nkind = "peers"\n'
            f'input = "{name}"\nfull = 100\nagainst = "max"\ngroup = "peers"\nwhen_zero = "zero"\nfloor = 0\n'
        )
        yield f'[[indicators]]\nid = "{name}"\nlabel = "{name}"\n'
        for kind in ("own", "team"):
            yield f'[[indicators]]\nid = "{name}_{kind}"\nlabel = "{name}:{kind}"\nparent = "{name}"\n'


def write_pack(folder: Path) -> Path:
    """Write the pack into a new folder and return it."""
    (folder / "parameters").mkdir(parents=True)
    sheets = [
        f'[[sheets]]\nid = "{role}"\nlabel = "{role}"\nrole = "{role}"\ntotal = "total"\n' for role in ROLES
    ]
    (folder / "policy.toml").write_text("\n".join([POLICY, *sheets, *_indicators()]), encoding="utf-8")
    (folder / "measures.toml").write_text(MEASURES, encoding="utf-8")
    (folder / "parameters" / "numbers.toml").write_text(PARAMETERS, encoding="utf-8")
    with (folder / "points.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for each in rules():
            lists = (";".join(each.code), ";".join(each.category), each.role, each.indicator)
            caps = [_decimal(cap) for cap in (each.case_cap, each.month_cap, each.year_cap)]
            writer.writerow(
                [
                    each.id,
                    each.id,
                    each.measure,
                    *lists,
                    _decimal(each.points),
                    each.per_case,
                    *caps,
                    "第四条",
                ]
            )
    return folder
