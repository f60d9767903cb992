"""Sealing what must not be read by whoever can read the store: AES-256-GCM, with keys that can be changed.

A sealed text is ``v1:KEY:DATA``: the number of the key it was sealed with, and nonce and ciphertext in
base64. It opens only for the entry it was sealed for. The keys ride on the engine, so that whatever writes
through it seals; an engine without keys keeps nothing that would have to be sealed.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from jianheng.errors import StopError

SHORTEST = 32
"""Characters a secret must have: it is used as it is, so guessing must be hopeless."""

_OPTION = "jianheng_keyring"
_VERSION = "v1"
_NONCE = 12


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its number, which is no secret, and what it seals with."""

    number: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.number})"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The key that seals, and those that still open what was sealed before."""

    keys: tuple[Key, ...]

    @property
    def current(self) -> Key:
        """The key that seals."""
        return self.keys[0]


def keyring(secret_texts: Sequence[str]) -> Keyring | None:
    """Return the keyring of some secrets, the one that seals first; None when there are none.

    Raises:
        StopError: one is too short to be a key.
    """
    if any(len(each) < SHORTEST for each in secret_texts):
        raise StopError("quarantine-key-short", least=SHORTEST)
    return Keyring(tuple(_key(each) for each in secret_texts)) if secret_texts else None


def _key(secret: str) -> Key:
    derived = HKDF(SHA256(), 32, salt=None, info=b"jianheng quarantine").derive(secret.encode())
    return Key(hashlib.sha256(b"number\0" + derived).hexdigest()[:8], derived)


def with_keyring(engine: sa.Engine, keys: Keyring | None) -> sa.Engine:
    """Return the engine with keys: everything that is set aside through it is sealed."""
    return engine if keys is None else engine.execution_options(**{_OPTION: keys})


def keyring_of(connection: sa.Connection) -> Keyring | None:
    """Return the keys a connection's engine carries."""
    found: Keyring | None = connection.get_execution_options().get(_OPTION)
    return found


def seal(keys: Keyring, text: str, belongs_to: str) -> str:
    """Return a text sealed with the current key; it opens only with the same ``belongs_to``."""
    nonce = secrets.token_bytes(_NONCE)
    closed = AESGCM(keys.current.secret).encrypt(nonce, text.encode(), belongs_to.encode())
    return f"{prefix(keys.current)}{base64.b64encode(nonce + closed).decode()}"


def unseal(keys: Keyring | None, sealed: str, belongs_to: str) -> str | None:
    """Return the text; None when no key here opens it, or it was altered or moved to another entry."""
    for key in () if keys is None else keys.keys:
        if not sealed.startswith(prefix(key)):
            continue
        try:
            data = base64.b64decode(sealed.removeprefix(prefix(key)), validate=True)
            return AESGCM(key.secret).decrypt(data[:_NONCE], data[_NONCE:], belongs_to.encode()).decode()
        except (binascii.Error, InvalidTag, ValueError):
            return None
    return None


def prefixes(keys: Keyring | None) -> tuple[str, ...]:
    """Return how texts begin that some key here opens."""
    return () if keys is None else tuple(prefix(key) for key in keys.keys)


def prefix(key: Key) -> str:
    """Return how every text sealed with a key begins."""
    return f"{_VERSION}:{key.number}:"
