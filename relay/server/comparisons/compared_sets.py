"""The sets that are compared by negentropy (NIP-77), one for all who compare the same, and the answers made of them.

Theory: a set belongs to a filter and to the names that its reader reads under. It is read from the database once, by whoever
asks first, and from then on follows the log: what comes and goes is noted, and taken in before the next comparison of it begins.
So a comparison finds everything that was acknowledged before, and what comes while it lasts it may find or not. A message is
answered from the set alone, and nothing is kept of a comparison between two messages but which set it is about.

A set that is large stays for a while when nobody compares it any more (KEPT). One that cannot follow is let go of: where
commits were missed, where a group's settings have changed (who may read its events, too), and where a filter has a limit, as soon
as something comes or goes that it matches. Those who compare it then go on with what it had.

What is held is bounded: events of a comparison (`limits.max_compared`), events of all sets together (MOST_HELD), comparisons
(MOST_COMPARISONS), one unanswered message of each. Where room is needed, what nobody compares goes first, then those comparisons
in which nothing was said for longest: nobody keeps others out by opening many. One set is in the making at a time, and one message
is answered at a time on a thread of its own, of each client in turn.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import Final

from relay.errors import Prefix, Reject, internal
from relay.protocol.filter import matches, to_json
from relay.protocol.item_set import Item, ItemSet
from relay.protocol.negentropy import LEAST_LIMIT, MalformedNegentropy, Reconciliation
from relay.protocol.words import counted
from relay.roles.comparison_messages import BeginComparison, ComparisonRefused
from relay.server.comparisons.answering import AppliedLog, Tell
from relay.server.events.follow import Applied
from relay.server.pools import Pool, Rests
from relay.server.round_robin import RoundRobin
from relay.server.supervision import Faults, Tasks
from storage.base import ComparedLog
from storage.errors import StorageError, TooCostly

MOST_HELD: Final = 2_000_000  # events of all sets, about 45 bytes each; the most that `limits.max_compared` may be
MOST_COMPARISONS: Final = 10_000
MOST_SETS: Final = 64  # that nobody compares and that are kept all the same
KEPT: Final = 300.0  # seconds that such a set stays
WORTH_KEEPING: Final = 5000  # events of a set that is kept; a smaller one is soon made again
MOST_NOTED: Final = 10_000  # changes of a set that wait to be taken in
MOST_EXPIRED: Final = 10_000  # events that may expire between two comparisons of a set; for more it is made anew
ANSWER: Final = 60  # bytes that an initiator may say to one of ours, about: 32 ids to a fingerprint
MOST_FRAME: Final = 29_900  # bytes of a message of ours: in hex digits, with what is around them, below 60,000
ROOMY: Final = 8  # an initiator's message is small where it is an eighth of what it may have: then ours may be larger
PATIENCE: Final = 2.0  # seconds that the log may need to tell what is committed


class _Compared:
    """One set. `items` is None until it is made; `noted` is what has changed since: an item that came, None for one that went."""

    __slots__ = (
        "client",
        "comparisons",
        "follows",
        "items",
        "looked_at",
        "most",
        "name",
        "noted",
        "readers",
        "used_at",
        "wanted",
    )

    def __init__(self, name: Hashable, client: Hashable, asked: BeginComparison) -> None:
        self.name = name
        self.client = client  # who asked first
        self.wanted = asked.wanted
        self.readers = asked.readers
        self.most = asked.most
        self.items: ItemSet | None = None
        self.noted: dict[bytes, Item | None] = {}
        self.follows = True
        self.comparisons: set[_Comparison] = set()
        self.used_at = 0.0
        self.looked_at = 0  # unix seconds: what had expired by then is not in it; 0: it is not begun

    def taking_in(self) -> Callable[[], None]:
        """What takes in what was noted until now, to be called on the thread that answers."""
        noted, self.noted = self.noted, {}
        assert self.items is not None
        return partial(_take_in, self.items, noted)


class _Comparison:
    """One comparison. `data` is its unanswered message, None while the initiator has its turn."""

    __slots__ = ("client", "data", "frame", "is_new", "name", "room", "set", "tell")

    def __init__(
        self, name: Hashable, client: Hashable, asked: BeginComparison, tell: Tell, compared: _Compared
    ) -> None:
        self.name = name
        self.client = client
        self.data: bytes | None = asked.data
        self.room = asked.room
        self.tell = tell
        self.set = compared
        self.frame = self.first_frame()
        self.is_new = True

    def first_frame(self) -> int:
        """Bytes of our message, so few that an answer to all of its fingerprints is below what is taken here."""
        return max(LEAST_LIMIT, min(MOST_FRAME, self.room // ANSWER))


class ComparedSets:
    """All sets of a process. Methods are called on the loop; `applied` is to follow the log, whose `position` is asked.

    `hear` is told whether the log is wanted at all: where nothing is held, nobody needs it.
    """

    def __init__(
        self,
        reader: ComparedLog,
        position: AppliedLog,
        faults: Faults,
        *,
        hear: Callable[[bool], bool] = lambda _events: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`hear` returns whether a commit that is `anew` follows, from which on the log is heard."""
        self._reader = reader
        self._position = position
        self._faults = faults
        self._hear = hear
        self._clock = clock
        self._sets: dict[Hashable, _Compared] = {}  # those that follow the log, the longest unused first
        self._comparisons: dict[Hashable, _Comparison] = {}  # the longest silent first
        self._to_make: RoundRobin[_Compared] = RoundRobin()
        self._to_answer: RoundRobin[_Compared | _Comparison] = RoundRobin()
        self._moved = asyncio.Event()  # a commit was applied
        self._heard = asyncio.Event()
        self._hears = False
        self._timer: asyncio.TimerHandle | None = None
        self._thread = Pool("compare", 1, 1)
        self._tasks = Tasks(faults)
        self._tasks.repeat(self._make_all, "the sets that are compared")
        self._tasks.repeat(self._answer_all, "the comparisons")

    @property
    def held(self) -> int:
        """Events of all sets."""
        return sum(len(one.items) for one in self._all() if one.items is not None)

    def front(self) -> "FrontComparisons":
        """The comparisons of another front."""
        return FrontComparisons(self)

    # comparisons; `name` is the front's name of one

    def begin(self, name: Hashable, client: Hashable, asked: BeginComparison, tell: Tell) -> None:
        """As Answering.begin."""
        if len(self._comparisons) >= MOST_COMPARISONS:
            self._make_way(next(iter(self._comparisons.values())))
        of = (to_json(asked.wanted), asked.readers, asked.most)
        compared = self._sets.pop(of, None)
        if compared is None:
            compared = _Compared(of, client, asked)
            self._to_make.put(client, compared)
        self._sets[of] = compared
        comparison = _Comparison(name, client, asked, tell, compared)
        self._comparisons[name] = comparison
        compared.comparisons.add(comparison)
        if compared.items is not None:
            self._to_answer.put(client, comparison)

    def go_on(self, name: Hashable, data: bytes) -> None:
        """As Answering.go_on; one that was ended meanwhile is passed over, as is what comes before its turn."""
        comparison = self._comparisons.pop(name, None)
        if comparison is None:
            return
        self._comparisons[name] = comparison
        if comparison.data is None:
            comparison.data = data
            self._to_answer.put(comparison.client, comparison)

    def end(self, name: Hashable) -> None:
        """As Answering.end."""
        comparison = self._comparisons.pop(name, None)
        if comparison is None:
            return
        comparison.data = None
        self._to_answer.take_back(comparison.client, comparison)
        compared = comparison.set
        compared.comparisons.discard(comparison)
        if not compared.comparisons:
            self._leave(compared)

    async def close(self) -> None:
        """Answer no more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        await self._tasks.close()
        self._thread.close()

    # the log

    def applied(self, applied: Applied) -> None:
        """A commit of the log."""
        self._moved.set()
        if applied.anew:
            self._heard.set()
        if not self._sets:
            return
        if applied.anew or applied.removed is None or any(kind == "group" for kind, _ in applied.changes):
            for compared in list(self._sets.values()):
                if compared.looked_at:
                    self._let_go(compared)
            return
        gone = [bytes.fromhex(one) for one in applied.removed]
        came = [live for live in applied.events if live.seq]
        if not gone and not came:
            return
        for compared in list(self._sets.values()):
            noted = compared.noted
            for live in came:
                is_shown = live.audience is None or not compared.readers.isdisjoint(live.audience)
                if is_shown and matches(compared.wanted, live.event):
                    event_id = bytes.fromhex(live.event.id)
                    noted[event_id] = live.event.created_at, event_id
            for event_id in gone:
                noted[event_id] = None
            if noted and compared.wanted.limit is not None and compared.items is not None:
                self._let_go(compared)
            elif len(noted) >= MOST_NOTED and compared.items is not None:
                self._to_answer.put(None, compared)

    # sets

    def _all(self) -> set[_Compared]:
        return {*self._sets.values(), *(one.set for one in self._comparisons.values())}

    def _let_go(self, compared: _Compared) -> None:
        """The set follows no more: who compares it goes on with what it has, who comes finds another."""
        compared.follows = False
        compared.noted = {}
        if not compared.comparisons:
            self._to_make.take_back(compared.client, compared)
        if self._sets.get(compared.name) is compared:
            del self._sets[compared.name]

    def _leave(self, compared: _Compared) -> None:
        """Nobody compares this any more."""
        compared.used_at = self._clock()
        if compared.items is None or len(compared.items) < WORTH_KEEPING or compared.wanted.limit is not None:
            self._let_go(compared)
        unused = [one for one in self._sets.values() if not one.comparisons]
        for one in unused[: max(0, len(unused) - MOST_SETS)]:
            self._let_go(one)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(KEPT, self._tidy)

    def _tidy(self) -> None:
        """Let go of what nobody has asked for, and of the log where nothing is held."""
        self._timer = None
        latest = self._clock() - KEPT
        for compared in list(self._sets.values()):
            if not compared.comparisons and compared.used_at <= latest:
                self._let_go(compared)
        if self._sets or self._comparisons:
            self._timer = asyncio.get_running_loop().call_later(KEPT / 2, self._tidy)
        elif self._hears:
            self._hears = False
            self._hear(False)

    async def _make_all(self) -> None:
        while True:
            await self._make(await self._to_make.next())

    async def _make(self, compared: _Compared) -> None:
        """Look up what is compared, and have those answered who wait for it."""
        try:
            await self._hear_the_log()
            compared.looked_at = int(time.time())
            items = await self._reader.items(compared.wanted, compared.readers, compared.looked_at, compared.most)
            self._make_room(len(items))
        except TooCostly as error:
            self._refuse(compared, ComparisonRefused(Prefix.BLOCKED, str(error), compared.most))
        except Reject as refusal:
            self._refuse(compared, ComparisonRefused(refusal.prefix, refusal.message))
        except StorageError as error:
            self._refuse(compared, ComparisonRefused(Prefix.ERROR, str(error)))
        except Exception as error:
            self._faults.report("a set that is compared", error)
            self._refuse(compared, _internal(error))
        else:
            compared.items = items
            if not compared.comparisons:
                self._leave(compared)
            for comparison in compared.comparisons:
                self._to_answer.put(comparison.client, comparison)

    async def _hear_the_log(self) -> None:
        """Returns when every commit from now on is told here, so that a set that is read now can follow."""
        if self._hears:
            return
        self._hears = True
        self._heard.clear()
        if self._hear(True):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._heard.wait()

    def _make_room(self, events: int) -> None:
        """Let go until so many more may be held. Raises Reject where that is not enough."""
        excess = self.held + events - MOST_HELD
        for compared in [one for one in self._sets.values() if not one.comparisons]:
            if excess > 0:
                excess -= len(compared.items or ())
                self._let_go(compared)
        for compared in dict.fromkeys(one.set for one in self._comparisons.values()):
            is_silent = all(one.data is None for one in compared.comparisons)
            if excess > 0 and compared.items is not None and is_silent:
                excess -= len(compared.items)
                for one in list(compared.comparisons):
                    self._make_way(one)
                self._let_go(compared)
        if excess > 0:
            raise Reject(
                Prefix.RATE_LIMITED, f"{counted(self.held, 'event')} are being compared already; try again in a minute"
            )

    def _make_way(self, comparison: _Comparison) -> None:
        self._tell_end(
            comparison,
            ComparisonRefused(Prefix.CLOSED, "too many are open and nothing was said here longest; begin again"),
        )

    def _refuse(self, compared: _Compared, refusal: ComparisonRefused) -> None:
        self._let_go(compared)
        for comparison in list(compared.comparisons):
            self._tell_end(comparison, refusal)

    def _tell_end(self, comparison: _Comparison, refusal: ComparisonRefused) -> None:
        self.end(comparison.name)
        comparison.tell(refusal)

    # answers

    async def _answer_all(self) -> None:
        while True:
            item = await self._to_answer.next()
            if isinstance(item, _Compared):
                if item.noted:
                    await self._thread.run(item.taking_in())
            elif item.data is not None:
                await self._answer(item, item.data)
            del item  # a client that left is not kept until another asks

    async def _answer(self, comparison: _Comparison, data: bytes) -> None:
        """Answer the message that waits, or end the comparison and say why."""
        try:
            if comparison.is_new:
                comparison.is_new = False
                await self._bring_up_to_date(comparison.set)
            reply = await self._thread.run(partial(_reply, comparison, data))
        except MalformedNegentropy as error:
            found: bytes | ComparisonRefused = ComparisonRefused(Prefix.INVALID, str(error))
        except StorageError as error:
            found = ComparisonRefused(Prefix.ERROR, str(error))
        except Exception as error:
            self._faults.report("a comparison", error)
            found = _internal(error)
        else:
            found = reply
        if self._comparisons.get(comparison.name) is not comparison:
            return
        if isinstance(found, ComparisonRefused):
            self._tell_end(comparison, found)
        else:
            comparison.data = None
            comparison.tell(found)

    async def _bring_up_to_date(self, compared: _Compared) -> None:
        """Have noted what was committed before now, and what has expired."""
        if not compared.follows:
            return
        upto = self._position.committed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self._position.upto < upto:
                    self._moved.clear()
                    await self._moved.wait()
        now = int(time.time())
        if now > compared.looked_at:
            gone = await self._reader.expired(compared.looked_at, now, MOST_EXPIRED)
            if len(gone) == MOST_EXPIRED:
                self._let_go(compared)
                raise StorageError("many events have just expired; begin again")
            compared.looked_at = now
            compared.noted.update(dict.fromkeys(gone))
        if compared.noted:
            await self._thread.run(compared.taking_in())


class FrontComparisons:
    """Answering for one front, whose tokens are its own."""

    def __init__(self, sets: ComparedSets) -> None:
        self._sets = sets
        self._tokens: set[int] = set()

    def begin(self, asked: BeginComparison, tell: Tell) -> None:
        """As Answering.begin. Raises ValueError for the token of another comparison."""
        token = asked.token
        if token in self._tokens:
            raise ValueError("a comparison has the token of another")
        self._tokens.add(token)

        def told(said: bytes | ComparisonRefused) -> None:
            if isinstance(said, ComparisonRefused):
                self._tokens.discard(token)
            tell(said)

        self._sets.begin((self, token), (self, asked.client), asked, told)

    def go_on(self, token: int, data: bytes) -> None:
        """As Answering.go_on."""
        self._sets.go_on((self, token), data)

    def end(self, token: int) -> None:
        """As Answering.end."""
        self._tokens.discard(token)
        self._sets.end((self, token))

    async def close(self) -> None:
        """End them all; the sets are the caller's."""
        self.end_all()

    def end_all(self) -> None:
        """The front is gone."""
        for token in list(self._tokens):
            self.end(token)


def _take_in(items: ItemSet, noted: dict[bytes, Item | None]) -> None:
    items.discard({event_id for event_id, item in noted.items() if item is None})
    items.add(item for item in noted.values() if item is not None)


def _reply(comparison: _Comparison, data: bytes) -> bytes:
    items = comparison.set.items
    assert items is not None
    reply = Reconciliation(items, comparison.frame, Rests()).answer(data)
    comparison.frame = MOST_FRAME if len(data) <= comparison.room // ROOMY else comparison.first_frame()
    return reply


def _internal(error: Exception) -> ComparisonRefused:
    return ComparisonRefused(Prefix.ERROR, internal(error).message)
