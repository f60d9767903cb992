"""What every table of a mapping file is: frozen, and without keys that nobody knows."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
