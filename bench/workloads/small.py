"""Ordinary small work, this relay beside another one: few events in flight, questions with small answers.

Both hold the same events and do each load in turns, so that the machine's moods meet both; a row's ratio is the median over the
turns of this relay's server CPU divided by the other's. The other is the sketch (`bench/peer.py`) or any relay (`--beside`).
"""

import random
import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from bench import corpus, mixed
from bench.client import Barrier, BenchConnection, connect_many
from bench.figures import FigureRow, percentile
from bench.frames import masked, published
from bench.plan import BenchPlan
from bench.process import CpuMeter, Spent, Subject, on_one_core
from bench.workloads.ingest import pour, refusal, unless_new
from relay.protocol.event import Event, first_value, parse
from relay.protocol.kinds import has_address

TURNS: Final = 9
CONNECTIONS: Final = 8
_SEED: Final = 2_000_000  # far from any seed a person chooses

Filters = list[dict[str, object]]


class Turn(msgspec.Struct, frozen=True):
    """What one turn took: `units` in `spent`, and the seconds that each unit waited for its answer."""

    spent: Spent
    units: int
    waits: list[float]


Load = Callable[[Subject, int], Awaitable[Turn]]  # the second argument is the number of the turn


class Flow:
    """Keeps `depth` frames of one connection unanswered, and writes what may follow once per read.

    `answered(message)` says which of `waiting` a message answers: its key, None for a message that answers nothing; what is
    wrong with an answer breaks `finished`. What is answered is closed by its frame in `farewells`, if it has one, `depth` answers
    later, in a write that asks something.
    """

    def __init__(
        self,
        connection: BenchConnection,
        frames: Iterator[tuple[str, bytes]],
        finished: Barrier,
        answered: Callable[[bytes], str | None],
        farewells: Mapping[str, bytes],
    ) -> None:
        self._connection = connection
        self._farewells = farewells
        self._open: deque[str] = deque()  # what is answered and has a farewell, oldest first
        self._depth = 0
        self._frames = frames
        self._finished = finished
        self._answered = answered
        self._sent: dict[str, float] = {}
        self._free = 0
        self.waits: list[float] = []
        connection.listen(self._answer)
        connection.idle = self._fill
        connection.lost = finished.fail

    def start(self, depth: int) -> None:
        """Send the first `depth` frames."""
        self._free = self._depth = depth
        self._fill()

    def _answer(self, message: bytes) -> None:
        key = self._answered(message)
        if key is None:
            return
        self.waits.append(time.perf_counter() - self._sent.pop(key))
        self._free += 1
        if key in self._farewells:
            self._open.append(key)

    def _fill(self) -> None:
        free, self._free = self._free, 0
        if not free:
            return
        frames = list(islice(self._frames, free))
        if frames:
            closed = [self._farewells[self._open.popleft()] for _ in range(len(self._open) - self._depth)]
            self._connection.write(b"".join(closed + [frame for _, frame in frames]))
            now = time.perf_counter()
            self._sent.update((key, now) for key, _ in frames)
        if not self._sent:
            self._finished.arrive()


async def _flow(
    subject: Subject,
    shares: Sequence[Iterator[tuple[str, bytes]]],
    depth: int,
    answered: Callable[[Barrier, bytes], str | None],
    farewells: Mapping[str, bytes] = MappingProxyType({}),
) -> tuple[Spent, list[float]]:
    """One connection a share, each with `depth` unanswered; what it took, and how long each frame waited."""
    connections = await connect_many(subject.url, len(shares))
    finished = Barrier(len(shares))
    judge = partial(answered, finished)
    flows = [
        Flow(connection, share, finished, judge, farewells)
        for connection, share in zip(connections, shares, strict=True)
    ]
    meter = CpuMeter(subject)
    for flow in flows:
        flow.start(depth)
    await finished.wait()
    spent = meter.read()
    for connection in connections:
        connection.close()
    return spent, [wait for flow in flows for wait in flow.waits]


# events


def _acknowledged(versions: frozenset[str], finished: Barrier, message: bytes) -> str | None:
    """`versions` are the ids of addressable events: some relays call one that is older than what they have a duplicate."""
    if message[2:4] != b"OK":
        return None
    event = message[7:71].decode()
    trouble = refusal(message) if event in versions else unless_new(message)
    if trouble is not None:
        finished.fail(trouble)
    return event


def ingest(wires: Sequence[bytes], connections: int, depth: int) -> Load:
    """New events, an equal part of `wires` a turn."""
    size = len(wires) // TURNS
    versions = frozenset(_id_of(wire) for wire in wires if has_address(parse(wire).kind))

    async def turn(subject: Subject, number: int) -> Turn:
        part = wires[number * size : (number + 1) * size]
        shares = [iter([(_id_of(wire), published(wire)) for wire in part[n::connections]]) for n in range(connections)]
        spent, waits = await _flow(subject, shares, depth, partial(_acknowledged, versions))
        return Turn(spent, len(part), waits)

    return turn


def _id_of(wire: bytes) -> str:
    """The id of an event in its wire form, which begins with it."""
    at = wire.index(b'"id":"') + 6
    return wire[at : at + 64].decode()


# questions


def _ids(chance: random.Random, stored: Sequence[Event]) -> Filters:
    return [{"ids": [event.id for event in chance.sample(stored, 5)]}]


def _author(chance: random.Random, stored: Sequence[Event]) -> Filters:
    return [{"authors": [chance.choice(stored).pubkey], "kinds": [1], "limit": 20}]


def _thread(chance: random.Random, stored: Sequence[Event]) -> Filters:
    while True:
        event = chance.choice(stored)
        root = first_value(event, "e")
        if root is not None and event.kind == 1:
            return [{"#e": [root], "kinds": [1]}]


def _tag(chance: random.Random, _stored: Sequence[Event]) -> Filters:
    return [{"#t": [chance.choice(corpus.TOPICS)], "kinds": [1], "limit": 50}]


def _page(chance: random.Random, stored: Sequence[Event]) -> Filters:
    return [{"kinds": [1, 6], "limit": 100, "until": chance.choice(stored).created_at}]


def _one(chance: random.Random, stored: Sequence[Event]) -> Filters:
    return [{"ids": [chance.choice(stored).id]}]


_QUESTIONS: Final = (_ids, _author, _thread, _tag, _page)


def ask(
    questions: Sequence[Callable[[random.Random, Sequence[Event]], Filters]],
    stored: Sequence[Event],
    number: int,
    connections: int = CONNECTIONS,
    depth: int = 4,
) -> Load:
    """`number` questions a turn, of each sort in turn; each is closed a few answers after its own."""

    async def turn(subject: Subject, count: int) -> Turn:
        chance = random.Random(f"{questions[0].__name__} {count}")
        filters = [questions[n % len(questions)](chance, stored) for n in range(number)]
        shares = [_requests(filters[n::connections]) for n in range(connections)]
        farewells = {str(at): masked(b'["CLOSE","%d"]' % at) for at in range(number // connections + 1)}
        spent, waits = await _flow(subject, shares, depth, _ended, farewells)
        return Turn(spent, number, waits)

    return turn


def taking_turns(load: Load) -> Load:
    """A load of one client that waits for each answer, on one core.

    Neither does anything while the other works. Whether the system puts the two on one core or on two, where each has to be
    woken up from idling, is its mood, and another one for each relay: it doubled what the sketch waited, or ours alone.
    """

    async def turn(subject: Subject, number: int) -> Turn:
        with on_one_core(subject.pid):
            return await load(subject, number)

    return turn


def _requests(asked: Sequence[Filters]) -> Iterator[tuple[str, bytes]]:
    """Each under a name of its own: a relay answers one connection's questions in any order."""
    return iter(
        [(str(at), masked(msgspec.json.encode(("REQ", str(at), *filters)))) for at, filters in enumerate(asked)]
    )


def _ended(finished: Barrier, message: bytes) -> str | None:
    if message.startswith(b'["CLOSED"'):
        finished.fail(f"the relay refused a question: {message[:300].decode('utf-8', 'replace')}")
    if not message.startswith(b'["EOSE"'):
        return None
    return message[9 : message.index(b'"', 9)].decode()


# rows


async def side_by_side(
    name: str, unit: str, ours: tuple[Subject, Load], theirs: tuple[Subject, Load], turns: int = TURNS
) -> list[FigureRow]:
    """The row of the other relay, and ours with its ratio; the order changes every turn."""
    found: dict[str, list[Turn]] = {"ours": [], "theirs": []}
    for number in range(turns):
        order = ("ours", "theirs") if number % 2 == 0 else ("theirs", "ours")
        for side in order:
            subject, load = ours if side == "ours" else theirs
            found[side].append(await load(subject, number))
    other, own = _row(f"{name} (other)", unit, found["theirs"]), _row(name, unit, found["ours"])
    pairs = list(zip(found["ours"], found["theirs"], strict=True))
    costs = [(one.spent.cpu_us(one.units), two.spent.cpu_us(two.units)) for one, two in pairs]
    known = [(one, two) for one, two in costs if one is not None and two]
    if not known:
        return [other, own]
    return [
        other,
        msgspec.structs.replace(
            own,
            ratio=statistics.median(one / two for one, two in known),
            more_us=statistics.median(one - two for one, two in known),
            wait_ratio=statistics.median(
                statistics.median(one.waits) / statistics.median(two.waits) for one, two in pairs
            ),
        ),
    ]


def _row(name: str, unit: str, turns: Sequence[Turn]) -> FigureRow:
    waits = [wait for turn in turns for wait in turn.waits]
    costs = [cost for turn in turns if (cost := turn.spent.cpu_us(turn.units)) is not None]
    return FigureRow(
        name=name,
        unit=unit,
        units=sum(turn.units for turn in turns),
        seconds=sum(turn.spent.seconds for turn in turns),
        cpu_us=statistics.median(costs) if costs else None,
        p50_ms=percentile(waits, 50) * 1000,
        p99_ms=percentile(waits, 99) * 1000,
    )


async def prepare(subject: Subject, plan: BenchPlan, *, hub: bool) -> None:
    """What the questions are about; and for a hub, the posts that comments and votes are on, whose authors it then knows."""
    await pour(subject, list(corpus.wires(plan.seed, plan.stored)), plan, refusal)
    if hub:
        for path in _hub_files(plan):
            await pour(subject, path.read_bytes().splitlines()[: mixed.KNOWN], plan, refusal)


def _hub_files(plan: BenchPlan) -> list[Path]:
    """What has enough events beside the posts that each file begins with."""
    return corpus.files(_SEED + plan.seed, TURNS * plan.small_events * 5 // 4, mixed.HUB)


def _hub_wires(plan: BenchPlan) -> list[bytes]:
    lines = [line for path in _hub_files(plan) for line in path.read_bytes().splitlines()[mixed.KNOWN :]]
    return lines[: TURNS * plan.small_events]


async def rows(ours: Subject, theirs: Subject, plan: BenchPlan) -> list[FigureRow]:
    """A pair of rows a load."""
    number = TURNS * plan.small_events
    wires = list(corpus.wires(_SEED + plan.seed, 3 * number + TURNS * plan.small_singles, mixed.MIXED))
    wide, narrow, notes, singles = (
        wires[:number],
        wires[number : 2 * number],
        wires[2 * number : 3 * number],
        wires[3 * number :],
    )
    stored = [parse(wire) for wire in corpus.wires(plan.seed, min(plan.stored, 4 * corpus.CHUNK))]
    asked = plan.small_questions
    one = taking_turns(ask((_one,), stored, asked // 4, 1, 1))
    loads: tuple[tuple[str, str, Load, Load], ...] = (
        *(
            (name, "event", ingest(part, *shape), ingest(part, *shape))
            for name, part, shape in (
                ("small ingest 8×32", wide, (CONNECTIONS, 32)),
                ("small ingest 8×8", narrow, (CONNECTIONS, 8)),
                ("small ingest one at a time", singles, (1, 1)),
            )
        ),
        ("small hub traffic", "event", ingest(_hub_wires(plan), CONNECTIONS, 32), ingest(notes, CONNECTIONS, 32)),
        *(
            (f"small query {name}", "query", ask(questions, stored, asked), ask(questions, stored, asked))
            for name, questions in (
                ("mixed", _QUESTIONS),
                ("ids", (_ids,)),
                ("thread", (_thread,)),
                ("feed page", (_page,)),
            )
        ),
        ("small query one in flight", "query", one, one),
    )
    return [
        row for name, unit, our, their in loads for row in await side_by_side(name, unit, (ours, our), (theirs, their))
    ]
