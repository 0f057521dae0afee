"""A log with groups in it, for tests of what is made of their events. Everybody may do everything in every group."""

from pathlib import Path
from typing import Final

from handlers import table
from relay.protocol.admission import Meaning
from relay.protocol.chunks import Cutting
from relay.protocol.relay import GroupRules
from storage.sqlite import backend
from storage.sqlite.writing.writer import SqliteWriter
from tests.factories import keypair
from tests.storage.feed_logs import add_identities
from tests.storage.groups.world import Own
from tests.stores import with_schema

OPERATOR: Final = 4


def meaning_of(searched: frozenset[int] = frozenset()) -> Meaning:
    """What events mean where the first four keys may do everything."""
    rules = GroupRules(operators=frozenset(keypair(key).pubkey for key in range(1, 5)))
    return table.meaning("ws://relay.test", groups=rules, searched=searched)


MEANING: Final = meaning_of()


def open_log(
    directory: Path,
    cutting: Cutting | None = None,
    identities: tuple[tuple[int, ...], tuple[int, ...]] = ((), ()),
) -> SqliteWriter:
    """A log with one operator, and with these `identities`, local and foreign ones, none of them with a key."""
    pubkey = keypair(OPERATOR).pubkey
    meaning = MEANING if cutting is None else meaning_of(cutting.searched)
    with_schema(directory)
    add_identities(directory, *identities)
    writer = backend.open_writer(
        directory, meaning, synchronous="normal", cache_mib=1, operators=[pubkey], cutting=cutting
    )
    writer.hand_signer(Own())
    return writer
