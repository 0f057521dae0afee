"""Comparing with a peer by negentropy (NIP-77), this side beginning: what it lacks, and what we lack.

A peer may lie: what it claims to have need not exist, and it may go on for ever. So a comparison that learns nothing new for long
is ended, as is one that claims more than anybody could fetch.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

import msgspec

from relay.client.errors import ClientError, TimedOut
from relay.client.messages import NotCompared
from relay.federation.connection import PeerConnection
from relay.federation.link import ANSWER_WITHIN, Misbehaved
from relay.protocol.filter import Filter
from relay.protocol.item_set import ItemSet
from relay.protocol.negentropy import MalformedNegentropy, OtherVersion, Reconciled, Reconciliation
from relay.server.pools import Rests

FRAME: Final = 60_000  # bytes of a message of ours, in hex digits below the 131,072 that some relays take
FIRST_WITHIN: Final = 15.0  # seconds until a peer that says nothing at all is taken not to compare
MOST_NEEDED: Final = 300_000  # ids that a peer may claim in one comparison; for more, the time is cut
FREE_ROUNDS: Final = 200  # rounds without an account of what they brought
LEAST_LEARNED: Final = 10  # ids that each further round must bring, on average
FREE_RANGES: Final = 100_000  # ranges that a comparison may have in any case; more only in proportion to its events
LARGE: Final = 5000  # events of ours beyond which a thread works a message out; of a million it takes 10 ms
LONG: Final = 4096  # bytes of a message beyond which it is, too: what it says may take 2 µs a byte

T = TypeVar("T")


class CannotCompare(ClientError):
    """The peer does not compare; the text is what it said, if anything."""


class TooManyToCompare(ClientError):
    """The peer compares, but not so many events, or claims so many; `most` is how many, where it says so."""

    def __init__(self, words: str, most: int | None) -> None:
        super().__init__(words)
        self.most = most


class TooManyClaimed(TooManyToCompare):
    """The peer claims more events than are asked for at once."""


class Differences(msgspec.Struct):
    """What one side has and the other lacks, by id; each id once. `rounds` is how many messages the peer sent,
    `ranges` how many there were in those.

    An honest peer names them by time, and in that order they are kept: events that are stored one after another then stand beside
    each other in every index, which takes half of the time that any order would take.
    """

    have: dict[bytes, None] = {}
    need: dict[bytes, None] = {}
    rounds: int = 0
    ranges: int = 0


class Needs(Protocol):
    """Who is told what is lacking here while a comparison goes on, and may ask for it meanwhile."""

    def tell(self, ids: list[bytes]) -> None:
        """These are lacking too. Raises what asking for those before has failed with."""

    def heard(self) -> float:
        """When the peer gave something that it was asked for last, by the connection's clock."""

    async def keep_up(self) -> None:
        """Returns when more may be told: at once, unless the peer claims much in vain. Raises as `tell`."""


class NobodyAsks:
    """Needs of somebody who looks at them at the end."""

    def tell(self, ids: list[bytes]) -> None:
        """They are in Differences, too."""

    def heard(self) -> float:
        """Never."""
        return 0.0

    async def keep_up(self) -> None:
        """At once."""


async def compare(
    connection: PeerConnection, wanted: Filter, items: ItemSet, needs: Needs | None = None
) -> Differences:
    """What differs between `items`, which are ours for this filter, and the peer's.

    Raises CannotCompare, TooManyToCompare, Misbehaved, TimedOut, Disconnected, and what `needs` raises.
    """
    found, told = Differences(), needs or NobodyAsks()
    try:
        return await _compare(connection, wanted, items, found, told)
    except _AuthAsked:
        if not await connection.authenticated():
            raise CannotCompare("it wants to know who asks (NIP-42), and takes no key of ours") from None
    try:
        return await _compare(connection, wanted, items, found, told)
    except _AuthAsked:
        raise CannotCompare("our key may not read there") from None


class _AuthAsked(Exception):
    """The peer wants a proof first."""


async def _compare(
    connection: PeerConnection, wanted: Filter, items: ItemSet, found: Differences, needs: Needs
) -> Differences:
    ours = _Ours(items)
    name = await connection.open_comparison(wanted, await ours.begin())
    within = FIRST_WITHIN
    try:
        while True:
            data = await _answer(connection, name, within, needs)
            within = ANSWER_WITHIN
            try:
                learned = await ours.go_on(data)
            except MalformedNegentropy as error:
                if not isinstance(error, OtherVersion):
                    connection.waste(f"sent a message of a comparison that is none: {error}", len(data))
                raise CannotCompare(str(error)) from None
            found.have.update(dict.fromkeys(learned.have))
            lacking = [one for one in learned.need if one not in found.need]
            found.need.update(dict.fromkeys(lacking))
            found.rounds += 1
            found.ranges += learned.ranges
            _check(connection, found, len(items))
            needs.tell(lacking)
            if learned.reply is None:
                return found
            await needs.keep_up()
            await connection.go_on(name, learned.reply)
    finally:
        await connection.end_comparison(name)


class _Ours:
    """This side's words. What may take long is worked out on a thread, with rests."""

    def __init__(self, items: ItemSet) -> None:
        self._items = items

    async def begin(self) -> bytes:
        """The first message."""
        return await self._worked_out(0, Reconciliation.begin)

    async def go_on(self, data: bytes) -> Reconciled:
        """What is learned from an answer. Raises MalformedNegentropy."""
        return await self._worked_out(len(data), lambda side: side.go_on(data))

    async def _worked_out(self, size: int, work: Callable[[Reconciliation], T]) -> T:
        if size <= LONG and len(self._items) <= LARGE:
            return work(Reconciliation(self._items, FRAME))
        return await asyncio.to_thread(work, Reconciliation(self._items, FRAME, Rests()))


async def _answer(connection: PeerConnection, name: str, within: float, needs: Needs) -> bytes:
    try:
        word = await connection.compared(name, within, needs.heard)
    except TimedOut:
        raise CannotCompare("it gave no answer") from None
    if isinstance(word, NotCompared):
        words = word.words
        if words.startswith("auth-required"):
            raise _AuthAsked
        if word.most is not None or _tells_too_many(words):
            raise TooManyToCompare(words, word.most)
        raise CannotCompare(words)
    return word.data


def _tells_too_many(words: str) -> bool:
    """Whether a refusal is about how many events there are: the known relays say so in words like these."""
    return words.startswith("blocked:") and any(part in words for part in ("too many", "too big", "more than"))


def _check(connection: PeerConnection, found: Differences, ours: int) -> None:
    learned = len(found.have) + len(found.need)
    if found.ranges > FREE_RANGES + (ours + learned) // 2:  # an honest peer's are a sixteenth of all that are compared
        connection.fail(f"says too much in a comparison ({found.ranges} ranges, {learned} ids)")
        raise Misbehaved(f"{connection.url} says too much in a comparison")
    if len(found.need) > MOST_NEEDED:
        raise TooManyClaimed(f"it claims {len(found.need):,} events", None)
    if found.rounds > FREE_ROUNDS + learned // LEAST_LEARNED:
        connection.fail(f"does not come to an end in a comparison ({found.rounds} rounds, {learned} ids)")
        raise Misbehaved(f"{connection.url} does not come to an end in a comparison")
