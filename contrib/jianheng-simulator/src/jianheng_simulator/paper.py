"""The documents of a case and their approvals, planned like the life they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from jianheng_simulator.catalogue import Step, Template, steps
from jianheng_simulator.chance import dice, happens
from jianheng_simulator.life import NEVER, Life
from jianheng_simulator.office import (
    ASSISTANT,
    CHIEF,
    CLERK,
    DEPUTY,
    HEAD,
    LEADERS,
    QUOTA,
    Office,
    Person,
    post_on,
)
from jianheng_simulator.worktime import SHIFT, ordinal_of

_ROLES: Mapping[str, tuple[str, ...]] = {QUOTA: ("1", "2"), ASSISTANT: ("3",), CLERK: ("4",)}
_LEVELS = ("dept_head", "deputy_chief", "chief")
APPROVAL_ROLES: Mapping[str, str] = {"chief": "001", "deputy_chief": "002", "dept_head": "003", "": "004"}


@dataclass(frozen=True, slots=True)
class Approval:
    """One step of an approval."""

    approver: Person
    role_code: str
    department: str
    sent: int
    decided: int
    verdict: str
    order: int


@dataclass(frozen=True, slots=True)
class Paper:
    """One document with its way through approval."""

    index: int
    template: Template
    drafter: Person
    drafted: int
    approvals: tuple[Approval, ...]
    filed: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Bosses:
    """Who approves what in an office."""

    unit: str
    chief: Person
    deputies: tuple[Person, ...]
    heads: Mapping[str, Person]
    peers: Mapping[str, tuple[Person, ...]]


def find_bosses(office: Office) -> Bosses:
    """Read the approvers off the posts of an office; they stay the same throughout."""
    first = {one: one.posts[0] for one in office.people if one.posts[0].role == QUOTA}
    heads = {post.department: one for one, post in first.items() if post.duty == HEAD}
    return Bosses(
        unit=office.place.code,
        chief=next(one for one, post in first.items() if post.duty == CHIEF),
        deputies=tuple(one for one, post in first.items() if post.duty == DEPUTY),
        heads=heads,
        peers={
            department: tuple(
                one
                for one, post in first.items()
                if post.department == department and not post.duty and len(one.posts) == 1
            )
            for department in heads
        },
    )


def plan_papers(seed: int, bosses: Bosses, life: Life) -> list[Paper]:
    """Plan all documents a case will ever have; the index of a document never changes."""
    rng = dice(seed, bosses.unit, life.key, "papers")
    papers: list[Paper] = []
    for step in steps(life.category.code):
        if step.when and step.when not in life.tags:
            continue
        # One file stands for several suspects beyond the third.
        times = {"suspect": min(len(life.suspects), 3), "return": len(life.returned)}.get(step.each, 1)
        for turn in range(times):
            if step.share >= 1 or happens(rng, step.share):
                drafted = _when(rng, step, life, turn)
                if drafted != NEVER:
                    papers.append(_plan_paper(rng, bosses, life, step.template, drafted, len(papers)))
    return papers


def _when(rng: Random, step: Step, life: Life, turn: int) -> int:
    if step.window == "review":
        low, high = life.started, life.concluded
    elif step.window == "after":
        low, high = life.concluded, life.completed
    elif step.window == "return":
        return life.returned[turn] - rng.randrange(60, 3600)
    elif step.window == "extension":
        return life.extended - rng.randrange(60, 3600)
    else:
        # Result documents are drafted before the conclusion, to be approved on that day or the eve.
        return max(life.started + 30, life.concluded - rng.randrange(1200, SHIFT))
    span = high - low
    return low + int(span * rng.uniform(step.low, step.high))


def _plan_paper(
    rng: Random, bosses: Bosses, life: Life, template: Template, drafted: int, index: int
) -> Paper:
    drafter = _pick_drafter(rng, bosses, life, template, drafted)
    approvals = (
        _plan_approvals(rng, bosses, life, template, drafter, drafted) if template.approval != "none" else ()
    )
    filed = (
        max(life.completed + index * 7, approvals[-1].decided if approvals else drafted + 60)
        if happens(rng, 0.9)
        else NEVER
    )
    deleted = drafted + rng.randrange(SHIFT, 15 * SHIFT) if happens(rng, 0.005) else NEVER
    return Paper(index, template, drafter, drafted, approvals, filed, deleted)


def _pick_drafter(rng: Random, bosses: Bosses, life: Life, template: Template, drafted: int) -> Person:
    """Usually whom the template names, at times another authorised member, seldom one who is not."""
    by_role: dict[str, list[Person]] = {QUOTA: [life.handler]}
    for member, seat in life.members:
        for role in (ASSISTANT, CLERK):
            if seat in _ROLES[role]:
                by_role.setdefault(role, []).append(member)
    draw = rng.random()
    day = ordinal_of(drafted)
    if draw < 0.022:  # noqa: PLR2004
        for role in (CLERK, ASSISTANT):
            if role not in template.may_draft and role in by_role:
                return by_role[role][0]
    wanted = template.drafter
    if draw > 0.9 and len(template.may_draft) > 1:  # noqa: PLR2004
        wanted = rng.choice(sorted(template.may_draft))
    for person in by_role.get(wanted, ()):
        post = post_on(person, day, bosses.unit)
        # A member promoted since may have outgrown what the template allows.
        if post and post.role in template.may_draft:
            return person
    return life.handler


def _plan_approvals(
    rng: Random, bosses: Bosses, life: Life, template: Template, drafter: Person, drafted: int
) -> tuple[Approval, ...]:
    head = bosses.heads[life.department]
    deputy = bosses.deputies[int(life.department) % len(bosses.deputies)]
    ladder = {"dept_head": head, "deputy_chief": deputy, "chief": bosses.chief}
    level = template.approval
    # Nobody approves their own paper: it goes one step up, the chief's own stay with the chief.
    while level != "chief" and ladder[level] in (life.handler, drafter):
        level = _LEVELS[_LEVELS.index(level) + 1]
    chain: list[tuple[str, str]] = []
    if level != "dept_head" and head not in (life.handler, drafter) and happens(rng, 0.9):
        chain.append(("dept_head", "审核同意"))
    elif happens(rng, 0.3):
        chain.append((level, "退回修改"))
    chain.append((level, "同意"))
    if happens(rng, 0.025):
        chain[-1] = (_wrong_level(template), "同意")
    moment = drafted
    found: list[Approval] = []
    for order, (step, verdict) in enumerate(chain, start=1):
        sent = moment + rng.randrange(60, 1500)
        # A tenth of the papers wait on the desk for a day or two.
        moment = sent + (rng.randrange(120, 5400) if happens(rng, 0.9) else rng.randrange(SHIFT, 3 * SHIFT))
        if step:
            person, role, department = (
                ladder[step],
                APPROVAL_ROLES[step],
                life.department if step == "dept_head" else LEADERS,
            )
        else:
            peers = [one for one in bosses.peers[life.department] if one is not life.handler]
            person = rng.choice(peers) if peers else life.handler
            role, department = APPROVAL_ROLES[""], life.department
        found.append(Approval(person, role, department, sent, moment, verdict, order))
    return tuple(found)


def _wrong_level(template: Template) -> str:
    """A level that may not approve the template: one too low, or a colleague without any."""
    place = _LEVELS.index(template.approval)
    return _LEVELS[place - 1] if place else ""
