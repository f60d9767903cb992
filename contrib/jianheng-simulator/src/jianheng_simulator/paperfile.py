"""Rows of documents and approvals as the case database shows them before a moment."""

from collections.abc import Sequence

from jianheng_simulator.life import NEVER, Numbered
from jianheng_simulator.paper import Approval, Paper
from jianheng_simulator.view import Row, Rows, View, chain_number
from jianheng_simulator.worktime import day_of, midnight_of, time_of


def paper_number(view: View, numbered: Numbered, paper: Paper) -> str:
    """The number of a document, unique within the unit."""
    return f"{view.place.code}{numbered.ordinal}{paper.index:03d}"


def paper_rows(view: View, numbered: Numbered, papers: Sequence[Paper]) -> Rows:
    """The documents of a case and their approvals."""
    life = numbered.life
    shared: Row = {
        "BMSAH": numbered.case_no,
        "TYSAH": chain_number(numbered),
        "FQL": str(day_of(life.accepted).year),
        "FQDWBM": int(view.place.code[:4]),
        "DWBM": view.place.code,
    }
    documents: list[Row] = []
    approvals: list[Row] = []
    for paper in papers:
        if paper.drafted < view.now:
            number = paper_number(view, numbered, paper)
            gone = min(paper.deleted, life.deleted)
            documents.append(_paper_row(view, number, paper, gone, shared))
            approvals += [
                _approval_row(view, number, paper, step, gone, shared)
                for step in paper.approvals
                if step.sent < view.now
            ]
    return {"YX_WS_SL": documents, "YX_WS_SP": approvals}


def _paper_row(view: View, number: str, paper: Paper, gone: int, shared: Row) -> Row:
    now = view.now
    sent: Approval | None = None
    decided: Approval | None = None
    touched = paper.drafted
    for step in paper.approvals:
        if step.sent < now:
            sent, touched = step, step.sent
        if step.decided < now:
            decided, touched = step, step.decided
    filed = paper.filed < now
    if filed:
        touched = max(touched, paper.filed)
    deleted = gone < now
    if deleted:
        touched = max(touched, gone)
    template, drafter = paper.template, paper.drafter
    drafted = time_of(paper.drafted)
    return {
        **shared,
        "SFSC": "Y" if deleted else "N",
        "CJSJ": drafted,
        "ZHXGSJ": time_of(touched),
        "WSBH": number,
        "WSMC": template.name,
        "WSMBBH": template.code,
        "WJLX": "1",
        "LCSLBH": "01",
        "NZRQ": drafted,
        "NZRGH": drafter.staff_no,
        "NZRXM": drafter.name,
        "WJZT": "3" if not paper.approvals or decided is paper.approvals[-1] else "2" if sent else "1",
        "SPRGH": decided.approver.staff_no if decided else None,
        "SPRXM": decided.approver.name if decided else None,
        "SPJL": decided.verdict if decided else None,
        "SPJSBM": decided.role_code if decided else None,
        "WJKZM": "docx",
        "SFRJ": "Y" if filed else "N",
        "SCRJRQ": midnight_of(paper.filed) if filed else None,
        "SSRQ": time_of(sent.sent) if sent else None,
        "SPRQ": time_of(decided.decided) if decided else None,
        "SSRGH": drafter.staff_no if sent else None,
        "SSRXM": drafter.name if sent else None,
        "SFKYGX": "N",
    }


def _approval_row(view: View, number: str, paper: Paper, step: Approval, gone: int, shared: Row) -> Row:
    decided = step.decided < view.now
    deleted = gone < view.now
    touched = max(step.decided if decided else step.sent, gone if deleted and gone != NEVER else 0)
    sent = time_of(step.sent)
    return {
        **shared,
        "SFSC": "Y" if deleted else "N",
        "CJSJ": sent,
        "ZHXGSJ": time_of(touched),
        "WSBH": number,
        "SSRGH": paper.drafter.staff_no,
        "SSRXM": paper.drafter.name,
        "SSRQ": sent,
        "SPRGH": step.approver.staff_no,
        "SPRXM": step.approver.name,
        "SPRQ": time_of(step.decided) if decided else None,
        "SPJL": step.verdict if decided else None,
        "SPYJ": None,
        "WJLX": "1",
        "SPJSBM": step.role_code,
        "SPRBMBM": step.department,
        "SPSY": step.order,
    }
