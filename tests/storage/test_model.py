"""The SQLite log gives the same answers as the slow, obvious one, whatever came in whatever order."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.rows import PROJECTIONS
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from storage.base import LogWriter, Outcome, Reader
from storage.commands import Rebuild, RemoveMatching, Sweep
from storage.errors import TooCostly
from storage.sqlite import backend
from storage.tools import Inconsistency
from tests.storage import memory
from tests.storage.histories import MEANING, NOW, Question, batches, incoming, questions
from tests.stores import with_schema

RELAXED = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def told(outcomes: list[Outcome]) -> list[tuple[object, ...]]:
    return [(one.status, one.seq, one.audience, str(one.refusal)) for one in outcomes]


async def answers(reader: Reader, asked: Question) -> dict[str, object]:
    found = await reader.query(asked.filters, asked.readers, asked.now, asked.upto, asked.limits)
    assert reader.try_query(asked.filters, asked.readers, asked.now, asked.upto, asked.limits) in (found, None)
    return {
        "events": found.wires + await reader.fetch(found.rest, asked.now, None),
        "complete": found.complete,
        "count": await reader.count(asked.filters, asked.readers, asked.now, 8),
        "items": await items(reader, asked),
        "one": [await reader.get(one, asked.readers, asked.now) for one in sorted(asked.filters[0].ids or ())],
        "scan": [record async for record in reader.scan(asked.filters[0], 2)],
    }


async def items(reader: Reader, asked: Question) -> object:
    """What of the first filter is compared by negentropy, or that it is too much."""
    try:
        return list(await reader.items(asked.filters[0], asked.readers, asked.now, asked.limits.maximum))
    except TooCostly:
        return "too many"


def write_all(writer: LogWriter, history: list[list[Event]]) -> list[list[tuple[object, ...]]]:
    return [told(writer.write(incoming(batch), NOW)) for batch in history]


@RELAXED
@given(st.data())
def test_answers_like_the_obvious_log(data: st.DataObject) -> None:
    history = data.draw(batches())
    known = [event for batch in history for event in batch]
    asked = data.draw(st.lists(questions(known), min_size=1, max_size=6))
    sweeps, removed = data.draw(st.integers(0, 3)), data.draw(st.sampled_from(known))
    log = memory.MemoryLog()
    obvious, obvious_reader = memory.MemoryWriter(log, MEANING), memory.MemoryReader(log)

    async def scenario(directory: Path) -> None:
        with_schema(directory)
        writer = backend.open_writer(directory, MEANING, synchronous="normal", cache_mib=1)
        reader = await backend.open_reader(directory, readers=1, cache_mib=1)
        try:
            assert write_all(writer, history) == write_all(obvious, history)
            for question in asked:
                assert await answers(reader, question) == await answers(obvious_reader, question)
            assert writer.execute(Sweep(sweeps), NOW + 3) == obvious.execute(Sweep(sweeps), NOW + 3)
            gone = Filter(ids=frozenset([removed.id]))
            assert writer.execute(RemoveMatching(gone, 5), NOW) == obvious.execute(RemoveMatching(gone, 5), NOW)
            again = list(reversed(history))
            assert write_all(writer, again) == write_all(obvious, again)
            for question in asked:
                assert await answers(reader, question) == await answers(obvious_reader, question)
            assert [problem async for problem in reader.check(PROJECTIONS, verify=False)] == list[Inconsistency]()
            profiles = await reader.run(lambda plain: plain.execute("SELECT * FROM profiles").fetchall())
            part: Rebuild | None = Rebuild()
            while part is not None:
                part = writer.execute(part, NOW).following
            assert profiles == await reader.run(lambda plain: plain.execute("SELECT * FROM profiles").fetchall())
        finally:
            await reader.close()
            writer.close()

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(scenario(Path(directory)))
