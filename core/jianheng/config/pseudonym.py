"""Pseudonyms of parties: stable within an office, meaningless without its key."""

import hashlib
import hmac
import os
import re
import secrets
import tempfile
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from jianheng.config.deployment import Deployment
from jianheng.config.secrets import resolve_secret
from jianheng.contract import Secret
from jianheng.errors import StopError

KEY_FILE = ".pseudonym-key"
KEY_BYTES = 32
PREFIX = "嫌疑人"
SHOWN = 8


def pseudonyms(deployment: Deployment, environ: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """Return the function that turns a person's name into this office's pseudonym for it.

    The key is read at the first name, so that looking at a deployment creates nothing.
    """
    office = deployment.office.code

    @cache
    def key() -> bytes:
        return pseudonym_key(deployment, environ)

    def pseudonym(name: str) -> str:
        # The same name typed in full width or with a blank inside is the same person.
        plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", name))
        if not plain:
            return ""
        digest = hmac.new(key(), f"{office}\0{plain}".encode(), hashlib.sha256).hexdigest()
        return f"{PREFIX}-{digest[:SHOWN].upper()}"

    return pseudonym


def pseudonym_key(deployment: Deployment, environ: Mapping[str, str] | None = None) -> bytes:
    """Return the key of an office's pseudonyms: the configured one, or one kept beside the deployment.

    Raises:
        StopError: the configured key is missing, or the key file can't be made, read or trusted.
    """
    reference = deployment.privacy.pseudonym_key
    if reference is not None:
        secret = resolve_secret("privacy.pseudonym_key", reference, deployment.folder, environ)
        return secret.reveal().encode()
    file = deployment.folder / KEY_FILE
    if not file.exists():
        _create(file)
    kept: Secret = resolve_secret("privacy.pseudonym_key", f"file:{KEY_FILE}", deployment.folder)
    if not re.fullmatch(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", kept.reveal()):
        raise StopError("pseudonym-key-bad", file=str(file))
    return kept.reveal().encode()


def _create(file: Path) -> None:
    """Make the key file whole or not at all; when another process was first, its key stands."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=KEY_FILE, dir=file.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as opened:
                opened.write(secrets.token_hex(KEY_BYTES) + "\n")
                opened.flush()
                os.fsync(opened.fileno())
            try:
                os.link(name, file)
            except FileExistsError:
                return
        finally:
            Path(name).unlink()
    except OSError as error:
        raise StopError("pseudonym-key-unwritable", file=str(file), detail=error.strerror or "") from None
