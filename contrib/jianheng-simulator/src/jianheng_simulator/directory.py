"""Rows of the organisation: units, departments, staff, roles, handling units, code lists."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from jianheng_simulator.catalogue import categories, charges, read_table
from jianheng_simulator.office import (
    ADMIN,
    ASSISTANT,
    CLERK,
    DEPARTMENTS,
    LEADERS,
    QUOTA,
    HandlingUnit,
    Office,
    Person,
    Post,
    level_of,
)
from jianheng_simulator.paper import APPROVAL_ROLES
from jianheng_simulator.view import Row, Rows
from jianheng_simulator.worktime import ordinal_of

_ROLE_CODES = {
    QUOTA: ("004", "检察官"),
    ASSISTANT: ("005", "检察官助理"),
    CLERK: ("006", "书记员"),
    ADMIN: ("007", "司法行政人员"),
}
_LEVEL_NAMES = {"chief": "检察长", "deputy_chief": "副检察长", "dept_head": "部门负责人"}
_SEATS = {"1": "主任检察官", "2": "检察官", "3": "检察官助理", "4": "书记员"}


def directory_rows(offices: Sequence[Office], now: int) -> Rows:
    """All organisation and code rows as seen before a moment."""
    rows: Rows = {
        name: [] for name in ("XT_ZZJG_DWBM", "XT_ZZJG_BMBM", "XT_ZZJG_RYBM", "XT_QX_JSBM", "XT_QX_RYJSFP")
    }
    rows |= {"XT_ZZJG_BADYDY": [], "XT_QX_BADYRYFP": []} | _code_rows()
    known: set[str] = set()
    for office in offices:
        above = [
            (code, name, short, parent)
            for (code, name, short), parent in zip(
                office.place.above, [*(u[0] for u in office.place.above[1:]), None], strict=True
            )
        ]
        here = (office.place.code, office.place.name, office.place.short, office.place.above[0][0])
        for code, name, short, parent in (here, *above):
            if code not in known:
                known.add(code)
                rows["XT_ZZJG_DWBM"].append(_unit_row(code, name, short, parent))
                rows["XT_ZZJG_BMBM"] += _department_rows(code)
                rows["XT_QX_JSBM"] += _role_rows(code)
                if code == office.place.above[0][0]:
                    _add_staff(rows, office.guests, now, office)
        _add_staff(rows, office.people, now, office)
        for number, unit in enumerate(office.units, start=1):
            _add_handling_unit(rows, office, unit, number, now)
    return rows


def _unit_row(code: str, name: str, short: str, parent: str | None) -> Row:
    level = "1" if parent is None else "2" if code.endswith("0000") else "3" if code.endswith("00") else "4"
    return {
        "DWBM": code,
        "DWMC": name,
        "FDWBM": parent,
        "DWJB": int(level),
        "SFSC": "N",
        "DWJC": short,
        "DWSX": "0",
    }


def _department_rows(unit: str) -> list[Row]:
    return [
        {
            "DWBM": unit,
            "BMBM": code,
            "FBMBM": None,
            "BMMC": name,
            "BMJC": short,
            "SFLSJG": "N",
            "SFCBBM": "Y" if code[:2] in ("01", "02") else "N",
            "BMXH": number,
            "SFSC": "N",
            "BMYS": mapping,
        }
        for number, (code, (name, short, mapping)) in enumerate(DEPARTMENTS.items(), start=1)
    ]


def _role_rows(unit: str) -> list[Row]:
    names = {APPROVAL_ROLES[level]: name for level, name in _LEVEL_NAMES.items()} | dict(_ROLE_CODES.values())
    return [
        {
            "DWBM": unit,
            "JSBM": role,
            "JSMC": name,
            "BMBM": department,
            "JSXH": int(role),
            "SPJSBM": role if role < "005" else None,
        }
        for department in DEPARTMENTS
        for role, name in sorted(names.items())
        if (department == LEADERS) == (role in ("001", "002")) or role == "004"
    ]


def role_code(post: Post) -> str:
    """The role code somebody holds by a post."""
    level = level_of(post.duty) if post.role == QUOTA else ""
    return APPROVAL_ROLES[level] if level else _ROLE_CODES[post.role][0]


def _records(person: Person, now: int) -> Iterator[tuple[Post, bool]]:
    """The staff records of a person: one a unit, with its latest post; old units' are closed."""
    begun = [post for post in person.posts if post.start.toordinal() < _day_after(now)]
    latest = {post.unit: post for post in begun}
    for unit, post in latest.items():
        yield post, unit == begun[-1].unit


def _day_after(now: int) -> int:
    # A moment that ends a day opens the next workday; the posts of that day are not seen yet.
    return ordinal_of(now - 1) + 1


def _add_staff(rows: Rows, people: Sequence[Person], now: int, office: Office) -> None:
    for number, person in enumerate(people, start=1):
        for post, current in _records(person, now):
            moved = post.unit != person.unit
            rows["XT_ZZJG_RYBM"].append(
                {
                    "DWBM": post.unit,
                    "GH": post.staff_no,
                    "DLBM": f"user{post.unit}{post.staff_no}",
                    "KL": "FAKE-PASSWORD-MUST-NOT-BE-READ",
                    "MC": person.name,
                    "GZZH": f"{post.unit}{post.staff_no}",
                    "YDDHHM": "00000000000",
                    "YDWBM": person.unit if moved else None,
                    "YDWMC": office.place.name if moved else None,
                    "SFLSRY": "N",
                    "SFSC": "N" if current else "Y",
                    "SFTZ": "N",
                    "ZP": "FAKE-PHOTO-MUST-NOT-BE-READ",
                    "XB": "1" if person.male else "0",
                    "SFZH": f"FAKE{post.unit}{post.staff_no}0000X",
                    "SF": _ROLE_CODES[post.role][1],
                }
            )
            role = {"DWBM": post.unit, "BMBM": post.department, "JSBM": role_code(post), "GH": post.staff_no}
            rows["XT_QX_RYJSFP"].append({**role, "ZJLDGH": None, "RYXH": number})


def _add_handling_unit(rows: Rows, office: Office, unit: HandlingUnit, number: int, now: int) -> None:
    day = max(unit.since, min(post.start for post in unit.members[0][0].posts))
    if day.toordinal() >= _day_after(now):
        return
    head = unit.members[0][0]
    made = datetime.combine(day, datetime.min.time())
    kind = "2" if unit.team else "1"
    rows["XT_ZZJG_BADYDY"].append(
        {
            "DWBM": office.place.code,
            "BMBM": unit.department,
            "BADYBM": unit.code,
            "BADYMC": unit.name,
            "BADYXH": number,
            "BADYLX": kind,
            "SFSC": "N",
            "FZRGH": head.staff_no,
            "SFLS": "N",
            "FZRXM": head.name,
            "CJSJ": made,
            "ZHXGSJ": made,
            "FZRSFZH": f"FAKE{office.place.code}{head.staff_no}0000X",
        }
    )
    rows["XT_QX_BADYRYFP"] += [
        {
            "DWBM": office.place.code,
            "BMBM": unit.department,
            "BADYBM": unit.code,
            "BADYLX": kind,
            "BADYJSBH": seat,
            "BADYJSMC": _SEATS[seat],
            "GH": person.staff_no,
            "RYXH": order,
            "CJSJ": made,
        }
        for order, (person, seat) in enumerate(unit.members, start=1)
    ]


def _code_rows() -> Rows:
    kinds = [
        {
            "YWBM": one.code[:2],
            "AJLBBM": one.code,
            "AJLBMC": one.name,
            "AJSLJC": one.short,
            "SFSC": "N",
            "XH": number,
        }
        for number, one in enumerate(categories().values(), start=1)
    ]
    lines = [
        {"YWBM": row["code"], "YWMC": row["name"], "YWJC": row["short"], "SFSC": "N", "XH": number}
        for number, row in enumerate(read_table("lines.csv"), start=1)
    ]
    codes: list[Row] = [
        {
            "DM": row["code"].ljust(13),
            "LBBM": row["list"],
            "FDM": row["parent"] or None,
            "MC": row["name"],
            "SFSC": "N",
        }
        for row in read_table("codes.csv")
    ]
    codes += [
        {"DM": one.code, "LBBM": "9903", "FDM": None, "MC": one.name, "SFSC": "N"} for one in charges()[0]
    ]
    return {"XT_DM_AJLBBM": kinds, "XT_DM_YWBM": lines, "XT_DM_FLDM": codes}
