"""Events that are remembered from one transaction to the next: as they are stored, or not at all."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers import table
from relay.protocol import kinds
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from storage.base import Status
from storage.commands import RemoveMatching
from storage.sqlite import backend
from storage.sqlite.writing import recent_events
from storage.sqlite.writing.recent_events import RecentEvents
from storage.sqlite.writing.writer import SqliteWriter
from tests.factories import make_event
from tests.storage.histories import NOW, incoming

POST = make_event(kind=kinds.POST, tags=[["title", "A post"]])
ROOT = [["E", POST.id], ["K", "11"]]


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SqliteWriter]:
    opened = backend.open_writer(tmp_path, table.meaning("ws://relay.test", provision=True), synchronous="normal")
    yield opened
    opened.close()


def comment(text: str) -> Event:
    return make_event(1, kind=kinds.COMMENT, tags=ROOT, content=text)


def statements(writer: SqliteWriter, recent: RecentEvents, *asked: Event) -> list[str]:
    """What is asked of the database to read these events."""
    found: list[str] = []
    writer.connection.set_trace_callback(found.append)
    assert [row.event for row in recent.read([event.id for event in asked])] == list(asked)
    writer.connection.set_trace_callback(None)
    return found


def test_an_event_is_read_once_until_it_is_forgotten(writer: SqliteWriter) -> None:
    writer.write(incoming([POST]), NOW)
    recent = RecentEvents(writer.connection)
    assert [len(statements(writer, recent, POST)) for _ in range(2)] == [1, 0]
    recent.forget(POST.id)
    assert [len(statements(writer, recent, POST)) for _ in range(2)] == [1, 0]


def test_what_is_remembered_is_bounded(writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_events, "MOST", 2)
    notes = [make_event(content=text) for text in ("a", "b", "c")]
    large = make_event(content="x" * recent_events.MOST_BYTES)
    writer.write(incoming([*notes, large]), NOW)
    recent = RecentEvents(writer.connection)
    for note in (*notes, large):
        statements(writer, recent, note)
    assert [len(statements(writer, recent, one)) for one in (notes[1], notes[2], large, notes[0])] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    "tags", [[["a"]] * (recent_events.MOST_TAGS + 1), [["a"] * (recent_events.MOST_VALUES + 1)]], ids=["tags", "values"]
)
def test_small_events_that_are_many_objects_are_not_remembered(writer: SqliteWriter, tags: list[list[str]]) -> None:
    many = make_event(tags=tags)
    fewer = make_event(tags=[tags[0][: recent_events.MOST_VALUES]] * (len(tags[:-1]) or 1))
    writer.write(incoming([many, fewer]), NOW)
    recent = RecentEvents(writer.connection)
    assert [len(statements(writer, recent, many)) for _ in range(2)] == [1, 1]
    assert [len(statements(writer, recent, fewer)) for _ in range(2)] == [1, 0]


def test_what_left_the_log_is_not_there_for_those_that_come_later(writer: SqliteWriter) -> None:
    writer.write(incoming([POST]), NOW)
    assert writer.write(incoming([comment("one")]), NOW)[0].status is Status.STORED
    writer.execute(RemoveMatching(Filter(ids=frozenset([POST.id])), 1), NOW)
    refusal = writer.write(incoming([comment("two")]), NOW)[0].refusal
    assert refusal is not None
    assert "not here" in refusal.message
