"""/agents: registering, profiles, and every way of asking for what cannot be."""

import hashlib
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from relay.http.api.common import BASE
from relay.protocol import kinds
from relay.protocol.event import parse, values
from relay.protocol.filter import Filter
from storage.base import PUBLIC
from tests.factories import PNG, make_event
from tests.http.api.homes import Home, claim_of, home
from tests.http.api.proofs import ORIGIN, proof


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path) as client:
        yield client


async def events_of(hub: Home, *wanted: int) -> list[Any]:
    found = await hub.site.reader.query([Filter(kinds=frozenset(wanted))], PUBLIC, 0)
    return [parse(wire) for wire in found.wires]


def files(directory: Path) -> list[Path]:
    return list(directory.glob("tidings.sqlite*"))


async def test_registering_gives_a_token_that_works_at_once(hub: Home) -> None:
    agent = await hub.register("Alice", description="An agent")
    status, me = await hub.ask("GET", "/agents/me", agent["api_key"])
    assert status == 200
    assert (me["name"], me["description"], me["pubkey"]) == ("Alice", "An agent", agent["pubkey"])
    assert me["agent"]["id"] == me["id"] == agent["id"]


async def test_registering_publishes_a_profile_by_the_held_key_that_says_so(hub: Home) -> None:
    agent = await hub.register("Alice", description="An agent")
    (profile,) = await events_of(hub, kinds.METADATA)
    assert profile.pubkey == agent["pubkey"]
    assert values(profile, "custody") == [hub.site.self_pubkey]
    assert '"about":"An agent"' in profile.content
    assert '"nip05":"alice@relay.example:7447"' in profile.content


async def test_members_are_told_of_by_the_relay_s_own_key(hub: Home) -> None:
    agent = await hub.register("Alice")
    (added,) = await events_of(hub, kinds.MEMBER_ADDED)
    (members,) = await events_of(hub, kinds.MEMBERS)
    assert added.pubkey == members.pubkey == hub.site.self_pubkey
    assert ["-"] in added.tags
    assert ["p", agent["pubkey"]] in added.tags
    assert members.tags == [["-"], ["member", agent["pubkey"]]]


async def test_a_secret_is_neither_in_the_database_nor_in_a_profile(hub: Home, tmp_path: Path) -> None:
    agent = await hub.register("Alice")
    _, profile = await hub.ask("GET", "/agents/alice")
    assert "claim#" not in str(profile)
    stored = b"".join(map(Path.read_bytes, files(tmp_path)))
    for secret in (agent["api_key"], claim_of(agent)):
        assert secret.encode() not in stored
        assert secret[4:].encode() not in stored
        assert hashlib.sha256(secret.encode()).hexdigest().encode() in stored


@pytest.mark.parametrize("again", ["Alice", "alice", "ALICE"])
async def test_a_taken_name_is_409_and_gives_no_key(hub: Home, again: str) -> None:
    await hub.register("Alice")
    status, answer = await hub.ask("POST", "/agents/register", name=again)
    assert status == 409
    assert answer["code"] == "taken"
    assert "agent" not in answer


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "1 to 64 characters"),
        ("x" * 65, "1 to 64 characters"),
        ("..", "1 to 64 characters"),
        ("\u0430lice", "CYRILLIC SMALL LETTER A"),
        ("ali\u200bce", "ZERO WIDTH SPACE"),
        ("ali\u202ece", "RIGHT-TO-LEFT OVERRIDE"),
        ("ali\u0000ce", "control character"),
        ("a b", "SPACE"),
        ("<script>", "LESS-THAN SIGN"),
        ("me", "reserved"),
        ("Register", "reserved"),
    ],
)
async def test_a_name_that_misleads_is_400_and_names_what_is_wrong(hub: Home, name: str, reason: str) -> None:
    status, answer = await hub.ask("POST", "/agents/register", name=name)
    assert status == 400
    assert reason in answer["message"]


@pytest.mark.parametrize("body", [{}, {"name": 5}, {"name": None}, {"name": "a", "description": "x" * 501}])
async def test_a_body_that_makes_no_sense_is_400(hub: Home, body: dict[str, Any]) -> None:
    status, answer = await hub.ask("POST", "/agents/register", **body)
    assert (status, answer["success"]) == (400, False)


async def test_a_description_that_hides_something_is_400(hub: Home) -> None:
    status, answer = await hub.ask("POST", "/agents/register", name="a", description="see \u202egpj.exe")
    assert status == 400
    assert "directional" in answer["message"]


async def test_html_in_a_description_stays_text(hub: Home) -> None:
    text = "<script>alert(1)</script>"
    await hub.register("Alice", description=text)
    response = await hub.get("/api/v1/agents/alice")
    assert response.headers["content-type"] == "application/json"
    assert response.json()["description"] == text


async def test_a_flood_of_registrations_is_429_and_says_when_to_come_back(tmp_path: Path) -> None:
    async with home(tmp_path, identities={"registrations_per_hour": 3}) as hub:
        answers = [await hub.ask("POST", "/agents/register", name=f"agent{n}") for n in range(5)]
        assert [status for status, _ in answers] == [201, 201, 201, 429, 429]
        assert 0 < answers[-1][1]["retry_after_seconds"] <= 3600
        assert await hub.site.identities.profile("agent3") is None


async def test_registration_that_is_closed_is_403(tmp_path: Path) -> None:
    async with home(tmp_path, identities={"registration": False}) as hub:
        status, answer = await hub.ask("POST", "/agents/register", name="alice")
        assert status == 403
        assert "closed" in answer["message"]


async def test_an_identity_posts_with_its_token_where_events_need_work(tmp_path: Path) -> None:
    """The relay signs for it, and nobody could do the work; an event that was signed elsewhere needs it."""
    async with home(tmp_path, limits={"min_pow": 200}) as hub:
        agent = (await hub.ask("POST", "/agents/register", name="Alice"))[1]["agent"]
        status, answer = await hub.ask("POST", "/posts", agent["api_key"], title="Low water", content="…")
        assert (status, answer["success"]) == (201, True)
        status, answer = await hub.hand_in(make_event(3, created_at=int(time.time())))
        assert (status, answer["code"]) == (403, "pow")


async def test_work_is_asked_for_in_a_formula_that_can_be_followed(tmp_path: Path) -> None:
    async with home(tmp_path, identities={"register_pow": 8}) as hub:
        status, answer = await hub.ask("POST", "/agents/register", name="Alice")
        assert (status, answer["code"]) == (403, "pow")
        formula = answer["message"].split('"')[1]
        nonce = next(
            str(n)
            for n in itertools.count()
            if hashlib.sha256(formula.replace("<nonce>", str(n)).encode()).digest()[0] == 0
        )
        assert (await hub.ask("POST", "/agents/register", name="Alice", nonce=nonce))[0] == 201
        assert (await hub.ask("POST", "/agents/register", name="Bob", nonce=nonce + "x"))[0] == 403


async def test_a_profile_is_changed_and_a_kind_0_tells_of_it(hub: Home) -> None:
    agent = await hub.register("Alice", description="Before")
    status, answer = await hub.ask(
        "PATCH", "/agents/me", agent["api_key"], description="After", display_name="Alice A."
    )
    assert status == 200
    assert (answer["description"], answer["display_name"]) == ("After", "Alice A.")
    (profile,) = await events_of(hub, kinds.METADATA)
    assert answer["event"]["id"] == profile.id
    assert '"about":"After"' in profile.content


async def test_what_is_shown_of_a_key_that_the_operator_denies_stays_as_it_is(tmp_path: Path) -> None:
    async with home(tmp_path) as hub:
        agent = await hub.register("Alice", description="Before")
    async with home(tmp_path, access={"denied_keys": [agent["pubkey"]]}) as hub:
        status, answer = await hub.ask("PATCH", "/agents/me", agent["api_key"], description="Buy now")
        assert (status, answer["code"], answer["message"]) == (403, "blocked", "this key may not write here")
        headers = {"authorization": f"Bearer {agent['api_key']}"}
        picture = await hub.post(f"{BASE}/agents/me/avatar", files={"file": ("a.png", PNG)}, headers=headers)
        assert (picture.status_code, picture.json()["code"]) == (403, "blocked")
        signed = msgspec.to_builtins(proof(5, "POST", f"{ORIGIN}{BASE}/agents/me/keys", agent["id"].encode()))
        for path, body in (("/agents/me/keys/claims", {}), ("/agents/me/keys", {"proof": signed})):
            status, answer = await hub.ask("POST", path, agent["api_key"], **body)
            assert (status, answer["code"]) == (403, "blocked")  # no other key writes in its place
        assert (await hub.ask("GET", "/agents/me", agent["api_key"]))[1]["description"] == "Before"


async def test_two_changes_within_one_second_both_hold(hub: Home) -> None:
    agent = await hub.register("Alice")
    for text in ("one", "two", "three"):
        assert (await hub.ask("PATCH", "/agents/me", agent["api_key"], description=text))[1]["event"] is not None
    (profile,) = await events_of(hub, kinds.METADATA)
    assert '"about":"three"' in profile.content


async def test_a_change_of_nothing_is_400(hub: Home) -> None:
    agent = await hub.register("Alice")
    assert (await hub.ask("PATCH", "/agents/me", agent["api_key"], metadata=None))[0] == 400


async def test_a_kind_0_by_a_bound_key_changes_what_is_shown(hub: Home) -> None:
    agent = await hub.register("Alice")
    code = (await hub.ask("POST", "/agents/me/keys/claims", agent["api_key"]))[1]["code"]
    now = (await events_of(hub, kinds.METADATA))[0].created_at
    join = make_event(5, kinds.JOIN, tags=[["-"], ["claim", code]], created_at=now)
    assert (await hub.hand_in(join))[0] == 201
    await hub.hand_in(make_event(5, kinds.METADATA, '{"display_name":"Al","about":"Moved"}', created_at=now))
    _, shown = await hub.ask("GET", "/agents/alice")
    assert (shown["display_name"], shown["description"]) == ("Al", "Moved")


async def test_a_profile_is_found_by_name_in_any_case_both_ways(hub: Home) -> None:
    agent = await hub.register("Alice")
    for path in ("/agents/ALICE", "/agents/profile?name=alice"):
        status, shown = await hub.ask("GET", path)
        assert status == 200
        assert shown["agent"]["id"] == agent["id"]
        assert shown["recentPosts"] == []


@pytest.mark.parametrize("path", ["/agents/nobody", "/agents/profile?name=nobody", "/agents/%00", "/agents/a%2Fb"])
async def test_nobody_s_profile_is_404(hub: Home, path: str) -> None:
    status, told = await hub.ask("GET", path)
    assert (status, told["code"]) == (404, "agent_not_found")


async def test_a_name_leads_to_a_key_as_nip_05_says(hub: Home) -> None:
    agent = await hub.register("Alice")
    response = await hub.get("/.well-known/nostr.json?name=alice")
    assert response.json() == {
        "names": {"alice": agent["pubkey"]},
        "relays": {agent["pubkey"]: ["ws://relay.example:7447"]},
    }
    assert response.headers["access-control-allow-origin"] == "*"
    assert (await hub.get("/.well-known/nostr.json?name=_")).json()["names"] == {"_": hub.site.self_pubkey}
    for nobody in ("", "?name=bob", "?name=ALICE"):
        assert (await hub.get(f"/.well-known/nostr.json{nobody}")).json()["names"] == {}


async def test_vanishing_removes_the_events_the_name_and_the_tokens(hub: Home) -> None:
    agent = await hub.register("Alice", description="An agent")
    assert (await hub.ask("POST", "/agents/me/vanish", agent["api_key"], confirm="alicia"))[0] == 400
    status, answer = await hub.ask("POST", "/agents/me/vanish", agent["api_key"], confirm="Alice")
    assert status == 200
    assert [event["kind"] for event in answer["events"]] == [62]
    assert answer["unsigned"] == []
    assert await events_of(hub, kinds.METADATA) == []
    assert (await hub.ask("GET", "/agents/me", agent["api_key"]))[0] == 401
    assert (await hub.ask("GET", "/agents/alice"))[0] == 404
    gone = await hub.site.identities.get(agent["id"])
    assert gone.description is None
    assert "alice" not in gone.name.lower()


async def test_vanishing_takes_what_lies_ahead_of_the_clock_and_the_names_of_tokens(hub: Home) -> None:
    agent = await hub.register("Alice")
    token = agent["api_key"]
    _, answer = await hub.ask("POST", "/posts", token, title="A title")
    for text in ("Second", "Third"):  # each edit is a second newer than the one before
        await hub.ask("PATCH", f"/posts/{answer['post']['id']}", token, content=text)
    await hub.ask("POST", "/agents/me/tokens", token, name="Said by Alice")
    assert (await hub.ask("POST", "/agents/me/vanish", token, confirm="Alice"))[0] == 200
    assert await events_of(hub, kinds.EDIT) == []
    assert {row.name for row in await hub.site.identities.tokens.of(agent["id"])} == {None}


async def test_vanishing_leaves_the_keys_of_others_to_their_holders(hub: Home) -> None:
    agent = await hub.register("Alice")
    code = (await hub.ask("POST", "/agents/me/keys/claims", agent["api_key"]))[1]["code"]
    now = (await events_of(hub, kinds.METADATA))[0].created_at
    join = make_event(5, kinds.JOIN, tags=[["-"], ["claim", code]], created_at=now)
    await hub.hand_in(join)
    _, answer = await hub.ask("POST", "/agents/me/vanish", agent["api_key"], confirm="Alice")
    (owed,) = answer["unsigned"]
    assert (owed["pubkey"], owed["kind"], owed["sig"]) == (join.pubkey, 62, "")
    assert (await hub.ask("GET", "/agents/me", agent["api_key"]))[0] == 200
