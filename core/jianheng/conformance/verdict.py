"""How a check says that it cannot be made: it does not apply, or the rig does not suffice to show it."""

from jianheng.errors import Problem


class NotApplicableError(Exception):
    """What is checked does not exist for this adapter. ``reason`` is the code of a text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotShownError(Exception):
    """What would be needed to try it is missing: the check's tier is not reached."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class FailedError(Exception):
    """A check ends here: nothing further could be tried after this."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem
