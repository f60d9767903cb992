"""The target: tells the archive which cases are due."""

from collections.abc import Iterable
from contextlib import closing

from jianheng.contract import AdapterContext, Finding, Publication, Receipt
from jianheng.errors import JianhengError, StopError
from jianheng.messages import text
from jianheng_adapters.archive_http.client import ArchiveClient

PATH = "api/due-list"


class ArchiveTarget:
    """Posts the list of cases that ought to be in the archive and are not."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context

    def check(self) -> Iterable[Finding]:
        """Log in; that changes nothing."""
        try:
            with closing(ArchiveClient(self._context)) as client:
                client.login()
            yield Finding(text("archive-check-login"))
        except JianhengError as error:
            yield Finding(text("archive-check-login"), error.problem)

    def write(self, publication: Publication) -> Receipt:
        """Post the list; the publication's id makes the service take it once.

        Raises:
            RetryError: the service doesn't answer.
            StopError: it refuses the list, or took another number of cases than were sent.
        """
        items = [
            {
                "bmsah": due.case_no,
                "unit": due.unit_code,
                "handler": due.handler_key,
                "concluded_on": due.closed_on.isoformat(),
            }
            for due in publication.due
        ]
        with closing(ArchiveClient(self._context)) as client:
            answer = client.post(PATH, {"items": items}, key=publication.id)
        received, new = answer.get("received"), answer.get("new")
        if received != len(items):
            raise StopError("archive-due-count", path=f"/{PATH}", sent=len(items), received=received)
        return Receipt(f"/{PATH}", len(items), text("archive-due-detail", received=received, new=new))
