"""A million made-up rows of twenty columns, a batch at a time, for the benchmarks of the sync and their peers.

Needs nothing of Jianheng, so that a peer can have them in an environment of its own.
"""

import gc
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import pyarrow as pa

Rows = TypeVar("Rows")

BATCH = 10_000
GC_THRESHOLD = (200_000, 20, 100)
"""That of every command."""
CASES_EACH = 10
DAYS = [f"{2020 + day // 336}-{day // 28 % 12 + 1:02d}-{day % 28 + 1:02d}" for day in range(2_000)]
COLUMNS = (
    "organisation_key",
    "case_no",
    "organisation_no",
    "pseudonym",
    "organisation_kind",
    "prosecution_result",
    "prosecution_decided_on",
    "prosecution_charge",
    "non_prosecution_kind",
    "first_judgment",
    "first_charge",
    "second_result",
    "second_judgment",
    "second_charge",
    "second_judged_on",
    "retrial_result",
    "retrial_judgment",
    "retrial_charge",
    "final_charge",
    "final_judged_on",
)
DAY_COLUMNS = tuple(name for name in COLUMNS if name.endswith("_on"))


def case_no(number: int) -> str:
    """Return the case that a row belongs to."""
    return f"990101-{number // CASES_EACH:010d}"


def row(number: int) -> dict[str, Any]:
    """Return a row as a source that speaks JSON gives it."""
    charge = f"{1201 + number % 97}000000"
    day = number % 1_999
    return {
        "organisation_key": f"990101-org-{number:012d}",
        "case_no": case_no(number),
        "organisation_no": f"{number % 7 + 1:03d}",
        "pseudonym": f"某单位{number % 5_000}",
        "organisation_kind": f"{number % 9:04d}",
        "prosecution_result": f"{number % 5:013d}",
        "prosecution_decided_on": DAYS[day],
        "prosecution_charge": charge,
        "non_prosecution_kind": None if number % 3 else "法定不起诉",
        "first_judgment": "罚金" if number % 2 else "单处罚金",
        "first_charge": charge,
        "second_result": "维持原判" if number % 4 else "改判",
        "second_judgment": None if number % 4 else "罚金",
        "second_charge": charge,
        "second_judged_on": DAYS[day + 1],
        "retrial_result": None,
        "retrial_judgment": None,
        "retrial_charge": None if number % 100 else charge,
        "final_charge": charge,
        "final_judged_on": DAYS[(day * 7) % 2_000],
    }


def mappings(count: int) -> Iterator[list[dict[str, Any]]]:
    """Yield batches of rows as mappings, their days as text."""
    for start in range(0, count, BATCH):
        yield [row(number) for number in range(start, min(start + BATCH, count))]


def tables(count: int) -> Iterator[pa.Table]:
    """Yield the same batches as Arrow tables, their days as days."""
    kinds = {name: pa.date32() if name in DAY_COLUMNS else pa.string() for name in COLUMNS}
    for rows in mappings(count):
        texts = {name: pa.array([each[name] for each in rows], pa.string()) for name in COLUMNS}
        yield pa.table({name: texts[name].cast(kind) for name, kind in kinds.items()})


def made(batches: Iterable[Rows]) -> list[Rows]:
    """Return batches made before a clock starts; on every side garbage is collected as seldom as commands of ours do.

    It does not go through the batches again and again either.
    """
    gc.set_threshold(*GC_THRESHOLD)
    found = list(batches)
    gc.collect()
    gc.freeze()
    return found
