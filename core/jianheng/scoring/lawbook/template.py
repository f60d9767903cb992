"""Writing a new pack: whole and sound from the first minute, to be changed line by line."""

import re
from collections.abc import Iterator
from pathlib import Path

from jianheng.errors import StopError
from jianheng.scoring.law.pack import LEVELS
from jianheng.scoring.law.parameters import resolve, shown_value
from jianheng.scoring.law.policy import Policy

_TEMPLATE = Path(__file__).parent / "new_pack"
_PACK_ID = re.compile(r"[a-z][a-z0-9-]{0,59}")

_EXTENDING = """# {label}: 在 {parent} 的基础上修改. 没有写的, 一律依照 {parent}.
# 覆盖上级的规定要写 replaces (被替换内容的标记); 漏写或写错时, jianheng policy check 会给出应写的标记.

# 身份: 编号、名称、层级、地区代码、施行首日.
id = "{id}"
label = "{label}"
level = "{level}"
jurisdiction = "{jurisdiction}"
from = {since}
extends = "{parent}"

# 来源: 政策文件的名称和文号.
[source]
title = "实施细则(虚构)"
cite = "示例, 不是任何真实文件"

# 新增一个指标:
# [[indicators]]
# id = "local"
# label = "本地加分"
# parent = "{indicator}"
"""
_POINTS = (
    "id,label,measure,code,category,role,indicator,points,per_case,fault,from,until,replaces,cite,assumed\n"
)
_EXAMPLE = """# 算例: 一个小世界和它必须得出的结果. 修改了什么, 就为它的两侧和变更前后各写一例.

[[example]]
name = "没有任何事项: 账目为空"
period = "{year}"
people = {{ wang = {{ role = "{role}" }} }}
points = {{ wang = 0 }}
facts = {{}}
"""


def write_new_pack(folder: Path, pack_id: str, extends: Policy | None = None) -> list[Path]:
    """Write a new pack that passes its check at once; return its files.

    Args:
        folder: where; it must be empty or not be there.
        pack_id: its id.
        extends: the policy it shall rest on; without one it stands alone.

    Raises:
        StopError: there is something in the folder, or the id is not fit.
    """
    if not _PACK_ID.fullmatch(pack_id):
        raise StopError("policy-new-id", id=pack_id)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StopError("policy-new-exists", folder=str(folder))
    texts = dict(_alone(pack_id) if extends is None else _extending(pack_id, extends))
    written = []
    for name, text in sorted(texts.items()):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        mark = "utf-8-sig" if file.suffix == ".csv" else "utf-8"  # spreadsheets know UTF-8 by its mark
        file.write_text(text, encoding=mark)
        written.append(file)
    return written


def _alone(pack_id: str) -> Iterator[tuple[str, str]]:
    for file in _TEMPLATE.rglob("*.*"):
        text = file.read_text(encoding="utf-8-sig")
        yield file.relative_to(_TEMPLATE).as_posix(), text.replace('"new-pack"', f'"{pack_id}"')


def _extending(pack_id: str, parent: Policy) -> Iterator[tuple[str, str]]:
    file = parent.file
    level = LEVELS[min(LEVELS.index(file.level) + 1, len(LEVELS) - 1)]
    fields = {
        "id": pack_id,
        "label": f"{pack_id} (示例)",
        "level": level,
        "jurisdiction": file.jurisdiction,
        "since": file.since.isoformat(),
        "parent": parent.id,
        "indicator": file.indicators[0].id,
    }
    yield "policy.toml", _EXTENDING.format(**fields)
    yield "points.csv", _POINTS
    yield "parameters/own.toml", "\n".join(_overridable(parent, level))
    year = file.since.year + 2  # a whole year in which the policy holds, however its years begin
    yield "examples/own.toml", _EXAMPLE.format(year=year, role=file.sheets[0].role)


def _overridable(parent: Policy, level: str) -> Iterator[str]:
    """Yield the lines that would override each parameter that the level may set, all set aside."""
    yield "# 参数: 以下是这一级可以另设的参数; 去掉行首的 # 并改成本地的值和出处."
    for layer in parent.layers:
        for name, (_, declared) in layer.declarations.items():
            spans = resolve(parent.layers, name)
            if level not in declared.may_set or not spans or isinstance(spans[-1].value, tuple):
                continue
            value = shown_value(spans[-1].value)
            since = spans[-1].since.isoformat()
            yield ""
            yield f"# [{name}]  # {spans[-1].label}"
            yield f"# replaces = {value}"
            yield f'# values = [{{ from = {since}, value = {value}, cite = "本地文件" }}]'
    yield ""
