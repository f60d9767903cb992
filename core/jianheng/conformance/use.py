"""Using an adapter as a sync or a publish would: reading all its streams, or writing one publication."""

from jianheng.conformance.bench import Bench, Opened
from jianheng.conformance.publications import made_publication
from jianheng.conformance.verdict import NotShownError
from jianheng.contract import Publication, Stream
from jianheng.errors import problem


def use(bench: Bench, opened: Opened) -> None:
    """Read every stream to its end, or write one publication of the first kind the target takes.

    Raises:
        JianhengError: what ended it.
    """
    if bench.kind == "target":
        opened.write(first_publication(bench))
        return
    for stream in opened.streams():
        found = opened.read(stream)
        if found.error is not None:
            raise found.error


def first_publication(bench: Bench) -> Publication:
    """Return a publication of the first kind that the target takes."""
    return made_publication(bench, bench.manifest.publications[0], 1)


def stream_named(bench: Bench, name: str) -> Stream:
    """Return a stream by name, as the adapter itself described it.

    Raises:
        NotShownError: it never did.
    """
    if name not in bench.streams:
        raise NotShownError(problem("conform-after", check="streams"))
    return bench.streams[name]
