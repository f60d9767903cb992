"""Whose plugins a deployment takes: publishers, exemptions, revocations."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, Field

from jianheng.config import Deployment
from jianheng.config.faults import faults_of
from jianheng.config.layers import read_toml
from jianheng.errors import Problem, StopError, problem

if TYPE_CHECKING:
    from jianheng.trust.bundle import Sealed

FOLDER = "plugins"
REFUSALS = frozenset(
    {
        "plugin-bundle-altered",
        "plugin-bundle-bad",
        "plugin-publisher-unknown",
        "plugin-revocations-bad",
        "plugin-revoked",
        "plugin-signature-bad",
    }
)
"""Codes of the reasons for which a bundle is not believed."""

Text = Annotated[str, Field(min_length=1, max_length=300)]


class Revocation(BaseModel):
    """One thing that is not to be trusted any more: a key, a bundle, or a distribution (in some versions)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    key: Annotated[str, Field(pattern=r"^ed25519:[0-9a-f]{64}$")] | None = None
    bundle: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    distribution: Text | None = None
    versions: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    since: dt.date | None = None
    reason: Text


class _Revocations(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    revoked: Annotated[tuple[Revocation, ...], Field(strict=False)] = ()


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a deployment trusts.

    Attributes:
        publishers: the names it knows publishers by, with their public keys.
        unsigned: distributions that may be used though nobody signed them, normalised.
        revoked: what is not to be trusted any more.
        broken: why the list of revocations cannot be read; nothing of others is used then.
        folder: where installed bundles are; None without a deployment.
    """

    publishers: Mapping[str, str] = field(default_factory=dict)
    unsigned: frozenset[str] = frozenset()
    revoked: tuple[Revocation, ...] = ()
    broken: Problem | None = None
    folder: Path | None = None

    def publisher_of(self, key: str) -> str:
        """Return the name of a key's publisher; empty when none has it."""
        return next((name for name, each in self.publishers.items() if each == key), "")

    def refusal_of_unsigned(self, distribution: str, version: str) -> Problem | None:
        """Return why a distribution that nobody signed is not used; None when it may be."""
        if self.broken is not None:
            return self.broken
        found = self._revoked(distribution, version)
        if found is not None:
            return _told(found, distribution, version)
        if self.publishers and distribution not in self.unsigned:
            return problem("plugin-unsigned", distribution=distribution)
        return None

    def refusal_of(self, sealed: "Sealed") -> Problem | None:
        """Return why a bundle whose signature is good is not used all the same; None when it may be."""
        manifest = sealed.manifest
        if self.broken is not None:
            return self.broken
        named = {"distribution": manifest.distribution, "version": manifest.version}
        for each in self.revoked:
            if each.key == sealed.key or each.bundle == sealed.sha256:
                return _told(each, **named)
        found = self._revoked(manifest.distribution, manifest.version)
        if found is not None:
            return _told(found, **named)
        if not self.publisher_of(sealed.key):
            known = ", ".join(sorted(self.publishers)) or "—"
            return problem("plugin-publisher-unknown", **named, key=sealed.key, known=known)
        return None

    def _revoked(self, distribution: str, version: str) -> Revocation | None:
        for each in self.revoked:
            named = each.distribution is not None and canonicalize_name(each.distribution) == distribution
            if named and (not each.versions or any(_same(version, told) for told in each.versions)):
                return each
        return None


def trust_of(deployment: Deployment) -> Trust:
    """Return whom a deployment trusts; a list of revocations that cannot be read is told by what it refuses."""
    plugins = deployment.plugins
    revoked: tuple[Revocation, ...] = ()
    broken = None
    if plugins.revoked is not None:
        try:
            revoked = read_revocations(deployment.folder / plugins.revoked)
        except StopError as error:
            broken = error.problem
    return Trust(
        publishers=dict(plugins.publishers),
        unsigned=_names(plugins.allow_unsigned),
        revoked=revoked,
        broken=broken,
        folder=deployment.folder / FOLDER,
    )


def read_revocations(file: Path) -> tuple[Revocation, ...]:
    """Read a list of revocations.

    Raises:
        StopError: it is not there or not understood: then nobody knows what is revoked.
    """
    try:
        data = read_toml(file)
    except StopError as error:
        raise StopError(
            "plugin-revocations-bad", file=str(file), detail=error.problem.message().what
        ) from None
    found = faults_of(_Revocations, data, str(file))
    entries = () if found else _Revocations.model_validate(data).revoked
    wrong = [place for place, each in enumerate(entries, start=1) if _named(each) != 1]
    if found or wrong:
        told = [each.message() for each in found]
        detail = "; ".join(
            [f"{each.what} [{each.where}]" for each in told] + [f"revoked.{each}" for each in wrong]
        )
        raise StopError("plugin-revocations-bad", file=str(file), detail=detail)
    return entries


def _same(version: str, told: str) -> bool:
    """Say whether two texts name one version: ``1.0`` is ``1.0.0``, and ``v1.0`` too."""
    try:
        return Version(version) == Version(told)
    except InvalidVersion:
        return version == told


def _named(each: Revocation) -> int:
    return sum(one is not None for one in (each.key, each.bundle, each.distribution))


def _names(given: Iterable[str]) -> frozenset[str]:
    return frozenset(canonicalize_name(each) for each in given)


def _told(each: Revocation, distribution: str, version: str) -> Problem:
    since = "—" if each.since is None else each.since.isoformat()
    return problem(
        "plugin-revoked", distribution=distribution, version=version, reason=each.reason, since=since
    )
