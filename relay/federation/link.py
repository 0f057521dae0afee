"""The socket to a peer: opened to an address that was looked at, bounded, and ended with a reason.

A peer is a stranger: what it sends in vain is counted by its size, and who sends little else is cut off and told apart by the
reason. The connection follows no redirect, and ends when the peer is silent: it is pinged, and whatever was asked must be answered
in time.
"""

import asyncio
import contextlib
import http.client
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus, WebSocketException

from relay.client.errors import MAX_WORDS, Disconnected, TimedOut
from relay.federation import addresses
from relay.federation.peer_socket import PeerSocket
from relay.server.limits.intake import Allowance, waste

OPEN_WITHIN: Final = 20.0  # seconds that connecting may take
ANSWER_WITHIN: Final = 30.0  # seconds that an answer may take
PING: Final = 30.0  # seconds between pings
PONG_WITHIN: Final = 20.0
CLOSE_WITHIN: Final = 2.0
MAX_MESSAGE: Final = 2_200_000  # bytes: some relays send comparisons of 1 MiB in hex digits
LEAST_WAIT: Final = 0.05  # seconds until it is looked again whether an answer is late
MOST_FORGED: Final = 1000  # events of wrong ids or signatures, more than sound ones
UNSENT: Final = 256 * 1024  # bytes that wait to be sent, beyond which whoever sends waits

T = TypeVar("T")


class Misbehaved(Disconnected):
    """The peer sent so much that it should not have that the connection was ended; the text says what it was last."""


async def open_link(url: str, allow_private: bool, within: float) -> PeerSocket:
    """Connect. Raises Disconnected (redirects and TLS failures too), BadUrl."""
    try:
        async with asyncio.timeout(within):
            sock = await addresses.open_socket(url, allow_private=allow_private)
            try:
                socket = await connect(
                    url,
                    sock=sock,
                    compression=None,  # its windows would be most of what an idle peer costs
                    open_timeout=None,
                    close_timeout=CLOSE_WITHIN,
                    ping_interval=None,  # `keep_alive` does it, and tells
                    max_size=MAX_MESSAGE,
                    write_limit=UNSENT,
                    create_connection=PeerSocket,
                )
                assert isinstance(socket, PeerSocket)
                return socket
            except BaseException:
                sock.close()
                raise
    except TimeoutError:
        raise Disconnected(f"{url} did not answer within {within:g} s") from None
    except InvalidStatus as error:
        status = error.response.status_code
        redirects = 300 <= status < 400
        said = "redirects, which is not followed" if redirects else "opens no WebSocket, it answers"
        phrase = http.client.responses.get(status, "")
        raise Disconnected(f"{url} {said}: {status} {phrase}".rstrip()) from None
    except InvalidMessage:
        raise Disconnected(
            f"cannot connect to {url}: what answers there speaks no HTTP{_other_scheme(url, 'ws')}"
        ) from None
    except ssl.SSLError as error:
        raise Disconnected(f"{url}: TLS failed: {tls_words(error)}") from None
    except ConnectionResetError:
        raise Disconnected(
            f"cannot connect to {url}: what answers there hung up{_other_scheme(url, 'ws', 'wss')}"
        ) from None
    except (OSError, WebSocketException, ValueError) as error:
        if isinstance(error.__cause__, InvalidStatus):
            raise Disconnected(f"{url} redirects, which is not followed") from None
        raise Disconnected(f"cannot connect to {url}: {str(error) or type(error).__name__}") from None


def _other_scheme(url: str, *schemes: str) -> str:
    """A hint where the URL has one of these schemes."""
    scheme = url.partition(":")[0]
    return f"; it may be a {'wss' if scheme == 'ws' else 'ws'}:// URL" if scheme in schemes else ""


def tls_words(error: ssl.SSLError) -> str:
    """What went wrong, in words that tell what to look at."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}"
    if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "what answers there speaks no TLS; it may be a ws:// URL"
    return str(error.reason or error).lower().replace("_", " ")


class PeerLink:
    """An open socket: sending, waiting, its end. Raises Disconnected once it is lost, TimedOut where the peer is silent."""

    def __init__(self, socket: PeerSocket, url: str) -> None:
        self.url = url
        self.wasted = 0  # messages that should not have come
        self.told = ""  # what the last of them was: "sent ..."
        self.sent = 0  # messages
        self.taken = 0  # messages that were taken apart
        self.is_taking = False  # one is, and nothing is read meanwhile
        self._looked_at = 0  # `taken` when it was seen last whether the peer shows life
        self._forged = 0  # events more than those that were sound
        self._held_since = 0.0
        self._held = 0.0  # seconds in which nothing was read, until then
        self._socket = socket
        socket.empty = self.bear
        self._allowance = Allowance(time.monotonic())
        self._lost: asyncio.Future[Disconnected] = asyncio.get_running_loop().create_future()
        self.answered_ping: Callable[[], None] = lambda: None  # called whenever the peer has shown that it is there

    @property
    def is_open(self) -> bool:
        """Whether something can be asked."""
        return not self._lost.done()

    def clock(self) -> float:
        """Seconds in which this side has read, from any moment on: it stands still while what came is being taken."""
        return (self._held_since if self.is_taking else time.monotonic()) - self._held

    async def hold(self, work: Awaitable[None]) -> None:
        """Nothing is read until this is done."""
        self.is_taking, self._held_since = True, time.monotonic()
        await work
        self._held += time.monotonic() - self._held_since
        self.is_taking = False

    @property
    def misbehaved(self) -> str:
        """What the peer did that it should not have done, "" for nothing: why it was left, or the last in vain."""
        if not self.is_open and isinstance(error := self._lost.result(), Misbehaved):
            return str(error)
        return self.told and f"{self.url} {self.told}"

    def check(self) -> None:
        """Raises Disconnected where nothing can be asked any more."""
        if self._lost.done():
            raise self._lost.result()

    async def lost(self) -> Disconnected:
        """Returns when the connection has ended, with the reason."""
        return await asyncio.shield(self._lost)

    def fail(self, reason: str) -> None:
        """End the connection at once because of what the peer did."""
        self._abort(Misbehaved(f"{self.url} {reason}"))

    def waste(self, what: str, size: int = 0) -> None:
        """Count something that should not have come; whoever sends little else is cut off."""
        self.wasted += 1
        self.told = what
        self.bear(what, size)

    def bear(self, what: str, size: int = 0) -> None:
        """Something came that may come now and then; whoever sends little else is cut off as well."""
        if not self._allowance.spend(1 + waste(size), time.monotonic()):
            self.fail(f"sends what it should not: it {what}")

    def forged(self, words: str) -> None:
        """It gave an event of a wrong id or signature; whoever gives hardly any others is left."""
        self._forged += 1
        if self._forged > MOST_FORGED:
            self.fail(f"gives forged events: {words}")

    def sound(self) -> None:
        """It gave an event that was stored."""
        if self._forged:
            self._forged -= 1

    async def keep_alive(self) -> None:
        """Ping the peer now and then, until the connection ends, and end it where there is no answer.

        Nothing else wakes an idle connection: what is to be looked at now and then, is when the peer has answered.
        """
        with contextlib.suppress(ConnectionClosed):  # whoever reads tells the reason
            while self.is_open:
                await asyncio.sleep(PING)
                before = self.taken
                answer = await self._socket.ping()
                try:
                    async with asyncio.timeout(PONG_WITHIN):
                        await answer
                except TimeoutError:
                    if self.taken == before and not self.is_taking:  # else it is we who do not read
                        self._abort(Disconnected(f"{self.url} did not answer a ping within {PONG_WITHIN:g} s"))
                else:
                    self.answered_ping()

    async def shows_life(self, answer: "asyncio.Future[Any]") -> None:
        """Wait for this answer, for as long as an answer may take.

        Raises TimedOut where it does not come and the peer has said nothing else either since this was called last, unless this
        side was not reading; Disconnected.
        """
        before = self._looked_at
        try:
            await self._wait_for(answer)
        except TimedOut:
            if self.taken == before and not self.is_taking:
                raise TimedOut(f"{self.url} takes what it is sent and answers nothing") from None
        finally:
            self._looked_at = self.taken

    async def _send(self, frame: bytes) -> None:
        self.check()
        self.sent += 1
        if self._socket.write(frame):
            await self.room()
        else:
            await self._in_time(self._socket.send(frame, text=True))  # it tells why not

    @property
    def is_full(self) -> bool:
        """Whether so much is unsent that whoever sends more is to wait for `room`."""
        return self._socket.is_full

    async def room(self) -> None:
        """Returns when the peer has taken enough of what was sent to it that more may be. Raises Disconnected."""
        if self.is_full:
            await self._in_time(self._socket.drain())

    async def _in_time(self, sending: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await sending
        except TimeoutError:
            self._abort(Disconnected(f"{self.url} takes nothing any more"))
            raise self._lost.result() from None
        except (ConnectionClosed, OSError) as error:
            raise self._ended(error) from None

    async def _wait_for(
        self,
        answer: "asyncio.Future[T]",
        within: float = ANSWER_WITHIN,
        heard: Callable[[], float] | None = None,
        *,
        held: bool = False,
    ) -> T:
        """The answer. Raises Disconnected, TimedOut `within` seconds after the call, or after it was `heard` of last by `clock`.

        `held`: only the time counts in which this side reads what comes.
        """
        now = self.clock if held else time.monotonic
        begun = now()
        while True:
            left = within - (now() - max(begun, heard() if heard is not None else begun))
            if left <= 0:
                raise TimedOut(f"{self.url} gave no answer within {within:g} s")
            left = max(left, LEAST_WAIT)  # the clock may stand still
            await asyncio.wait((answer, self._lost), timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if self._lost.done():
                raise self._lost.result()

    def _ended(self, error: ConnectionClosed | OSError) -> Disconnected:
        self._end(Disconnected(f"{self.url} closed the connection: {str(error)[:MAX_WORDS]}"))
        return self._lost.result()

    def _abort(self, error: Disconnected) -> None:
        self._end(error)
        self._socket.cut()

    def _end(self, error: Disconnected) -> None:
        if not self._lost.done():
            self._lost.set_result(error)
