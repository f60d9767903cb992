"""Ed25519 keys of publishers, of plugins and of facts: made, used, and written as a deployment names them."""

import json
import secrets

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from jianheng.errors import StopError

KIND = "ed25519:"
_BYTES = 32
_CONTEXT = b"jianheng plugin\0"
"""Stands before what is signed, so that a signature for anything else is none for this."""


def new_key() -> tuple[str, str]:
    """Return a new signing key as it stands in its file, and its public key as it stands in a deployment."""
    seed = secrets.token_hex(_BYTES)
    return seed, public_of(signing_key(seed))


def signing_key(secret: str) -> Ed25519PrivateKey:
    """Return the signing key that a file holds.

    Raises:
        StopError: it holds none.
    """
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret.strip()))
    except ValueError:
        raise StopError("plugin-key-bad") from None


def public_of(key: Ed25519PrivateKey) -> str:
    """Return the public key as deployments name it."""
    return KIND + key.public_key().public_bytes_raw().hex()


def signature(key: Ed25519PrivateKey, content: bytes) -> bytes:
    """Return what stands in the signature's file."""
    told = {"key": public_of(key), "signature": key.sign(_CONTEXT + content).hex()}
    return json.dumps(told, sort_keys=True).encode()


def signer_of(content: bytes, signed: bytes) -> str | None:
    """Return the public key that signed some content; None when the signature is not of that content."""
    try:
        told = json.loads(signed)
        name, value = told["key"], bytes.fromhex(told["signature"])
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(name.removeprefix(KIND)))
        key.verify(value, _CONTEXT + content)
    except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature, RecursionError):
        return None
    # One spelling only: what a deployment revokes must not pass in capital letters.
    return name if name == KIND + key.public_bytes_raw().hex() else None
