"""Frames between roles, and followers that do not keep up."""

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.roles.channel import MAX_FRAME, BrokenLink, FrameReader, Outbox, frame

BEHIND = b"behind"


@contextmanager
def link(most: int = 1000) -> Iterator[tuple[Outbox, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for end in (ours, theirs):
            end.setblocking(False)
        yield Outbox(ours, most, BEHIND), theirs


def received(theirs: socket.socket, reader: FrameReader) -> list[bytes]:
    """Whole bodies that have arrived."""
    found: list[bytes] = []
    while True:
        try:
            found += reader.feed(theirs.recv(65536))
        except BlockingIOError:
            return found


@given(st.lists(st.binary(max_size=50), max_size=20), st.lists(st.integers(0, 500), max_size=10))
def test_bodies_are_the_same_wherever_the_stream_is_cut(bodies: list[bytes], cuts: list[int]) -> None:
    data = b"".join(map(frame, bodies))
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    reader = FrameReader()
    found = [body for a, b in zip(places, places[1:], strict=False) for body in reader.feed(data[a:b])]  # noqa: RUF007
    assert found == bodies


def test_a_length_that_no_frame_has_breaks_the_link() -> None:
    with pytest.raises(BrokenLink):
        FrameReader().feed((MAX_FRAME + 1).to_bytes(4, "little"))


def test_frames_arrive_in_order() -> None:
    with link() as (outbox, theirs):
        outbox.commit(b"1")
        outbox.answer(b"2")
        outbox.commit(b"3")
        assert outbox.flush()
        assert received(theirs, FrameReader()) == [b"1", b"2", b"3"]
        assert outbox.is_empty()


def test_a_follower_that_is_stopped_is_told_that_it_is_behind() -> None:
    with link(most=1000) as (outbox, theirs):
        for _ in range(11):
            outbox.commit(b"c" * 100)
        outbox.answer(b"answer")
        outbox.commit(b"dropped too")
        outbox.flush()
        assert received(theirs, FrameReader()) == [BEHIND, b"answer"]
        outbox.commit(b"later")
        outbox.flush()
        assert outbox.dropped == 12
        assert outbox.is_empty()


def test_commits_go_on_once_it_was_told() -> None:
    with link(most=10) as (outbox, theirs):
        outbox.commit(b"too long for it")
        outbox.flush()
        outbox.commit(b"next")
        outbox.flush()
        assert received(theirs, FrameReader()) == [BEHIND, b"next"]


def test_a_link_whose_other_end_is_gone_says_so() -> None:
    with link() as (outbox, theirs):
        theirs.close()
        outbox.answer(b"anybody?")
        with pytest.raises(OSError, match="Broken pipe"):
            outbox.flush()


@given(st.integers(0, 2**32))
def test_answers_all_arrive_and_commits_up_to_a_gap_that_is_told(seed: int) -> None:
    """Any interleaving of writing and reading, with frames larger than what the system takes."""
    chance = random.Random(seed)
    with link(most=600_000) as (outbox, theirs):
        reader, sent, found = FrameReader(), [], []
        for number in range(60):
            is_commit = chance.random() < 0.7
            body = (b"c%d " if is_commit else b"a%d ") % number + bytes(chance.choice((0, 10, 150_000)))
            (outbox.commit if is_commit else outbox.answer)(body)
            sent.append(body)
            if chance.random() < 0.5:
                outbox.flush()
            if chance.random() < 0.3:
                found += received(theirs, reader)
        while not outbox.is_empty():
            outbox.flush()
            found += received(theirs, reader)
        found += received(theirs, reader)
    assert [body for body in found if body.startswith(b"a")] == [body for body in sent if body.startswith(b"a")]
    last = -1
    gap = False
    for body in found:
        if body == BEHIND:
            gap = True
            continue
        number = sent.index(body)
        missed = [one for one in sent[last + 1 : number] if one.startswith(b"c")]
        assert gap or not (body.startswith(b"c") and missed)
        if body.startswith(b"c"):
            last, gap = number, False
