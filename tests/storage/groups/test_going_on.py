"""The writer's role goes on with what a switch left to do, between other work and after a restart, and the page tells of it."""

from pathlib import Path

import pytest

from relay.roles.inside import WriterThread
from relay.roles.page import SharedPage
from storage.command_codec import decode
from storage.sqlite.writing.groups import moving
from tests.factories import make_event
from tests.roles.test_writer import Peer
from tests.storage.groups.world import World


def test_the_role_enters_events_anew_while_it_takes_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "AT_ONCE", 2)
    world = World(tmp_path)
    world.begin()
    world.send(*(world.make(1, 9, text=f"{n}") for n in range(40)))
    world.edit(["private"])
    assert world.writer.moving == 1
    world.writer.close()

    again = World(tmp_path)
    page, faults = SharedPage(("front", "writer"), fronts=1, addresses=10), list[str]()
    thread = WriterThread(again.writer, page, decode, lambda place, _error: faults.append(place))
    peer = Peer(thread.connect())
    assert page.moving == 1
    thread.start()
    turns = 0
    while page.moving:
        turns += 1
        peer.submit(make_event(5, 1, f"note {turns}"), first=turns)
        assert peer.tokens(1) == [turns]
        assert turns < 1000
    thread.close()
    peer.socket.close()
    assert faults == []
    private = again.writer.connection.execute("SELECT count(*) FROM events WHERE kind = 9 AND audience IS NULL")
    assert private.fetchone() == (0,)
    assert not again.writer.unfinished
    again.writer.close()
