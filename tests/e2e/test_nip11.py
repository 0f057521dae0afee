"""NIP-11 tells the truth: every advertised limit is met at its value and refused one over it."""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from relay.protocol.event import Event, compute_id, wire
from tests.e2e.harness import HTTP, Client, Server, client, fresh_key, now, serving
from tests.factories import keypair, make_event

LIMITS = {
    "max_message_bytes": 4000,
    "max_subscriptions": 4,
    "max_filters": 3,
    "default_limit": 5,
    "max_limit": 8,
    "max_event_tags": 6,
    "max_content_length": 200,
    "created_at_past": 5000,
    "created_at_future": 500,
    "min_pow": 4,
    "max_filter_values": 40,
    "max_compared": 7,
    "max_comparisons": 2,
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A relay with every limit set low."""
    settings = [f"limits.{name}={value}" for name, value in LIMITS.items()]
    with serving(tmp_path_factory.mktemp("strict") / "data", *settings) as server:
        yield server


def document(server: Server, path: str = "/") -> dict[str, Any]:
    response = HTTP.get(server.http + path, headers={"Accept": "application/nostr+json"})
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def limitation(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = document(server)["limitation"]
    return found


def mined(bits: int, target: int, **fields: Any) -> Event:
    """An event with exactly this many leading zero bits, committed to `target` (NIP-13)."""
    key = fresh_key()
    fields = {"created_at": now()} | fields
    tags = [list(tag) for tag in fields.pop("tags", ())]
    for nonce in range(100_000):
        given = [*tags, ["nonce", str(nonce), str(target)]]
        event = Event("0" * 64, key.pubkey, fields["created_at"], 1, given, fields.get("content", ""), "0" * 128)
        if 256 - int(compute_id(event), 16).bit_length() == bits:
            return make_event(key, 1, event.content, given, event.created_at)
    raise AssertionError("unlucky beyond belief")


def valid(**fields: Any) -> Event:
    return mined(4, 4, **fields)


async def accepted(alice: Client, event: Event) -> bool:
    return bool((await alice.publish(event))[2])


def test_the_document_has_the_headers_that_browsers_need(strict: Server) -> None:
    for path in ("/", "/some/path"):
        response = HTTP.get(strict.http + path, headers={"Accept": "application/nostr+json"})
        assert response.headers["content-type"].startswith("application/nostr+json")
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-headers" in response.headers
        assert "access-control-allow-methods" in response.headers


def test_the_document_names_its_software_by_url_and_the_nips_in_order(strict: Server) -> None:
    found = document(strict)
    assert found["software"].startswith("https://")
    assert found["version"]
    assert found["supported_nips"] == sorted(set(found["supported_nips"]))
    assert {1, 9, 11, 13, 17, 40, 42, 45, 59, 62, 67, 70} <= set(found["supported_nips"])
    assert not {2, 22, 25, 54, 65} & set(found["supported_nips"])  # between clients


async def _events(alice: Client, at: Event, over: Event) -> tuple[bool, bool]:
    return await accepted(alice, at), await accepted(alice, over)


async def _content(alice: Client, limit: int) -> tuple[bool, bool]:
    return await _events(alice, valid(content="é" * limit), valid(content="é" * (limit + 1)))


async def _tags(alice: Client, limit: int) -> tuple[bool, bool]:
    return await _events(alice, valid(tags=[["t", "x"]] * (limit - 1)), valid(tags=[["t", "x"]] * limit))


async def _work(alice: Client, limit: int) -> tuple[bool, bool]:
    """A limit from below: "over it" is one bit too few, in the id or in what the author committed to."""
    assert not await accepted(alice, mined(limit, limit - 1))
    return await _events(alice, mined(limit, limit), mined(limit - 1, limit))


async def _past(alice: Client, limit: int) -> tuple[bool, bool]:
    return await _events(alice, valid(created_at=now() - limit + 3), valid(created_at=now() - limit - 1))


async def _future(alice: Client, limit: int) -> tuple[bool, bool]:
    return await _events(alice, valid(created_at=now() + limit), valid(created_at=now() + limit + 4))


async def _filters(alice: Client, limit: int) -> tuple[bool, bool]:
    at = (await alice.request(*[{"ids": []}] * limit))[1][0]
    over = (await alice.request(*[{"ids": []}] * (limit + 1)))[1][0]
    await alice.send("CLOSE", "s")
    assert isinstance(await alice.count(*[{"ids": []}] * (limit + 1)), str)
    return at == "EOSE", over == "EOSE"


async def _subscriptions(alice: Client, limit: int) -> tuple[bool, bool]:
    ends = [(await alice.request({"ids": []}, name=str(n)))[1][0] for n in range(limit + 1)]
    assert ends[: limit - 1] == ["EOSE"] * (limit - 1)
    for number in range(limit + 1):
        await alice.send("CLOSE", str(number))
    return ends[-2] == "EOSE", ends[-1] == "EOSE"


async def _names(alice: Client, limit: int) -> tuple[bool, bool]:
    at = (await alice.request({"ids": []}, name="x" * limit))[1][0]
    await alice.send("CLOSE", "x" * limit)
    await alice.send("REQ", "x" * (limit + 1), {"ids": []})
    return at == "EOSE", (await alice.next())[0] == "EOSE"


async def _values(alice: Client, limit: int) -> tuple[bool, bool]:
    at = (await alice.request({"kinds": list(range(limit))}))[1][0]
    await alice.send("CLOSE", "s")
    over = (await alice.request({"kinds": list(range(limit + 1))}))[1][0]
    await alice.send("CLOSE", "s")
    return at == "EOSE", over == "EOSE"


async def _stored(alice: Client, limit: int, wanted: dict[str, Any]) -> tuple[bool, bool]:
    """Whether a filter gives as many events as the limit says, and whether it gives more."""
    key = fresh_key()
    events = [mined_by(key, n) for n in range(limit + 2)]
    await alice.store(*events)
    found = await alice.stored({"authors": [key.pubkey]} | wanted)
    return len(found) >= limit, len(found) > limit


def mined_by(key: Any, number: int) -> Event:
    """An event of this key that carries the work the strict relay asks for."""
    at = now() - number
    for nonce in range(100_000):
        tags = [["nonce", f"{number} {nonce}", "4"]]
        event = Event("0" * 64, key.pubkey, at, 1, tags, "", "0" * 128)
        if 256 - int(compute_id(event), 16).bit_length() >= 4:
            return make_event(key, 1, "", tags, at)
    raise AssertionError("unlucky beyond belief")


async def _default_limit(alice: Client, limit: int) -> tuple[bool, bool]:
    return await _stored(alice, limit, {})


async def _max_limit(alice: Client, limit: int) -> tuple[bool, bool]:
    return await _stored(alice, limit, {"limit": limit + 1})


async def _compared(alice: Client, limit: int) -> tuple[bool, bool]:
    """Whether NEG-OPEN takes as many events as the limit says, and whether it takes more."""
    key = fresh_key()
    await alice.store(*[mined_by(key, n) for n in range(limit + 1)])
    taken = []
    for wanted in ({"limit": limit}, {}):
        await alice.send("NEG-OPEN", "n", {"authors": [key.pubkey]} | wanted, "6100000200")
        taken.append((await alice.next())[0] == "NEG-MSG")
    return taken[0], taken[1]


async def _comparisons(alice: Client, limit: int) -> tuple[bool, bool]:
    """Whether as many comparisons may be open as the limit says, and whether more may."""
    taken = []
    for number in range(limit + 1):
        await alice.send("NEG-OPEN", f"{number}", {"ids": ["f" * 64]}, "6100000200")
        taken.append((await alice.next())[0] == "NEG-MSG")
    return all(taken[:limit]), taken[limit]


PROBES: dict[str, Callable[[Client, int], Any]] = {
    "max_content_length": _content,
    "max_event_tags": _tags,
    "min_pow_difficulty": _work,
    "created_at_lower_limit": _past,
    "created_at_upper_limit": _future,
    "max_filters": _filters,
    "max_subscriptions": _subscriptions,
    "max_subid_length": _names,
    "max_filter_values": _values,
    "default_limit": _default_limit,
    "max_limit": _max_limit,
    "max_compared": _compared,
    "max_comparisons": _comparisons,
}
ELSEWHERE = {
    "comparison_time",  # tests/server/comparisons/test_comparing.py, by a clock of its own, as the next
    "comparison_idle",
    "max_comparison_length",
    "max_message_length",
    "auth_required",
    "payment_required",
    "restricted_writes",
}


def test_every_advertised_limit_is_tried_here(strict: Server) -> None:
    assert set(limitation(strict)) == set(PROBES) | ELSEWHERE


@pytest.mark.parametrize("name", PROBES)
async def test_a_limit_holds_exactly_as_advertised(strict: Server, name: str) -> None:
    async with client(strict) as alice:
        assert await PROBES[name](alice, limitation(strict)[name]) == (True, False)


async def test_a_message_may_be_as_long_as_advertised(strict: Server) -> None:
    limit = limitation(strict)["max_message_length"]
    async with client(strict) as alice:
        await alice.raw('["REQ","s",{"limit":0}]'.ljust(limit))
        assert (await alice.next())[0] == "EOSE"
        with contextlib.suppress(ConnectionClosed):  # it may be answered before all of it is sent
            await alice.raw('["REQ","s",{"limit":0}]'.ljust(limit + 1))
        verb, text = await alice.next()
        assert (verb, str(limit) in text) == ("NOTICE", True)
        assert await alice.closed() == 1009


@pytest.mark.parametrize("way", ["plain", "compressed", "in fragments"])
async def test_a_message_of_a_comparison_may_be_longer_than_others(relay: Server, way: str) -> None:
    limits = limitation(relay)
    limit, usual = limits["max_comparison_length"], limits["max_message_length"]
    deflate = "deflate" if way == "compressed" else None

    def parts(message: str) -> str | list[str]:
        return [message[:700_000], message[700_000:]] if way == "in fragments" else message

    async with connect(relay.url, compression=deflate, max_size=None) as alice:  # type: ignore[arg-type]
        await alice.send('["NEG-OPEN","n",{"ids":["%s"]},"6100000200"]' % ("f" * 64))
        assert json.loads(await alice.recv())[0] == "NEG-MSG"
        ranges = f"0120{'00' * 32}00" * ((limit - 100) // 70)
        for _ in range(2):
            await alice.send(parts(f'["NEG-MSG","n","61{ranges}"]'))
            assert json.loads(await alice.recv()) == ["NEG-MSG", "n", "61"]
        with contextlib.suppress(ConnectionClosed):  # it may be answered before all of it is sent
            await alice.send(parts(f'["NEG-MSG","n","61{ranges}"]'.ljust(limit + 1)))
        verb, words = json.loads(await alice.recv())
        assert (verb, str(usual) in words, str(limit) in words) == ("NOTICE", True, True)
        with pytest.raises(ConnectionClosed) as closed:
            await alice.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
    async with connect(relay.url, compression=deflate) as alice:  # type: ignore[arg-type]
        await alice.send('["NEG-OPEN","n",{"ids":["%s"]},"6100000200"]' % ("f" * 64))
        assert json.loads(await alice.recv())[0] == "NEG-MSG"
        with contextlib.suppress(ConnectionClosed):
            await alice.send(parts('["REQ","s",{"limit":0}]'.ljust(max(usual, 700_000) + 1)))
        assert json.loads(await alice.recv())[0] == "NOTICE"
        with pytest.raises(ConnectionClosed):
            await alice.recv()


async def test_a_message_far_too_long_is_answered_too(relay: Server) -> None:
    async with client(relay) as alice:
        with contextlib.suppress(ConnectionClosed):  # it need not take all of it
            await alice.raw("x" * 20_000_000)
        assert (await alice.next())[0] == "NOTICE"
        assert await alice.closed() == 1009


async def test_the_limits_that_are_advertised_can_be_reached_together(relay: Server) -> None:
    limits = limitation(relay)
    authors = [f"{number:064x}" for number in range(2000)]
    async with client(relay) as alice:
        for number in range(limits["max_filter_values"] // len(authors)):
            assert (await alice.request({"authors": authors}, name=str(number)))[1][0] == "EOSE"
        assert (await alice.request({"kinds": [1]}, name="over"))[1][2].startswith("rate-limited: ")
        tags = [["p", author] for author in authors] + [["p", fresh_key().pubkey]] * (limits["max_event_tags"] - 2000)
        event = make_event(fresh_key(), 1, "\\" * limits["max_content_length"], tags, created_at=now())
        assert await alice.publish(event) == ["OK", event.id, True, ""]


def test_limits_are_advertised_as_they_are_set(strict: Server) -> None:
    found = limitation(strict)
    assert found["max_message_length"] == LIMITS["max_message_bytes"]
    assert found["min_pow_difficulty"] == LIMITS["min_pow"]
    assert found["max_limit"] == LIMITS["max_limit"]
    assert found["restricted_writes"] is True
    assert found["auth_required"] is False
    assert found["payment_required"] is False


async def test_a_relay_that_says_auth_required_means_it(tmp_path: Any) -> None:
    with serving(tmp_path / "data", "access.auth_to_read=true", "access.auth_to_write=true") as server:
        assert limitation(server)["auth_required"] is True
        async with client(server) as alice:
            assert (await alice.refused(make_event())).startswith("auth-required: ")
            assert (await alice.request({}))[1][2].startswith("auth-required: ")


async def test_lists_of_kinds_and_keys_are_kept(tmp_path: Any) -> None:
    allowed, denied, other = keypair(1), keypair(2), keypair(3)
    with serving(
        tmp_path / "data",
        "access.allowed_kinds=1,7",
        "access.denied_kinds=7",
        f"access.allowed_keys={allowed.pubkey},{denied.pubkey}",
        f"access.denied_keys={denied.pubkey}",
    ) as server:
        assert limitation(server)["restricted_writes"] is True
        async with client(server) as alice:
            await alice.store(make_event(allowed))
            assert (await alice.refused(make_event(allowed, 7))).startswith("blocked: ")
            assert (await alice.refused(make_event(allowed, 9))).startswith("blocked: ")
            assert (await alice.refused(make_event(denied))).startswith("blocked: ")
            assert (await alice.refused(make_event(other))).startswith("restricted: ")


async def test_the_id_counts_as_work_only_when_it_is_right(strict: Server) -> None:
    event = msgspec.structs.replace(valid(), id="0" * 64)
    async with client(strict) as alice:
        await alice.send("EVENT", json.loads(wire(event)))
        answer = await alice.next()
        assert answer[2] is False
