"""pynostr's own keys, events, filters and messages over a plain socket; its relay manager is not used, as it stalls."""

import hashlib
import json

from pynostr.event import Event
from pynostr.filters import Filters, FiltersList
from pynostr.key import PrivateKey

from tests.e2e.harness import Server, client, fresh_key


def _signed(key: PrivateKey, kind: int, content: str, tags: list[list[str]]) -> Event:
    event = Event(content=content, pubkey=key.public_key.hex(), created_at=1_700_000_000, kind=kind, tags=tags)
    event.sign(key.hex())
    return event


def _key() -> PrivateKey:
    return PrivateKey(hashlib.sha256(fresh_key().secret).digest())


async def test_what_pynostr_signs_is_taken_and_what_it_asks_is_answered(relay: Server) -> None:
    key = _key()
    event = _signed(key, 1, 'hello "pynostr"\n', [["t", "python"]])
    wanted = FiltersList([Filters(authors=[key.public_key.hex()], kinds=[1], limit=10)])
    async with client(relay) as alice:
        await alice.raw(event.to_message())
        assert await alice.next() == ["OK", event.id, True, ""]
        await alice.send("REQ", "s", *wanted.to_json_array())
        found = await alice.next()
        assert (await alice.next())[:2] == ["EOSE", "s"]
    back = Event.from_dict(found[2])
    assert back.verify()
    assert (back.id, back.content, back.tags) == (event.id, event.content, event.tags)


async def test_pynostr_deletes_what_it_published(relay: Server) -> None:
    key = _key()
    event = _signed(key, 1, "soon gone", [])
    deletion = _signed(key, 5, "", [["e", event.id]])
    async with client(relay) as alice:
        for each in (event, deletion):
            await alice.raw(each.to_message())
            assert await alice.next() == ["OK", each.id, True, ""]
        assert await alice.stored({"authors": [key.public_key.hex()]}) == [deletion.id]


async def test_the_ids_of_awkward_contents_agree(relay: Server) -> None:
    key = _key()
    async with client(relay) as alice:
        for content in ("\u2028", "\x7f", "\\\"'\b\f\r\n\t", "\x01\x1f", "🦜é"):
            event = _signed(key, 1, content, [["t", content]])
            await alice.raw(event.to_message())
            assert await alice.next() == ["OK", event.id, True, ""], json.dumps(content)
