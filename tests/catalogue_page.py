"""The catalogue of plugins, made of their manifests: what ships with Jianheng, and what stands in contrib/."""

import datetime as dt
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from document_pages import ROOT, cell
from jianheng.conformance.result import standing
from jianheng.registry.manifest import Manifest, read_manifest

HEAD = """# Catalogue

Every plugin that ships with Jianheng, and the examples of `contrib/`, as their manifests tell. Generated: don't edit by hand.
What an option means in detail: [configuration.md](configuration.md#options-of-the-shipped-adapters); how to write one of your own: [vendor-guide.md](vendor-guide.md).

What is installed at an office, in use or set aside, with tier and signature: `jianheng plugins`. "Claims" is the vendor's own word; "proved" is what `jianheng conform --write` left beside the manifest,
of these very files ([conformance.md](conformance.md))."""

ANY_DAY = dt.date(2000, 1, 1)
"""Whether an exemption has expired is told where a plugin is listed; a page that is kept can't know the day."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A plugin with the distribution it belongs to, and the tier that was proved."""

    distribution: str
    manifest: Manifest
    proved: str


def catalogue_page() -> str:
    """Return the page: an overview, then a section a plugin."""
    found = sorted(
        _listed(), key=lambda each: (each.distribution != "jianheng", each.distribution, each.manifest.id)
    )
    rows = [_row(each) for each in found]
    overview = [
        "| id | | kind | claims | proved | distribution |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
    ]
    sections = [line for each in found for line in _section(each)]
    return "\n".join([HEAD, "", *overview, *sections]) + "\n"


def _row(listed: Listed) -> str:
    told = listed.manifest
    label = f"{told.label['zh']} {told.label['en']}"
    kinds = ", ".join(told.kind)
    return f"| [`{told.id}`](#{told.id}) | {label} | {kinds} | {told.maturity} | {listed.proved or '–'} | {listed.distribution} |"


def _listed() -> Iterator[Listed]:
    """Yield every plugin of the tree."""
    ours = [file for root in ("adapters", "plugins") for file in (ROOT / root).rglob("adapter.toml")]
    files = [("jianheng", file) for file in ours]
    for project in (ROOT / "contrib").glob("*/pyproject.toml"):
        told = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        files += [(str(told["name"]), file) for file in _shipped(project.parent)]
    for distribution, file in files:
        yield Listed(distribution, read_manifest(file), standing(file.parent, ANY_DAY).tier)


def _shipped(project: Path) -> Iterator[Path]:
    beside = {"build", "dist", "tests"}
    return (file for file in project.rglob("adapter.toml") if not beside & {*file.relative_to(project).parts})


def _section(listed: Listed) -> Iterator[str]:
    manifest = listed.manifest
    yield from ("", f"## {manifest.id}", "")
    yield f"{manifest.label['zh']} / {manifest.label['en']}. Distribution `{listed.distribution}`, contract {manifest.contract}."
    facts = {
        "streams": manifest.streams,
        "publications": manifest.publications,
        "hosts": manifest.allowed_hosts,
        "secrets": manifest.secrets,
    }
    told = [
        f"{name}: {', '.join(_named(each) for each in values)}" for name, values in facts.items() if values
    ]
    if told:
        yield from ("", "; ".join(told) + ".")
    if manifest.options:
        yield from ("", "| option | type | default | limits | |", "| --- | --- | --- | --- | --- |")
        for name, each in manifest.options.items():
            default = (
                "**needed**" if each.required else "" if each.default is None else f"`{_value(each.default)}`"
            )
            label = " / ".join(each.label[language] for language in ("zh", "en") if language in each.label)
            yield f"| `{name}` | {each.type} | {cell(default)} | {cell(_limits(each))} | {cell(label)} |"


def _named(value: str) -> str:
    return "as configured" if value == "*" else f"`{value}`"


def _limits(option: Any) -> str:
    bounds = [
        f"{mark} {_value(bound)}"
        for mark, bound in (("≥", option.minimum), ("≤", option.maximum))
        if bound is not None
    ]
    choices = [", ".join(f"`{_value(each)}`" for each in option.choices)] if option.choices else []
    return "; ".join([*bounds, *choices])


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
