"""What a job does, as the scheduler sees it: something to call, and what came of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from jianheng.errors import JianhengError, Problem, Recovery, RetryError, problem
from jianheng.logs import get_log, redact
from jianheng.store.engine import store_error


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt at a job.

    Attributes:
        done: whether all of it was done; rows set aside do not matter.
        recovery: what to do about it if not; only ``retry`` is tried again by itself.
        problems: what went wrong.
        counts: what it counted, for the history.
        after_s: in how many seconds the other side asked to be tried again, if it did.
    """

    done: bool
    recovery: Recovery | None = None
    problems: tuple[Problem, ...] = ()
    counts: Mapping[str, Any] = field(default_factory=dict)
    after_s: float | None = None

    def told(self) -> list[dict[str, str]]:
        """Return the problems in words, without anything secret in them."""
        return [
            {part: redact(words) for part, words in each.message().as_json().items()}
            for each in self.problems
        ]


Work = Callable[[], Outcome]


def attempt(work: Work, reference: str) -> Outcome:
    """Do a job's work; whatever it raises is an outcome, never the end of the scheduler.

    Args:
        work: what to do.
        reference: under which the log tells of a fault of the program itself.
    """
    try:
        return work()
    except JianhengError as error:
        return failed(error)
    except SQLAlchemyError as error:
        return failed(store_error(error, "schedule"))
    except (Exception, SystemExit) as error:  # noqa: BLE001  # one job's fault must not stop the others
        get_log("jianheng.schedule").warning("internal error", reference=reference, exc_info=error)
        return Outcome(done=False, problems=(problem("internal-error", reference=reference),))


def failed(error: JianhengError) -> Outcome:
    """Return the outcome of work that an error ended."""
    return Outcome(done=False, recovery=error.recovery, problems=error.problems, after_s=asked_wait([error]))


def asked_wait(errors: Iterable[JianhengError]) -> float | None:
    """Return the longest wait that any of some errors asks for."""
    asked = [each.after_s for each in errors if isinstance(each, RetryError) and each.after_s is not None]
    return max(asked, default=None)
