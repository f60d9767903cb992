"""A mail server on loopback that keeps what it takes, one mail an id. Nobody it hears of exists."""

import datetime as dt
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from jianheng.contract import Publication

USER, PASSWORD = "jianheng", "made-up-password"


class Post:
    """What was taken, in order; a mailbox shows a mail of the same Message-ID once."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.unknown: set[str] = set()
        self.status = ""
        self.address = ("127.0.0.1", 0)

    def held(self, publication: Publication) -> list[dict[str, Any]]:
        """Return what a reader finds: people with points or a dash, cases with their day, or the notice of a thread."""
        shown = list({each["Message-ID"]: each for each in self.mails}.values())
        if publication.notice is not None:
            title = " ".join(publication.notice.title.split())
            told = [each for each in shown if each["Subject"].endswith(title)]
            return [{"key": publication.notice.key, "title": title} for _ in told]
        word = publication.period_label if publication.kind == "scores" else "归档"
        mail = next((each for each in reversed(shown) if word in each["Subject"]), None)
        cells = [
            each.split("  ") for each in (mail.get_content().splitlines() if mail else []) if "  " in each
        ]
        if publication.kind == "scores":
            return [{"person_key": key, "points": _points(told)} for key, told, *_ in cells]
        return [{"case_no": case_no, "closed_on": dt.date.fromisoformat(told)} for case_no, told in cells]

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.unknown:
            return "550 unknown"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.status:
            return self.status
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _points(told: str) -> int | None:
    return None if told == "—" else int(told.replace(".", ""))


def _known(server, session, envelope, mechanism, data):
    ok = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=ok, handled=False)


@contextmanager
def upstream(folder: Path | None = None) -> Iterator[Post]:
    """Start the server for a group of trials."""
    post = Post()
    server = Controller(
        post,
        hostname="127.0.0.1",
        port=_free_port(),
        authenticator=_known,
        auth_require_tls=False,
        auth_exclude_mechanism=["LOGIN"],
    )
    server.start()
    post.address = (server.hostname, server.port)
    yield post
    server.stop()
