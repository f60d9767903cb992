"""The documents tell the truth: what they list is complete, and what they show runs.

``JIANHENG_WRITE_DOCS=1`` rewrites the two generated pages instead of comparing them.
"""

import ast
import inspect
import os
import re
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import pytest
from pydantic import BaseModel

from document_pages import (
    DOCS,
    ROOT,
    blocks,
    errors_page,
    facts_page,
    first_cells,
    page,
    section,
    shown,
    table,
)
from jianheng import hookspecs
from jianheng.cli.app import build
from jianheng.cli.exit_codes import ExitCode
from jianheng.config.deployment import Settings
from jianheng.config.options import Option
from jianheng.registry.hooks import HOOKS, register
from jianheng.registry.manifest import Manifest

PAGES = sorted(
    [*DOCS.rglob("*.md"), *(ROOT / name for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md"))]
)
SHARED = {"--config", "--json", "--verbose", "--quiet", "--lang", "--help"}


# Hooks.


def hooks() -> dict[str, str]:
    """Return the signature of every hook as it is written in the specification."""
    tree = ast.parse(inspect.getsource(hookspecs))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {
        each.name: f"def {each.name}({ast.unparse(each.args)}) -> {ast.unparse(each.returns)}"
        for each in functions
        if each.returns is not None
    }


def test_every_hook_has_a_section_with_its_exact_signature():
    assert set(HOOKS.values()) == set(hooks())
    text = page("hooks.md")
    written = {
        name: [content.strip() for _, label, content in blocks(section(text, name)) if label == "signature"]
        for name in hooks()
    }
    assert {name: [signature] for name, signature in hooks().items()} == written


def test_every_hook_has_a_test_with_its_name():
    names = [
        node.name
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    missing = [hook for hook in hooks() if not any(hook in re.split("_", name) for name in names)]
    assert missing == []


def test_the_hooks_sources_targets_policies_and_calendars_work_as_their_page_shows(tmp_path):
    """The example of each section registers, and gives what it says it gives."""
    for kind, hook in HOOKS.items():
        (example,) = [each for _, label, each in blocks(section(page("hooks.md"), hook)) if label == ""]
        (name,) = re.findall(r'"([a-z-]+)"', example)
        module = types.ModuleType("example")
        vars(module).update(
            hookimpl=hookspecs.hookimpl,
            Path=Path,
            AcmeHR=dict,
            AcmeBoard=list,
            __file__=str(tmp_path / "plugin.py"),
        )
        exec(example, vars(module))  # noqa: S102 the page's own example is what is tested
        manifest = Manifest(
            id=name,
            kind=(kind,),
            contract=1,
            maturity="bronze",
            label={"zh": "例", "en": "example"},
            streams=("person",),
            publications=("scores",),
        )
        given = register(manifest, module)
        assert {
            "source": [*given.sources],
            "target": [*given.targets],
            "policies": [each.name for each in given.folders],
            "calendars": [*given.calendars],
        }[kind] == [name]


# The command line, the deployment, the manifest.


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name, groups too."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            each = command.get_command(context, name)
            assert each is not None
            yield from commands(each, f"{path} {name}")


def options(command: click.Command) -> set[str]:
    """Return the long names of a command's options."""
    return {
        name
        for each in command.params
        if isinstance(each, click.Option)
        for name in (*each.opts, *each.secondary_opts)
        if name.startswith("--")
    }


def option_names(text: str) -> set[str]:
    """Return the long options in the first cells of a page's tables."""
    return {word.partition(" ")[0] for word in first_cells(text) if word.startswith("--")}


def test_every_command_and_option_is_documented_and_no_other():
    text = page("cli.md")
    assert {*SHARED, "--version"} == option_names(section(text, "Options of every command"))
    for path, command in commands(build(), "jianheng"):
        if isinstance(command, click.Group):
            assert f"`{path}`" in text or path == "jianheng"
            assert options(command) <= {*SHARED, "--version"}
            continue
        told = section(text, f"`{path}")
        assert told, f"docs/cli.md has no section for {path}"
        assert option_names(told) == options(command) - SHARED


def test_every_exit_code_is_documented():
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", section(page("cli.md"), "Exit codes"), re.MULTILINE)
    assert {each.name: each.value for each in ExitCode} == {name: int(value) for value, name in rows}


@pytest.mark.parametrize("file", PAGES, ids=shown)
def test_every_command_that_a_page_shows_exists(file):
    known = {path.partition(" ")[2] for path, command in commands(build(), "jianheng")}
    lines = [
        line.strip().removeprefix("$ ")
        for _, _, content in blocks(file.read_text(encoding="utf-8"))
        for line in content.splitlines()
    ]
    for words in [
        re.split(r"[ ;&|)]+", line.partition("#")[0]) for line in lines if line.startswith("jianheng ")
    ]:
        named = [word for word in words[1:] if word and not word.startswith("-") and word not in ("en", "zh")]
        assert not named or named[0] in known, " ".join(words)


def keys(model: type[BaseModel], under: str = "") -> Iterator[str]:
    """Yield every key of a deployment, names of one's own as NAME."""
    for name, field in model.model_fields.items():
        path = f"{under}{name}"
        annotated = [field.annotation, *get_args(field.annotation)]
        inner = [each for each in annotated if isinstance(each, type) and issubclass(each, BaseModel)]
        if inner:
            yield from keys(inner[0], f"{path}.NAME." if field.annotation not in inner else f"{path}.")
        else:
            yield path


def test_every_key_of_a_deployment_is_documented_and_no_other():
    assert {*keys(Settings), "extends"} == first_cells(section(page("configuration.md"), "Keys"))


def test_every_option_of_the_shipped_adapters_is_documented():
    rows = section(page("configuration.md"), "Options of the shipped adapters").splitlines()
    for file in (ROOT / "adapters").rglob("adapter.toml"):
        manifest = tomllib.loads(file.read_text(encoding="utf-8"))
        (row,) = [each for each in rows if f"`{manifest['id']}`" in each]
        missing = [name for name in (*manifest["options"], *manifest["secrets"]) if f"`{name}`" not in row]
        assert missing == [], manifest["id"]


def test_every_key_of_a_manifest_is_documented_and_no_other():
    wanted = {*Manifest.model_fields, *(f"options.NAME.{name}" for name in Option.model_fields)}
    assert wanted == first_cells(section(page("vendor-guide.md"), "The manifest"))


# Generated pages.


@pytest.mark.parametrize(("name", "made"), [("facts.md", facts_page), ("errors.md", errors_page)])
def test_the_generated_pages_are_current(name, made):
    """When this fails: JIANHENG_WRITE_DOCS=1 python -m pytest tests/test_documentation.py."""
    if os.environ.get("JIANHENG_WRITE_DOCS") == "1":
        (DOCS / name).write_text(made(), encoding="utf-8")
    assert made() == page(name)


# Every page.


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", outside, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("file", PAGES, ids=shown)
def test_every_relative_link_leads_somewhere(file):
    text = re.sub(r"^```.*?^```$", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("file", PAGES, ids=shown)
def test_every_toml_block_can_be_read(file):
    for language, _, content in blocks(file.read_text(encoding="utf-8")):
        if language == "toml":
            tomllib.loads(content)


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_a_readme_shows_its_two_commands_before_any_other(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    lines = [
        line.partition("#")[0].strip() for _, _, content in blocks(text) for line in content.splitlines()
    ]
    assert [line for line in lines if line][:2] == ["make demo", "make test"]


def test_every_benchmark_is_described_and_no_other():
    runnable = {
        file.stem
        for file in (ROOT / "benchmarks").glob("*.py")
        if "__main__" in file.read_text(encoding="utf-8")
    }
    assert first_cells(table(page("benchmarks.md"), "name")) == runnable
