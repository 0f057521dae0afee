"""Idle connections: what one that holds a subscription and says nothing costs in memory."""

from bench import corpus
from bench.client import Barrier, BenchConnection, Trouble, connect_many
from bench.figures import FigureRow
from bench.frames import masked
from bench.plan import BenchPlan
from bench.process import CpuMeter, Subject

_WARM_UP = 5  # a fifth as many connections first, so that the server's one-time costs are not counted


async def rows(subject: Subject, plan: BenchPlan) -> list[FigureRow]:
    """Row "idle": server memory per connection; the rate is that of opening and subscribing."""
    first = await _open(subject, plan.idle // _WARM_UP, 0)
    before = subject.memory_bytes()
    meter = CpuMeter(subject)
    connections = await _open(subject, plan.idle, len(first))
    spent = meter.read()
    after = subject.memory_bytes()
    for connection in first + connections:
        if connection.is_lost:
            raise Trouble("the relay dropped an idle connection")
        connection.close()
    return [
        FigureRow(
            name="idle",
            unit="connection",
            units=plan.idle,
            seconds=spent.seconds,
            cpu_us=spent.cpu_us(plan.idle),
            memory_bytes=None if before is None or after is None else (after - before) / plan.idle,
        )
    ]


async def _open(subject: Subject, number: int, offset: int) -> list[BenchConnection]:
    connections = await connect_many(subject.url, number)
    ready = Barrier(number)

    def answer(message: bytes) -> None:
        if message.startswith(b'["EOSE"'):
            ready.arrive()
        elif message.startswith(b'["CLOSED"'):
            ready.fail(f"the relay closed a subscription: {message[:300].decode('utf-8', 'replace')}")

    for index, connection in enumerate(connections, offset):
        connection.listen(answer)
        connection.lost = ready.fail
        author = corpus.pubkey(index % corpus.AUTHORS)
        connection.write(masked(b'["REQ","idle",{"authors":["%s"],"kinds":[1],"limit":0}]' % author.encode()))
    await ready.wait()
    return connections
