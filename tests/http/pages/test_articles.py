"""`/knowledge` for people, over a real relay."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from keys.encoding import encode
from relay.protocol.event import Event
from tests.factories import make_event
from tests.http.api.homes import Home, home
from tests.http.api.workers import project, user

TEXT = "# Low water\n\nTwice a *day*. See [[High water]].\n\n## When\n\nNoon.\n\n## Where\n\nHere."


async def write(relay: Home, token: str, title: str, content: str = TEXT, **more: Any) -> dict[str, Any]:
    status, answer = await relay.ask("POST", "/knowledge", token, title=title, content=content, **more)
    assert status == 201, answer
    document: dict[str, Any] = answer["document"]
    return document


async def own(relay: Home, name: str) -> str:
    """A new identity's token."""
    return str((await relay.register(name))["api_key"])


def wiki(key: int, name: str) -> Event:
    return make_event(key, 30818, "Water.", [("d", name)])


async def test_an_article_is_rendered_with_its_contents_tags_source_and_author(tmp_path: Path) -> None:
    async with home(tmp_path) as relay:
        token = await own(relay, "maren")
        await write(relay, token, "Low water", tags=["tides", "a/b"], source="https://www.example.org/tides")
        page = await relay.get("/knowledge/maren/low-water")
        assert page.status_code == 200
        for part in (
            '<h2 id="part-low-water">Low water</h2>',
            "<em>day</em>",
            '<a href="/knowledge/high-water">High water</a>',
            'href="#part-when"',
            'href="/knowledge?tag=tides"',
            'href="/knowledge?tag=a%2Fb"',
            "example.org ↗",
            'href="/u/maren"',
        ):
            assert part in page.text, part


async def test_what_an_article_said_before_is_shown_line_by_line(tmp_path: Path) -> None:
    async with home(tmp_path) as relay:
        token = await own(relay, "maren")
        await write(relay, token, "Low water", "Twice a day.\nAt noon.")
        assert "What it said before" not in (await relay.get("/knowledge/maren/low-water")).text
        document = await write(relay, token, "Low water", "Twice a day.\nAt one.")
        page = (await relay.get("/knowledge/maren/low-water")).text
        assert '<a href="/knowledge/maren/low-water/history">What it said before</a>' in page
        history = (await relay.get("/knowledge/maren/low-water/history")).text
        for part in ("<del>At noon.</del>", "<ins>At one.</ins>", "<p>Twice a day.</p>", "← Back to the article"):
            assert part in history, part
        assert history.count(f'data-kept="/api/v1/knowledge/{document["id"]}/history"') == 1
        assert (await relay.get("/knowledge/maren/high-water/history")).status_code == 404


async def test_an_article_is_found_by_every_name_of_its_author_and_has_one_address(tmp_path: Path) -> None:
    async with home(tmp_path) as relay:
        document = await write(relay, await own(relay, "maren"), "Low water")
        pubkey = document["event"]["pubkey"]
        for author in ("Maren", pubkey, encode("npub", pubkey), "%6Daren"):
            answer = await relay.get(f"/knowledge/{author}/low-water")
            at = answer.headers.get("location") or answer.url.path
            assert at == "/knowledge/maren/low-water"
        assert (await relay.get(f"/text/{document['id']}")).headers["location"] == "/knowledge/maren/low-water"
        for missing in ("/knowledge/nobody/low-water", "/knowledge/maren/none", "/knowledge/npub1x/low-water"):
            assert (await relay.get(missing)).status_code == 404


async def test_a_name_may_hold_any_character(tmp_path: Path) -> None:
    awkward = 'a/b c?#<i>&"'
    async with home(tmp_path) as relay:
        code = (await relay.ask("POST", "/agents/me/keys/claims", await own(relay, "maren")))[1]["code"]
        proof = make_event(5, 28934, "", [("-",), ("claim", code)], int(time.time()))
        assert (await relay.hand_in(proof))[0] == 201
        assert (await relay.hand_in(wiki(5, awkward)))[0] == 201
        path = f"/knowledge/maren/{quote(awkward, safe='')}"
        assert f'href="{path}"' in (await relay.get("/knowledge")).text
        assert "Water." in (await relay.get(path)).text


async def test_since_when_and_the_newest_version_are_shown(tmp_path: Path) -> None:
    async with home(tmp_path) as relay:
        token = await own(relay, "maren")
        first = await write(relay, token, "Low water", "Once a day.")
        second = await write(relay, token, "Low water", "Twice a day.")
        third = await write(relay, token, "Low water", "Twice a day, or so.")
        published = [tag for tag in third["event"]["tags"] if tag[0] == "published_at"]
        assert published == [["published_at", str(first["event"]["created_at"])]]
        assert second["id"] != third["id"]
        page = (await relay.get("/knowledge/maren/low-water")).text
        assert "Twice a day, or so." in page
        assert "Once a day" not in page
        assert "since " in page


async def test_a_wiki_link_leads_to_the_one_article_or_to_all_of_that_name(tmp_path: Path) -> None:
    async with home(tmp_path) as relay:
        await write(relay, await own(relay, "maren"), "Low water")
        assert (await relay.get("/knowledge/low-water")).headers["location"] == "/knowledge/maren/low-water"
        await write(relay, await own(relay, "tomas"), "Low water", "Half a metre.")
        page = await relay.get("/knowledge/low-water")
        assert page.status_code == 200
        for name in ("maren", "tomas"):
            assert f'href="/knowledge/{name}/low-water"' in page.text
        missing = await relay.get("/knowledge/spring-tide")
        assert missing.status_code == 404
        assert "Nobody has written about this yet" in missing.text


async def test_the_list_is_paged_narrowed_and_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.http.pages.page.PAGE", 2)
    async with home(tmp_path) as relay:
        maren, tomas = await own(relay, "maren"), await own(relay, "tomas")
        for number in range(3):
            await write(relay, maren, f"Low water {number}", f"The ebb, number {number}.", tags=["tides"])
        await write(relay, tomas, "Fog", "Horns at night.")

        def titles(page: Any) -> set[str]:
            return {
                title for title in ("Low water 0", "Low water 1", "Low water 2", "Fog") if f">{title}<" in page.text
            }

        first = await relay.get("/knowledge")
        assert len(titles(first)) == 2
        following = first.text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
        second = await relay.get(f"/knowledge{following}")
        assert titles(first) | titles(second) == {"Low water 0", "Low water 1", "Low water 2", "Fog"}
        assert 'rel="next"' not in second.text
        assert titles(await relay.get("/knowledge?author=tomas")) == {"Fog"}
        assert "Fog" not in (await relay.get("/knowledge?tag=tides")).text
        found = await relay.get("/knowledge?q=horns")
        assert titles(found) == {"Fog"}
        assert "<mark>Horns</mark>" in found.text
        assert "Nothing was found" in (await relay.get("/knowledge?tag=none")).text
        assert "cursor" in (await relay.get("/knowledge?cursor=x")).text


async def test_what_belongs_to_a_group_is_on_none_of_these_pages(tmp_path: Path) -> None:
    async with home(tmp_path) as relay:
        await write(relay, await own(relay, "maren"), "Everybody's")
        ann = await user(relay, 11)
        for there in (await project(ann, public=True), await project(ann)):
            await ann.told("POST", f"projects/{there}/knowledge", {"title": "Ours", "content": "Scoped words."}, 201)
        assert "Ours" in str(await relay.ask("GET", "/knowledge"))  # of the public one
        listed = (await relay.get("/knowledge")).text
        assert ("Everybody" in listed, "Ours" in listed) == (True, False)
        assert (await relay.get("/knowledge/ours")).status_code == 404
        assert "Ours" not in (await relay.get("/knowledge?q=scoped")).text


async def test_what_is_near_in_meaning_is_linked(tmp_path: Path) -> None:
    async with home(tmp_path) as relay:
        token = await own(relay, "maren")
        await write(relay, token, "Low water", "The tide is low twice a day, the sea goes out.")
        await write(relay, token, "High water", "The tide is high twice a day, the sea comes in.")
        await write(relay, token, "Soup", "Onions, carrots, a pot and an hour.")
        await relay.site.engine.reembed(relay.site.config.search)
        page = (await relay.get("/knowledge/maren/low-water")).text
        near = page.partition("Near to this")[2]
        assert 'href="/knowledge/maren/high-water"' in near
        assert "soup" not in near


async def test_a_relay_for_known_readers_shows_nothing(tmp_path: Path) -> None:
    async with home(tmp_path, access={"auth_to_read": True}) as relay:
        await write(relay, await own(relay, "maren"), "Low water")
        assert "Low water" not in (await relay.get("/knowledge")).text
        for path in ("/knowledge/maren/low-water", "/knowledge/low-water"):
            assert (await relay.get(path)).status_code == 404
