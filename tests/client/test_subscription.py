"""A subscription over real sockets: connections that are cut, relays that lie, and authentication."""

import asyncio
import json
from contextlib import aclosing

import pytest

from keys import nip42, schnorr
from relay.client import Disconnected, EndOfStored, Key, Refused, Relay, Subscription
from relay.client.subscription import Item
from relay.errors import Prefix
from relay.protocol import event as events
from relay.protocol.event import Event
from tests.client.scripted import Peer, Watch, relay
from tests.factories import NOW, keypair, make_event

KEY = keypair(7)
NOTES = {"kinds": [1]}


def note(number: int, at: int = NOW) -> Event:
    return make_event(1, content=str(number), created_at=at)


async def idle(peer: Peer) -> None:
    """The connection of the Relay itself, on which nothing is asked here."""
    await peer.stay()


async def take(subscription: Subscription, count: int) -> list[Item]:
    return [await anext(subscription) for _ in range(count)]


async def test_stored_events_their_end_and_then_what_comes() -> None:
    async def script(peer: Peer) -> None:
        assert await peer.hear("REQ") == ["live", {"kinds": [1]}]
        await peer.say("EVENT", "live", note(1))
        await peer.say("EOSE", "live", ["more"])
        await peer.say("EVENT", "live", note(2))
        await peer.stay()

    async with relay(idle, script) as url, Relay(url) as client, client.subscribe(NOTES) as subscription:
        assert await take(subscription, 3) == [note(1), EndOfStored(complete=False, resumed=False), note(2)]


async def test_a_cut_connection_is_made_again_and_nothing_is_lost_or_doubled() -> None:
    async def first(peer: Peer) -> None:
        await peer.hear("REQ")
        await peer.say("EVENT", "live", note(1))
        await peer.say("EOSE", "live", ["finish"])
        await peer.say("EVENT", "live", note(2))
        await peer.say("NOTICE", "so long")
        await cut.wait()
        peer.drop()

    async def second(peer: Peer) -> None:
        assert await peer.hear("REQ") == ["live", {"kinds": [1], "limit": 0}]
        assert await peer.hear("REQ") == ["page", {"kinds": [1], "since": NOW - 600}]
        await peer.say("EOSE", "live")
        await peer.say("EVENT", "live", note(4))
        for number in (4, 3, 2, 1):
            await peer.say("EVENT", "page", note(number))
        await peer.say("EOSE", "page", ["finish"])
        assert await peer.hear("CLOSE") == ["page"]
        await peer.say("EVENT", "live", note(3))
        await peer.say("EVENT", "live", note(5))
        await peer.stay()

    cut = asyncio.Event()
    watch, told = Watch(), list[str]()
    async with relay(idle, first, second) as url:
        client = Relay(url, clock=watch.clock, report=told.append)
        async with client, client.subscribe(NOTES) as subscription:
            assert await take(subscription, 3) == [note(1), EndOfStored(complete=True, resumed=False), note(2)]
            cut.set()
            rest = await take(subscription, 4)
    assert rest == [note(4), note(3), EndOfStored(complete=True, resumed=True), note(5)]
    assert watch.slept == [0.5]
    assert any("next try in 0.5 s" in line for line in told)
    assert f"{url} says: so long" in told


async def test_delays_grow_until_it_is_back_where_it_was() -> None:
    async def fall(peer: Peer) -> None:
        await peer.hear("REQ")
        peer.drop()

    async def serve(peer: Peer) -> None:
        await peer.hear("REQ")
        await peer.say("EOSE", "live")
        peer.drop()

    async def answer(peer: Peer) -> None:
        await peer.hear("REQ")
        await peer.say("EVENT", "live", note(1))
        await peer.stay()

    watch = Watch()
    async with (
        relay(idle, fall, fall, fall, serve, answer) as url,
        Relay(url, clock=watch.clock) as client,
        client.subscribe(NOTES) as subscription,
    ):
        assert isinstance(await anext(subscription), EndOfStored)
        assert await anext(subscription) == note(1)
    assert watch.slept == [0.5, 1, 2, 0.5]


@pytest.mark.parametrize("words", ["error: shutting down", "rate-limited: later"])
async def test_a_refusal_that_may_pass_is_met_with_another_try(words: str) -> None:
    async def first(peer: Peer) -> None:
        await peer.hear("REQ")
        await peer.say("CLOSED", "live", words)
        await peer.stay()

    async def second(peer: Peer) -> None:
        await peer.hear("REQ")
        await peer.say("EOSE", "live")
        await peer.stay()

    watch = Watch()
    async with (
        relay(idle, first, second) as url,
        Relay(url, clock=watch.clock) as client,
        client.subscribe(NOTES) as subscription,
    ):
        assert isinstance(await anext(subscription), EndOfStored)
    assert watch.slept == [0.5]


@pytest.mark.parametrize(
    ("words", "prefix", "message"),
    [
        ("restricted: not you", Prefix.RESTRICTED, "not you"),
        ("auth-required: who are you", Prefix.AUTH_REQUIRED, "who are you"),
        ("go away", None, "go away"),
        ("nonsense: go away", None, "nonsense: go away"),
    ],
)
async def test_any_other_refusal_ends_it_with_its_prefix(words: str, prefix: Prefix | None, message: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.hear("REQ")
        await peer.say("CLOSED", "live", words)
        await peer.stay()

    async with relay(idle, script) as url, Relay(url) as client, client.subscribe(NOTES) as subscription:
        with pytest.raises(Refused) as caught:
            await anext(subscription)
        assert (caught.value.prefix, caught.value.message) == (prefix, message)
        with pytest.raises(StopAsyncIteration):
            await anext(subscription)


async def be_asked(peer: Peer) -> None:
    """Hear what makes a relay challenge that does so only when something needs a key."""
    name, wanted = await peer.hear("REQ")
    assert wanted == {"kinds": [1059], "limit": 0}
    assert await peer.hear("CLOSE") == [name]


async def prove(peer: Peer, challenge: str) -> None:
    """Hear a proof of the key, and take it."""
    (answer,) = await peer.hear("AUTH")
    event = events.parse(json.dumps(answer))
    assert schnorr.fault(event) is None
    assert nip42.authenticated_key(event, challenge, peer.url, NOW) == KEY.pubkey
    await peer.say("OK", event.id, True, "")


async def test_it_authenticates_when_asked_to_and_at_once_on_the_next_connection() -> None:
    async def first(peer: Peer) -> None:
        await peer.hear("REQ")
        await peer.say("CLOSED", "live", "auth-required: who are you")
        await peer.say("AUTH", "one")  # some relays ask only now
        await prove(peer, "one")
        await peer.hear("REQ")
        await peer.say("EOSE", "live")
        peer.drop()

    async def second(peer: Peer) -> None:
        await be_asked(peer)
        await peer.say("AUTH", "two")
        await prove(peer, "two")
        await peer.hear("REQ")
        await peer.hear("REQ")
        await peer.say("EOSE", "live")
        await peer.say("EOSE", "page", ["finish"])
        await peer.stay()

    async with relay(idle, first, second) as url:
        client = Relay(url, signer=Key(KEY.secret), clock=Watch().clock)
        async with client, client.subscribe(NOTES) as subscription:
            ends = await take(subscription, 2)
    assert [end.resumed for end in ends if isinstance(end, EndOfStored)] == [False, True]


async def test_a_refused_proof_ends_it() -> None:
    async def script(peer: Peer) -> None:
        await peer.say("AUTH", "c")
        await peer.hear("REQ")
        await peer.say("CLOSED", "live", "auth-required: who are you")
        (proof,) = await peer.hear("AUTH")
        await peer.say("OK", proof["id"], False, "restricted: no member")
        await peer.stay()

    async with (
        relay(idle, script) as url,
        Relay(url, signer=Key(KEY.secret)) as client,
        client.subscribe(NOTES) as subscription,
    ):
        with pytest.raises(Refused, match="no member"):
            await anext(subscription)


async def test_asked_again_after_the_proof_it_gives_up() -> None:
    async def script(peer: Peer) -> None:
        await peer.say("AUTH", "c")
        for _ in range(2):
            await peer.hear("REQ")
            await peer.say("CLOSED", "live", "auth-required: another key")
            if not proven:
                proven.append(True)
                await prove(peer, "c")
        await peer.stay()

    proven: list[bool] = []
    async with (
        relay(idle, script) as url,
        Relay(url, signer=Key(KEY.secret), clock=Watch().clock) as client,
        client.subscribe(NOTES) as subscription,
    ):
        with pytest.raises(Refused, match="another key"):
            await anext(subscription)


async def test_what_is_forged_unasked_for_or_no_message_is_told_and_not_given() -> None:
    forged = json.loads(events.wire(note(1))) | {"content": "forged"}

    async def script(peer: Peer) -> None:
        await peer.hear("REQ")
        await peer.say("EVENT", "live", forged)
        await peer.say("EVENT", "live", make_event(1, kind=4))
        await peer.say("EVENT", "live", {"id": "x"})
        await peer.shout("[" * 10_000)
        await peer.shout(b"\xff\xfe")
        await peer.say("EVENT", "live", note(1))
        await peer.stay()

    told: list[str] = []
    async with (
        relay(idle, script) as url,
        Relay(url, report=told.append) as client,
        client.subscribe(NOTES) as subscription,
    ):
        assert await anext(subscription) == note(1)
    assert ["forged" in told[0], "not asked for" in told[1]] == [True, True]
    assert sum("no message" in line for line in told) == 3


async def test_waiting_with_a_time_limit_loses_nothing() -> None:
    async def script(peer: Peer) -> None:
        await peer.hear("REQ")
        await peer.say("EOSE", "live")
        await asked.wait()
        await peer.say("EVENT", "live", note(1))
        await peer.stay()

    asked = asyncio.Event()
    async with relay(idle, script) as url, Relay(url) as client, client.subscribe(NOTES) as subscription:
        assert isinstance(await anext(subscription), EndOfStored)
        for seconds in (0, 0.001):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(subscription), seconds)
        asked.set()
        assert await anext(subscription) == note(1)


async def test_a_cancelled_first_try_is_made_again() -> None:
    async def script(peer: Peer) -> None:
        await peer.hear("REQ")
        await peer.say("EOSE", "live")
        await peer.stay()

    async with relay(idle, script) as url, Relay(url) as client, client.subscribe(NOTES) as subscription:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(subscription), 0)
        assert isinstance(await anext(subscription), EndOfStored)


async def test_a_relay_that_is_not_there_is_told_at_once() -> None:
    async with relay() as url:
        pass
    async with Relay(url).subscribe(NOTES) as subscription:
        with pytest.raises(Disconnected, match="cannot connect"):
            await anext(subscription)


async def test_closing_ends_it_for_whoever_waits() -> None:
    async def script(peer: Peer) -> None:
        await peer.hear("REQ")
        await peer.say("EOSE", "live")
        await peer.stay()

    watch = Watch()
    async with relay(idle, script) as url, Relay(url, clock=watch.clock) as client:
        subscription = client.subscribe(NOTES)
        assert isinstance(await anext(subscription), EndOfStored)
        waiting = asyncio.ensure_future(anext(subscription, None))
        await asyncio.sleep(0)
        await subscription.close()
        assert await waiting is None
    assert watch.slept == []


async def test_events_alone_are_given_without_the_marks() -> None:
    async def script(peer: Peer) -> None:
        await peer.hear("REQ")
        await peer.say("EOSE", "live")
        await peer.say("EVENT", "live", note(1))
        await peer.stay()

    async with (
        relay(idle, script) as url,
        Relay(url) as client,
        client.subscribe(NOTES) as subscription,
        aclosing(subscription.events()) as found,
    ):
        assert await anext(found) == note(1)


async def test_stored_events_end_by_themselves() -> None:
    async def script(peer: Peer) -> None:
        await peer.hear("REQ")
        await peer.say("EVENT", "live", note(2))
        await peer.say("EVENT", "live", note(1))
        await peer.say("EOSE", "live")
        await peer.stay()

    async with relay(idle, script) as url, Relay(url) as client:
        assert [event async for event in client.stored(NOTES)] == [note(2), note(1)]
