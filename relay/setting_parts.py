"""What settings are made of: the types that many of them have, and what is told of one beside its type (`Meta.extra`)."""

from typing import Annotated

import msgspec
from msgspec import Meta

from relay.protocol import kinds

LIVE = {"reloadable": True}  # takes effect on SIGHUP
SECRET = {"secret": True}  # never shown
Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]
Keys = list[Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]]
GREATEST = 10**12  # of any number
LONGEST = 10**9  # of any number with a fraction, mostly seconds: timers take no more
Kinds = list[Annotated[int, Meta(ge=0, le=kinds.MAX_KIND)]]


class ConfigError(Exception):
    """A setting that cannot be used; the message names it, says where it stands and what would do."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A group of settings: one table of the TOML file."""
