"""Target: a mail. What began and what is over stand in one thread; sent again it has the same Message-ID.

SMTP can't promise once: after a connection that breaks between the server's taking and its saying so, a mail
comes twice, with one Message-ID. It is never lost.
"""

import hashlib
import re
import smtplib
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from urllib.parse import urlsplit

from jianheng.contract import AdapterContext, Finding, Publication, Receipt, Secret, TargetFactory
from jianheng.errors import JianhengError, RetryError, StopError
from jianheng.hookspecs import hookimpl
from jianheng_messages.telling import records, text, title, unknown

_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+")
_LASTING = 500
_SUBMISSION = 587


class Mail:
    """Sends each publication to the same people."""

    def __init__(self, context: AdapterContext) -> None:
        self._options = context.options
        self._log = context.log
        self._password = context.secrets.get("password", Secret(""))
        self._host, self._port = _place(context.options["server"])
        addresses = [context.options["sender"], *context.options["recipients"]]
        wrong = [str(each) for each in addresses if not (isinstance(each, str) and _ADDRESS.fullmatch(each))]
        if wrong or len(addresses) == 1:
            raise StopError("mail-address", addresses=", ".join(wrong) or "—")
        if kinds := unknown(context.options["kinds"]):
            raise StopError("mail-kind", kinds=kinds)

    def check(self) -> Iterable[Finding]:
        """Log in and send nothing."""
        try:
            with self._session():
                pass
        except JianhengError as error:
            return [Finding(self._host, error.problem)]
        return [Finding(self._host)]

    def write(self, publication: Publication) -> Receipt:
        """Send a mail; whoever the server does not know is named in the receipt if others are known.

        Raises:
            RetryError: the server does not answer or is busy.
            StopError: it refused the login, the sender or every recipient.
        """
        if publication.kind not in self._options["kinds"]:
            return Receipt(self._host, 0, "not sent: kinds")
        recipients = list(self._options["recipients"])
        with self._session() as server:
            refused = server.send_message(self._mail(publication), to_addrs=recipients)
        if refused:
            # An error would have everybody else told again.
            self._log.warning("mail-recipients-refused", addresses=sorted(refused))
        taken = [each for each in recipients if each not in refused]
        detail = "refused: " + ", ".join(sorted(refused)) if refused else ""
        return Receipt(", ".join(taken), records(publication), detail)

    def _mail(self, publication: Publication) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = " ".join(title(publication).split())
        mail["From"] = self._options["sender"]
        mail["To"] = ", ".join(self._options["recipients"])
        mail["Date"] = publication.as_of
        mail["Message-ID"] = f"<{publication.id}@jianheng.invalid>"
        if publication.notice is not None:
            thread = hashlib.sha256(f"{publication.office}/{publication.notice.key}".encode()).hexdigest()
            mail["References"] = f"<{thread}@jianheng.invalid>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text(publication, self._options["people"]))
        return mail

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        options = self._options
        try:
            with self._connected() as server:
                if options["username"]:
                    server.login(options["username"], self._password.reveal())
                yield server
        except smtplib.SMTPAuthenticationError as error:
            raise StopError("mail-login", host=self._host, username=options["username"]) from error
        except smtplib.SMTPRecipientsRefused as error:
            raise self._refusal(min(code for code, _ in error.recipients.values())) from error
        except smtplib.SMTPResponseException as error:
            raise self._refusal(error.smtp_code) from error
        except smtplib.SMTPNotSupportedError as error:
            raise self._refusal(_LASTING) from error
        except (smtplib.SMTPException, OSError) as error:
            raise RetryError("mail-unreachable", host=self._host, reason=type(error).__name__) from error

    def _refusal(self, status: int) -> JianhengError:
        # With one recipient who may be known later the mail waits; only what lasts stops it.
        if status < _LASTING:
            return RetryError("mail-busy", host=self._host, status=status)
        told = ", ".join([self._options["sender"], *self._options["recipients"]])
        return StopError("mail-refused", host=self._host, status=status, addresses=told)

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        options, told = self._options, self._options["ca_file"]
        secure = ssl.create_default_context(cafile=str(told) if told else None)
        place = {
            "host": self._host,
            "port": self._port,
            "timeout": options["timeout_s"],
            "local_hostname": _domain(options["sender"]),
        }
        server = (
            smtplib.SMTP_SSL(**place, context=secure)
            if options["security"] == "tls"
            else smtplib.SMTP(**place)
        )
        try:
            if options["security"] == "starttls":
                server.starttls(context=secure)
            yield server
        finally:
            # The mail was taken or it was not; how the connection ends changes neither.
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
            server.close()


def _domain(address: str) -> str:
    """Return how this machine introduces itself: asking for its own name may ask the network."""
    return address.rpartition("@")[2]


def _place(server: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{server}")
        host, port = parts.hostname, parts.port or _SUBMISSION
    except ValueError as error:
        raise StopError("mail-server", server=server) from error
    if not host or parts.path or parts.query or parts.fragment or parts.username is not None:
        raise StopError("mail-server", server=server)
    return host, port


@hookimpl
def targets() -> Mapping[str, TargetFactory]:
    """Return this target."""
    return {"mail": Mail}
