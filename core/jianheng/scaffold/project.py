"""Writing a new plugin, and bringing an older one up to the templates of today.

What the vendor changed is theirs: an update writes the template's new file beside it. The answers and a
hash of every file as the template made it stand in ``.jianheng-template.toml``, which tells the two apart.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from jianheng.config.faults import faults_of
from jianheng.config.layers import raise_faults, read_toml
from jianheng.errors import StopError
from jianheng.scaffold.template import Answers, NewKind, answers_for, rendered

ANSWERS = ".jianheng-template.toml"

Fate = Literal["added", "replaced", "beside", "left-out", "dropped"]
"""What an update did with a file: written anew; taken over; changed by the vendor, so written beside as ``.new``;
removed by the vendor, so left out; no longer in the template, so the vendor may delete it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One file that an update had something to do with."""

    path: str
    fate: Fate


class Record(BaseModel):
    """What ``.jianheng-template.toml`` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: NewKind
    name: str
    jianheng: str
    label: dict[Literal["zh", "en"], str]
    extends: str = ""
    files: dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]]


def write_project(answers: Answers, folder: Path, version: str, pack: Mapping[str, bytes]) -> list[Path]:
    """Write a new plugin; return its files.

    Args:
        answers: what was answered about it.
        folder: where; it must be empty or not be there.
        version: of Jianheng.
        pack: the files of the policy pack it brings, by path below the pack's folder; none for an adapter.

    Raises:
        StopError: there is something in the folder.
        OSError: it can't be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StopError("new-exists", folder=str(folder))
    files = rendered(answers, version)
    content = {path: text.encode() for path, text in files.items()}
    # The law is the province's from the first minute: it is not among the files that an update knows.
    content |= {f"{answers.package}/{answers.name}/{path}": told for path, told in pack.items()}
    if not pack:
        content[f"{answers.package}/py.typed"] = b""
    content[ANSWERS] = _record_text(answers, version, files).encode()
    written = []
    for path, told in sorted(content.items()):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(told)
        written.append(file)
    return written


def update_project(folder: Path, version: str) -> tuple[Change, ...]:
    """Bring a plugin up to the templates of today, and say what became of each file that differs.

    Raises:
        StopError: it was not made from a template.
        FaultsError: the record of its making was damaged.
        OSError: a file can't be read or written.
    """
    file = folder / ANSWERS
    if not file.is_file():
        raise StopError("new-no-record", folder=str(folder), file=ANSWERS)
    data = read_toml(file)
    raise_faults(faults_of(Record, data, str(file)))
    record = Record.model_validate(data)
    answers = answers_for(
        record.kind, record.name, record.label.get("zh"), record.label.get("en"), record.extends
    )
    files = rendered(answers, version)
    before = record.files
    changes = [
        Change(path, fate)
        for path in sorted({*before, *files})
        if (fate := _bring(folder / path, before.get(path), files.get(path)))
    ]
    file.write_text(_record_text(answers, version, files), encoding="utf-8")
    return tuple(changes)


def _bring(file: Path, was: str | None, now: str | None) -> Fate | None:
    """Bring one file up to date; ``was`` is the hash of what the template made then, ``now`` what it makes today."""
    has = _hash(file.read_bytes()) if file.exists() else None
    if now is None:
        return "dropped" if has is not None else None
    told = now.encode()
    if _hash(told) in (was, has):
        return None
    if has is None and was is not None:
        return "left-out"
    if has not in (None, was):
        beside = file.with_name(f"{file.name}.new")
        beside.write_bytes(told)
        return "beside"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(told)
    return "added" if has is None else "replaced"


def _hash(content: bytes) -> str:
    # An editor that changes the ends of lines has changed nothing.
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def _record_text(answers: Answers, version: str, files: Mapping[str, str]) -> str:
    def quoted(told: str) -> str:
        return json.dumps(told, ensure_ascii=False)

    lines = [
        "# 由 jianheng new 写成, 请一并纳入版本管理; jianheng new --update 据此采用模板的新版本.",
        "# Written by jianheng new: keep it under version control; jianheng new --update reads it.",
        f"kind = {quoted(answers.kind)}",
        f"name = {quoted(answers.name)}",
        f"jianheng = {quoted(version)}",
        f"label = {{ zh = {quoted(answers.label['zh'])}, en = {quoted(answers.label['en'])} }}",
        f"extends = {quoted(answers.extends)}",
        "",
        "[files]",
        *(f"{quoted(path)} = {quoted(_hash(text.encode()))}" for path, text in sorted(files.items())),
    ]
    return "\n".join(lines) + "\n"
