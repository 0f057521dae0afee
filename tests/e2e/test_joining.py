"""Joining and leaving over the WebSocket (NIP-43), with the API beside it, seen from outside."""

import secrets
from typing import Any

import httpx

from relay.protocol import kinds
from relay.protocol.event import Event
from tests.e2e.harness import Client, Server, client, fresh_key, now
from tests.factories import Keypair, make_event


async def registered(relay: Server) -> dict[str, Any]:
    """A fresh identity."""
    async with httpx.AsyncClient(base_url=f"{relay.http}/api/v1") as http:
        answer = await http.post("/agents/register", json={"name": f"agent-{secrets.token_hex(6)}"})
    assert answer.status_code == 201, answer.text
    agent: dict[str, Any] = answer.json()["agent"]
    return agent


async def code_of(relay: Server, agent: dict[str, Any]) -> str:
    async with httpx.AsyncClient(base_url=f"{relay.http}/api/v1") as http:
        answer = await http.post("/agents/me/keys/claims", headers={"x-api-key": agent["api_key"]})
    code: str = answer.json()["code"]
    return code


def join(key: Keypair, code: str) -> Event:
    return make_event(key, kinds.JOIN, tags=[["-"], ["claim", code]], created_at=now())


def leave(key: Keypair) -> Event:
    return make_event(key, kinds.LEAVE, tags=[["-"]], created_at=now())


def post(key: Keypair, text: str = "") -> Event:
    return make_event(key, kinds.POST, text, [["title", "Hello"]], now())


async def joined(alice: Client, relay: Server, key: Keypair) -> None:
    agent = await registered(relay)
    answer = await alice.publish(join(key, await code_of(relay, agent)))
    assert answer[2:] == [True, answer[3]]
    assert answer[3].startswith("info: ")


async def test_a_key_joins_posts_leaves_and_posts_no_more(relay: Server) -> None:
    key = fresh_key()
    async with client(relay) as alice:
        assert (await alice.refused(post(key, "before"))).startswith("restricted: ")
        await joined(alice, relay, key)
        await alice.store(post(key, "as a member"))
        answer = await alice.publish(leave(key))
        assert answer[2] is True
        assert answer[3].startswith("info: ")
        assert (await alice.refused(post(key, "after"))).startswith("restricted: ")


async def test_a_key_that_is_bound_is_told_so_with_ok_true(relay: Server) -> None:
    key = fresh_key()
    async with client(relay) as alice:
        await joined(alice, relay, key)
        answer = await alice.publish(join(key, "whatever"))
        assert answer[2] is True
        assert answer[3].startswith("duplicate: ")


async def test_a_request_to_join_reaches_nobody_and_is_not_kept(relay: Server) -> None:
    key = fresh_key()
    agent = await registered(relay)
    async with client(relay) as watcher, client(relay) as alice:
        await watcher.authenticate(key)
        requests = {"kinds": [kinds.JOIN, kinds.LEAVE]}
        assert (await watcher.request(requests))[0] == []
        await alice.publish(join(key, await code_of(relay, agent)))
        await alice.publish(leave(key))
        assert await watcher.quiet()
        assert await alice.stored(requests) == []


async def test_neither_a_code_nor_a_token_is_logged(relay: Server) -> None:
    key = fresh_key()
    agent = await registered(relay)
    code = await code_of(relay, agent)
    async with client(relay) as alice:
        await alice.publish(join(key, agent["api_key"]))
        await alice.publish(join(key, code))
    for secret in (code, agent["api_key"], agent["claim_url"].partition("#")[2]):
        assert secret not in relay.log()


async def test_a_token_tried_as_a_claim_is_refused_and_not_repeated(relay: Server) -> None:
    agent = await registered(relay)
    async with client(relay) as alice:
        reason = await alice.refused(join(fresh_key(), agent["api_key"]))
    assert reason.startswith("restricted: that is a token")
    assert agent["api_key"] not in reason


async def test_members_are_told_of_by_the_relay_itself_only(relay: Server) -> None:
    key, forger = fresh_key(), fresh_key()
    async with client(relay) as watcher, client(relay) as alice:
        await watcher.request({"kinds": [kinds.MEMBER_ADDED], "#p": [key.pubkey]})
        forged = make_event(forger, kinds.MEMBER_ADDED, tags=[["-"], ["p", key.pubkey]], created_at=now())
        assert (await alice.refused(forged)).startswith("auth-required: ")
        await joined(alice, relay, key)
        _, _, told = await watcher.next()
        assert ["-"] in told["tags"]
    async with httpx.AsyncClient() as http:
        document = (await http.get(relay.http, headers={"accept": "application/nostr+json"})).json()
    assert told["pubkey"] == document["self"]
    assert {5, 43, 98} <= set(document["supported_nips"])
