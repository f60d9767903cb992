"""``jianheng init``: writes the deployment of a new office, and reads it back before anything is kept."""

import datetime as dt
import json
import os
import secrets
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import click

from jianheng.cli.output import print_json, print_line, write_secret
from jianheng.cli.session import Session, pass_session
from jianheng.config import FILE_NAME, Deployment, check_options, load_deployment
from jianheng.errors import FaultsError, Problem, StopError, problem
from jianheng.messages import text
from jianheng.registry import Registry, discover

UCS = "unified-case-sql"
ARCHIVE = "archive-http"
PERSONNEL = "personnel-workbook"
WORKBOOK = "excel-workbook"
REPORT = "html-report"
QUARANTINE_KEY = Path("secrets", "quarantine.key")
"""Where the key of the quarantine lies within the deployment's folder."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What is asked about a new office."""

    office_code: str
    office_name: str
    policy: str
    periods: tuple[str, ...]
    store: str
    ucs_url: str | None = None
    personnel: str | None = None
    archive_url: str | None = None
    archive_client_id: str | None = None
    archive_secret: str = "env:ARCHIVE_CLIENT_SECRET"  # noqa: S105 a reference, not a secret
    workbook: str | None = None
    report: str | None = None
    quarantine_key: str | None = None


def command() -> click.Command:
    """Return the command."""

    @click.command("init", help=text("cli-help-init"))
    @click.option("--folder", metavar="PATH", default=".", help=text("cli-help-init-folder"))
    @click.option("--office-code", metavar="CODE", help=text("cli-help-init-office-code"))
    @click.option("--office-name", metavar="NAME", help=text("cli-help-init-office-name"))
    @click.option("--policy", metavar="ID", help=text("cli-help-init-policy"))
    @click.option("--period", "periods", metavar="PERIOD", multiple=True, help=text("cli-help-init-period"))
    @click.option("--store", metavar="URL", default="sqlite:///jianheng.db", help=text("cli-help-init-store"))
    @click.option("--ucs-url", metavar="URL", help=text("cli-help-init-ucs-url"))
    @click.option("--personnel", metavar="PATH", help=text("cli-help-init-personnel"))
    @click.option("--archive-url", metavar="URL", help=text("cli-help-init-archive-url"))
    @click.option("--archive-client-id", metavar="ID", help=text("cli-help-init-archive-client-id"))
    @click.option("--workbook", metavar="PATH", help=text("cli-help-init-workbook"))
    @click.option("--report", metavar="PATH", help=text("cli-help-init-report"))
    @click.option("--force", is_flag=True, help=text("cli-help-init-force"))
    @pass_session
    def init(
        session: Session, /, folder: str, force: bool, periods: tuple[str, ...], **given: str | None
    ) -> None:
        file = Path(folder) / FILE_NAME
        if file.exists() and not force:
            raise StopError("init-exists", file=str(file))
        answers = _answers(given, periods or (str(dt.datetime.now().astimezone().year),))
        answers = replace(answers, quarantine_key=f"file:{QUARANTINE_KEY.as_posix()}")
        write_deployment(file, deployment_text(answers))
        make_key(file.parent / QUARANTINE_KEY)
        if session.flags.json:
            print_json({"file": str(file), "next": [f"jianheng doctor --config {file.parent}"]})
        else:
            print_line(text("cli-init-done", file=file, folder=file.parent))

    return init


def _answers(given: dict[str, str | None], periods: tuple[str, ...]) -> Answers:
    """Ask for what was not given, when there is somebody to ask."""
    required = ("office_code", "office_name", "policy")
    optional = ("ucs_url", "personnel", "archive_url", "archive_client_id", "workbook", "report")
    if sys.stdin.isatty() and sys.stdout.isatty():
        for name in (*required, *optional):
            if given[name] is None:
                told = text(f"cli-help-init-{name.replace('_', '-')}")
                fallback = None if name in required else ""
                given[name] = click.prompt(told, default=fallback, show_default=False) or None
    missing = [f"--{name.replace('_', '-')}" for name in required if not given[name]]
    if given["archive_url"] and not given["archive_client_id"]:
        missing.append("--archive-client-id")
    if missing:
        raise FaultsError(problem("init-missing", option=option) for option in missing)
    return Answers(
        office_code=given["office_code"] or "",
        office_name=given["office_name"] or "",
        policy=given["policy"] or "",
        periods=periods,
        store=given["store"] or "",
        ucs_url=given["ucs_url"],
        personnel=given["personnel"],
        archive_url=given["archive_url"],
        archive_client_id=given["archive_client_id"],
        workbook=given["workbook"],
        report=given["report"],
    )


def deployment_text(answers: Answers) -> str:
    """Return the TOML of a deployment, with comments for whoever maintains it."""
    periods = ", ".join(_quoted(each) for each in answers.periods)
    parts = [
        "# 检衡部署配置。改动后运行 jianheng doctor 检查；jianheng config show 可查看每个值的来源。",
        '# 上级的公共设置可放在另一个文件里，用 extends = "../province.toml" 引入；本文件的值优先。',
        "",
        "[office]",
        f"code = {_quoted(answers.office_code)}  # 6 位单位编码",
        f"name = {_quoted(answers.office_name)}",
        "# units = [...]  # 纳入范围的单位编码；不写时只有本单位",
        "",
        "[store]",
        "# 事实、明细和运行记录存放在哪里。SQLite 的相对路径以本文件所在文件夹为准。",
        f"url = {_quoted(answers.store)}",
    ]
    if _needs_password(answers.store):
        parts.append('password = "env:JIANHENG_STORE_PASSWORD"')
    if answers.quarantine_key is not None:
        parts += [
            "",
            "[quarantine]",
            "# 隔离的记录用这个密钥加密保存；密钥与事实库分开备份，丢失后这些记录只能由来源再次给出。",
            f"key = {_quoted(answers.quarantine_key)}",
        ]
    parts += [
        "",
        "[policy]",
        f"pack = {_quoted(answers.policy)}  # 规则包",
        f"periods = [{periods}]  # 考核期间",
        "",
        "[plugins]",
        "allow = []  # 除检衡自带的以外，允许加载的发行包",
        "disable = []  # 停用的插件",
    ]
    if answers.ucs_url is not None:
        parts += ["", "[sources.ucs]  # 统一业务应用系统", *_use(UCS, url=answers.ucs_url)]
        if _needs_password(answers.ucs_url):
            parts += _secret("sources.ucs", "password", "env:UCS_PASSWORD")
    if answers.personnel is not None:
        parts += [
            "",
            "[sources.personnel]  # 人事工作簿(文件或文件夹)",
            *_use(PERSONNEL, path=answers.personnel),
        ]
    if answers.archive_url is not None:
        options = {"url": answers.archive_url, "client_id": answers.archive_client_id or ""}
        for use, label in (("sources", "档案系统: 读取归档情况"), ("targets", "档案系统: 推送应归档清单")):
            parts += ["", f"[{use}.archive]  # {label}", *_use(ARCHIVE, **options)]
            parts += _secret(f"{use}.archive", "client_secret", answers.archive_secret)
    if answers.workbook is not None:
        parts += ["", "[targets.workbook]  # 结果工作簿", *_use(WORKBOOK, folder=answers.workbook)]
    if answers.report is not None:
        parts += ["", "[targets.report]  # 网页报告(不联网)", *_use(REPORT, folder=answers.report)]
    return "\n".join(parts) + "\n"


def make_key(file: Path) -> None:
    """Make a key that only its owner can read; one that is there stays.

    Raises:
        StopError: it cannot be made.
    """
    if file.exists():
        return
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret(file, secrets.token_hex(32))
    except OSError as error:
        raise StopError("init-unwritable", file=str(file), detail=error.strerror or "") from None


def _use(adapter: str, **options: str) -> list[str]:
    told = ", ".join(f"{name} = {_quoted(value)}" for name, value in options.items())
    return [f'adapter = "{adapter}"', f"options = {{ {told} }}"]


def _secret(use: str, name: str, reference: str) -> list[str]:
    return [
        f"[{use}.secrets]",
        "# 密码不写在这里，只写从哪里取：env:环境变量，或 file:文件（权限 600）。",
        f"{name} = {_quoted(reference)}",
    ]


def _needs_password(url: str) -> bool:
    return not url.startswith("sqlite")


def _quoted(value: str) -> str:
    # JSON's strings are TOML's, but for one character that JSON leaves as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def write_deployment(file: Path, content: str) -> None:
    """Write a deployment file whole, after it was read back without a fault.

    Raises:
        FaultsError: what was given makes no valid deployment; nothing is written.
        StopError: the file can't be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder, FILE_NAME)
        draft.write_text(content, encoding="utf-8")
        try:
            _check(load_deployment(draft))
        except FaultsError as error:
            raise FaultsError(_about(each, file) for each in error.problems) from None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{FILE_NAME}", dir=file.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(content)
        Path(name).replace(file)
    except OSError as error:
        raise StopError("init-unwritable", file=str(file), detail=error.strerror or "") from None


def _check(deployment: Deployment) -> None:
    """Check the options against the adapters' manifests, for those that are installed and in use."""
    registry = Registry(discover())
    enabled = {each.id: each for each in registry.plugins if each.enabled}
    found: list[Problem] = []
    uses = {"sources": deployment.sources, "targets": deployment.targets}
    for kind, named in uses.items():
        for name, use in named.items():
            if use.adapter not in enabled:
                continue
            path = f"{kind}.{name}.options"
            try:
                check_options(enabled[use.adapter], use.options, deployment.folder, path=path)
            except FaultsError as error:
                found += error.problems
    if found:
        raise FaultsError(found)


def _about(each: Problem, file: Path) -> Problem:
    return Problem(each.code, {**each.fields, "file": str(file)} if "file" in each.fields else each.fields)
