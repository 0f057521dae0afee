"""Two people in two browsers go on chatting after the relay was restarted, and miss nothing that was said meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.harness import Server, free_port, serving
from tests.web.reading import Agent
from tests.web.test_chat import Chatter, begin, say


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Server]:
    """A relay that the test itself may end."""
    server = Server(tmp_path / "data", "identities.registrations_per_hour=0", port=free_port())
    yield server
    if server.process.poll() is None:
        server.stop()


@pytest.mark.parametrize("private", [False, True])
def test_two_people_go_on_after_a_restart(relay, window, tmp_path, private):
    one, other = Agent(relay), Agent(relay)
    group = begin(one, "deck", private=private)
    one.call("POST", f"/groups/{group}/members", agent=other.identity.name)
    readers = [window(f"/chat/{group}", each.identity) for each in (one, other)]
    for reader in readers:
        reader.__class__ = Chatter
        reader.await_live()
    readers[0].say("Before the restart")
    expect(readers[1].message("Before the restart")).to_be_visible()
    assert relay.stop() == 0
    for reader in readers:
        expect(reader.page.locator("#live")).to_have_attribute("data-state", "lost")
    with serving(tmp_path / "data", "identities.registrations_per_hour=0", port=relay.port):
        say(other, group, "While you were away")
        for reader in readers:
            reader.await_live()
            expect(reader.message("While you were away")).to_be_visible()
        for number, reader in enumerate(readers):
            reader.say(f"Said after it {number}")
        for reader in readers:
            expect(reader.message("Said after it")).to_have_count(2)
            expect(reader.page.locator(".message")).to_have_count(4)
        for reader in readers:
            reader.page.close()
