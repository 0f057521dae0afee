"""Another client, which asks and publishes a little, to see what some large work does to it."""

import asyncio
import contextlib
import random
import time
from typing import Final

from bench import corpus
from bench.client import BenchConnection, Trouble
from bench.figures import FigureRow, percentile
from bench.frames import masked, published

_PACE: Final = 0.01  # seconds between two of its messages


class Others:
    """One client that publishes a note or asks for one author's newest ten, in turn, and waits for each answer."""

    def __init__(self, connection: BenchConnection, wires: list[bytes]) -> None:
        self._connection = connection
        self._wires = iter(wires)
        self._answered = asyncio.Event()
        self._chance = random.Random("others")
        self.waits: list[float] = []
        connection.listen(self._hear)

    def _hear(self, message: bytes) -> None:
        if message[2:4] == b"OK" or message.startswith(b'["EOSE"'):
            self._answered.set()

    async def run(self) -> None:
        """Until it is cancelled. Raises Trouble when its events run out."""
        for number, wire in enumerate(self._wires):
            author = corpus.pubkey(self._chance.randrange(corpus.AUTHORS))
            question = b'["REQ","q",{"authors":["%s"],"kinds":[1,11],"limit":10}]' % author.encode()
            self._answered.clear()
            begin = time.perf_counter()
            self._connection.write(published(wire) if number % 2 else masked(question))
            await self._answered.wait()
            self.waits.append(time.perf_counter() - begin)
            await asyncio.sleep(_PACE)
        raise Trouble("the work took longer than there were events for the others")


def waits(name: str, waited: list[float]) -> FigureRow:
    """The row of what it waited, in seconds."""
    return FigureRow(
        name=name,
        unit="message",
        units=len(waited),
        seconds=sum(waited),
        p50_ms=percentile(waited, 50) * 1000,
        p99_ms=percentile(waited, 99) * 1000,
    )


async def calm(connection: BenchConnection, wires: list[bytes], seconds: float) -> Others:
    """Others while nothing else happens: they have worked for so long, or sent all."""
    others = Others(connection, wires)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await others.run()
    return others
