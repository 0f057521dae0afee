"""The socket of the role that compares: comparisons of fronts in, answers out. A front that hangs up ends all of its own."""

import asyncio
import logging
import socket
from functools import partial
from typing import cast

import msgspec

from relay.roles.accepting import accept
from relay.roles.channel import BrokenLink, FrameReader, frame
from relay.roles.comparison_messages import (
    MOST_ASKED,
    Alive,
    BeginComparison,
    ComparisonAnswer,
    ComparisonRefused,
    ContinueComparison,
    EndComparison,
    ToComparing,
    encode,
    to_comparing,
)
from relay.server.comparisons.compared_sets import ComparedSets

log = logging.getLogger("tidings.peers")


class ComparisonServer:
    """Answers fronts from `sets`, on the loop."""

    def __init__(self, sets: ComparedSets) -> None:
        self.sets = sets
        self._links: set[_FrontEnd] = set()

    async def listen(self, listener: socket.socket) -> None:
        """Serve whoever connects, until cancelled."""
        await accept(listener, lambda: _FrontEnd(self))

    def say_alive(self) -> None:
        """Let every front hear something; called once a second: a role that stands still says nothing."""
        for link in self._links:
            link.send(Alive())

    def close(self) -> None:
        """Hang up on all. Idempotent."""
        for link in list(self._links):
            link.abort()

    def enter(self, link: "_FrontEnd") -> None:
        """A front has connected."""
        self._links.add(link)

    def leave(self, link: "_FrontEnd") -> None:
        """A front is gone."""
        self._links.discard(link)


class _FrontEnd(asyncio.Protocol):
    """One front at the other end. What it may be sent is bounded by its comparisons, each of which has one answer at a time."""

    def __init__(self, server: ComparisonServer) -> None:
        self._server = server
        self._reader = FrameReader(MOST_ASKED)
        self._comparisons = server.sets.front()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.enter(self)
        self.send(Alive())

    def connection_lost(self, _error: Exception | None) -> None:
        self._server.leave(self)
        self._comparisons.end_all()

    def abort(self) -> None:
        """Hang up at once."""
        self._transport.abort()

    def send(self, message: Alive | ComparisonAnswer | ComparisonRefused) -> None:
        """Queue a message."""
        if not self._transport.is_closing():
            self._transport.write(frame(encode(message)))

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._reader.feed(data):
                self._take(to_comparing(body))
        except (BrokenLink, msgspec.DecodeError, ValueError, RecursionError) as error:
            log.warning("a front's link is ended: %s", error)
            self.abort()

    def _take(self, message: ToComparing) -> None:
        match message:
            case BeginComparison(token):
                self._comparisons.begin(message, partial(self._tell, token))
            case ContinueComparison(token, data):
                self._comparisons.go_on(token, data)
            case EndComparison(token):
                self._comparisons.end(token)

    def _tell(self, token: int, said: bytes | ComparisonRefused) -> None:
        if isinstance(said, ComparisonRefused):
            self.send(msgspec.structs.replace(said, token=token))
        else:
            self.send(ComparisonAnswer(token, said))
