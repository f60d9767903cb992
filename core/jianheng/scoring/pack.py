"""A policy pack as its owners write it: the models of ``policy.toml`` and the decision tables."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

ID_PATTERN = r"^[a-z][a-z0-9_]{0,59}$"
Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
PackId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,59}$")]
Level = Literal["nation", "province", "city", "office"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """The text a policy comes from."""

    title: str
    cite: str


class Term(_Strict):
    """A word of the policy: a track, an action, a dimension. ``assumed`` marks illustration."""

    id: Id
    label: str
    assumed: bool = False


class Vocabulary(_Strict):
    """The words a policy counts in."""

    carriers: tuple[Term, ...] = ()
    tracks: tuple[Term, ...] = ()
    actions: tuple[Term, ...] = ()
    dimensions: tuple[Term, ...] = ()


class Sheet(_Strict):
    """One score sheet: for which case role, with which indicators at its root."""

    id: Id
    label: str
    role: str


class Indicator(_Strict):
    """A node of the indicator tree; its value is the sum of its entries and its children."""

    id: Id
    label: str
    parent: Id | None = None
    assumed: bool = False


class Gate(_Strict):
    """When a point is final: a condition over the case view. Until then it is provisional."""

    label: str
    final_when: str


class Team(_Strict):
    """How an item of a team is shared: for each role the parameter with its weight."""

    weights: dict[str, str]


class Authority(_Strict):
    """What holds for an item that the authority list does not name."""

    unlisted: Literal["permit", "refuse"] = "refuse"
    cite: str


class Coefficient(_Strict):
    """A factor for special cases: by rule (``when``), by approved declaration, or both."""

    id: Id
    label: str
    parameter: str
    when: str | None = None
    declared: str | None = None
    measures: tuple[Id, ...] = ()
    cite: str = ""


class PolicyFile(_Strict):
    """``policy.toml``."""

    id: PackId
    label: str
    level: Level
    jurisdiction: str
    since: dt.date = Field(alias="from")
    extends: PackId | None = None
    source: Source
    closing: str
    gate: Gate
    vocabulary: Vocabulary = Vocabulary()
    sheets: tuple[Sheet, ...] = Field(min_length=1)
    indicators: tuple[Indicator, ...] = Field(min_length=1)
    team: Team | None = None
    authority: Authority | None = None
    coefficients: tuple[Coefficient, ...] = ()
    due_for_archive: str | None = None


class PointsRow(_Strict):
    """One row of ``points.csv``. Blank is any; lists are separated by ``;``; ``until`` is the day after."""

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
    since: dt.date | None = Field(default=None, alias="from")
    until: dt.date | None = None
    cite: str
    assumed: bool = False


class AuthorityRow(_Strict):
    """One row of ``authority.csv``: who may do what. Blank is any."""

    measure: Id
    code: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    role: tuple[str, ...] = ()
    post_level: tuple[str, ...] = ()
    cite: str = ""
