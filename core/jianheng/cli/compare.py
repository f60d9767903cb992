"""``jianheng compare``: two policies on the same facts, and who moves. Nothing is kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from jianheng.cli.output import check_place, print_json, print_line, print_table, write_whole
from jianheng.cli.services import office_of, policy_asked, policy_of
from jianheng.cli.session import Session, pass_session
from jianheng.cli.storage import store_of
from jianheng.errors import StopError
from jianheng.facts.time import wall_time
from jianheng.messages import speaking, text
from jianheng.publish.block import Block, cell_text
from jianheng.publish.comparison_blocks import notices, summary
from jianheng.publish.comparison_details import details, entries
from jianheng.publish.comparison_json import comparison_json
from jianheng.scoring.comparison.compare import check_different, compare, side
from jianheng.scoring.comparison.comparison import Comparison
from jianheng.scoring.comparison.left_out import LeftOut, left_out
from jianheng.scoring.kernel.directory import Member
from jianheng.scoring.law.period import Period, period
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.records.scope import Subject
from jianheng.scoring.records.snapshot import Snapshot, read_snapshot
from jianheng.store.engine import moment

SHOWN = 20
"""Rows of a table on the terminal unless all are asked for."""

DECILES = 9
"""The last rows of how totals lie, left out on the terminal."""

FORMS = (".xlsx", ".html")


@dataclass(frozen=True, slots=True)
class Contender:
    """A policy and what it is called in the comparison."""

    label: str
    policy: Policy


def command() -> click.Command:
    """Return the command."""

    @click.command("compare", help=text("cli-help-compare"))
    @click.argument("a", metavar="A")
    @click.argument("b", metavar="B")
    @click.option(
        "--office-layer/--no-office-layer", "layered", default=True, help=text("cli-help-compare-layer")
    )
    @output_options
    @pass_session
    def compare_(
        session: Session,
        a: str,
        b: str,
        layered: bool,
        periods: tuple[str, ...],
        output: Path | None,
        everything: bool,
    ) -> None:
        check_form(output)
        sides = [contender(session, wanted, layered=layered) for wanted in (a, b)]
        snapshot, found = comparisons(session, sides[0], sides[1], periods)
        tell(session, snapshot, found, output, everything=everything)

    return compare_


def output_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that every comparison takes."""
    for option in (
        click.option("--all", "everything", is_flag=True, help=text("cli-help-compare-all")),
        click.option("-o", "--output", type=click.Path(path_type=Path), help=text("cli-help-compare-output")),
        click.option("--period", "periods", multiple=True, help=text("cli-help-compare-period")),
    ):
        function = option(function)
    return function


def contender(session: Session, wanted: str, *, layered: bool) -> Contender:
    """Load one of the policies: a pack by name or by folder, the deployment's with the office's own layer.

    A folder that holds a draft of the deployment's pack (the same id) takes the layer as well; otherwise
    what the office set for itself would look like a change.
    """
    loaded = policy_asked(session, wanted)
    layer = session.deployment.policy_layer if layered else None
    if layer is None or loaded.id != session.deployment.policy.pack:
        return Contender(f"{loaded.label} ({wanted})", loaded)
    return Contender(
        text("compare-layered", label=loaded.label, wanted=wanted), policy_asked(session, wanted, layer)
    )


def in_force(session: Session) -> Contender:
    """Return the deployment's policy, with the office's own layer."""
    policy = policy_of(session)
    return Contender(text("compare-in-force", label=policy.label), policy)


def snapshot_of(session: Session, policy: Policy, periods: Sequence[str]) -> Snapshot:
    """Read what is known of the office, once for everything that is tried on it."""
    office = office_of(session)
    with store_of(session) as store:
        windows = [period(name, policy.file.calendar) for name in periods]
        return read_snapshot(store, Subject(office.code, office.units, office.source_order), windows)


def corrections_in(session: Session, window: Period) -> LeftOut | None:
    """Return what corrects closed periods in a period of the deployment: no comparison has it."""
    with store_of(session) as store, store.connect() as connection:
        return left_out(connection, session.deployment.office.code, session.deployment.policy.pack, window)


def comparisons(
    session: Session, a: Contender, b: Contender, asked: Sequence[str]
) -> tuple[Snapshot, list[Comparison]]:
    """Compare two policies, each within its own period of a name; by default the last configured one."""
    names = list(dict.fromkeys(asked)) or [session.deployment.policy.periods[-1]]
    windows = {name: [period(name, each.policy.file.calendar) for each in (a, b)] for name in names}
    check_different(a.label, a.policy, b.policy)
    snapshot = snapshot_of(session, a.policy, names)
    found = []
    with session.progress() as bars:
        task = bars.add_task(text("cli-help-compare"), total=len(names))
        for name in names:
            sides = [
                side(snapshot, each.policy, window, each.label)
                for each, window in zip((a, b), windows[name], strict=True)
            ]
            found.append(compare(snapshot, sides[0], sides[1], corrections_in(session, sides[0].period)))
            bars.advance(task)
    return snapshot, found


def tell(
    session: Session,
    snapshot: Snapshot,
    found: Sequence[Comparison],
    output: Path | None = None,
    *,
    everything: bool = False,
) -> None:
    """Print comparisons, and write them to a file if one is named."""
    if output is not None:
        write_file(output, snapshot, found)
    if session.flags.json:
        told = [comparison_json(each, _members(snapshot, each)) for each in found]
        file = {} if output is None else {"file": str(output)}
        print_json({"comparisons": told, "notices": _notices(snapshot, found), **file})
        return
    for each in found:
        for block in summary(each, _members(snapshot, each)):
            most = len(block.rows) - DECILES if block.id == "spread" else SHOWN
            print_block(block if everything else block.first(most))
    for line in _notices(snapshot, found):
        print_line(line)
    if output is not None:
        print_line(text("compare-written", file=output))


def print_block(block: Block) -> None:
    """Print a table on stdout."""
    if block.rows:
        print_table(block.heads, [[cell_text(cell) for cell in row] for row in block.rows], block.title)
    else:
        print_line(f"{block.title}: {text('compare-none')}")
    if block.note:
        print_line(block.note)
    if block.left_out:
        print_line(text("compare-more", count=block.left_out))
    print_line("")


def _members(snapshot: Snapshot, comparison: Comparison) -> Mapping[str, Member]:
    return snapshot.members[comparison.a.period.id]


def _notices(snapshot: Snapshot, found: Sequence[Comparison]) -> list[str]:
    return list(dict.fromkeys(line for each in found for line in notices(each, snapshot)))


def check_form(output: Path | None, forms: Sequence[str] = FORMS) -> None:
    """Refuse a file that would be of no form we write or cannot stand there, before anything is computed.

    Raises:
        StopError: its name ends otherwise, or it cannot be written.
    """
    if output is not None and output.suffix.lower() not in forms:
        raise StopError("compare-file-form", file=str(output), forms="、".join(forms))
    check_place(output)


def write_file(output: Path, snapshot: Snapshot, found: Sequence[Comparison]) -> None:
    """Write comparisons as a workbook or a page, in Chinese whatever the terminal speaks.

    Raises:
        StopError: the file cannot be written.
    """
    # Both are loaded only where one of them is written: they cost every other command a start.
    from jianheng.publish.comparison_page import page, part
    from jianheng.publish.comparison_workbook import workbook

    as_workbook = output.suffix.lower() == ".xlsx"
    with speaking("zh"):
        sheets, sections = [], []
        for each in found:
            who, name = _members(snapshot, each), each.a.period.label
            blocks, behind = summary(each, who), details(each, who)
            if as_workbook:
                sheets.append((name, [*blocks, *behind, entries(each, who, snapshot.categories)]))
            else:
                sections.append(part(name, each, blocks, behind))
        told = _notices(snapshot, found)
        if as_workbook:
            content = workbook(sheets, told, wall_time(moment(snapshot.facts_at)))
        else:
            content = page(sections, told).encode()
    write_whole(output, content)
