"""/agents/me/keys: binding by code and by proof, unbinding, and what the relay does with the key it holds."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from keys import nip49, tokens
from keys.schnorr import public_key
from keys.tokens import Kind
from relay.protocol import kinds
from relay.protocol.admission import Door
from relay.protocol.event import Draft, Event, wire
from relay.server.identities.signing import NoCustody
from storage.base import Incoming
from tests.factories import keypair, make_event
from tests.http.api.homes import BASE, Home, home
from tests.http.api.proofs import ORIGIN, proof

KEYS = "/agents/me/keys"
URL = f"{ORIGIN}{BASE}{KEYS}"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path) as client:
        yield client


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets so many seconds pass."""
    real = time.time

    def advance(seconds: int) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return advance


def join(key: int, code: str) -> Event:
    return make_event(key, kinds.JOIN, tags=[["-"], ["claim", code]], created_at=int(time.time()))


def leave(key: int) -> Event:
    return make_event(key, kinds.LEAVE, tags=[["-"]], created_at=int(time.time()))


async def code_of(hub: Home, token: str) -> str:
    status, answer = await hub.ask("POST", f"{KEYS}/claims", token)
    assert status == 201, answer
    code: str = answer["code"]
    return code


async def bound(hub: Home, token: str) -> set[str]:
    answer = (await hub.ask("GET", KEYS, token))[1]
    return {row["pubkey"] for row in answer["keys"] if row["bound"]}


async def may_post(hub: Home, key: int) -> bool:
    event = make_event(key, 11, "text", [["title", "Hello"]], created_at=int(time.time()))
    return (await hub.hand_in(event))[0] == 201


async def test_a_claim_code_binds_a_key_that_may_post_from_then_on(hub: Home) -> None:
    agent = await hub.register("Alice")
    assert not await may_post(hub, 5)
    status, answer = await hub.hand_in(join(5, await code_of(hub, agent["api_key"])))
    assert status == 201
    assert answer["message"].startswith("info: ")
    assert await bound(hub, agent["api_key"]) == {agent["pubkey"], keypair(5).pubkey}
    assert await may_post(hub, 5)


async def test_a_join_is_neither_stored_nor_found(hub: Home) -> None:
    agent = await hub.register("Alice")
    event = join(5, await code_of(hub, agent["api_key"]))
    await hub.hand_in(event)
    assert (await hub.ask("GET", f"/events/{event.id}"))[0] == 404


async def test_a_claim_code_binds_one_key_only(hub: Home) -> None:
    agent = await hub.register("Alice")
    code = await code_of(hub, agent["api_key"])
    assert (await hub.hand_in(join(5, code)))[0] == 201
    status, answer = await hub.hand_in(join(6, code))
    assert status == 403
    assert "used already" in answer["message"]
    assert keypair(6).pubkey not in await bound(hub, agent["api_key"])


async def test_two_keys_that_race_for_one_code_do_not_both_win(hub: Home) -> None:
    agent = await hub.register("Alice")
    code = await code_of(hub, agent["api_key"])
    events = [join(key, code) for key in range(5, 15)]
    outcomes = await hub.site.hub.ingest.write(
        [Incoming(event, wire(event), Door.CLIENT, int(time.time())) for event in events]
    )
    assert sum(outcome.refusal is None for outcome in outcomes) == 1
    assert len(await bound(hub, agent["api_key"])) == 2


async def test_an_expired_claim_code_binds_nothing(hub: Home, later: Callable[[int], None]) -> None:
    agent = await hub.register("Alice")
    code = await code_of(hub, agent["api_key"])
    later(601)
    status, answer = await hub.hand_in(join(5, code))
    assert status == 403
    assert "expired" in answer["message"]


async def test_a_token_tried_as_a_claim_code_is_refused_and_not_repeated(hub: Home) -> None:
    agent = await hub.register("Alice")
    status, answer = await hub.hand_in(join(5, agent["api_key"]))
    assert status == 403
    assert "revoke it" in answer["message"]
    assert agent["api_key"] not in str(answer)


async def test_a_key_never_changes_hands(hub: Home) -> None:
    alice, bob = await hub.register("Alice"), await hub.register("Bob")
    await hub.hand_in(join(5, await code_of(hub, alice["api_key"])))
    await hub.hand_in(leave(5))
    status, answer = await hub.hand_in(join(5, await code_of(hub, bob["api_key"])))
    assert status == 403
    assert "another identity" in answer["message"]
    status, _ = await hub.ask("POST", KEYS, bob["api_key"], proof=proof(5, "POST", URL, bob["id"].encode()))
    assert status == 409
    assert (await hub.hand_in(join(5, await code_of(hub, alice["api_key"]))))[0] == 201


async def test_a_key_that_left_may_not_post_until_it_comes_back(hub: Home) -> None:
    agent = await hub.register("Alice")
    await hub.hand_in(join(5, await code_of(hub, agent["api_key"])))
    status, answer = await hub.hand_in(leave(5))
    assert status == 201
    assert answer["message"].startswith("info: ")
    assert not await may_post(hub, 5)
    assert await bound(hub, agent["api_key"]) == {agent["pubkey"]}


async def test_a_proof_binds_a_key(hub: Home) -> None:
    agent = await hub.register("Alice")
    status, answer = await hub.ask("POST", KEYS, agent["api_key"], proof=proof(5, "POST", URL, agent["id"].encode()))
    assert status == 201
    assert {row["pubkey"]: row["custody"] for row in answer["keys"]} == {
        agent["pubkey"]: "relay",
        keypair(5).pubkey: "own",
    }
    assert await may_post(hub, 5)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda me: proof(5, "POST", URL + "/", me), "another URL"),
        (lambda me: proof(5, "POST", URL.replace("relay.example", "evil.example"), me), "another URL"),
        (lambda me: proof(5, "GET", URL, me), "another method"),
        (lambda me: proof(5, "POST", URL, b"another identity"), "payload"),
        (lambda me: proof(5, "POST", URL), "exactly one payload"),
        (lambda me: proof(5, "POST", URL, me, created_at=int(time.time()) - 61), "60 seconds"),
        (lambda me: proof(5, "POST", URL, me, kind=1), "kind 27235"),
        (lambda me: msgspec.structs.replace(proof(5, "POST", URL, me), pubkey=keypair(6).pubkey), "not the hash"),
        (lambda me: msgspec.structs.replace(proof(5, "POST", URL, me), sig="0" * 128), "signature"),
    ],
)
async def test_a_proof_of_something_else_binds_nothing(hub: Home, made: Callable[[bytes], Event], reason: str) -> None:
    agent = await hub.register("Alice")
    status, answer = await hub.ask("POST", KEYS, agent["api_key"], proof=made(agent["id"].encode()))
    assert status == 400
    assert reason in answer["message"]
    assert await bound(hub, agent["api_key"]) == {agent["pubkey"]}


async def test_a_proof_is_good_once(hub: Home) -> None:
    agent = await hub.register("Alice")
    given = proof(5, "POST", URL, agent["id"].encode())
    await hub.ask("POST", KEYS, agent["api_key"], proof=given)
    await hub.ask("DELETE", f"{KEYS}/{keypair(5).pubkey}", agent["api_key"])
    status, answer = await hub.ask("POST", KEYS, agent["api_key"], proof=given)
    assert status == 400
    assert "used already" in answer["message"]
    assert not await may_post(hub, 5)


async def test_a_proof_from_before_the_start_is_refused(hub: Home) -> None:
    agent = await hub.register("Alice")
    given = proof(5, "POST", URL, agent["id"].encode(), created_at=int(time.time()) - 30)
    status, answer = await hub.ask("POST", KEYS, agent["api_key"], proof=given)
    assert status == 400
    assert "before this relay started" in answer["message"]


async def test_the_held_key_is_exported_under_a_password(hub: Home) -> None:
    agent = await hub.register("Alice")
    path = f"{KEYS}/{agent['pubkey']}/export"
    assert (await hub.ask("POST", path, agent["api_key"], password="short"))[0] == 400
    response = await hub.post(BASE + path, json={"password": "long enough"}, headers={"x-api-key": agent["api_key"]})
    assert response.headers["cache-control"] == "no-store"
    secret = nip49.decrypt(response.json()["ncryptsec"], "long enough")
    assert public_key(secret).hex() == agent["pubkey"]


async def test_nobody_exports_retires_or_unbinds_another_s_key(hub: Home) -> None:
    alice, bob = await hub.register("Alice"), await hub.register("Bob")
    path = f"{KEYS}/{alice['pubkey']}"
    for method, end, body in (
        ("POST", "/export", {"password": "long enough"}),
        ("POST", "/retire", {}),
        ("DELETE", "", {}),
    ):
        assert (await hub.ask(method, path + end, bob["api_key"], **body))[0] == 404
    assert await bound(hub, alice["api_key"]) == {alice["pubkey"]}


@pytest.mark.parametrize("end", ["retire", "destroy"])
async def test_after_retirement_the_relay_hands_out_what_is_to_be_signed(hub: Home, end: str) -> None:
    agent = await hub.register("Alice")
    assert (await hub.ask("POST", f"{KEYS}/{agent['pubkey']}/{end}", agent["api_key"]))[0] == 200
    draft = Draft(kinds.POST, [["title", "x"]], "", int(time.time()))
    with pytest.raises(NoCustody) as owed:
        await hub.site.identities.sign(agent["id"], draft)
    assert owed.value.event.pubkey == agent["pubkey"]
    assert owed.value.event.sig == ""


async def test_a_retired_key_still_deletes_and_a_destroyed_one_does_not(hub: Home) -> None:
    agent = await hub.register("Alice")
    draft = Draft(kinds.DELETION, [["e", "0" * 64]], "", int(time.time()))
    await hub.ask("POST", f"{KEYS}/{agent['pubkey']}/retire", agent["api_key"])
    assert (await hub.site.identities.sign(agent["id"], draft)).pubkey == agent["pubkey"]
    await hub.ask("POST", f"{KEYS}/{agent['pubkey']}/destroy", agent["api_key"])
    with pytest.raises(NoCustody):
        await hub.site.identities.sign(agent["id"], draft)
    assert (await hub.ask("POST", f"{KEYS}/{agent['pubkey']}/export", agent["api_key"], password="long enough"))[
        0
    ] == 404


async def test_binding_an_own_key_retires_the_held_one_on_request(hub: Home) -> None:
    agent = await hub.register("Alice")
    given = proof(5, "POST", URL, agent["id"].encode())
    _, answer = await hub.ask("POST", KEYS, agent["api_key"], proof=given, retire=True)
    retired = {row["pubkey"] for row in answer["keys"] if row["retired_at"] is not None}
    assert retired == {agent["pubkey"]}
    assert (await hub.ask("GET", "/agents/alice"))[1]["pubkey"] == keypair(5).pubkey


async def test_an_unbound_held_key_is_not_signed_with(hub: Home) -> None:
    agent = await hub.register("Alice")
    assert (await hub.ask("DELETE", f"{KEYS}/{agent['pubkey']}", agent["api_key"]))[0] == 200
    status, _ = await hub.ask("POST", "/posts", agent["api_key"], title="x")
    assert status in (403, 409)


async def test_twenty_keys_are_enough(hub: Home) -> None:
    agent = await hub.register("Alice")
    answers = []
    for key in range(100, 120):
        given = proof(key, "POST", URL, agent["id"].encode())
        answers.append((await hub.ask("POST", KEYS, agent["api_key"], proof=given))[0])
    assert answers == [201] * 19 + [409]


async def test_unused_codes_are_bounded(hub: Home) -> None:
    agent = await hub.register("Alice")
    answers = [(await hub.ask("POST", f"{KEYS}/claims", agent["api_key"]))[0] for _ in range(21)]
    assert answers == [201] * 20 + [409]


async def test_no_code_is_guessed(hub: Home) -> None:
    await hub.register("Alice")
    status, answer = await hub.hand_in(join(5, tokens.make(Kind.KEY_CLAIM)))
    assert status == 403
    assert "no claim code of this relay" in answer["message"]
