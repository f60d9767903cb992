"""A policy pack as its owners write it: the models of ``policy.toml`` and the decision tables.

Wherever a number of the law is wanted, a decimal or the name of a parameter may stand; a parameter is
dated, cited and open to the layers below, so a number that may ever change should be one.
"""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

ID_PATTERN = r"^[a-z][a-z0-9_]{0,59}$"
Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
PackId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,59}$")]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")]
Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]
Number = Decimal | ParameterName
"""A decimal, or the parameter that holds one."""

Level = Literal["nation", "province", "city", "office"]
LEVELS: tuple[Level, ...] = ("nation", "province", "city", "office")
"""From the general to the special: a pack extends one of a level not below its own."""

ORDINARY_LEVELS = ("deputy_dept_head", "member")
"""Post levels of whom no rule asks a smaller caseload: neither leaders of the office nor heads of departments."""

CapUnit = Literal["case", "person", "day", "month", "quarter", "year"]
Grouping = Literal["sheet", "unit", "department", "role", "post_level", "staff_class"]
Rounding = Literal["down", "half_up", "up"]
WhenZero = Literal["not_applicable", "zero", "full"]


class Strict(BaseModel):
    """A part of a pack: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Strict):
    """The text a policy comes from."""

    title: str
    cite: str


class Term(Strict):
    """A word of the policy: a track, an action, a dimension. ``assumed`` marks illustration."""

    id: Id
    label: str
    assumed: bool = False


class Vocabulary(Strict):
    """The words a policy counts in, and its own names for post levels and kinds of raters."""

    post_levels: tuple[Term, ...] = ()
    raters: tuple[Term, ...] = ()
    carriers: tuple[Term, ...] = ()
    tracks: tuple[Term, ...] = ()
    actions: tuple[Term, ...] = ()
    dimensions: tuple[Term, ...] = ()


class Overriding(Strict):
    """Something a layer below may replace, naming what it replaces.

    Attributes:
        replaces: the fingerprint of what stood there when this was written; needed if, and only if,
            a layer above has the same id. When that changes, loading fails until someone has looked.
        cite: the text it comes from.
    """

    replaces: Fingerprint | None = None
    cite: str = ""


class Closing(Strict):
    """What 办结 means from a day on: an expression over the source's columns of a case that gives a day.

    A later rule gives the days from its first day on; an earlier one those before it.
    """

    since: dt.date | None = Field(default=None, alias="from")
    rule: str
    cite: str = ""


class Calendar(Strict):
    """How the policy cuts time.

    Attributes:
        year_start: month and day (``12-26``) on which a year begins.
        year_named: the calendar year a year is named by: that of its first or of its last day.
        quarter_first_month: the number of the month, within the named year, with which quarter 1 begins;
            a month begins on the day of ``year_start``.
        workdays: the working calendar that ``workdays_between`` counts by.
        periods: windows with names of their own.
    """

    year_start: Annotated[str, StringConstraints(pattern=r"^\d\d-\d\d$")] = "01-01"
    year_named: Literal["first", "last"] = "last"
    quarter_first_month: int | None = Field(default=None, ge=1, le=12)
    workdays: PackId = "china"
    periods: tuple["NamedPeriod", ...] = ()
    cite: str = ""


class NamedPeriod(Strict):
    """A window of its own: ``[start, end)``."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,19}$")]
    label: str
    start: dt.date
    end: dt.date


class Sheet(Overriding):
    """One score sheet: for which case role, and which indicator is its total (the first root if unsaid)."""

    id: Id
    label: str
    role: str
    total: Id | None = None


class Bounds(Strict):
    """Ends of a span, each open or closed by the word that declares it; none is without end."""

    at_least: Number | None = None
    more_than: Number | None = None
    at_most: Number | None = None
    less_than: Number | None = None


class Tier(Bounds):
    """What a value within the span gives."""

    points: Number


IndicatorKind = Literal[
    "sum",
    "count",
    "ratio",
    "tiers",
    "deduct",
    "weighted",
    "target",
    "caseload",
    "per_head",
    "peers",
    "raters",
    "formula",
]


class Indicator(Overriding):
    """A node of the indicator tree.

    ======== =====================================================================================
    kind     value
    ======== =====================================================================================
    sum      its entries' points and its children's values
    count    how many items of ``measures`` the person has; ``counting = "shares"``: his parts of them
    ratio    ``numerator / denominator`` (indicators) times ``scale``
    tiers    the ``points`` of the tier that ``input`` falls into
    deduct   ``base`` plus its (negative) entries and children, never below ``floor`` (0 if unsaid);
             with ``per``, their mean over that indicator's value
    weighted the children's values, each times its weight in ``weights``
    target   ``full`` times ``input / target``, at most ``full``; above the target ``beyond`` a unit
    caseload ``full`` times ``input`` over what is due: the mean of ``input`` among those in ``group``
             whose post level is in ``mean_of``, times the ratio of the person's own in ``ratios``; at
             most ``full``
    per_head ``input`` over the reference quantity ``reference`` (a parameter), times ``scale``
    peers    ``full`` times ``input`` over the ``against`` (max, mean, median) of ``input`` in
             ``group``; ``percentile``: ``full`` times the part of the group he stands above
    raters   the raters' mean scores for ``rating``, each kind of rater times its weight in ``weights``
    formula  what the pack's function ``function`` gives for ``inputs``
    ======== =====================================================================================

    Values are exact; ``places`` says to how many decimals (at most 3) a node is rounded, half up, once.
    ``floor`` and ``ceiling`` bound what comes out of any kind.

    Attributes:
        parent: the node whose value this one goes into; a node without parent that is no sheet's total
            only feeds others by name.
        roles: the case roles it applies to; to others it is not applicable. Blank: all.
        post_levels: likewise.
        when_zero: what a zero denominator, average or maximum gives.
        mean_of: of caseload: the post levels whose values make the mean. Unsaid: all but leaders and heads
            of departments, whose least caseload is a part of what the others carry; blank: everybody in
            the group.
        ties: for percentile: whether equals count as below (``best``), half (``middle``) or not (``worst``).
        on_missing: what a missing child does: ``missing`` makes this node missing, ``skip`` leaves it out.
        on_not_applicable: what a child that is not applicable does: ``skip`` leaves it out, ``reweight``
            gives its weight to the others, ``full`` counts its ``full``.
    """

    id: Id
    label: str
    parent: Id | None = None
    assumed: bool = False
    kind: IndicatorKind = "sum"
    unit: str = "分"
    roles: tuple[str, ...] = ()
    post_levels: tuple[str, ...] = ()
    places: int = Field(default=3, ge=0, le=3)
    floor: Number | None = None
    ceiling: Number | None = None
    on_missing: Literal["missing", "skip"] = "missing"
    on_not_applicable: Literal["skip", "reweight", "full"] = "skip"
    measures: tuple[Id, ...] = ()
    counting: Literal["items", "quantity", "shares"] = "items"
    numerator: Id | None = None
    denominator: Id | None = None
    scale: Number | None = None
    when_zero: WhenZero = "not_applicable"
    input: Id | None = None
    tiers: tuple[Tier, ...] = ()
    base: Number | None = None
    per: Id | None = None
    weights: Mapping[str, Number] = {}
    target: Number | None = None
    full: Number | None = None
    beyond: Number | None = None
    group: Id | None = None
    ratios: Mapping[str, Number] = {}
    mean_of: tuple[str, ...] = ORDINARY_LEVELS
    reference: ParameterName | None = None
    against: Literal["max", "mean", "median", "percentile"] | None = None
    ties: Literal["best", "middle", "worst"] = "middle"
    rating: str | None = None
    function: Id | None = None
    inputs: Mapping[str, str] = {}


class Gate(Overriding):
    """When points of ``measures`` (blank: all that hang on a case) are final: a condition over the case view."""

    id: Id = "gate"
    label: str
    final_when: str
    measures: tuple[Id, ...] = ()


class Team(Overriding):
    """How an item of a team is shared: for each role the parameter with its weight."""

    weights: Mapping[str, ParameterName]


class Authority(Overriding):
    """What holds for an item that the authority list does not name."""

    unlisted: Literal["permit", "refuse"] = "refuse"


class Choice(Strict):
    """One value a factor may take: by rule (``when``), by approved declaration, or both."""

    id: Id
    label: str
    value: Number
    when: str | None = None
    declared: str | None = None
    cite: str = ""


class Factor(Overriding):
    """A factor on an item's points: 1 unless one of its choices holds.

    Factors multiply each other; the product meets the points once, and is rounded there, half up.

    Attributes:
        measures: what it bears on; blank is every measure (of a grain that hangs on a case, where
            ``over`` is ``case``).
        over: whether ``when`` speaks of the case view or of the item's own view.
        take: of several choices that hold, the ``first`` listed or the ``best`` (largest) one.
    """

    id: Id
    label: str
    choices: tuple[Choice, ...] = Field(min_length=1)
    measures: tuple[Id, ...] = ()
    over: Literal["case", "item"] = "case"
    take: Literal["first", "best"] = "best"


class Cap(Overriding):
    """The most that some rules may give together (or take together), within one unit.

    Caps are applied in the order of the file, after the caps of the rules themselves; each is granted
    item by item, in the order of ``allot``, and what it takes away is kept with its name.

    Attributes:
        per: the unit it holds for: ``["person", "month"]`` is each person's month.
        limit: points, never negative (of rules that deduct it is the size). Where it changes within a unit, each
            item is granted by the limit of its own day, less all that was granted before; a fall takes none back.
        rules: rules it binds together; or
        indicators: all rules of these indicators.
        allot: ``day``: who comes first is granted first; ``points``: the largest first, within the period.
    """

    id: Id
    label: str
    per: tuple[CapUnit, ...] = Field(min_length=1)
    limit: Number
    rules: tuple[Id, ...] = ()
    indicators: tuple[Id, ...] = ()
    allot: Literal["day", "points"] = "day"


class Group(Overriding):
    """Who is compared with whom: people who agree in everything that ``by`` names.

    ``rank`` publishes a dense rank within the group. Post, role and department are those of the last day
    in the period on which the person held the sheet's role.
    """

    id: Id
    label: str
    by: tuple[Grouping, ...] = Field(min_length=1)
    rank: bool = False


class Band(Bounds):
    """A grade, the totals that give it, and what follows from it (``consequence``)."""

    id: Id
    label: str
    share: Number | None = None
    rounding: Rounding = "down"
    consequence: str = ""


class Veto(Strict):
    """A counted thing that bars the better grades: one item of ``measure`` is enough."""

    measure: Id
    at_most: Id
    label: str
    cite: str = ""


class Grades(Overriding):
    """Grades, best first: by bands of the total, by quotas of a group, or both.

    A band with ``share`` may go to that part of the group at most, best places first; whoever it has no
    room for gets the next one. Equals at the edge: ``ties = "out"`` leaves all of them out.
    """

    bands: tuple[Band, ...] = Field(min_length=2)
    group: Id | None = None
    ties: Literal["in", "out"] = "out"
    vetoes: tuple[Veto, ...] = ()


class Adjustments(Strict):
    """What happens with facts that come to light after a period was closed.

    ``list``: they are listed and change nothing; ``next``: the difference goes to the first open period after.
    """

    rule: Literal["list", "next"] = "list"
    cite: str = ""


class PolicyFile(Strict):
    """``policy.toml``. In a pack that extends another, everything but its identity may be left out."""

    id: PackId
    label: str
    level: Level
    jurisdiction: str
    since: dt.date = Field(alias="from")
    extends: PackId | None = None
    source: Source
    closing: str | tuple[Closing, ...] | None = None
    due_for_archive: str | None = None
    calendar: Calendar | None = None
    gates: tuple[Gate, ...] = ()
    vocabulary: Vocabulary = Vocabulary()
    sheets: tuple[Sheet, ...] = ()
    indicators: tuple[Indicator, ...] = ()
    team: Team | None = None
    authority: Authority | None = None
    factors: tuple[Factor, ...] = ()
    caps: tuple[Cap, ...] = ()
    groups: tuple[Group, ...] = ()
    grades: Grades | None = None
    adjustments: Adjustments | None = None
    may_set: Mapping[
        Literal["points", "measures", "indicators", "factors", "caps", "groups"], tuple[Level, ...]
    ] = {}
