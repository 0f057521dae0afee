"""Previews of links: each page is read once and not by readers, whoever fails, and only where the operator wants that."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relay.http.link_previews import FAILED, KEPT, MAX_WAITING, READING, LinkPreviews
from relay.protocol import kinds
from relay.protocol.groups.belonging import CREATE_GROUP, EDIT_METADATA
from relay.server.web_requests.page_reading import UnreadablePage
from relay.server.web_requests.page_summary import PageSummary
from storage.errors import StorageError
from storage.feed import LinkPreview
from tests.factories import make_event
from tests.http.api.conftest import Api
from tests.http.api.homes import Home, home

PATIENCE = 15.0


class Web:
    """Pages, as they are read. `now` is the time that previews go by; what `held` waits for is not answered before."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Callable[[str], PageSummary] = lambda url: PageSummary(f"Of {url[-1]}", "", "")
        self.now = 1000.0
        self.at_once: dict[str, int] = {}
        self.most_at_once = 0
        self.held: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(0)
        self._came = asyncio.Condition()

    async def read(self, url: str) -> PageSummary:
        host = url.split("/")[2]
        async with self._came:
            self.asked.append(url)
            self._came.notify_all()
        self.at_once[host] = self.at_once.get(host, 0) + 1
        assert self.at_once[host] == 1
        self.most_at_once = max(self.most_at_once, sum(self.at_once.values()))
        await self.held()
        self.at_once[host] -= 1
        return self.answer(url)

    async def until(self, number: int) -> None:
        """Returns when so many pages were asked for."""
        async with asyncio.timeout(PATIENCE), self._came:
            await self._came.wait_for(lambda: len(self.asked) >= number)


@asynccontextmanager
async def previewing(relay: Home, web: Web) -> AsyncIterator[LinkPreviews]:
    previews = LinkPreviews(relay.site, web.read, relay.site.hub.ingest.execute, lambda: web.now)
    try:
        yield previews
    finally:
        await previews.close()


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path, links={"previews": "public"}) as made:
        yield made


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
async def alice(relay: Home) -> Api:
    return await Api(relay).registered("alice")


async def linked(api: Api, url: str) -> str:
    """The id of a post with this link."""
    return str((await api.told("POST", "posts", {"title": f"To {url}", "url": url}, 201))["post"]["id"])


async def kept(relay: Home, post: str) -> LinkPreview | None:
    (row,) = await relay.site.feed.posts_by_id([post], 1)
    return (await relay.site.feed.link_previews([row.seq])).get(row.seq)


async def settled(previews: LinkPreviews, web: Web, asked: int) -> None:
    """So many pages were asked for, and nothing waits."""
    await web.until(asked)
    async with asyncio.timeout(PATIENCE):
        await previews.settle()


async def test_a_new_posts_link_is_read_and_shown_on_its_page(relay: Home, web: Web, alice: Api) -> None:
    web.answer = lambda _: PageSummary("High <b>water</b>", "About it & more", "https://cdn.example/p.png?a=1&b=2")
    async with previewing(relay, web) as previews:
        post = await linked(alice, "https://news.example/a")
        await alice.post("Without a link")
        await settled(previews, web, 1)
    assert web.asked == ["https://news.example/a"]
    assert await kept(relay, post) == LinkPreview(
        "High <b>water</b>", "About it & more", "https://cdn.example/p.png?a=1&b=2"
    )
    page = (await relay.get(f"/post/{post}")).text
    card = page[page.index('class="link-card"') : page.index("</section>", page.index('class="link-card"'))]
    assert "High &lt;b&gt;water&lt;/b&gt;" in card
    assert "About it &amp; more" in card
    assert 'href="https://cdn.example/p.png?a=1&amp;b=2"' in card
    assert "<img" not in page
    assert "link-card" not in (await relay.get("/")).text
    assert (await alice.get(f"posts/{post}"))["post"]["link_preview"] == {
        "url": "https://news.example/a",
        "title": "High <b>water</b>",
        "description": "About it & more",
        "picture": "https://cdn.example/p.png?a=1&b=2",
    }
    assert "link_preview" not in (await alice.get("posts"))["posts"][0]
    relay.site.hub.configure(relay.site.config.__class__())
    assert "link-card" not in (await relay.get(f"/post/{post}")).text
    assert (await alice.get(f"posts/{post}"))["post"]["link_preview"] is None


async def test_a_text_that_is_nothing_but_a_link_is_previewed_until_it_is_edited(
    relay: Home, web: Web, alice: Api
) -> None:
    texts = (
        " https://news.example/a\n",
        "<https://news.example/b>",
        "See https://news.example/c",
        "http://u@news.example/d",
    )
    async with previewing(relay, web) as previews:
        posts = [(await alice.post("Look", content=text))["id"] for text in texts]
        await settled(previews, web, 2)
        assert web.asked == ["https://news.example/a", "https://news.example/b"]
        card = (await alice.get(f"posts/{posts[1]}"))["post"]["link_preview"]
        assert card == {"url": "https://news.example/b", "title": "Of b", "description": None, "picture": None}
        assert (
            'href="https://news.example/a" rel="nofollow ugc noopener noreferrer">\n    <b'
            in (await relay.get(f"/post/{posts[0]}")).text
        )
        await alice.told("PATCH", f"posts/{posts[0]}", {"content": "https://evil.example/a"})
        assert (await alice.get(f"posts/{posts[0]}"))["post"]["link_preview"] is None
        assert "link-card" not in (await relay.get(f"/post/{posts[0]}")).text


async def test_a_preview_goes_with_its_post(relay: Home, web: Web, alice: Api) -> None:
    async with previewing(relay, web) as previews:
        post = await linked(alice, "https://news.example/a")
        await settled(previews, web, 1)
        (row,) = await relay.site.feed.posts_by_id([post], 1)
        await alice.told("DELETE", f"posts/{post}", None, 200)
        assert await relay.site.feed.link_previews([row.seq]) == {}


async def test_where_nobody_wants_it_nothing_is_asked(tmp_path: Path, web: Web) -> None:
    async with home(tmp_path) as relay, previewing(relay, web) as previews:
        await linked(await Api(relay).registered("alice"), "https://news.example/a")
        await previews.settle()
        assert web.asked == []


async def test_a_link_among_members_is_left_alone(relay: Home, web: Web, alice: Api) -> None:
    now = int(time.time())
    made = make_event(7, CREATE_GROUP, "", [["h", "closed"]], now)
    closed = make_event(7, EDIT_METADATA, "", [["h", "closed"], ["name", "Closed"], ["private"]], now)
    inside = make_event(7, kinds.POST, "", [["title", "In"], ["h", "closed"], ["r", "https://news.example/in"]], now)
    async with previewing(relay, web) as previews:
        for event in (made, closed, inside):
            status, told = await relay.hand_in(event)
            assert status in (200, 201), told
        await linked(alice, "https://news.example/out")
        await settled(previews, web, 1)
        assert web.asked == ["https://news.example/out"]


async def test_the_same_link_is_asked_for_once_in_a_while(relay: Home, web: Web, alice: Api) -> None:
    async with previewing(relay, web) as previews:
        first, second = [await linked(alice, "https://news.example/a") for _ in range(2)]
        await settled(previews, web, 1)
        assert await kept(relay, first) == await kept(relay, second) == LinkPreview("Of a", "", "")
        assert len(web.asked) == 1
        web.now += KEPT + 1
        await linked(alice, "https://news.example/a")
        await settled(previews, web, 2)


@pytest.mark.parametrize(("host_failed", "asked"), [(False, 2), (True, 1)])
async def test_what_fails_is_left_alone_for_a_while(
    relay: Home, web: Web, alice: Api, host_failed: bool, asked: int
) -> None:
    def fail(_: str) -> PageSummary:
        raise UnreadablePage("the answer was 500", host_failed)

    web.answer = fail
    async with previewing(relay, web) as previews:
        post = await linked(alice, "https://news.example/a")
        await settled(previews, web, 1)
        for name in "ab":
            await linked(alice, f"https://news.example/{name}")
        await settled(previews, web, asked)
        assert len(web.asked) == asked
        assert await kept(relay, post) is None
        web.now += FAILED + 1
        await linked(alice, "https://news.example/a")
        await settled(previews, web, asked + 1)


async def test_what_fails_at_one_port_says_nothing_of_another(relay: Home, web: Web, alice: Api) -> None:
    def fail(url: str) -> PageSummary:
        if ":4430/" in url:
            raise UnreadablePage("it could not be reached", host_failed=True)
        return PageSummary("Of it", "", "")

    web.answer = fail
    async with previewing(relay, web) as previews:
        await linked(alice, "https://news.example:4430/")
        await settled(previews, web, 1)
        post = await linked(alice, "https://news.example/")
        await settled(previews, web, 2)
        assert await kept(relay, post) == LinkPreview("Of it", "", "")


async def test_a_page_that_takes_too_long_says_nothing_of_others_there(
    relay: Home, web: Web, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.http.link_previews.TIMEOUT", 0.0)
    async with previewing(relay, web) as previews:
        await linked(alice, "https://news.example/leads-elsewhere")
        await settled(previews, web, 1)
        monkeypatch.setattr("relay.http.link_previews.TIMEOUT", PATIENCE)
        web.at_once.clear()
        post = await linked(alice, "https://news.example/a")
        await settled(previews, web, 2)
        assert await kept(relay, post) == LinkPreview("Of a", "", "")


async def test_what_nobody_foresaw_fails_one_link_only(relay: Home, web: Web, alice: Api) -> None:
    def fail(url: str) -> PageSummary:
        if url.endswith("/0"):
            raise RuntimeError("as a parser may")
        return PageSummary("Of it", "", "")

    gate = asyncio.Event()
    web.held, web.answer = gate.wait, fail
    async with previewing(relay, web) as previews:
        posts = [await linked(alice, f"https://news.example/{number}") for number in range(3)]
        gate.set()
        await settled(previews, web, 3)
        assert [await kept(relay, post) is not None for post in posts] == [False, True, True]


async def test_the_link_of_a_post_that_is_gone_meanwhile_is_not_read(relay: Home, web: Web, alice: Api) -> None:
    gate = asyncio.Event()
    web.held = gate.wait
    async with previewing(relay, web) as previews:
        await linked(alice, "https://news.example/first")
        gone = await linked(alice, "https://news.example/gone")
        await linked(alice, "https://news.example/last")
        await web.until(1)
        await alice.told("DELETE", f"posts/{gone}", None, 200)
        gate.set()
        await settled(previews, web, 2)
    assert web.asked == ["https://news.example/first", "https://news.example/last"]


async def test_links_of_one_host_leave_room_for_others(
    relay: Home, web: Web, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.http.link_previews.MAX_WAITING", 4)
    monkeypatch.setattr("relay.http.link_previews.MOST_OF_HOST", 2)
    gate = asyncio.Event()
    web.held = gate.wait
    async with previewing(relay, web) as previews:
        for number in range(6):
            await linked(alice, f"https://slow.example/{number}")
        await linked(alice, "https://news.example/a")
        gate.set()
        async with asyncio.timeout(PATIENCE):
            await previews.settle()
        assert "https://news.example/a" in web.asked


async def test_one_page_of_a_host_at_once_and_few_in_all(relay: Home, web: Web, alice: Api) -> None:
    gate = asyncio.Event()
    web.held = gate.wait
    async with previewing(relay, web) as previews:
        posts = [await linked(alice, f"https://host{number % 6}.example/{number}") for number in range(12)]
        await web.until(READING)
        gate.set()
        await settled(previews, web, len(posts))
        assert web.most_at_once == READING
        assert all([await kept(relay, post) for post in posts])


async def test_what_waits_is_bounded(relay: Home, web: Web, alice: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_WAITING < 1000
    monkeypatch.setattr("relay.http.link_previews.MAX_WAITING", 2)
    gate = asyncio.Event()
    web.held = gate.wait
    async with previewing(relay, web) as previews:
        for number in range(8):
            await linked(alice, f"https://news.example/{number}")
        gate.set()
        async with asyncio.timeout(PATIENCE):
            await previews.settle()
        assert 1 <= len(web.asked) <= 3  # one that is asked, and what waits


async def test_whoever_starts_next_looks_at_the_newest_posts(relay: Home, web: Web, alice: Api) -> None:
    post = await linked(alice, "https://news.example/a")
    async with previewing(relay, web) as previews:
        other = await linked(alice, "https://news.example/b")
        await settled(previews, web, 2)
        assert await kept(relay, post) == LinkPreview("Of a", "", "")
        assert await kept(relay, other) == LinkPreview("Of b", "", "")
    async with previewing(relay, web) as previews:
        await previews.settle()
        assert len(web.asked) == 2  # what was read is not read again
        await linked(alice, "https://news.example/c")
        await settled(previews, web, 3)
    assert sorted(web.asked) == [f"https://news.example/{name}" for name in "abc"]


async def test_what_could_not_be_looked_up_is_looked_at_with_the_next_commit(
    relay: Home, web: Web, alice: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = await linked(alice, "https://news.example/a")

    async def fails(*_: object, **_more: object) -> None:
        raise StorageError("the disk cannot be read")

    with monkeypatch.context() as patched:
        for name in ("posts", "posts_by_id"):
            patched.setattr(relay.site.feed, name, fails)
        async with previewing(relay, web) as previews:
            async with asyncio.timeout(PATIENCE):
                await previews.settle()
            patched.undo()
            later = await linked(alice, "https://other.example/b")
            await settled(previews, web, 2)
    assert await kept(relay, earlier) is not None
    assert await kept(relay, later) is not None
