"""Shapes: what many streams of a mapping have in common, said once and named by ``like``."""

from collections.abc import Iterator
from typing import Any

from jianheng.errors import Problem, problem

Merge = Any
"""How one table is laid over another; the loader's own, so that expressions are replaced whole here too."""


def apply_shapes(merged: dict[str, Any], merge: Merge) -> None:
    """Lay every stream over the shape it names, and take the shapes away; the text of the stream wins."""
    shapes, streams = merged.get("shapes"), merged.get("streams")
    if not isinstance(streams, dict):
        return
    for name, stream in streams.items():
        shape = (
            shapes.get(stream.get("like")) if isinstance(shapes, dict) and isinstance(stream, dict) else None
        )
        if isinstance(shape, dict):
            own = {key: value for key, value in stream.items() if key != "like"}
            streams[name] = merge(shape, own, ("streams", name))
    merged.pop("shapes", None)


def find_unknown_shapes(merged: dict[str, Any], file: str, nearest: Any) -> Iterator[Problem]:
    """Yield a problem for each stream that names a shape nobody declared."""
    shapes, streams = merged.get("shapes", {}), merged.get("streams")
    for name, stream in streams.items() if isinstance(streams, dict) else ():
        like = stream.get("like") if isinstance(stream, dict) else None
        if like is not None and (not isinstance(shapes, dict) or str(like) not in shapes):
            known = shapes if isinstance(shapes, dict) else ()
            yield problem(
                "mapping-unknown-shape",
                file=file,
                stream=name,
                shape=str(like),
                nearest=nearest(str(like), known),
            )
