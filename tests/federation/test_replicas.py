"""Groups of a peer, kept here: by two relays, one of which may lie about who it is."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from relay.federation.home import own_key
from relay.federation.peer import believed
from relay.protocol.event import Event
from tests.e2e.harness import HTTP, PATIENCE, Server, client, command, fresh_key, now, serving
from tests.e2e.test_group_reading import Group, group_at
from tests.factories import Keypair, keypair, make_event
from tests.federation.fake_peer import FakePeer
from tests.federation.test_peers import in_state, settings, told, until

ONE, TWO = keypair(1).pubkey, keypair(2).pubkey


@pytest.mark.parametrize(
    ("told", "pinned", "other", "home"),
    [
        (ONE, "", "", ONE),
        (ONE, ONE, "", ONE),
        (TWO, ONE, "", None),  # another key than at first
        (ONE, "", "wss://other.example", None),  # somebody else's
        (ONE, ONE, "this relay", None),
        (None, "", "", None),
        (None, ONE, "", ONE),  # it cannot be asked just now
        ("", ONE, "", ONE),
        ("", "", "", ""),
    ],
)
def test_a_peer_is_believed_about_its_key_once(told: str | None, pinned: str, other: str, home: str | None) -> None:
    assert believed(told, pinned, other)[0] == home


class Speaking(FakePeer):
    """Answers NIP-11 with this, once it knows with what."""

    status = 200

    def __init__(self, events: Iterable[Event] = ()) -> None:
        super().__init__(events)
        self.body: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def information(self, _connection: ServerConnection, request: Request) -> Response | None:
        if "nostr+json" not in request.headers.get("Accept", ""):
            return None
        body = await self.body
        return Response(self.status, "", Headers({"content-length": str(len(body)), "connection": "close"}), body)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Speaking"]:
        from websockets.asyncio.server import serve

        async with serve(self.handle, "127.0.0.1", 0, process_request=self.information, max_size=None) as server:
            self.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            yield self


def information(key: str, nips: object = (1, 29)) -> bytes:
    return json.dumps({"self": key, "supported_nips": list(nips)}).encode()  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("status", "body", "key"),
    [
        (200, information(ONE), ONE),
        (200, information(ONE, [1]), ""),
        (200, information("nobody"), None),
        (200, information("", [29, "EE"]), None),
        (200, b"[]", ""),
        (200, information(ONE, ["29"]), ONE),
        (200, json.dumps({"self": None, "supported_nips": [29]}).encode(), None),
        (200, json.dumps({"self": ONE, "supported_nips": None}).encode(), ""),
        (200, b'{"supported_nips":[29],"x":"' + b"x" * 300_000, None),  # more than is read: what it says is not known
        (200, b"<html>", ""),
        (200, b'{"x":' + b"[" * 100_000, ""),
        (404, b"", ""),
        (503, b"", None),
        (301, b"", None),  # what stands elsewhere is not looked at
        (403, b"", None),
        (429, b"", None),
    ],
)
async def test_what_a_relay_says_of_its_key(status: int, body: bytes, key: str | None) -> None:
    async with Speaking().serving() as peer:
        peer.status = status
        peer.body.set_result(body)
        assert await own_key(peer.url, allow_private=True) == key
        assert await own_key(peer.url, allow_private=False) is None
    assert await own_key(peer.url, allow_private=True) is None


def self_of(server: Server) -> str:
    found = HTTP.get(f"http://127.0.0.1:{server.port}/", headers={"accept": "application/nostr+json"}).json()
    return str(found["self"])


async def reads(server: Server, key: Keypair | None, group: Group, event_id: str) -> bool:
    """Whether the key is given the event, by the group's name."""
    async with client(server) as one:
        if key is not None:
            await one.authenticate(key)
        found, _end = await one.request({"kinds": [9], "#h": [group.id]}, name="asked")
        return event_id in {event["id"] for event in found}


async def is_so(what: Callable[[], object]) -> None:
    async def asked() -> bool:
        return bool(await what())  # type: ignore[misc]

    await until(asked)


async def test_a_private_group_is_kept_for_its_members_as_long_as_it_lasts(tmp_path: Path) -> None:
    member, stranger = fresh_key(), fresh_key()
    with (
        serving(tmp_path / "home") as home,
        serving(tmp_path / "here", file=settings(tmp_path / "here.toml", home.url)) as here,
    ):
        await in_state(here, home.url, "in step")
        assert (await asyncio.to_thread(told, here))[home.url]["status"]["groups"] == "kept"  # type: ignore[index]
        async with group_at(home, "private") as group:
            await group.do(9000, ["p", self_of(here)])
            await group.do(9000, ["p", member.pubkey])
            message = await group.say(content="among us")
            await is_so(lambda: reads(here, member, group, message.id))
            assert not await reads(here, stranger, group, message.id)
            assert not await reads(here, None, group, message.id)
            async with client(here) as writing:
                refusal = await writing.publish(make_event(member, 9, "hi", [["h", group.id]], now()))
                assert refusal[2] is False
                assert home.url in refusal[3]
            await group.edit()
            await is_so(lambda: reads(here, None, group, message.id))
            await group.edit("private")
            await is_so(lambda: _not(reads(here, None, group, message.id)))
            await group.do(9001, ["p", member.pubkey])
            await is_so(lambda: _not(reads(here, member, group, message.id)))
            await group.edit()
            await is_so(lambda: reads(here, None, group, message.id))
            await group.do(9008)

            async def ended() -> bool:
                async with client(here) as one:
                    return bool(await one.stored({"kinds": [9008]})) and not await one.stored({"kinds": [9]})

            await until(ended)


async def _not(found: object) -> bool:
    return not await found  # type: ignore[misc]


async def test_a_community_of_a_peer_is_in_the_feed_with_its_origin(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "home") as home,
        serving(tmp_path / "here", file=settings(tmp_path / "here.toml", home.url)) as here,
    ):
        await in_state(here, home.url, "in step")
        async with group_at(home) as group, client(home) as writing:
            post = make_event(group.owner, 11, "High at six.", [["h", group.id], ["title", "Tides"]], now())
            assert (await writing.publish(post))[2] is True

            async def shown() -> bool:
                async with httpx.AsyncClient(timeout=PATIENCE) as http:
                    found = (await http.get(f"http://127.0.0.1:{here.port}/api/v1/posts")).json()["posts"]
                if not found:
                    return False
                (only,) = found
                host = home.url.partition("://")[2]
                assert only["id"] == post.id
                assert only["submolt"]["name"] == f"{host}'{group.id}"
                assert host in only["author"]["origin"]
                return True

            await until(shown)


async def test_who_names_a_foreign_key_or_another_one_than_before_is_not_believed(tmp_path: Path) -> None:
    """What it tells of groups comes to nothing; the rest does come."""
    home = keypair(70)
    telling = [
        make_event(home, 39000, "", [["d", "room"]], now()),
        make_event(5, 9, "secret", [["h", "room"]], now()),
        note := make_event(5, 1, "a note", [], now()),
    ]
    async with Speaking(telling).serving() as peer:
        with serving(tmp_path / "here", file=settings(tmp_path / "here.toml", peer.url, direction="down")) as here:
            peer.body.set_result(information(self_of(here)))

            async def came() -> bool:
                async with client(here) as one:
                    return bool(await one.stored({"ids": [note.id]}))

            await until(came)
            await in_state(here, peer.url, "in step")
            async with client(here) as one:
                assert await one.stored({"kinds": [9, 39000]}) == []
            status = (await asyncio.to_thread(told, here))[peer.url]["status"]
            assert "this relay" in status["groups"]  # type: ignore[index]
            said = await asyncio.to_thread(command, "peers", data=here.data)
            assert b"its groups are not taken: it names the key of this relay" in said.stdout
