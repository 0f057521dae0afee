"""A token that ends while a request is under way writes nothing: it is looked at again in the transaction that writes."""

import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from relay.server.identities.identity_tokens import Principal
from relay.server.identities.users import Caller, Request
from storage.identities.commands import RevokeToken
from tests.factories import keypair, make_event
from tests.http.api.homes import BASE, Home, home
from tests.http.api.proofs import ORIGIN, nostr, proof

PROFILE = {"display_name": "Other"}
WRITES = [
    ("POST", "/posts", {"title": "Late"}),
    ("PATCH", "/posts/{post}", {"title": "Late"}),
    ("DELETE", "/posts/{post}", {}),
    ("POST", "/posts/{post}/comments", {"content": "Late"}),
    ("POST", "/posts/{post}/upvote", {}),
    ("POST", "/agents/Bob/follow", {}),
    ("POST", "/knowledge", {"title": "Late", "content": "text"}),
    ("PATCH", "/agents/me", PROFILE),
    ("PATCH", "/agents/me", {"metadata": {"late": True}}),
    ("POST", "/agents/me/tokens", {}),
    ("POST", "/agents/me/tokens/rotate", {}),
    ("POST", "/agents/me/keys/claims", {}),
    ("POST", "/agents/me/keys/{key}/retire", {}),
    ("POST", "/agents/me/keys/{key}/destroy", {}),
    ("POST", "/agents/me/keys/{key}/choose", {}),
    ("DELETE", "/agents/me/keys/{key}", {}),
    ("POST", "/agents/me/claims", {}),
    ("POST", "/agents/me/vanish", {"confirm": "Alice"}),
    ("POST", "/notifications/read-all", {}),
]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path) as client:
        yield client


def contents(hub: Home) -> dict[str, list[Any]]:
    with contextlib.closing(sqlite3.connect(Path(hub.site.config.server.data) / "tidings.sqlite")) as connection:
        read = connection.execute
        tables = [row[0] for row in read("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        passed = ("sqlite", "identity_tokens", "api_tokens", "meta", "passages_", "knowledge_", "touched", "made_")
        kept = [name for name in tables if not name.startswith(passed)]
        return {name: read(f"SELECT * FROM {name}").fetchall() for name in kept}


async def quiet(hub: Home) -> None:
    """Returns when nothing of what went before is still to be written."""
    await hub.site.hub.identities.profiles.settle()
    await hub.site.hub.ingest.drained()


@contextlib.contextmanager
def revoked_meanwhile(hub: Home, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every token is revoked between the moment when its request is let in and what that writes."""
    real = hub.site.identities.tokens.authenticate

    async def authenticate(token: str) -> Principal:
        principal = await real(token)
        await hub.site.hub.ingest.execute(RevokeToken("identity", principal.identity_id, principal.token_id))
        return principal

    with monkeypatch.context() as patched:
        patched.setattr(hub.site.identities.tokens, "authenticate", authenticate)
        yield


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
async def test_a_token_revoked_meanwhile_writes_nothing(
    hub: Home, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: dict[str, Any]
) -> None:
    await hub.register("Bob")
    alice = await hub.register("Alice")
    post = (await hub.ask("POST", "/posts", alice["api_key"], title="First"))[1]["post"]["id"]
    key = (await hub.ask("GET", "/agents/me/keys", alice["api_key"]))[1]["keys"][0]["pubkey"]
    await quiet(hub)
    before = contents(hub)
    with revoked_meanwhile(hub, monkeypatch):
        status, answer = await hub.ask(method, path.format(post=post, key=key), alice["api_key"], **body)
    assert (status, answer["code"]) == (401, "auth_required"), answer
    assert "revoked" in answer["error"]
    await quiet(hub)
    assert contents(hub) == before


async def test_what_is_signed_elsewhere_needs_its_token_all_the_same(
    hub: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await hub.register("Alice")
    event = make_event(5, 1, "Late", created_at=int(time.time()))
    bound = proof(5, "POST", f"{ORIGIN}{BASE}/agents/me/keys", alice["id"].encode())
    await quiet(hub)
    before = contents(hub)
    with revoked_meanwhile(hub, monkeypatch):
        for path, body in (("/events", msgspec.structs.asdict(event)), ("/agents/me/keys", {"proof": bound})):
            token = (await hub.site.identities.tokens.add(alice["id"], None, None))[1]
            assert (await hub.ask("POST", path, token, **body))[0] == 401
    assert contents(hub) == before


async def test_an_app_token_revoked_meanwhile_writes_nothing(hub: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    made = (await hub.ask("POST", "/tokens", nostr(5, "POST", "/tokens", name="app"), name="app"))[1]
    real = hub.site.identities.users.identify

    async def identify(request: Request) -> Caller:
        caller = await real(request)
        owner = await hub.site.reader.ask(lambda tables: tables.user(caller.user_id))
        assert owner is not None
        assert caller.token_id is not None
        await hub.site.hub.ingest.execute(RevokeToken("user", owner.id, caller.token_id))
        return caller

    monkeypatch.setattr(hub.site.identities.users, "identify", identify)
    status, answer = await hub.ask("PATCH", "/users/me", made["api_key"], name="Late")
    assert (status, answer["code"]) == (401, "auth_required")
    user = await hub.site.reader.ask(lambda tables: tables.user(f"nostr:{keypair(5).pubkey}"))
    assert user is not None
    assert user.name is None


async def test_a_body_that_comes_after_the_token_was_revoked_posts_nothing(hub: Home) -> None:
    alice = await hub.register("Alice")
    tokens = (await hub.ask("GET", "/agents/me/tokens", alice["api_key"]))[1]["tokens"]
    owner = (await hub.site.identities.tokens.authenticate(alice["api_key"])).identity_id

    async def body() -> AsyncIterator[bytes]:
        yield b'{"title": '
        await hub.site.hub.ingest.execute(RevokeToken("identity", owner, tokens[0]["id"]))
        yield b'"Late"}'

    headers = {
        "authorization": f"Bearer {alice['api_key']}",
        "idempotency-key": "k",
        "content-type": "application/json",
    }
    answer = await hub.post("/api/v1/posts", content=body(), headers=headers)
    assert answer.status_code == 401, answer.json()
    assert (await hub.ask("GET", "/posts"))[1]["posts"] == []
