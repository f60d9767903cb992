"""One job now, because somebody asks for it: the same slots and leases as by the timetable."""

import secrets
import threading

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from jianheng.logs import get_log
from jianheng.schedule import slots
from jianheng.schedule.claims import Claim, Terms, claim_by_hand, finish
from jianheng.schedule.timetable import Plan
from jianheng.schedule.work import Outcome, Work, attempt
from jianheng.store.engine import now_us, writing
from jianheng.store.leases import renew

BEATS = 4
"""Signs of life in the time of one lease."""


def run_by_hand(store: sa.Engine, terms: Terms, plan: Plan, work: Work) -> tuple[str, Outcome]:
    """Run a job now and return the state of its slot and what came of it; what follows it in the schedule follows.

    Raises:
        RetryError: it runs already; the message names where and since when.
    """
    claimed = claim_by_hand(store, terms, plan)
    ended = threading.Event()
    keeper = threading.Thread(target=_keep, args=[store, terms, claimed, ended], daemon=True)
    keeper.start()
    outcome = Outcome(done=False)
    try:
        outcome = attempt(work, secrets.token_hex(4))
    finally:  # also when somebody interrupts it
        ended.set()
        keeper.join()
        state = finish(store, terms.office, claimed, outcome, now_us())
    return state or slots.LOST, outcome


def _keep(store: sa.Engine, terms: Terms, claimed: Claim, ended: threading.Event) -> None:
    """Renew the job's lease until the work has ended."""
    while not ended.wait(terms.lease_s / BEATS):
        try:
            with writing(store) as connection:
                if not renew(connection, claimed.lease, terms.lease_s):
                    return
        except SQLAlchemyError as error:
            get_log("jianheng.schedule").warning("lease not renewed", told=type(error).__name__)
