"""What a value in a deployment file may be: names, codes, references, seconds; and a table of them."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

DAY_S = 86_400

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*", re.DOTALL)


def _check_unit_code(value: str) -> str:
    if not re.fullmatch(r"[0-9]{6}", value):
        raise PydanticCustomError("config-bad-unit-code", "not six digits")
    return value


def _check_name(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", value):
        raise PydanticCustomError("config-bad-name", "not a plain name")
    return value


def _check_reference(value: str) -> str:
    if not _REFERENCE.fullmatch(value):
        raise PydanticCustomError("config-literal-secret", "not a reference")
    return value


def _check_url(value: str) -> str:
    if not _URL.fullmatch(value):
        raise PydanticCustomError("config-bad-url", "not a URL")
    return value


def _seconds(value: object) -> object:
    # TOML numbers arrive as Decimal; everything else is left for the type check to refuse.
    return float(value) if isinstance(value, Decimal) else value


Text = Annotated[str, Field(min_length=1, max_length=200)]
UnitCode = Annotated[str, AfterValidator(_check_unit_code)]
Name = Annotated[str, AfterValidator(_check_name)]
SecretReference = Annotated[str, AfterValidator(_check_reference)]
Url = Annotated[str, AfterValidator(_check_url)]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=DAY_S, allow_inf_nan=False)]
# strict=False here concerns the container only: TOML has lists where we keep tuples.
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
SomeTexts = Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]
UnitCodes = Annotated[tuple[UnitCode, ...], Field(strict=False, min_length=1)]


class Table(BaseModel):
    """A table of the file: nothing unknown in it, no type guessed, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
