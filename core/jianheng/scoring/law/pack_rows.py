"""The rows of a pack's decision tables."""

import datetime as dt
from decimal import Decimal

from pydantic import Field

from jianheng.scoring.law.pack import Id, Strict


class PointsRow(Strict):
    """One row of ``points.csv``. Blank is any; lists are separated by ``;``; ``until`` is the day after.

    Attributes:
        points: for one unit of quantity; negative deducts.
        per_case: at most so many items in one case, over all time.
        case_cap, month_cap, year_cap: at most so many points for one person in one case, month, year
            (by the policy's calendar), granted in the order of days.
        fault: rules with the same word do not deduct (or give) twice for the same fault, the measure's
            ``fault`` of the same case and person: together they come to the heaviest.
        replaces: the points of the row of the same id in a layer above, for the days from ``from`` on.
    """

    id: Id
    label: str
    measure: Id
    code: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    role: tuple[str, ...] = ()
    action: str = ""
    indicator: Id
    points: Decimal
    per_case: int | None = Field(default=None, ge=1, le=1_000_000)
    case_cap: Decimal | None = Field(default=None, ge=0)
    month_cap: Decimal | None = Field(default=None, ge=0)
    year_cap: Decimal | None = Field(default=None, ge=0)
    fault: str = ""
    since: dt.date | None = Field(default=None, alias="from")
    until: dt.date | None = None
    replaces: Decimal | None = None
    verified: dt.date | None = None
    cite: str
    assumed: bool = False


class AuthorityRow(Strict):
    """One row of ``authority.csv``: who may do what. Blank is any."""

    measure: Id
    code: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    role: tuple[str, ...] = ()
    post_level: tuple[str, ...] = ()
    cite: str = ""
