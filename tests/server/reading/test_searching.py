"""NIP-50 over a connection; the engine here finds what holds the first word, longest text first."""

from collections.abc import Sequence
from typing import Any

import pytest

from relay.config import Config
from relay.protocol.event import Event, wire
from relay.protocol.filter import matches
from relay.protocol.tokenizer import words
from relay.search_settings import Search
from relay.server.hub import Hub
from storage.errors import StorageError, TooCostly
from storage.search.engine import Hit, SearchQuery
from tests.factories import make_event
from tests.server.conftest import Relay
from tests.server.fakes import Client, MemoryLog, settle

NOTES_TOO = Config(search=Search(kinds=[1, 11]))


class LongestFirst:
    """A search engine over a log in memory; remembers what it was asked."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.asked: list[SearchQuery] = []
        self.failure: StorageError | None = None

    async def search(self, query: SearchQuery) -> list[Hit]:
        self.asked.append(query)
        if self.failure is not None:
            raise self.failure
        return [_hit(seq, event) for seq, event in self._found(query)][: query.wanted.limit]

    async def count(self, query: SearchQuery) -> int:
        return len(self._found(query))

    def _found(self, query: SearchQuery) -> Sequence[tuple[int, Event]]:
        word = words(query.text)[0]
        rows = [(seq, event) for seq, event, audience in self.log.rows if self._has(query, word, event, audience)]
        return sorted(
            (row for row in rows if query.upto is None or row[0] <= query.upto), key=lambda row: -len(row[1].content)
        )

    def _has(self, query: SearchQuery, word: str, event: Event, audience: tuple[str, ...] | None) -> bool:
        readable = audience is None or not query.readers.isdisjoint(audience)
        return readable and word in words(event.content) and matches(query.wanted, event)


def _hit(seq: int, event: Event) -> Hit:
    return Hit(seq, event.id, wire(event), 1.0, "events", "", event.content, [], 0, event.created_at)


Started = tuple[Hub, LongestFirst]


@pytest.fixture
async def started(relay: Relay) -> Started:
    log = MemoryLog(first_part=2)
    hub = relay(log, NOTES_TOO)
    hub.search = engine = LongestFirst(log)  # type: ignore[assignment]
    writer = Client(hub, peer="198.51.100.99")
    for number, content in enumerate(["tide", "the tide is out", "a tide", "sand", "low tide"]):
        writer.publish(make_event(content=content, created_at=1_700_000_000 + number))
    writer.publish(make_event(kind=7, content="tide"))
    await writer.gather(6)
    return hub, engine


async def ask(hub: Hub, *filters: Any, verb: str = "REQ") -> list[Any]:
    """All that comes up to the end of what is stored."""
    client = Client(hub)
    client.send(verb, "s", *filters)
    told = [await client.next()]
    while told[-1][0] == "EVENT":
        told.append(await client.next())
    return told


def contents(told: list[Any]) -> list[str]:
    return [message[2]["content"] for message in told if message[0] == "EVENT"]


async def test_answers_in_the_order_of_relevance_and_without_a_hint(started: Started) -> None:
    told = await ask(started[0], {"search": "tide"})
    assert contents(told) == ["the tide is out", "low tide", "a tide", "tide"]
    assert told[-1] == ["EOSE", "s"]


async def test_the_limit_is_applied_after_ranking(started: Started) -> None:
    assert contents(await ask(started[0], {"search": "tide", "limit": 2})) == ["the tide is out", "low tide"]


async def test_the_other_fields_of_the_filter_go_to_the_engine_and_extensions_out_of_the_text(started: Started) -> None:
    hub, engine = started
    await ask(hub, {"search": "tide mode:words language:en nsfw:false", "since": 1_700_000_001, "#t": ["x"]})
    (asked,) = engine.asked
    assert (asked.text, asked.mode, asked.language) == ("tide", "words", "en")
    assert (asked.wanted.since, asked.wanted.tags, asked.wanted.search) == (1_700_000_001, {"t": {"x"}}, None)
    assert 7 not in (asked.wanted.kinds or ())


@pytest.mark.parametrize("wanted", [{"search": "tide", "limit": 0}, {"search": "x", "kinds": [7]}])
async def test_what_can_find_nothing_is_not_asked_for(started: Started, wanted: Any) -> None:
    hub, engine = started
    assert await ask(hub, wanted) == [["EOSE", "s"]]
    assert engine.asked == []


@pytest.mark.parametrize("text", ["", " ", "!?", "mode:words", "domain:example.org", "\u2800", "\u3164"])
async def test_a_search_that_cannot_find_anything_is_refused_and_says_so(started: Started, text: str) -> None:
    for verb in ("REQ", "COUNT"):
        ((kind, subscription, reason),) = await ask(started[0], {"search": text}, verb=verb)
        assert (kind, subscription) == ("CLOSED", "s")
        assert reason == "invalid: a search (NIP-50) needs a word, a number or an emoji to look for"


async def test_several_filters_give_each_event_once(started: Started) -> None:
    told = await ask(started[0], {"search": "out"}, {"search": "tide"}, {"kinds": [1]})
    assert sorted(contents(told)) == ["a tide", "low tide", "sand", "the tide is out", "tide"]
    told = await ask(started[0], {"search": "low"}, {"search": "tide"})
    assert contents(told) == ["low tide", "the tide is out", "a tide", "tide"]


async def test_a_long_answer_keeps_its_order_over_its_parts(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log, NOTES_TOO)
    hub.search = LongestFirst(log)  # type: ignore[assignment]
    writer = Client(hub, peer="198.51.100.99")
    for number in range(30):
        writer.publish(make_event(content="tide " + "x" * (60_000 - number)))
    await writer.gather(30)
    lengths = [len(content) for content in contents(await ask(hub, {"search": "tide"}))]
    assert lengths == sorted(lengths, reverse=True)
    assert len(lengths) == 30


async def test_what_comes_later_is_found_by_its_words(started: Started) -> None:
    client = Client(started[0])
    client.send("REQ", "s", {"search": "rising tid*", "limit": 0})
    assert await client.next() == ["EOSE", "s"]
    for kind, content in [(1, "a tide"), (7, "rising tide"), (1, "Tides are rising")]:
        client.publish(make_event(kind=kind, content=content, created_at=1_700_000_100))
    told = await client.gather(4)
    assert [message[2]["content"] for message in told if message[0] == "EVENT"] == ["Tides are rising"]
    await settle()
    assert client.pending() == []


async def test_a_count_is_the_engines(started: Started) -> None:
    assert await ask(started[0], {"search": "tide"}, verb="COUNT") == [["COUNT", "s", {"count": 4}]]
    assert await ask(started[0], {"search": "ebb"}, verb="COUNT") == [["COUNT", "s", {"count": 0}]]


@pytest.mark.parametrize("failure", [TooCostly("narrow it"), StorageError("the disk is gone")])
async def test_a_search_that_fails_is_closed_with_the_reason(started: Started, failure: StorageError) -> None:
    hub, engine = started
    engine.failure = failure
    assert await ask(hub, {"search": "tide"}) == [["CLOSED", "s", f"error: {failure}"]]
