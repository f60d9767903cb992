"""What a deployment file may say, and reading one with everything it extends."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field

from jianheng.config.faults import faults_of
from jianheng.config.keys import Bundle, Quarantine
from jianheng.config.kinds import (
    Name,
    Seconds,
    SecretReference,
    SomeTexts,
    Table,
    Text,
    UnitCode,
    UnitCodes,
    Url,
)
from jianheng.config.layers import DEFAULT, Chain, Origin, leaves, merge, raise_faults, read_chain
from jianheng.config.options import absolute_sqlite
from jianheng.config.plugins import Plugins
from jianheng.config.schedule import Interval, Schedule, Windows, schedule_faults
from jianheng.contract import Secret
from jianheng.errors import Problem, problem
from jianheng.logs import holds_url_secret, is_sensitive_key


class Office(Table):
    """The office that is served, and the units whose records are read for it."""

    code: UnitCode
    name: Text
    units: UnitCodes | None = None

    @property
    def scope(self) -> tuple[str, ...]:
        """The unit codes in scope: the office alone unless the file says otherwise."""
        return self.units or (self.code,)


class Store(Table):
    """Where facts, ledgers and runs are kept."""

    url: Url = "sqlite:///jianheng.db"
    password: SecretReference | None = None


class Policy(Table):
    """By which policy, and for which periods, this office is scored."""

    pack: Text
    periods: SomeTexts
    layer: Text | None = None


class Privacy(Table):
    """How names of parties are made into pseudonyms."""

    pseudonym_key: SecretReference | None = None


class TargetUse(Table):
    """One use of a target adapter; ``memory_mb`` is what an adapter of others may take."""

    adapter: Text
    timeout_s: Seconds = 600.0
    memory_mb: Annotated[int, Field(ge=128, le=1_048_576)] = 2048
    options: Mapping[str, Any] = Field(default_factory=dict)
    secrets: Mapping[Name, SecretReference] = Field(default_factory=dict)


class SourceUse(TargetUse):
    """One use of a source adapter.

    ``streams`` narrows what is read; ``quiet`` are the hours in which it is left alone; ``sweep_every`` says
    how often all its keys are compared, ``full_every`` how often everything is read and compared.
    """

    streams: SomeTexts | None = None
    quiet: Windows = ()
    rows_per_minute: Annotated[int, Field(ge=1)] | None = None
    sweep_every: Interval | None = None
    full_every: Interval | None = None


class Settings(Table):
    """All that the files of a deployment may say."""

    office: Office
    store: Store = Store()
    policy: Policy
    plugins: Plugins = Plugins()
    privacy: Privacy = Privacy()
    quarantine: Quarantine = Quarantine()
    bundle: Bundle = Bundle()
    sources: Mapping[Name, SourceUse] = Field(default_factory=dict)
    targets: Mapping[Name, TargetUse] = Field(default_factory=dict)
    schedule: Schedule = Schedule()


class Deployment(Settings):
    """A deployment as read, with the origin of every value.

    Attributes:
        file: the innermost file; relative paths in any layer are relative to its folder.
        origins: dotted key of every leaf -> where it comes from.
    """

    file: Path
    origins: Mapping[str, Origin]

    @property
    def folder(self) -> Path:
        """The deployment's folder."""
        return self.file.parent

    @property
    def policy_layer(self) -> Path | None:
        """The folder of the office's own policy layer, if it has one."""
        return None if self.policy.layer is None else self.folder / self.policy.layer

    def values(self) -> dict[str, Any]:
        """Return every value in force by dotted key, defaults too; secrets as references."""
        return _values(self)


def load_deployment(path: Path | str) -> Deployment:
    """Read a deployment file, or the ``deployment.toml`` of a folder, with all it extends.

    Raises:
        FaultsError: everything that is wrong in any of its files, together.
    """
    chain = read_chain(Path(path))
    merged, origins = merge(chain.layers)
    raise_faults(_faults(chain, merged, origins))
    settings = Settings.model_validate(merged)
    for key in _values(settings):
        origins.setdefault(key, Origin(None, DEFAULT))
    return Deployment.model_validate(
        {**dict(settings), "file": chain.layers[-1].file, "origins": MappingProxyType(origins)}
    )


def store_url(deployment: Deployment, secrets: Mapping[str, Secret]) -> str:
    """Return the URL of the store, absolute, with its password when there is one.

    Args:
        deployment: whose store.
        secrets: what :func:`jianheng.config.resolve_secrets` found.
    """
    url = absolute_sqlite(deployment.store.url, deployment.folder)
    secret = secrets.get("store.password")
    if secret is None:
        return url
    from sqlalchemy import make_url  # loading it takes longer than everything else here

    return make_url(url).set(password=secret.reveal()).render_as_string(hide_password=False)


def _values(settings: Settings) -> dict[str, Any]:
    tree = settings.model_dump(exclude={"file", "origins"}, exclude_none=True)
    tree["office"].setdefault("units", settings.office.scope)
    return dict(leaves(tree))


def _faults(chain: Chain, merged: Mapping[str, Any], origins: Mapping[str, Origin]) -> list[Problem]:
    found = list(chain.problems)
    for layer in chain.layers:
        told = [
            each
            for each in faults_of(Settings, layer.data, str(layer.file))
            if each.code != "config-missing-key"
        ]
        found += told
        found += _literal_secrets(layer.data, str(layer.file))
    if chain.problems:
        # What an unreadable layer would have said is unknown: absent keys are told once all can be read.
        return found
    innermost = str(chain.layers[-1].file)
    whole = faults_of(Settings, merged, innermost)
    if found:
        return found + [each for each in whole if each.code == "config-missing-key"]
    if whole:
        return whole
    settings = Settings.model_validate(merged)
    return [
        *_twice(settings, origins, innermost),
        *schedule_faults(settings.schedule, settings.sources, settings.targets, innermost),
    ]


def _literal_secrets(data: Mapping[str, Any], file: str) -> Iterator[Problem]:
    """Find secrets that are written out: a password in a URL, or a value under a telling name."""
    for path, value in _texts(data, ""):
        parts = path.split(".")
        if holds_url_secret(value):
            yield problem("config-url-password", file=file, path=path)
        elif "options" in parts and value and is_sensitive_key(parts[-1]):
            yield problem("config-secret-in-options", file=file, path=path, name=parts[-1])


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _texts(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, path)


def _twice(settings: Settings, origins: Mapping[str, Origin], innermost: str) -> Iterator[Problem]:
    """Find two sources that read the same system: every record would come twice."""
    seen: list[tuple[str, SourceUse]] = []
    for name, use in settings.sources.items():
        for other, before in seen:
            if (use.adapter, use.options, use.streams) == (before.adapter, before.options, before.streams):
                origin = origins.get(f"sources.{name}.adapter")
                file = innermost if origin is None else os.fspath(origin.file or innermost)
                yield problem(
                    "config-source-twice", file=file, path=f"sources.{name}", other=other, adapter=use.adapter
                )
        seen.append((name, use))
