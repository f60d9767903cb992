"""Planning the cases of an office: how matters begin, who gets them, how long they take."""

from dataclasses import replace
from datetime import date
from itertools import pairwise
from random import Random

from jianheng_simulator.catalogue import Category, Charge, categories, charges
from jianheng_simulator.chance import dice, happens
from jianheng_simulator.decision import decide
from jianheng_simulator.life import ADULT, NEVER, Life, Suspect
from jianheng_simulator.office import (
    CASE_MANAGEMENT,
    LEADERS,
    QUOTA,
    HandlingUnit,
    Office,
    Person,
    post_on,
)
from jianheng_simulator.staffing import make_name
from jianheng_simulator.worktime import SHIFT, index_from, later, ordinal_of

# Cases begun by one matter on average, measured: arrests lead to prosecutions, some after the last day.
_YIELD = 1.205
_JUVENILE = ("1701", "1722")


def begin_matters(
    seed: int, office: Office, cases: int, first: date, last: date, through: date
) -> list[Life]:
    """Plan all cases of the matters that begin until a day, in order of intake."""
    days = index_from(last.toordinal() + 1) - index_from(first.toordinal())
    rate = cases / _YIELD / max(days, 1)
    staff = _Roster(office)
    lives: list[Life] = []
    months = [date(year, month, 1) for year in range(first.year, through.year + 2) for month in range(1, 13)]
    for start, following in pairwise(months):
        low = index_from(max(start, first).toordinal())
        high = index_from(following.toordinal())
        if high <= low or start > through:
            continue
        rng = dice(seed, office.place.code, f"{start:%Y-%m}")
        count = round(rate * (high - low) * rng.uniform(0.92, 1.08) + rng.random() - 0.5)
        begun = sorted(rng.randrange(low * SHIFT, high * SHIFT) for _ in range(count))
        for number, moment in enumerate(begun):
            matter = f"{start:%Y%m}{number:05d}"
            lives += _plan_matter(dice(seed, office.place.code, matter), staff, matter, moment)
    lives.sort(key=lambda life: (life.accepted, life.key))
    return lives


class _Roster:
    """Who can be given a case, prepared once for an office."""

    def __init__(self, office: Office) -> None:
        self.office = office
        unit = office.place.code
        self.quota: dict[str, list[tuple[Person, int, int, float]]] = {}
        for person in office.people:
            for post in person.posts:
                if post.unit != unit or post.role != QUOTA:
                    continue
                start, end = post.start.toordinal(), (post.end or date.max).toordinal()
                # Somebody about to leave gets no new cases; heads carry a smaller load.
                load = person.diligence * (0.6 if post.duty else 1.0)
                self.quota.setdefault(post.department, []).append((person, start, end - 60, load))
        self.units = {
            (unit.members[0][0].staff_no, unit.department): unit for unit in office.units if not unit.team
        }
        self.teams = {unit.department: unit for unit in office.units if unit.team}

    def handler(self, rng: Random, department: str, ordinal: int) -> tuple[Person, str]:
        """Pick a prosecutor of a department, sometimes one of the leaders."""
        if department != CASE_MANAGEMENT and happens(rng, 0.03):
            leaders = [entry for entry in self.quota[LEADERS][1:] if entry[1] <= ordinal <= entry[2]]
            if leaders:
                return rng.choice(leaders)[0], department
        able = [entry for entry in self.quota[department] if entry[1] <= ordinal <= entry[2]]
        return rng.choices([entry[0] for entry in able], [entry[3] for entry in able])[0], department

    def staff(
        self, rng: Random, handler: Person, department: str, ordinal: int
    ) -> tuple[HandlingUnit | None, tuple[tuple[Person, str], ...]]:
        """The handling unit of a case and those of its members who work on it."""
        team = self.teams.get(department)
        draw = rng.random()
        if team and draw < 0.2 and any(one is handler for one, _ in team.members):  # noqa: PLR2004
            unit: HandlingUnit | None = team
        else:
            unit = self.units.get((handler.staff_no, department)) or self.units.get(
                (handler.staff_no, LEADERS)
            )
        if unit is None:
            return None, ((handler, "2"),)
        members = tuple(
            (one, seat)
            for one, seat in unit.members
            if post_on(one, ordinal, self.office.place.code) is not None
        )
        # Some cases were created by hand, outside any handling unit.
        return (None if draw > 0.98 else unit), members  # noqa: PLR2004


def _plan_matter(rng: Random, staff: _Roster, matter: str, moment: int) -> list[Life]:
    known = list(categories().values())
    category = rng.choices(known, [one.weight for one in known])[0]
    charge: Charge | None = None
    if category.has_suspects:
        listed, weights = charges()
        charge = rng.choices(listed, weights)[0]
    suspects = _make_suspects(rng, category, date.fromordinal(ordinal_of(moment)).year)
    root = _plan_case(rng, staff, category, f"{matter}-1", moment, suspects, charge, None)
    if not category.then:
        return [root, *_split(rng, root)]
    if not happens(rng, 0.88 if "arrest" in root.tags else 0.42):
        return [root]
    gap = rng.randint(28, 75) if "arrest" in root.tags else rng.randint(60, 150)
    start = later(root.concluded, gap, rng.randrange(SHIFT))
    following = _plan_case(
        rng, staff, categories()[category.then], f"{matter}-2", start, root.suspects, charge, root
    )
    return [root, following, *_split(rng, following)]


def _split(rng: Random, life: Life) -> list[Life]:
    """Now and then the last suspect gets a case of their own."""
    if len(life.suspects) < 2 or life.category.code not in ("0301", "1722") or not happens(rng, 0.05):  # noqa: PLR2004
        return []
    apart = life.suspects[-1:]
    moment = later(life.accepted, 5, rng.randrange(SHIFT))
    shift = moment - life.accepted
    moved = {
        name: getattr(life, name) + shift
        for name in ("started", "concluded", "judged", "completed", "archived")
    }
    return [
        replace(
            life,
            key=f"{life.key}s",
            suspects=apart,
            accepted=moment,
            warned=NEVER,
            returned=(),
            resubmitted=(),
            extended=NEVER,
            redated=NEVER,
            deleted=NEVER,
            parent=life.key,
            relation="split",
            tags=life.tags - {"return", "extension"},
            **{name: min(value, NEVER) for name, value in moved.items()},
        )
    ]


def _make_suspects(rng: Random, category: Category, year: int) -> tuple[Suspect, ...]:
    if not category.has_suspects:
        return ()
    count = rng.choices((1, 2, 3, 4, 5, 6, 8), (800, 125, 42, 15, 9, 6, 3))[0]
    found = []
    for number in range(1, count + 1):
        male = happens(rng, 0.83)
        # Below 10 and above 99 the text comparison of ages goes wrong; 100 does not occur, 9 hardly.
        age = (
            rng.randint(14, 17)
            if category.code in _JUVENILE
            else min(78, ADULT + int(rng.expovariate(1 / 16)))
        )
        found.append(
            Suspect(
                number, make_name(rng, male=male), male, year - age - rng.randint(0, 1), age, False, "", "", 0
            )
        )
    return tuple(found)


def _plan_case(
    rng: Random,
    staff: _Roster,
    category: Category,
    key: str,
    accepted: int,
    suspects: tuple[Suspect, ...],
    charge: Charge | None,
    parent: Life | None,
) -> Life:
    ordinal = ordinal_of(accepted)
    handler, department = _pick_handler(rng, staff, category, ordinal, parent)
    unit, members = staff.staff(rng, handler, department, ordinal)
    prosecution = category.code in ("0301", "1722")
    started = accepted + rng.randrange(600, SHIFT)
    returned, resubmitted, extended, concluded = _plan_review(
        rng, category, accepted, started, returns=prosecution
    )
    suspects, tags, outcome, plea = decide(
        rng, category, suspects, arrested=parent is not None and "arrest" in parent.tags
    )
    judged = NEVER
    if "prosecute" in tags:
        judged = later(concluded, rng.randint(*category.after), rng.randrange(SHIFT))
        completed = later(judged, rng.randint(2, 15), rng.randrange(SHIFT))
        tags |= {"judgment"}
    else:
        quick = (3, 12) if prosecution else category.after
        completed = later(concluded, rng.randint(*quick), rng.randrange(SHIFT))
    archived = later(completed, rng.randint(4, 45), rng.randrange(SHIFT)) if happens(rng, 0.94) else NEVER
    if returned:
        tags |= {"return"}
    if extended != NEVER:
        tags |= {"extension"}
    warned = NEVER
    if category.limit:
        warning = later(accepted, max(1, category.limit - 3), 60 + rng.randrange(240))
        warned = warning if started < warning < concluded else NEVER
    redated = accepted + rng.randrange(2, 12) * SHIFT if happens(rng, 0.008) else NEVER
    deleted = completed + rng.randrange(1, 15) * SHIFT if happens(rng, 0.004) else NEVER
    return Life(
        key=key,
        matter=key.partition("-")[0],
        category=category,
        charge=charge,
        department=department,
        handler=handler,
        unit=unit,
        members=members,
        suspects=suspects,
        tags=frozenset(tags),
        outcome=outcome,
        accepted=accepted,
        started=started,
        warned=warned,
        returned=returned,
        resubmitted=resubmitted,
        extended=extended,
        concluded=concluded,
        judged=judged,
        completed=completed,
        archived=archived,
        deleted=deleted,
        redated=redated if redated < concluded else NEVER,
        redated_days=rng.randint(1, 3),
        parent=parent.key if parent else "",
        relation="linked" if parent else "",
        supervised=happens(rng, 0.012),
        plea=plea,
        helper=rng.choice(staff.office.guests) if happens(rng, 0.015) else None,
    )


def _pick_handler(
    rng: Random, staff: _Roster, category: Category, ordinal: int, parent: Life | None
) -> tuple[Person, str]:
    department = CASE_MANAGEMENT if category.department == "5" else f"010{category.department}"
    if parent is not None:
        # Whoever reviewed the arrest prosecutes, while still in that department.
        post = post_on(parent.handler, ordinal, staff.office.place.code)
        if post and post.department in (parent.department, LEADERS):
            return parent.handler, parent.department
    if category.code == "0301" and happens(rng, 0.18):
        department = "0102"
    return staff.handler(rng, department, ordinal)


def _plan_review(
    rng: Random, category: Category, accepted: int, started: int, *, returns: bool
) -> tuple[tuple[int, ...], tuple[int, ...], int, int]:
    """Plan the way to the conclusion: returns, resubmissions, an extension."""
    low, mode, high = category.days
    late = happens(rng, 0.03) and category.limit
    days = category.limit * rng.uniform(1.08, 1.5) if late else rng.triangular(low, high, mode)
    returned: list[int] = []
    resubmitted: list[int] = []
    moment = accepted
    if returns:
        for chance in (0.17, 0.28):
            if not happens(rng, chance):
                break
            returned.append(later(moment, rng.randint(18, 30), rng.randrange(SHIFT // 2, SHIFT)))
            moment = later(returned[-1], rng.randint(20, 31), rng.randrange(SHIFT))
            resubmitted.append(moment)
        if returned:
            days = min(days, rng.uniform(10, 29))
    concluded = later(moment, days, rng.randrange(SHIFT // 4, SHIFT))
    extended = NEVER
    if returns and not late and ordinal_of(concluded) > ordinal_of(moment) + category.limit:
        # A case that runs past its month was extended in time, by 15 days at most.
        extended = later(moment, category.limit - 4, rng.randrange(SHIFT))
        days = category.limit + rng.uniform(1, 14)
        concluded = later(moment, days, rng.randrange(SHIFT))
    floor = max(started + 1800, extended + 3600 if extended != NEVER else 0)
    return tuple(returned), tuple(resubmitted), extended, max(concluded, floor)
