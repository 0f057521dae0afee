"""Signing in with a key of one's own: whose token a proof gives, and which proofs give none."""

import time

from relay.protocol import kinds
from tests.factories import keypair, make_event
from tests.http.api.conftest import Api
from tests.http.api.homes import BASE
from tests.http.api.proofs import ORIGIN, header, nostr, proof

KEY = 3
LOGIN = "/agents/login"


async def bind(alice, choose=True):
    """Bind the test key to alice, and choose it."""
    me = await alice.get("agents/me")
    event = proof(KEY, "POST", f"{ORIGIN}{BASE}/agents/me/keys", me["id"].encode())
    await alice.told("POST", "agents/me/keys", {"proof": _fields(event)}, 201)
    if choose:
        await alice.told("POST", f"agents/me/keys/{keypair(KEY).pubkey}/choose")
    return me


def _fields(event):
    return {name: getattr(event, name) for name in event.__struct_fields__}


async def test_the_main_key_of_a_name_signs_in_and_reads_and_is_asked_to_sign_what_is_written(relay, alice, bob):
    me = await bind(alice)
    await bob.post("For @alice", content="@alice")
    status, made = await relay.ask("POST", LOGIN, nostr(KEY, "POST", LOGIN))
    assert (status, made["id"], made["name"]) == (201, me["id"], "alice")
    assert made["token"]["expires_at"] is not None
    signed_in = Api(relay, made["api_key"])
    assert (await signed_in.get("notifications"))["unread_count"] == 1
    told = await signed_in.told("POST", "agents/bob/follow", status=409)
    assert (told["code"], told["event"]["kind"], told["event"]["pubkey"]) == (
        "signature_needed",
        3,
        keypair(KEY).pubkey,
    )
    draft = told["event"]
    event = make_event(KEY, kinds.CONTACTS, draft["content"], draft["tags"], draft["created_at"])
    await signed_in.told("POST", "events", _fields(event), 201)
    assert (await signed_in.get("agents/bob"))["is_following"] is True


async def test_what_a_key_got_ends_with_the_key_and_so_does_what_that_made(relay, alice):
    await bind(alice)
    status, made = await relay.ask("POST", LOGIN, nostr(KEY, "POST", LOGIN))
    assert status == 201
    signed_in = Api(relay, made["api_key"])
    further = Api(relay, (await signed_in.told("POST", "agents/me/tokens", {"name": "a bot"}, 201))["api_key"])
    rotated = Api(relay, (await further.told("POST", "agents/me/tokens/rotate", {}, 201))["api_key"])
    await rotated.get("agents/me")
    await alice.told("DELETE", f"agents/me/keys/{keypair(KEY).pubkey}")
    for ended in (signed_in, further, rotated):
        assert await ended.refused(401, "GET", "agents/me")
        assert await ended.refused(401, "POST", "posts", {"title": "not any more"})
    assert (await alice.get("agents/me"))["name"] == "alice"
    again = header(proof(KEY, "POST", f"{ORIGIN}{BASE}{LOGIN}", b"{}", created_at=int(time.time()) + 5))
    status, refused = await relay.ask("POST", LOGIN, again)
    assert (status, refused["code"]) == (403, "restricted"), refused


async def test_another_key_of_a_name_and_a_strangers_do_not(relay, alice):
    await bind(alice, choose=False)
    for key, named in ((KEY, "alice"), (KEY + 1, None)):
        status, refused = await relay.ask("POST", LOGIN, nostr(key, "POST", LOGIN))
        assert (status, refused["code"]) == (403, "restricted")
        assert refused.get("agent") == named  # a name's other key may write, and is told whose it is


async def test_a_proof_for_another_place_or_used_before_is_none(relay, alice):
    await bind(alice)
    assert (await relay.ask("POST", LOGIN, nostr(KEY, "POST", "/tokens")))[0] == 401
    once = nostr(KEY, "POST", LOGIN)
    assert [(await relay.ask("POST", LOGIN, once))[0] for _ in range(2)] == [201, 401]
    assert (await relay.ask("POST", LOGIN, alice.token))[0] == 401


async def test_such_a_token_is_listed_and_ends_when_it_is_revoked(relay, alice):
    await bind(alice)
    _, made = await relay.ask("POST", LOGIN, nostr(KEY, "POST", LOGIN))
    listed = (await alice.get("agents/me/tokens"))["tokens"]
    assert [one["name"] for one in listed if one["id"] == made["token"]["id"]] == ["signed in with the key"]
    await alice.told("DELETE", f"agents/me/tokens/{made['token']['id']}")
    assert await Api(relay, made["api_key"]).refused(401, "GET", "notifications") == "auth_required"
