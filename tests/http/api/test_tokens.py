"""Tokens of identities and of users: what opens which door, and that a revoked one opens none, at once."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keys import tokens
from keys.tokens import Kind
from storage.commands import Sweep
from tests.http.api.homes import BASE, Home, home
from tests.http.api.proofs import nostr


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


def at(seconds_from_now: int) -> str:
    return datetime.fromtimestamp(time.time() + seconds_from_now, UTC).isoformat()


async def app_token(hub: Home, key: int = 1) -> str:
    status, answer = await hub.ask("POST", "/tokens", nostr(key, "POST", "/tokens", name="app"), name="app")
    assert status == 201, answer
    text: str = answer["api_key"]
    return text


async def test_no_token_is_401_and_says_where_to_get_one(hub: Home) -> None:
    status, answer = await hub.ask("GET", "/agents/me")
    assert status == 401
    assert "/agents/register" in answer["hint"]


@pytest.mark.parametrize(
    "text",
    ["nonsense", "tdi_", tokens.make(Kind.IDENTITY), "tdi_" + "a" * 63, "x" * 5000, "tdi_" + "é" * 64],
    ids=["nonsense", "prefix", "unknown", "short", "long", "accents"],
)
async def test_a_token_of_nobody_is_401_and_not_repeated(hub: Home, text: str) -> None:
    response = await hub.get("/api/v1/agents/me", headers={"authorization": f"Bearer {text}".encode()})
    assert response.status_code == 401
    assert "www-authenticate" in response.headers
    assert text not in response.text


@pytest.mark.parametrize(
    ("kind", "named"), [(Kind.APP, "tda_"), (Kind.KEY_CLAIM, "tdk_"), (Kind.IDENTITY_CLAIM, "tdc_")]
)
async def test_the_wrong_kind_of_token_is_403_and_names_the_right_one(hub: Home, kind: Kind, named: str) -> None:
    status, answer = await hub.ask("GET", "/agents/me", tokens.make(kind))
    assert status == 403
    assert named in answer["message"]
    assert "tdi_" in answer["message"]


async def test_an_identity_token_opens_no_user_s_door(hub: Home) -> None:
    agent = await hub.register("Alice")
    for method, path in (("GET", "/users/me"), ("GET", "/tokens"), ("POST", "/tokens"), ("PATCH", "/users/me")):
        body = {} if method == "GET" else {"name": "x"}
        status, answer = await hub.ask(method, path, agent["api_key"], **body)
        assert status == 403
        assert "tda_" in answer["message"]


async def test_a_token_also_comes_as_x_api_key(hub: Home) -> None:
    agent = await hub.register("Alice")
    response = await hub.get("/api/v1/agents/me", headers={"x-api-key": agent["api_key"]})
    assert response.status_code == 200


async def test_an_identity_has_several_tokens_listed_without_their_text(hub: Home) -> None:
    first = (await hub.register("Alice"))["api_key"]
    _, made = await hub.ask("POST", "/agents/me/tokens", first, name="second")
    status, answer = await hub.ask("GET", "/agents/me/tokens", made["api_key"])
    assert status == 200
    assert {row["name"]: row["current"] for row in answer["tokens"]} == {"second": True, None: False}
    assert all(row["live"] for row in answer["tokens"])
    assert first not in str(answer)
    assert made["api_key"] not in str(answer)
    assert tokens.digest(first) not in str(answer)


async def test_a_revoked_token_stops_working_at_once(hub: Home) -> None:
    first = (await hub.register("Alice"))["api_key"]
    second = (await hub.ask("POST", "/agents/me/tokens", first))[1]
    assert (await hub.ask("GET", "/agents/me", second["api_key"]))[0] == 200
    assert (await hub.ask("DELETE", f"/agents/me/tokens/{second['token']['id']}", first))[0] == 200
    status, answer = await hub.ask("GET", "/agents/me", second["api_key"])
    assert status == 401
    assert "revoked" in answer["message"]
    assert (await hub.ask("GET", "/agents/me", first))[0] == 200


async def test_nobody_revokes_another_s_token(hub: Home) -> None:
    alice, bob = (await hub.register("Alice"))["api_key"], (await hub.register("Bob"))["api_key"]
    token_id = (await hub.ask("GET", "/agents/me/tokens", alice))[1]["tokens"][0]["id"]
    assert (await hub.ask("DELETE", f"/agents/me/tokens/{token_id}", bob))[0] == 404
    assert (await hub.ask("GET", "/agents/me", alice))[0] == 200


async def test_an_expired_token_is_401(hub: Home, later: Callable[[int], None]) -> None:
    first = (await hub.register("Alice"))["api_key"]
    second = (await hub.ask("POST", "/agents/me/tokens", first, expires_at=at(60)))[1]["api_key"]
    assert (await hub.ask("GET", "/agents/me", second))[0] == 200
    later(61)
    status, answer = await hub.ask("GET", "/agents/me", second)
    assert status == 401
    assert "expired" in answer["message"]


@pytest.mark.parametrize(
    "when", [at(-10), "2030-01-01T00:00:00", "tomorrow", 5], ids=["past", "no zone", "word", "number"]
)
async def test_a_token_that_ends_before_it_begins_is_400(hub: Home, when: object) -> None:
    first = (await hub.register("Alice"))["api_key"]
    assert (await hub.ask("POST", "/agents/me/tokens", first, expires_at=when))[0] == 400


async def test_rotating_ends_the_former_token(hub: Home) -> None:
    first = (await hub.register("Alice"))["api_key"]
    status, made = await hub.ask("POST", "/agents/me/tokens/rotate", first)
    assert status == 201
    status, told = await hub.ask("GET", "/agents/me", first)
    assert (status, told["code"]) == (401, "auth_required")
    assert told["hint"].startswith("Send another API key of this identity")
    assert (await hub.ask("GET", "/agents/me", made["api_key"]))[0] == 200


async def test_rotating_with_grace_lets_the_former_token_live_that_long(
    hub: Home, later: Callable[[int], None]
) -> None:
    first = (await hub.register("Alice"))["api_key"]
    assert (await hub.ask("POST", "/agents/me/tokens/rotate", first, grace_seconds=100))[0] == 201
    assert (await hub.ask("GET", "/agents/me", first))[0] == 200
    later(101)
    assert (await hub.ask("GET", "/agents/me", first))[0] == 401


async def test_an_identity_holds_fifty_live_tokens_and_no_more(hub: Home) -> None:
    first = (await hub.register("Alice"))["api_key"]
    answers = [(await hub.ask("POST", "/agents/me/tokens", first))[0] for _ in range(50)]
    assert answers == [201] * 49 + [409]


async def test_the_last_use_of_a_token_is_kept(hub: Home) -> None:
    first = (await hub.register("Alice"))["api_key"]
    await hub.ask("GET", "/agents/me", first)
    await asyncio.sleep(0)  # the task that keeps it has begun
    await hub.site.hub.ingest.execute(Sweep(0))  # whatever was queued before has been written
    row = (await hub.ask("GET", "/agents/me/tokens", first))[1]["tokens"][0]
    assert row["last_used_at"] is not None


async def test_an_app_token_says_who_a_user_is_and_posts_nothing(hub: Home) -> None:
    token = await app_token(hub)
    status, me = await hub.ask("GET", "/users/me", token)
    assert status == 200
    assert me["user"]["user_id"].startswith("nostr:")
    assert (await hub.ask("POST", "/posts", token, title="x"))[0] == 403
    status, refusal = await hub.ask("POST", "/knowledge", token, content="x")
    assert (status, "tdi_" in refusal["message"]) == (403, True)


async def test_whoever_reads_with_an_app_token_does_not_wait_for_the_writer(
    hub: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await app_token(hub)
    asked: list[object] = []
    goes_on = asyncio.Event()

    async def busy(command: object, *_more: object) -> None:
        asked.append(command)
        await goes_on.wait()

    monkeypatch.setattr(hub.site.hub.ingest.link, "execute", busy)
    try:
        async with asyncio.timeout(30):
            answers = [(await hub.ask("GET", "/users/me", token))[0] for _ in range(3)]
        await asyncio.sleep(0)  # the task that keeps the last use has begun
    finally:
        goes_on.set()
    assert answers == [200] * 3
    assert len(asked) == 1  # the last use, asked for once


async def test_a_revoked_app_token_is_401(hub: Home) -> None:
    token = await app_token(hub)
    rows = (await hub.ask("GET", "/tokens", token))[1]["tokens"]
    assert (await hub.ask("DELETE", f"/tokens/{rows[0]['id']}", token))[0] == 200
    assert (await hub.ask("GET", "/users/me", token))[0] == 401


async def test_an_expired_app_token_is_401(hub: Home, later: Callable[[int], None]) -> None:
    until = at(60)
    proof = nostr(1, "POST", "/tokens", name="app", expires_at=until)
    token = (await hub.ask("POST", "/tokens", proof, name="app", expires_at=until))[1]["api_key"]
    assert (await hub.ask("GET", "/users/me", token))[0] == 200
    later(61)
    assert (await hub.ask("GET", "/users/me", token))[0] == 401


async def test_nobody_revokes_another_s_app_token(hub: Home) -> None:
    mine, theirs = await app_token(hub, 1), await app_token(hub, 2)
    token_id = (await hub.ask("GET", "/tokens", mine))[1]["tokens"][0]["id"]
    assert (await hub.ask("DELETE", f"/tokens/{token_id}", theirs))[0] == 404
    assert (await hub.ask("DELETE", f"/tokens/{token_id}", nostr(3, "DELETE", f"/tokens/{token_id}")))[0] == 404
    assert (await hub.ask("GET", "/users/me", mine))[0] == 200


async def test_of_rotations_at_once_with_one_token_one_gives_another(hub: Home) -> None:
    token = (await hub.register("Alice"))["api_key"]
    answers = await asyncio.gather(*(hub.ask("POST", "/agents/me/tokens/rotate", token) for _ in range(5)))
    assert sorted(status for status, _ in answers) == [201, 401, 401, 401, 401]
    assert {answer["code"] for status, answer in answers if status == 401} == {"auth_required"}
    (made,) = (answer for status, answer in answers if status == 201)
    status, answer = await hub.ask("GET", "/agents/me/tokens", made["api_key"])
    assert status == 200
    assert [row["id"] for row in answer["tokens"] if row["live"]] == [made["token"]["id"]]


async def test_a_token_is_made_and_rotated_without_a_body_too(hub: Home) -> None:
    token = (await hub.register("Alice"))["api_key"]
    for path in ("tokens", "tokens/rotate"):
        answer = await hub.post(f"{BASE}/agents/me/{path}", headers={"authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["token"]["expires_at"]) == (201, None)
    assert (await hub.ask("GET", "/agents/me", token))[0] == 401
