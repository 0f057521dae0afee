"""Pages of events: where one goes on, and who may read what is on it."""

from types import SimpleNamespace
from typing import Any

import pytest

from relay.http.api import paging
from relay.http.problems import HttpProblem
from relay.protocol.event import wire
from relay.protocol.filter import Filter
from storage.base import Found
from tests.factories import make_event

SOME = [make_event(1, 9, f"{number}", created_at=2000 - number) for number in range(4)]


class TwoParts:
    """A reader whose answers come in two parts; it notes as whom the second one is read."""

    def __init__(self) -> None:
        self.read_as: list[Any] = []

    async def query(self, filters: Any, readers: Any, now: int, **_: Any) -> Found:
        return Found([wire(SOME[0])], (2, 3, 4), False)

    async def fetch(self, seqs: tuple[int, ...], now: int, readers: Any) -> list[bytes]:
        self.read_as.append(readers)
        return [wire(SOME[seq - 1]) for seq in seqs]


async def test_what_is_read_later_is_what_the_same_readers_may_read_then() -> None:
    reader = TwoParts()
    hub: Any = SimpleNamespace(reader=reader)
    readers = frozenset(["g:tide"])
    assert await paging.events(hub, Filter(limit=3), readers) == SOME[:3]
    assert reader.read_as == [readers]


def test_a_page_ends_where_the_next_one_begins() -> None:
    page, following = paging.cut(SOME, 3)
    assert page == SOME[:3]
    assert paging.place(following or "") == (SOME[2].created_at, SOME[2].id)
    assert paging.cut(SOME, 4) == (SOME, None)
    assert paging.cut([], 4) == ([], None)
    assert paging.place("") is None


@pytest.mark.parametrize(
    "cursor", ["x", "1", f"-{'a' * 64}", f"1-{'A' * 64}", f"{'9' * 19}-{'a' * 64}", f"²-{'a' * 64}"]
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(HttpProblem, match="cursor"):
        paging.place(cursor)
