"""The readable page of a policy: the whole law in force on a day, as Markdown or as one HTML file."""

import datetime as dt
import html
from collections.abc import Callable, Iterable, Iterator, Mapping

from jianheng.errors import StopError
from jianheng.messages import language
from jianheng.scoring.law.policy import Policy
from jianheng.scoring.lawbook.blocks import Block, Heading, Items, Paragraph
from jianheng.scoring.lawbook.points import points_sections
from jianheng.scoring.lawbook.sections import first_sections, last_sections

_STYLE = """
body { font: 16px/1.7 "Source Han Sans SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; margin: 2em auto;
  max-width: 70em; padding: 0 1em; color: #1a1a1a; }
h1 { font-size: 1.7em; } h2 { font-size: 1.3em; border-bottom: 1px solid #ccc; margin-top: 2em; } h3 { font-size: 1.1em; }
table { border-collapse: collapse; width: 100%; margin: 1em 0; font-size: .93em; }
th, td { border: 1px solid #ccc; padding: .3em .6em; text-align: left; vertical-align: top; }
th { background: #f2f2f2; } code { background: #f5f5f5; padding: 0 .2em; }
@media print { body { margin: 0; max-width: none; } }
"""


def law_page(policy: Policy, day: dt.date, form: str) -> str:
    """Return the law in force on a day, in the language in force.

    Args:
        policy: the law, with everything it inherits.
        day: which rows, values and definitions are shown.
        form: one of :data:`FORMATS`.

    Raises:
        StopError: the policy is not in force on that day.
    """
    if day < policy.file.since:
        raise StopError("policy-not-in-force", policy=policy.id, since=policy.file.since, period=day)
    blocks = [*first_sections(policy, day), *points_sections(policy, day), *last_sections(policy, day)]
    return _RENDERERS[form](policy, blocks)


def _markdown(_policy: Policy, blocks: Iterable[Block]) -> str:
    return "\n\n".join(_markdown_block(block) for block in blocks) + "\n"


def _markdown_block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_plain(block.text)}"
    if isinstance(block, Paragraph):
        return _plain(block.text)
    if isinstance(block, Items):
        return "\n".join(f"{'  ' * depth}- {_plain(told)}" for depth, told in block.items)
    rows = [block.columns, ["---"] * len(block.columns), *block.rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows)


def _plain(told: str) -> str:
    """Return a text on one line: markup of its own would be a surprise, line breaks end a list."""
    return " ".join(told.split())


def _cell(told: str) -> str:
    return _plain(told).replace("|", "\\|")


def _html(policy: Policy, blocks: Iterable[Block]) -> str:
    body = "\n".join(line for block in blocks for line in _html_block(block))
    title = html.escape(policy.label)
    lang = {"zh": "zh-CN", "en": "en"}[language()]
    return (
        f'<!doctype html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _html_block(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"<h{block.level}>{html.escape(block.text)}</h{block.level}>"
    elif isinstance(block, Paragraph):
        yield f"<p>{html.escape(block.text)}</p>"
    elif isinstance(block, Items):
        depth = -1
        for at, told in block.items:
            yield "<ul>" * max(at - depth, 0) + "</ul>" * max(depth - at, 0) + f"<li>{html.escape(told)}</li>"
            depth = at
        yield "</ul>" * (depth + 1)
    else:
        yield f"<table><thead>{_html_row('th', block.columns)}</thead><tbody>"
        yield from (_html_row("td", row) for row in block.rows)
        yield "</tbody></table>"


def _html_row(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


_RENDERERS: Mapping[str, Callable[[Policy, Iterable[Block]], str]] = {"markdown": _markdown, "html": _html}
FORMATS = tuple(_RENDERERS)
"""The forms a page can have."""
