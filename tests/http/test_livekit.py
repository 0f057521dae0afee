"""Tokens for the audio and video of groups: who gets one, and what it says to a LiveKit server."""

import itertools
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
import jwt
import pytest

from relay.http import livekit
from relay.protocol.groups.state import Group, Member
from relay.server.livekit import SECONDS
from tests.factories import keypair, make_event
from tests.http.api.conftest import Start, start  # noqa: F401 a fixture
from tests.http.api.homes import Home
from tests.http.api.proofs import ORIGIN, header, proof

T = TypeVar("T")
SERVER = {
    "livekit_url": "wss://av.example",
    "livekit_key": "key",
    "livekit_secret": "a secret of at least 32 bytes, here",
}
MEMBER, REMOVED, STRANGER = 1, 2, 3
_seconds = itertools.cycle(range(30))


class Tables:
    """Groups with a member and one who was removed from each."""

    def __init__(self, *groups: Group) -> None:
        self.groups = {group.id: group for group in groups}

    async def ask(self, work: Callable[[Any], T]) -> T:
        return work(self)

    def group(self, group_id: str) -> Group | None:
        return self.groups.get(group_id)

    def member(self, pubkey: str, group_id: str) -> Member | None:
        standing = {keypair(MEMBER).pubkey: "member", keypair(REMOVED).pubkey: "removed"}.get(pubkey)
        return None if group_id not in self.groups or standing is None else Member(standing, (), 0)  # type: ignore[arg-type]


def group(group_id: str = "room", **fields: Any) -> Group:
    return Group(group_id, creator="", created_at=0, **({"livekit": True} | fields))


@pytest.fixture
async def home(start: Start) -> Home:  # noqa: F811 the fixture
    """A relay with a LiveKit server; groups are the test's to give."""
    relay: Home = await start(groups=SERVER)
    return relay


def put(relay: Home, *groups: Group) -> None:
    relay.site.rooms._tables = Tables(*groups)  # type: ignore[assignment]


async def asked(relay: Home, key: int, path: str = "room", **headers: str) -> httpx.Response:
    url = f"{ORIGIN}{livekit.PATH}/{path}"
    made = proof(key, "GET", url, created_at=int(time.time()) + next(_seconds))  # a proof is good once
    return await relay.get(url, headers={"authorization": header(made)} | headers)


def said(answer: httpx.Response) -> dict[str, Any]:
    """What the token says, whose signature must be right."""
    assert answer.status_code == 200, answer.text
    assert answer.json()["server_url"] == "wss://av.example"
    told: dict[str, Any] = jwt.decode(
        answer.json()["participant_token"], SERVER["livekit_secret"], algorithms=["HS256"]
    )
    return told


async def test_a_member_gets_a_token_for_the_room_of_the_group(home: Home) -> None:
    put(home, group())
    told, again = said(await asked(home, MEMBER)), said(await asked(home, MEMBER))
    assert told["iss"] == "key"
    assert told["sub"][:64] == keypair(MEMBER).pubkey
    assert len(told["sub"]) > 70
    assert told["sub"] != again["sub"]
    assert 0 <= told["exp"] - int(time.time()) <= SECONDS
    assert told["video"]["room"] == "room"
    assert told["video"]["roomJoin"] is told["video"]["canPublish"] is told["video"]["canSubscribe"] is True
    assert (await asked(home, MEMBER)).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("fields", "statuses"),
    [
        ({}, (200, 403, 200)),
        ({"private": True}, (200, 403, 403)),
        ({"restricted": True}, (200, 403, 200)),
        ({"hidden": True}, (200, 404, 404)),
        ({"hidden": True, "private": True}, (200, 404, 404)),
        ({"ended": True}, (404, 404, 404)),
        ({"livekit": False}, (404, 404, 404)),
    ],
)
async def test_who_gets_a_token_is_as_the_group_is_now(
    home: Home, fields: dict[str, bool], statuses: tuple[int, ...]
) -> None:
    put(home, group(**fields))
    answers = [await asked(home, key) for key in (MEMBER, REMOVED, STRANGER)]
    assert tuple(answer.status_code for answer in answers) == statuses
    if statuses[2] == 200:
        assert said(answers[2])["video"]["canPublish"] is not fields.get("restricted", False)


async def test_a_hidden_group_is_to_others_as_one_that_is_not_there(home: Home) -> None:
    put(home, group(hidden=True))
    hidden, none = await asked(home, STRANGER), await asked(home, STRANGER, "elsewhere")
    assert (hidden.status_code, hidden.json()) == (none.status_code, none.json())


@pytest.mark.parametrize("group_id", ["a/b", "ü?&", "_"])
async def test_ids_are_read_as_they_were_sent(home: Home, group_id: str) -> None:
    put(home, group(group_id))
    path = "".join(f"%{byte:02x}" for byte in group_id.encode())
    assert said(await asked(home, MEMBER, path))["video"]["room"] == group_id


async def test_a_proof_need_not_name_the_method_but_must_name_the_url(home: Home) -> None:
    put(home, group())
    url = f"{ORIGIN}{livekit.PATH}/room"
    short = make_event(MEMBER, 27235, tags=[["u", url]], created_at=int(time.time()))
    other = make_event(MEMBER, 27235, tags=[["u", f"{url}2"]], created_at=int(time.time()))
    assert (await home.get(url, headers={"authorization": header(short)})).status_code == 200
    for headers in ({}, {"authorization": "Bearer x"}, {"authorization": header(other)}):
        answer = await home.get(url, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Nostr"


async def test_that_there_is_a_server_is_told_to_everybody(home: Home) -> None:
    answer = await home.get(livekit.PATH)
    assert (answer.status_code, answer.content) == (204, b"")
    preflight = await home.options(f"{livekit.PATH}/room")
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("missing", list(SERVER))
async def test_without_a_server_there_is_nothing(start: Start, missing: str) -> None:  # noqa: F811 the fixture
    relay: Home = await start(groups={name: value for name, value in SERVER.items() if name != missing})
    put(relay, group())
    assert (await relay.get(livekit.PATH)).status_code == 404
    assert (await asked(relay, MEMBER)).status_code == 404
