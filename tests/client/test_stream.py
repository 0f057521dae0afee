"""Server-sent events as the client reads them: frames however they are cut, and going on where a connection broke."""

import gzip
from collections.abc import AsyncIterator
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.client.clock import Clock
from relay.client.errors import ApiError
from relay.client.http import Http
from relay.client.stream import MAX_FRAME, StreamFrame, frames, watched

WHOLE = b'retry: 2000\n\nid: 7\nevent: note\ndata: {"a":1}\n\nid: 8\n\ndata: one\ndata: two\n\nid: 9\nevent: cut'
READ = [
    StreamFrame(),
    StreamFrame("note", '{"a":1}', "7"),
    StreamFrame("", "", "8"),
    StreamFrame("", "one\ntwo", ""),
]


async def parts(*some: bytes) -> AsyncIterator[bytes]:
    for part in some:
        yield part


@given(st.lists(st.integers(0, len(WHOLE)), max_size=6))
async def test_frames_are_the_same_however_they_are_cut(places):
    cuts = [0, *sorted(places), len(WHOLE)]
    pieces = [WHOLE[start:end] for start, end in pairwise(cuts)]
    assert [frame async for frame in frames(parts(*pieces))] == READ


async def test_a_frame_that_does_not_end_is_given_up():
    with pytest.raises(ApiError, match="longer than"):
        [frame async for frame in frames(parts(b"data: ", b"x" * MAX_FRAME, b"x"))]


@pytest.mark.parametrize("name", ["\ufffd", "a\x00", "é", "1" * 1000])
async def test_an_id_that_no_header_can_hold_is_none(name):
    found = [frame async for frame in frames(parts(f"id: {name}\ndata: a\n\n".encode()))]
    assert found == [StreamFrame("", "a", "")]


async def test_a_stream_that_comes_packed_is_not_unpacked():
    packed = httpx.Response(200, content=gzip.compress(b"data: a\n\n"), headers={"content-encoding": "gzip"})
    http = Http("https://hub.example", "tdi_x", 5.0, httpx.MockTransport(lambda _: packed))
    with pytest.raises(ApiError, match="packed"):
        await anext(watched(http, "/stream/notifications", None, Clock(sleep=_no_wait)))
    await http.close()


async def _no_wait(_seconds: float) -> None:
    pass


async def test_a_stream_that_ends_is_asked_for_again_from_there_on():
    asked: list[str | None] = []
    answers = iter(
        [
            httpx.Response(200, content=b"id: 1\ndata: a\n\nid: 4\n\n"),
            httpx.Response(503, json={"code": "unavailable"}),
            httpx.Response(200, content=b"id: 5\ndata: b\n\n"),
            httpx.Response(401, json={"code": "auth_required", "error": "this token is unknown"}),
        ]
    )

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("last-event-id"))
        return next(answers)

    http = Http("https://hub.example", "tdi_x", 5.0, httpx.MockTransport(answer))
    stream = watched(http, "/stream/notifications", None, Clock(sleep=_no_wait))
    found = [await anext(stream) for _ in range(2)]
    with pytest.raises(ApiError, match="unknown"):
        await anext(stream)
    await http.close()
    assert [(frame.id, frame.data) for frame in found] == [("1", "a"), ("5", "b")]
    assert asked == [None, "4", "4", "5"]
