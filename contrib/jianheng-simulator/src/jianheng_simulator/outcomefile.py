"""Rows with the outcome of a case, in the table its category keeps it in."""

from datetime import datetime

from jianheng_simulator.catalogue import code_names
from jianheng_simulator.life import Life, Numbered, Suspect
from jianheng_simulator.view import NO_DATE, Row, Rows, Seen, View, fitting, fixed_columns, suspect_number
from jianheng_simulator.worktime import midnight_of


def outcome_rows(view: View, numbered: Numbered, seen: Seen, fixed: Row) -> Rows:
    """The outcome rows of a case, empty for categories without a table of their own."""
    life = numbered.life
    code = life.category.code
    named = code_names()
    concluded = midnight_of(life.concluded) if seen.concluded else None
    outcome = life.outcome if seen.concluded else ""
    if code in ("0201", "1701"):
        case = {
            **fixed,
            "SJRQ": concluded,
            "SJCLJG_DM": outcome or None,
            "SJCLJG_MC": named.get(outcome),
            **_agreed(life, seen, "SDAY"),
        }
        case |= {"GTFZRS": len(life.suspects), "SFLAJDAJ": "N"}
        people = [_arrest_row(view, numbered, seen, suspect) for suspect in life.suspects]
        if code == "1701":
            return {
                "TYYW_WJ_SCDB": [fitting("TYYW_WJ_SCDB", case)],
                "TYYW_WJ_FZXYR": [fitting("TYYW_WJ_FZXYR", each) for each in people],
            }
        return {"TYYW_ZJ_SCDB": [case], "TYYW_ZJ_FZXYR": people}
    if code in ("0301", "1722"):
        side = "WJ" if code == "1722" else "GS"
        case = _prosecution_row(numbered, seen, fixed, view.now)
        people = [_defendant_row(view, numbered, seen, suspect) for suspect in life.suspects]
        tables = {f"TYYW_{side}_SCQS": [case], f"TYYW_{side}_XYRQK": people}
        return {table: [fitting(table, each) for each in rows] for table, rows in tables.items()}
    if code == "0701":
        result = ("0704220100002" if outcome == "support" else "0704220100004") if outcome else ""
        row = {**fixed, "JACLRQ": concluded, "JACLQK_DM": result or None, "JACLQK_MC": named.get(result)}
        return {
            "TYYW_MX_MSXZJD": [
                row
                | {
                    "SFTZ": "Y" if life.plea else "N",
                    "SFDCHS": "Y",
                    "AJXZ_DM": "0702300000000",
                    "AJXZ_MC": "民事",
                }
            ]
        }
    if code == "0901":
        result = ("0916132402000" if outcome == "support" else "0916132401000") if outcome else ""
        kind = "0930136301000" if numbered.ordinal % 3 == 0 else "0930136302000"
        row = {
            **fixed,
            "SSLB_DM": kind,
            "SSLB_MC": named[kind],
            "LAFCJARQ": concluded,
            "LAFCJG_DM": result or None,
            "LAFCJG_MC": named.get(result),
        }
        return {"TYYW_SS_XSSSFC": [row | {"BLRQ": concluded, "BLQK_MC": "审查办结" if outcome else None}]}
    return {}


def _agreed(life: Life, seen: Seen, name: str) -> Row:
    charge = life.charge if seen.concluded else None
    return {f"{name}_AYDM": charge.code if charge else None, f"{name}_AYMC": charge.name if charge else None}


def _arrest_row(view: View, numbered: Numbered, seen: Seen, suspect: Suspect) -> Row:
    life = numbered.life
    known = suspect.outcome if seen.concluded else None
    touched = life.deleted if seen.deleted else life.concluded if seen.concluded else life.accepted
    return {
        **fixed_columns(view, numbered, touched, deleted=seen.deleted),
        "XYRBH": suspect_number(numbered, suspect),
        "SXAY_AYMC": life.charge.name if life.charge else None,
        "SFXWFZXYR": "Y",
        "SJRQ": midnight_of(life.concluded) if seen.concluded else None,
        "SJCLJG_DM": known,
        "SJCLJG_MC": code_names().get(known or ""),
        "SDAY_AYMC": life.charge.name if life.charge and seen.concluded else None,
        "BHCARQ": NO_DATE if numbered.ordinal % 7 == 0 else None,
    }


def _prosecution_row(numbered: Numbered, seen: Seen, fixed: Row, now: int) -> Row:
    life = numbered.life

    def on(moments: tuple[int, ...], place: int) -> datetime | None:
        return midnight_of(moments[place]) if len(moments) > place and moments[place] < now else None

    outcome = life.outcome if seen.concluded else ""
    charged = seen.concluded and "prosecute" in life.tags
    judged = midnight_of(life.judged) if seen.judged else None
    return {
        **fixed,
        "SJRQ": midnight_of(life.concluded) if seen.concluded else None,
        "SJQK_DM": outcome or None,
        "SJQK_MC": code_names().get(outcome),
        **_agreed(life, seen, "SDAY"),
        "GTFZRS": len(life.suspects),
        "YCYCRQ": midnight_of(life.extended) if life.extended < now else None,
        "YCTCRQ": on(life.returned, 0),
        "YCCBRQ": on(life.resubmitted, 0),
        "ECTCRQ": on(life.returned, 1),
        "ECCBRQ": on(life.resubmitted, 1),
        "YSFYRQ": midnight_of(life.concluded) if charged else NO_DATE if numbered.ordinal % 9 == 0 else None,
        "BQSJDRQ": midnight_of(life.concluded) if seen.concluded and not charged else None,
        "CTRQ": midnight_of(life.judged) if judged else None,
        "YSPJRQ": judged,
        "YSPJSDRQ": judged,
        "YSCPSWH": f"刑初{numbered.ordinal % 100000}号" if judged else None,
        "JCJGSFSYRZRF": ("Y" if life.plea else "N") if seen.concluded else None,
        "SFWJCJGJYSYSCCX": ("Y" if life.plea and numbered.ordinal % 3 == 0 else "N")
        if seen.concluded
        else None,
    }


def _defendant_row(view: View, numbered: Numbered, seen: Seen, suspect: Suspect) -> Row:
    life = numbered.life
    charged = suspect.sentence != ""
    known = suspect.outcome if seen.concluded else None
    judged = midnight_of(life.judged) if seen.judged and charged else None
    touched = max(
        (
            moment
            for moment in (life.accepted, life.concluded, life.judged, life.deleted)
            if moment < view.now
        ),
        default=life.accepted,
    )
    return {
        **fixed_columns(view, numbered, touched, deleted=seen.deleted),
        "XYRBH": suspect_number(numbered, suspect),
        "YS_AYDM": life.charge.code if life.charge else None,
        "YS_AYMC": life.charge.name if life.charge else None,
        "SFZF": "Y" if suspect.number == 1 else "N",
        "SJRQ": midnight_of(life.concluded) if seen.concluded else None,
        "SJCLQK_DM": known,
        "SJCLQK_MC": code_names().get(known or ""),
        "BQSJDRQ": midnight_of(life.concluded) if seen.concluded and not charged else None,
        "BQSZL_DM": known if seen.concluded and not charged else None,
        "BQSZL_MC": code_names().get(known or "") if seen.concluded and not charged else None,
        "TQGSRQ": midnight_of(life.concluded) if seen.concluded and charged else None,
        "YYSPJRQ": judged,
        "YSXGX_DM": suspect.sentence if judged else None,
        "YSXGX_MC": code_names().get(suspect.sentence) if judged else None,
        "YSXGXXQ": str(suspect.months) if judged else None,
        "YSHXKYQ": str(suspect.months + 6) if judged and life.plea and suspect.months < 36 else None,  # noqa: PLR2004
        "SXPJRQ": NO_DATE if numbered.ordinal % 6 == 0 else None,
        "SFFYCQLXJY": ("Y" if numbered.ordinal % 12 else "N") if judged else None,
        "JCJGSFSYRZRF": ("Y" if life.plea else "N") if seen.concluded else None,
    }
