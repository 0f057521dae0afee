"""Long messages of comparisons: few at a time, none for ever, and nothing else is longer than others for it."""

import pytest
from websockets.frames import Opcode

from relay.server.limits import long_messages
from tests.server.conftest import Relay
from tests.server.fakes import Client, settle

BEGIN = "6100000200"
LONG = 600_000  # more than others may have


async def comparing(client: Client) -> Client:
    client.send("NEG-OPEN", "n", {"ids": ["f" * 64]}, BEGIN)
    assert (await client.next())[0] == "NEG-MSG"
    return client


async def begin(client: Client, text: str = '["NEG-MSG","n","61') -> None:
    """The first part of a long message."""
    client.send_frame(Opcode.TEXT, text.ljust(LONG).encode(), fin=False)
    for _ in range(5):
        await settle()
    client.read()


async def test_so_many_may_be_under_way(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_messages, "MOST", 2)
    hub = relay()
    clients = [await comparing(Client(hub)) for _ in range(3)]
    for client in clients:
        await begin(client)
    assert [client.closed_with for client in clients] == [None, None, 1009]
    clients[0].connection.connection_lost(None)
    last = await comparing(Client(hub))
    await begin(last)
    assert last.closed_with is None


async def test_one_that_does_not_come_to_an_end_is_cut_off(relay: Relay) -> None:
    hub = relay()
    now = 100.0
    hub.shared.long_messages._clock = lambda: now
    client = await comparing(Client(hub))
    await begin(client)
    now += long_messages.SECONDS - 1
    hub.shared.long_messages.end_slow()
    client.read()
    assert client.closed_with is None
    now += 1
    hub.shared.long_messages.end_slow()
    client.read()
    assert client.closed_with == 1009


async def test_who_compares_nothing_sends_no_long_one(relay: Relay) -> None:
    client = Client(relay())
    await begin(client)
    assert client.closed_with == 1009


async def test_no_other_message_is_long(relay: Relay) -> None:
    hub = relay()
    client = await comparing(Client(hub))
    await begin(client, '["COUNT","c",{}]')
    client.send_frame(Opcode.CONT, b" ")
    assert (await client.next())[0] == "NOTICE"
    assert client.closed_with == 1009
    assert not hub.shared.long_messages._since
