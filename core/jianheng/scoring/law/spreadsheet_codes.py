"""Codes that a spreadsheet has taken for numbers or days: ``1E+11``, ``201`` for ``0201``, ``3月1日`` for ``3-1``.

What such a cell held can often not be told any more; it is a fault that says so, never mended silently.
"""

import re
from collections.abc import Collection

from jianheng.errors import Problem, problem

_NUMBER = re.compile(r"[+-]?\d(\.\d+)?[eE]\+\d{1,3}", re.ASCII)
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DAY = re.compile(
    rf"\d{{1,2}}月\d{{1,2}}日|\d{{4}}年\d{{1,2}}月(\d{{1,2}}日)?|\d{{4}}/\d{{1,2}}/\d{{1,2}}"
    rf"|\d{{1,2}}-({_MONTHS})(-\d{{2,4}})?|({_MONTHS})-\d{{2,4}}",
    re.ASCII,
)


def spreadsheet_fault(code: str, known: Collection[str], where: str, column: str) -> Problem | None:
    """Return what a spreadsheet did to a code; None where nothing shows.

    Args:
        code: as it stands in the table.
        known: the codes of its catalogue; empty where there is none, and then lost zeros cannot be seen.
        where: the file and row that the problem names.
        column: the column it stands in.
    """
    if code in known:
        return None
    if _NUMBER.fullmatch(code):
        return problem("policy-code-as-number", where=where, column=column, code=code)
    if _DAY.fullmatch(code):
        return problem("policy-code-as-day", where=where, column=column, code=code)
    if code.isascii() and code.isdigit():
        meant = sorted(
            each for each in known if each.startswith("0") and each.lstrip("0") == code.lstrip("0")
        )
        if meant:
            return problem(
                "policy-code-zeros", where=where, column=column, code=code, meant=" / ".join(meant)
            )
    return None
