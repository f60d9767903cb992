"""Checks of what an adapter says of itself: manifest, options, secrets, texts, and the schema it had at its last release."""

import json
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from jianheng.config import check_options
from jianheng.config.options import Option
from jianheng.conformance.bench import Bench
from jianheng.conformance.rig import placed
from jianheng.errors import FaultsError, Problem, StopError, problem
from jianheng.logs import holds_url_secret, is_sensitive_key
from jianheng.messages import LANGUAGES, PARTS, entry, speaking, text
from jianheng.registry.manifest import TEXTS, add_plugin_texts

Told = Iterator[Problem | str]


def manifest(bench: Bench, _subject: str) -> Told:
    """The manifest can be read, names the adapter as the entry point does, and labels all it declares."""
    subject = bench.subject
    if subject.fault is not None:
        yield subject.fault
        return
    told = bench.manifest
    if told.id != subject.id:
        yield problem("conform-id-differs", id=told.id, entry_point=subject.id, at=subject.manifest_file.name)
    for name, option in told.options.items():
        if not all(option.label.get(language) for language in LANGUAGES):
            yield problem("conform-option-unlabelled", option=name, at=bench.at())
    if not subject.version or not subject.distribution:
        yield problem("conform-no-version", at=bench.at())


def options(bench: Bench, _subject: str) -> Told:
    """What the manifest says of options holds together, and the good options of the rig are what it says."""
    for name, option in bench.manifest.options.items():
        yield from _of_option(bench, name, option)
    with bench.upstream() as upstream:
        found = bench.situation(upstream, "good")
        unplaced = json.dumps(placed(dict(found.options), upstream.places), default=str)
        if "{upstream}" in unplaced:
            yield problem("conform-no-address", at=bench.at())
        try:
            check_options(
                bench.manifest,
                placed(dict(found.options), upstream.places),
                upstream.folder,
                path="good.options",
                file="conform.toml",
            )
        except FaultsError as error:
            yield from error.problems


def _of_option(bench: Bench, name: str, option: Option) -> Told:
    if option.required and option.default is not None:
        yield problem("conform-option-required-default", option=name, at=bench.at())
    if option.choices is not None and option.default is not None and option.default not in option.choices:
        yield problem("conform-option-default", option=name, default=option.default, at=bench.at())
    bounds = (option.minimum, option.maximum)
    if None not in bounds and isinstance(option.default, int):
        low, high = option.minimum or 0, option.maximum or 0
        if not low <= option.default <= high:
            yield problem("conform-option-default", option=name, default=option.default, at=bench.at())


def secret_marking(bench: Bench, _subject: str) -> Told:
    """Whatever is secret is declared as a secret, so that it is given by reference and never shown."""
    told = bench.manifest
    for name, option in told.options.items():
        if is_sensitive_key(name):
            yield problem("conform-secret-as-option", option=name, at=bench.at())
        if isinstance(option.default, str) and holds_url_secret(option.default):
            yield problem("conform-secret-in-default", option=name, at=bench.at())
    with bench.upstream() as upstream:
        given = bench.situation(upstream, "good").secrets
    for name in sorted(set(told.secrets) - set(given)):
        yield problem("conform-secret-not-given", secret=name, at=bench.at())
    for name in sorted(set(given) - set(told.secrets)):
        yield problem("conform-secret-undeclared", secret=name, at=bench.at())
    for name, value in given.items():
        if len(value) < SHORTEST_SECRET:
            yield problem("conform-secret-short", secret=name, least=SHORTEST_SECRET)


SHORTEST_SECRET = 8
"""A made-up secret must be unlike any word, or finding it in a text would prove nothing."""


def texts(bench: Bench, _subject: str) -> Told:
    """Every error the adapter has told in this run has its words in both languages, with every field filled in."""
    file = bench.subject.manifest_file.with_name(TEXTS)
    if file.is_file():
        try:
            add_plugin_texts(bench.subject.manifest_file)
        except StopError as error:
            yield error.problem
            return
        yield from _declared(bench, file)
    for told in bench.watch.told.values():
        yield from _spoken(bench, told)
    yield f"{len(bench.watch.told)}"


def _declared(bench: Bench, file: Path) -> Told:
    for code, both in tomllib.loads(file.read_text(encoding="utf-8")).items():
        for language, told in both.items():
            missing = [part for part in PARTS if isinstance(told, dict) and not told.get(part)]
            if missing:
                parts = ", ".join(missing)
                yield problem("conform-text-parts", code=code, language=language, parts=parts, at=bench.at())


def _spoken(bench: Bench, told: Problem) -> Told:
    try:
        entry(told.code)
    except KeyError:
        yield problem("conform-text-missing", code=told.code, at=bench.at())
        return
    for language in LANGUAGES:
        with speaking(language):
            shown = told.message()
        told_text = f"{shown.what} {shown.where} {shown.why} {shown.do}"
        bare = sorted({field for field in _fields(told.code) if f"{{{field}}}" in told_text})
        if bare:
            fields = ", ".join(bare)
            yield problem(
                "conform-text-fields", code=told.code, language=language, fields=fields, at=bench.at()
            )


def _fields(code: str) -> Iterable[str]:
    import string

    for told in entry(code).values():
        parts = told.values() if isinstance(told, dict) else [told]
        for part in parts:
            yield from (name for _, name, _, _ in string.Formatter().parse(str(part)) if name)


def no_secret(bench: Bench, _subject: str) -> Told:
    """No secret stood anywhere in what the adapter said, raised, gave or remembered."""
    for where, name in bench.watch.seen:
        yield problem("conform-secret-told", secret=name, seen=text(f"conform-seen-{where}"), at=bench.at())
    yield f"{len(bench.watch.forms)}"
