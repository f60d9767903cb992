"""``jianheng demo``: the whole job on simulated upstream systems, each in its own process as in an office."""

import importlib.util
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from jianheng.cli import publish as publishing
from jianheng.cli import score as scoring
from jianheng.cli import sync as syncing
from jianheng.cli.explain import explanation
from jianheng.cli.explain_tree import print_tree
from jianheng.cli.init import Answers, deployment_text, write_deployment
from jianheng.cli.output import print_json, print_line
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import store_of
from jianheng.config import FILE_NAME, load_deployment
from jianheng.errors import StopError
from jianheng.messages import text
from jianheng.scoring.records.ledger import kept_standings

SIMULATOR = "jianheng_simulator"
MARK = ".jianheng-demo"
START_TIMEOUT_S = 30
STEP_TIMEOUT_S = 300

T = TypeVar("T")


def command() -> click.Command:
    """Return the command."""

    @click.command("demo", help=text("cli-help-demo"))
    @click.option("--folder", default="demo", metavar="PATH", help=text("cli-help-demo-folder"))
    @click.option("--people", default=60, type=click.IntRange(12, 500), help=text("cli-help-demo-people"))
    @click.option("--cases", default=6000, type=click.IntRange(20, 100_000), help=text("cli-help-demo-cases"))
    @click.option("--days", type=click.IntRange(1, 365), help=text("cli-help-demo-days"))
    @pass_session
    def demo(session: Session, folder: str, people: int, cases: int, days: int | None) -> None:
        if importlib.util.find_spec(SIMULATOR) is None:
            raise StopError("demo-no-simulator")
        steps = _Steps(quiet=session.flags.json)
        if days is None:
            begin(session, steps, Path(folder).resolve(), people, cases)
        else:
            go_on(session, steps, Path(folder).resolve(), days)

    return demo


def begin(session: Session, steps: "_Steps", folder: Path, people: int, cases: int) -> None:
    """Make the upstream systems and a deployment, then do what an office does."""
    _clear(folder)
    upstream = folder / "upstream"
    size = ("--people", str(people), "--cases", str(cases))
    steps.time("demo-create", lambda: _simulate("create", upstream, *size))
    with _archive(upstream, 0) as url:
        _deploy(folder, url)
        _work(session, steps, folder)


def go_on(session: Session, steps: "_Steps", folder: Path, days: int) -> None:
    """Let time pass in the upstream systems of an earlier demonstration, and do the job again."""
    if not (folder / MARK).exists() or not (folder / FILE_NAME).exists():
        raise StopError("demo-nothing-to-go-on", folder=str(folder))
    port = urlsplit(str(load_deployment(folder).sources["archive"].options["url"])).port or 0
    upstream = folder / "upstream"
    steps.time("demo-pass-time", lambda: _simulate("pass-time", upstream, "--days", str(days)), days=days)
    with _archive(upstream, port):
        _work(session, steps, folder)


def _work(session: Session, steps: "_Steps", folder: Path) -> None:
    """Sync, score, push the archive list, publish, and explain whoever has most points."""
    inner = Session(session.environ)
    inner.flags = replace(session.flags, config=folder, json=False)
    last, earlier = inner.deployment.policy.periods[-1], inner.deployment.policy.periods[:-1]
    told: dict[str, Any] = {"folder": str(folder), "sync": _sync(inner, steps)}
    told["score"] = _score(inner, steps, [last])
    # The last period is published by processes of their own, which leaves this one free for the others.
    with _publishing(folder, last) as running:
        told["score"] = [*_score(inner, steps, earlier), *told["score"]]
        steps.time("demo-push", lambda: _publish(inner, ["archive"], steps))
        best = _best(inner, told["score"][-1]["run_id"])
        explained = steps.time("demo-explain", lambda: explanation(inner, best))
        if not steps.quiet:
            print_tree(_one_case(inner, explained), most=None)
        told["publish"] = steps.time("demo-publish", lambda: _published(running))
    (folder / "explain.json").write_text(
        json.dumps(explained, ensure_ascii=False, indent=1), encoding="utf-8"
    )
    if steps.quiet:
        print_json(told | {"seconds": steps.seconds})
    else:
        seconds = f"{sum(steps.seconds.values()):.0f}"
        print_line(text("demo-done", folder=folder, person=best, seconds=seconds))


def _one_case(session: Session, explained: dict[str, Any]) -> dict[str, Any]:
    """Return the explanation narrowed to the person's busiest case, small enough to read to the last document."""
    counts: dict[str, int] = {}
    pending = [node for sheet in explained["sheets"] for node in sheet["indicators"]]
    while pending:
        node = pending.pop()
        pending += node["children"]
        for rule in node["rules"]:
            for entry in rule["entries"]:
                counts[entry["case_no"]] = counts.get(entry["case_no"], 0) + 1
    busiest = max(counts, key=lambda case_no: (counts[case_no], case_no))
    return explanation(session, explained["person"]["key"], case_no=busiest)


class _Steps:
    """Says what is done and how long it took."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.seconds: dict[str, float] = {}

    def say(self, code: str, **fields: object) -> None:
        """Print a heading."""
        if not self.quiet:
            print_line("")
            print_line(f"■ {text(code, **fields)}")

    def time(self, code: str, work: Callable[[], T], **fields: object) -> T:
        """Do a step under its heading and remember its time."""
        self.say(code, **fields)
        begun = time.monotonic()
        done = work()
        taken = time.monotonic() - begun
        self.seconds[code] = round(self.seconds.get(code, 0.0) + taken, 2)
        if not self.quiet:
            print_line(text("demo-seconds", seconds=f"{taken:.1f}"))
        return done


def _sync(session: Session, steps: _Steps) -> list[Mapping[str, Any]]:
    """Sync, and print what the command would."""
    reports, failed = steps.time("demo-sync", lambda: syncing.sync_all(session))
    if not steps.quiet:
        syncing.tell(session, reports, failed)
    _stop_on(failed)
    return [report.as_json() for report in reports]


def _score(session: Session, steps: _Steps, periods: Sequence[str]) -> list[dict[str, Any]]:
    """Score some periods, and print what the command would."""
    runs = steps.time("demo-score", lambda: scoring.score_all(session, periods)) if periods else []
    if not steps.quiet:
        scoring.tell(session, runs)
    return [run.as_json() for run in runs]


def _publish(session: Session, targets: list[str], steps: _Steps) -> list[str]:
    deliveries, failed = publishing.publish_all(session, targets)
    if not steps.quiet:
        publishing.tell(session, deliveries, failed)
    _stop_on(failed)
    return [delivery.receipt.location for delivery in deliveries]


@contextmanager
def _publishing(folder: Path, period: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Publish a period's workbook and report, each in a process of its own so that both cores work.

    Whatever goes wrong beside them, they do not outlive this.
    """
    words = [sys.executable, "-m", "jianheng", "publish", "--json", "--config", str(folder)]
    running = [
        subprocess.Popen([*words, "--period", period, target], stdout=subprocess.PIPE, text=True)  # noqa: S603 our own interpreter
        for target in ("workbook", "report")
    ]
    try:
        yield running
    finally:
        for process in running:
            with process:
                process.terminate()


def _published(running: Sequence[subprocess.Popen[str]]) -> list[str]:
    """Wait for the publishing processes; return where the results are."""
    told = [json.loads(process.communicate(timeout=STEP_TIMEOUT_S)[0]) for process in running]
    for each in told:
        for error in each["errors"]:
            raise StopError("demo-publish-failed", told=error["what"])
    return [each["location"] for answer in told for each in answer["publications"]]


def _best(session: Session, run_id: int) -> str:
    """Return who has most points."""
    with store_of(session) as store, store.connect() as connection:
        rows = kept_standings(connection, run_id)
    scored = [row for row in rows if row["points"] is not None]
    return str(max(scored, key=lambda row: (row["points"], row["person_key"]))["person_key"])


def _stop_on(failed: list[Any]) -> None:
    if failed:
        raise failed[0]


def _clear(folder: Path) -> None:
    """Make room, but only where an earlier demonstration stood."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise StopError("demo-folder-in-use", folder=str(folder))
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("", encoding="utf-8")


def _simulate(name: str, upstream: Path, *arguments: str) -> None:
    words = [sys.executable, "-m", SIMULATOR, name, "--folder", str(upstream), *arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=STEP_TIMEOUT_S, check=False)  # noqa: S603 our own interpreter
    if done.returncode != 0:
        told = (done.stderr.strip().splitlines() or ["—"])[-1]
        raise StopError("demo-simulator-failed", command=name, told=told)


@contextmanager
def _archive(upstream: Path, port: int) -> Iterator[str]:
    """Run the simulated archive service, on any free port when 0; yield its address."""
    words = [sys.executable, "-m", SIMULATOR, "serve", "--folder", str(upstream), "--port", str(port)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:  # noqa: S603 our own interpreter
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise StopError("demo-simulator-failed", command="serve", told="—")
            yield json.loads(line)["archive_url"]
        finally:
            process.terminate()
            process.wait(START_TIMEOUT_S)


def _deploy(folder: Path, archive_url: str) -> None:
    secret = folder / "archive-secret"
    secret.touch(mode=0o600)
    secret.write_text("simulator-secret\n", encoding="utf-8")
    answers = Answers(
        office_code="990101",
        office_name="滨海市东屿区人民检察院",
        policy="laoshan",
        periods=("2024", "2025"),
        store="sqlite:///jianheng.db",
        ucs_url="sqlite:///upstream/case.db",
        personnel="upstream/personnel",
        archive_url=archive_url,
        archive_client_id="jianheng",
        archive_secret="file:archive-secret",  # noqa: S106 a reference, not a secret
        workbook="out",
        report="out",
    )
    write_deployment(folder / FILE_NAME, deployment_text(answers))
