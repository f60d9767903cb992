"""``jianheng notices``: what stands that somebody should know, and telling it to those who take notices."""

from dataclasses import asdict

import click
import sqlalchemy as sa

from jianheng.cli.opening import plugin_of_target
from jianheng.cli.output import print_json, print_line, print_problems, problem_json
from jianheng.cli.sending import target_opener
from jianheng.cli.services import periods_of, policy_of
from jianheng.cli.session import Session, learn_words, pass_session
from jianheng.cli.storage import store_of
from jianheng.errors import JianhengError, StopError
from jianheng.messages import Message, text
from jianheng.publish.outbox import SendReport, send_due
from jianheng.schedule.incidents import Incident, Watched, incidents
from jianheng.schedule.notices import KIND, Sender, queue_notices, title_of, waiting
from jianheng.store.engine import now_us, told_time


def command() -> click.Command:
    """Return the command."""

    @click.command("notices", help=text("cli-help-notices"))
    @click.option("--send", is_flag=True, help=text("cli-help-notices-send"))
    @pass_session
    def notices(session: Session, send: bool) -> int:
        if not send:
            learn_words(session)
            with store_of(session) as store:
                _show(session, standing(store, watched_of(session)))
            return 0
        if not takers(session):
            raise StopError("notices-no-target", file=str(session.deployment.file))
        return _sent(session, send_notices(session))

    return notices


def takers(session: Session) -> list[str]:
    """Return the targets of the deployment that take notices."""
    found = []
    for name in session.deployment.targets:
        try:
            if KIND in plugin_of_target(session, name).publications:
                found.append(name)
        except JianhengError:  # doctor tells, and so does every publishing
            continue
    return found


def watched_of(session: Session) -> Watched:
    """Return what is looked at; a policy that cannot be read has no periods here, and fails its own jobs."""
    deployment = session.deployment
    try:
        policy = policy_of(session)
        name, periods = policy.id, periods_of(session, policy, ())
    except JianhengError:
        name, periods = "", []
    return Watched(
        deployment.office.code, tuple(deployment.sources), deployment.schedule.jobs, name, tuple(periods)
    )


def standing(store: sa.Engine, watched: Watched) -> list[Incident]:
    """Return what stands."""
    with store.connect() as connection:
        return incidents(connection, watched)


def send_notices(session: Session, watched: Watched | None = None) -> SendReport:
    """Tell the targets that take notices what they were not told yet; nothing is looked at where none does.

    Args:
        session: whose deployment.
        watched: what is looked at, where that is known already.
    """
    names, office = takers(session), session.deployment.office
    if not names:
        return SendReport()
    with store_of(session) as store:
        now = now_us()
        found = standing(store, watched or watched_of(session))
        queue_notices(store, Sender(office.code, office.name), found, names, now)
        with store.connect() as connection:
            due = waiting(connection, office.code, now)
        return send_due(store, office.code, target_opener(session), now, only=due) if due else SendReport()


def _show(session: Session, found: list[Incident]) -> None:
    if session.flags.json:
        told = [{**asdict(each), "key": each.key, "since": told_time(each.at)} for each in found]
        print_json({"notices": told})
        return
    for each in found:
        need = text("cli-notices-person" if each.needs_person else "cli-notices-itself")
        head = {"title": title_of(each), "since": told_time(each.at), "need": need}
        print_line(text("cli-notices-head", **head))
        for one in each.told:
            lines = Message(**one).as_text().splitlines()
            print_line("\n".join(f"  {line}" for line in lines))
    if not found:
        print_line(text("cli-notices-none"))


def _sent(session: Session, report: SendReport) -> int:
    problems = [each for failure in report.failures for each in failure.error.problems]
    if session.flags.json:
        told = {"counts": report.as_json(), "errors": [problem_json(each) for each in problems]}
        print_json(told, ok=not problems)
    else:
        print_line(text("cli-notices-sent", sent=len(report.deliveries), failed=len(report.failures)))
        print_problems(problems, as_json=False)
    return report.failures[0].error.exit_code if report.failures else 0
