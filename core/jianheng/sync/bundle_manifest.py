"""What a bundle says of itself: its place in a chain, its parts and their hashes, and who vouches for it.

A bundle is a folder: parts, ``manifest.json``, and ``manifest.sig`` over the manifest's bytes. What the
manifest says is believed only after its signature was found to be of a key that the deployment trusts.
"""

import hashlib
import json
import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jianheng.errors import StopError
from jianheng.trust.keys import KIND, public_of

FORMAT = 2
"""The newest format: sealed for recipients. What is not sealed is of format 1."""
MANIFEST, SIGNATURE, PROGRESS = "manifest.json", "manifest.sig", "export.jsonl"

MOST_MANIFEST = 4_000_000
MOST_PARTS = 10_000
MOST_ROWS = 1_000_000
MOST_PACKED = 64 * 1024 * 1024
MOST_UNPACKED = 512 * 1024 * 1024
"""Limits of what is read, whatever a manifest declares: bytes, parts, and rows a part."""

_CONTEXT = b"jianheng bundle\0"

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Moment = Annotated[int, Field(ge=0, lt=2**63)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Part(_Strict):
    """One file: what it holds, how many rows, how large packed and unpacked, and its hash."""

    name: Annotated[str, Field(pattern=r"^[a-z_]{1,60}-[0-9]{6}\.arrow\.zst$")]
    kind: Literal["facts", "cursors", "runs"]
    entity: Annotated[str, Field(max_length=60)] = ""
    rows: Annotated[int, Field(ge=0, le=MOST_ROWS)]
    packed: Annotated[int, Field(gt=0, le=MOST_PACKED)]
    unpacked: Annotated[int, Field(gt=0, le=MOST_UNPACKED)]
    sha256: Digest


class Count(_Strict):
    """How many versions of an entity there are up to the bundle's end, and how many records live then."""

    versions: Annotated[int, Field(ge=0)]
    live: Annotated[int, Field(ge=0)]


class Plan(_Strict):
    """Which bundle is made: fixed when it is begun, so that one that was cut off goes on as it began.

    Attributes:
        chain: the number of the sequence, made at its first bundle.
        previous: the hash of the manifest before this one; empty for the first.
        facts_from: the recorded moment (microseconds since 1970, UTC) after which versions are in it.
        facts_to: the last recorded moment whose versions are in it.
        runs_from: the moment from which on ended syncs are in it.
        runs_to: the moment before which they ended.
    """

    format: Annotated[int, Field(ge=1, le=FORMAT)] = 1
    office: Annotated[str, Field(pattern=r"^[0-9]{6}$")]
    chain: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    number: Annotated[int, Field(ge=1, lt=2**31)]
    previous: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    facts_from: Moment
    facts_to: Moment
    runs_from: Moment
    runs_to: Moment
    made_at: Moment
    program: Annotated[str, Field(max_length=40)]

    @property
    def folder_name(self) -> str:
        """The name of the bundle's folder within the folder of exchange."""
        return f"{self.office}-{self.chain[:8]}-{self.number:06d}"


class Sealed(_Strict):
    """The key of a bundle's content as one recipient can open it; both hexadecimal."""

    recipient: Annotated[str, Field(pattern=r"^x25519:[0-9a-f]{64}$")]
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{2,400}$")]


class Manifest(Plan):
    """All that a bundle says of itself; ``sealed`` for whom its parts are, none where everybody can read them."""

    parts: Annotated[tuple[Part, ...], Field(max_length=MOST_PARTS, strict=False)]
    counts: Mapping[str, Count]
    sealed: Annotated[tuple[Sealed, ...], Field(max_length=100, strict=False)] = ()

    def written(self) -> bytes:
        """Return the manifest's bytes, the same for the same content."""
        told = self.model_dump(mode="json", exclude=None if self.sealed else {"sealed"})
        return json.dumps(told, ensure_ascii=False, sort_keys=True, indent=1).encode()


def digest(data: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def signing_key(secret: str) -> Ed25519PrivateKey:
    """Return the signing key of a secret.

    Raises:
        StopError: the secret is no such key.
    """
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret.strip()))
    except ValueError:
        raise StopError("bundle-bad-key") from None


def signature(key: Ed25519PrivateKey, manifest: bytes) -> bytes:
    """Return what stands in the signature's file."""
    told = {"key": public_of(key), "signature": key.sign(_CONTEXT + manifest).hex()}
    return json.dumps(told, sort_keys=True).encode()


def read_manifest(folder: Path, trusted: Collection[str]) -> tuple[Manifest, str]:
    """Return a bundle's manifest and its hash, once its signature is found to be of a trusted key.

    Raises:
        StopError: it is unsigned, of an unknown signer, altered, of a newer format, or makes no sense.
    """
    where = str(folder)
    raw = read_file(folder, MANIFEST, MOST_MANIFEST)
    if not (folder / SIGNATURE).exists():
        raise StopError("bundle-unsigned", folder=where)
    try:
        told = json.loads(read_file(folder, SIGNATURE, MOST_MANIFEST))
        signer, signed = str(told["key"]), bytes.fromhex(str(told["signature"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise StopError("bundle-unsigned", folder=where) from None
    if signer not in trusted:
        raise StopError("bundle-untrusted", folder=where, key=signer[:80])
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer.removeprefix(KIND))).verify(
            signed, _CONTEXT + raw
        )
    except (InvalidSignature, ValueError):
        raise StopError("bundle-altered", folder=where, file=MANIFEST) from None
    return _parsed(raw, where), digest(raw)


def _parsed(raw: bytes, where: str) -> Manifest:
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError):
        raise StopError("bundle-unreadable", folder=where, place=MANIFEST, told="JSON") from None
    given = told.get("format") if isinstance(told, dict) else None
    if isinstance(given, int) and given > FORMAT:
        raise StopError("bundle-newer", folder=where, has=given, known=FORMAT)
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(each) for each in first["loc"]) or MANIFEST
        raise StopError("bundle-unreadable", folder=where, place=place, told=first["type"]) from None
    names = [part.name for part in manifest.parts]
    if len(set(names)) != len(names):
        raise StopError("bundle-unreadable", folder=where, place="parts", told="name")
    return manifest


def read_file(folder: Path, name: str, most: int) -> bytes:
    """Return a file of a bundle: a plain file in the folder itself, of no more than ``most`` bytes.

    Raises:
        StopError: it is missing, no plain file, or larger.
    """
    try:
        opened = os.open(
            folder / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        )
        with os.fdopen(opened, "rb") as file:
            plain = stat.S_ISREG(os.fstat(opened).st_mode)
            data = file.read(most + 1) if plain else b""
    except OSError as error:
        told = error.strerror or type(error).__name__
        raise StopError("bundle-file-missing", folder=str(folder), file=name, told=told) from None
    if not plain:
        raise StopError("bundle-file-missing", folder=str(folder), file=name, told="—")
    if len(data) > most:
        raise StopError("bundle-too-large", folder=str(folder), file=name, most=most)
    return data
