"""Keys of a deployment: what seals the rows in quarantine, what signs bundles, whose signatures count."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from jianheng.config.kinds import SecretReference, Table

_PUBLIC_KEY = re.compile(r"ed25519:[0-9a-f]{64}")
_RECIPIENT = re.compile(r"x25519:[0-9a-f]{64}")


def _check_public_key(value: str) -> str:
    if not _PUBLIC_KEY.fullmatch(value):
        raise PydanticCustomError("config-bad-public-key", "not a public key")
    return value


def _check_recipient(value: str) -> str:
    if not _RECIPIENT.fullmatch(value):
        raise PydanticCustomError("config-bad-recipient", "not a recipient's key")
    return value


PublicKey = Annotated[str, AfterValidator(_check_public_key)]
# strict=False here concerns the container only: TOML has lists where we keep tuples.
PublicKeys = Annotated[tuple[PublicKey, ...], Field(strict=False)]
Recipients = Annotated[tuple[Annotated[str, AfterValidator(_check_recipient)], ...], Field(strict=False)]
References = Annotated[tuple[SecretReference, ...], Field(strict=False)]


class Quarantine(Table):
    """With what rows in quarantine are sealed; ``former_keys`` still open what they sealed, until ``rekey``."""

    key: SecretReference | None = None
    former_keys: References = ()


class Bundle(Table):
    """With what bundles are signed and for whom they are sealed here; whose are taken, and with what they are opened."""

    signing_key: SecretReference | None = None
    trusted_keys: PublicKeys = ()
    recipients: Recipients = ()
    opening_keys: References = ()
