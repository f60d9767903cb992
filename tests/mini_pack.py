"""A small policy pack for tests: two roles, a team, an authority list, dated factors. Tests replace its parts."""

from pathlib import Path

POLICY = """
id = "mini"
label = "小政策"
level = "office"
jurisdiction = "990000"
from = 2024-01-01
closing = "concluded_on"
due_for_archive = "closed_on is not null and archive_accepted_on is null"

[source]
title = "测试"
cite = "第一条"

[[gates]]
label = "归档"
final_when = "archive_accepted_on is not null"

[authority]
unlisted = "refuse"
cite = "第二条"

[team]
weights = { quota_prosecutor = "team.prosecutor", prosecutor_assistant = "team.assistant" }

[[sheets]]
id = "prosecutor"
label = "检察官"
role = "quota_prosecutor"

[[sheets]]
id = "assistant"
label = "助理"
role = "prosecutor_assistant"

[[indicators]]
id = "total"
label = "总分"

[[indicators]]
id = "work"
label = "办案"
parent = "total"

[[indicators]]
id = "papers"
label = "文书"
parent = "work"

[[factors]]
id = "special"
label = "特殊案件"
measures = ["closed"]

[[factors.choices]]
id = "large"
label = "人多"
value = "factor.large"
when = "suspect_count >= 2"

[[factors.choices]]
id = "declared"
label = "申报"
value = "factor.declared"
declared = "major_case"

[[factors]]
id = "papers"
label = "人多的文书"
measures = ["made"]

[[factors.choices]]
id = "large"
label = "人多"
value = "factor.large"
when = "suspect_count >= 2"
"""

MEASURES = """
[closed]
label = "办结"
grain = "case"
where = "closed_on is not null"
date = "closed_on"
unit = "件"
item = "category"
team = true

[made]
label = "文书"
grain = "document"
where = "drafted_on is not null"
date = "drafted_on"
unit = "份"
code = "template_code"
item = "name"
actor = "drafter_key"
"""

POINTS = """id,label,measure,code,category,role,indicator,points,per_case,from,until,cite
closed,办结,closed,,,,work,10,,,,第三条
made_p,检察官文书,made,charge;report,,quota_prosecutor,papers,3,,,,第四条
made_a,助理文书,made,report,,prosecutor_assistant,papers,2,2,,,第五条
"""

AUTHORITY = """measure,code,category,role,post_level,cite
made,charge,,quota_prosecutor,,第六条
made,report,,,,第六条
"""

PARAMETERS = """
[team.prosecutor]
label = "检察官"
unit = "权重"
values = [{ from = 2024-01-01, value = 0.6, cite = "第七条" }]

[team.assistant]
label = "助理"
unit = "权重"
values = [{ from = 2024-01-01, value = 0.3, cite = "第七条" }]

[factor.large]
label = "人多"
unit = "倍"
values = [
  { from = 2024-01-01, value = 1.5, cite = "第八条" },
  { from = 2025-07-01, value = 2, cite = "第八条, 修订" },
]

[factor.declared]
label = "申报"
unit = "倍"
values = [{ from = 2024-01-01, value = 1.8, cite = "第九条" }]
"""

FILES = {
    "policy.toml": POLICY,
    "measures.toml": MEASURES,
    "points.csv": POINTS,
    "authority.csv": AUTHORITY,
    "parameters/numbers.toml": PARAMETERS,
}


def write_pack(folder: Path, *edits: tuple[str, str, str]) -> Path:
    """Write the pack, with edits ``(file, old, new)``; an empty ``old`` appends. Return its folder."""
    texts = dict(FILES)
    for name, old, new in edits:
        assert not old or texts[name].count(old) == 1, (
            f"{old!r} stands {texts[name].count(old)} times in {name}"
        )
        texts[name] = texts[name].replace(old, new) if old else f"{texts[name]}{new}\n"
    (folder / "parameters").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def edit(folder: Path, name: str, old: str, new: str) -> None:
    """Change one place of a written file; an empty ``old`` appends."""
    file = folder / name
    text = file.read_text(encoding="utf-8")
    assert not old or text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
    file.write_text(text.replace(old, new) if old else f"{text.rstrip()}\n{new}\n", encoding="utf-8")
