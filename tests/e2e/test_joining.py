"""Joining and leaving over the WebSocket (NIP-43), with the API beside it, seen from outside."""

import contextlib
import json
import secrets
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from handlers import table
from keys.schnorr import fault
from relay.protocol import kinds
from relay.protocol.admission import Door
from relay.protocol.event import Event, wire
from storage.base import Incoming
from storage.sqlite import backend
from tests.e2e.harness import PATIENCE, Client, Server, client, command, fresh_key, now, serving
from tests.factories import Keypair, make_event


async def registered(relay: Server) -> dict[str, Any]:
    """A fresh identity."""
    async with httpx.AsyncClient(base_url=f"{relay.http}/api/v1", timeout=PATIENCE) as http:
        answer = await http.post("/agents/register", json={"name": f"agent-{secrets.token_hex(6)}"})
    assert answer.status_code == 201, answer.text
    agent: dict[str, Any] = answer.json()["agent"]
    return agent


async def code_of(relay: Server, agent: dict[str, Any]) -> str:
    async with httpx.AsyncClient(base_url=f"{relay.http}/api/v1", timeout=PATIENCE) as http:
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


INVITES = {"kinds": [kinds.INVITE]}


async def invited(guest: Client) -> str:
    """The code of an invite, as a client asks for it."""
    (invite,), _ = await guest.request(INVITES)
    (code,) = (tag[1] for tag in invite["tags"] if tag[0] == "claim")
    return str(code)


async def test_whoever_asks_for_an_invite_gets_one_of_their_own_by_the_relays_key(relay: Server) -> None:
    async with client(relay) as one, client(relay) as other:
        (first,), _ = await one.request(INVITES)
        (second,), _ = await other.request(INVITES)
    async with httpx.AsyncClient(timeout=PATIENCE) as http:
        document = (await http.get(relay.http, headers={"accept": "application/nostr+json"})).json()
    for invite in (first, second):
        event = msgspec.convert(invite, Event)
        assert fault(event) is None
        assert (event.pubkey, event.kind, event.tags[0]) == (document["self"], kinds.INVITE, ["-"])
    assert first["tags"] != second["tags"]


async def test_a_key_joins_with_an_invite_and_posts_and_nobody_joins_with_it_again(relay: Server) -> None:
    key = fresh_key()
    async with client(relay) as guest:
        code = await invited(guest)
        answer = await guest.publish(join(key, code))
        assert answer[2] is True
        assert answer[3].startswith("info: ")
        await guest.store(post(key, "as a guest"))
        assert (await guest.refused(join(fresh_key(), code))).startswith("restricted: ")
    assert code not in relay.log()


@pytest.mark.parametrize(
    "other", [{"limit": 0}, {"authors": ["0" * 64]}, {"until": 1}, {"#t": ["x"]}, {"ids": ["0" * 64]}]
)
async def test_a_filter_that_no_invite_matches_gets_none(relay: Server, other: dict[str, Any]) -> None:
    async with client(relay) as guest:
        assert (await guest.request(INVITES | other))[0] == []


async def test_invites_come_to_those_only_who_ask_for_nothing_else_and_are_never_kept(relay: Server) -> None:
    async with client(relay) as guest, client(relay) as watcher:
        assert (await watcher.request({"kinds": [kinds.INVITE], "limit": 0}))[0] == []
        await invited(guest)
        for filters in ({"kinds": [kinds.INVITE, 1]}, {"authors": ["0" * 64]}):
            events, _ = await guest.request(filters)
            assert not [event for event in events if event["kind"] == kinds.INVITE]
        assert await watcher.quiet()


async def test_nobody_else_publishes_an_invite(relay: Server) -> None:
    key = fresh_key()
    async with client(relay) as forger:
        await forger.authenticate(key)
        forged = make_event(key, kinds.INVITE, tags=[["-"], ["claim", "x"]], created_at=now())
        assert (await forger.refused(forged)).startswith("restricted: this relay makes its invites itself")


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("identities.registration=false", "restricted: "),
        ("identities.register_pow=8", "pow: "),
    ],
)
async def test_where_not_everybody_registers_there_are_no_invites(tmp_path: Path, setting: str, reason: str) -> None:
    with serving(tmp_path / "data", setting) as closed:
        async with client(closed) as guest:
            events, end = await guest.request(INVITES)
            assert (events, end[:2]) == ([], ["CLOSED", "s"])
            assert end[2].startswith(reason)


async def test_an_invite_counts_as_a_registration_of_its_address(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "identities.registrations_per_hour=2") as strict:
        async with client(strict) as guest:
            for _ in range(2):
                await invited(guest)
            assert (await guest.request(INVITES))[1][2].startswith("rate-limited: too many registrations")
        async with httpx.AsyncClient(base_url=f"{strict.http}/api/v1", timeout=PATIENCE) as http:
            assert (await http.post("/agents/register", json={"name": "late"})).status_code == 429


async def test_members_are_told_of_by_the_relay_itself_only(relay: Server) -> None:
    key, forger = fresh_key(), fresh_key()
    async with client(relay) as watcher, client(relay) as alice:
        await watcher.request({"kinds": [kinds.MEMBER_ADDED], "#p": [key.pubkey]})
        for kind in (kinds.MEMBER_ADDED, kinds.MEMBER_REMOVED, kinds.MEMBERS, kinds.ROLE, *kinds.GROUPS):
            for tags in ([["p", key.pubkey]], [["-"], ["p", key.pubkey]]):
                forged = make_event(forger, kind, tags=tags, created_at=now())
                assert (await alice.refused(forged)).startswith("restricted: ")
                await alice.authenticate(forger)
        await joined(alice, relay, key)
        _, _, told = await watcher.next()
        assert ["-"] in told["tags"]
    async with httpx.AsyncClient(timeout=PATIENCE) as http:
        document = (await http.get(relay.http, headers={"accept": "application/nostr+json"})).json()
    assert told["pubkey"] == document["self"]
    assert {5, 43, 98} <= set(document["supported_nips"])


async def test_what_others_published_as_the_relay_is_gone_after_an_upgrade(tmp_path: Path) -> None:
    own, other = fresh_key(), fresh_key()
    told = [make_event(key, kind, tags=[["d", "x"]]) for key in (own, other) for kind in sorted(kinds.RELAY_ONLY)]
    note = make_event(other)
    with contextlib.closing(backend.open_writer(tmp_path / "data", table.meaning("ws://127.0.0.1"))) as writer:
        writer.write([Incoming(event, wire(event), Door.CLIENT, now()) for event in [*told, note]], now())
    with serving(tmp_path / "data", f"identities.relay_key={own.secret.hex()}") as server:
        async with client(server) as alice:
            kept = sorted(kinds.RELAY_ONLY - {kinds.MEMBERS})  # that list is made again at the start
            assert set(await alice.stored({"kinds": kept})) == {
                event.id for event in told if event.pubkey == own.pubkey and event.kind in kept
            }
            assert await alice.stored({"kinds": [kinds.MEMBERS], "authors": [other.pubkey]}) == []
            assert await alice.stored({"authors": [other.pubkey]}) == [note.id]
            assert (await alice.publish(make_event(own, kinds.ROLE, tags=[["d", "king"]])))[2] is True
        assert "removed 10 events" in server.log()


async def test_an_import_takes_what_a_relay_tells_from_its_own_key_only(tmp_path: Path) -> None:
    own = fresh_key()
    events = [make_event(key, kinds.MEMBER_ADDED) for key in (own, fresh_key())]
    (tmp_path / "events.jsonl").write_bytes(b"".join(wire(event) + b"\n" for event in events))
    given = ("import", str(tmp_path / "events.jsonl"), "--set", f"identities.relay_key={own.secret.hex()}", "--json")
    summary = json.loads(command(*given, data=tmp_path / "data").stdout)
    assert (summary["stored"], summary["refused"]) == (1, 1)
