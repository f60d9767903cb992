"""The targets of the deployment as the outbox opens them."""

from collections.abc import Callable

from jianheng.cli.opening import open_target
from jianheng.cli.session import Session
from jianheng.contract import Publication, Receipt
from jianheng.publish.outbox import OpenedTarget


def target_opener(session: Session) -> Callable[[str], OpenedTarget]:
    """Return what opens a target of the deployment for the outbox; every call of it stays within its boundary."""

    def opened(name: str) -> OpenedTarget:
        found = open_target(session, name)

        def write(publication: Publication) -> Receipt:
            return found.boundary.call("write", found.target.write, publication, returns=Receipt)

        return OpenedTarget(write, found.boundary.timeout_s, found.boundary.close)

    return opened
