"""``jianheng publish``: hand finished results to every target that takes them."""

from collections.abc import Sequence

import click
import sqlalchemy as sa

from jianheng.cli.opening import plugin_of_target
from jianheng.cli.output import print_json, print_line, print_problems, problem_json
from jianheng.cli.sending import target_opener
from jianheng.cli.services import laws_of, office_of, policy_of
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import store_of
from jianheng.contract import Publication, Receipt
from jianheng.errors import JianhengError, RetryError
from jianheng.messages import text
from jianheng.publish.enqueue import Offer, Queued, queue
from jianheng.publish.office import Office
from jianheng.publish.outbox import Delivery, SendReport, send_due
from jianheng.publish.publication import archive_due, scores
from jianheng.scoring.law.period import Period
from jianheng.scoring.law.policy import Policy
from jianheng.store.engine import now_us


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
    """Publish every period to every target; one target that fails keeps none of the others.

    What is to leave is written into the outbox first, all in one transaction, and sent then; what cannot be sent
    stays there.
    """
    policy, office = policy_of(session), office_of(session)
    names = tuple(dict.fromkeys(targets)) or tuple(session.deployment.targets)
    with store_of(session) as store:
        failed: list[JianhengError] = []
        wanted = laws_of(session, store, periods)
        with session.progress() as bars:
            task = bars.add_task(text("cli-help-publish"), total=len(names) + 1)
            offers: list[Offer] = []
            made: dict[str, list[tuple[int, Publication]]] = {}
            for name in names:
                try:
                    kinds = plugin_of_target(session, name).publications
                    for kind in (each for each in kinds if each != "notices"):  # those come by themselves
                        if kind not in made:
                            made[kind] = _make(kind, store, office, policy, wanted)
                        offers += [Offer(name, publication, result) for result, publication in made[kind]]
                except JianhengError as error:
                    failed.append(error)
            bars.advance(task)
            queued = queue(store, office.code, offers, now_us(), again=again) if offers else []
            due = [each.outbox_id for each in queued if each.state == "due" and each.outbox_id is not None]
            report = send_due(
                store,
                office.code,
                target_opener(session),
                now_us(),
                only=due,
                progress=lambda _target: bars.advance(task),
            )
    failed += [
        RetryError("outbox-overtaken", target=each.offer.target, kind=each.offer.publication.kind)
        for each in queued
        if each.state == "overtaken"
    ]
    return _in_order(queued, report), failed + [each.error for each in report.failures]


def _make(
    kind: str, store: sa.Engine, office: Office, policy: Policy, periods: Sequence[tuple[Policy, Period]]
) -> list[tuple[int, Publication]]:
    """Build the publications of one kind, each with what tells it from a newer one; only what a target takes is built."""
    if kind == "scores":
        return [scores(store, office, law, each) for law, each in periods]
    if not policy.due_sql:
        return []
    due = archive_due(store, office, policy, periods[-1][1])
    return [(int(due.as_of.timestamp() * 1_000_000), due)]


def _in_order(queued: Sequence[Queued], report: SendReport) -> list[Delivery]:
    """Return what every target has now, in the order in which it was asked for."""
    sent = {each.outbox_id: each for each in report.deliveries}
    found = []
    for each in queued:
        publication, where = each.offer.publication, (each.offer.target, each.offer.publication.kind)
        if each.state == "due" and each.outbox_id in sent:
            found.append(sent[each.outbox_id])
        elif each.receipt is not None:
            found.append(Delivery(*where, publication.period, each.receipt, written=False))
        elif each.state == "dropped":
            nothing = Receipt("", 0)
            found.append(Delivery(*where, publication.period, nothing, written=False, dropped=True))
    return found


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
                "dropped": each.dropped,
            }
            for each in deliveries
        ]
        print_json(
            {"publications": told, "errors": [problem_json(each) for each in problems]}, ok=not problems
        )
    else:
        for each in deliveries:
            held = "cli-publish-dropped" if each.dropped else "cli-publish-held"
            code = "cli-publish-line" if each.written else held
            kind = text(f"cli-kind-{each.kind}")
            where = {"location": each.receipt.location, "records": each.receipt.records}
            print_line(text(code, target=each.target, kind=kind, period=each.period, **where))
        print_problems(problems, as_json=False)
        if failed:
            print_line(text("cli-publish-left"), err=True)
    return failed[0].exit_code if failed else 0
