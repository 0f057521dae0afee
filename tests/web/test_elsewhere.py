"""What peers bring, on the page: where it is at home is told, however long the URL of that relay is."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.harness import HTTP, PATIENCE, Server, free_port, serving
from tests.federation.test_peers import settings
from tests.web.reading import Agent
from tests.web.test_communities import begin

PATH = "/" + "harbour" * 20


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port = free_port()
    with serving(
        tmp_path_factory.mktemp("there") / "data", f"relay.url=ws://127.0.0.1:{port}{PATH}", port=port
    ) as server:
        server.url = server.url.removesuffix(PATH)  # its pages are at the root
        yield server


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory, there: Server) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("here")
    file = settings(directory / "here.toml", f"{there.url}{PATH}")
    with serving(directory / "data", file=file) as server:
        yield server


def test_on_a_narrow_phone_nothing_of_another_relay_is_wider_than_the_screen(relay, there, window):
    writer = Agent(there)
    begin(writer, "sailing", name="Sailing")
    post = writer.post("Knots", submolt="sailing")
    deadline = time.monotonic() + PATIENCE
    while not HTTP.get(f"{relay.http}/api/v1/posts/{post}").is_success:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    reader = window("/", viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True)
    page = reader.page
    for path in ("/communities", "/?sort=new", f"/post/{post}", f"/u/{writer.identity.id}"):
        reader.go(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
    reader.go(f"/post/{post}")
    expect(page.get_by_text(f"via {there.http[7:]}", exact=True)).to_be_visible()
