"""Offices, their people and handling units."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

QUOTA, ASSISTANT, CLERK, ADMIN = "quota_prosecutor", "prosecutor_assistant", "clerk", "admin"
ROLE_NAMES: Mapping[str, str] = {
    QUOTA: "员额检察官",
    ASSISTANT: "检察官助理",
    CLERK: "书记员",
    ADMIN: "司法行政人员",
}
CLASS_NAMES: Mapping[str, str] = {
    QUOTA: "检察官",
    ASSISTANT: "检察辅助人员",
    CLERK: "检察辅助人员",
    ADMIN: "司法行政人员",
}
LEADERS, CASE_MANAGEMENT, POLITICAL, GENERAL = "0001", "0201", "0301", "0302"
DEPARTMENTS: Mapping[str, tuple[str, str, str]] = {
    LEADERS: ("院领导", "院领导", "0000"),
    "0101": ("第一检察部", "一部", "0203"),
    "0102": ("第二检察部", "二部", "0317"),
    "0103": ("第三检察部", "三部", "0700"),
    "0104": ("第四检察部", "四部", "1600"),
    CASE_MANAGEMENT: ("案件管理部门", "案管", "1100"),
    POLITICAL: ("政治部", "政治部", "4001"),
    GENERAL: ("办公室", "办公室", "5000"),
}
CHIEF, DEPUTY, HEAD = "检察长", "副检察长", "主任"
_LEVELS: Mapping[str, str] = {CHIEF: "chief", DEPUTY: "deputy_chief", HEAD: "dept_head"}


@dataclass(frozen=True, slots=True)
class Post:
    """Where and as what somebody serves; `end` is the last day, None while it lasts."""

    unit: str
    staff_no: str
    department: str
    role: str
    duty: str
    start: date
    end: date | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """One synthetic member of staff; `posts` are in order of time and do not overlap."""

    unit: str
    staff_no: str
    name: str
    male: bool
    born: date
    education: str
    degree: str
    rank: str
    quota_since: date | None
    party: str
    diligence: float
    posts: tuple[Post, ...]


@dataclass(frozen=True, slots=True)
class HandlingUnit:
    """A sole prosecutor or a team with its members and their role numbers in it."""

    code: str
    name: str
    department: str
    team: bool
    members: tuple[tuple[Person, str], ...]
    since: date


@dataclass(frozen=True, slots=True)
class Place:
    """Codes and names of a unit and the units above it, lowest first."""

    code: str
    name: str
    short: str
    above: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Office:
    """One grassroots office; `guests` are staff of the city office above it."""

    place: Place
    people: tuple[Person, ...]
    guests: tuple[Person, ...]
    units: tuple[HandlingUnit, ...]


def post_on(person: Person, ordinal: int, unit: str) -> Post | None:
    """The post of a person in a unit on a day, if any."""
    for post in person.posts:
        if post.start.toordinal() <= ordinal and (post.end is None or ordinal <= post.end.toordinal()):
            return post if post.unit == unit else None
    return None


def level_of(duty: str) -> str:
    """Which approval level a duty carries, empty for none."""
    return _LEVELS.get(duty, "")
