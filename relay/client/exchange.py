"""Questions and answers over one connection, as many at once as one likes: EVENT and OK, COUNT and COUNT, AUTH and OK.

One task reads; who asked waits for the answer that carries the name of the question: the id of an event or of a count.
"""

import asyncio
import itertools

from relay.client import messages
from relay.client.errors import Disconnected, Refused
from relay.client.link import RelayLink
from relay.client.messages import Challenge, Closed, CountAnswer, Ok, Word
from relay.client.signer import Signer, proof


class Exchange:
    """An open connection on which questions are asked; made on the running loop. Asking raises Disconnected when it is lost."""

    def __init__(self, link: RelayLink) -> None:
        self.link = link
        self._waiting: dict[str, list[asyncio.Future[Word]]] = {}
        self._challenged = asyncio.Event()
        self._proving = asyncio.Lock()
        # Why it was lost, in words: one error raised for all who wait would hold what each of them did.
        self._lost: str | None = None
        self._reader = asyncio.create_task(self._read(), name=f"reader of {link.url}")

    @property
    def is_open(self) -> bool:
        """Whether a question can be asked."""
        return self._lost is None

    async def ask(self, name: str, frame: bytes) -> Word:
        """The answer to the question `name`; equal questions get their answers in the order in which they were asked."""
        if self._lost is not None:
            raise Disconnected(self._lost)
        answer: asyncio.Future[Word] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, []).append(answer)
        try:
            await self.link.send(frame)
            return await answer
        finally:
            self._forget(name, answer)

    def _forget(self, name: str, answer: asyncio.Future[Word]) -> None:
        self._waiting[name].remove(answer)
        if not self._waiting[name]:
            del self._waiting[name]

    async def authenticate(self, signer: Signer, now: float) -> None:
        """Prove the signer's key, once for the connection (NIP-42). Raises Refused."""
        async with self._proving:
            if self.link.authenticated:
                return
            await self._challenged.wait()
            if self.link.challenge is None:
                raise Disconnected(self._lost or f"{self.link.url} sent no challenge")
            event = await proof(signer, self.link.url, self.link.challenge, now)
            answer = await self.ask(event.id, messages.authenticate(event))
            if isinstance(answer, Ok) and not answer.accepted:
                raise Refused.of(answer.words)
            self.link.authenticated = True

    async def close(self) -> None:
        """Close the connection; whoever waits gets Disconnected. Idempotent."""
        await self.link.close()
        await self._reader

    async def _read(self) -> None:
        try:
            while True:
                self._dispatch(await self.link.receive())
        except Disconnected as error:
            self._lost = str(error)
            self._challenged.set()
            for answer in itertools.chain.from_iterable(self._waiting.values()):
                if not answer.done():
                    answer.set_exception(Disconnected(self._lost))

    def _dispatch(self, word: Word) -> None:
        match word:
            case Ok(name) | CountAnswer(name) | Closed(name):
                waiting = (answer for answer in self._waiting.get(name, ()) if not answer.done())
                answer = next(waiting, None)
                if answer is not None:
                    answer.set_result(word)
            case Challenge():
                self._challenged.set()
