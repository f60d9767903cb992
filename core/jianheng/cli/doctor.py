"""``jianheng doctor``: everything that could keep this deployment from working, found in one go."""

import errno
import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, requires, version
from itertools import islice
from pathlib import Path
from typing import Literal

import click

from jianheng.boundary import Boundary
from jianheng.cli.exit_codes import ExitCode
from jianheng.cli.opening import OpenSource, OpenTarget, open_source, open_target
from jianheng.cli.output import print_json, print_line, problem_json
from jianheng.cli.schedule_check import check_schedule
from jianheng.cli.services import check_policy
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import check_quarantine, check_store
from jianheng.config import Deployment, resolve_secrets, secret_references
from jianheng.config.pseudonym import KEY_FILE, pseudonym_key
from jianheng.contract import Finding, Secret, Source, Target
from jianheng.errors import JianhengError, Problem, StopError, problem
from jianheng.messages import text
from jianheng.registry import Plugin, unknown_names

State = Literal["ok", "warning", "failed"]
StoreCheck = Callable[[Deployment, Mapping[str, Secret]], Iterable[Finding]]
PolicyCheck = Callable[[Session], Iterable[Finding]]
Look = tuple[str, str, Callable[[], Iterable[Finding]]]

MARKS: Mapping[State, str] = {"ok": "✔", "warning": "!", "failed": "✘"}
CHECK_TIMEOUT_S = 30.0
MAX_FINDINGS = 1000
"""An adapter that finds more than this without end is cut off."""

CHOSEN = ("plugin-disabled", "plugin-not-allowed")
"""Reasons that somebody decided on: worth saying, not wrong."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    area: str
    subject: str
    state: State
    detail: str = ""
    problem: Problem | None = None


def command() -> click.Command:
    """Return the command."""

    @click.command("doctor", help=text("cli-help-doctor"))
    @pass_session
    def doctor(session: Session) -> int:
        checks: list[Check] = []
        checks_of = (check_store, check_policy, check_quarantine, check_schedule)
        for found in examine(session, *checks_of):
            each = _told_once(found, checks)
            checks.append(each)
            if not session.flags.json:
                _tell(each, quiet=session.flags.quiet)
        failed = sum(each.state == "failed" for each in checks)
        warned = sum(each.state == "warning" for each in checks)
        if session.flags.json:
            print_json({"checks": [_json(each) for each in checks]}, ok=not failed)
        else:
            print_line(text("cli-doctor-summary", total=len(checks), failed=failed, warned=warned))
        return ExitCode.STOP if failed else ExitCode.OK

    return doctor


def _told_once(check: Check, before: list[Check]) -> Check:
    """A missing secret fails its source as well; the four parts are told the first time only."""
    if check.problem is None or check.problem not in [each.problem for each in before]:
        return check
    return replace(check, detail=text("cli-doctor-above", above=check.problem.code), problem=None)


def examine(
    session: Session,
    store_check: StoreCheck | None = None,
    policy_check: PolicyCheck | None = None,
    quarantine_check: PolicyCheck | None = None,
    schedule_check: PolicyCheck | None = None,
) -> Iterator[Check]:
    """Yield every check in order; one that fails keeps none of the others from being made."""
    session.examines = True
    yield from _libraries()
    try:
        deployment: Deployment | None = session.deployment
    except JianhengError as error:
        deployment = None
        yield from _failed("config", str(session.config_path), error.problems)
    if deployment is None:
        return
    yield Check("config", str(deployment.file), "ok", f"{deployment.office.name} ({deployment.office.code})")
    secrets: dict[str, Secret] = {}
    yield from _secrets(session, deployment, secrets)
    yield from _plugins(session, deployment)
    for name in deployment.sources:
        yield from _adapter(session, "source", name)
    for name in deployment.targets:
        yield from _adapter(session, "target", name)
    looks: list[Look] = [("privacy", "", lambda: _pseudonyms(session, deployment))]
    if store_check is not None:
        looks.append(("store", "", lambda: store_check(deployment, secrets)))
    if quarantine_check is not None:
        looks.append(("quarantine", "", lambda: quarantine_check(session)))
    if policy_check is not None:
        looks.append(("policy", deployment.policy.pack, lambda: policy_check(session)))
    if schedule_check is not None:
        looks.append(("schedule", "", lambda: schedule_check(session)))
    yield from _last_looks(looks)


def _secrets(session: Session, deployment: Deployment, found: dict[str, Secret]) -> Iterator[Check]:
    for key in secret_references(deployment):
        try:
            found.update(resolve_secrets(deployment, under=key, environ=session.environ))
        except JianhengError as error:
            yield from _failed("secret", key, error.problems)
        else:
            yield Check("secret", key, "ok")


def _pseudonyms(session: Session, deployment: Deployment) -> Iterator[Finding]:
    """Say whether names of parties can be replaced: by a key that is there, or one that can be made; make none."""
    file = deployment.folder / KEY_FILE
    if deployment.privacy.pseudonym_key is None and not file.exists():
        if not _is_writable(deployment.folder):
            raise StopError("pseudonym-key-unwritable", file=str(file), detail=os.strerror(errno.EACCES))
        yield Finding("", detail=text("cli-doctor-pseudonyms-later", file=file))
        return
    pseudonym_key(deployment, session.environ)
    yield Finding("", detail=text("cli-doctor-pseudonyms"))


def _is_writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK)


def _last_looks(looks: Iterable[Look]) -> Iterator[Check]:
    for area, subject, look in looks:
        try:
            yield from _found(area, subject, look())
        except JianhengError as error:
            yield from _failed(area, subject, error.problems)


def _libraries() -> Iterator[Check]:
    yield Check("python", "Python", "ok", platform.python_version())
    missing: list[str] = []
    needed = [each for each in requires("jianheng") or () if "extra ==" not in each]
    for requirement in needed:
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        names = ", ".join(missing)
        yield Check("python", names, "failed", problem=problem("doctor-library-missing", names=names))
    else:
        yield Check("python", text("cli-doctor-libraries"), "ok", str(len(needed)))


def _plugins(session: Session, deployment: Deployment) -> Iterator[Check]:
    plugins = session.registry.plugins
    used = {use.adapter for use in (*deployment.sources.values(), *deployment.targets.values())}
    enabled = [each for each in plugins if each.enabled]
    yield Check("plugin", text("cli-doctor-plugins"), "ok", ", ".join(each.id for each in enabled))
    for plugin in session.registry.set_aside:
        yield _set_aside(plugin, needed=plugin.id in used and plugin.id not in {each.id for each in enabled})
    for plugin in enabled:
        for notice in plugin.notices:
            yield Check("plugin", plugin.id, "warning", problem=notice)
    for each in unknown_names(plugins, _allowed(deployment), deployment.plugins.disable):
        yield Check("plugin", str(each.fields["name"]), "warning", problem=each)


def _allowed(deployment: Deployment) -> tuple[str, ...]:
    return (*deployment.plugins.allow, *deployment.plugins.allow_unsigned)


def _set_aside(plugin: Plugin, *, needed: bool) -> Check:
    chosen = plugin.reason is not None and plugin.reason.code in CHOSEN
    state: State = "failed" if needed else "ok" if chosen else "warning"
    detail = plugin.reason.message().what if plugin.reason is not None and state == "ok" else ""
    return Check("plugin", plugin.id, state, detail, None if state == "ok" else plugin.reason)


def _adapter(session: Session, area: Literal["source", "target"], name: str) -> Iterator[Check]:
    uses = session.deployment.sources if area == "source" else session.deployment.targets
    limit = min(uses[name].timeout_s, CHECK_TIMEOUT_S)
    opened: OpenSource | OpenTarget
    try:
        if area == "source":
            opened = open_source(session, name, timeout_s=limit)
            findings = findings_of(opened.boundary, opened.source)
        else:
            opened = open_target(session, name, timeout_s=limit)
            findings = findings_of(opened.boundary, opened.target)
        opened.boundary.close()
    except JianhengError as error:
        yield from _failed(area, name, error.problems)
        return
    yield from _found(area, name, findings)


def findings_of(boundary: Boundary, adapter: Source | Target) -> list[Finding]:
    """Return what an adapter's own check finds, asked through its boundary."""
    return list(islice(boundary.iterate("check", adapter.check, yields=Finding), MAX_FINDINGS))


def _found(area: str, name: str, findings: Iterable[Finding]) -> Iterator[Check]:
    told = False
    for each in findings:
        told = True
        state: State = "ok" if each.problem is None else "warning" if each.warning else "failed"
        subject = name if each.subject == name else f"{name} {each.subject}".strip()
        yield Check(area, subject, state, each.detail, each.problem)
    if not told:
        yield Check(area, name, "ok")


def _failed(area: str, subject: str, problems: Iterable[Problem]) -> Iterator[Check]:
    for each in problems:
        yield Check(area, subject, "failed", problem=each)


def _tell(check: Check, *, quiet: bool) -> None:
    if quiet and check.state == "ok":
        return
    head = f"{MARKS[check.state]} {text(f'cli-area-{check.area}')} {check.subject}"
    print_line(f"{head}  {check.detail}" if check.detail else head)
    if check.problem is not None:
        print_line("\n".join(f"    {line}" for line in check.problem.message().as_text().splitlines()))


def _json(check: Check) -> dict[str, object]:
    return {
        "area": check.area,
        "subject": check.subject,
        "state": check.state,
        "detail": check.detail,
        "problem": problem_json(check.problem) if check.problem else None,
    }
