"""``jianheng publish``: hand finished results to every target that takes them."""

from collections.abc import Sequence

import click

from jianheng.cli.output import print_json, print_line, print_problems, problem_json
from jianheng.cli.services import last_period_of, office_of, periods_of, policy_of, store_of
from jianheng.cli.session import Session, open_target, pass_session
from jianheng.contract import Publication, Receipt
from jianheng.errors import JianhengError
from jianheng.messages import text
from jianheng.publish.deliver import Delivery, deliver
from jianheng.publish.publication import archive_due, scores


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
    wanted = periods_of(session, periods)
    store = store_of(session)
    deliveries: list[Delivery] = []
    failed: list[JianhengError] = []
    try:
        ready = [scores(store, office, policy, each) for each in wanted]
        due = archive_due(store, office, policy, last_period_of(session, None)) if policy.due_sql else None
        with session.progress() as bars:
            task = bars.add_task(text("cli-help-publish"), total=len(names))
            for name in names:
                try:
                    opened = open_target(session, name)
                    kinds = opened.plugin.publications
                    publications = [*ready, *([(0, due)] if due is not None else [])]

                    def write(publication: Publication, opened: object = opened) -> Receipt:
                        return opened.boundary.call("write", opened.target.write, publication, returns=Receipt)  # type: ignore[attr-defined, no-any-return]

                    deliveries += [
                        deliver(store, name, publication, write, run_id, again=again)
                        for run_id, publication in publications
                        if publication.kind in kinds
                    ]
                    opened.boundary.close()
                except JianhengError as error:
                    failed.append(error)
                bars.advance(task)
    finally:
        store.dispose()
    return deliveries, failed


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
        print_json({"publications": told, "errors": [problem_json(each) for each in problems]}, ok=not problems)
    else:
        for each in deliveries:
            code = "cli-publish-line" if each.written else "cli-publish-held"
            kind = text(f"cli-kind-{each.kind}")
            where = {"location": each.receipt.location, "records": each.receipt.records}
            print_line(text(code, target=each.target, kind=kind, period=each.period, **where))
        print_problems(problems, as_json=False)
    return failed[0].exit_code if failed else 0
