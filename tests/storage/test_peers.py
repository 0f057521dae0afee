"""storage.peers: what is remembered of what a peer and this relay refused of each other."""

from pathlib import Path

from handlers import table
from storage.peers import DOWN, UP, RememberRefused
from storage.sqlite import backend

NOW, LATER = 1_700_000_000, 1_700_000_100
PEER, OTHER = "wss://peer.example", "wss://other.example"


async def test_what_was_refused_is_remembered_for_as_long_as_was_said_and_taken_back_at_once(tmp_path: Path) -> None:
    ids = [bytes([n]) * 32 for n in range(4)]
    writer = backend.open_writer(tmp_path, table.meaning("ws://relay.example"))
    writer.execute(RememberRefused(PEER, DOWN, ids[:3], LATER), NOW)
    writer.execute(RememberRefused(PEER, UP, ids[:1], LATER), NOW)
    writer.execute(RememberRefused(OTHER, DOWN, ids[:1], LATER), NOW)
    writer.execute(RememberRefused(PEER, DOWN, [ids[0], ids[3]], 0), NOW)
    writer.collect()
    writer.close()
    reader = await backend.open_reader(tmp_path)
    try:
        kept = {
            (url, way): set(await reader.peers.refused(url, way, 0, 10)) for url in (PEER, OTHER) for way in (DOWN, UP)
        }
        assert await reader.peers.refused(PEER, DOWN, LATER, 10) == []
    finally:
        await reader.close()
    assert kept == {(PEER, DOWN): set(ids[1:3]), (PEER, UP): {ids[0]}, (OTHER, DOWN): {ids[0]}, (OTHER, UP): set()}
