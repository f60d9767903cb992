"""What a message says of a publication. Nobody's name or points unless the deployment asks for them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from jianheng.contract import PersonScore, Publication
from jianheng.messages import language

KINDS = ("scores", "archive-due", "notices")
"""What there are messages about."""

People = Literal["none", "keys", "names"]
"""Who is told of in scores: nobody, person keys with points, or names too."""

_WORDS = {
    "zh": {
        "scores": "{office} {period} 评分结果（{policy}）",
        "archive-due": "{office} 应归档未归档案件 {due} 件",
        "people": "评分对象 {people} 人：{scored} 人有得分，{missing} 人因资料缺失没有得分，{other} 人不适用。",
        "notices": "请注意：",
        "where": "明细见检衡发布的工作簿和报告；本消息不含个人得分。",
        "due": "这些案件满足归档条件，档案系统中还没有验收记录。",
        "over": "已恢复：{title}",
    },
    "en": {
        "scores": "{office} {period}: scores by {policy}",
        "archive-due": "{office}: {due} cases due for the archive",
        "people": "{people} people: {scored} scored, {missing} without a score for want of facts, {other} not applicable.",
        "notices": "Please note:",
        "where": "Details are in the workbook and report that Jianheng published; this message holds nobody's points.",
        "due": "These cases are due for the archive, and the archive has not accepted them.",
        "over": "Over: {title}",
    },
}


def title(publication: Publication) -> str:
    """Return one line that says what the publication is."""
    words = _WORDS[language()]
    notice = publication.notice
    if notice is not None:
        return words["over"].format(title=notice.title) if notice.over else notice.title
    return words[publication.kind].format(
        office=publication.office_name,
        period=publication.period_label,
        policy=publication.policy_label,
        due=len(publication.due),
    )


def text(publication: Publication, people: People) -> str:
    """Return the message for a person to read, in several lines."""
    words = _WORDS[language()]
    if publication.notice is not None:
        return publication.notice.text
    if publication.kind == "archive-due":
        lines = [f"{each.case_no}  {each.closed_on.isoformat()}" for each in publication.due]
        return "\n".join([words["due"], "", *lines])
    states = Counter(each.state for each in publication.people)
    counts = {"people": len(publication.people), "scored": states["scored"], "missing": states["missing"]}
    lines = [words["people"].format(**counts, other=states["not-applicable"])]
    if publication.notices:
        lines += ["", words["notices"], *(f"- {each}" for each in publication.notices)]
    if people == "none":
        lines += ["", words["where"]]
    else:
        lines += ["", *(_line(each, people) for each in publication.people)]
    return "\n".join(lines)


def _line(person: PersonScore, people: People) -> str:
    who = f"{person.name}（{person.person_key}）" if people == "names" else person.person_key
    if person.points is None:
        return f"{who}  —  {person.note}"
    whole, thousandths = divmod(abs(person.points), 1000)
    return f"{who}  {'-' if person.points < 0 else ''}{whole}.{thousandths:03d}"


def content(publication: Publication, people: People) -> Mapping[str, Any]:
    """Return the message for a program to read: JSON values; points are integers of 0.001 or null, never 0 for unknown."""
    told: dict[str, Any] = {
        "id": publication.id,
        "kind": publication.kind,
        "office": publication.office,
        "office_name": publication.office_name,
        "title": title(publication),
        "as_of": publication.as_of.isoformat(timespec="seconds"),
    }
    notice = publication.notice
    if notice is not None:
        told["notice"] = {
            "key": notice.key,
            "over": notice.over,
            "about": notice.about,
            "subject": notice.subject,
            "at": notice.at.isoformat(timespec="seconds"),
            "needs_person": notice.needs_person,
            "text": notice.text,
            "codes": list(notice.codes),
        }
        return told
    told |= {
        "policy": publication.policy,
        "policy_version": publication.policy_version,
        "period": publication.period,
        "start": publication.start.isoformat(),
        "end": publication.end.isoformat(),
        "notices": list(publication.notices),
    }
    if publication.kind == "archive-due":
        told["due"] = [
            {"case_no": each.case_no, "unit_code": each.unit_code, "closed_on": each.closed_on.isoformat()}
            for each in publication.due
        ]
        return told
    told["counts"] = dict(sorted(Counter(each.state for each in publication.people).items()))
    if people != "none":
        told["people"] = [_person(each, people) for each in publication.people]
    return told


def _person(person: PersonScore, people: People) -> dict[str, Any]:
    told: dict[str, Any] = {"person_key": person.person_key, "sheet": person.sheet, "state": person.state}
    told |= {"points": person.points, "final": person.final, "rank": person.rank, "of": person.of}
    told |= {"grade": person.grade, "note": person.note}
    return told | ({"name": person.name} if people == "names" else {})


def unknown(kinds: Sequence[object]) -> str:
    """Return which of the kinds that a deployment asks for there are not; empty if all are."""
    return ", ".join(str(each) for each in kinds if each not in KINDS)


def records(publication: Publication) -> int:
    """Return how many records a message tells of: people, cases or one notice."""
    return 1 if publication.notice is not None else len(publication.people) + len(publication.due)
