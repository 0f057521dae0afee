"""relay.server.identities.identities over a real log: what no route shows, such as races, caches and the member list in time."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from keys.schnorr import fault
from relay import app
from relay.app import Site
from relay.config import Config
from relay.errors import Reject
from relay.protocol import kinds
from relay.protocol.admission import Door
from relay.protocol.event import Draft, Event, parse, wire
from relay.protocol.facts import GivenToken
from relay.protocol.filter import Filter
from relay.server.identities import signing
from storage.base import PUBLIC, Incoming, Status
from storage.identities.types import ChangeRefused
from tests.factories import NOW, keypair, make_event

ADDRESS = "192.0.2.1"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    settings = msgspec.convert({"server": {"data": str(tmp_path)}}, Config)
    async with app.core(settings) as running:
        yield running


async def events(site: Site, kind: int) -> list[Event]:
    found = await site.reader.query([Filter(kinds=frozenset([kind]))], PUBLIC, 0)
    return [parse(wire) for wire in found.wires]


async def test_of_many_who_register_one_name_at_once_one_gets_it(site: Site) -> None:
    tries = [site.identities.register(name, None, ADDRESS) for name in ("alice", "Alice", "ALICE", "alicE")]
    results: list[Any] = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, ChangeRefused) for result in results) == 3


async def test_a_token_revoked_while_it_is_looked_up_is_not_remembered(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await site.identities.register("alice", None, ADDRESS)
    token, text = await site.identities.tokens.add(made.identity.id, None, None)
    found, go_on = asyncio.Event(), asyncio.Event()
    ask = site.reader.ask

    async def slow(work: Any) -> Any:
        answer = await ask(work)
        found.set()
        await go_on.wait()
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(site.reader, "ask", slow)
        asking = asyncio.create_task(site.identities.tokens.authenticate(text))
        await found.wait()
        await site.identities.tokens.revoke(made.identity.id, token.id)
        go_on.set()
        await asyncio.gather(asking, return_exceptions=True)
    with pytest.raises(Reject, match="revoked"):
        await site.identities.tokens.authenticate(text)


async def test_who_registers_is_told_of_and_listed_when_the_answer_comes(site: Site) -> None:
    keys = [(await site.identities.register(f"agent{n}", None, ADDRESS)).identity.pubkey for n in range(3)]
    assert sorted(members(await events(site, kinds.MEMBERS))) == sorted(filter(None, keys))
    assert [tag[1] for event in await events(site, kinds.MEMBER_ADDED) for tag in event.tags if tag[0] == "p"] != []


async def test_what_the_relay_itself_says_is_sent_to_those_who_listen(site: Site) -> None:
    told: list[int] = []
    site.follow(lambda applied: told.extend(live.event.kind for live in applied.events))
    await site.identities.register("alice", None, ADDRESS)
    assert told[:2] == [kinds.MEMBER_ADDED, kinds.MEMBERS]


async def test_the_list_follows_its_setting_after_a_reload_and_a_restart(tmp_path: Path) -> None:
    def settings(members: int) -> Config:
        return msgspec.convert({"server": {"data": str(tmp_path)}, "identities": {"members": members}}, Config)

    async with app.core(settings(0)) as site:
        for name in ("alice", "bob", "carol"):
            await site.identities.register(name, None, ADDRESS)
        assert await events(site, kinds.MEMBERS) == []
        assert len(await events(site, kinds.MEMBER_ADDED)) == 3
        site.hub.configure(settings(2))
        await site.identities.list_members()
        assert len(members(await events(site, kinds.MEMBERS))) == 2
    async with app.core(settings(500)) as site:
        assert len(members(await events(site, kinds.MEMBERS))) == 3
        before = (await site.info()).last_seq
    async with app.core(settings(500)) as site:
        assert (await site.info()).last_seq == before


def members(lists: list[Event]) -> list[str]:
    """Whom the one list names."""
    (listed,) = lists
    return [tag[1] for tag in listed.tags if tag[0] == "member"]


async def test_signing_and_rotating_at_once_never_meet(site: Site) -> None:
    made = [await site.identities.register(f"agent{n}", None, ADDRESS) for n in range(4)]
    draft = Draft(kinds.POST, [["title", "x"]], "", NOW)
    work = [site.identities.sign(one.identity.id, draft) for one in made for _ in range(10)]
    results = await asyncio.gather(
        *work[:20], site.rotate_master(""), *work[20:], site.identities.register("late", None, ADDRESS)
    )
    signed = [event for event in results if isinstance(event, Event)]
    assert len(signed) == len(work)
    assert all(fault(event) is None for event in signed)
    assert fault(await site.identities.sign(results[-1].identity.id, draft)) is None  # type: ignore[union-attr]


async def test_exports_that_wait_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "MAX_EXPORTS", 1)
    made = await site.identities.register("alice", None, ADDRESS)
    pubkey = made.identity.pubkey or ""
    results = await asyncio.gather(
        *(site.identities.keys.export(made.identity.id, pubkey, "long enough") for _ in range(3)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Reject) for result in results) == 2


async def test_an_event_published_over_http_has_its_signature_checked(site: Site) -> None:
    event = make_event(1)
    forged = msgspec.structs.replace(event, sig="0" * 128)
    assert (await site.publish(forged, Door.HTTP)).status is Status.REFUSED
    assert (await site.publish(event, Door.HTTP)).status is Status.STORED
    assert (await site.publish(event, Door.HTTP)).status is Status.DUPLICATE


async def test_a_listener_hears_of_what_was_stored_and_not_of_what_was_refused(site: Site) -> None:
    heard: list[str] = []
    site.follow(lambda applied: heard.extend(live.event.id for live in applied.events))
    event = make_event(1)
    await site.publish(msgspec.structs.replace(event, sig="0" * 128), Door.HTTP)
    await site.publish(event, Door.HTTP)
    assert heard == [event.id]


async def test_nobody_signs_as_another_identity(site: Site) -> None:
    alice = await site.identities.register("alice", None, ADDRESS)
    bob = await site.identities.register("bob", None, ADDRESS)
    draft = Draft(kinds.DELETION, [["e", "0" * 64]], "", NOW)
    with pytest.raises(Reject, match="another identity"):
        await site.identities.sign(bob.identity.id, draft, by=alice.identity.pubkey)


@pytest.mark.parametrize("kind", [13, 22242, 24133, 27235, 28934, 62])
async def test_the_relay_signs_no_proof_for_anybody(site: Site, kind: int) -> None:
    alice = await site.identities.register("alice", None, ADDRESS)
    with pytest.raises(Reject, match=f"no kind {kind}"):
        await site.identities.sign(alice.identity.id, Draft(kind, [], "", NOW))


async def test_a_key_that_vanishes_by_an_event_ends_the_tokens_at_once(site: Site) -> None:
    """The identity's token was just used, so that who it is from is remembered."""
    made = await site.identities.register("alice", None, ADDRESS)
    proof = make_event(
        1, kinds.HTTP_AUTH, tags=[["u", URL], ["method", "POST"], _payload(made.identity.id)], created_at=_now()
    )
    await site.identities.keys.bind(made.identity.id, proof, URL)
    assert (await site.identities.tokens.authenticate(made.token)).name == "alice"
    held = made.identity.pubkey or ""
    await site.identities.keys.retire(made.identity.id, held, destroy=True)
    await site.identities.keys.unbind(made.identity.id, held)
    assert (await site.identities.tokens.authenticate(made.token)).name == "alice"
    vanished = make_event(1, kinds.VANISH, tags=[["relay", "ALL_RELAYS"]], created_at=_now())
    assert (await site.publish(vanished, Door.CLIENT)).status is Status.STORED
    with pytest.raises(Reject, match=r"unknown|revoked"):
        await site.identities.tokens.authenticate(made.token)


async def test_a_rotation_waits_for_what_is_being_signed_and_new_uses_wait_for_it(site: Site) -> None:
    made = await site.identities.register("alice", None, ADDRESS)
    held = await site.reader.ask(lambda tables: tables.held(made.identity.pubkey or ""))
    assert held is not None
    draft = Draft(kinds.POST, [["title", "x"]], "", NOW)
    signing_ = site.identities.signing
    async with signing_.custody() as first, signing_.custody() as second:
        rotating = asyncio.create_task(site.rotate_master(""))
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not rotating.done()
        assert fault(first.sign(held, site.self_pubkey or "", draft)) is None
        assert first is second
    assert await rotating == 1
    again = await site.reader.ask(lambda tables: tables.held(made.identity.pubkey or ""))
    assert again is not None
    assert again.ciphertext != held.ciphertext
    async with signing_.custody() as third:
        assert third is not first
        assert fault(third.sign(again, site.self_pubkey or "", draft)) is None


async def test_nothing_is_sealed_while_the_master_secret_is_rotated(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    execute = site.hub.ingest.execute

    async def slow(command: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await execute(command)

    with monkeypatch.context() as patched:
        patched.setattr(site.hub.ingest, "execute", slow)
        rotating = asyncio.create_task(site.rotate_master(""))
        await begun.wait()
        using = asyncio.create_task(site.identities.signing.custody().__aenter__())
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not using.done()
    go_on.set()
    await rotating
    assert (await using) is not None


async def test_a_batch_of_an_operator_is_held_to_the_rules_while_the_relay_runs(tmp_path: Path) -> None:
    settings = {"server": {"data": str(tmp_path)}, "access": {"denied_keys": [keypair(2).pubkey]}}
    async with app.core(msgspec.convert(settings, Config)) as site:
        batch = [
            Incoming(event, wire(event), Door.IMPORT, NOW) for event in (make_event(1), make_event(2), make_event(3))
        ]
        outcomes = await site.submit(batch)
        assert [outcome.status for outcome in outcomes] == [Status.STORED, Status.REFUSED, Status.STORED]
        assert str(outcomes[1].refusal).startswith("blocked: ")


URL = "http://relay.example/api/v1/agents/me/keys"


def _payload(text: str) -> list[str]:
    return ["payload", hashlib.sha256(text.encode()).hexdigest()]


def _now() -> int:
    return int(time.time())


async def test_what_a_user_does_is_signed_by_one_key_that_is_no_identitys(site: Site) -> None:
    signing_ = site.identities.signing
    drafts = [Draft(9007, [["h", name]], "", NOW) for name in ("a", "b", "c")]
    made = await asyncio.gather(*(signing_.sign_for_user("nostr:alice", draft) for draft in drafts))
    other = await signing_.sign_for_user("nostr:bob", drafts[0])
    assert [fault(event) for event in (*made, other)] == [None] * 4
    assert len({event.pubkey for event in made}) == 1
    assert other.pubkey != made[0].pubkey
    assert await site.identities.by_key([made[0].pubkey]) == {}
    user = await site.reader.ask(lambda tables: tables.user("nostr:alice"))
    assert user is not None


async def test_a_key_of_a_user_outlasts_a_change_of_the_master_secret(site: Site) -> None:
    draft = Draft(9, [["h", "room"]], "hi", NOW)
    before = await site.identities.signing.sign_for_user("nostr:alice", draft)
    await site.identities.signing.rotate("")
    after = await site.identities.signing.sign_for_user("nostr:alice", draft)
    assert before.pubkey == after.pubkey
    assert fault(after) is None


async def test_a_user_signs_nothing_that_proves_a_key_elsewhere(site: Site) -> None:
    for kind in (1059, 22242, 27235, 28934, 62):
        with pytest.raises(Reject, match="signs no kind"):
            await site.identities.signing.sign_for_user("nostr:alice", Draft(kind, [], "", NOW))


async def test_a_user_whose_token_has_ended_gets_no_key(site: Site) -> None:
    ended = GivenToken("user", "0" * 32)
    with pytest.raises(Reject, match="unknown"):
        await site.identities.signing.sign_for_user("nostr:alice", Draft(9, [], "", NOW), ended)
    assert await site.reader.ask(lambda tables: tables.user("nostr:alice")) is None
