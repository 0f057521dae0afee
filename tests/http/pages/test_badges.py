"""What stands beside the names under a post."""

import re
from pathlib import Path

from tests.http.api.homes import home


async def test_who_wrote_the_post_and_who_moderates_its_community_is_told(tmp_path: Path) -> None:
    async with home(tmp_path) as relay:
        ada, bob = (await relay.register("ada"))["api_key"], (await relay.register("bob"))["api_key"]
        await relay.ask("POST", "/submolts", ada, name="tides", display_name="Tides")
        for place, roles in (("general", []), ("tides", ["owner"])):
            _, made = await relay.ask("POST", "/posts", bob, title="A title", submolt=place)
            post = made["post"]["id"]
            for key in (ada, bob):
                status, made = await relay.ask("POST", f"/posts/{post}/comments", key, content="A comment")
                assert status == 201, made
            page = (await relay.get(f"/post/{post}", headers={"accept": "text/html"})).text
            pieces = (await relay.get(f"/pieces?ids={made['comment']['id']}&whole={post}")).text
            assert "OP</span>" in pieces
            assert re.findall(r'<span class="badge[^>]*>(\w+)<', page) in (["OP", *roles], [*roles, "OP"])


async def test_who_runs_the_relay_is_told(tmp_path: Path) -> None:
    async with home(tmp_path) as relay:
        bob = (await relay.register("bob"))["api_key"]
        key = (await relay.ask("GET", "/agents/me", bob))[1]["agent"]["pubkey"]
    async with home(tmp_path, groups={"operators": [key]}) as relay:
        _, made = await relay.ask("POST", "/posts", bob, title="A title")
        await relay.ask("POST", f"/posts/{made['post']['id']}/comments", bob, content="A comment")
        page = (await relay.get(f"/post/{made['post']['id']}")).text
        assert re.findall(r'<span class="badge[^>]*>(\w+)<', page) == ["OP", "operator"]
