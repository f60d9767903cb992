"""One run of the kit: which checks are made, in which order, and what becomes of each."""

import datetime as dt
import tempfile
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jianheng.config.faults import likely
from jianheng.conformance import (
    answering,
    changing,
    checking,
    describing,
    exempting,
    killing,
    processes,
    reads,
    schema,
    targets,
    troubles,
    values,
)
from jianheng.conformance.bench import Bench, elapsed
from jianheng.conformance.outcome import CHECKS, Check, Outcome, Tier, tier_of
from jianheng.conformance.rig import load_rig, quiet_servers
from jianheng.conformance.settings import Exemption, Settings, read_settings
from jianheng.conformance.subject import Subject, find_subject, loadable
from jianheng.conformance.verdict import FailedError, NotApplicableError, NotShownError
from jianheng.conformance.watch import listening
from jianheng.errors import JianhengError, Problem, StopError, problem
from jianheng.messages import text

FILE = "conform.toml"
PATTERN = "conform*.toml"

Function = Callable[[Bench, str], Iterator[Problem | str]]

FUNCTIONS: dict[str, Function] = {
    "exemptions": exempting.exemptions,
    "manifest": describing.manifest,
    "options": describing.options,
    "secret-marking": describing.secret_marking,
    "opens": checking.opens,
    "check-good": checking.check_good,
    "check-wrong-password": checking.check_wrong_password,
    "check-unreachable": checking.check_unreachable,
    "streams": reads.streams,
    "rows": reads.rows,
    "keys-unique": reads.keys_unique,
    "locators": reads.locators,
    "reads-equal": reads.reads_equal,
    "receipt": targets.receipt,
    "write-twice": targets.write_twice,
    "network": processes.network,
    "schema-stable": schema.schema_stable,
    "slow": troubles.slow,
    "recovers": troubles.recovers,
    "answers": answering.answers,
    "cancel": changing.cancel,
    "changes": changing.changes,
    "resume": changing.resume,
    "late-commit": changing.late_commit,
    "equal-times": changing.equal_times,
    "deletes": changing.deletes,
    "values": values.values,
    "read-back": targets.read_back,
    "not-doubled": targets.not_doubled,
    "replaces": targets.replaces,
    "hangs": troubles.hangs,
    "kill": killing.kill,
    "memory": processes.memory,
    "leaks": processes.leaks,
    "moves": changing.moves,
    "elsewhere": processes.elsewhere,
    "texts": describing.texts,
    "no-secret": describing.no_secret,
}
"""The checks in the order they are made: what was said in all of them is looked at last."""

EACH = frozenset({
    "rows", "keys-unique", "locators", "reads-equal", "cancel", "changes", "resume", "late-commit", "equal-times",
    "deletes", "values", "moves", "receipt", "write-twice", "read-back", "not-doubled", "replaces",
})  # fmt: skip
"""Checks that are made of each stream, or of each kind of publication."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of every check of one adapter.

    Attributes:
        settings_file: its conform.toml.
        whole: every check was made, so that ``tier`` is one.
        began: wall time.
    """

    settings_file: Path
    subject: Subject
    kind: str
    outcomes: tuple[Outcome, ...]
    exemptions: tuple[Exemption, ...]
    whole: bool
    began: dt.datetime
    seconds: float

    @property
    def tier(self) -> Tier:
        """The tier reached; none when only some checks were made."""
        return tier_of(self.outcomes) if self.whole else ""

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The checks that failed."""
        return tuple(each for each in self.outcomes if each.state == "failed")

    @property
    def claim(self) -> str:
        """The tier that the manifest claims."""
        return self.subject.manifest.maturity if self.subject.manifest is not None else ""

    @property
    def exempt(self) -> tuple[Outcome, ...]:
        """The checks that an exemption stands for."""
        return tuple(each for each in self.outcomes if each.state == "exempt")


def settings_files(path: Path) -> tuple[Path, ...]:
    """Return the conform.toml that a path means, or all that a folder holds.

    Raises:
        StopError: there is none.
    """
    if path.is_file():
        return (path,)
    found = tuple(sorted(path.glob(PATTERN))) if path.is_dir() else ()
    if not found:
        raise StopError("conform-none", path=str(path), name=FILE)
    return found


def conform(
    file: Path,
    *,
    only: Collection[str] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Try one adapter and return what became of every check.

    Args:
        file: a conform.toml, or the folder of one.
        only: names of checks to make; all when empty.
        progress: called with the name of each check before it is made.

    Raises:
        FaultsError: everything wrong with the conform.toml.
        StopError: it cannot be read, there is no adapter beside it, or the vendor's rig can't be loaded.
    """
    with running(file, only=only) as each:
        return each.finish(progress)


class Run:
    """A run that can be made check by check, as pytest makes it."""

    def __init__(self, file: Path, bench: Bench, only: Collection[str]) -> None:
        self.file = file
        self.bench = bench
        self.only = frozenset(only)
        self.began = time.monotonic()
        self.made: dict[str, tuple[Outcome, ...]] = {}

    def checks(self) -> Sequence[Check]:
        """Return the checks for this kind of adapter, in the order they are made."""
        manifest = self.bench.subject.manifest
        kind = self.bench.kind if manifest is not None else None
        return [
            CHECKS[name]
            for name in FUNCTIONS
            if CHECKS[name].kind in (None, kind) and (not self.only or name in self.only or name in NEEDED)
        ]

    def make(self, check: Check) -> tuple[Outcome, ...]:
        """Make one check, and first what it rests on; of each stream or publication where it is made so."""
        if check.name not in self.made:
            for each in self._before(check):
                self.make(each)
            self.made[check.name] = tuple(
                _exempted(self.bench.settings, _outcome(self.bench, check, each))
                for each in self._subjects(check)
            )
        return self.made[check.name]

    def _before(self, check: Check) -> Sequence[Check]:
        names = [] if check.name in FIRST else NEEDED
        if check.name in LAST:
            names = [name for name in FUNCTIONS if name not in LAST]
        return [each for each in self.checks() if each.name in names and each.name != check.name]

    def _subjects(self, check: Check) -> Sequence[str]:
        if check.name not in EACH:
            return ("",)
        if check.kind == "target":
            return self.bench.manifest.publications or ("",)
        return list(self.bench.streams) or ("",)

    def finish(self, progress: Callable[[str], None] = lambda _: None) -> Report:
        """Make what was not made yet, and return the report."""
        for check in self.checks():
            progress(check.name)
            self.make(check)
        order = list(CHECKS)
        made = [each for some in self.made.values() for each in some]
        asked = [each for each in made if not self.only or each.check.name in self.only]
        outcomes = tuple(sorted(asked, key=lambda each: order.index(each.check.name)))
        subject, settings = self.bench.subject, self.bench.settings
        kind = self.bench.kind if subject.manifest is not None else ""
        return Report(
            self.file,
            subject,
            kind,
            outcomes,
            settings.exempt,
            not self.only,
            self.bench.began,
            elapsed(self.began),
        )


FIRST = ("exemptions", "manifest", "options", "secret-marking", "opens")
"""Checks that rest on no other."""

NEEDED = ("opens", "streams")
"""Without these no other check can be made."""

LAST = ("texts", "no-secret")
"""Checks of what was said in all others."""


class running:  # noqa: N801  # used as a context, as contextlib.closing is
    """Prepare a run: settings read, the adapter found, its code loadable, a scratch folder made."""

    def __init__(self, file: Path, *, only: Collection[str] = ()) -> None:
        from contextlib import ExitStack

        self._file, self._only, self._stack = file, only, ExitStack()

    def __enter__(self) -> Run:
        file = (self._file / FILE if self._file.is_dir() else self._file).resolve()
        settings = read_settings(file)
        for name in self._only:
            if name not in CHECKS:
                raise StopError("conform-unknown-check", check=name, nearest=likely(name, CHECKS))
        subject = find_subject(file.parent, settings)
        with self._stack as stack:
            stack.enter_context(loadable(subject))
            rig = load_rig(file.parent, settings)
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conform-")))
            bench = Bench(subject, settings, file, scratch, rig)
            stack.enter_context(listening(bench.watch))
            stack.enter_context(quiet_servers())
            self._stack = stack.pop_all()
        return Run(file, bench, self._only)

    def __exit__(self, *_raised: object) -> None:
        self._stack.close()


def _outcome(bench: Bench, check: Check, subject: str) -> Outcome:
    began = time.monotonic()
    found: list[Problem] = []
    details: list[str] = []
    made = Outcome(check, "passed", subject)
    if check.name in EACH and not subject:
        return replace(made, state="not-shown", problems=(problem("conform-after", check="streams"),))
    try:
        for each in FUNCTIONS[check.name](bench, subject):
            details.append(each) if isinstance(each, str) else found.append(each)
    except NotApplicableError as error:
        made = replace(made, state="not-applicable", reason=text(error.reason))
    except NotShownError as error:
        made = replace(made, state="not-shown", problems=(error.problem,))
    except FailedError as error:
        found.append(error.problem)
    except JianhengError as error:
        ours = error.code.startswith("conform-")
        found += error.problems if ours else [bench.unexpected(check.name, error, subject)]
    except Exception as error:  # noqa: BLE001  # whatever an adapter gave must not end the run
        found.append(_stumbled(bench, error, subject))
    if found:
        made = replace(made, state="failed", problems=tuple(found))
    return replace(made, detail="; ".join(details), seconds=elapsed(began))


def _stumbled(bench: Bench, error: Exception, subject: str) -> Problem:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return problem(
        "conform-stumbled",
        exception=type(error).__name__,
        detail=" ".join(str(error).split())[:200] or "—",
        place=f"{Path(frame.filename).name}:{frame.lineno}",
        at=bench.at(subject),
    )


def _exempted(settings: Settings, made: Outcome) -> Outcome:
    if made.state not in ("failed", "not-shown") or not made.check.exemptible:
        return made
    for each in settings.exempt:
        if (
            each.check == made.check.name
            and each.stream in (None, made.subject)
            and exempting.is_valid(each, dt.date.today())  # noqa: DTZ011  # an expiry is a day of the calendar on the wall
        ):
            return replace(
                made, state="exempt", reason=text("conform-exempt", reason=each.reason, until=each.until)
            )
    return made
