"""Who may read and write: NIP-17, NIP-42, NIP-59 and NIP-70, seen from outside."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from relay.protocol.event import wire
from tests.e2e.harness import Server, client, fresh_key, now, proof, serving
from tests.factories import make_event


async def test_gift_wraps_are_found_by_their_authenticated_recipient_only(relay: Server) -> None:
    wrapper, reader, other = fresh_key(), fresh_key(), fresh_key()
    wrap = make_event(wrapper, 1059, tags=[["p", reader.pubkey]])
    filters: list[dict[str, Any]] = [
        {"ids": [wrap.id]},
        {"authors": [wrapper.pubkey]},
        {"#p": [reader.pubkey]},
        {"authors": [wrapper.pubkey], "kinds": [1, 1059]},
        {"authors": [wrapper.pubkey], "limit": 1},
    ]
    async with client(relay) as alice:
        await alice.store(wrap)
        for wanted in filters:
            assert await alice.stored(wanted) == []
            assert (await alice.count(wanted))["count"] == 0
        await alice.authenticate(other)
        for wanted in filters:
            assert await alice.stored(wanted) == []
            assert (await alice.count(wanted))["count"] == 0
        await alice.authenticate(wrapper)
        assert await alice.stored({"ids": [wrap.id]}) == []
        await alice.authenticate(reader)
        for wanted in filters:
            assert await alice.stored(wanted) == [wrap.id]
            assert (await alice.count(wanted))["count"] == 1


@pytest.mark.parametrize("kind", [4, 1059, 21059])
async def test_asking_for_private_kinds_needs_the_right_key(relay: Server, kind: int) -> None:
    reader, other = fresh_key(), fresh_key()
    wanted = {"kinds": [kind], "#p": [reader.pubkey]}
    async with client(relay) as alice:
        _, end = await alice.request(wanted)
        assert end[0] == "CLOSED"
        assert end[2].startswith("auth-required: ")
        assert (await alice.count(wanted)).startswith("auth-required: ")
        await alice.authenticate(other)
        _, end = await alice.request(wanted)
        assert end[2].startswith("restricted: ")
        assert (await alice.count(wanted)).startswith("restricted: ")
        await alice.authenticate(reader)
        assert (await alice.request(wanted))[1][0] == "EOSE"


async def test_an_encrypted_message_is_for_its_author_and_its_recipient(relay: Server) -> None:
    author, reader, other = fresh_key(), fresh_key(), fresh_key()
    message = make_event(author, 4, tags=[["p", reader.pubkey]])
    async with client(relay) as writer:
        await writer.store(message)
    for key, expected in ((author, [message.id]), (reader, [message.id]), (other, [])):
        async with client(relay) as alice:
            await alice.authenticate(key)
            assert await alice.stored({"ids": [message.id]}) == expected


@pytest.mark.parametrize("kind", [4, 1059, 21059])
@pytest.mark.parametrize("limit", [{}, {"limit": 0}])
async def test_private_events_are_live_for_their_reader_only(relay: Server, kind: int, limit: dict[str, int]) -> None:
    author, reader, other = fresh_key(), fresh_key(), fresh_key()
    wanted = {"authors": [author.pubkey], "since": 0} | limit
    async with client(relay) as writer, client(relay) as mine, client(relay) as theirs, client(relay) as stranger:
        await mine.authenticate(reader)
        await theirs.authenticate(other)
        for each in (mine, theirs, stranger):
            assert (await each.request(wanted))[1][0] == "EOSE"
        event = make_event(author, kind, tags=[["p", reader.pubkey]])
        await writer.store(event)
        assert (await mine.next())[2]["id"] == event.id
        assert await theirs.quiet()
        assert await stranger.quiet()


async def test_a_key_proven_later_opens_live_delivery_of_what_is_subscribed(relay: Server) -> None:
    author, reader = fresh_key(), fresh_key()
    async with client(relay) as writer, client(relay) as alice:
        await alice.request({"authors": [author.pubkey]})
        await writer.store(make_event(author, 1059, "before", [["p", reader.pubkey]]))
        await alice.authenticate(reader)
        after = make_event(author, 1059, "after", [["p", reader.pubkey]])
        await writer.store(after)
        assert (await alice.next())[2]["id"] == after.id


async def test_a_gift_wrap_without_a_recipient_is_refused(relay: Server) -> None:
    async with client(relay) as alice:
        assert (await alice.refused(make_event(fresh_key(), 1059))).startswith("invalid: ")
        assert (await alice.refused(make_event(fresh_key(), 1059, tags=[["p", "nobody"]]))).startswith("invalid: ")


async def test_every_auth_is_answered_and_keys_add_up(relay: Server) -> None:
    first, second = fresh_key(), fresh_key()
    async with client(relay) as alice:
        await alice.authenticate(first)
        await alice.authenticate(second)
        await alice.authenticate(first)
        await alice.store(make_event(first, tags=[["-"]]), make_event(second, tags=[["-"]]))


@pytest.mark.parametrize(
    "changes",
    [
        {"created_at": now() - 7_000},  # far enough that a long run of tests before this one changes nothing
        {"created_at": now() + 7_000},
        {"kind": 22241},
        {"kind": 1},
        {"tags": []},
        {"tags": [["relay", "wss://elsewhere.example"], ["challenge", "$"]]},
        {"tags": [["relay", "not a url"], ["challenge", "$"]]},
        {"tags": [["relay", "$"], ["challenge", "wrong"]]},
        {"tags": [["relay", "$"], ["challenge", ""]]},
        {"tags": [["relay", "$"]]},
        {"tags": [["challenge", "$"]]},
        {"tags": [["relay", "$"], ["challenge"]]},
    ],
)
async def test_a_wrong_auth_is_refused_and_proves_nothing(relay: Server, changes: dict[str, Any]) -> None:
    key = fresh_key()
    async with client(relay) as alice:
        given = dict(changes)
        if "tags" in given:
            known = {"relay": relay.url, "challenge": await alice.challenged()}
            given["tags"] = [[known[tag[0]] if part == "$" else part for part in tag] for tag in given["tags"]]
        answer = await alice.auth(proof(key, await alice.challenged(), relay.url, **given))
        assert answer[2] is False
        assert (await alice.refused(make_event(key, tags=[["-"]]))).startswith("auth-required: ")


async def test_an_auth_with_a_forged_signature_is_refused(relay: Server) -> None:
    key = fresh_key()
    async with client(relay) as alice:
        event = proof(key, await alice.challenged(), relay.url)
        assert (await alice.auth(msgspec.structs.replace(event, sig="1" * 128)))[2] is False
        assert (await alice.auth(msgspec.structs.replace(event, pubkey=fresh_key().pubkey)))[2] is False
        assert (await alice.refused(make_event(key, tags=[["-"]]))).startswith("auth-required: ")


async def test_the_challenge_of_another_connection_is_refused(relay: Server) -> None:
    async with client(relay) as alice, client(relay) as bob:
        assert (await alice.auth(proof(fresh_key(), await bob.challenged(), relay.url)))[2] is False


async def test_proofs_are_never_published(relay: Server) -> None:
    key = fresh_key()
    async with client(relay) as reader, client(relay) as alice:
        await reader.request({"authors": [key.pubkey]})
        await alice.authenticate(key)
        event = proof(key, await alice.challenged(), relay.url)
        assert (await alice.refused(event)).startswith("invalid: ")
        assert (await alice.refused(make_event(key, 27235))).startswith("invalid: ")
        assert await alice.stored({"authors": [key.pubkey]}) == []
        assert await reader.quiet()


async def test_a_protected_event_is_taken_from_its_authenticated_author_only(relay: Server) -> None:
    author, other = fresh_key(), fresh_key()
    event = make_event(author, tags=[["-"]])
    async with client(relay) as alice:
        assert (await alice.refused(event)).startswith("auth-required: ")
        await alice.authenticate(other)
        assert (await alice.refused(event)).startswith("restricted: ")
        await alice.authenticate(author)
        await alice.store(event)
        assert await alice.stored({"ids": [event.id]}) == [event.id]


async def test_a_repost_of_a_protected_event_is_refused(relay: Server) -> None:
    protected = wire(make_event(fresh_key(), tags=[["-"]])).decode()
    plain = wire(make_event(fresh_key())).decode()
    async with client(relay) as alice:
        for kind in (6, 16):
            assert (await alice.refused(make_event(fresh_key(), kind, protected))).startswith("restricted: ")
            await alice.store(make_event(fresh_key(), kind, plain))


@pytest.fixture(scope="module")
def closed_relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A relay that reads and writes for authenticated clients only."""
    settings = ("access.auth_to_read=true", "access.auth_to_write=true")
    with serving(tmp_path_factory.mktemp("closed") / "data", *settings) as server:
        yield server


async def test_a_closed_relay_serves_whoever_authenticates(closed_relay: Server) -> None:
    key = fresh_key()
    event = make_event(key)
    async with client(closed_relay) as alice:
        assert (await alice.refused(event)).startswith("auth-required: ")
        assert (await alice.request({}))[1][2].startswith("auth-required: ")
        assert (await alice.count({})).startswith("auth-required: ")
        await alice.authenticate(fresh_key())
        await alice.store(event)
        assert await alice.stored({"ids": [event.id]}) == [event.id]
