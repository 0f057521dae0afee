"""Commands from bytes: whoever sends one encodes it as MessagePack, and its tag is its class's name."""

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any, Final

import msgspec

from storage import maintenance
from storage.commands import Command, Compact
from storage.identities import writes as identities

_COMMANDS: Final = [
    kind for kind in (*maintenance.COMMANDS, *identities.COMMANDS, Compact) if issubclass(kind, Command)
]

decode: Final[Callable[[bytes], Any]] = msgspec.msgpack.Decoder(reduce(or_, _COMMANDS)).decode
