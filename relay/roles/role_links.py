"""The sockets of the roles that one role serves: accepted, read, written to, each without waiting for it.

A link that breaks, or whose other side is gone, is dropped alone. What a link is sent waits in its `Outbox` until its socket takes
it; the selector tells when that is.
"""

import contextlib
import logging
import os
import selectors
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from relay.roles.channel import BrokenLink, FrameReader, Outbox
from relay.roles.messages import Behind, encode

LOG_BYTES: Final = 16 * 1024 * 1024  # of commits that a follower has not taken; beyond, it is behind
_READ: Final = 1024 * 1024
_BEHIND: Final = encode(Behind())

log = logging.getLogger("tidings.writer")


class RoleLink:
    """One role at the other end of a socket."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.socket = sock
        self.number = number
        self.reader = FrameReader()
        self.outbox = Outbox(sock, LOG_BYTES, _BEHIND)
        self.follows = False
        self.kinds: frozenset[int] | None = None  # of which it is only told that some came; None: it is told everything
        self.events = selectors.EVENT_READ


class RoleLinks:
    """All links of one role. `take` is given what a link says, `dropped` the number of a link that is gone.

    Methods are called on the thread of whoever calls `receive`, or before that begins; `wake` on any.
    """

    def __init__(self, take: Callable[[RoleLink, bytes], None], dropped: Callable[[int], None]) -> None:
        self.ended = False  # whether a descriptor that is watched became readable
        self._take = take
        self._dropped = dropped
        self._selector = selectors.DefaultSelector()
        self._links: dict[int, RoleLink] = {}
        self._made = 0
        self._bell, self._ring = os.pipe()
        os.set_blocking(self._bell, False)
        self._selector.register(self._bell, selectors.EVENT_READ, None)

    def __iter__(self) -> Iterator[RoleLink]:
        return iter(list(self._links.values()))

    def get(self, number: int) -> RoleLink | None:
        """The link with this number, None where it is gone."""
        return self._links.get(number)

    def attach(self, sock: socket.socket) -> None:
        """Serve the role at the other end of this socket."""
        sock.setblocking(False)
        self._made += 1
        link = RoleLink(sock, self._made)
        self._links[link.number] = link
        self._selector.register(sock, selectors.EVENT_READ, link)

    def listen(self, listener: socket.socket) -> None:
        """Serve whoever connects to this listening socket."""
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, listener)

    def watch(self, ends: Sequence[int]) -> None:
        """Note in `ended` when one of these descriptors becomes readable."""
        for end in ends:
            self._selector.register(end, selectors.EVENT_READ, end)

    def wake(self) -> None:
        """Have `receive` return. For any thread and for signal handlers."""
        os.write(self._ring, b"!")

    def receive(self, timeout: float | None) -> None:
        """Take what has arrived and send what sockets take, waiting `timeout` seconds at most where there is nothing."""
        for key, mask in self._selector.select(timeout):
            data = key.data
            if isinstance(data, RoleLink):
                if mask & selectors.EVENT_WRITE:
                    self.flush(data)
                if mask & selectors.EVENT_READ:
                    self._read(data)
            elif isinstance(data, socket.socket):
                self._accept(data)
            elif data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._bell, 100)
            else:
                self.ended = True

    def flush(self, link: RoleLink) -> None:
        """Send what the socket takes, and wait for it to take the rest."""
        if link.number not in self._links:
            return
        try:
            done = link.outbox.flush()
        except OSError:
            self.drop(link)
            return
        events = selectors.EVENT_READ if done else selectors.EVENT_READ | selectors.EVENT_WRITE
        if events != link.events:
            link.events = events
            self._selector.modify(link.socket, events, link)

    def drop(self, link: RoleLink) -> None:
        """The other side is gone; what it sent is still done."""
        if self._links.pop(link.number, None) is not None:
            self._selector.unregister(link.socket)
            link.socket.close()
            self._dropped(link.number)

    def drop_all(self) -> None:
        """Serve nobody any more."""
        for link in self:
            self.drop(link)
        self._selector.close()

    def close(self) -> None:
        """Let go of what `wake` uses; when nobody calls that any more."""
        os.close(self._bell)
        os.close(self._ring)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            sock, _ = listener.accept()
            self.attach(sock)

    def _read(self, link: RoleLink) -> None:
        try:
            while link.number in self._links:
                data = link.socket.recv(_READ)
                if not data:
                    self.drop(link)
                    return
                for body in link.reader.feed(data):
                    self._take(link, body)
                if len(data) < _READ:
                    return
        except BlockingIOError:
            return
        except (OSError, BrokenLink, msgspec.DecodeError) as error:
            log.warning("a link broke: %s", error)
            self.drop(link)
