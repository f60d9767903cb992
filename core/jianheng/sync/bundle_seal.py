"""Sealing a bundle for those who may read it: HPKE (RFC 9180) for the key of its content, AES-256-GCM for its parts.

Whom it is for is said by public keys in the deployment that makes it; each opens the same content key. The content key
is made from the signing key and the bundle's plan, so that an export that was cut off goes on with it and it is
written nowhere.
"""

import secrets
from collections.abc import Iterable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from jianheng.errors import StopError
from jianheng.sync.bundle_manifest import Manifest, Plan, Sealed

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_CONTEXT = b"jianheng bundle key\0"
_KIND = "x25519:"
_BYTES = 32
_NONCE = 12


def new_opening_key() -> tuple[str, str]:
    """Return a new key that opens bundles as it stands in a secret, and its public key as it stands in a deployment."""
    seed = secrets.token_hex(_BYTES)
    return seed, _public(_opening_key(seed))


def opening_keys(secret_texts: Iterable[str]) -> tuple[X25519PrivateKey, ...]:
    """Return the keys of some secrets.

    Raises:
        StopError: one is no such key.
    """
    return tuple(map(_opening_key, secret_texts))


def content_key(signer: Ed25519PrivateKey, plan: Plan) -> bytes:
    """Return the key of a bundle's content: the same whenever its making is taken up again."""
    info = b"jianheng bundle content\0" + plan.model_dump_json().encode()
    return HKDF(SHA256(), _BYTES, salt=None, info=info).derive(signer.private_bytes_raw())


def sealed_for(recipients: Sequence[str], key: bytes, plan: Plan) -> tuple[Sealed, ...]:
    """Return a content key as each recipient can open it."""
    return tuple(
        Sealed(recipient=each, key=_SUITE.encrypt(key, _reader(each), info=_bound(plan)).hex())
        for each in dict.fromkeys(recipients)
    )


def opened(manifest: Manifest, keys: Sequence[X25519PrivateKey], folder: str) -> bytes | None:
    """Return the key of a bundle's content; None where it is not sealed.

    Raises:
        StopError: it is sealed for others, or what is said to be its key is not.
    """
    if not manifest.sealed:
        return None
    mine = {_public(each): each for each in keys}
    for one in manifest.sealed:
        if one.recipient in mine:
            try:
                return _SUITE.decrypt(bytes.fromhex(one.key), mine[one.recipient], info=_bound(manifest))
            except (InvalidTag, ValueError):
                raise StopError("bundle-altered", folder=folder, file="manifest.json") from None
    others = "、".join(each.recipient for each in manifest.sealed)
    raise StopError("bundle-sealed-for-others", folder=folder, recipients=others)


def seal_part(key: bytes, plan: Plan, name: str, data: bytes) -> bytes:
    """Return a part's bytes sealed; they open only as this part of this bundle."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, data, _bound(plan) + name.encode())


def open_part(key: bytes, plan: Plan, name: str, sealed: bytes, folder: str) -> bytes:
    """Return a part's bytes.

    Raises:
        StopError: they were sealed with another key, or as another part.
    """
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(plan) + name.encode())
    except (InvalidTag, ValueError):
        raise StopError("bundle-altered", folder=folder, file=name) from None


def _bound(plan: Plan) -> bytes:
    return _CONTEXT + f"{plan.office}\0{plan.chain}\0{plan.number}\0".encode()


def _opening_key(secret: str) -> X25519PrivateKey:
    try:
        return X25519PrivateKey.from_private_bytes(bytes.fromhex(secret.strip()))
    except ValueError:
        raise StopError("bundle-bad-opening-key") from None


def _reader(public: str) -> X25519PublicKey:
    return X25519PublicKey.from_public_bytes(bytes.fromhex(public.removeprefix(_KIND)))


def _public(key: X25519PrivateKey) -> str:
    return _KIND + key.public_key().public_bytes_raw().hex()
