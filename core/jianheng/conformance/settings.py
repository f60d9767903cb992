"""What a vendor says of his rig in ``conform.toml``: situations, what the upstream holds, limits, exemptions."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from jianheng.config.faults import faults_of
from jianheng.config.kinds import Seconds, Table, Text, Texts, UnitCode, UnitCodes
from jianheng.config.layers import raise_faults, read_toml
from jianheng.errors import StopError, problem

FORMATS = (1,)
SITUATIONS = ("wrong_password", "unreachable", "slow", "hang")
"""What may be laid over ``[good]``, each the name of a table."""


def _day(value: object) -> object:
    return value.date() if isinstance(value, dt.datetime) else value


class Situation(Table):
    """Options and secrets of one situation; those of all but ``[good]`` are laid over it key by key."""

    options: Mapping[str, Any] = Field(default_factory=dict)
    secrets: Mapping[str, Text] = Field(default_factory=dict)


class StreamSettings(Table):
    """What one stream holds at the start, and how the kit may try it.

    Attributes:
        rows: how many live rows, exactly; not compared when None.
        rejects: how many rows are unusable on purpose.
        keys: keys that must be there.
        holds: columns of rows, by the key column among them, that must hold exactly this.
        text: a canonical column of free text that the rig can set; empty where the stream has none.
        follows: the stream whose records these rows are made of, so that the rig puts nothing into this one.
        late_s: how many seconds late a commit may be and must still be found.
        puts: how many records the kit puts in its trials.
    """

    rows: Annotated[int, Field(ge=0)] | None = None
    rejects: Annotated[int, Field(ge=0)] = 0
    keys: Texts = ()
    holds: Annotated[tuple[Mapping[str, Any], ...], Field(strict=False)] = ()
    text: Annotated[str, Field(max_length=200)] | None = None
    follows: Text | None = None
    late_s: Annotated[int, Field(ge=1)] = 60
    puts: Annotated[int, Field(ge=4, le=10_000)] = 12


class Limits(Table):
    """Bounds of a run. Times in seconds.

    Attributes:
        call_s: of one call; a hang of the upstream must be noticed by the adapter within it.
        read_s: of one whole read.
        slow_s: how long the slow upstream lets each answer wait.
        rows: how many records memory is measured with.
        memory_mb: by how much memory may grow while they are read, or written.
        start: stamp of the kit's first record, wall time; an hour before the run when None.
    """

    call_s: Seconds = 10.0
    read_s: Seconds = 600.0
    slow_s: Seconds = 1.0
    rows: Annotated[int, Field(ge=100, le=5_000_000)] = 20_000
    memory_mb: Annotated[int, Field(ge=1)] = 200
    start: dt.datetime | None = None


class Exemption(Table):
    """A check that need not pass, why, and until when."""

    check: Text
    stream: Text | None = None
    reason: Annotated[str, Field(min_length=10, max_length=1000)]
    until: Annotated[dt.date, BeforeValidator(_day)]


class Settings(Table):
    """All that a ``conform.toml`` may say."""

    kit: int
    adapter: Text | None = None
    kind: Literal["source", "target"] | None = None
    rig: Text | None = None
    office: UnitCode = "990101"
    units: UnitCodes | None = None
    address: Text | None = None
    good: Situation
    wrong_password: Situation | None = None
    unreachable: Situation | None = None
    slow: Situation | None = None
    hang: Situation | None = None
    streams: Mapping[str, StreamSettings] = Field(default_factory=dict)
    limits: Limits = Limits()
    exempt: Annotated[tuple[Exemption, ...], Field(strict=False)] = ()

    def of_stream(self, name: str) -> StreamSettings:
        """Return what is said of a stream, or what holds when nothing is said."""
        return self.streams.get(name) or StreamSettings()

    def told(self, situation: str) -> Situation | None:
        """Return what is said of a situation other than the good one."""
        found: Situation | None = getattr(self, situation)
        return found


def read_settings(file: Path) -> Settings:
    """Return a ``conform.toml``.

    Raises:
        FaultsError: everything that is wrong with it.
        StopError: it cannot be read, or was written for another kit.
    """
    data = read_toml(file)
    kit = data.get("kit")
    if type(kit) is int and kit not in FORMATS:
        raise StopError("conform-format", file=file.name, kit=kit, served=", ".join(map(str, FORMATS)))
    raise_faults(faults_of(Settings, data, file.name))
    settings = Settings.model_validate(data)
    rig = settings.rig
    if rig is not None and not (file.parent / rig).is_file():
        raise_faults([problem("conform-rig-missing", file=file.name, rig=rig)])
    return settings
