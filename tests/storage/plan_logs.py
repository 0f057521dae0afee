"""A log with groups in it, for tests of what is made of their events. Everybody may do everything in every group."""

from pathlib import Path
from typing import Final

from handlers import table
from relay.protocol.relay import GroupRules
from storage.sqlite import backend
from storage.sqlite.writer import SqliteWriter
from tests.factories import keypair
from tests.storage.groups.world import Own

OPERATOR: Final = 4
MEANING: Final = table.meaning(
    "ws://relay.test", groups=GroupRules(operators=frozenset(keypair(key).pubkey for key in range(1, 5)))
)


def open_log(directory: Path) -> SqliteWriter:
    """A log with one operator."""
    writer = backend.open_writer(
        directory, MEANING, synchronous="normal", cache_mib=1, operators=[keypair(OPERATOR).pubkey]
    )
    writer.hand_signer(Own())
    return writer
