"""A law with every kind of indicator, and an office scored by it: what explanations are tested on."""

from pathlib import Path

from mini_pack import write_pack
from upstream import case, document, person, posting

INDICATORS = """
[[indicators]]
id = "overall"
label = "综合得分"
kind = "weighted"
weights = { amount = "weight.amount", standard = 0.2, study = 0.1, opinion = 0.1, extra = 0.1 }
on_not_applicable = "reweight"
cite = "第十条"

[[indicators]]
id = "amount"
label = "办案量"
parent = "overall"
kind = "target"
input = "total"
target = "target.points"
full = 100
beyond = 0.5
ceiling = 150
cite = "第十一条"

[[indicators]]
id = "standard"
label = "规范"
parent = "overall"
kind = "deduct"
base = 100
floor = 60
cite = "第十二条"

[[indicators]]
id = "closed_count"
label = "办结数"
kind = "count"
unit = "件"
measures = ["closed"]

[[indicators]]
id = "made_count"
label = "文书数"
kind = "count"
unit = "份"
measures = ["made"]

[[indicators]]
id = "rate"
label = "每案文书"
kind = "ratio"
unit = "份"
numerator = "made_count"
denominator = "closed_count"

[[indicators]]
id = "tidy"
label = "文书分档"
parent = "standard"
kind = "tiers"
input = "rate"
tiers = [
  { less_than = "tier.few", points = -10 },
  { at_least = "tier.few", less_than = 3, points = "tier.middle" },
  { at_least = 3, points = 0 },
]

[[indicators]]
id = "study"
label = "与同部门相比"
parent = "overall"
kind = "peers"
against = "mean"
input = "total"
group = "department"
full = 100
when_zero = "zero"
ceiling = 120

[[indicators]]
id = "opinion"
label = "评议"
parent = "overall"
kind = "raters"
rating = "yearly"
weights = { leader = 0.6, colleague = 0.4 }
cite = "第十三条"

[[indicators]]
id = "extra"
label = "加分"
parent = "overall"
kind = "formula"
function = "half"
inputs = { given = "total", least = "target.points" }

[[indicators]]
id = "due"
label = "应办量"
kind = "caseload"
input = "closed_count"
group = "everyone"
mean_of = []
full = 100
ratios = { member = "ratio.member", dept_head = 0.5 }

[[indicators]]
id = "share"
label = "人均文书"
kind = "per_head"
unit = "倍"
input = "made_count"
reference = "reference.papers"
scale = 10

[[indicators]]
id = "above"
label = "高于同院"
kind = "peers"
against = "percentile"
input = "total"
group = "everyone"
full = 100

[[groups]]
id = "department"
label = "本部门"
by = ["unit", "department"]
rank = true

[[groups]]
id = "everyone"
label = "本院检察官"
by = ["unit", "role"]

[[caps]]
id = "papers_month"
label = "文书每月"
per = ["person", "month"]
indicators = ["papers"]
limit = "cap.papers"
cite = "第十四条"

[grades]
cite = "第十五条"
group = "everyone"
bands = [
  { id = "good", label = "优秀", at_least = "grade.good", share = 0.5 },
  { id = "fit", label = "称职", at_least = 40, less_than = "grade.good" },
  { id = "poor", label = "不称职", less_than = 40 },
]
vetoes = [{ measure = "odd", at_most = "fit", label = "奇文", cite = "第十六条" }]
"""

MEASURES = """
[odd]
label = "奇文"
grain = "document"
where = "template_code = 'odd'"
date = "drafted_on"
unit = "份"
code = "template_code"
actor = "drafter_key"
quantity = "2"
changes = [{ from = 2025-07-01, quantity = "3", cite = "第十七条" }]
"""

SUSPECTS = """
[suspects]
label = "嫌疑人"
grain = "suspect"
date = "case_accepted_on"
unit = "人"
actor = "case_handler_key"
"""

POINTS = """odd,奇文,odd,,,,standard,-3,,2025-04-01,2025-06-01,第十八条
odd,奇文,odd,,,,standard,-4,,2025-06-01,,第十八条 修订"""

PARAMETERS = """
[weight.amount]
label = "办案量权重"
unit = "权重"
verified = 2025-05-06
values = [{ from = 2024-01-01, value = 0.5, cite = "第十条" }]

[target.points]
label = "目标分"
unit = "分"
assumed = true
values = [
  { from = 2024-01-01, value = 20, cite = "第十一条" },
  { from = 2025-06-01, value = 30, cite = "第十一条 修订" },
]

[tier.few]
label = "偏少"
unit = "份"
values = [{ from = 2024-01-01, value = 1, cite = "第十二条" }]

[tier.middle]
label = "居中扣分"
unit = "分"
values = [{ from = 2024-01-01, value = -5, cite = "第十二条" }]

[ratio.member]
label = "一般人员系数"
unit = "系数"
values = [{ from = 2024-01-01, value = 0.8, cite = "第十三条" }]

[reference.papers]
label = "人均文书"
unit = "份"
values = []

[cap.papers]
label = "文书每月上限"
unit = "分"
values = [{ from = 2024-01-01, value = 4, cite = "第十四条" }]

[grade.good]
label = "优秀线"
unit = "分"
values = [{ from = 2024-01-01, value = 50, cite = "第十五条" }]
"""

FORMULAS = '''"""Formulas."""


def half(*, given, least):
    """Half of what is above the least."""
    return [None if a is None else max(a - b, 0) / 2 for a, b in zip(given, least)]
'''

SHEET = 'label = "检察官"\nrole = "quota_prosecutor"\n'
EDITS = (
    ("policy.toml", SHEET, f'{SHEET}total = "overall"\n'),
    ("policy.toml", "", INDICATORS),
    ("measures.toml", "", MEASURES),
    ("points.csv", "", POINTS),
    ("parameters/numbers.toml", "", PARAMETERS),
)

HOSTILE = "\"'><script>alert(1)</script>{{ 7*7 }}"

WORLD = {
    "person": [
        person("wang", name="王一"),
        person("sun", name="孙二"),
        person("li", name="李三"),
        person("zhao", name=HOSTILE),
    ],
    "posting": [
        posting("wang", department_key="d1", post_level="member"),
        posting("sun", department_key="d1", post_level="dept_head"),
        posting("li", "prosecutor_assistant", department_key="d1"),
        posting("zhao"),
    ],
    "department": [
        {"department_key": "d1", "unit_code": "990101", "department_code": "1", "name": "第一检察部"},
    ],
    "case": [
        case("A", concluded_on="2025-03-04", handler_key="wang", archived_on="2025-04-01"),
        case("B", concluded_on="2025-07-05", handler_key="wang"),
        case("C", concluded_on="2025-08-05", handler_key="sun", attributes={"note": HOSTILE}),
    ],
    "suspect": [
        {"suspect_key": f"s{n}", "case_no": "B", "suspect_no": n, "pseudonym": "甲某"} for n in (1, 2)
    ],
    "document": [
        document("d1", "A", template_code="report", drafter_key="wang", _locator="YX_WS_SL d1"),
        document("d2", "A", template_code="report", drafter_key="wang", drafted_on="2025-03-20"),
        document("d3", "B", template_code="report", drafter_key="wang", drafted_on="2025-08-01"),
        document("d4", "A", template_code="odd", name=HOSTILE, drafter_key="wang", drafted_on="2025-05-01"),
        document("d5", "B", template_code="odd", drafter_key="wang", drafted_on="2025-09-01"),
        document("d6", "A", template_code="charge", drafter_key="li"),
    ],
    "archive_volume": [{"volume_key": "v", "case_no": "A", "state": "accepted", "accepted_on": "2025-05-01"}],
    "code": [{"code_key": "c", "catalogue": "case_category", "code": "0301", "name": "一审公诉案件"}],
    "rating": [
        {
            "rating_key": f"r{n}",
            "rating": "yearly",
            "person_key": who,
            "rater_kind": kind,
            "score": score,
            "rated_on": "2025-12-01",
        }
        for n, (who, kind, score) in enumerate(
            [("wang", "leader", 90), ("wang", "leader", 95), ("wang", "colleague", 80), ("sun", "leader", 70)]
        )
    ],
}


def write_law(folder: Path, *edits: tuple[str, str, str]) -> Path:
    """Write the pack; return its folder."""
    made = write_pack(folder, *EDITS, *edits)
    (made / "formulas.py").write_text(FORMULAS, encoding="utf-8")
    return made
