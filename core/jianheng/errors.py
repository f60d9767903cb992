"""Errors by what to do about them: stop, retry, quarantine or ask.

An error is raised with a stable code and the fields its text needs; the words are in
:mod:`jianheng.messages`. What the user's data did wrong is collected and reported together
(:class:`FaultsError`); what a programmer did wrong is an ordinary Python exception.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from jianheng.messages import Message, message

Recovery = Literal["stop", "retry", "quarantine", "ask"]
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a stable code and the fields its text needs."""

    code: str
    fields: dict[str, object] = field(default_factory=dict)

    def message(self) -> Message:
        """Return the text in the language in force."""
        return message(self.code, self.fields)


def problem(code: str, /, **fields: object) -> Problem:
    """Return a problem; reads better than the constructor where fields are many."""
    return Problem(code, fields)


class JianhengError(Exception):
    """The root of everything Jianheng raises on purpose."""

    recovery: ClassVar[Recovery] = "stop"
    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, /, **fields: object) -> None:
        super().__init__(code)
        self.problem = Problem(code, fields)

    @property
    def code(self) -> str:
        """The stable code, as documented in docs/errors.md."""
        return self.problem.code

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything this error reports; one unless it is a collection."""
        return (self.problem,)

    def __str__(self) -> str:
        return "\n".join(each.message().as_text() for each in self.problems)


class StopError(JianhengError):
    """Nothing sensible can go on until someone mends what the message names."""

    recovery = "stop"
    exit_code = 2


class RetryError(JianhengError):
    """The other side may recover by itself: back off and try again.

    ``after_s`` is how many seconds the other side asked to be left alone, None where it did not say, or said
    nothing that makes sense; more than a day counts as a day.
    """

    recovery = "retry"
    exit_code = 3

    def __init__(self, code: str, /, *, after_s: float | None = None, **fields: object) -> None:
        super().__init__(code, **fields)
        # It often comes from a header as it stands, and times are computed with it.
        sense = after_s is not None and after_s >= 0  # neither is true of what is no number
        self.after_s = min(after_s, _DAY_S) if after_s is not None and sense else None


class RowError(JianhengError):
    """One row is unusable: quarantine it and go on."""

    recovery = "quarantine"
    exit_code = 4


class AskError(JianhengError):
    """The machine could go on but a person must say so first."""

    recovery = "ask"
    exit_code = 5


class EmptiedError(AskError):
    """A source that gave records before holds none at all now; core asks before it believes so.

    For sources read by cursor: only they can tell an emptied system from one where nothing changed.
    """

    def __init__(self) -> None:
        super().__init__("source-emptied")


class FaultsError(StopError):
    """Several faults of the user's data, found together and reported together."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        found = tuple(problems)
        if not found:
            raise ValueError("FaultsError needs at least one problem")
        super().__init__(found[0].code, **found[0].fields)
        self._problems = found

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All the faults, in the order they were found."""
        return self._problems
