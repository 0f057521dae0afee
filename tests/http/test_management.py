"""The relay management API (NIP-86): who is let in, what each method does on every door, and what clients are told."""

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from relay.http.management import MEDIA_TYPE, METHODS
from relay.protocol.admission import Door
from relay.protocol.event import wire
from relay.protocol.kinds import HTTP_AUTH
from relay.server.limits.replay_guard import ReplayGuard
from storage.access import OperatorRules, RuleSubject, SetText
from storage.base import Outcome
from tests.factories import keypair, make_event
from tests.http.api.homes import URL, Home, home

OPERATOR, SECOND, STRANGER = 1, 2, 3
SETTINGS: Any = {
    "relay": {"url": URL, "pubkey": keypair(OPERATOR).pubkey, "name": "By the file"},
    "access": {"operators": [keypair(SECOND).pubkey]},
}


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path, **SETTINGS) as client:
        yield client


def proven(key: int, body: bytes, *, u: str = URL, payload: bytes | None = None, method: str = "POST") -> str:
    """The Authorization header of a call; each is another event."""
    covered = hashlib.sha256(body if payload is None else payload).hexdigest()
    tags = [["u", u], ["method", method], ["payload", covered], ["n", str(time.monotonic_ns())]]
    return (
        f"Nostr {base64.b64encode(wire(make_event(key, HTTP_AUTH, tags=tags, created_at=int(time.time())))).decode()}"
    )


async def posted(
    relay: Home, body: bytes, authorization: str, path: str = "/", kind: str = MEDIA_TYPE
) -> tuple[int, Any]:
    headers = {"content-type": kind} | ({"authorization": authorization} if authorization else {})
    response = await relay.post(path, content=body, headers=headers)
    assert response.headers["content-type"].partition(";")[0] == MEDIA_TYPE
    return response.status_code, response.json()


async def call(relay: Home, method: str, *params: Any, key: int = OPERATOR, u: str = URL) -> Any:
    """What a call gives, or the text of its error."""
    body = msgspec.json.encode({"method": method, "params": params})
    status, answer = await posted(relay, body, proven(key, body, u=u))
    assert status == 200, answer
    assert len(answer) == 1, answer
    return answer.get("result", answer.get("error"))


async def refusal(relay: Home, number: int = STRANGER, kind: int = 1) -> str:
    """Why an event is refused, "" where it is taken."""
    event = make_event(number, kind, content=str(time.monotonic_ns()), created_at=int(time.time()))
    status, answer = await relay.hand_in(event)
    return "" if status == 201 else str(answer["error"])


async def test_every_method_but_the_first_is_listed_for_each_operator(relay: Home) -> None:
    for key in (OPERATOR, SECOND):
        assert await call(relay, "supportedmethods", key=key) == [
            name for name in METHODS if name != "supportedmethods"
        ]


BODY = b'{"method":"supportedmethods","params":[]}'


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer tdi_x",
        "Nostr x",
        proven(STRANGER, BODY),
        proven(OPERATOR, BODY, u="ws://other.example"),
        proven(OPERATOR, BODY, u=f"{URL}/api/v1/me"),
        proven(OPERATOR, BODY, payload=b"{}"),
        proven(OPERATOR, BODY, method="GET"),
    ],
)
async def test_whoever_proves_no_operators_key_is_told_so_in_the_shape_of_every_answer(
    relay: Home, authorization: str
) -> None:
    status, answer = await posted(relay, BODY, authorization)
    assert (status, list(answer)) == (401, ["error"])  # no `result`: clients take any list for "you are an operator"


async def test_the_payload_must_be_proven_whatever_the_settings_ask_of_others(tmp_path: Path) -> None:
    settings = SETTINGS | {"identities": {"proof_payload": "optional"}}
    async with home(tmp_path, **settings) as relay:
        payload = ["payload", hashlib.sha256(BODY).hexdigest()]
        for tag, status in ((["method", "POST"], 401), (payload, 200)):  # the method may be left out
            event = make_event(OPERATOR, HTTP_AUTH, tags=[["u", URL], tag], created_at=int(time.time()))
            header = f"Nostr {base64.b64encode(wire(event)).decode()}"
            assert (await posted(relay, BODY, header))[0] == status


async def test_a_proof_is_good_for_one_change_and_for_what_only_reads(relay: Home) -> None:
    body = b'{"method":"disallowkind","params":[7]}'
    header = proven(OPERATOR, body)
    assert [(await posted(relay, body, header))[0] for _ in range(2)] == [200, 401]
    header = proven(OPERATOR, BODY)  # a client that asks twice within a second makes the same event
    assert [(await posted(relay, BODY, header))[0] for _ in range(2)] == [200, 200]


async def test_what_strangers_prove_takes_no_room_from_the_proofs_of_operators(
    relay: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []
    monkeypatch.setattr(ReplayGuard, "use", lambda _guard, proof, _now: used.append(proof.pubkey))
    body = b'{"method":"disallowkind","params":[7]}'
    assert (await posted(relay, body, proven(STRANGER, body)))[0] == 401
    path = f"{URL.replace('ws', 'http')}/api/v1/rules/kind"
    headers = {"authorization": proven(STRANGER, b"", u=path, method="GET")}
    assert (await relay.get("/api/v1/rules/kind", headers=headers)).status_code == 403
    assert used == []
    assert (await posted(relay, body, proven(OPERATOR, body)))[0] == 200
    assert used == [keypair(OPERATOR).pubkey]


async def test_what_is_refused_before_it_is_read_is_told_as_json_too(relay: Home) -> None:
    answer = await relay.post("/", content=b"[" * 2_000_000, headers={"content-type": MEDIA_TYPE})
    assert (answer.status_code, "larger" in answer.json()["error"]) == (413, True)


@pytest.mark.parametrize("u", [URL, f"{URL}/", URL.replace("ws", "http"), URL.replace("ws", "http").upper() + "/"])
async def test_clients_write_the_relays_url_in_several_ways(relay: Home, u: str) -> None:
    assert isinstance(await call(relay, "supportedmethods", u=u), list)


async def test_a_call_is_answered_on_every_path_and_with_parameters_of_the_type(relay: Home) -> None:
    for path in ("/", "/elsewhere", "/api/v1/posts"):
        body = b'{"method":"listbannedpubkeys","params":[]}'
        status, answer = await posted(relay, body, proven(OPERATOR, body), path, f"{MEDIA_TYPE.upper()}; charset=utf-8")
        assert (status, answer) == (200, {"result": []})


async def test_something_else_that_is_posted_is_told_where_to_go(relay: Home) -> None:
    status, answer = await posted(relay, b"{}", "", kind="application/json")
    assert status == 415
    assert "/api/v1" in answer["error"]


async def test_browsers_of_other_places_may_ask(relay: Home) -> None:
    asked = await relay.options("/", headers={"origin": "https://client.example"})
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "authorization" in asked.headers["access-control-allow-headers"]
    answered = await relay.post("/", content=BODY, headers={"content-type": MEDIA_TYPE})
    assert (answered.status_code, answered.headers["access-control-allow-origin"]) == (401, "*")


@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        ("nosuch", [], "no method here"),
        ("banpubkey", [], "parameter 1 is missing"),
        ("banpubkey", [None], "parameter 1 is missing"),
        ("banpubkey", ["npub1"], "64 hex digits"),
        ("banpubkey", [keypair(SECOND).pubkey], "operator's key"),
        ("banevent", ["x"], "64 hex digits"),
        ("allowkind", ["many"], "no kind"),
        ("disallowkind", [70_000], "no kind"),
        ("disallowkind", [5], "always"),
        ("blockip", ["example.org"], "no address"),
        ("blockip", ["::1"], "this machine"),
        ("changerelayicon", ["nowhere"], "URL of a picture"),
        ("changerelayname", ["x" * 5001], "5,000 characters"),
    ],
)
async def test_a_wrong_call_is_told_what_is_wrong_and_changes_nothing(
    relay: Home, method: str, params: list[Any], words: str
) -> None:
    assert words in await call(relay, method, *params)
    assert await relay.site.rules.logged(10) == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"method":1}', b'{"method":"banpubkey","params":{}}', b"[" * 9999]
)
async def test_what_is_no_call_is_told_what_one_is(relay: Home, body: bytes) -> None:
    status, answer = await posted(relay, body, proven(OPERATOR, body))
    assert (status, list(answer)) == (400, ["error"])


async def test_a_banned_key_writes_nothing_until_it_is_allowed_again(relay: Home) -> None:
    key = keypair(STRANGER).pubkey
    assert await refusal(relay) == ""
    assert await call(relay, "banpubkey", key, "spam") is True
    assert "may not write" in await refusal(relay)
    assert await call(relay, "listbannedpubkeys") == [{"pubkey": key, "reason": "spam"}]
    assert await call(relay, "unbanpubkey", key) is True
    assert await refusal(relay) == ""
    await call(relay, "banpubkey", key)
    assert await call(relay, "allowpubkey", key, "a friend") is True
    assert await call(relay, "listbannedpubkeys") == []
    assert await call(relay, "listallowedpubkeys") == [{"pubkey": key, "reason": "a friend"}]
    assert await refusal(relay) == ""
    assert await refusal(relay, OPERATOR) == ""  # to allow somebody shuts nobody out
    assert await call(relay, "unallowpubkey", key) is True
    assert await call(relay, "listallowedpubkeys") == []


@pytest.mark.parametrize(("kind", "words"), [(1, "may not write"), (5, "")])
async def test_what_waits_while_its_author_is_banned_is_refused(relay: Home, kind: int, words: str) -> None:
    hub = relay.site.hub
    event = make_event(STRANGER, kind, tags=[["e", "ab" * 32]], created_at=int(time.time()))
    answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    hub.ingest.submit(event, Door.CLIENT, event.created_at, lambda _event, outcome: answered.set_result(outcome))
    hub.settings.hear(OperatorRules({RuleSubject.KEY: event.pubkey}))
    refusal = (await answered).refusal
    assert words in str(refusal)
    assert (refusal is None) is (words == "")


async def test_where_only_listed_keys_are_taken_an_operator_lists_them(tmp_path: Path) -> None:
    settings = SETTINGS | {"access": {"only_allowed": True}}
    async with home(tmp_path, **settings) as relay:
        assert "only listed keys" in await refusal(relay)
        await call(relay, "allowpubkey", keypair(STRANGER).pubkey)
        assert await refusal(relay) == ""
        assert "only listed keys" in await refusal(relay, 4)
        await call(relay, "unallowpubkey", keypair(STRANGER).pubkey)
        assert "only listed keys" in await refusal(relay)


async def test_what_the_file_denies_is_listed_and_not_lifted(tmp_path: Path) -> None:
    key = keypair(STRANGER).pubkey
    settings = SETTINGS | {"access": {"denied_keys": [key]}}
    async with home(tmp_path, **settings) as relay:
        assert await call(relay, "listbannedpubkeys") == [{"pubkey": key, "reason": "by the relay's settings"}]
        for method in ("unbanpubkey", "allowpubkey"):
            assert "access.denied_keys" in await call(relay, method, key)
        assert "may not write" in await refusal(relay)


async def test_a_banned_event_is_gone_and_an_allowed_one_may_come_again(relay: Home) -> None:
    event = make_event(STRANGER, content="spam", created_at=int(time.time()))
    assert (await relay.hand_in(event))[0] == 201
    assert await call(relay, "banevent", event.id, "spam") is True
    assert (await relay.ask("GET", f"/events/{event.id}"))[0] == 404
    assert (await relay.hand_in(event))[0] == 403
    assert await call(relay, "listbannedevents") == [{"id": event.id, "reason": "spam"}]
    assert await call(relay, "allowevent", event.id) is True
    assert await call(relay, "listbannedevents") == []
    assert await call(relay, "listallowedevents") == [{"id": event.id}]
    assert (await relay.hand_in(event))[0] == 201


async def test_what_is_reported_needs_moderation_until_somebody_has_looked_at_it(
    relay: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = int(time.time())
    first, second = (make_event(STRANGER, content=text, created_at=now) for text in ("first", "second"))
    for event in (first, second):
        await relay.hand_in(event)
        for number in (4, 5):
            tags = [["e", event.id, "spam"], ["p", event.pubkey]]
            await relay.hand_in(make_event(number, 1984, tags=tags, created_at=now - 5))
    needed = await call(relay, "listeventsneedingmoderation")
    assert sorted((one["id"], one["reason"]) for one in needed) == sorted((one.id, "spam 2") for one in (first, second))
    await call(relay, "allowevent", first.id)
    await call(relay, "banevent", second.id)
    assert await call(relay, "listeventsneedingmoderation") == []
    tags = [["e", first.id, "illegal"], ["p", first.pubkey]]
    monkeypatch.setattr(time, "time", lambda: now + 100)
    await relay.hand_in(make_event(6, 1984, tags=tags, created_at=now + 100))
    (again,) = await call(relay, "listeventsneedingmoderation")
    assert (again["id"], again["reason"]) == (first.id, "spam 2, illegal 1")
    monkeypatch.setattr(time, "time", lambda: now + 200.0)
    await call(relay, "allowevent", first.id)  # somebody has looked at it again
    assert await call(relay, "listeventsneedingmoderation") == []


async def test_kinds_are_refused_and_taken_again(relay: Home) -> None:
    assert await call(relay, "listallowedkinds") == []
    assert await call(relay, "disallowkind", 7) is True
    assert "kind 7" in await refusal(relay, kind=7)
    assert await call(relay, "listdisallowedkinds") == [7]
    assert await call(relay, "allowkind", 7) is True
    assert (await refusal(relay, kind=7), await refusal(relay, kind=1)) == ("", "")
    assert await call(relay, "listdisallowedkinds") == []


async def test_where_only_listed_kinds_are_taken_an_operator_lists_more(tmp_path: Path) -> None:
    settings = SETTINGS | {"access": {"allowed_kinds": [1]}}
    async with home(tmp_path, **settings) as relay:
        await call(relay, "allowkind", 7)
        assert await call(relay, "listallowedkinds") == [1, 7]
        assert (await refusal(relay, kind=7), await refusal(relay, kind=1)) == ("", "")
        await call(relay, "disallowkind", 1)
        assert await call(relay, "listallowedkinds") == [7]
        assert "kind 1" in await refusal(relay, kind=1)


async def test_the_relay_is_called_as_its_operator_says_until_that_is_taken_back(relay: Home) -> None:
    async def told() -> Any:
        return (await relay.get("/", headers={"accept": "application/nostr+json"})).json()

    assert await call(relay, "changerelayname", "Harbour <b>") is True
    assert await call(relay, "changerelaydescription", "Where ships are") is True
    assert await call(relay, "changerelayicon", "https://relay.example/icon.png") is True
    now = await told()
    assert (now["name"], now["description"], now["icon"]) == (
        "Harbour <b>",
        "Where ships are",
        "https://relay.example/icon.png",
    )
    assert "Harbour &lt;b&gt;" in (await relay.get("/")).text
    assert await call(relay, "changerelayname", "") is True
    assert (await told())["name"] == "By the file"
    await relay.site.change_rules(SetText("relay.description", None))
    assert (await told())["description"] == "A Tidings relay"


async def test_who_asks_from_a_blocked_address_gets_nothing(tmp_path: Path) -> None:
    settings = SETTINGS | {"server": {"data": str(tmp_path / "d"), "trusted_proxies": ["127.0.0.1/32"]}}
    async with home(tmp_path, **settings) as relay:
        assert await call(relay, "blockip", "203.0.113.7", "flood") is True
        assert await call(relay, "blockip", "2001:db8::1") is True
        for address, status in (("203.0.113.7", 403), ("2001:db8::2", 403), ("203.0.113.8", 200)):
            for path in ("/", "/api/v1/posts"):
                assert (await relay.get(path, headers={"x-forwarded-for": address})).status_code == status
        headers = {"x-forwarded-for": "203.0.113.9", "content-type": MEDIA_TYPE}
        body = b'{"method":"blockip","params":["203.0.113.0/24"]}'
        answer = await relay.post("/", content=body, headers=headers | {"authorization": proven(OPERATOR, body)})
        assert "where you ask from" in answer.json()["error"]
        assert sorted(one["ip"] for one in await call(relay, "listblockedips")) == ["2001:db8::1", "203.0.113.7"]
        assert await call(relay, "unblockip", "203.0.113.7") is True
        assert (await relay.get("/", headers={"x-forwarded-for": "203.0.113.7"})).status_code == 200


async def test_who_said_what_when_and_why_is_kept(relay: Home) -> None:
    key = keypair(STRANGER).pubkey
    await call(relay, "banpubkey", key, "spam", key=SECOND)
    await call(relay, "unbanpubkey", key, "sorry")
    logged = [(one.by, one.done, one.value, one.reason) for one in await relay.site.rules.logged(10)]
    assert logged == [
        (keypair(OPERATOR).pubkey, "lifted", key, "sorry"),
        (keypair(SECOND).pubkey, "denied", key, "spam"),
    ]
