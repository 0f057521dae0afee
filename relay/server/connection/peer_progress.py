"""Whether a peer takes what is written to it."""


class PeerProgress:
    """How much one peer has taken of the bytes written to it. Times are seconds of any monotonic clock."""

    __slots__ = ("given", "seen_at", "taken")

    def __init__(self) -> None:
        self.given = 0  # bytes written to the transport
        self.taken = 0  # of them, as of the last look
        self.seen_at = 0.0  # when the peer was last seen to take some

    def is_stuck(self, unread: int, now: float, patience: float) -> bool:
        """Whether the peer, which has left so many bytes unread, has taken none for `patience` seconds; asked once a second."""
        taken = self.given - unread
        if taken > self.taken:
            self.taken, self.seen_at = taken, now
        return now - self.seen_at > patience
