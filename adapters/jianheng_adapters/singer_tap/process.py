"""Runs a tap: its own process group, files that nobody else can read, limits on time and size, and an end in any case."""

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

from jianheng.contract import AdapterContext
from jianheng.errors import JianhengError, RetryError, StopError

_WAITING_LINES = 1000
_KEPT_LINES = 40
_SHOWN = 200
_END_WITHIN_S = 3.0
_PASSED_ON = ("PATH", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_REFUSED = (
    "unauthorized", "unauthorised", "401", "403", "forbidden", "authentication", "access denied", "invalid credentials",
    "invalid_client", "login failed", "password",
)  # fmt: skip
_AWAY = (
    "connection refused", "connection reset", "connection aborted", "timed out", "timeout", "unreachable",
    "name or service not known", "temporary failure", "could not connect", "max retries exceeded", "503", "502", "429",
)  # fmt: skip


class _TooLargeError(Exception):
    """A line is longer than anybody allowed."""


class Tap:
    """One run of a tap. Leaving the block ends it, its children, and its files."""

    def __init__(self, context: AdapterContext, arguments: Sequence[str], files: Mapping[str, Any]) -> None:
        """Prepare a run.

        Args:
            context: the adapter's: which executable, which limits.
            arguments: what is appended; ``{name}`` stands for one of the files.
            files: JSON values by name, written into a private folder; the one called ``config`` holds secrets.
        """
        self._context = context
        self._arguments, self._files = arguments, files
        self._command = Path(context.options["command"])
        self._lines: queue.Queue[bytes | Exception | None] = queue.Queue(_WAITING_LINES)
        self._errors: deque[str] = deque(maxlen=_KEPT_LINES)
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        if not os.access(self._command, os.X_OK) or not self._command.is_file():
            raise StopError("singer-not-found", **self._told())
        self._folder = Path(tempfile.mkdtemp(prefix="jianheng-tap-"))  # nobody else may enter it
        try:
            for name, value in self._files.items():
                _write_private(self._folder / f"{name}.json", value)
            given = {name: str(self._folder / f"{name}.json") for name in self._files}
            arguments = [each.format(**given) for each in self._arguments]
            self._process = subprocess.Popen(  # noqa: S603 -- no shell; the operator names the program
                [str(self._command), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._folder,
                env=self._environment(),
                start_new_session=True,
            )
        except OSError:
            self._clear()
            raise StopError("singer-not-found", **self._told()) from None
        for pump, stream in ((self._pump, self._process.stdout), (self._keep, self._process.stderr)):
            thread = threading.Thread(target=pump, args=(stream,), daemon=True, name="singer-tap")
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_raised: object) -> None:
        self._stopped.set()
        process = self._process
        if process is not None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_WITHIN_S)
            self._signal(signal.SIGKILL)  # and whatever it started
            process.wait()
            self._drain()
            for thread in self._threads:
                thread.join(_END_WITHIN_S)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        self._clear()

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of standard output; the file with secrets is gone as soon as the first has come.

        Raises:
            RetryError: nothing came for too long, or the tap says that its system is away.
            StopError: a line is too long, or the tap ended with an error.
        """
        limit = int(self._context.options.get("timeout_s") or 300)
        first = True
        while True:
            try:
                line = self._lines.get(timeout=limit)
            except queue.Empty:
                raise RetryError("singer-silent", seconds=limit, **self._told()) from None
            if isinstance(line, _TooLargeError):
                most = self._context.options.get("max_message_bytes")
                raise StopError("singer-message-too-large", limit=most, **self._told())
            if not isinstance(line, bytes):
                break
            if first and self._folder is not None:
                (self._folder / "config.json").unlink(missing_ok=True)
                first = False
            yield line
        self._check_end(limit)

    def wrong(self, reason: str, line: bytes) -> StopError:
        """Return what to raise of a line that is no message."""
        return StopError("singer-output-wrong", reason=reason, told=self._redacted(line), **self._told())

    def _check_end(self, limit: int) -> None:
        process = self._process
        if process is None:
            return
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            raise RetryError("singer-silent", seconds=limit, **self._told()) from None
        self._threads[1].join(_END_WITHIN_S)
        if code != 0:
            raise self._failed(code)

    def _failed(self, code: int) -> JianhengError:
        lines = [line for line in self._errors if line.strip()]
        said = "\n".join(lines).lower()
        told = lines[-1][:_SHOWN] if lines else "-"
        if any(sign in said for sign in _AWAY):
            return RetryError("singer-unreachable", told=told, **self._told())
        if any(sign in said for sign in _REFUSED):
            return StopError("singer-login-refused", told=told, **self._told())
        return StopError("singer-failed", code=code, told=told, **self._told())

    def _told(self) -> dict[str, Any]:
        return {"command": self._command.name, "source": self._context.name}

    def _redacted(self, raw: bytes) -> str:
        text = raw.decode("utf-8", "replace").strip()
        for secret in self._context.secrets.values():
            for form in {secret.reveal(), json.dumps(secret.reveal())[1:-1]} - {""}:
                text = text.replace(form, "***")
        return text[:_SHOWN]

    def _environment(self) -> dict[str, str]:
        """Nothing of ours but what a program needs to run: no secrets of others, no home."""
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return {**kept, "HOME": str(self._folder), "TMPDIR": str(self._folder), "LANG": "C.UTF-8"}

    def _pump(self, stream: BinaryIO) -> None:
        most = int(self._context.options.get("max_message_bytes") or 10_000_000)
        try:
            while line := stream.readline(most + 1):
                if len(line) > most:
                    self._put(_TooLargeError())
                    return
                if line.strip():
                    self._put(line)
        except (OSError, ValueError):
            pass  # it was closed: the run is over
        self._put(None)

    def _put(self, what: bytes | Exception | None) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._lines.put(what, timeout=0.2)
                return

    def _keep(self, stream: BinaryIO) -> None:
        """Keep the last lines of standard error, secrets taken out, and take all so that the tap never waits."""
        with contextlib.suppress(OSError, ValueError):
            while line := stream.readline(65536):
                self._errors.append(self._redacted(line))
                self._context.log.debug("singer-tap", line=self._errors[-1])

    def _drain(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._lines.get_nowait()

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _clear(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _write_private(file: Path, value: Any) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        json.dump(value, opened, ensure_ascii=False, default=str)
