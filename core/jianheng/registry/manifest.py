"""The static manifest of a plugin, ``adapter.toml``: found and read before anything is imported."""

import importlib.util
import string
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from jianheng.config.faults import faults_of
from jianheng.config.layers import read_toml
from jianheng.config.options import Label, Option, fits
from jianheng.contract import SUPPORTED_CONTRACTS, PublicationKind
from jianheng.errors import Problem, StopError, problem
from jianheng.messages import PARTS, add_texts, text

MANIFEST = "adapter.toml"
TEXTS = "messages.toml"

Kind = Literal["source", "target", "policies", "calendars"]
Maturity = Literal["bronze", "silver", "gold"]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]


class Manifest(BaseModel):
    """What a plugin says about itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Text
    kind: Annotated[tuple[Kind, ...], Field(strict=False, min_length=1)]
    contract: int
    maturity: Maturity
    label: Label
    streams: Texts = ()
    publications: Annotated[tuple[PublicationKind, ...], Field(strict=False)] = ()
    allowed_hosts: Texts = ()
    secrets: Texts = ()
    options: Mapping[str, Option] = Field(default_factory=dict)


def find_manifest(entry: EntryPoint, site: Path | None = None) -> Path:
    """Return where an entry point's manifest is, without importing any of its code.

    Only the top-level name is looked up, which imports nothing; from there on folders are walked.

    Args:
        entry: the entry point.
        site: the folder its code is in; where Python would find it when not given.

    Raises:
        StopError: the package or its manifest is not there.
    """
    try:
        top, *inner = entry.module.split(".")
    except AttributeError:  # what stands there is no name of a module
        raise StopError("plugin-package-missing", plugin=entry.name, module=entry.value) from None
    for place in _places(entry, top) if site is None else [str(site / top)]:
        folder = Path(place, *inner)
        beside = folder.parent if (inner or site) and folder.with_suffix(".py").is_file() else folder
        if (beside / MANIFEST).is_file():
            return beside / MANIFEST
    raise StopError("plugin-manifest-missing", plugin=entry.name, module=entry.module, name=MANIFEST)


def _places(entry: EntryPoint, top: str) -> Iterable[str]:
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None or spec.submodule_search_locations is None:
        raise StopError("plugin-package-missing", plugin=entry.name, module=entry.module)
    return spec.submodule_search_locations


def read_manifest(file: Path) -> Manifest:
    """Return a manifest.

    Raises:
        StopError: it can't be read, has faults, or was written for another contract.
    """
    shown = "/".join(file.parts[-2:])
    data = read_toml(file)
    found = faults_of(Manifest, data, shown)
    manifest = None if found else Manifest.model_validate(data)
    if manifest is not None:
        found = list(_contradictions(manifest, shown))
    if manifest is not None and not found:
        return manifest
    contract = data.get("contract")
    if type(contract) is int and contract not in SUPPORTED_CONTRACTS:
        # Another contract has other keys: to call those unknown would lead astray.
        raise unsupported_contract(shown, contract)
    raise StopError("plugin-manifest-bad", file=shown, faults=told(found))


def unsupported_contract(file: str, contract: int) -> StopError:
    """Return the error that a manifest of another contract version deserves."""
    served = ", ".join(str(each) for each in SUPPORTED_CONTRACTS)
    return StopError("plugin-contract", file=file, contract=contract, served=served)


def told(problems: Iterable[Problem]) -> str:
    """Return several problems as one line: what and where of each."""
    messages = [each.message() for each in problems]
    return "; ".join(f"{each.what} [{each.where}]" if each.where else each.what for each in messages)


def _contradictions(manifest: Manifest, file: str) -> Iterable[Problem]:
    for language in ("zh", "en"):
        if not manifest.label.get(language):
            yield problem("config-missing-key", file=file, path=f"label.{language}")
    if "target" in manifest.kind and not manifest.publications:
        yield problem("config-missing-key", file=file, path="publications")
    if "source" in manifest.kind and not manifest.streams:
        yield problem("config-missing-key", file=file, path="streams")
    for path, rule in _against_themselves(manifest):
        yield problem("plugin-manifest-senseless", file=file, path=path, rule=rule)
    for name, option in manifest.options.items():
        if option.default is not None and not fits(option, option.default):
            yield problem("plugin-default-type", file=file, path=f"options.{name}.default", type=option.type)


def _against_themselves(manifest: Manifest) -> Iterable[tuple[str, str]]:
    """Yield where a manifest says what can't be meant, and the rule that it breaks."""
    if len(set(manifest.streams)) < len(manifest.streams):
        yield "streams", text("manifest-stream-twice")
    if any("/" in host or "@" in host for host in manifest.allowed_hosts):
        yield "allowed_hosts", text("manifest-host-is-address")
    for name, option in manifest.options.items():
        if option.required and option.default is not None:
            yield f"options.{name}.default", text("manifest-required-default")
        if option.access == "write" and option.type != "path":
            yield f"options.{name}.access", text("manifest-access-no-path")
        bounds = (option.minimum, option.maximum)
        if None not in bounds and option.minimum > option.maximum:  # type: ignore[operator]
            yield f"options.{name}.minimum", text("manifest-bounds-crossed")


def add_plugin_texts(manifest_file: Path, *, check: bool = True) -> None:
    """Add the texts that stand beside a manifest, if there are any, so that its errors can be told.

    Args:
        manifest_file: the manifest.
        check: look at the form of each text; ours are looked at before they are shipped.

    Raises:
        StopError: the file can't be read or a text has not the form of one.
    """
    file = manifest_file.parent / TEXTS
    if not file.exists():
        return
    wrong = [code for code, entry in read_toml(file).items() if not _is_text(entry)] if check else []
    if wrong:
        raise StopError("plugin-texts-bad", file="/".join(file.parts[-2:]), codes=", ".join(wrong))
    add_texts(file)


def _is_text(entry: Any) -> bool:
    if not isinstance(entry, Mapping) or set(entry) != {"zh", "en"}:
        return False
    zh, en = entry["zh"], entry["en"]
    if isinstance(zh, str) and isinstance(en, str):
        return _formats(zh) and _formats(en)
    return all(
        isinstance(each, Mapping)
        and set(each) <= set(PARTS)
        and isinstance(each.get("what"), str)
        and all(isinstance(part, str) and _formats(part) for part in each.values())
        for each in (zh, en)
    )


def _formats(template: str) -> bool:
    try:
        # A field is a plain name: an attribute or index in it would run against whatever is told.
        return all(
            field is None or field.isidentifier() for _, field, _, _ in string.Formatter().parse(template)
        )
    except ValueError:
        return False
