"""What went wrong in a child, told so that the host raises what it would have raised in process.

Used on both sides. An error that an adapter raised on purpose keeps its class, code and fields; anything else is
told by its name, its text and its frames, never as an object.
"""

import traceback
from collections.abc import Mapping
from typing import Any

from jianheng.errors import (
    AskError,
    EmptiedError,
    FaultsError,
    JianhengError,
    Problem,
    RetryError,
    RowError,
    StopError,
)
from jianheng.isolation.guard import BlockedError
from jianheng.isolation.values import decode, encode
from jianheng.isolation.wire import WireError

SHOWN = 2000
MOST_FRAMES = 60
_CLASSES: Mapping[str, type[JianhengError]] = {
    each.__name__: each
    for each in (EmptiedError, FaultsError, AskError, RetryError, RowError, StopError, JianhengError)
}


def pack(error: BaseException) -> dict[str, Any]:
    """Return an error as JSON has it."""
    if isinstance(error, JianhengError):
        kind = next(name for name, each in _CLASSES.items() if isinstance(error, each))
        told = {"class": kind, "problems": [_problem(each) for each in error.problems]}
        return told | ({"after_s": encode(error.after_s)} if isinstance(error, RetryError) else {})
    if isinstance(error, MemoryError):
        return {"memory": True}
    blocked = _blocked(error)
    if blocked is not None:
        return {"blocked": blocked.what}
    frames = [[each.filename, each.lineno] for each in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames = [[error.filename, error.lineno]]
    try:
        detail = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  # even its text may raise
        detail = ""
    try:
        shown = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001
        shown = ""
    return {
        "exception": type(error).__name__,
        "detail": detail[:SHOWN],
        "frames": frames[-MOST_FRAMES:],
        "traceback": shown[-20 * SHOWN :],
    }


def unpack(told: Mapping[str, Any]) -> JianhengError:
    """Return the error of ours that :func:`pack` was given.

    Raises:
        WireError: it is of another form.
    """
    try:
        kind = _CLASSES[told["class"]]
        problems = [_told(each) for each in told["problems"]]
        if kind is FaultsError:
            return FaultsError(problems)
        after_s = decode(told.get("after_s"))
        error: JianhengError
        if kind is EmptiedError:
            error = EmptiedError()
        elif kind is RetryError:
            error = RetryError(
                problems[0].code, after_s=after_s if isinstance(after_s, int | float) else None
            )
        else:
            error = kind(problems[0].code)
        error.problem = problems[0]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as wrong:
        raise WireError(f"error: {type(wrong).__name__}") from None
    return error


def _problem(each: Problem) -> dict[str, Any]:
    return {"code": str(each.code), "fields": encode({str(key): one for key, one in each.fields.items()})}


def _told(each: Mapping[str, Any]) -> Problem:
    fields = decode(each["fields"])
    if not isinstance(each["code"], str) or not isinstance(fields, dict):
        raise TypeError(each["code"])
    return Problem(each["code"], fields)


def _blocked(error: BaseException | None) -> BlockedError | None:
    """Return the refusal behind an error: libraries wrap it once or twice in errors of their own."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, BlockedError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None
