"""Named points at which a process under test dies: at a statement, a transaction's beginning or end, or a joint of the job."""

import os
import re
import signal
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

STATEMENTS = {
    "a lease is taken": ("after", r"(INSERT INTO|UPDATE) lease "),
    "a run has begun": ("after", r"INSERT INTO run "),
    "a run is about to end": ("before", r"UPDATE run "),
    "a run has ended, uncommitted": ("after", r"UPDATE run "),
    "rows are written, the cursor is not": ("before", r"(INSERT INTO|UPDATE) sync_cursor "),
    "the cursor is written, uncommitted": ("after", r"(INSERT INTO|UPDATE) sync_cursor "),
    "a version is closed, the next one not written": ("after", r"UPDATE fact_\w+ "),
    "what vanished is half buried": ("before", r"INSERT INTO fact_\w+ .*SELECT"),
    "what vanished is buried, uncommitted": ("after", r"INSERT INTO fact_\w+ .*SELECT"),
    "keys were compared, uncommitted": ("after", r"(INSERT INTO|UPDATE) sync_stream "),
    "a row is set aside": ("after", r"INSERT INTO quarantine "),
    "a row set aside is tried again or closed": ("before", r"UPDATE quarantine "),
    "an entry of the quarantine is changed, uncommitted": ("after", r"UPDATE quarantine "),
    "an entry is in the outbox, uncommitted": ("after", r"INSERT INTO outbox "),
    "an entry is marked as being sent, uncommitted": ("after", r"UPDATE outbox SET state="),
    "the receipt is about to be kept": ("before", r"INSERT INTO publication "),
    "the receipt is kept, uncommitted": ("after", r"INSERT INTO publication "),
    "a slot is about to begin": ("before", r"INSERT INTO job_slot "),
    "a slot has begun, uncommitted": ("after", r"INSERT INTO job_slot "),
    "a slot is about to end": ("before", r"UPDATE job_slot "),
    "a slot has ended, uncommitted": ("after", r"UPDATE job_slot "),
}
SCORED = "everything is scored, uncommitted"
STATEMENTS[SCORED] = ("after", r"UPDATE run ")
_ONLY_WITH = {SCORED: "digest"}
"""What must stand among a statement's values."""
OF_SLOTS = tuple(name for name in STATEMENTS if "slot" in name)
TRANSACTIONS = ("before a transaction", "just before a commit", "just after a commit")
JOINTS = (
    "between two sources",
    "before the quarantine is tried again",
    "before the scoring",
    "before the publication",
    "after the outbox is written, before anything is sent",
    "the target has written, nothing is recorded",
)
TARGET = "the target has written and has not answered"
"""Here the target kills who asks."""

JOB = (*(name for name in STATEMENTS if name not in OF_SLOTS), *TRANSACTIONS, *JOINTS, TARGET)
"""Every point that a job passes."""


@dataclass
class Death:
    """Where this process dies: the ``left``-th time that it passes a point; never where there is no point.

    ``by`` names another signal: a process that is stopped has not died, and may be woken.
    """

    point: str = ""
    left: int = 1
    by: str = "SIGKILL"

    def at(self, point: str) -> None:
        """Pass a point."""
        if point != self.point:
            return
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.Signals[self.by])

    def watch(self, store: sa.Engine) -> None:
        """Die at a point of a store's work."""
        if self.point in STATEMENTS:
            when, words = STATEMENTS[self.point]
            pattern = re.compile(words, re.DOTALL)

            only = _ONLY_WITH.get(self.point, "")

            def told(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
                if pattern.match(statement.replace('"', "")) and only in str(values):
                    self.at(self.point)

            sa.event.listen(store, f"{when}_cursor_execute", told)
        elif self.point == TRANSACTIONS[0]:
            sa.event.listen(store, "begin", lambda _connection: self.at(self.point))
        elif self.point == TRANSACTIONS[1]:
            sa.event.listen(store, "commit", lambda _connection: self.at(self.point))
        elif self.point == TRANSACTIONS[2]:
            commit = store.dialect.do_commit

            def committed(connection: Any) -> None:
                commit(connection)
                self.at(self.point)

            store.dialect.do_commit = committed  # type: ignore[method-assign]
