"""What strangers are told by a relay that asks its readers who they are, and what odd times of theirs do."""

import msgspec
import pytest

from keys.encoding import encode
from relay.protocol import kinds
from tests.factories import make_event
from tests.http.api.homes import BASE, home

CLOSED = {"auth_to_read": True}
HTML = {"accept": "text/html"}


async def test_what_a_stranger_has_drawn_tells_no_titles_and_no_names(tmp_path):
    async with home(tmp_path, access=CLOSED) as relay:
        token = (await relay.register("sandpiper"))["api_key"]
        _, made = await relay.ask("POST", "/posts", token, title="Low water", content="At noon.", submolt="general")
        text = f"nostr:{encode('note', made['post']['id'])} by @sandpiper"
        message = msgspec.to_builtins(make_event(1, kinds.CHAT, text))
        for path, body in (("/preview", {"content": text}), ("/chat-pieces", {"events": [message]})):
            drawn = await relay.post(path, json=body, headers=HTML)
            assert drawn.status_code == 200
            assert "by @sandpiper" in drawn.text  # as it was written
            assert "Low water" not in drawn.text
            assert "/u/sandpiper" not in drawn.text


async def test_a_room_is_to_strangers_as_one_that_is_not_here(tmp_path):
    async with home(tmp_path, access=CLOSED) as relay:
        token = (await relay.register("sandpiper"))["api_key"]
        _, made = await relay.ask("POST", "/groups", token, name="Low water", about="When to go out")
        (name,) = (tag[1] for tag in made["event"]["tags"] if tag[0] == "h")
        shown, none = [await relay.get(f"/chat/{one}", headers=HTML) for one in (name, "nowhere")]
    assert (shown.status_code, none.status_code) == (404, 404)
    assert shown.text.replace(name, "nowhere") == none.text


@pytest.mark.parametrize("edge", ["since", "until"])
@pytest.mark.parametrize("route", ["/search", "/search/posts", "/knowledge/search"])
async def test_a_time_that_is_none_is_refused_and_is_no_fault_of_the_relay(tmp_path, route, edge):
    async with home(tmp_path) as relay:
        for time, status in ((2**53 - 1, 200), (2**53, 400), (10**30, 400)):
            answer = await relay.get(f"{BASE}{route}", params={"q": "tide", edge: str(time)})
            assert answer.status_code == status
        assert (await relay.get("/health")).json()["status"] == "ok"
