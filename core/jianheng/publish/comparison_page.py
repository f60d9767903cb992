"""A comparison as one page that needs nothing beside it: no script, no address outside, everything escaped."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from jianheng.messages import language, text
from jianheng.publish.block import Block, Points, cell_text, nearest_points
from jianheng.scoring.comparison.comparison import Comparison, SheetComparison
from jianheng.scoring.comparison.distribution import Distribution

_WIDTH, _LEFT = 720, 40
_MOST_DETAILS = 5_000


@dataclass(frozen=True, slots=True)
class Box:
    """How the totals of one side lie, drawn: whiskers to the ends, a box over the middle half, a line in it."""

    label: str
    y: int
    least: int
    first_quartile: int
    median: int
    third_quartile: int
    most: int
    told: str


@dataclass(frozen=True, slots=True)
class Figure:
    """The boxes of both sides on one scale."""

    title: str
    boxes: Sequence[Box]
    low: str
    high: str
    width: int = _WIDTH + 2 * _LEFT


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison on the page."""

    name: str
    blocks: Sequence[Block]
    figures: Sequence[Figure]
    details: Sequence[Block]


def part(name: str, comparison: Comparison, summary: Sequence[Block], details: Sequence[Block]) -> Part:
    """Return what the page shows of a comparison: the single entries are for the workbook."""
    return Part(
        name,
        summary,
        [each for sheet in comparison.sheets if (each := _figure(sheet)) is not None],
        [each.first(_MOST_DETAILS) for each in details if each.rows],
    )


def page(parts: Sequence[Part], notices: Iterable[str]) -> str:
    """Return the page in the language in force."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": cell_text, "kind": _kind}
    environment.globals |= {"text": text}
    template = environment.get_template("comparison.html.jinja")
    told = {"details": text("compare-page-details"), "lang": language()}
    return template.render(parts=parts, notices=list(notices), **told)


def _kind(cell: object) -> str:
    """Return how a cell is set: numbers to the right, differences by their sign."""
    if not isinstance(cell, int | Points):
        return ""
    if isinstance(cell, Points) and cell.signed and cell.thousandths:
        return "number more" if cell.thousandths > 0 else "number less"
    return "number"


def _figure(sheet: SheetComparison) -> Figure | None:
    sides = [(name, each) for name, each in (("A", sheet.a), ("B", sheet.b)) if each is not None]
    if not sides:
        return None
    low, high = min(each.least for _, each in sides), max(each.most for _, each in sides)
    boxes = [_box(name, each, number, low, high) for number, (name, each) in enumerate(sides)]
    return Figure(text("compare-spread", sheet=sheet.label), boxes, str(Points(low)), str(Points(high)))


def _box(name: str, of: Distribution, number: int, low: int, high: int) -> Box:
    def x(value: Fraction | int) -> int:
        return _LEFT + (int((value - low) * _WIDTH / (high - low)) if high > low else _WIDTH // 2)

    figures = (of.least, of.first_quartile, of.median, of.third_quartile, of.most)
    least, first, median, third, most = (x(each) for each in figures)
    told = " / ".join(str(nearest_points(Fraction(each))) for each in figures)
    return Box(name, 12 + 36 * number, least, first, median, third, most, told)
