"""Groups at their full size: what a message in a private one costs beside a note, to take in, to pass on and to find; how soon who
joins is known; and how long it takes to make all rows anew.

The directory is filled through the relay's own doors: the groups and their members over the WebSocket, the messages by `tidings
import`. What is measured is a relay over it that takes messages of any age, with search off.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from bench import corpus, groups, seeded
from bench.client import Barrier, BenchConnection, Trouble, connect
from bench.figures import FigureRow, percentile
from bench.frames import masked, published
from bench.plan import BenchPlan
from bench.process import CpuMeter, Spent, Subject, command, run, started
from bench.workloads.beside import BesideWork, beside
from bench.workloads.fanout import Deliveries
from bench.workloads.feed import UNSEARCHED
from bench.workloads.ingest import pour, refusal, unless_new
from relay.protocol import kinds
from relay.protocol.event import wire
from relay.protocol.groups.belonging import PUT_USER

SETTINGS: Final = (*UNSEARCHED, "groups.late_publication=0", "groups.per_key=0")
_SEED: Final = 4_000_000  # far from any seed a person chooses
_PAGE: Final = 100
_WATCHERS: Final = 20  # members who see others join
_AHEAD: Final = 16  # events under way at most


async def fill(data: Path, plan: BenchPlan) -> None:
    """Fill the directory unless it is filled already. Raises Trouble when it holds anything else."""
    paths = corpus.files(plan.seed, plan.group_messages, groups.messages(plan.groups))
    holding = seeded.Holding(
        plan.seed, groups=plan.groups, messages=len(paths) * corpus.CHUNK, members=plan.group_members
    )
    if seeded.is_filled(data, holding):
        return
    with started(data, *SETTINGS) as subject:
        await pour(subject, list(groups.beginnings(plan.groups)), plan, refusal)
        await pour(subject, list(groups.memberships(plan.groups, plan.group_members)), plan, refusal)
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    run(
        command("import", "--restart", "--data", str(data), *settings, *map(str, paths)),
        data.with_name(f"{data.name}.import"),
    )
    seeded.note(data, holding)


async def rows(data: Path, plan: BenchPlan) -> list[FigureRow]:
    """All rows of the section, over a filled directory that may be written to."""
    with started(data, *SETTINGS) as subject:
        written = [
            *await _taken_in(subject, plan),
            *await _passed_on(subject, plan),
            *await _found(subject, plan),
            await _joined(subject, plan),
        ]
    return [*written, _rebuilt(data, plan)]


async def _taken_in(subject: Subject, plan: BenchPlan) -> list[FigureRow]:
    """Rows "groups note" and "groups message"."""
    many, send = plan.group_written, partial(pour, plan=plan, judge=unless_new)
    notes, said = (list(corpus.wires(_SEED + plan.seed, many, series)) for series in (groups.NOTES, groups.IN_ROOM))
    return await beside(
        BesideWork("groups note", "note", subject, notes, send),
        BesideWork("groups message", "message", subject, said, send),
    )


async def authenticated(subject: Subject, author: int) -> BenchConnection:
    """An open connection that has proved this author's key (NIP-42). Raises Trouble where the relay does not believe it."""
    connection = await connect(subject.url)
    done = Barrier(1)
    connection.lost = done.fail

    def hear(message: bytes) -> None:
        word, *values = msgspec.json.decode(message)
        if word == "AUTH":
            tags = [["relay", subject.url], ["challenge", values[0]]]
            proof = corpus.signed(author, kinds.CLIENT_AUTH, "", tags, int(time.time()))
            connection.write(masked(b'["AUTH",' + wire(proof) + b"]"))
        elif word == "OK" and values[1]:
            done.arrive()
        elif word == "OK":
            done.fail(f"the relay did not believe a key: {values[2]}")

    connection.listen(hear)
    question = msgspec.json.encode(("REQ", "who", {"kinds": [kinds.GIFT_WRAP], "limit": 0}))
    connection.write(masked(question) + masked(b'["CLOSE","who"]'))
    await done.wait()
    return connection


async def _watching(connections: Sequence[BenchConnection], wanted: dict[str, object]) -> None:
    """Each has a subscription to that, without history."""
    ready = Barrier(len(connections))

    def answer(message: bytes) -> None:
        if message.startswith(b'["EOSE","w"'):
            ready.arrive()
        elif message.startswith(b'["CLOSED","w"'):
            ready.fail(f"the relay closed a subscription: {message[:300].decode('utf-8', 'replace')}")

    question = masked(msgspec.json.encode(("REQ", "w", {**wanted, "limit": 0})))
    for connection in connections:
        connection.listen(answer)
        connection.lost = ready.fail
        connection.write(question)
    await ready.wait()


async def _passed_on(subject: Subject, plan: BenchPlan) -> list[FigureRow]:
    """Rows "groups fan-out public" and "groups fan-out": to the same connections, each by a subscription to one of the two."""
    connections = [await authenticated(subject, author) for author in range(plan.subscribers)]
    many = plan.group_burst
    seed = _SEED + 1 + plan.seed
    parts = []
    for title, series, wanted in (
        ("groups fan-out public", groups.NOTES, {"kinds": [kinds.NOTE], "#r": [groups.SQUARE]}),
        ("groups fan-out", groups.IN_ROOM, {"kinds": [kinds.CHAT], "#h": [groups.ROOM]}),
    ):
        send = partial(_publish, connections=connections, wanted=wanted)
        parts.append(BesideWork(title, "event", subject, list(corpus.wires(seed, many, series)), send))
    found = await beside(*parts)
    for connection in connections:
        connection.close()
    return [_each(row, "delivery", plan.subscribers) for row in found]


def _each(row: FigureRow, unit: str, each: int) -> FigureRow:
    """The row by a smaller unit, of which so many make one of its own."""
    return msgspec.structs.replace(
        row,
        unit=unit,
        units=row.units * each,
        cpu_us=None if row.cpu_us is None else row.cpu_us / each,
        more_us=None if row.more_us is None else row.more_us / each,
    )


async def _publish(
    subject: Subject,
    wires: Sequence[bytes],
    connections: list[BenchConnection],
    wanted: dict[str, object],
    window: int = _AHEAD,
) -> tuple[Spent, list[float]]:
    """Publish some events, a few under way at a time; until every connection has all of them."""
    await _watching(connections, wanted)
    deliveries = Deliveries(connections, 1, len(wires), window)
    publisher = await connect(subject.url)

    def answer(message: bytes) -> None:
        if message[2:4] == b"OK" and (trouble := unless_new(message)) is not None:
            deliveries.finished.fail(trouble)

    publisher.listen(answer)
    publisher.lost = deliveries.finished.fail
    frames = [published(one) for one in wires]
    sent: list[float] = []
    meter = CpuMeter(subject)
    for frame in frames:
        await asyncio.wait_for(deliveries.admit(), 60)
        sent.append(time.perf_counter())
        publisher.write(frame)
    await deliveries.finished.wait()
    spent = meter.read()
    publisher.close()
    latencies = [when - sent[count] for before, after, when in deliveries.arrivals for count in range(before, after)]
    for connection in connections:
        connection.arrived = None
        connection.write(masked(b'["CLOSE","w"]'))
    return spent, latencies


async def _found(subject: Subject, plan: BenchPlan) -> list[FigureRow]:
    """Rows "groups query public", "groups query" and "groups query all"."""
    connections = [await authenticated(subject, groups.reader(number)) for number in range(groups.READERS)]
    chance = random.Random(f"{_SEED} {plan.seed}")
    asking = [number % groups.READERS for number in range(plan.group_questions)]
    mine = [groups.rooms_of(number, plan.groups) for number in range(groups.READERS)]
    chosen = [(who, chance.choice(mine[who])) for who in asking]
    inside = [_question(who, groups.name(room)) for who, room in chosen]
    outside = [_question(who, groups.name(room + 1)) for who, room in chosen]  # the public one after each
    everything = [_question(who) for who in asking]
    ask = partial(_ask, connections=connections)
    for questions in (outside, inside, everything):
        await ask(subject, questions[: len(questions) // 10])
    pair = await beside(
        BesideWork("groups query public", "question", subject, outside, ask),
        BesideWork("groups query", "question", subject, inside, ask),
    )
    spent, latencies = await ask(subject, everything)
    for connection in connections:
        connection.close()
    over_all = FigureRow(
        name="groups query all",
        unit="question",
        units=len(everything),
        seconds=spent.seconds,
        cpu_us=spent.cpu_us(len(everything)),
        p50_ms=percentile(latencies, 50) * 1000,
        p99_ms=percentile(latencies, 99) * 1000,
    )
    return [*(_each(row, "event", _PAGE) for row in pair), _each(over_all, "event", _PAGE)]


def _question(who: int, group: str | None = None) -> bytes:
    """The reader who asks, and the frame: the newest messages of a group, or of all groups."""
    named = {} if group is None else {"#h": [group]}
    question = ("REQ", "q", {"kinds": [kinds.CHAT], **named, "limit": _PAGE})
    return bytes((who,)) + masked(b'["CLOSE","q"]') + masked(msgspec.json.encode(question))


async def _ask(
    subject: Subject, questions: Sequence[bytes], connections: Sequence[BenchConnection]
) -> tuple[Spent, list[float]]:
    """One question at a time: what another one takes is not this one's wait. Raises Trouble unless each has a full answer."""
    answered: asyncio.Queue[str | None] = asyncio.Queue()

    def hear(message: bytes) -> None:
        if message.startswith(b'["EOSE","q"'):
            answered.put_nowait(None)
        elif message.startswith(b'["CLOSED","q"'):
            answered.put_nowait(f"the relay refused a question: {message[:300].decode('utf-8', 'replace')}")

    for connection in connections:
        connection.listen(hear)
        connection.lost = answered.put_nowait
    waits = []
    meter = CpuMeter(subject)
    for question in questions:
        connection = connections[question[0]]
        before = connection.events
        begin = time.perf_counter()
        connection.write(question[1:])
        trouble = await asyncio.wait_for(answered.get(), 60)
        waits.append(time.perf_counter() - begin)
        if trouble is not None:
            raise Trouble(trouble)
        if connection.events - before != _PAGE:
            raise Trouble(f"a question of groups got {connection.events - before} events, not {_PAGE}")
    return meter.read(), waits


async def _joined(subject: Subject, plan: BenchPlan) -> FigureRow:
    """Row "groups join": one join after another, until each watcher has the relay's word that somebody is a member now."""
    connections = [await authenticated(subject, groups.in_hall(number)) for number in range(_WATCHERS)]
    wanted: dict[str, object] = {"kinds": [PUT_USER], "#h": [groups.HALL]}
    wires = [groups.join(number) for number in range(plan.group_joins)]
    spent, latencies = await _publish(subject, wires, connections, wanted, window=1)
    for connection in connections:
        connection.close()
    return FigureRow(
        name="groups join",
        unit="join",
        units=len(wires),
        seconds=spent.seconds,
        cpu_us=spent.cpu_us(len(wires)),
        p50_ms=percentile(latencies, 50) * 1000,
        p99_ms=percentile(latencies, 99) * 1000,
    )


def _rebuilt(data: Path, plan: BenchPlan) -> FigureRow:
    """Row "groups rebuild": all derived rows anew, with nobody else on the directory."""
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    spent = run(command("rebuild", "--data", str(data), *settings), data.with_name(f"{data.name}.rebuild"))
    events = plan.group_messages
    return FigureRow(
        name="groups rebuild", unit="event", units=events, seconds=spent.seconds, cpu_us=spent.cpu_us(events)
    )
