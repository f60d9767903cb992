"""Whether an answer says that it succeeded, where services say so inside."""

from typing import Any

from jianheng.errors import StopError
from jianheng_adapters.mapping.records import find
from jianheng_adapters.mapping.rows import told_text
from jianheng_adapters.mapping.service import Answer
from jianheng_adapters.web_service.client import TokenError
from jianheng_adapters.web_service.retry import PassingError

_SHOWN = 120


def judge(answer: Answer, value: Any, *, host: str, path: str) -> None:
    """Raise unless an answer means success.

    Raises:
        PassingError: it may succeed later.
        TokenError: the service does not know us.
        StopError: it did not succeed.
    """
    if not answer.code:
        return
    code = told_text(find(value, answer.code))
    if code in answer.ok:
        return
    if code in answer.denied:
        raise TokenError
    told = told_text(find(value, answer.message))[:_SHOWN] if answer.message else "-"
    if code in answer.busy:
        raise PassingError("unavailable", f"{code}: {told}")
    raise StopError("web-answer-refused", code=code or "-", told=told, host=host, path=path.partition("?")[0])
