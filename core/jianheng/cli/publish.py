"""``jianheng publish``: hand finished results to every target that takes them."""

from collections.abc import Callable, Sequence

import click
import sqlalchemy as sa

from jianheng.cli.output import print_json, print_line, print_problems, problem_json
from jianheng.cli.services import laws_of, office_of, policy_of, store_of
from jianheng.cli.session import OpenTarget, Session, open_target, pass_session
from jianheng.contract import Publication, Receipt
from jianheng.errors import JianhengError
from jianheng.messages import text
from jianheng.publish.deliver import Delivery, deliver
from jianheng.publish.publication import Office, archive_due, scores
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy


def command() -> click.Command:
    """Return the command."""

    @click.command("publish", help=text("cli-help-publish"))
    @click.argument("targets", nargs=-1, metavar=text("cli-help-publish-targets"))
    @click.option("--period", "periods", multiple=True, help=text("cli-help-period"))
    @click.option("--again", is_flag=True, help=text("cli-help-again"))
    @pass_session
    def publish(session: Session, targets: tuple[str, ...], periods: tuple[str, ...], again: bool) -> int:
        deliveries, failed = publish_all(session, targets, periods, again=again)
        return tell(session, deliveries, failed)

    return publish


def publish_all(
    session: Session, targets: Sequence[str] = (), periods: Sequence[str] = (), *, again: bool = False
) -> tuple[list[Delivery], list[JianhengError]]:
    """Publish every period to every target; one target that fails keeps none of the others."""
    policy, office = policy_of(session), office_of(session)
    names = tuple(targets) or tuple(session.deployment.targets)
    store = store_of(session)
    deliveries: list[Delivery] = []
    failed: list[JianhengError] = []
    try:
        wanted = laws_of(session, store, periods)
        with session.progress() as bars:
            task = bars.add_task(text("cli-help-publish"), total=len(names))
            made: dict[str, list[tuple[int, Publication]]] = {}
            for name in names:
                try:
                    opened = open_target(session, name)
                    for kind in opened.plugin.publications:
                        if kind not in made:
                            made[kind] = _make(kind, store, office, policy, wanted)
                        deliveries += [
                            deliver(store, name, publication, _writer(opened), run_id, again=again)
                            for run_id, publication in made[kind]
                        ]
                    opened.boundary.close()
                except JianhengError as error:
                    failed.append(error)
                bars.advance(task)
    finally:
        store.dispose()
    return deliveries, failed


def _make(
    kind: str, store: sa.Engine, office: Office, policy: Policy, periods: Sequence[tuple[Policy, Period]]
) -> list[tuple[int, Publication]]:
    """Build the publications of one kind, each with its run; only what a target takes is built."""
    if kind == "scores":
        return [scores(store, office, law, each) for law, each in periods]
    return [(0, archive_due(store, office, policy, periods[-1][1]))] if policy.due_sql else []


def _writer(opened: OpenTarget) -> Callable[[Publication], Receipt]:
    def write(publication: Publication) -> Receipt:
        return opened.boundary.call("write", opened.target.write, publication, returns=Receipt)

    return write


def tell(session: Session, deliveries: Sequence[Delivery], failed: Sequence[JianhengError]) -> int:
    """Print what was published where; return the exit code."""
    problems = [each for error in failed for each in error.problems]
    if session.flags.json:
        told = [
            {
                "target": each.target,
                "kind": each.kind,
                "period": each.period,
                "location": each.receipt.location,
                "records": each.receipt.records,
                "written": each.written,
            }
            for each in deliveries
        ]
        print_json(
            {"publications": told, "errors": [problem_json(each) for each in problems]}, ok=not problems
        )
    else:
        for each in deliveries:
            code = "cli-publish-line" if each.written else "cli-publish-held"
            kind = text(f"cli-kind-{each.kind}")
            where = {"location": each.receipt.location, "records": each.receipt.records}
            print_line(text(code, target=each.target, kind=kind, period=each.period, **where))
        print_problems(problems, as_json=False)
    return failed[0].exit_code if failed else 0
