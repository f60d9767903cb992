"""``jianheng conform``: try an adapter on its rig, and say which tier it reaches and what is to mend."""

from collections.abc import Sequence
from pathlib import Path

import click

from jianheng.cli.exit_codes import ExitCode
from jianheng.cli.output import check_place, print_json, print_line, print_table, write_whole
from jianheng.cli.session import Session, pass_session
from jianheng.conformance import schema
from jianheng.conformance.bench import KINDS
from jianheng.conformance.outcome import TIERS
from jianheng.conformance.report import report_json, report_page, summary, verdicts
from jianheng.conformance.result import standing, write_result
from jianheng.conformance.run import Report, running, settings_files
from jianheng.errors import StopError
from jianheng.messages import text

FORMS = (".html", ".json")
COLUMNS = ("tier", "check", "subject", "state", "seconds", "detail")


def command() -> click.Command:
    """Return the command."""

    @click.command("conform", help=text("cli-help-conform"))
    @click.argument("path", metavar="PATH", type=click.Path(path_type=Path))
    @click.option("--tier", type=click.Choice(list(TIERS)), help=text("cli-help-conform-tier"))
    @click.option("--only", multiple=True, metavar="CHECK", help=text("cli-help-conform-only"))
    @click.option(
        "-o",
        "--output",
        "outputs",
        multiple=True,
        type=click.Path(path_type=Path),
        help=text("cli-help-conform-output"),
    )
    @click.option("--accept-schema", "accepts", is_flag=True, help=text("cli-help-conform-schema"))
    @click.option("--write", "writes", is_flag=True, help=text("cli-help-conform-write"))
    @pass_session
    def conform(
        session: Session,
        path: Path,
        tier: str | None,
        only: tuple[str, ...],
        outputs: tuple[Path, ...],
        accepts: bool,
        writes: bool,
    ) -> int:
        for output in outputs:
            if output.suffix not in FORMS:
                raise StopError("conform-output-form", file=str(output))
            check_place(output)
        reports = [_tried(session, file, only, accepts=accepts) for file in settings_files(path)]
        if writes:
            _write(session, [each for each in reports if each.whole])
        _tell(session, reports, tier or "")
        for output in outputs:
            write_whole(output, _formed(reports, output.suffix))
        failed = any(each.failed or verdicts(each, tier or "") for each in reports)
        return ExitCode.STOP if failed else ExitCode.OK

    return conform


def _tried(session: Session, file: Path, only: Sequence[str], *, accepts: bool) -> Report:
    with running(file, only=only) as run, session.progress() as bar:
        task = bar.add_task(file.name, total=len(run.checks()))
        if accepts:
            for check in run.checks():
                if check.name in ("opens", "streams"):
                    run.make(check)
            kept = schema.accept(run.bench)
            if not session.flags.json:
                print_line(text("conform-schema-accepted", file=kept.name))
        return run.finish(lambda name: bar.update(task, advance=1, description=name))


def _write(session: Session, reports: Sequence[Report]) -> None:
    """Put each adapter's result where it travels with it: beside its manifest, or beside the mapping it is made by."""
    found: dict[Path, list[Report]] = {}
    for report in reports:
        folder = report.settings_file.parent if report.subject.declared else report.subject.origin
        found.setdefault(folder, []).append(report)
    for folder, mine in found.items():
        manifest = mine[0].subject.manifest
        kinds = [each for each in KINDS if manifest is not None and each in manifest.kind]
        file = write_result([report_json(each) for each in mine], kinds, folder)
        if not session.flags.json:
            print_line(text("conform-written", file=file.name, tier=standing(folder).shown()))


def _tell(session: Session, reports: Sequence[Report], wanted: str) -> None:
    if session.flags.json:
        ok = not any(each.failed or verdicts(each, wanted) for each in reports)
        print_json({"reports": [report_json(each) for each in reports]}, ok=ok)
        return
    for report in reports:
        rows = [
            (
                text(f"conform-tier-{each.check.tier}"),
                each.check.name,
                each.subject,
                text(f"conform-state-{each.state}"),
                each.seconds,
                each.reason or each.detail,
            )
            for each in report.outcomes
        ]
        print_table([text(f"conform-column-{column}") for column in COLUMNS], rows)
        for outcome in report.outcomes:
            if outcome.state in ("failed", "not-shown"):
                for each in outcome.problems:
                    where = f"{outcome.check.name} {outcome.subject}".strip()
                    print_line(f"{where}: {each.message().as_text()}")
        for told in verdicts(report, wanted):
            print_line(told.message().as_text())
        print_line(summary(report))


def _formed(reports: Sequence[Report], suffix: str) -> bytes:
    if suffix == ".html":
        return report_page(reports).encode()
    import json

    told = {"reports": [report_json(each) for each in reports]}
    return json.dumps(told, ensure_ascii=False, indent=2).encode()
