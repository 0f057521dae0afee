"""What strangers are told by a relay that asks its readers who they are, and what odd times of theirs do."""

import re

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
    texts = [re.sub(r'data-now="\d+"', "", answer.text) for answer in (shown, none)]  # a second may lie between them
    assert texts[0].replace(name, "nowhere") == texts[1]


@pytest.mark.parametrize("edge", ["since", "until"])
@pytest.mark.parametrize("route", ["/search", "/search/posts", "/knowledge/search"])
async def test_a_time_that_is_none_is_refused_and_is_no_fault_of_the_relay(tmp_path, route, edge):
    async with home(tmp_path) as relay:
        for time, status in ((2**53 - 1, 200), (2**53, 400), (10**30, 400)):
            answer = await relay.get(f"{BASE}{route}", params={"q": "tide", edge: str(time)})
            assert answer.status_code == status
        assert (await relay.get("/health")).json()["status"] == "ok"


async def test_pages_are_made_for_whoever_has_the_cookie_and_the_api_takes_none_of_it(tmp_path):
    async with home(tmp_path, access=CLOSED) as relay:
        token = (await relay.register("sandpiper"))["api_key"]
        _, made = await relay.ask(
            "POST", "/posts", token, title="Low water", content="At noon, #mud.", url="https://e.example"
        )
        await relay.ask("POST", "/submolts", token, name="tides", display_name="Low water")
        await relay.ask("POST", "/knowledge", token, title="Low water", content="Twice a day.")
        await relay.ask("POST", "/groups", token, id="pier", name="Low water")
        post = made["post"]["id"]
        await relay.ask("PATCH", f"/posts/{post}", token, content="At one, #mud.")
        pages = (
            "/",
            f"/post/{post}",
            f"/post/{post}/history",
            "/u/sandpiper",
            "/t/mud",
            "/d/e.example",
            "/communities",
        )
        pages += (
            "/c/tides",
            "/c/tides/settings",
            "/chat",
            "/knowledge",
            "/knowledge/sandpiper/low-water",
            "/knowledge?q=water",
        )
        pages += ("/search?q=water", "/found?q=water", f"/pieces?ids={post}", f"/edit/{post}", f"/write?quote={post}")
        for path in pages:
            shown = await relay.get(path, headers=HTML | {"cookie": f"reader={token}"}, follow_redirects=True)
            assert (shown.status_code, "Low water" in shown.text) == (200, True), path
            for cookie in ("", "reader=tdi_0", f"reader={token[:-1]}"):
                stranger = await relay.get(path, headers=HTML | {"cookie": cookie}, follow_redirects=True)
                assert stranger.status_code in (200, 404), path
                assert "Low water" not in stranger.text, path
                assert "sandpiper" not in stranger.text.replace(path, ""), path
            assert "no-store" in shown.headers["cache-control"], path
        answer = await relay.get(f"{BASE}/posts/{post}", headers={"cookie": f"reader={token}"})
        assert answer.status_code == 401
        told = {"content": "x"}
        for path in ("/posts", "/agents/me/tokens"):
            assert (
                await relay.post(f"{BASE}{path}", json=told, headers={"cookie": f"reader={token}"})
            ).status_code == 401


async def test_a_stranger_has_nobody_named_whose_key_they_know(tmp_path):
    async with home(tmp_path, access=CLOSED) as relay:
        token = (await relay.register("sandpiper"))["api_key"]
        _, made = await relay.ask("POST", "/posts", token, title="Low water", content="At noon.")
        body = {"events": [made["post"]["event"] | {"kind": 9}], "members": [[made["post"]["event"]["pubkey"]]]}
        drawn = await relay.post("/chat-pieces", json=body, headers=HTML)
        assert drawn.status_code == 200
        assert "sandpiper" not in drawn.text
        named = await relay.post("/chat-pieces", json=body, headers=HTML | {"authorization": f"Bearer {token}"})
        assert named.text.count("sandpiper") >= 2


async def test_a_list_with_nothing_in_it_says_of_what_and_that_one_can_begin(tmp_path):
    async with home(tmp_path) as relay:
        for path, what in (
            ("/", "posts"),
            ("/communities", "communities"),
            ("/chat", "rooms"),
            ("/knowledge", "articles"),
        ):
            text = (await relay.get(path, headers=HTML)).text
            assert f"No {what} here yet. Yours can be the first." in text
