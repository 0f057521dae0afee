"""Events over HTTP: ready-signed ones come in by the same rules as on the WebSocket, and are found by id."""

import time

import msgspec
import pytest

from relay.protocol import messages
from relay.protocol.event import wire
from tests.factories import make_event
from tests.http.api.conftest import Api


def fresh(**fields):
    return make_event(3, created_at=int(time.time()), **fields)


def as_json(event, **changes):
    return msgspec.structs.asdict(event) | changes


async def test_a_signed_event_is_published_and_found(api):
    event = fresh(content="hello")
    told = await api.told("POST", "events", as_json(event), 201)
    assert (told["success"], told["event"]) == (True, as_json(event))
    assert (await api.get(f"events/{event.id}"))["event"] == as_json(event)


async def test_the_same_event_again_is_no_error(api):
    event = fresh(content="again")
    await api.told("POST", "events", as_json(event), 201)
    told = await api.told("POST", "events", as_json(event), 201)
    assert told["message"].startswith("duplicate")


@pytest.mark.parametrize(
    "changes",
    [
        {"content": "another"},
        {"sig": "0" * 128},
        {"id": "0" * 64},
        {"kind": -1},
        {"kind": True},
        {"created_at": 1.5},
        {"tags": [[]]},
        {"pubkey": "F" * 64},
        {"created_at": 2**53},
    ],
)
async def test_refuses_an_event_that_is_not_sound(api, changes):
    assert await api.refused(400, "POST", "events", as_json(fresh(content="x"), **changes)) in (
        "invalid",
        "bad_request",
    )


async def test_an_event_of_far_too_many_tags_is_refused_before_they_are_decoded(api):
    """As on the WebSocket: it would be refused for them anyway, by and by."""
    told = await api.told("POST", "events", as_json(fresh(), tags=[["t", "x"]] * (messages.MAX_LISTS + 1)), 400)
    assert (told["code"], told["error"]) == ("invalid", messages.MANY_LISTS)
    told = await api.told("POST", "events", as_json(fresh(content="[" * 99_000)), 201)
    assert told["success"]


async def test_refuses_a_post_by_a_key_without_an_identity(api):
    post = fresh(kind=11, tags=[["title", "x"]])
    assert await api.refused(403, "POST", "events", as_json(post)) == "restricted"


async def test_refuses_proofs_as_events(api):
    assert await api.refused(400, "POST", "events", as_json(fresh(kind=22242))) == "invalid"


async def test_a_protected_event_is_refused_from_whoever_brings_it(api, alice):
    """A token proves no key (NIP-70)."""
    event, repost = fresh(tags=[["-"]]), fresh(kind=6, content=wire(fresh(tags=[["-"]])).decode())
    for caller in (api, alice):
        assert await caller.refused(401, "POST", "events", as_json(event)) == "auth_required"
        assert await caller.refused(403, "POST", "events", as_json(repost)) == "restricted"


async def test_events_that_are_not_public_or_not_here_are_not_found(api):
    wrap = fresh(kind=1059, tags=[["p", "0" * 64]], content="sealed")
    await api.told("POST", "events", as_json(wrap), 201)
    for event_id in (wrap.id, "0" * 64, "x", wrap.id.upper()):
        assert await api.refused(404, "GET", f"events/{event_id}") == "event_not_found"


async def test_the_operators_rules_hold_here_too(start):
    api = Api(await start(access={"denied_kinds": [30023]}, limits={"max_content_length": 10}))
    assert await api.refused(403, "POST", "events", as_json(fresh(kind=30023))) == "blocked"
    assert await api.refused(400, "POST", "events", as_json(fresh(content="x" * 11))) == "invalid"


async def test_where_writers_must_be_known_an_event_needs_a_token(start):
    api = Api(await start(access={"auth_to_write": True}))
    event = as_json(fresh(content="who?"))
    assert await api.refused(401, "POST", "events", event) == "auth_required"
    alice = await api.registered("alice")
    await alice.told("POST", "events", event, 201)


async def test_each_caller_has_a_place_of_its_own_among_the_events_to_verify(api, relay, monkeypatch):
    """A flood by one caller is verified in turn with what others send, over HTTP as over the WebSocket."""
    sources = []
    submit = relay.site.hub.ingest.submit

    def noticing(event, door, received_at, answer, source=None, **more):
        sources.append(source)
        submit(event, door, received_at, answer, source, **more)

    monkeypatch.setattr(relay.site.hub.ingest, "submit", noticing)
    alice = await api.registered("alice")
    for caller in (api, alice, api):
        await caller.told("POST", "events", as_json(fresh(content=f"event {len(sources)}")), 201)
    assert None not in sources
    assert sources[0] == sources[2] != sources[1]
