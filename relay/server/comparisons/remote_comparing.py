"""Comparisons (NIP-77) as a front has them answered where the sets are another role's (`role_connection`)."""

import asyncio
from typing import Final

from relay.errors import Prefix
from relay.roles.comparison_messages import (
    MOST_ASKED,
    Alive,
    BeginComparison,
    ComparisonAnswer,
    ComparisonRefused,
    ContinueComparison,
    EndComparison,
    FromComparing,
    ToComparing,
    encode,
    from_comparing,
)
from relay.server.comparisons.answering import Tell
from relay.server.role_connection import RoleConnection
from relay.server.supervision import Faults

_AWAY: Final = ComparisonRefused(Prefix.CLOSED, "what compares is starting again; begin again in a moment")
_FULL: Final = ComparisonRefused(Prefix.RATE_LIMITED, "too much is being compared; begin again in a minute")
_LONG: Final = ComparisonRefused(Prefix.BLOCKED, "the filter is too long for a comparison; divide it")


class RemoteComparing:
    """relay.server.comparisons.compared_sets.Answering over the socket at `path`. Made on the running loop, used there."""

    def __init__(self, path: str, faults: Faults) -> None:
        self._told: dict[int, Tell] = {}
        self._link = RoleConnection(
            path, "the role that compares", faults, decode=from_comparing, take=self._take, lost=self._lost
        )

    def begin(self, asked: BeginComparison, tell: Tell) -> None:
        """As Answering.begin."""
        self._told[asked.token] = tell
        self._send(asked.token, asked)

    def go_on(self, token: int, data: bytes) -> None:
        """As Answering.go_on."""
        if token in self._told:
            self._send(token, ContinueComparison(token, data))

    def end(self, token: int) -> None:
        """As Answering.end."""
        if self._told.pop(token, None) is not None:
            self._link.send(encode(EndComparison(token)))

    async def present(self) -> None:
        """Returns when the role is here."""
        await self._link.present()

    async def close(self) -> None:
        """Hang up. Idempotent."""
        await self._link.close()

    def _send(self, token: int, message: ToComparing) -> None:
        body = encode(message)
        if not self._link.is_here:
            self._refuse_soon(token, _AWAY)
        elif not self._link.is_writable:
            self._refuse_soon(token, _FULL)
        elif len(body) > MOST_ASKED:
            self._refuse_soon(token, _LONG)
        else:
            self._link.send(body)

    def _refuse_soon(self, token: int, refusal: ComparisonRefused) -> None:
        """Whoever asks is told after it has asked."""
        asyncio.get_running_loop().call_soon(self._tell, token, refusal)

    def _take(self, message: FromComparing) -> None:
        match message:
            case ComparisonAnswer(token, data):
                self._tell(token, data)
            case ComparisonRefused():
                self._tell(message.token, message)
            case Alive():
                pass

    def _tell(self, token: int, said: bytes | ComparisonRefused) -> None:
        tell = self._told.pop(token, None) if isinstance(said, ComparisonRefused) else self._told.get(token)
        if tell is not None:
            tell(said)

    def _lost(self) -> None:
        for token in list(self._told):
            self._tell(token, _AWAY)
