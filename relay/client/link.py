"""One WebSocket connection to a relay: typed messages out of it, bytes into it, and its errors as ours.

What no relay would send is reported and passed over; a NOTICE is reported; the challenge of NIP-42 is kept. A report is a
stranger's words: whoever shows it makes it printable.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from relay.client import messages, urls
from relay.client.errors import MAX_WORDS, Disconnected, Refused, unreached
from relay.client.messages import Challenge, Notice, Ok, Unintelligible, Word
from relay.client.signer import Signer, proof
from relay.protocol import kinds
from relay.protocol.filter import Filter

MAX_MESSAGE: Final = 4 * 1024 * 1024  # bytes of one message
CLOSE_TIMEOUT: Final = 2.0  # seconds that a goodbye may take
PROMPT: Final = "auth"  # the subscription that asks for a challenge


class RelayLink:
    """An open connection. `report` gets a line about whatever the relay says that is no answer."""

    def __init__(self, socket: ClientConnection, url: str, report: Callable[[str], None]) -> None:
        self.url = url
        self.challenge: str | None = None
        self.authenticated = False
        self._socket = socket
        self._report = report

    @classmethod
    async def open(cls, url: str, within: float, report: Callable[[str], None]) -> Self:
        """Connect within that many seconds. Raises Disconnected, BadUrl."""
        urls.check_relay(url)
        try:
            socket = await connect(url, open_timeout=within, close_timeout=CLOSE_TIMEOUT, max_size=MAX_MESSAGE)
        except (OSError, WebSocketException) as error:
            raise Disconnected(f"cannot connect to {url}: {unreached(error)}") from error
        return cls(socket, url, report)

    async def send(self, *frames: bytes) -> None:
        """Send messages in this order. Raises Disconnected."""
        try:
            for frame in frames:
                await self._socket.send(frame, text=True)
        except ConnectionClosed as error:
            raise self._lost(error) from error

    async def receive(self) -> Word:
        """The next message that somebody waits for. Raises Disconnected. May be cancelled without losing anything."""
        while True:
            try:
                data = await self._socket.recv()
            except ConnectionClosed as error:
                raise self._lost(error) from error
            try:
                word = messages.decode(data)
            except Unintelligible as error:
                self.report(f"sent something that is no message: {error}")
                continue
            match word:
                case Notice(words):
                    self.report(f"says: {words}")
                case Challenge(text):
                    self.challenge = text
                    return word
                case _:
                    return word

    def report(self, about: str) -> None:
        """Say something about this relay to whoever wants to know."""
        self._report(f"{self.url} {about[:MAX_WORDS]}")

    def _lost(self, error: ConnectionClosed) -> Disconnected:
        return Disconnected(f"{self.url} closed the connection: {str(error)[:MAX_WORDS]}")

    async def authenticate(self, signer: Signer, now: float, within: float) -> None:
        """Prove the signer's key (NIP-42), waiting for the challenge if need be. Whatever else comes meanwhile is dropped.

        Raises Refused; Disconnected, also when no challenge or answer comes within that many seconds.
        """
        try:
            async with asyncio.timeout(within):
                answer = await self._prove(signer, now)
        except TimeoutError:
            raise Disconnected(f"{self.url} did not let us authenticate within {within:g} s") from None
        if not answer.accepted:
            raise Refused.of(answer.words)
        self.authenticated = True

    async def ask_for_challenge(self) -> None:
        """Have the relay challenge us, unless it did. Raises Disconnected.

        Relays may wait with that until something needs a key, as private messages do: they are asked for and not waited for.
        """
        if self.challenge is None:
            wanted = Filter(kinds=frozenset([kinds.GIFT_WRAP]), limit=0)
            await self.send(messages.req(PROMPT, [wanted]), messages.close(PROMPT))

    async def _prove(self, signer: Signer, now: float) -> Ok:
        while self.challenge is None:
            await self.receive()
        event = await proof(signer, self.url, self.challenge, now)
        await self.send(messages.authenticate(event))
        while True:
            word = await self.receive()
            if isinstance(word, Ok) and word.event_id == event.id:
                return word

    def abort(self) -> None:
        """Let go without a goodbye. Idempotent."""
        self._socket.transport.abort()

    async def close(self) -> None:
        """Say goodbye, for two seconds at most. Idempotent."""
        await self._socket.close()
