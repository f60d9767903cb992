"""An explanation as one page: everything within it, nothing fetched from anywhere, fit to print."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from jianheng.logs import redact
from jianheng.messages import text

_HERE = Path(__file__).parent


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["text"] = text
    return made


def page(told: Mapping[str, Any]) -> str:
    """Return an explanation as a page of HTML, in the language in force.

    The style stands in the page and is named by its hash in the page's policy, so that a browser takes no
    other; there is no script.
    """
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    anchors = {name: f"f-{number}" for number, name in enumerate(told["facts"], 1)}
    template = _environment().get_template("page.html.jinja")
    made = template.render(told=told, style=Markup(style), digest=digest, anchors=anchors)  # noqa: S704 our own file
    return redact(made)
