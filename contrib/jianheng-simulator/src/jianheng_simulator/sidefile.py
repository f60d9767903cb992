"""Rows beside a case, its suspects and its documents: measures, supervision, property, disclosure, files.

Few on purpose: enough of each table for whoever reads it. Which case has which falls by its number alone.
"""

from collections.abc import Callable
from datetime import datetime

from jianheng_simulator.life import NEVER, Numbered, limit_day
from jianheng_simulator.view import Row, Rows, Seen, View, fitting, fixed_columns, suspect_number
from jianheng_simulator.worktime import midnight_of, ordinal_of, time_of

_CRIMINAL = ("0201", "0301", "1701", "1722")
_POLICE = "公安分局"
_DETENTION = ("0201100101300", "拘留")
_ARREST = ("0201100101500", "逮捕")
_CIVIL = {
    "0702": "TYYW_MX_SPCXJD",
    "0703": "TYYW_MX_ZXHDJD",
    "0704": "TYYW_MX_BDLXZZJD",
    "0705": "TYYW_MX_ZCQS",
}
_NATURE = {False: ("0702300000000", "民事"), True: ("0702500000000", "行政")}

Part = Callable[[View, Numbered, Seen, Row], Rows]


def side_rows(view: View, numbered: Numbered, seen: Seen, fixed: Row) -> Rows:
    """The rows of a case in every table that has only some of the cases."""
    rows: Rows = {}
    for part in (
        _handling,
        _measures,
        _supervision,
        _civil,
        _suggestions,
        _organisation,
        _property,
        _files,
        _monitoring,
    ):
        rows |= part(view, numbered, seen, fixed)
    return {table: [fitting(table, row) for row in found] for table, found in rows.items()}


def _at(view: View, numbered: Numbered, seen: Seen, moment: int) -> Row:
    """The technical columns of a row written at one moment of a case and never touched again."""
    touched = numbered.life.deleted if seen.deleted else moment
    return fixed_columns(view, numbered, touched, deleted=seen.deleted) | {"CJSJ": time_of(moment)}


def _handling(view: View, numbered: Numbered, seen: Seen, _fixed: Row) -> Rows:
    life, number = numbered.life, numbered.ordinal
    begun = _at(view, numbered, seen, life.accepted)
    rows: Rows = {}
    if number % 4 == 0:
        method = "1" if number % 12 == 0 else "2"
        rows["YX_AG_AJFPRZ"] = [begun | {"DWBM": view.place.code, "FPFS": method}]
    if number % 71 == 0 and life.started < view.now:
        moment = _at(view, numbered, seen, life.started)
        rows["YX_AG_BGCBRJL"] = [moment | {"BGRQ": midnight_of(life.started), "BGYY": "工作调整"}]
    if life.redated < view.now:
        moment, right = _at(view, numbered, seen, life.redated), midnight_of(life.accepted)
        rows["YX_AG_SLRQXGJL"] = [
            moment | {"XGSJ": time_of(life.redated), "XSLRQ": right, "XGYY": "录入有误", "SFSPTG": "Y"}
        ]
    due = limit_day(life, view.now)
    if due and seen.concluded and ordinal_of(life.concluded) > due:
        late = datetime.fromordinal(due + 1)
        rows["YX_YJ_AJCQJL"] = [_at(view, numbered, seen, life.concluded) | {"KSCQRQ": late}]
    return rows


def _measures(view: View, numbered: Numbered, seen: Seen, _fixed: Row) -> Rows:
    life = numbered.life
    if life.category.code not in _CRIMINAL or numbered.ordinal % 3:
        return {}
    begun = _at(view, numbered, seen, life.accepted)
    code, name = _DETENTION if "arrest" in life.tags else _ARREST
    rows = [
        begun
        | {
            "XYRBH": suspect_number(numbered, suspect),
            "QZCSBH": f"{suspect.number:02d}1",
            "QZCS_DM": code,
            "QZCS_MC": name,
            "QZCSCQRQ": midnight_of(life.accepted),
            "ZXRQ": midnight_of(life.accepted),
        }
        for suspect in life.suspects
        if suspect.custody
    ]
    return {"TYYW_GG_QZCSQK": rows} if rows else {}


def _supervision(view: View, numbered: Numbered, seen: Seen, fixed: Row) -> Rows:
    life, number = numbered.life, numbered.ordinal
    code, done = life.category.code, midnight_of(life.concluded) if seen.concluded else None
    police = f"{view.place.short}{_POLICE}"
    if code == "0204":
        asked = midnight_of(life.started) if life.started < view.now else None
        row = {"JDLX_DM": "0225123040100", "JDLX_MC": "应当立案而不立案", "YQGAJGSMLALYRQ": asked}
        told = done if number % 3 else None  # every third time the police file the case when asked why not
        return {
            "TYYW_ZJ_LAJD": [fixed | row | {"GAJGZDLARQ": done if told is None else None, "TZGAJGLARQ": told}]
        }
    if code == "0212":
        row = {"SMTCJZRQ": done, "BJDZCJG_DWMC": police, "SJRQ": done, "ZCHDWFQX_DMS": "0212330101000"}
        return {"TYYW_ZJ_ZCHDJD": [fixed | row | {"ZCRQ": done if number % 2 else None}]}
    if code in ("0301", "1722") and number % 25 == 0 and seen.concluded:
        moment = _at(view, numbered, seen, life.concluded)
        if code == "1722":
            return {"TYYW_WJ_ZCHDJD": [moment | {"SMTCJZRQ": done, "WFDWMC": police}]}
        row = {"SMTCJZRQ": done, "JTWFDW": police, "HFRQ": done, "ZCHDWFQX_DMS": "0212330101000"}
        rows: Rows = {"TYYW_GS_ZCHDJD": [moment | row]}
        if seen.judged:
            judged = midnight_of(life.judged)
            late = _at(view, numbered, seen, life.judged)
            rows["TYYW_GS_SPHDJD"] = [late | {"SMTCJZRQ": judged, "SPHDWFQX_DMS": "0212330102000"}]
        return rows
    return {}


def _civil(_view: View, numbered: Numbered, seen: Seen, fixed: Row) -> Rows:
    code = numbered.life.category.code
    if code not in _CIVIL:
        return _custody_necessity(numbered, seen, fixed)
    done = midnight_of(numbered.life.concluded) if seen.concluded else None
    nature, named = _NATURE[code == "0704" or numbered.ordinal % 5 == 0]
    row = {"AJXZ_DM": nature, "AJXZ_MC": named, "JARQ": done, "JAQK_MC": "提出监督意见" if done else None}
    acts: dict[str, Row] = {
        "0702": {"TCJZWFTZRQ": done, "SFJZ": "Y" if done else None, "JZRQ": done},
        "0703": {"TCJCJYRQ": done, "SFCNJCJY": "Y" if done else None, "TCJCJYCNRQ": done},
        "0704": {"DCYFLXZZRQ": done, "SFCNYFLXZZJCJY": "Y" if done else None},
        "0705": {"ZCQSRQ": done},
    }
    return {_CIVIL[code]: [fixed | row | acts[code]]}


def _custody_necessity(numbered: Numbered, seen: Seen, fixed: Row) -> Rows:
    if numbered.life.category.code != "1602":
        return {}
    done = midnight_of(numbered.life.concluded) if seen.concluded else None
    suggested = seen.concluded and numbered.ordinal % 3 == 0
    row = {
        "SJRQ": done,
        "SJJG_DM": ("1602100100100" if suggested else "1602100100200") if done else None,
        "SJJG_MC": ("建议变更强制措施" if suggested else "不建议变更") if done else None,
    }
    return {"TYYW_ZXJC_BYXBLQK": [fixed | row]}


def _suggestions(view: View, numbered: Numbered, seen: Seen, _fixed: Row) -> Rows:
    life, number = numbered.life, numbered.ordinal
    if life.category.code != "0301" or not seen.concluded or number % 30 > 1:
        return {}
    moment, done = _at(view, numbered, seen, life.concluded), midnight_of(life.concluded)
    if number % 30:
        row = {"XH": "1", "YJZWFZXSRQ": done, "XSSXAY_AYMC": "受贿罪", "YSHZZBM_DWMC": "监察机关"}
        return {"TYYW_GG_XSYJQK": [moment | row]}
    row = {
        "XH": "1",
        "JCJYRQ": done,
        "JCJYDXMC": "某管理单位",
        "JCJYXZ_DM": "0301340101000",
        "JCJYXZ_MC": "社会治理",
    }
    return {"TYYW_GG_JCJYQK": [moment | row | {"CNRQ": done if number % 60 else None}]}


def _organisation(view: View, numbered: Numbered, seen: Seen, _fixed: Row) -> Rows:
    life = numbered.life
    if life.category.code != "0301" or numbered.ordinal % 60 != 7:  # noqa: PLR2004
        return {}
    done = seen.concluded
    row = _at(view, numbered, seen, life.concluded if done else life.accepted) | {
        "DWBH": f"{numbered.chain_no}D1",
        "DWMC": "某贸易公司",
        "SJCLQK_DM": life.outcome if done else None,
        "SJRQ": midnight_of(life.concluded) if done else None,
    }
    return {"TYYW_GG_DWFZXX": [row]}


def _property(view: View, numbered: Numbered, seen: Seen, _fixed: Row) -> Rows:
    life, number = numbered.life, numbered.ordinal
    if life.category.code not in _CRIMINAL or number % 8 > 1:
        return {}
    moment = _at(view, numbered, seen, life.accepted)
    came = midnight_of(life.accepted)
    if number % 8:
        row = {"FZXYRBH": suspect_number(numbered, life.suspects[0]), "SQRLX": "1403187300001"}
        rows: Rows = {"YX_AG_BHDLDJ": [moment | row | {"SQRSF": "1404187300003", "SQRQ": came}]}
        if seen.concluded and number % 16 == 1:
            heard = _at(view, numbered, seen, life.concluded) | {"TQBHRDYJRQ": midnight_of(life.concluded)}
            rows["YX_AG_BHYDLQK"] = [heard]
        return rows
    held = {"XH": "1", "SAKWLB": "现金", "SL": 1, "JZ": 1000 + number % 9000, "JZ_DW": "元", "BZ": "人民币"}
    return {
        "YX_AG_SAKWDJ": [moment | held | {"RKSJ": came, "KYRQ": came, "SL_KC": 0 if seen.completed else 1}]
    }


def _files(view: View, numbered: Numbered, seen: Seen, _fixed: Row) -> Rows:
    life, number, code = numbered.life, numbered.ordinal, view.place.code
    rows: Rows = {}
    if number % 6 == 0:
        made = {"JZBH": f"{code}{number % 100_000_000:08d}", "JZSCSJ": time_of(life.accepted)}
        rows["YX_DZJZ_JZJBXX"] = [
            _at(view, numbered, seen, life.accepted) | made | {"JZSCRGH": life.handler.staff_no}
        ]
    if seen.completed and number % 5 == 0:
        moment = _at(view, numbered, seen, life.completed)
        rows["YX_JWGK_AJGKRZ"] = [moment | {"DWBM": code, "GKZT": "1"}]
        if number % 25 == 0:
            paper = {
                "DWBM": code,
                "WSBH": f"G{number}",
                "GKDWBM": code,
                "GKRGH": life.handler.staff_no,
                "GKZT": "1",
            }
            rows["YX_JWGK_WSGKRZ"] = [moment | paper | {"GKSJ": time_of(life.completed)}]
    if seen.concluded and number % 20 == 0:
        told = {"DWBM": code, "CBRYJBH": f"Y{number}", "CBRGH": life.handler.staff_no}
        moment = _at(view, numbered, seen, life.concluded)
        rows["YX_WS_CBRYJ"] = [moment | told | {"NZRQ": midnight_of(life.concluded)}]
    return rows


def _monitoring(view: View, numbered: Numbered, seen: Seen, fixed: Row) -> Rows:
    life, number = numbered.life, numbered.ordinal
    if life.category.code == "1402":
        origin = _watched(view, numbered)
        card = {"TYYW_AG_LCJKXX": [fixed | {"SFFXWGQX": "Y" if number % 2 else "N"}]}
        return card | ({"YX_AG_GLAJ": [_link(view, numbered, seen, origin)]} if origin else {})
    if number % 61 == 0 and life.warned != NEVER and life.warned < view.now:
        form = "1416201300200" if number % 2 else "1416201300300"
        return {"TYYW_AG_LCJKRZ": [_at(view, numbered, seen, life.warned) | {"ZGJB": form}]}
    return {}


def _link(view: View, numbered: Numbered, seen: Seen, origin: Numbered) -> Row:
    begun = _at(view, numbered, seen, numbered.life.accepted)
    row = {name: begun[name] for name in ("SFSC", "FQL", "FQDWBM", "CJSJ", "ZHXGSJ")}
    for side, case in (("YAJ", origin), ("GLAJ", numbered)):
        row |= {
            f"{side}_BMSAH": case.case_no,
            f"{side}_AJLB_BM": case.life.category.code,
            f"{side}_CBDW_BM": view.place.code,
        }
    return row


def _watched(view: View, numbered: Numbered) -> Numbered | None:
    """The case before it that was taken in under a category of its own: that one was looked at."""
    last: Numbered | None = None
    for each in view.cases.values():
        if each is numbered:
            return last
        if each.life.category.code not in ("1401", "1402"):
            last = each
    return None
