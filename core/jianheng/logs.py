"""Logging: structured, on stderr, with secrets and personal numbers taken out before anything is written.

Every value that was resolved as a secret is registered with :func:`hide`; :func:`redact` removes it
from any text. The same removal runs over each log event and over what the command line prints.
"""

import json
import logging
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO, cast
from urllib.parse import quote, quote_plus

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

if TYPE_CHECKING:
    from jianheng.contract import Log

MASK = "***"
SHORT = 4
"""A secret shorter than this is removed only where it stands alone; otherwise words would be garbled."""

# A port before a path is no password, though an @ may follow it further on.
_URL_PASSWORD = re.compile(r"(://[^/\s:@]*:)(?!\d*/)[^\s@]+(@)")
_URL_PARAMETER = re.compile(r"(?i)([?&;](?:password|passwd|pwd|secret|(?:access_)?token|api_?key)=)[^&;\s]+")
_ID_NUMBER = re.compile(r"(?<!\d)\d{17}[\dXx](?![\dXx])")
# The last eleven digits of a case number look like a mobile number where the unit code starts with 13
# to 15: they stand after a bracketed year and before 号, and are left alone.
_MOBILE = re.compile(r"(?<![\d\]〕】])1[3-9]\d{9}(?![\d号])")
_SENSITIVE_KEY = re.compile(
    r"(?i)^(?:.*[_-])?(?:password|passwd|pwd|secret|token|api_?key|authorization|cookie|credential)s?$"
)

_hidden: dict[str, re.Pattern[str]] = {}


def hide(value: str) -> None:
    """Register a secret value: from here on it appears in no log line and no message."""
    for form in {value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]} - {""}:
        body = re.escape(form)
        _hidden[form] = re.compile(body if len(form) >= SHORT else rf"(?<!\w){body}(?!\w)")


def is_sensitive_key(name: str) -> bool:
    """Say whether a key names something that must not be shown or stand in a file."""
    return _SENSITIVE_KEY.match(name) is not None


def holds_url_secret(text: str) -> bool:
    """Say whether a text is or holds a URL with a password or token written into it."""
    return bool(_URL_PASSWORD.search(text) or _URL_PARAMETER.search(text))


def redact(text: str) -> str:
    """Return the text without known secrets, passwords in URLs, ID numbers and mobile numbers."""
    for form in sorted(_hidden, key=len, reverse=True):
        text = _hidden[form].sub(MASK, text)
    text = _URL_PARAMETER.sub(rf"\1{MASK}", _URL_PASSWORD.sub(rf"\1{MASK}\2", text))
    return _MOBILE.sub("*" * 11, _ID_NUMBER.sub("*" * 18, text))


def redact_value(value: object) -> object:
    """Return a value of plain data with every text in it redacted and sensitive keys masked."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {
            key: MASK if is_sensitive_key(str(key)) and each not in (None, "") else redact_value(each)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value if not isinstance(value, int) or isinstance(value, bool) else _redact_number(value)
    return redact(str(value))


def _redact_number(value: int) -> int | str:
    text = str(value)
    hidden = redact(text)
    return value if hidden == text else hidden


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return cast("EventDict", redact_value(event))


def _in_a_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Tell what a library met without its frames: it logs what it got over, such as a connection that broke."""
    raised = event.pop("exc_info", None)
    error = raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        event["error"] = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return event


def _to_json(value: object, **_options: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


class _Stderr:
    """Whatever stderr is when a line is written; tests and progress bars put others in its place."""

    def write(self, line: str) -> int:
        return sys.stderr.write(line)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


def configure_logs(
    level: int = logging.WARNING, *, as_json: bool = False, stream: TextIO | None = None
) -> None:
    """Set up logging for this process, on stderr; what other libraries log takes the same way.

    Args:
        level: a level of :mod:`logging`; what is below is not written.
        as_json: one JSON object a line instead of text for people.
        stream: where lines go, stderr when not given.
    """
    out = stream or cast("TextIO", _Stderr())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(
            fmt="iso", utc=as_json
        ),  # machines that share a log share a clock face,
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_to_json)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared if level <= logging.DEBUG else [_in_a_line, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    for old in [
        each for each in root.handlers if isinstance(each.formatter, structlog.stdlib.ProcessorFormatter)
    ]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(level, logging.WARNING))


def get_log(name: str, **fields: Any) -> "Log":
    """Return a logger that carries its name and the given fields on every line."""
    if not structlog.is_configured():  # used as a library: structlog's own default writes to stdout
        configure_logs()
    return cast("Log", structlog.get_logger(logger_name=name, **fields))
