"""A province in one distribution: the source of its review system, its policy, its bulletin. The province is made up."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jianheng.contract import SourceFactory, TargetFactory
from jianheng.hookspecs import hookimpl
from jianheng_yunting.bulletin import Bulletin
from jianheng_yunting.reviews import Reviews


@hookimpl
def sources() -> Mapping[str, SourceFactory]:
    """Return the review system."""
    return {"yunting": Reviews}


@hookimpl
def targets() -> Mapping[str, TargetFactory]:
    """Return the bulletin."""
    return {"yunting": Bulletin}


@hookimpl
def policies() -> Sequence[Path]:
    """Return the province's deductions."""
    return [Path(__file__).parent / "yunting-quality"]
