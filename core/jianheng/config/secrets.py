"""Secrets by reference: the files of a deployment name them, the environment or a private file holds them."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from jianheng.config.deployment import Deployment
from jianheng.config.files import read_small
from jianheng.config.layers import raise_faults
from jianheng.contract import Secret
from jianheng.errors import Problem, StopError
from jianheng.logs import hide

MAX_BYTES = 64_000


def secret_references(deployment: Deployment) -> dict[str, str]:
    """Return every secret a deployment refers to: ``sources.ucs.password`` -> ``env:UCS_PASSWORD``."""
    found = {
        "store.password": deployment.store.password,
        "privacy.pseudonym_key": deployment.privacy.pseudonym_key,
        "quarantine.key": deployment.quarantine.key,
        "bundle.signing_key": deployment.bundle.signing_key,
    }
    former = enumerate(deployment.quarantine.former_keys, start=1)
    found.update({f"quarantine.former_keys.{place}": reference for place, reference in former})
    opening = enumerate(deployment.bundle.opening_keys, start=1)
    found.update({f"bundle.opening_keys.{place}": reference for place, reference in opening})
    for kind, uses in (("sources", deployment.sources), ("targets", deployment.targets)):
        for name, use in uses.items():
            found.update({f"{kind}.{name}.{secret}": reference for secret, reference in use.secrets.items()})
    return {key: reference for key, reference in found.items() if reference is not None}


def resolve_secrets(
    deployment: Deployment, *, under: str = "", environ: Mapping[str, str] | None = None
) -> dict[str, Secret]:
    """Return the values of the secrets a deployment refers to, by dotted key, and hide them in all output.

    Args:
        deployment: whose secrets.
        under: only those below this key, such as ``sources.ucs``; all when empty.
        environ: the environment, the process's own when not given.

    Raises:
        FaultsError: those that are missing, empty or readable by others, together.
    """
    found: dict[str, Secret] = {}
    problems: list[Problem] = []
    for key, reference in secret_references(deployment).items():
        if under and key != under and not key.startswith(f"{under}."):
            continue
        try:
            found[key] = resolve_secret(key, reference, deployment.folder, environ)
        except StopError as error:
            problems += error.problems
    raise_faults(problems)
    return found


def resolve_secret(
    key: str, reference: str, folder: Path, environ: Mapping[str, str] | None = None
) -> Secret:
    """Return the value behind one reference, ``env:NAME`` or ``file:PATH``.

    Raises:
        StopError: it is missing, empty, or a file that others may read.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = (os.environ if environ is None else environ).get(name)
        if value is None:
            raise StopError("secret-variable-missing", path=key, variable=name)
    else:
        value = _read_private(key, folder / name)
    if not value:
        raise StopError("secret-empty", path=key, reference=reference)
    hide(value)
    return Secret(value)


def _read_private(key: str, file: Path) -> str:
    shown = str(file)
    try:
        status, raw = read_small(file, MAX_BYTES)
    except (OSError, ValueError) as error:
        detail = getattr(error, "strerror", None) or type(error).__name__
        raise StopError("secret-file-missing", path=key, file=shown, detail=detail) from None
    if raw is None:
        raise StopError("secret-file-missing", path=key, file=shown, detail="—")
    if os.name == "posix" and status.st_mode & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        raise StopError("secret-file-open", path=key, file=shown, mode=mode)
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise StopError("secret-file-missing", path=key, file=shown, detail="UTF-8") from None
