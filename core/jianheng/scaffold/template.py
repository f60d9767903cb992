"""The templates: what was answered about a new plugin, and the files that come of it."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import jinja2

from jianheng.contract import CONTRACT_VERSION
from jianheng.errors import FaultsError, Problem, StopError, problem

NewKind = Literal["adapter", "target", "policy", "rulepack"]
KINDS: tuple[NewKind, ...] = get_args(NewKind)

_FOLDER = Path(__file__).parent / "templates"
_SCHEMA = Path(__file__).parent / "adapter.schema.json"
_FOLDERS: Mapping[NewKind, str] = {
    "adapter": "adapter",
    "target": "target",
    "policy": "policy",
    "rulepack": "policy",
}
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_MOST_NAME = 40
_MOST_LABEL = 100
_PRERELEASE = re.compile(r"[^0-9.].*")


@dataclass(frozen=True, slots=True)
class Answers:
    """What a template needs to know.

    Attributes:
        name: the plugin's id.
        label: its name for people, ``zh`` and ``en``.
        extends: the policy that a rule pack rests on; empty for everything else.
    """

    kind: NewKind
    name: str
    label: Mapping[str, str]
    extends: str = ""

    @property
    def distribution(self) -> str:
        """The name of the distribution."""
        return f"jianheng-{self.name}"

    @property
    def package(self) -> str:
        """The name of the package."""
        return f"jianheng_{underscored(self.name)}"


def answers_for(
    kind: NewKind, name: str, label_zh: str | None, label_en: str | None, extends: str = ""
) -> Answers:
    """Return the answers, checked; a label that was not given is the name.

    Raises:
        FaultsError: the name is not fit, a label is empty, too long or more than one line.
    """
    faults: list[Problem] = []
    if not _NAME.fullmatch(name) or len(name) > _MOST_NAME:
        faults.append(problem("new-name-bad", name=name, most=_MOST_NAME))
    label = {"zh": name if label_zh is None else label_zh, "en": name if label_en is None else label_en}
    faults += [
        problem("new-label-bad", option=f"--label-{language}", most=_MOST_LABEL)
        for language, told in label.items()
        if not told.strip() or len(told) > _MOST_LABEL or not told.isprintable()
    ]
    if faults:
        raise FaultsError(faults)
    return Answers(kind, name, label, extends)


def check_free(answers: Answers, installed: Iterable[str]) -> None:
    """Refuse a name that something installed has already.

    Args:
        answers: with the name.
        installed: the ids of the plugins that are installed.

    Raises:
        StopError: a plugin or a package is called so.
    """
    if answers.name in installed:
        raise StopError("new-name-taken", name=answers.name, by=answers.name)
    if find_spec(answers.package) is not None:
        raise StopError("new-name-taken", name=answers.name, by=answers.package)


def rendered(answers: Answers, version: str) -> dict[str, str]:
    """Return the files that a template makes of the answers: text by path, with forward slashes.

    Args:
        answers: what was answered.
        version: of Jianheng: the oldest that the plugin will ask for.
    """
    told = {
        "name": answers.name,
        "package": answers.package,
        "distribution": answers.distribution,
        "label": answers.label,
        "extends": answers.extends,
        "contract": CONTRACT_VERSION,
        "jianheng": _PRERELEASE.sub("", version).rstrip("."),
    }
    made = {".gitignore": _templates().get_template("shared/gitignore.jinja").render(told)}
    made["adapter.schema.json"] = _SCHEMA.read_text(encoding="utf-8")
    root = _FOLDER / _FOLDERS[answers.kind]
    for file in sorted(root.rglob("*.jinja")):
        path = file.relative_to(root).as_posix().removesuffix(".jinja").replace("PACKAGE", answers.package)
        template = _templates().get_template(file.relative_to(_FOLDER).as_posix())
        made[path] = template.render(told)
    return made


def underscored(name: str) -> str:
    """Return a name as Python and deployments write it."""
    return name.replace("-", "_")


@cache
def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 source text, not HTML; what is filled in was checked
    )
    # JSON's strings are TOML's, but for one character that JSON leaves as it is; a label holds no such.
    templates.filters["toml"] = lambda told: json.dumps(told, ensure_ascii=False)
    templates.filters["underscored"] = underscored
    return templates
