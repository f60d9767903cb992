"""Rows of one case as the case database shows them before a moment: case, suspects, members, links."""

from datetime import date, datetime, timedelta

from jianheng_simulator.catalogue import words
from jianheng_simulator.chance import dice
from jianheng_simulator.life import ADULT, NEVER, Life, Numbered, Suspect, limit_day
from jianheng_simulator.office import DEPARTMENTS
from jianheng_simulator.outcomefile import outcome_rows
from jianheng_simulator.sidefile import side_rows
from jianheng_simulator.view import (
    NO_DATE,
    Row,
    Rows,
    Seen,
    View,
    chain_number,
    fixed_columns,
    look,
    suspect_number,
)
from jianheng_simulator.worktime import midnight_of, ordinal_of

_SEAT_TEAM = "2"
_SEAT_SOLE = "1"
_POLICE = "9901190102000"


def case_rows(view: View, numbered: Numbered) -> Rows:
    """All rows of a case except its documents."""
    life = numbered.life
    seen = look(life, view.now)
    fixed = fixed_columns(view, numbered, seen.touched, deleted=seen.deleted)
    rows: Rows = {"TYYW_GG_AJJBXX": [_case_row(view, numbered, seen, fixed)]}
    if life.suspects:
        rows["TYYW_GG_XYRJBXX"] = [_suspect_row(view, numbered, seen, suspect) for suspect in life.suspects]
    rows |= outcome_rows(view, numbered, seen, fixed)
    rows |= _member_rows(view, numbered, seen)
    rows |= _link_rows(view, numbered, seen)
    rows |= side_rows(view, numbered, seen, fixed)
    return rows


def _stage(life: Life, seen: Seen, now: int) -> str:
    if seen.completed:
        return "流程结束"
    if seen.concluded:
        return "出庭支持公诉" if life.judged != NEVER else "审结"
    times = sum(moment < now for moment in life.returned)
    if times > sum(moment < now for moment in life.resubmitted):
        return ("一次退回补充侦查", "二次退回补充侦查")[times - 1]
    return "审查" if life.started < now else "受理"


def _case_row(view: View, numbered: Numbered, seen: Seen, fixed: Row) -> Row:
    life, now = numbered.life, view.now
    category, handler, charge = life.category, life.handler, life.charge
    odd = numbered.ordinal % 5 == 0
    due = limit_day(life, now)
    accepted = midnight_of(life.accepted)
    if life.redated != NEVER and life.redated >= now:
        # Until somebody corrects it, the day of intake is a few days late.
        accepted += timedelta(days=life.redated_days)
    status = "3" if seen.archived else "2" if seen.concluded else "1" if life.started < now else "0"
    police = f"{view.place.short}公安分局"
    criminal = category.has_suspects and category.code[:2] != "16"
    campaign = words()["campaigns"][numbered.ordinal % 3] if numbered.ordinal % 29 == 0 else None
    others = numbered.ordinal % 13 == 0 and charge is not None
    return {
        **fixed,
        "SFYGXTSJ": "N",
        "SLRQ": accepted,
        "AJMC": _title(life),
        "AJLB_BM": category.code,
        "AJLB_MC": category.drifted_name if numbered.ordinal % 4 == 0 else category.name,
        "ZCJG_DWDM": _POLICE if criminal else None,
        "ZCJG_DWMC": police if criminal else None,
        "YSDW_DWDM": _POLICE if criminal else None,
        "YSDW_DWMC": police if criminal else None,
        "YSWSWH": f"{view.place.short}公刑字[{fixed['FQL']}]{numbered.ordinal % 100000:05d}号"
        if criminal
        else None,
        "YSAY_AYDM": charge.code if charge else None,
        "YSAY_AYMC": charge.name if charge else words()["causes"].get(category.code),
        # Several codes in one column, one after the other, thirteen characters each.
        "YSQTAY_AYDMS": "99030500640009903060093000" if others else None,
        "YSQTAY_AYMCS": "盗窃罪,寻衅滋事罪" if others else None,
        "CBRGH": handler.staff_no.ljust(6),
        "CBR": handler.name,
        "CBBM_BM": life.department,
        "CBBM_MC": DEPARTMENTS[life.department][0],
        "AJZT": status,
        "SFSWAJ": "N",
        "SFDBAJ": "Y" if life.supervised else "N",
        "WCRQ": midnight_of(life.completed) if seen.completed else NO_DATE if odd else None,
        "GDRQ": midnight_of(life.archived) if seen.archived else NO_DATE if odd else None,
        "GDRGH": handler.staff_no if seen.archived else None,
        "GDR": handler.name if seen.archived else None,
        "AQZY": None,
        "DQJD": _stage(life, seen, now),
        "BLKSRQ": midnight_of(life.started) if life.started < now else None,
        "BLTS": ordinal_of(life.concluded) - ordinal_of(life.accepted) if seen.concluded else None,
        "DQRQ": datetime.combine(date.fromordinal(due), datetime.min.time()) if due else NO_DATE,
        "BJRQ": midnight_of(life.concluded)
        if seen.concluded
        else NO_DATE
        if numbered.ordinal % 11 == 0
        else None,
        "YJZT": "1" if life.warned < now and not seen.concluded else "0",
        "JYYJZT": "0",
        "JYYJHCQXYRGS": 0,
        "LCSLBH": "01",
        "FXDJ": "1" if len(life.suspects) > 2 else None,  # noqa: PLR2004
        "SFGZAJ": "Y" if len(life.suspects) > 4 else "N",  # noqa: PLR2004
        "YSYJ_DM": {"0201": "9930108100002", "0301": "9930108100001"}.get(category.code),
        "YSYJ_MC": {"0201": "提请批准逮捕意见", "0301": "移送起诉意见"}.get(category.code),
        "SFJBAJ": "N",
        "SFZXHD": "Y" if campaign else "N",
        "ZXHDMC": campaign,
        "FZRSFZHM": None,
        "BADYBM": life.unit.code if life.unit else None,
        "BADYMC": life.unit.name if life.unit else None,
        "ZCJGSFJYSYRZRF": ("Y" if life.plea else "N") if criminal else None,
    }


def _title(life: Life) -> str:
    if life.suspects:
        cause = life.charge.name[:-1] if life.charge else life.category.name
        return f"{life.suspects[0].name}{'等人' if len(life.suspects) > 1 else ''}涉嫌{cause}案"
    return f"{words()['causes'].get(life.category.code, life.category.name)}案"


def _suspect_row(view: View, numbered: Numbered, seen: Seen, suspect: Suspect) -> Row:
    life = numbered.life
    arrest = "arrest" in life.tags
    rng = dice(numbered.chain_no, suspect.number)
    born = date(suspect.born_year, rng.randint(1, 12), rng.randint(1, 28))
    # A hasty entry taken back, or the whole case deleted.
    gone = seen.deleted or (suspect.number > 1 and numbered.ordinal % 41 == 0 and seen.concluded)
    # The row of a suspect changes with the intake and the conclusion only.
    touched = life.deleted if seen.deleted else life.concluded if seen.concluded else life.accepted
    held = suspect.custody and (seen.concluded or not arrest)
    return {
        **fixed_columns(view, numbered, touched, deleted=gone),
        "XYRBH": suspect_number(numbered, suspect),
        "SFZF": "Y" if suspect.number == 1 else "N",
        "XM": suspect.name,
        "XB_DM": ("1" if suspect.male else "2").ljust(13),
        "XB_MC": "男性" if suspect.male else "女性",
        "ZP": "FAKE-PHOTO-MUST-NOT-BE-READ",
        "ZASNL": str(suspect.age_then),
        "CSRQ": datetime.combine(born, datetime.min.time()) if numbered.ordinal % 17 else NO_DATE,
        "ZJLX_DM": "01".ljust(13),
        "ZJLX_MC": "居民身份证",
        "ZJHM": f"FAKE{numbered.ordinal}{suspect.number:02d}X",
        "MZ_MC": "汉族",
        "GJ_MC": "中国",
        "SJYZK_MC": rng.choice(("小学", "初中", "初中", "高中", "大学本科")),
        "SZXXMC": rng.choice(words()["schools"]) if suspect.age_then < ADULT else None,
        "SFZT": "N",
        "JYKSRQ": midnight_of(life.concluded if arrest else life.accepted) if held else None,
        "NL": suspect.age_then,
        "SFWDW": "N",
    }


def _member_rows(view: View, numbered: Numbered, seen: Seen) -> Rows:
    life = numbered.life
    fixed = fixed_columns(
        view, numbered, life.deleted if seen.deleted else life.accepted, deleted=seen.deleted
    )
    shared = {name: fixed[name] for name in ("BMSAH", "SFSC", "FQL", "FQDWBM", "CJSJ", "ZHXGSJ")}
    rows: Rows = {
        "YX_QX_BADYAJQX": [
            {
                **shared,
                "DWBM": view.place.code,
                "BMBM": life.department,
                # Without a handling unit the members still stand with the case.
                "BADYBM": life.unit.code if life.unit else f"{life.department}000",
                "BADYJSBH": seat,
                "GH": person.staff_no,
                "BADYLX": _SEAT_TEAM if life.unit and life.unit.team else _SEAT_SOLE,
                "ZYBM": "AJ",
                "ZYLX": "1",
                "SQLX": "1",
            }
            for person, seat in life.members
        ]
    }
    if life.helper:
        post = life.helper.posts[-1]
        rows["YX_XT_XTCBR"] = [
            {
                **shared,
                "XTCBRDW_BM": life.helper.unit,
                "XTCBRDW_MC": view.place.above[0][1],
                "XTCBRBM_BM": post.department,
                "XTCBRBM_MC": DEPARTMENTS[post.department][0],
                "XTCBRGH": life.helper.staff_no,
                "XTCBR": life.helper.name,
            }
        ]
    return rows


def _link_rows(view: View, numbered: Numbered, seen: Seen) -> Rows:
    life = numbered.life
    origin = view.cases.get(life.parent)
    fixed = fixed_columns(
        view, numbered, life.deleted if seen.deleted else life.accepted, deleted=seen.deleted
    )
    shared = {name: fixed[name] for name in ("SFSC", "FQL", "FQDWBM", "CJSJ", "ZHXGSJ")}
    rows: Rows = {}
    if origin and life.relation == "linked":
        rows["YX_AG_GLAJ"] = [
            {
                **shared,
                **{f"YAJ_{name}": value for name, value in _end_of_link(view, origin).items()},
                **{f"GLAJ_{name}": value for name, value in _end_of_link(view, numbered).items()},
            }
        ]
    if origin and life.relation == "split":
        rows["YX_AG_CAJL"] = [{**shared, "BMSAH": numbered.case_no, "BMSAH_Y": origin.case_no}]
    serial = int(numbered.case_no[-6:-1])
    if not origin and life.category.code == "0301" and serial % 97 == 2:  # noqa: PLR2004
        # The matter had been filed before; that earlier case was merged into this one.
        rows["YX_AG_BAJL"] = [
            {**shared, "BMSAH": numbered.case_no, "BMSAH_B": f"{numbered.case_no[:-6]}{serial - 1:05d}号"}
        ]
    return rows


def _end_of_link(view: View, numbered: Numbered) -> Row:
    category = numbered.life.category
    return {
        "BMSAH": numbered.case_no,
        "TYSAH": chain_number(numbered),
        "AJLB_BM": category.code,
        "AJLB_MC": category.name,
        "CBDW_BM": view.place.code,
        "CBDW_MC": view.place.name,
    }
