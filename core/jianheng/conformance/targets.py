"""Checks of what a target holds: read back by the vendor's rig, never taken from the target's own word."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, cast

from jianheng.conformance.bench import Bench
from jianheng.conformance.publications import made_publication
from jianheng.conformance.reading import listed
from jianheng.conformance.rig import Upstream
from jianheng.contract import Publication, PublicationKind
from jianheng.errors import JianhengError, Problem, problem

Told = Iterator[Problem | str]
KEYS: Mapping[PublicationKind, tuple[str, str]] = {
    "scores": ("person_key", "points"),
    "archive-due": ("case_no", "case_no"),
    "notices": ("key", "key"),
}
"""By which column what a target holds is recognised, and which other one must be told."""


def kind_named(subject: str) -> PublicationKind:
    """Return a kind of publication by its name; a manifest has no others."""
    return cast("PublicationKind", subject)


def receipt(bench: Bench, subject: str) -> Told:
    """A write says where the result is and how many records it holds."""
    kind = kind_named(subject)
    with bench.upstream() as upstream, bench.opened(upstream) as opened:
        try:
            found = opened.write(made_publication(bench, kind, 1))
        except JianhengError as error:
            yield bench.unexpected("write", error, kind)
            return
    if not isinstance(found.location, str) or not found.location.strip():
        yield problem("conform-receipt-place", at=bench.at(kind))
    if type(found.records) is not int or found.records < 1:
        yield problem("conform-receipt-count", given=found.records, at=bench.at(kind))
    yield f"{found.records}"


def write_twice(bench: Bench, subject: str) -> Told:
    """The same publication written again, by another instance, is taken without complaint and told the same."""
    kind = kind_named(subject)
    with bench.upstream() as upstream:
        receipts = []
        for _ in range(2):
            with bench.opened(upstream) as opened:
                try:
                    receipts.append(opened.write(made_publication(bench, kind, 1)))
                except JianhengError as error:
                    yield bench.unexpected("write", error, kind)
                    return
    first, second = receipts
    if (first.location, first.records) != (second.location, second.records):
        yield problem(
            "conform-receipt-differs",
            first=f"{first.location} ({first.records})",
            second=f"{second.location} ({second.records})",
            at=bench.at(kind),
        )


def read_back(bench: Bench, subject: str) -> Told:
    """What was written is there: every record once, every number as it was, nothing where nothing is known."""
    kind = kind_named(subject)
    with bench.upstream() as upstream:
        upstream.needs("held")
        publication = made_publication(bench, kind, 1)
        with bench.opened(upstream) as opened:
            _write(bench, opened, publication)
        yield from differences(bench, upstream, publication)


def not_doubled(bench: Bench, subject: str) -> Told:
    """The same publication written twice, as after a crash before the receipt was kept, is held once."""
    kind = kind_named(subject)
    with bench.upstream() as upstream:
        upstream.needs("held")
        publication = made_publication(bench, kind, 1)
        for _ in range(2):
            with bench.opened(upstream) as opened:
                _write(bench, opened, publication)
        yield from differences(bench, upstream, publication)


def replaces(bench: Bench, subject: str) -> Told:
    """A later publication of the same period is held as it is, with fewer people and other numbers; the former may stay or go."""
    kind = kind_named(subject)
    with bench.upstream() as upstream:
        upstream.needs("held")
        later = made_publication(bench, kind, 2, people=4)
        for publication in (made_publication(bench, kind, 1), later):
            with bench.opened(upstream) as opened:
                _write(bench, opened, publication)
        yield from differences(bench, upstream, later)


def _write(bench: Bench, opened: Any, publication: Publication) -> None:
    from jianheng.conformance.verdict import FailedError

    try:
        opened.write(publication)
    except JianhengError as error:
        raise FailedError(bench.unexpected("write", error, publication.kind)) from error


def differences(bench: Bench, upstream: Upstream, publication: Publication) -> Told:
    """Yield what is wrong with what a target holds of a publication."""
    kind = publication.kind
    key, needed = KEYS[kind]
    held = upstream.held(publication)
    wanted = wanted_rows(publication)
    if bare := [each for each in held if key not in each or needed not in each]:
        yield problem(
            "conform-held-bare", columns=f"{key}, {needed}", given=listed(bare[0]), at=bench.at(kind)
        )
        return
    counted = Counter(str(each[key]) for each in held)
    if doubled := sorted(name for name, count in counted.items() if count > 1):
        yield problem("conform-held-doubled", keys=listed(doubled), count=len(doubled), at=bench.at(kind))
    if missing := sorted(wanted.keys() - counted.keys()):
        yield problem("conform-held-missing", keys=listed(missing), count=len(missing), at=bench.at(kind))
    if surplus := sorted(counted.keys() - wanted.keys()):
        yield problem("conform-held-surplus", keys=listed(surplus), count=len(surplus), at=bench.at(kind))
    for each in held:
        yield from _row(bench, kind, each, wanted.get(str(each[key])), str(each[key]))


def _row(
    bench: Bench, kind: str, held: Mapping[str, Any], wanted: Mapping[str, Any] | None, key: str
) -> Told:
    if wanted is None:
        return
    for column, value in held.items():
        if column not in wanted:
            known = ", ".join(wanted)
            yield problem("conform-held-column", column=column, known=known, at=bench.at(kind))
        elif value != wanted[column]:
            yield problem(
                "conform-held-differs",
                column=column,
                key=key,
                wanted=wanted[column],
                found=value,
                at=bench.at(kind),
            )


def wanted_rows(publication: Publication) -> dict[str, dict[str, Any]]:
    """Return what a target must hold of a publication, by key: every column of its records."""
    key, _ = KEYS[publication.kind]
    if publication.kind == "notices":
        records: list[Any] = [publication.notice]
    else:
        records = list(publication.people if publication.kind == "scores" else publication.due)
    rows = ({field.name: getattr(each, field.name) for field in fields(each)} for each in records)
    return {str(row[key]): row for row in rows}
