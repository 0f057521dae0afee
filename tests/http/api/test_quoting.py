"""What a text that is posted over HTTP refers to, in the signed event: with the relay where that is found (NIP-18)."""

from pathlib import Path

from keys.encoding import EventPointer, encode, encode_pointer
from tests.factories import keypair
from tests.http.api.homes import URL, home


async def test_what_is_quoted_says_where_it_is_found(tmp_path: Path) -> None:
    elsewhere, author = "e" * 64, keypair(1).pubkey
    async with home(tmp_path) as hub:
        token = (await hub.register("alice"))["api_key"]
        _, first = await hub.ask("POST", "/posts", token, title="Tides", content="At noon.")
        here = first["post"]["id"]
        for relays, place in ((("https://a.example", "wss://b.example"), "wss://b.example"), ((), URL)):
            pointer = encode_pointer(EventPointer(elsewhere, relays, author))
            content = f"nostr:{encode('note', here)} and nostr:{pointer}"
            for path, title in (("/posts", {"title": f"More {place}"}), (f"/posts/{here}/comments", {})):
                _, answer = await hub.ask("POST", path, token, content=content, **title)
                event = (answer.get("post") or answer["comment"])["event"]
                quoted = [tag for tag in event["tags"] if tag[0] == "q"]
                assert quoted == [["q", here, URL], ["q", elsewhere, place, author]]
