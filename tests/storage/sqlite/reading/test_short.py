"""Short answers are those of the general way, and the usual questions get them."""

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.protocol.filter import Filter
from storage.base import PUBLIC, Limits
from storage.sqlite import backend
from storage.sqlite.files.database_file import FILE
from storage.sqlite.reading import reader, short
from storage.sqlite.reading.query import FOR_EVER
from storage.sqlite.reading.scope import of_readers
from tests.factories import make_event
from tests.storage.contract import ALICE, BOB, of
from tests.storage.histories import MEANING, NOW, batches, incoming, questions
from tests.stores import with_schema

LIMITS = Limits()


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_short_answer_is_that_of_the_general_way(data: st.DataObject) -> None:
    history = data.draw(batches())
    known = [event for batch in history for event in batch]
    asked = data.draw(st.lists(questions(known), min_size=20, max_size=20))
    with tempfile.TemporaryDirectory() as directory:
        with_schema(Path(directory))
        writer = backend.open_writer(Path(directory), MEANING, synchronous="off", cache_mib=1)
        connection = reader.open_file(Path(directory) / FILE, 1)
        try:
            for batch in history:
                writer.write(incoming(batch), NOW)
            for question in asked:
                scope = of_readers(question.readers, question.now, question.upto)
                for wanted in question.filters:
                    found = short.answer(connection, wanted, scope, question.limits)
                    general = reader.answer(connection, [wanted], scope, question.limits)
                    assert found in (None, general)
        finally:
            connection.close()
            writer.close()


NOTES = [make_event(n % 2, content=f"{n}", tags=[["t", f"{n % 3}"], ["e", "0" * 64]], created_at=n) for n in range(60)]
LARGE = make_event(kind=20, content="x" * 9000, created_at=0)
TIED = [make_event(key, kind=3, created_at=7) for key in (0, 1)]
NEWER = make_event(2, kind=3, created_at=9)
LETTER = make_event(0, kind=4, tags=[["p", BOB]])
GIFT = make_event(kind=1059, tags=[["p", BOB]])


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    directory = tmp_path_factory.mktemp("short")
    with_schema(directory)
    writer = backend.open_writer(directory, MEANING, synchronous="off", cache_mib=1)
    writer.write(incoming([*NOTES, LARGE, *TIED, NEWER, LETTER, GIFT]), NOW)
    opened = reader.open_file(directory / FILE, cache_mib=1)
    yield opened
    opened.close()
    writer.close()


@pytest.mark.parametrize(
    "wanted",
    [
        of(ids=[event.id for event in NOTES[:5]]),
        of(ids=[NOTES[0].id, "0" * 64], limit=1),
        *(of(ids=[NOTES[n].id, NOTES[n + 1].id]) for n in range(8)),
        of(ids=[event.id for event in NOTES[:5]], since=1, until=3),
        of(authors=[ALICE], kinds=[1], limit=20),
        of(authors=[ALICE, BOB], kinds=[1, 6], limit=20),
        of(e=["0" * 64], kinds=[1]),
        of(t=["1"], kinds=[1], limit=50),
        of(t=["1", "2"], kinds=[1], limit=10, since=20),
        of(kinds=[1, 6], limit=100, until=40),
        of(limit=20),
        of(kinds=[1], limit=0),
        of(kinds=[]),
        of(ids=[GIFT.id]),
    ],
)
@pytest.mark.parametrize("limits", [LIMITS, Limits(30, 40)])
def test_the_usual_questions_get_a_short_answer(connection: sqlite3.Connection, wanted: Filter, limits: Limits) -> None:
    for upto in (FOR_EVER, 2, 45):
        scope = of_readers(PUBLIC, NOW, upto)
        found = short.answer(connection, wanted, scope, limits)
        assert found is not None
        assert found == reader.answer(connection, [wanted], scope, limits)


@pytest.mark.parametrize("wanted", [of(kinds=[4]), of(kinds=[4], p=[BOB]), of(kinds=[4, 6], authors=[ALICE])])
def test_what_stands_under_two_readers_is_given_once(connection: sqlite3.Connection, wanted: Filter) -> None:
    """Its author and whom it is for may have proven their keys on one connection."""
    scope = of_readers(frozenset({ALICE, BOB}), NOW)
    found = short.answer(connection, wanted, scope, LIMITS)
    assert found is not None
    assert len(found.wires) == 1
    assert found == reader.answer(connection, [wanted], scope, LIMITS)


@pytest.mark.parametrize(
    ("wanted", "readers", "limits"),
    [
        (of(kinds=[20]), PUBLIC, LIMITS),  # a large body
        *(
            (of(kinds=[3], until=until), PUBLIC, Limits(default=most)) for until, most in ((None, 2), (7, 1))
        ),  # within a second
        (of(kinds=[1], limit=501), PUBLIC, LIMITS),
        (of(kinds=[1], limit=30, until=59, t=["1"], e=["0" * 64]), PUBLIC, LIMITS),  # two conditions
        (of(ids=[GIFT.id]), frozenset({BOB}), LIMITS),
        (of(authors=[ALICE]), PUBLIC, LIMITS),
        (of(kinds=list(range(50))), PUBLIC, LIMITS),
    ],
)
def test_what_is_not_usual_has_none(
    connection: sqlite3.Connection, wanted: Filter, readers: frozenset[str], limits: Limits
) -> None:
    assert short.answer(connection, wanted, of_readers(readers, NOW), limits) is None


@pytest.mark.parametrize("arms", [1, 2, 8])
def test_a_short_answer_reads_no_table_from_end_to_end(connection: sqlite3.Connection, arms: int) -> None:
    for sql in (short.text(arms, True), short.text(arms, False)):
        values = [0, FOR_EVER, FOR_EVER, NOW, 10, *([b"K", 1] * arms)]
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
        assert any("USING PRIMARY KEY (key=? AND kind=?" in step for step in steps)
        assert not any("TEMP B-TREE" in step or step in ("SCAN v", "SCAN x") for step in steps)
