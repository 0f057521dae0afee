"""Who answers comparisons (NIP-77), as a front asks them: the sets of this process, or the role that has them."""

from collections.abc import Callable
from typing import Protocol

from relay.roles.comparison_messages import BeginComparison, ComparisonRefused

Tell = Callable[[bytes | ComparisonRefused], None]  # called on the loop: an answer, or the end


class Answering(Protocol):
    """Who answers comparisons: the sets here, or the role that has them."""

    def begin(self, asked: BeginComparison, tell: Tell) -> None:
        """Begin a comparison; `tell` gets what to answer."""

    def go_on(self, token: int, data: bytes) -> None:
        """The initiator's next message."""

    def end(self, token: int) -> None:
        """Nobody waits for anything of this comparison any more."""

    async def close(self) -> None:
        """Answer no more. Idempotent."""


class AppliedLog(Protocol):
    """How far this process has applied the log."""

    @property
    def upto(self) -> int:
        """The highest `seq` that was told here."""

    @property
    def committed(self) -> int:
        """The highest `seq` that is committed."""
