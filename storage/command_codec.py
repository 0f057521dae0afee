"""Commands from bytes: whoever sends one encodes it as MessagePack, and its tag is its class's name."""

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any, Final

import msgspec

from storage import access as _access  # noqa: F401, as the next: its commands are known once it is imported
from storage import peers as _peers  # noqa: F401
from storage.commands import Command
from storage.identities import commands as _identities  # noqa: F401
from storage.identities import webhooks as _webhooks  # noqa: F401

decode: Final[Callable[[bytes], Any]] = msgspec.msgpack.Decoder(reduce(or_, Command.__subclasses__())).decode
