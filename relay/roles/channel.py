"""Frames over a Unix stream between two roles: a length and a body each, and what a follower of the log is still to be sent.

Links never block. The writer keeps for each follower two kinds of frames in one queue: answers, which are bounded because a front
may have only so many events and commands unanswered, and commits of the log, which are bounded here in bytes. When the commits
overflow, all that are unsent are dropped and one frame in their place tells the follower that it is behind: it then reads from the
database what it missed, and takes up the commits that come after that frame. So one stopped front never slows another, and
costs a bounded amount of memory.
"""

import socket
from collections import deque
from typing import Final

MAX_FRAME: Final = 64 * 1024 * 1024  # bytes of a body
_HEADER: Final = 4
_AT_ONCE: Final = 256 * 1024  # bytes handed to the system in one call


class BrokenLink(Exception):
    """The other side sent what is no frame, or hung up."""


def frame(body: bytes) -> bytes:
    """A body with its length in front, four bytes little-endian."""
    return len(body).to_bytes(_HEADER, "little") + body


class FrameReader:
    """Takes bytes as they come, gives whole bodies of at most `most` bytes."""

    def __init__(self, most: int = MAX_FRAME) -> None:
        self._most = most
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that these bytes complete. Raises BrokenLink for a length that no frame has."""
        held = self._held
        held += data
        found: list[bytes] = []
        at, size = 0, len(held)
        while size - at >= _HEADER:
            length = int.from_bytes(held[at : at + _HEADER], "little")
            if length > self._most:
                raise BrokenLink(f"a frame of {length} bytes")
            end = at + _HEADER + length
            if end > size:
                break
            found.append(bytes(held[at + _HEADER : end]))
            at = end
        del held[:at]
        return found


class Outbox:
    """What one follower is still to be sent, over a socket that does not block."""

    def __init__(self, sock: socket.socket, most_log_bytes: int, behind: bytes) -> None:
        """`behind` is the body that tells the follower that it missed commits."""
        self._socket = sock
        self._most = most_log_bytes
        self._behind = frame(behind)
        self._frames: deque[tuple[bytes, bool]] = deque()  # with whether it is a commit
        self._log_bytes = 0
        self._sent = 0  # bytes of the first frame that the system has
        self._is_behind = False  # the frame that says so is in the queue
        self.dropped = 0  # commits, since the start

    def answer(self, body: bytes) -> None:
        """Queue what is never dropped."""
        self._frames.append((frame(body), False))

    def commit(self, body: bytes) -> None:
        """Queue a commit of the log, or drop it with all others that are unsent where they became too many."""
        if self._is_behind:
            self.dropped += 1
            return
        self._frames.append((frame(body), True))
        self._log_bytes += len(body)
        if self._log_bytes > self._most:
            self._drop()

    def _drop(self) -> None:
        begun = self._frames.popleft() if self._sent else None  # what is half sent must be sent to its end
        kept = [one for one in self._frames if not one[1]]
        self.dropped += len(self._frames) - len(kept)
        self._frames = deque(([begun] if begun is not None else []) + [(self._behind, False), *kept])
        self._log_bytes = len(begun[0]) - _HEADER if begun is not None and begun[1] else 0
        self._is_behind = True

    def is_empty(self) -> bool:
        """Whether everything was sent."""
        return not self._frames

    def flush(self) -> bool:
        """Send what the system takes; whether that was all. Raises OSError when the other side is gone."""
        while self._frames:
            data = self._gather()
            try:
                taken = self._socket.send(data)
            except BlockingIOError:
                return False
            self._took(taken)
            if taken < len(data):
                return False
        return True

    def _gather(self) -> bytes:
        """The next bytes, of several frames where those are small."""
        first = self._frames[0][0]
        if len(self._frames) == 1 or len(first) > _AT_ONCE:
            return first[self._sent :] if self._sent else first
        parts, total = [], -self._sent
        for data, _ in self._frames:
            parts.append(data)
            total += len(data)
            if total > _AT_ONCE:
                break
        return b"".join(parts)[self._sent :]

    def _took(self, taken: int) -> None:
        left = self._sent + taken
        while self._frames and left >= len(self._frames[0][0]):
            data, is_commit = self._frames.popleft()
            left -= len(data)
            if is_commit:
                self._log_bytes -= len(data) - _HEADER
            elif data is self._behind:
                self._is_behind = False
        self._sent = left
