"""Publishing and counting over real sockets: answers find who asked, and a lost connection is made again."""

import asyncio

import pytest

from relay.client import BadFilter, BadUrl, Disconnected, Key, Refused, Relay, TimedOut, Total
from relay.errors import Prefix
from tests.client.scripted import Peer, Watch, relay
from tests.client.test_subscription import KEY, be_asked, prove
from tests.factories import make_event

EVENT = make_event(1, content="Hello")
PATIENCE = 30.0  # seconds


async def test_publishing_gives_the_relays_words() -> None:
    async def script(peer: Peer) -> None:
        (heard,) = await peer.hear("EVENT")
        await peer.say("OK", "0" * 64, False, "blocked: not yours")
        await peer.say("OK", heard["id"], True, "duplicate: had it")
        await peer.stay()

    async with relay(script) as url, Relay(url) as client:
        assert await client.publish(EVENT) == "duplicate: had it"


async def test_many_are_published_at_once_and_each_gets_its_own_answer() -> None:
    made = [make_event(1, content=str(number)) for number in range(300)]

    async def script(peer: Peer) -> None:
        heard = [(await peer.hear("EVENT"))[0] for _ in range(200)]
        for one in reversed(heard):
            await peer.say("OK", one["id"], int(one["content"]) % 2 == 0, f"invalid: {one['content']}")
        for _ in range(100):
            (one,) = await peer.hear("EVENT")
            await peer.say("OK", one["id"], True, f"invalid: {one['content']}")
        await peer.stay()

    async with relay(script) as url, Relay(url) as client:
        answers = await asyncio.gather(*(client.publish(event) for event in made), return_exceptions=True)
    for number, answer in enumerate(answers):
        assert str(answer) == f"invalid: {number}"
        assert isinstance(answer, Refused) is (number < 200 and number % 2 == 1)


async def test_the_time_for_an_answer_begins_with_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [make_event(1, content=str(number)) for number in range(3)]
    begun: list[float | None] = []
    timeout = asyncio.timeout

    def timing(seconds: float | None) -> asyncio.Timeout:
        begun.append(seconds)
        return timeout(seconds)

    async def script(peer: Peer) -> None:
        for number in range(len(made)):
            (one,) = await peer.hear("EVENT")
            assert begun.count(PATIENCE) == number + 1
            await peer.say("OK", one["id"], True, "")
        await peer.stay()

    monkeypatch.setattr("relay.client.relay.MOST", 1)
    async with relay(script) as url, Relay(url, timeout=PATIENCE) as client:
        monkeypatch.setattr(asyncio, "timeout", timing)
        assert await asyncio.gather(*(client.publish(event) for event in made)) == ["", "", ""]


async def test_who_waits_as_the_client_is_closed_is_told_and_makes_no_other_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = [make_event(1, content=str(number)) for number in range(3)]
    heard = asyncio.Event()

    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.hear("EVENT")
        heard.set()
        await peer.stay()

    monkeypatch.setattr("relay.client.relay.MOST", 2)
    async with relay(script) as url:
        client = Relay(url, clock=Watch().clock)
        async with client:
            asked = [asyncio.create_task(client.publish(event)) for event in made]
            await heard.wait()
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Disconnected] * 3
    assert len({id(answer) for answer in answers}) == 3  # one for all would hold what each of them did, and show it


async def test_the_same_event_published_twice_at_once_gets_two_answers() -> None:
    async def script(peer: Peer) -> None:
        for words in ("", "duplicate: had it"):
            await peer.hear("EVENT")
            await peer.say("OK", EVENT.id, True, words)
        await peer.stay()

    async with relay(script) as url, Relay(url) as client:
        answers = await asyncio.gather(client.publish(EVENT), client.publish(EVENT))
    assert list(answers) == ["", "duplicate: had it"]


@pytest.mark.parametrize(
    ("words", "prefix", "message"),
    [
        ("pow: 20 bits are needed", Prefix.POW, "20 bits are needed"),
        ("rate-limited: slow down", Prefix.RATE_LIMITED, "slow down"),
        ("auth-required: who are you", Prefix.AUTH_REQUIRED, "who are you"),
        ("", None, ""),
        ("x" * 10_000, None, "x" * 500),
    ],
)
async def test_a_refusal_carries_its_prefix(words: str, prefix: Prefix | None, message: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.hear("EVENT")
        await peer.say("OK", EVENT.id, False, words)
        await peer.stay()

    async with relay(script) as url, Relay(url) as client:
        with pytest.raises(Refused) as caught:
            await client.publish(EVENT)
    assert (caught.value.prefix, caught.value.message) == (prefix, message)


async def test_what_was_under_way_on_a_cut_connection_is_sent_again() -> None:
    async def cut(peer: Peer) -> None:
        await peer.hear("EVENT")
        peer.drop()

    async def take(peer: Peer) -> None:
        await peer.hear("EVENT")
        await peer.say("OK", EVENT.id, True, "")
        await peer.stay()

    watch = Watch()
    async with relay(cut, cut, take) as url, Relay(url, clock=watch.clock) as client:
        assert await client.publish(EVENT) == ""
    assert watch.slept == [0.5, 1]


async def test_a_signer_answers_when_the_relay_asks_who_it_is() -> None:
    async def script(peer: Peer) -> None:
        await peer.say("AUTH", "c")
        await peer.hear("EVENT")
        await peer.say("OK", EVENT.id, False, "auth-required: who are you")
        await prove(peer, "c")
        await peer.hear("EVENT")
        await peer.say("OK", EVENT.id, True, "")
        name, _ = await peer.hear("COUNT")
        await peer.say("COUNT", name, {"count": 1})
        await peer.stay()

    async with relay(script) as url, Relay(url, signer=Key(KEY.secret), clock=Watch().clock) as client:
        assert await client.publish(EVENT) == ""
        assert await client.count({}) == Total(1)


async def test_it_authenticates_first_when_told_to() -> None:
    async def script(peer: Peer) -> None:
        await be_asked(peer)
        await peer.say("AUTH", "c")
        await prove(peer, "c")
        await peer.hear("EVENT")
        await peer.say("OK", EVENT.id, True, "")
        await peer.stay()

    async with (
        relay(script) as url,
        Relay(url, signer=Key(KEY.secret), auth_first=True, clock=Watch().clock) as client,
    ):
        await client.authenticate()
        assert await client.publish(EVENT) == ""


async def test_counting_gives_the_total() -> None:
    async def script(peer: Peer) -> None:
        name, *asked = await peer.hear("COUNT")
        assert asked == [{"kinds": [7]}, {"#t": ["x"]}]
        await peer.say("COUNT", name, {"count": 42, "hll": "00"})
        name, _ = await peer.hear("COUNT")
        await peer.say("CLOSED", name, "unsupported: no counting here")
        await peer.stay()

    async with relay(script) as url, Relay(url) as client:
        assert await client.count({"kinds": [7]}, {"#t": ["x"]}) == Total(42, "00")
        with pytest.raises(Refused, match="no counting"):
            await client.count({})


async def test_a_silent_relay_is_not_waited_for_longer_than_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with relay(Peer.stay) as url, Relay(url) as client:
        monkeypatch.setattr(client, "_timeout", 0.05)  # now that it is connected
        with pytest.raises(TimedOut, match=r"no answer within 0\.05 s"):
            await client.publish(EVENT)


async def test_a_relay_that_gives_no_history_is_not_waited_for_longer_than_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.hear("REQ")
        await peer.say("EVENT", "live", EVENT)
        await peer.stay()

    async with relay(script) as url:
        client = Relay(url)
        stored = client.stored({})
        assert await anext(stored) == EVENT
        monkeypatch.setattr(client, "_timeout", 0.05)  # now that it is connected
        with pytest.raises(TimedOut, match=r"no answer within 0\.05 s"):
            await anext(stored)


async def test_a_relay_that_went_away_is_told_when_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cut(peer: Peer) -> None:
        await peer.hear("EVENT")
        peer.drop()

    async with relay(cut) as url:
        client = Relay(url)
        await client.__aenter__()
    monkeypatch.setattr(client, "_timeout", 1.0)  # time for more than one try
    with pytest.raises(Disconnected):
        await client.publish(EVENT)
    await client.close()


async def test_a_relay_that_is_not_there_is_told_at_once() -> None:
    async with relay() as url:
        pass
    with pytest.raises(Disconnected, match=f"^cannot connect to {url}: nobody listens there"):
        async with Relay(url):
            pytest.fail("there is nobody to connect to")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1",
        "127.0.0.1:7447",
        "",
        "ws://",
        "ws://a:b",
        "ws://[::1",
        "ws://a:99999",
        "ws://a b/",
        "ws://a..b",
        "ws://\udcff",
    ],
)
async def test_what_is_no_relays_url_is_told(url: str) -> None:
    with pytest.raises(BadUrl, match="no relay's URL"):
        await Relay(url).__aenter__()


async def test_no_error_shows_the_password_in_a_relays_url() -> None:
    with pytest.raises(BadUrl, match="//…@a") as caught:
        await Relay("ws://me:sesame@a:99999").__aenter__()
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("wanted", [{"kinds": 1}, {"ids": ["AB"]}, {"x": 1}])
async def test_a_filter_that_is_none_is_refused_before_anybody_is_asked(wanted: dict[str, object]) -> None:
    client = Relay("ws://127.0.0.1:1")
    with pytest.raises(BadFilter):
        client.subscribe(wanted)
    with pytest.raises(BadFilter):
        await client.count(wanted)
