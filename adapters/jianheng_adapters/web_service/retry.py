"""Asking again: what may be over at the next attempt, and how long to wait for it."""

import datetime as dt
import email.utils
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from jianheng.contract import Log

T = TypeVar("T")
Kind = Literal["unreachable", "slow", "unavailable"]


class PassingError(Exception):
    """Something that may be over at the next attempt.

    Attributes:
        kind: nobody there, no answer in time, or an answer that says: not now.
    """

    def __init__(self, kind: Kind, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.kind: Kind = kind
        self.reason = reason
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to ask, and how long to wait at most between two attempts."""

    attempts: int
    max_wait_s: float

    def ask(self, log: Log, event: str, path: str, request: Callable[[], T], *, as_asked: bool = False) -> T:
        """Ask as often as allowed; ``as_asked``: never sooner than the service wants to be asked.

        Raises:
            PassingError: the last attempt failed like the others.
        """
        jittered = wait_exponential_jitter(max=self.max_wait_s)

        def wanted(state: RetryCallState) -> float | None:
            error = state.outcome.exception() if state.outcome else None
            return error.retry_after_s if isinstance(error, PassingError) else None

        def wait(state: RetryCallState) -> float:
            asked = wanted(state)
            return min(jittered(state) if asked is None else asked, self.max_wait_s)

        enough = stop_after_attempt(self.attempts)

        def stop(state: RetryCallState) -> bool:
            return enough(state) or (as_asked and (wanted(state) or 0) > self.max_wait_s)

        return Retrying(
            retry=retry_if_exception_type(PassingError),
            stop=stop,
            wait=wait,
            before_sleep=lambda state: log.info(
                event,
                path=path,
                attempt=state.attempt_number,
                reason=str(state.outcome and state.outcome.exception()),
            ),
            reraise=True,
        )(request)


def retry_after(header: str | None) -> float | None:
    """Return how many seconds the service asks us to wait: it may give a number or a date."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        moment = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max((moment - dt.datetime.now(dt.UTC)).total_seconds(), 0.0)
