"""The pages of the documentation: reading what they show, and making those that are generated."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from jianheng.facts.entities import ENTITIES
from jianheng.facts.entity import Column

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def shown(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the code blocks of a page: language, the rest of the opening line, content."""
    for found in re.finditer(r"^```(\w*) ?([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield found[1], found[2].strip(), found[3]


def files(text: str, folder: Path) -> Path:
    """Write the code blocks that carry a path, those of one file after each other; return the folder."""
    for _, name, content in blocks(text):
        if "." in name:
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as whole:
                whole.write(content)
    return folder


def section(text: str, heading: str) -> str:
    """Return what stands under a heading of the second level that begins so, or nothing."""
    found = re.search(
        rf"^## {re.escape(heading)}(?![\w-])[^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    return found[1] if found else ""


def first_cells(text: str) -> set[str]:
    """Return every code word in the first cells of a page's tables."""
    return {
        word
        for row in re.findall(r"^\|((?:\\\||[^|])*)\|", text, re.MULTILINE)
        for word in re.findall(r"`([^`]+)`", row)
    }


def table(text: str, head: str) -> str:
    """Return the table whose first column is headed so, or nothing."""
    found = re.search(rf"^\| {re.escape(head)} \|.*\n((?:\|.*\n)*)", text, re.MULTILINE)
    return found[1] if found else ""


def cell(text: object) -> str:
    return str(text).replace("|", "\\|")


def notes(column: Column) -> str:
    told = []
    if column.required:
        told.append("needed")
    if column.ref:
        told.append(f"key of `{column.ref}`" + (", which must be known" if column.strict else ""))
    if column.allowed:
        told.append("one of " + ", ".join(f"`{each}`" for each in column.allowed))
    if column.privacy != "none":
        told.append({"staff": "names staff", "party": "names a party: pseudonym only"}[column.privacy])
    return "; ".join(told)


def facts_page() -> str:
    lines = [
        "# Facts",
        "",
        "Every entity and column, as declared in `core/jianheng/facts/entities.py`. Generated: don't edit by hand.",
        "",
        "The first column is the key, unique within an office and a source. `code` is text from a catalogue, `datetime` is",
        "Asia/Shanghai wall time, `attributes` is a mapping of what core does not know. A row that lacks a needed value, or names",
        "a record that must be known and is not, is quarantined.",
    ]
    for entity in ENTITIES.values():
        time = f" Business time: `{entity.business_time}`." if entity.business_time else ""
        lines += ["", f"## {entity.name} {entity.label}", "", f"{entity.grain}.{time}", ""]
        lines += ["| column | 中文 | type | |", "| --- | --- | --- | --- |"]
        lines += [
            f"| `{each.name}` | {each.label} | {each.type} | {notes(each)} |" for each in entity.columns
        ]
    return "\n".join(lines) + "\n"


def message_files() -> dict[str, Path]:
    core = {file.stem: file for file in (ROOT / "core" / "jianheng" / "messages").glob("*.toml")}
    adapters = {file.parent.name: file for file in (ROOT / "adapters").rglob("messages.toml")}
    return dict(sorted(core.items())) | dict(sorted(adapters.items()))


def errors_page() -> str:
    lines = [
        "# Errors",
        "",
        "Every error by its code, in Chinese and English; words in braces are filled in. Generated from the message files:",
        "don't edit by hand. What to do on which exit code: [cli.md](cli.md#exit-codes).",
    ]
    for area, file in message_files().items():
        errors = {
            code: entry
            for code, entry in tomllib.loads(file.read_text(encoding="utf-8")).items()
            if isinstance(entry["zh"], Mapping)
        }
        lines += ["", f"## {area}"] if errors else []
        for code, entry in sorted(errors.items()):
            lines += ["", f"### {code}", "", "| | 中文 | English |", "| --- | --- | --- |"]
            for part, label in (
                ("what", "what 问题"),
                ("where", "where 位置"),
                ("why", "why 影响"),
                ("do", "do 处理"),
            ):
                lines.append(f"| {label} | {cell(entry['zh'][part])} | {cell(entry['en'][part])} |")
    return "\n".join(lines) + "\n"
