"""What becomes of paper volumes: handed over, accepted, sent back, handed over again."""

import sqlite3
from collections.abc import Iterable
from datetime import date, timedelta
from random import Random

from jianheng_simulator.archive_store import (
    ACCEPTED,
    HANDED_OVER,
    RETURNED,
    WAITING,
    put_volumes,
    read_due,
    read_volumes,
    set_day,
)
from jianheng_simulator.chance import dice, happens
from jianheng_simulator.life import NEVER, Life, Numbered
from jianheng_simulator.view import Row
from jianheng_simulator.worktime import SHIFT, end_of, is_workday, later, time_of
from jianheng_simulator.world import World, scenes

_REASONS = ("缺少送达回证", "目录与卷内文件不符", "未装订成册", "页码编写错误")
_TYPES = ("检察内卷", "诉讼卷宗", "证据材料卷")


def fill_archive(connection: sqlite3.Connection, world: World) -> int:
    """Put in the volumes of the cases completed by today."""
    now = end_of(world.today)
    volumes: list[Row] = []
    for scene in scenes(world):
        for numbered in scene.cases.values():
            if numbered.life.completed < now and numbered.life.category.code[:2] != "14":
                volumes += _initial_volumes(world, numbered, now)
    put_volumes(connection, volumes)
    set_day(connection, world.today.isoformat())
    return len(volumes)


def _initial_volumes(world: World, numbered: Numbered, now: int) -> list[Row]:
    life = numbered.life
    rng = dice(world.seed, "volumes", numbered.case_no)
    kind = rng.random()
    if kind < 0.04:  # noqa: PLR2004
        # Nobody has brought anything: the archive does not know the case.
        return []
    late = kind < 0.19  # noqa: PLR2004
    handed = later(life.completed, rng.randint(35, 130) if late else rng.randint(3, 28), rng.randrange(SHIFT))
    count = rng.choices((1, 2, 3), (70, 22, 8))[0]
    return [_initial_volume(rng, numbered, number, handed, now) for number in range(1, count + 1)]


def _initial_volume(rng: Random, numbered: Numbered, number: int, handed: int, now: int) -> Row:
    life = numbered.life
    volume = new_volume(
        rng, numbered.case_no, number, life, f"{numbered.ordinal}", time_of(life.completed).isoformat()
    )
    sent_back = happens(rng, 0.06)
    first = later(handed, rng.randint(1, 9), rng.randrange(SHIFT))
    again = later(first, rng.randint(2, 14), rng.randrange(SHIFT)) if sent_back else NEVER
    accepted = later(again, rng.randint(1, 6), rng.randrange(SHIFT)) if sent_back else first
    if handed < now:
        volume |= {"state": HANDED_OVER, "handed_over_at": _text(handed), "updated_at": _text(handed)}
    if sent_back and first < now:
        volume |= {
            "state": RETURNED,
            "returned_at": _text(first),
            "return_reason": rng.choice(_REASONS),
            "updated_at": _text(first),
        }
    if again < now:
        volume |= {"state": HANDED_OVER, "handed_over_at": _text(again), "updated_at": _text(again)}
    if accepted < now:
        volume |= {"state": ACCEPTED, "accepted_at": _text(accepted), "updated_at": _text(accepted)}
    if happens(rng, 0.003):
        volume["deleted"] = True
    return volume


def _text(moment: int) -> str:
    return time_of(moment).isoformat()


def new_volume(rng: Random, case_no: str, number: int, life: Life | None, serial: str, made: str) -> Row:
    """A volume nobody has handed over yet."""
    line = life.category.code[:2] if life else "00"
    return {
        "dh": f"{_unit_of(case_no)}-{serial[:4]}-{line}-{serial[4:]}",
        "jh": number,
        "bmsah": case_no,
        "unit": _unit_of(case_no),
        "volume_type": _TYPES[(number - 1) % 3],
        "year": int(made[:4]),
        "retention": rng.choice(("永久", "定期30年", "定期10年")),
        "state": WAITING,
        "handed_over_at": None,
        "accepted_at": None,
        "returned_at": None,
        "return_reason": None,
        "updated_at": made,
        "deleted": False,
    }


def _unit_of(case_no: str) -> str:
    place = case_no.find("]") + 1
    return case_no[place : place + 6]


def pass_archive_days(connection: sqlite3.Connection, seed: int, today: date, days: int) -> dict[str, int]:
    """Let the archive work some days: due cases come in, volumes are accepted or sent back."""
    counts = {"due": 0, WAITING: 0, HANDED_OVER: 0, ACCEPTED: 0, RETURNED: 0}
    for step in range(1, days + 1):
        day = today + timedelta(days=step)
        if is_workday(day):
            for volume in _work_day(connection, seed, day):
                counts[volume["state"]] += 1
    set_day(connection, (today + timedelta(days=days)).isoformat())
    counts["due"] = len(read_due(connection))
    return counts


def _work_day(connection: sqlite3.Connection, seed: int, day: date) -> list[Row]:
    changed = list(_new_volumes(connection, seed, day))
    due = {row["bmsah"] for row in read_due(connection)}
    for volume in read_volumes(connection, "state <> ? and updated_at < ?", (ACCEPTED, day.isoformat())):
        rng = dice(seed, "volume", volume["dh"], volume["jh"], day)
        draw = rng.random()
        at = f"{day.isoformat()}T{rng.randint(9, 16):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}"
        if volume["state"] == HANDED_OVER and draw < 0.45:  # noqa: PLR2004
            # One return is enough for anybody: the second time it is accepted.
            back = volume["returned_at"] is None and draw < 0.05  # noqa: PLR2004
            news = (
                {"state": RETURNED, "returned_at": at, "return_reason": rng.choice(_REASONS)}
                if back
                else {"state": ACCEPTED, "accepted_at": at}
            )
        elif volume["state"] in (WAITING, RETURNED) and draw < (
            0.3 if volume["bmsah"] in due or volume["state"] == RETURNED else 0.03
        ):
            news = {"state": HANDED_OVER, "handed_over_at": at}
        else:
            continue
        changed.append(volume | news | {"updated_at": at})
    put_volumes(connection, changed)
    return changed


def _new_volumes(connection: sqlite3.Connection, seed: int, day: date) -> Iterable[Row]:
    """Cases on the due list that the archive had never heard of get their volumes."""
    found = connection.execute(
        "select bmsah from due where received_at < ?"
        " and not exists (select 1 from volume v where v.bmsah = due.bmsah) order by bmsah",
        (day.isoformat(),),
    ).fetchall()
    used = connection.execute("select count(distinct bmsah) from volume").fetchone()[0]
    for number, row in enumerate(found, start=1):
        case_no = row["bmsah"]
        rng = dice(seed, "new-volume", case_no)
        made = f"{day.isoformat()}T08:30:{number % 60:02d}"
        serial = f"{day.year}N{used + number:06d}"
        for volume in range(1, rng.choices((1, 2), (80, 20))[0] + 1):
            yield new_volume(rng, case_no, volume, None, serial, made)
