"""One identity, one face, whichever of its keys signs: the profile, the posts, the colour, and kind 0 of each key."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.protocol import kinds
from relay.protocol.event import Event, values
from relay.protocol.filter import Filter
from tests.factories import PNG, keypair, make_event
from tests.http.api.homes import BASE, URL, Home, home
from tests.http.api.proofs import ORIGIN, proof

KEYS = "/agents/me/keys"
OWN = keypair(5).pubkey


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path) as client:
        yield client


async def bind(hub: Home, agent: dict[str, Any], key: int = 5, **more: Any) -> dict[str, Any]:
    given = proof(key, "POST", f"{ORIGIN}{BASE}{KEYS}", agent["id"].encode())
    status, answer = await hub.ask("POST", KEYS, agent["api_key"], proof=given, **more)
    assert status == 201, answer
    found: dict[str, Any] = answer
    return found


async def newest(hub: Home, pubkey: str, kind: int = kinds.METADATA) -> Event:
    wanted = Filter(kinds=frozenset([kind]), authors=frozenset([pubkey]))
    (event,) = [
        Event(**json.loads(found)) for found in (await hub.site.reader.query([wanted], frozenset(), _now())).wires
    ]
    return event


def _now() -> int:
    return int(time.time())


def main(answer: dict[str, Any]) -> list[str]:
    return [row["pubkey"] for row in answer["keys"] if row["main"]]


def signed(owed: dict[str, Any], key: int = 5) -> Event:
    return make_event(key, owed["kind"], owed["content"], owed["tags"], created_at=owed["created_at"])


async def test_binding_a_key_changes_neither_the_profile_nor_who_signs(hub: Home) -> None:
    agent = await hub.register("Alice")
    answer = await bind(hub, agent)
    assert main(answer) == [agent["pubkey"]]
    post = (await hub.ask("POST", "/posts", agent["api_key"], title="Hello"))[1]["post"]
    profile = (await hub.ask("GET", "/agents/alice"))[1]
    assert post["author"]["pubkey"] == profile["pubkey"] == post["event"]["pubkey"] == agent["pubkey"]
    found = (await hub.get("/.well-known/nostr.json?name=alice")).json()
    assert found["names"] == {"alice": agent["pubkey"]}


async def test_the_owner_chooses_which_key_signs_and_everything_follows(hub: Home) -> None:
    agent = await hub.register("Alice")
    await bind(hub, agent)
    status, answer = await hub.ask("POST", f"{KEYS}/{OWN}/choose", agent["api_key"])
    assert (status, main(answer)) == (200, [OWN])
    status, owed = await hub.ask("POST", "/posts", agent["api_key"], title="Hello")
    assert (status, owed["event"]["pubkey"]) == (409, OWN)
    assert (await hub.hand_in(signed(owed["event"])))[0] == 201
    assert (await hub.ask("GET", "/agents/alice"))[1]["pubkey"] == OWN
    assert (await hub.get("/.well-known/nostr.json?name=alice")).json()["names"] == {"alice": OWN}
    assert "nip05" not in json.loads((await newest(hub, agent["pubkey"])).content)
    assert json.loads(answer["unsigned"][0]["content"])["nip05"] == "alice@relay.example:7447"
    status, answer = await hub.ask("POST", f"{KEYS}/{agent['pubkey']}/choose", agent["api_key"])
    assert (status, main(answer)) == (200, [agent["pubkey"]])
    assert (await hub.ask("POST", "/posts", agent["api_key"], title="Again"))[0] == 201
    assert "nip05" in json.loads((await newest(hub, agent["pubkey"])).content)


async def test_a_key_that_signs_no_more_is_not_chosen(hub: Home) -> None:
    agent = await hub.register("Alice")
    await bind(hub, agent, retire=True)
    for pubkey, status in ((agent["pubkey"], 409), (keypair(9).pubkey, 404)):
        assert (await hub.ask("POST", f"{KEYS}/{pubkey}/choose", agent["api_key"]))[0] == status


async def test_an_own_key_is_handed_a_profile_that_keeps_what_it_said(hub: Home) -> None:
    before = make_event(5, 0, '{"name":"al","picture":"https://x.example/a.png"}', [["i", "y", "z"]], created_at=_now())
    assert (await hub.hand_in(before))[0] == 201
    agent = await hub.register("Alice", description="Counts the waves.")
    (owed,) = (await bind(hub, agent))["unsigned"]
    said = json.loads(owed["content"])
    assert (owed["pubkey"], owed["kind"], owed["tags"]) == (OWN, 0, [["i", "y", "z"]])
    assert said == {
        "name": "Alice",
        "about": "Counts the waves.",
        "picture": "https://x.example/a.png",
    }
    assert (await hub.hand_in(signed(owed)))[0] == 201
    assert (await hub.ask("GET", KEYS, agent["api_key"]))[1]["unsigned"] == []


async def test_a_profile_says_nothing_that_its_identity_has_not(hub: Home) -> None:
    agent = await hub.register("Alice")
    bare = {"name": "Alice", "nip05": "alice@relay.example:7447"}
    assert json.loads((await newest(hub, agent["pubkey"])).content) == bare
    for display_name, about in (("Alice II", "Counts."), ("Alice", "")):
        _, answer = await hub.ask("PATCH", "/agents/me", agent["api_key"], display_name=display_name, description=about)
    assert json.loads(answer["event"]["content"]) == bare


async def test_an_edit_hands_out_the_profiles_of_own_keys(hub: Home) -> None:
    agent = await hub.register("Alice")
    await hub.hand_in(signed((await bind(hub, agent))["unsigned"][0]))
    _, answer = await hub.ask("PATCH", "/agents/me", agent["api_key"], display_name="Alice II")
    assert json.loads(answer["event"]["content"])["display_name"] == "Alice II"
    (owed,) = answer["unsigned"]
    assert json.loads(owed["content"])["display_name"] == "Alice II"


async def test_the_held_key_follows_a_profile_that_an_own_key_publishes(hub: Home) -> None:
    agent = await hub.register("Alice")
    await bind(hub, agent)
    text = '{"name":"al","display_name":"Al","about":"Moved","picture":"https://x.example/a.png","lud16":"a@b.example"}'
    assert (await hub.hand_in(make_event(5, 0, text, created_at=_now())))[0] == 201
    await hub.site.identities.profiles.settle()
    said = json.loads((await newest(hub, agent["pubkey"])).content)
    assert (said["name"], said["display_name"], said["about"]) == ("Alice", "Al", "Moved")
    assert said["picture"] == "https://x.example/a.png"
    assert "lud16" not in said


async def test_a_profile_that_is_deleted_is_not_shown_and_the_held_key_says_it_no_more(hub: Home) -> None:
    agent = await hub.register("Alice")
    await bind(hub, agent)
    text = (
        '{"display_name":"Al","about":"Moved","picture":"https://x.example/a.png","banner":"https://x.example/b.png"}'
    )
    profile = make_event(5, 0, text, created_at=_now())
    assert (await hub.hand_in(profile))[0] == 201
    await hub.site.identities.profiles.settle()
    assert (await hub.ask("GET", "/agents/alice"))[1]["description"] == "Moved"
    assert (await hub.hand_in(make_event(5, kinds.DELETION, tags=[["e", profile.id]], created_at=_now())))[0] == 201
    await hub.site.identities.profiles.settle()
    found = (await hub.ask("GET", "/agents/alice"))[1]
    assert (found["display_name"], found["description"]) == ("Alice", None)
    said = json.loads((await newest(hub, agent["pubkey"])).content)
    assert said == {"name": "Alice", "nip05": "alice@relay.example:7447", "picture": "", "banner": ""}


async def test_the_held_key_follows_a_profile_that_vanished_but_for_a_picture_of_its_own(hub: Home) -> None:
    agent = await hub.register("Alice")
    await bind(hub, agent)
    await hub.hand_in(make_event(5, 0, '{"about":"Moved"}', created_at=_now()))
    files = {"file": ("a.png", PNG, "image/png")}
    token = {"authorization": f"Bearer {agent['api_key']}"}
    url = (await hub.post(f"{BASE}/agents/me/avatar", files=files, headers=token)).json()["avatar_url"]
    await hub.site.identities.profiles.settle()
    assert json.loads((await newest(hub, agent["pubkey"])).content)["about"] == "Moved"
    vanish = make_event(5, kinds.VANISH, tags=[["relay", "ALL_RELAYS"]], created_at=_now())
    assert (await hub.hand_in(vanish))[0] == 201
    await hub.site.identities.profiles.settle()
    said = json.loads((await newest(hub, agent["pubkey"])).content)
    assert said == {"name": "Alice", "nip05": "alice@relay.example:7447", "picture": url}


async def test_the_held_key_follows_where_the_front_died_before_it_could(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with home(tmp_path) as hub:
        agent = await hub.register("Alice")
        await bind(hub, agent)
        await hub.site.identities.profiles.settle()
        monkeypatch.setattr(hub.site.identities.profiles, "changed", lambda _pubkey: None)
        pictured = make_event(5, 0, '{"picture":"https://x.example/a.png"}', created_at=_now())
        assert (await hub.hand_in(pictured))[0] == 201
    async with home(tmp_path) as hub:
        assert "picture" not in json.loads((await newest(hub, agent["pubkey"])).content)
        await hub.site.identities.profiles.resume()
        await hub.site.identities.profiles.settle()
        assert json.loads((await newest(hub, agent["pubkey"])).content)["picture"] == "https://x.example/a.png"


async def test_a_strangers_profile_moves_nothing(hub: Home) -> None:
    agent = await hub.register("Alice")
    before = await newest(hub, agent["pubkey"])
    await hub.hand_in(make_event(6, 0, '{"name":"Alice","about":"not me"}', created_at=_now()))
    await hub.site.identities.profiles.settle()
    assert await newest(hub, agent["pubkey"]) == before


async def test_posts_of_two_keys_have_one_colour_on_every_page(hub: Home) -> None:
    agent = await hub.register("Alice")
    await bind(hub, agent)
    await hub.ask("POST", "/posts", agent["api_key"], title="Held")
    assert (await hub.hand_in(make_event(5, kinds.POST, "", [["title", "Own"]], created_at=_now())))[0] == 201
    colours = set()
    for path in ("/", "/u/alice"):
        page = (await hub.get(path, headers={"accept": "text/html"})).text
        assert "Held" in page
        assert "Own" in page
        colours |= {part.split('"')[0].split()[0] for part in page.split("hue-")[1:]}
    assert len(colours) == 1


async def test_the_profile_page_says_which_key_signs(hub: Home) -> None:
    agent = await hub.register("Alice")
    await bind(hub, agent)
    page = (await hub.get("/u/alice/about", headers={"accept": "text/html"})).text
    assert "kept by this relay" in page
    assert "kept by the owner" in page


async def test_a_registered_key_tells_where_its_events_are(hub: Home) -> None:
    agent = await hub.register("Alice")
    assert (await newest(hub, agent["pubkey"], kinds.RELAY_LIST)).tags[0] == ["r", URL]
    assert (await newest(hub, agent["pubkey"], kinds.MESSAGE_RELAYS)).tags[0] == ["relay", URL]
    await hub.ask("PATCH", "/agents/me", agent["api_key"], description="Again")
    assert len(values(await newest(hub, agent["pubkey"], kinds.RELAY_LIST), "r")) == 1


async def test_what_the_hub_signs_says_where_its_targets_are(hub: Home) -> None:
    alice, bob = await hub.register("Alice"), await hub.register("Bob")
    post = (await hub.ask("POST", "/posts", alice["api_key"], title="Hello"))[1]["post"]
    path = f"/posts/{post['id']}"
    comment = (await hub.ask("POST", f"{path}/comments", bob["api_key"], content="Hi"))[1]["comment"]["event"]
    vote = (await hub.ask("POST", f"{path}/upvote", bob["api_key"]))[1]["event"]
    follow = (await hub.ask("POST", "/agents/alice/follow", bob["api_key"]))[1]["event"]
    hints = [tag[2] for event in (comment, vote, follow) for tag in event["tags"] if tag[0] in "eEpPaA"]
    assert hints == [URL] * 7
    assert ["e", post["id"], URL, alice["pubkey"]] in comment["tags"]


async def test_a_relay_without_a_public_url_gives_no_hints(tmp_path: Path) -> None:
    async with home(tmp_path, relay={}) as hub:
        alice = await hub.register("Alice")
        post = (await hub.ask("POST", "/posts", alice["api_key"], title="Hello"))[1]["post"]
        vote = (await hub.ask("POST", f"/posts/{post['id']}/upvote", alice["api_key"]))[1]["event"]
        assert {tag[2] for tag in vote["tags"] if tag[0] in "eEpPaA" and len(tag) > 2} == {""}
        wanted = Filter(kinds=frozenset([kinds.RELAY_LIST]))
        assert (await hub.site.reader.query([wanted], frozenset(), _now())).wires == []


async def test_the_relays_own_key_says_what_it_is_once(tmp_path: Path) -> None:
    given = {
        "url": "wss://hub.example/path",
        "name": "Harbour",
        "description": "Ships.",
        "icon": "https://hub.example/i.png",
    }
    async with home(tmp_path, relay=given) as hub:
        pubkey = hub.site.self_pubkey or ""
        await hub.site.identities.profiles.introduce_relay()
        said = await newest(hub, pubkey)
        assert json.loads(said.content) == {
            "name": "Harbour",
            "about": "Ships.",
            "picture": "https://hub.example/i.png",
            "nip05": "_@hub.example",
        }
        assert (await newest(hub, pubkey, kinds.RELAY_LIST)).tags == [["r", "wss://hub.example/path"]]
        await hub.site.identities.profiles.introduce_relay()
        assert await newest(hub, pubkey) == said
        assert (await hub.get("/.well-known/nostr.json?name=_")).json()["names"] == {"_": pubkey}
    async with home(tmp_path, relay=given | {"name": "Port"}) as hub:
        await hub.site.identities.profiles.introduce_relay()
        assert json.loads((await newest(hub, pubkey)).content)["name"] == "Port"
