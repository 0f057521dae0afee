"""Every route while the store fails: 503 with a body that says so, never a traceback; and all is well afterwards."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler

from relay import opening
from relay.http.routes import ROUTES
from storage.errors import StorageError, TooCostly
from storage.sqlite.files import database_file
from storage.sqlite.reading import reader
from storage.sqlite.writing.writer import SqliteWriter
from tests.factories import PNG, make_event
from tests.http.api.homes import BASE, Home, claim_of, home
from tests.http.api.proofs import ORIGIN, nostr, proof

# What cannot be answered while the store cannot be written, and while it cannot be read.
WRITES: Final = frozenset(
    [
        "POST /api/v1/agents/register",
        "PATCH /api/v1/agents/me",
        "POST /api/v1/agents/me/claims",
        "POST /api/v1/agents/me/vanish",
        "POST /api/v1/agents/me/tokens",
        "POST /api/v1/agents/me/tokens/rotate",
        "DELETE /api/v1/agents/me/tokens/{token_id:str}",
        "POST /api/v1/tokens",
        "DELETE /api/v1/tokens/{token_id:str}",
        "POST /api/v1/agents/me/keys/claims",
        "POST /api/v1/agents/me/keys",
        "DELETE /api/v1/agents/me/keys/{pubkey:str}",
        "POST /api/v1/agents/me/keys/{pubkey:str}/retire",
        "POST /api/v1/agents/me/keys/{pubkey:str}/destroy",
        "PATCH /api/v1/users/me",
        "POST /api/v1/claims",
        "POST /api/v1/posts",
        "PATCH /api/v1/posts/{post_id:str}",
        "DELETE /api/v1/posts/{post_id:str}",
        "POST /api/v1/posts/{post_id:str}/comments",
        "DELETE /api/v1/comments/{comment_id:str}",
        "POST /api/v1/posts/{post_id:str}/upvote",
        "POST /api/v1/posts/{post_id:str}/downvote",
        "DELETE /api/v1/posts/{post_id:str}/vote",
        "POST /api/v1/comments/{comment_id:str}/upvote",
        "POST /api/v1/comments/{comment_id:str}/downvote",
        "DELETE /api/v1/comments/{comment_id:str}/vote",
        "POST /api/v1/agents/{name:str}/follow",
        "DELETE /api/v1/agents/{name:str}/follow",
        "POST /api/v1/saved",
        "POST /api/v1/agents/{name:str}/mute",
        "POST /api/v1/muted/words",
        "POST /api/v1/reports",
        "POST /api/v1/knowledge",
        "DELETE /api/v1/knowledge/{document_id:str}",
        "POST /api/v1/events",
        "DELETE /api/v1/agents/me/avatar",
        "PATCH /api/v1/me",
        "POST /api/v1/agents/me/avatar",
        "POST /api/v1/notifications/read-all",
        "POST /api/v1/notifications/read-by-post/{post_id:str}",
        "PUT /api/v1/agents/me",
        "PUT /api/v1/me",
        "POST /api/v1/submolts",
        "PATCH /api/v1/submolts/{name:str}/settings",
        "POST /api/v1/submolts/{name:str}/moderators",
        "DELETE /api/v1/submolts/{name:str}/moderators",
        "DELETE /api/v1/submolts/{name:str}/subscribe",
        "POST /api/v1/groups",
        "PATCH /api/v1/groups/{group_id:str}",
        "DELETE /api/v1/groups/{group_id:str}",
        "POST /api/v1/groups/{group_id:str}/leave",
        "POST /api/v1/groups/{group_id:str}/members",
        "DELETE /api/v1/groups/{group_id:str}/members/{member:str}",
        "POST /api/v1/groups/{group_id:str}/invites",
        "DELETE /api/v1/groups/{group_id:str}/invites/{code:str}",
        "POST /api/v1/groups/{group_id:str}/pins",
        "POST /api/v1/groups/{group_id:str}/messages",
        "DELETE /api/v1/groups/{group_id:str}/messages/{message_id:str}",
        "POST /api/v1/groups/{group_id:str}/messages/{message_id:str}/reactions",
    ]
)
READS: Final = frozenset(
    [
        "GET /post/{post_id:str}",
        "GET /pieces",
        "GET /text/{event_id:str}",
        "GET /.well-known/nostr.json",
        "GET /api/v1/agents/me",
        "GET /api/v1/agents/status",
        "GET /api/v1/agents/profile",
        "GET /api/v1/agents/{name:str}",
        "GET /api/v1/agents/me/tokens",
        "GET /api/v1/tokens",
        "GET /api/v1/agents/me/keys",
        "POST /api/v1/agents/me/keys/{pubkey:str}/export",
        "GET /api/v1/users/me",
        "POST /api/v1/claims/look",
        "GET /api/v1/posts",
        "GET /api/v1/posts/{post_id:str}",
        "GET /api/v1/posts/{post_id:str}/comments",
        "GET /api/v1/comments/{comment_id:str}",
        "GET /api/v1/feed",
        "GET /api/v1/agents/{name:str}/followers",
        "GET /api/v1/agents/{name:str}/following",
        "GET /api/v1/saved",
        "GET /api/v1/muted",
        "GET /api/v1/reports",
        "GET /api/v1/notifications",
        "GET /api/v1/notifications/unread",
        "GET /api/v1/stream/notifications",
        "GET /notifications",
        "GET /following",
        "GET /saved",
        "GET /api/v1/submolts/{name:str}/feed",
        "GET /api/v1/submolts/{name:str}/posts",
        "GET /api/v1/search",
        "GET /api/v1/knowledge",
        "GET /api/v1/knowledge/search",
        "GET /api/v1/knowledge/{document_id:str}",
        "GET /api/v1/events/{event_id:str}",
        "GET /api/v1/agents/{name:str}/avatar",
        "GET /api/v1/claim/status",
        "GET /api/v1/home",
        "GET /api/v1/me",
        "GET /api/v1/notifications",
        "GET /api/v1/search/agents",
        "GET /api/v1/search/comments",
        "GET /api/v1/search/posts",
        "GET /api/v1/submolts",
        "GET /api/v1/submolts/trending",
        "GET /api/v1/submolts/{name:str}",
        "POST /api/v1/submolts/{name:str}/subscribe",
        "GET /api/v1/submolts/{name:str}/moderators",
        "GET /api/v1/groups",
        "GET /api/v1/groups/{group_id:str}",
        "GET /api/v1/groups/{group_id:str}/members",
        "GET /api/v1/groups/{group_id:str}/invites",
        "GET /api/v1/groups/{group_id:str}/pins",
        "GET /api/v1/groups/{group_id:str}/messages",
        "GET /api/v1/groups/{group_id:str}/messages/{message_id:str}",
        "GET /api/v1/groups/{group_id:str}/messages/{message_id:str}/replies",
    ]
)
# A page is whole, with a sentence where the rows would be.
SAYS_SO_IN_PLACE: Final = {"/", "/u/{name:str}", "/search", "/found"}
# For a token that is remembered.
ONLY_WRITES: Final = {f"POST /api/v1/agents/{what}" for what in ("register", "me/claims", "me/tokens")}
AVATAR: Final = "/api/v1/agents/me/avatar"
STREAMS: Final = {"/api/v1/stream", "/api/v1/stream/groups"}


class World:
    """A relay with one of everything, and a request that would succeed for each of its routes."""

    def __init__(self, client: Home) -> None:
        self.client = client
        self.values: dict[str, str] = {}
        self.bodies: dict[str, Any] = {}
        self.taken_back: dict[str, dict[str, str]] = {}
        self.token = self.app = self.app_token_id = ""

    @classmethod
    async def build(cls, client: Home) -> "World":
        world = cls(client)
        alice, bob = await client.register("alice"), await client.register("bob")
        world.token = alice["api_key"]
        status, answer = await client.ask("POST", "/tokens", nostr(1, "POST", "/tokens", name="app"), name="app")
        assert status == 201, answer
        world.app = answer["api_key"]
        app_id = answer["token"]["id"]
        _, posted = await client.ask("POST", "/posts", world.token, title="A title", content="Text")
        post = posted["post"]["id"]
        _, said = await client.ask("POST", f"/posts/{post}/comments", world.token, content="A comment")
        comment = said["comment"]["id"]
        _, written = await client.ask("POST", "/knowledge", world.token, content="Low water.", title="Tides")
        assert "document" in written, written
        tokens = (await client.ask("GET", "/agents/me/tokens", world.token))[1]["tokens"]
        world.values = {
            "name": "bob",
            "post_id": post,
            "comment_id": comment,
            "document_id": written["document"]["id"],
            "event_id": post,
            "token_id": tokens[0]["id"],
            "pubkey": alice["pubkey"],
        }
        world.app_token_id = app_id
        await world._have_something_to_take_back()
        await world._have_groups()
        _, code = await client.ask("GET", "/agents/me", world.token)
        me = (code.get("agent") or code)["id"]
        world.bodies = {
            "/api/v1/agents/register": {"name": "carol"},
            "/api/v1/agents/me": {"description": "changed"},
            "/api/v1/agents/me/vanish": {"confirm": "alice"},
            "/api/v1/agents/me/tokens": {"name": "another"},
            "/api/v1/agents/me/tokens/rotate": {},
            "/api/v1/tokens": {"name": "another"},
            "/api/v1/agents/me/keys": {
                "proof": msgspec.to_builtins(proof(5, "POST", f"{ORIGIN}{BASE}/agents/me/keys", me.encode()))
            },
            "/api/v1/agents/me/keys/{pubkey:str}/export": {"password": "long enough to be one"},
            "/api/v1/me": {"description": "Stands"},
            "/api/v1/users/me": {"name": "A name"},
            "/api/v1/claims/look": {"secret": claim_of(bob)},
            "/api/v1/claims": {"secret": claim_of(bob)},
            "/api/v1/posts": {"title": "Another title", "content": "Text"},
            "/api/v1/posts/{post_id:str}": {"title": "A better title"},
            "/api/v1/posts/{post_id:str}/comments": {"content": "Another comment"},
            "/api/v1/knowledge": {"content": "High water.", "title": "More tides"},
            "/api/v1/saved": {"id": post},
            "/api/v1/muted/words": {"word": "watches"},
            "/api/v1/reports": {"reason": "spam", "agent": "bob"},
            "/api/v1/submolts": {"name": "winds"},
            "/api/v1/submolts/{name:str}/settings": {"description": "changed"},
            "/api/v1/submolts/{name:str}/moderators": {"agent_name": "bob"},
            "/api/v1/groups": {"name": "Winds"},
            "/api/v1/groups/{group_id:str}": {"name": "changed"},
            "/api/v1/groups/{group_id:str}/members": {"agent": "dave"},
            "/api/v1/groups/{group_id:str}/pins": {"id": world.values["message_id"]},
            "/api/v1/groups/{group_id:str}/messages": {"content": "Another message"},
            "/api/v1/events": msgspec.to_builtins(make_event(7, created_at=int(time.time()))),
        }
        return world

    async def _have_something_to_take_back(self) -> None:
        """A follow and two votes, of others than those that are followed and voted on."""
        await self.client.register("dave")
        other = (await self.client.ask("POST", "/posts", self.token, title="Other", content="Text"))[1]["post"]["id"]
        path = f"/posts/{other}/comments"
        said = (await self.client.ask("POST", path, self.token, content="Other"))[1]["comment"]["id"]
        for path in ("/agents/dave/follow", f"/posts/{other}/upvote", f"/comments/{said}/upvote"):
            status, answer = await self.client.ask("POST", path, self.token)
            assert status in (200, 201), answer
        headers = {"authorization": f"Bearer {self.token}"}
        pictured = await self.client.post(AVATAR, files={"file": ("a.png", PNG)}, headers=headers)
        assert pictured.status_code == 200, pictured.text
        self.taken_back = {
            "/api/v1/agents/{name:str}/follow": {"name": "dave"},
            "/api/v1/posts/{post_id:str}/vote": {"post_id": other},
            "/api/v1/comments/{comment_id:str}/vote": {"comment_id": said},
        }

    async def _have_groups(self) -> None:
        """A community of the same name as `name`, and a group with a member, a code and a message."""
        for path, body in (
            ("/submolts", {"name": "bob"}),
            ("/submolts/bob/moderators", {"agent_name": "bob"}),
            ("/groups", {"name": "Tides", "id": "tides"}),
            ("/groups/tides/members", {"agent": "bob"}),
            ("/groups/tides/invites", {"code": "sesame"}),
        ):
            status, answer = await self.client.ask("POST", path, self.token, **body)
            assert status in (200, 201), answer
        _, said = await self.client.ask("POST", "/groups/tides/messages", self.token, content="Low water.")
        self.values |= {
            "group_id": "tides",
            "member": "bob",
            "code": "sesame",
            "message_id": said["message"]["id"],
        }

    async def send(self, route: HTTPRouteHandler, method: str, path: str) -> httpx.Response:
        """A request for this route that is right in itself."""
        values = self.values | (self.taken_back.get(path, {}) if method == "DELETE" else {})
        by_user = "caller" in route.fn.__annotations__
        if by_user and "token_id" in path:
            values["token_id"] = self.app_token_id
        concrete = path
        for name, value in values.items():
            concrete = concrete.replace(f"{{{name}:str}}", value)
        query = {"q": "tides"} if "search" in path or path == "/found" else {"ids": values["post_id"]}
        if path == "/.well-known/nostr.json":
            query = {"name": "bob"}
        if path == "/api/v1/agents/profile":
            query = {"name": "bob"}
        headers = {"authorization": f"Bearer {self.app if by_user else self.token}"}
        content = None
        if method == "POST" and path == AVATAR:
            return await self.client.post(AVATAR, files={"file": ("a.png", PNG)}, headers=headers)
        if method in ("POST", "PATCH", "PUT") or path.endswith("/moderators"):
            headers["content-type"] = "application/json"
            content = msgspec.json.encode(self.bodies.get(path, {}))
        params = query if method == "GET" else None
        return await self.client.request(method, concrete, params=params, headers=headers, content=content)

    async def survey(self, asks: Callable[[str, str], bool]) -> tuple[set[str], dict[str, tuple[int, str]]]:
        """Which routes answer 503 with a clear body, and what the others answer, of those that this `asks`."""
        clear, others = set(), {}
        for route in ROUTES:
            for path in sorted(route.paths):
                for method in sorted(route.http_methods):
                    if path in STREAMS or not asks(method, path):
                        continue
                    answer = await self.send(route, method, path)
                    if answer.status_code == 503 and _is_clear(answer, path):
                        clear.add(f"{method} {path}")
                    else:
                        others[f"{method} {path}"] = answer.status_code, answer.text[:300]
        return clear, others


def _is_clear(answer: httpx.Response, path: str) -> bool:
    if not path.startswith(("/api/", "/.well-known/")):
        return "Service Unavailable" in answer.text and "Traceback" not in answer.text
    if "retry-after" not in answer.headers:
        return False
    told = answer.json()
    return told["success"] is False and bool(told["message"]) and bool(told["hint"]) and "Traceback" not in answer.text


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[SqliteWriter]:
    """The writers of the relays that begin from now on."""
    found: list[SqliteWriter] = []
    open_writer = opening.open_writer

    def noted(*given: Any, **more: Any) -> SqliteWriter:
        found.append(open_writer(*given, **more))
        return found[-1]

    monkeypatch.setattr(opening, "open_writer", noted)
    return found


@contextmanager
def busy(writer: SqliteWriter, data: Path) -> Iterator[None]:
    """Another process holds the database."""
    writer.connection.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(data / database_file.FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def read_only(writer: SqliteWriter, _data: Path) -> Iterator[None]:
    """The file system was mounted again without the right to write."""
    writer.connection.execute("PRAGMA query_only = ON")
    yield
    writer.connection.execute("PRAGMA query_only = OFF")


@pytest.mark.parametrize("trouble", [busy, read_only])
async def test_what_cannot_be_written_is_503_on_every_route(
    tmp_path: Path, trouble: Any, opened: list[SqliteWriter], caplog: Any
) -> None:
    async with home(tmp_path) as client:
        world = await World.build(client)
        with trouble(opened[0], tmp_path):
            clear, others = await world.survey(lambda method, _path: method != "GET")
        assert {route: others[route] for route in others if others[route][0] >= 500} == {}
        assert {route for route in WRITES if route not in clear} == set()
        assert not [record for record in caplog.records if record.exc_info]
        status, answer = await client.ask("POST", "/agents/register", name="carol")
        assert status == 201, answer  # nothing of the one that failed is there
        status, answer = await client.ask("POST", "/posts", world.token, title="Later", content="Text")
        assert status == 201, answer


async def test_what_cannot_be_read_is_503_on_every_route(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    async with home(tmp_path) as client:
        world = await World.build(client)

        async def fails(*_given: object, **_more: object) -> None:
            raise StorageError("reading or writing the disk failed; look at the system log")

        with monkeypatch.context() as broken:
            broken.setattr(reader.ReadingConnection, "run", fails)
            broken.setattr(client.site.reader._quick, "run", lambda _work: None)  # type: ignore[attr-defined]
            clear, others = await world.survey(lambda _method, _path: True)
            for path in SAYS_SO_IN_PLACE:
                answer = await client.get(path.replace("{name:str}", "bob"), params={"q": "tides"})
                assert answer.status_code in (200, 503), path
        assert {route: others[route] for route in others if others[route][0] >= 500} == {}
        assert {route for route in (WRITES | READS) - ONLY_WRITES if route not in clear} == set()
        assert not [record for record in caplog.records if record.exc_info]
        assert (await client.ask("GET", "/agents/me", world.token))[0] == 200


async def test_a_query_that_is_too_costly_is_the_clients_to_change(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with home(tmp_path) as client:

        async def costly(*_given: object, **_more: object) -> None:
            raise TooCostly("the query takes too much work; name fewer values or a shorter time")

        monkeypatch.setattr(client.site.feed, "posts", costly)
        status, answer = await client.ask("GET", "/posts")
        assert (status, answer["code"]) == (400, "too_costly")


async def test_a_store_that_fails_after_the_registration_loses_no_token(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with home(tmp_path) as client:

        async def fails(_identity_id: str) -> None:
            raise StorageError("reading or writing the disk failed; look at the system log")

        with monkeypatch.context() as broken:
            broken.setattr(client.site.identities.profiles, "introduce", fails)
            registered = await client.register("alice", description="A wader")
        status, answer = await client.ask("GET", "/agents/me", registered["api_key"])
        assert status == 200, answer
        told = answer.get("agent") or answer
        assert {name: told[name] for name in ("id", "name", "pubkey", "created_at")} == {
            name: registered[name] for name in ("id", "name", "pubkey", "created_at")
        }


async def test_a_stream_whose_past_cannot_be_read_ends_and_leaves_no_traceback(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    async with home(tmp_path) as client:
        world = await World.build(client)

        async def fails(*_given: object, **_more: object) -> None:
            raise StorageError("reading or writing the disk failed; look at the system log")

        with monkeypatch.context() as broken:
            broken.setattr(reader.ReadingConnection, "run", fails)
            headers = {"last-event-id": "0", "authorization": f"Bearer {world.token}"}
            answer = await client.get(f"{BASE}/stream", headers=headers)
        assert (answer.status_code, answer.text) == (200, "retry: 2000\n\n")
        assert "a stream ends: reading or writing the disk failed" in caplog.text
        assert not [record for record in caplog.records if record.exc_info]
