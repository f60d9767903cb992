"""Which plugins a deployment takes, and who may vouch for them."""

from collections.abc import Mapping

from pydantic import Field

from jianheng.config.keys import PublicKey
from jianheng.config.kinds import Name, Table, Text, Texts


class Plugins(Table):
    """Which distributions may be loaded, which plugins are switched off, whose signatures count.

    As soon as a publisher is named, what nobody signed is taken only if ``allow_unsigned`` says so.
    """

    allow: Texts = ()
    disable: Texts = ()
    allow_unsigned: Texts = ()
    publishers: Mapping[Name, PublicKey] = Field(default_factory=dict)
    revoked: Text | None = None
