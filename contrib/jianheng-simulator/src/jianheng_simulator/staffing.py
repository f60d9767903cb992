"""Making up the staff of an office: places, names, posts over time, handling units."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from random import Random

from jianheng_simulator.catalogue import read_toml, words
from jianheng_simulator.chance import dice, happens
from jianheng_simulator.office import (
    ADMIN,
    ASSISTANT,
    CASE_MANAGEMENT,
    CHIEF,
    CLERK,
    DEPARTMENTS,
    DEPUTY,
    GENERAL,
    HEAD,
    LEADERS,
    POLITICAL,
    QUOTA,
    HandlingUnit,
    Office,
    Person,
    Place,
    Post,
)

# Department, role, duty, how many of the first people, weight for the rest.
_CELLS: tuple[tuple[str, str, str, int, float], ...] = (
    (LEADERS, QUOTA, CHIEF, 1, 0),
    (LEADERS, QUOTA, DEPUTY, 1, 2.2),
    ("0101", QUOTA, HEAD, 1, 0),
    ("0101", ASSISTANT, "", 1, 6.6),
    ("0101", CLERK, "", 1, 4.2),
    ("0102", QUOTA, HEAD, 1, 0),
    ("0103", QUOTA, HEAD, 1, 0),
    ("0104", QUOTA, HEAD, 1, 0),
    (CASE_MANAGEMENT, QUOTA, HEAD, 1, 0),
    (CASE_MANAGEMENT, CLERK, "", 1, 1.2),
    (POLITICAL, ADMIN, "主任", 1, 1.2),
    ("0101", QUOTA, "", 0, 7.0),
    ("0102", QUOTA, "", 0, 2.5),
    ("0103", QUOTA, "", 0, 2.0),
    ("0104", QUOTA, "", 0, 1.5),
    ("0102", ASSISTANT, "", 0, 3.4),
    ("0103", ASSISTANT, "", 0, 3.2),
    ("0104", ASSISTANT, "", 0, 2.6),
    (CASE_MANAGEMENT, ASSISTANT, "", 0, 2.2),
    ("0102", CLERK, "", 0, 2.4),
    ("0103", CLERK, "", 0, 2.2),
    ("0104", CLERK, "", 0, 1.6),
    (GENERAL, ADMIN, "", 0, 1.0),
)


def make_name(rng: Random, *, male: bool) -> str:
    """Put a synthetic name together."""
    lists = words()
    given: str = lists["given_male" if male else "given_female"]
    length = 1 if happens(rng, 0.25) else 2
    return str(rng.choice(lists["surnames"])) + "".join(rng.choice(given) for _ in range(length))


@cache
def places(count: int) -> tuple[Place, ...]:
    """The first offices of the fictional country."""
    provinces = read_toml("units.toml")["provinces"]
    return tuple(_place(provinces, number) for number in range(count))


def _place(provinces: Sequence[dict[str, str | int]], number: int) -> Place:
    province = provinces[number % len(provinces)]
    # The second province starts with its third county, so that codes do not look alike.
    turn = number // len(provinces) + (2 if number % len(provinces) == 1 else 0)
    counties = str(province["counties"]).split()
    city_turn, county_turn = divmod(turn, len(counties))
    county = counties[county_turn]
    city_code = f"{province['code']}{int(province['city_code']) + city_turn:02d}"
    city = (
        str(province["city"])
        if not city_turn
        else f"{str(province['city'])[:-1]}{'东南西北中'[city_turn % 5]}市"
    )
    return Place(
        code=f"{city_code}{county_turn + 1:02d}",
        name=f"{city}{county}区人民检察院",
        short=county,
        above=(
            (f"{city_code}00", f"{city}人民检察院", city[:-1]),
            (f"{province['code']}0000", f"{province['name']}人民检察院", str(province["name"])[:-1]),
            ("100000", "最高人民检察院", "高检"),
        ),
    )


def _seats(count: int) -> list[tuple[str, str, str]]:
    """Share the people out over departments and roles."""
    wanted = [minimum for *_, minimum, _ in _CELLS]
    weights = [weight for *_, weight in _CELLS]
    rest = max(0, count - sum(wanted))
    shares = [weight * rest / sum(weights) for weight in weights]
    extra = [int(share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda k: (extra[k] - shares[k], k))
    for k in by_remainder[: rest - sum(extra)]:
        extra[k] += 1
    return [
        (department, role, duty)
        for (department, role, duty, minimum, _), more in zip(_CELLS, extra, strict=True)
        for _ in range(minimum + more)
    ][:count]


def _make_person(rng: Random, unit: str, staff_no: str, seat: tuple[str, str, str], first: date) -> Person:
    department, role, duty = seat
    male = happens(rng, 0.52)
    born = date(
        first.year - rng.randint(*((34, 57) if role == QUOTA else (23, 40))),
        rng.randint(1, 12),
        rng.randint(1, 28),
    )
    quota_since = date(rng.randint(2017, first.year - 1), rng.choice((3, 6, 9)), 1) if role == QUOTA else None
    start = quota_since or date(rng.randint(first.year - 6, first.year - 1), rng.choice((1, 7, 9)), 1)
    senior = first.year - born.year > 45  # noqa: PLR2004
    rank = rng.choice(
        ("三级高级检察官", "四级高级检察官") if senior else ("一级检察官", "二级检察官", "三级检察官")
    )
    education = (
        rng.choice(("研究生", "大学本科", "大学本科", "大学本科"))
        if role != CLERK
        else rng.choice(("大学本科", "大学专科"))
    )
    return Person(
        unit=unit,
        staff_no=staff_no,
        name=make_name(rng, male=male),
        male=male,
        born=born,
        education=education,
        degree={"研究生": "法学硕士", "大学本科": "法学学士"}.get(education, ""),
        rank=rank if role == QUOTA else "",
        quota_since=quota_since,
        party=rng.choice(
            ("中共党员", "中共党员", "中共党员", "群众", "民主党派", "共青团员" if role == CLERK else "群众")
        ),
        diligence=rng.uniform(0.55, 1.45),
        posts=(Post(unit, staff_no, department, role, duty, start),),
    )


def _change(person: Person, day: date, **new: str) -> Person:
    """End the last post on the eve of a day and begin another."""
    last = person.posts[-1]
    ended = replace(last, end=date.fromordinal(day.toordinal() - 1))
    post = Post(
        unit=new.get("unit", last.unit),
        staff_no=new.get("staff_no", last.staff_no),
        department=new.get("department", last.department),
        role=new.get("role", last.role),
        duty=new.get("duty", ""),
        start=day,
    )
    quota_since = day if post.role == QUOTA and last.role != QUOTA else person.quota_since
    rank = "五级检察官" if quota_since == day else person.rank
    return replace(person, posts=(*person.posts[:-1], ended, post), quota_since=quota_since, rank=rank)


def _month_at(first: date, last: date, share: float) -> date:
    day = date.fromordinal(first.toordinal() + int((last.toordinal() - first.toordinal()) * share))
    return day.replace(day=1)


def _with_changes(people: list[Person], place: Place, first: date, last: date) -> list[Person]:
    """Let a few people change role, department or unit."""

    def pick(department: str, role: str, skip: int) -> int | None:
        found = [
            k
            for k, one in enumerate(people)
            if one.posts[-1].department == department
            and one.posts[-1].role == role
            and not one.posts[-1].duty
            and len(one.posts) == 1
        ]
        return found[skip] if len(found) > skip else None

    city = place.above[0][0]
    changes: tuple[tuple[str, str, float, dict[str, str]], ...] = (
        ("0101", ASSISTANT, 0.30, {"role": QUOTA}),
        ("0103", ASSISTANT, 0.55, {"role": QUOTA}),
        ("0101", CLERK, 0.50, {"department": "0102"}),
        ("0101", QUOTA, 0.45, {"department": "0102"}),
        ("0101", QUOTA, 0.72, {"unit": city, "staff_no": f"02{place.code[4:]}", "department": "0101"}),
    )
    for department, role, share, new in changes:
        # The last holder of a seat never moves, so that every department keeps working.
        k = pick(department, role, 1)
        if k is not None:
            people[k] = _change(people[k], _month_at(first, last, share), **new)
    return people


def _sole_unit(person: Person, post: Post, number: int) -> HandlingUnit:
    return HandlingUnit(
        code=f"{post.department}{number:03d}",
        name=f"{person.name}独任检察官",
        department=post.department,
        team=False,
        members=((person, "2"),),
        since=post.start,
    )


def _make_units(people: Sequence[Person], place: Place, first: date) -> tuple[HandlingUnit, ...]:
    """One sole unit for every prosecutor's post, one or two teams for every business department."""
    units: list[HandlingUnit] = []
    serials: dict[str, int] = {}
    for person in people:
        for post in person.posts:
            if post.role == QUOTA and post.unit == place.code:
                serials[post.department] = serials.get(post.department, 0) + 1
                units.append(_sole_unit(person, post, serials[post.department]))
    for department in ("0101", "0102", "0103", "0104"):
        staff = [one for one in people if one.posts[0].department == department and len(one.posts) == 1]
        quota = [one for one in staff if one.posts[0].role == QUOTA]
        if len(quota) < 2:  # noqa: PLR2004
            continue
        members = [(quota[0], "1"), *((one, "2") for one in quota[1:3])]
        members += [(one, "3") for one in staff if one.posts[0].role == ASSISTANT][:2]
        members += [(one, "4") for one in staff if one.posts[0].role == CLERK][:1]
        code = f"{department}{900:03d}"
        units.append(
            HandlingUnit(
                code,
                f"{DEPARTMENTS[department][0]}办案组",
                department,
                team=True,
                members=tuple(members),
                since=first,
            )
        )
    # Sole units get an assistant and a clerk of their department, dealt out in turn.
    return tuple(_staffed(unit, people, number) for number, unit in enumerate(units))


def _staffed(unit: HandlingUnit, people: Sequence[Person], number: int) -> HandlingUnit:
    if unit.team:
        return unit
    members = list(unit.members)
    for role, seat in ((ASSISTANT, "3"), (CLERK, "4")):
        able = [one for one in people if one.posts[-1].role == role and one.posts[0].role == role]
        near = [one for one in able if one.posts[-1].department == unit.department]
        pool = near or [one for one in able if one.posts[-1].department == "0101"] or able
        if pool:
            members.append((pool[number % len(pool)], seat))
    return replace(unit, members=tuple(members))


def make_office(seed: int, place: Place, size: int, first: date, last: date) -> Office:
    """Make up one office: its people, their posts over time, its handling units."""
    rng = dice(seed, "office", place.code)
    people = [
        _make_person(rng, place.code, f"{101 + number:04d}", seat, first)
        for number, seat in enumerate(_seats(size))
    ]
    people = _with_changes(people, place, first, last)
    city = place.above[0][0]
    city_rng = dice(seed, "city", city)
    seats = [("0101", QUOTA, HEAD), ("0101", QUOTA, ""), ("0102", QUOTA, ""), ("0101", ASSISTANT, "")]
    # Staff numbers start afresh in every unit, so the guests' repeat those of the office.
    guests = tuple(
        _make_person(city_rng, city, f"{101 + number:04d}", seat, first) for number, seat in enumerate(seats)
    )
    return Office(place, tuple(people), guests, _make_units(people, place, first))
