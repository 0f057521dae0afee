"""Search over SQLite, from outside: events go in by the writer, questions are answered beside it."""

import asyncio
import base64
import hashlib
import itertools
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers import table
from handlers.rows import PROJECTIONS
from relay.protocol.admission import Door
from relay.protocol.chunks import Cutting
from relay.protocol.event import Event, wire
from relay.protocol.filter import Filter, matches
from storage.base import Incoming
from storage.commands import Command, Compact
from storage.errors import StorageError
from storage.search.embedders import EmbeddingError, Vectors, WordLlama, normalised
from storage.search.engine import Hit, ModelMismatch, SearchQuery
from storage.sqlite import backend
from storage.sqlite.search.model_vectors import VectorSettings
from storage.sqlite.search.sqlite_search import SqliteSearch
from storage.sqlite.statements import named
from storage.sqlite.writing import preparing
from tests.factories import NOW, keypair, make_event
from tests.storage.feed_logs import rebuild
from tests.stores import with_schema

CUTTING = Cutting((0, 1, 11, 1111, 30023), (30818,), size=300, overlap=30)


class Toy:
    """A model that knows words only: each is a direction of its own. `down` makes it fail."""

    def __init__(self, name: str = "toy", dimension: int = 64) -> None:
        self.name, self.dimension, self.floor, self.down = name, dimension, -1.0, False

    async def embed(self, texts: Sequence[str]) -> Vectors:
        if self.down:
            raise EmbeddingError("the model is away")
        return normalised(
            [
                np.sum([self._word(word) for word in text.lower().split()] or [[0] * self.dimension], axis=0)
                for text in texts
            ]
        )

    def _word(self, word: str) -> Any:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4])
        return np.random.default_rng(seed).normal(size=self.dimension)

    async def close(self) -> None:
        pass


class Place:
    """A data directory with its writer and its search."""

    def __init__(
        self, path: Path, embedder: Any = None, trusted: frozenset[str] = frozenset(), reranker: Any = None
    ) -> None:
        self.path = path
        self.reranker = reranker
        self.embedder = embedder or Toy()
        self.trusted = trusted

    async def open(self) -> "Place":
        meaning = table.meaning("ws://relay.test", searched=CUTTING.searched)
        with_schema(self.path)
        self.writer = backend.open_writer(self.path, meaning, synchronous="normal", cache_mib=1, cutting=CUTTING)
        self.store = await backend.open_reader(self.path, cache_mib=1)

        async def write(command: Command[Any]) -> Any:
            return self.writer.execute(command, NOW)

        self.vector_settings = VectorSettings(self.path / "search", self.store, write, 256, self.trusted)
        self.engine = SqliteSearch(self.vector_settings, self.embedder, self.reranker)
        try:
            await self.engine.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def close(self) -> None:
        await self.engine.close()
        await self.store.close()
        self.writer.close()

    def put(self, *events: Event) -> None:
        outcomes = self.writer.write([Incoming(event, wire(event), Door.IMPORT, NOW) for event in events], NOW)
        assert [outcome.refusal for outcome in outcomes] == [None] * len(events)

    async def embed(self) -> None:
        while await self.engine.embed_some():
            pass

    async def ask(self, text: str, **fields: Any) -> list[Hit]:
        return await self.engine.search(SearchQuery(text, now=fields.pop("now", NOW), **fields))

    async def ids(self, text: str, **fields: Any) -> list[str]:
        return [hit.event_id for hit in await self.ask(text, **fields)]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    opened = await Place(tmp_path).open()
    yield opened
    await opened.close()


CAT = make_event(1, 1, "the cat sat on the mat")
DOG = make_event(2, 1, "a dog lay on the rug", [("t", "dogs")])
WIKI = make_event(1, 30818, "A relay stores events.", [("d", "relay"), ("title", "Relay"), ("t", "nostr")])


async def test_words_find_what_has_them_all_and_else_what_has_any(place):
    place.put(CAT, DOG, WIKI)
    assert await place.ids("on cat", mode="words") == [CAT.id]
    assert set(await place.ids("cat rug", mode="words")) == {CAT.id, DOG.id}
    assert await place.ids('"sat on the"', mode="words") == [CAT.id]
    assert await place.ids("rela*", mode="words") == [WIKI.id]


@pytest.mark.parametrize("mode", ["words", "meaning", "hybrid"])
async def test_times_and_numbers_of_the_log_are_taken_with_both_ends(place, mode):
    place.put(CAT, DOG)  # numbers 1 and 2, of one second
    await place.embed()
    for since, until, upto, found in ((0, 0, 1, 1), (-9, 9, 2, 2), (1, None, 9, 0), (None, -1, 9, 0), (0, None, 0, 0)):
        times = {name: at if at is None else NOW + at for name, at in (("since", since), ("until", until))}
        assert len(await place.ids("on the", mode=mode, upto=upto, wanted=Filter(**times))) == found


async def test_what_is_not_embedded_yet_is_counted_and_found_by_words(place):
    place.put(CAT)
    assert (await place.engine.tally()).pending == 1
    assert await place.ids("cat") == [CAT.id]
    await place.embed()
    assert (await place.engine.tally()).pending == 0
    assert await place.ids("cat", mode="meaning") == [CAT.id]


async def test_vectors_are_not_counted_whenever_something_is_stored(place):
    """Which went through all of them, twice a second: 30 to 60 ms for a million."""
    connection = sqlite3.connect(place.path / "tidings.sqlite")
    rows = connection.execute(f"EXPLAIN QUERY PLAN {named('search')['numbers']}", ("toy", 64)).fetchall()
    connection.close()
    assert [step for *_, step in rows if "vectors" in step or " v " in step] == [
        "SEARCH v USING COVERING INDEX vectors_by_key (key>? AND key<?)"
    ]
    assert not [
        step
        for *_, step in rows
        if step.startswith("SCAN") and "passages_by_created_at" not in step and "CONSTANT" not in step
    ]
    assert "max(v.key)" in named("search")["numbers"]


async def test_a_hit_says_what_it_is_and_where_the_words_stand(place):
    place.put(WIKI)
    hit = (await place.ask("events"))[0]
    assert (hit.kind_of, hit.title, hit.wire, hit.chunk) == ("knowledge", "Relay", wire(WIKI), 0)
    assert [hit.snippet[start:end] for start, end in hit.marks] == ["events"]


async def test_only_words_that_tell_something_are_marked(place):
    place.put(make_event(1, 1, "When the moon is full the tide is high."))
    (hit,) = await place.ask("when is the tide high")
    assert [hit.snippet[start:end] for start, end in hit.marks] == ["tide", "high"]


async def test_the_matching_of_many_tags_are_found_exactly(place):
    tags = [[("t", f"t{n}") for n in range(4) if number % (n + 2) == 0] for number in range(700)]
    some = [make_event(1, 1, f"word{number}", tags[number]) for number in range(700)]
    place.put(*some)
    await place.embed()
    both = {some[number].id for number in range(700) if number % 4 == 0 and number % 5 == 0}
    for mode in ("meaning", "hybrid"):
        found = await place.ids("word3", mode=mode, tags=frozenset(["t2", "t3"]), wanted=Filter(limit=50))
        assert set(found) == both


async def test_a_new_version_replaces_the_passages_of_the_old_one(place):
    place.put(WIKI)
    await place.embed()
    newer = make_event(1, 30818, "It is about trains now.", [("d", "relay")], NOW + 1)
    place.put(newer)
    await place.embed()
    assert await place.ids("stores") == [newer.id]
    assert await place.ids("stores", mode="words") == []
    assert len(place.engine._current.index) == 1


@pytest.mark.parametrize("kind", [5, 62])
async def test_what_is_deleted_is_found_no_more(place, kind):
    place.put(CAT, DOG)
    await place.embed()
    tags = [("e", CAT.id)] if kind == 5 else [("relay", "ALL_RELAYS")]
    place.put(make_event(1, kind, "", tags, NOW))
    assert await place.ids("cat", mode="words") == []
    assert await place.ids("cat", mode="meaning") == [DOG.id]


async def test_vanished_text_and_vectors_leave_the_files_with_compact(place):
    secret = make_event(1, 1, "xylophonist zanzibar")
    place.put(secret, *(make_event(2, 1, f"number {n}") for n in range(300)))
    await place.embed()
    vector = (await place.embedder.embed(["xylophonist zanzibar"]))[0].tobytes()
    place.put(make_event(1, 62, "", [("relay", "ALL_RELAYS")], NOW))
    await place.engine.purge()
    await place.store.close()
    place.writer.execute(Compact(), NOW)
    files = b"".join(file.read_bytes() for file in place.path.rglob("*") if file.is_file())
    assert vector[:64] not in files
    assert b"zanzibar" not in files


async def test_expired_events_are_not_found(place):
    place.put(make_event(1, 1, "soon gone", [("expiration", str(NOW + 5))]))
    await place.embed()
    assert len(await place.ids("gone")) == 1
    assert await place.ids("gone", now=NOW + 5) == []


async def test_filters_types_and_language_hold(place):
    german = make_event(3, 30023, "Die Katze sitzt auf dem Hund", [("d", "x"), ("l", "de", "ISO-639-1")])
    place.put(CAT, DOG, WIKI, german)
    await place.embed()
    assert await place.ids("cat", wanted=Filter(tags={"t": frozenset(["dogs"])})) == [DOG.id]
    assert await place.ids("cat", types=frozenset(["knowledge"])) == [WIKI.id]
    assert await place.ids("cat", language="de") == [german.id]
    assert await place.ids("cat", wanted=Filter(limit=0)) == []
    assert len(await place.ids("cat", wanted=Filter(limit=2))) == 2


async def test_count_is_of_events_that_words_find(place):
    long = make_event(1, 30818, "cat. " * 200, [("d", "long")])
    place.put(CAT, DOG, long)
    assert await place.engine.count(SearchQuery("cat", now=NOW)) == 2
    assert await place.engine.count(SearchQuery("cat", wanted=Filter(kinds=frozenset([1])), now=NOW)) == 1
    assert await place.engine.count(SearchQuery("unicorn", now=NOW)) == 0


async def test_a_long_text_has_several_chunks_and_is_one_hit(place):
    long = make_event(1, 30818, "First about whales. " * 30 + "Then about zebras. " * 30, [("d", "long")])
    place.put(long)
    await place.embed()
    chunks = await place.engine.chunks(long.id, frozenset(), NOW)
    assert [chunk.chunk for chunk in chunks] == list(range(len(chunks)))
    assert all(len(chunk.content) <= 300 and chunk.model == "toy" for chunk in chunks)
    hits = await place.ask("zebras")
    assert len(hits) == 1
    assert hits[0].chunk > 0


@pytest.mark.parametrize("text", ["", "   ", "!!! ???", "\x00", "'\"*()", "🎉", "a" * 100_000, "word " * 50_000])
@pytest.mark.parametrize("mode", ["words", "meaning", "hybrid"])
async def test_no_question_fails(place, text, mode):
    place.put(CAT)
    await place.embed()
    assert len(await place.ids(text, mode=mode)) <= 1


async def test_the_model_goes_away_and_comes_back(place):
    place.embedder.down = True
    place.put(CAT)
    with pytest.raises(EmbeddingError):
        await place.engine.embed_some()
    assert place.engine.health().problem == "the model is away"
    assert await place.ids("cat") == [CAT.id]
    place.embedder.down = False
    await place.embed()
    assert place.engine.health().problem is None
    assert await place.ids("mat", mode="meaning") == [CAT.id]


async def test_another_model_stops_the_start_and_reembed_takes_it_on(tmp_path):
    place = await Place(tmp_path).open()
    place.put(CAT, DOG)
    await place.embed()
    other = SqliteSearch(place.vector_settings, Toy("other", 32))
    with pytest.raises(ModelMismatch, match="reembed"):
        await other.open()
    progress: list[tuple[int, int]] = []
    assert await other.reembed(progress=lambda *done: progress.append(done)) == 2
    assert progress == [(2, 2)]
    await other.close()
    await place.close()
    with pytest.raises(ModelMismatch, match="other"):
        await Place(tmp_path).open()
    again = await Place(tmp_path, Toy("other", 32)).open()
    assert (await again.ids("cat", mode="meaning"))[0] == CAT.id
    assert await again.engine.reembed() == 0
    await again.close()


class Watched(Toy):
    """A model that does something whenever it is asked for many vectors."""

    def __init__(self, name: str, before: Any) -> None:
        super().__init__(name, 32)
        self.before = before

    async def embed(self, texts: Sequence[str]) -> Vectors:
        await self.before(texts)
        return await super().embed(texts)


def failing_at(number: int) -> Callable[[Sequence[str]], Awaitable[None]]:
    """What fails when it is asked for the `number`-th time."""
    asked = itertools.count(1)

    async def ask(texts: Sequence[str]) -> None:
        if next(asked) == number:
            raise EmbeddingError("the power is out")

    return ask


MANY = [make_event(n % 5, 1, f"word{n} thing{n % 7}") for n in range(700)]


async def test_the_former_model_answers_until_the_next_one_is_complete(place):
    place.put(*MANY)
    await place.embed()
    before = await place.ask("thing3 word17", mode="meaning")
    extra = make_event(1, 1, "unheard whale")
    during: list[Any] = []

    async def ask(texts: Sequence[str]) -> None:
        if len(texts) > 1 and not during:
            during.append(await place.ask("thing3 word17", mode="meaning"))
            place.put(extra)
            await place.embed()
            during.append(await place.ids("whale", mode="meaning", wanted=Filter(limit=1)))
            place.put(make_event(0, 5, "", [("e", MANY[0].id)]))
            await place.engine.embed_some()

    progress: list[tuple[int, int]] = []
    made = await place.engine.reembed(Watched("other", ask), lambda *reached: progress.append(reached))
    assert during == [before, [extra.id]]
    assert made >= 700
    assert progress[-1][0] == progress[-1][1]
    health = place.engine.health()
    assert (health.model, health.dimension, health.chunks, health.pending) == ("other", 32, 700, 0)
    assert await place.ids("whale", mode="meaning", wanted=Filter(limit=1)) == [extra.id]
    assert len(place.engine._current.index) == 700
    assert place.writer.connection.execute("SELECT name FROM spaces").fetchall() == [("other",)]
    assert place.writer.connection.execute("SELECT count(*) FROM vectors").fetchone() == (700,)
    assert len(list((place.path / "search").iterdir())) == 1


async def test_vectors_under_way_when_the_model_changes_are_made_by_the_next_one(tmp_path):
    reached, go = asyncio.Event(), asyncio.Event()

    async def wait(texts: Sequence[str]) -> None:
        if len(texts) > 1:
            reached.set()
            await go.wait()

    place = await Place(tmp_path, Watched("first", wait)).open()
    place.put(CAT, DOG)
    go.set()
    await place.embed()
    go.clear()
    reached.clear()
    place.put(make_event(3, 1, "a late owl"), make_event(3, 1, "a later bat"))
    late = asyncio.create_task(place.engine.embed_some())
    await reached.wait()
    assert await place.engine.reembed(Toy("other", 64)) == 4
    go.set()
    assert await late is True
    assert await place.engine.embed_some() is False
    assert place.engine.health().problem is None
    assert len(await place.ids("owl", mode="meaning")) == 4
    await place.close()


async def test_reembedding_goes_on_where_it_was_stopped(tmp_path):
    place = await Place(tmp_path).open()
    place.put(*MANY)
    await place.embed()
    with pytest.raises(EmbeddingError):
        await place.engine.reembed(Watched("other", failing_at(3)))
    before = await place.ids("thing3 word17")
    await place.close()
    again = await Place(tmp_path).open()  # the database is still the former model's
    assert await again.ids("thing3 word17") == before
    assert await again.engine.reembed(Toy("other", 32)) == 700 - 512
    assert (await again.ids("word17", mode="meaning"))[0] == MANY[17].id
    await again.close()


async def test_compact_leaves_no_files_of_a_model_that_was_only_begun(place):
    place.put(*MANY)
    await place.embed()
    with pytest.raises(EmbeddingError):
        await place.engine.reembed(Watched("other", failing_at(3)))
    assert len(list((place.path / "search").iterdir())) == 2
    await place.engine.purge()
    assert len(list((place.path / "search").iterdir())) == 1
    assert await place.engine.reembed(Toy("other", 32)) == 700 - 512
    assert len(place.engine._current.index) == 700


async def test_only_one_goes_over_at_a_time(place):
    place.put(CAT)
    refused: list[str] = []

    async def again(texts: Sequence[str]) -> None:
        with pytest.raises(StorageError, match="already") as caught:
            await place.engine.reembed(Toy("third", 16))
        refused.append(str(caught.value))

    await place.engine.reembed(Watched("other", again))
    assert len(refused) == 1


async def test_there_and_back_again(place):
    place.put(*MANY)
    await place.embed()
    before = await place.ids("thing3 word17")
    assert await place.engine.reembed(Toy("other", 32)) == 700
    assert await place.engine.reembed(Toy()) == 700
    assert await place.ids("thing3 word17") == before


class Last:
    """A second look that takes the texts the other way round; `answer`: how many of them, or what is raised instead."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer

    async def scores(self, question: str, texts: Sequence[str], seconds: float) -> list[float]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return [100.0 * place for place in range(len(texts))][: self.answer]

    async def close(self) -> None:
        pass


async def test_a_second_look_orders_the_first_twenty_anew(place):
    place.put(*MANY)
    await place.embed()
    before = await place.ask("thing3 word17", wanted=Filter(limit=25))
    place.engine._reranker = Last()
    after = await place.ask("thing3 word17", wanted=Filter(limit=25))
    assert after[0].event_id != before[0].event_id
    assert {hit.event_id for hit in after[:20]} == {hit.event_id for hit in before[:20]}
    assert after[20:] == before[20:]
    assert [hit.score for hit in after] == [hit.score for hit in before]
    assert await place.ask("thing3 word17", wanted=Filter(limit=5)) == after[:5]
    place.engine._reranker = Last(10)  # no time for more
    some = await place.ask("thing3 word17", wanted=Filter(limit=25))
    assert {hit.event_id for hit in some[:10]} == {hit.event_id for hit in before[:10]}
    assert some[10:] == before[10:] != after[10:]
    for failing in (Last(0), Last(EmbeddingError("away"))):
        place.engine._reranker = failing
        assert await place.ask("thing3 word17", wanted=Filter(limit=25)) == before


async def test_what_is_too_far_is_not_found_by_meaning(place):
    place.embedder.floor = 0.5
    place.put(CAT, DOG)
    await place.embed()
    assert await place.ids("cat sat on the mat", mode="meaning") == [CAT.id]
    assert await place.ids("quite another thing", mode="meaning") == []
    assert await place.ids("quite another thing") == []
    assert await place.ids("rug and quite another thing") == [DOG.id]


async def test_what_is_near_to_an_event_is_found_without_asking_the_model(place):
    place.put(CAT, DOG)
    assert await place.ids("", near=CAT.id) == []
    await place.embed()
    place.embedder.down = True
    assert await place.ids("", near=CAT.id) == [DOG.id]
    assert await place.ids("", near=CAT.id, wanted=Filter(authors=frozenset([CAT.pubkey]))) == []
    assert await place.ids("", near="f" * 64) == await place.ids("", near="x") == []


async def test_the_index_is_the_same_after_a_restart(tmp_path):
    place = await Place(tmp_path).open()
    place.put(*(make_event(n % 5, 1, f"word{n} thing{n % 7}") for n in range(700)))
    await place.embed()
    before = await place.ids("thing3 word17")
    held = place.engine._current.index.ids().tolist()
    await place.close()
    again = await Place(tmp_path).open()
    assert again.engine._current.index.ids().tolist() == held
    assert await again.ids("thing3 word17") == before
    await again.close()


async def test_a_directory_that_cannot_be_used_is_told_in_words(tmp_path):
    place = await Place(tmp_path / "data").open()
    (tmp_path / "file").touch()
    elsewhere = VectorSettings(tmp_path / "file", place.store, place.vector_settings.write, 256, frozenset())
    with pytest.raises(StorageError, match=r"the index of vectors in .*file cannot be used \(File exists\)"):
        await SqliteSearch(elsewhere, Toy()).open()
    await place.close()


async def test_a_search_that_was_not_opened_puts_nothing_over_what_was_saved(tmp_path):
    place = await Place(tmp_path).open()
    place.put(*(make_event(1, 1, f"word{n}") for n in range(300)))
    await place.embed()
    place.put(*(make_event(2, 1, f"other{n}") for n in range(300)))
    unopened = SqliteSearch(place.vector_settings, Toy())
    assert await unopened.reembed() == 300
    await unopened.close()
    await place.close()
    again = await Place(tmp_path).open()
    assert len(again.engine._current.index) == 600
    assert (await again.engine.tally()).pending == 0
    await again.close()


def sent(vector: Sequence[float], model: str = "toy") -> tuple[str, ...]:
    return ("embedding", "0", model, base64.b64encode(np.array(vector, "<f4").tobytes()).decode())


async def test_vectors_of_trusted_keys_are_taken_and_others_made_here(tmp_path):
    dog = (await Toy().embed(["dog"]))[0]
    place = await Place(tmp_path, trusted=frozenset([keypair(1).pubkey])).open()
    trusted = make_event(1, 1, "uno", [sent(dog * 7)])
    stranger = make_event(2, 1, "due", [sent(dog)])
    broken = [
        make_event(1, 1, f"tre {n}", [tag])
        for n, tag in enumerate([sent([float("nan")] * 64), sent([1.0] * 63), sent(dog, "x")])
    ]
    place.put(trusted, stranger, *broken)
    await place.embed()
    hits = await place.ask("dog", mode="meaning")
    assert hits[0].event_id == trusted.id
    assert hits[0].score == pytest.approx(1, abs=1e-4)
    assert all(hit.score < 0.9 for hit in hits[1:])
    assert len(hits) == 5
    await place.close()


async def test_a_change_of_the_searched_kinds_leaves_the_passages_of_all_others_and_their_vectors(place):
    gone = make_event(1, 11, "a post about the cat", [("title", "Cat")])
    place.put(CAT, DOG, WIKI, gone, make_event(3, 0, '{"name":"cat lady"}'))
    await place.embed()
    preparing.cut_passages(place.writer, msgspec.structs.replace(CUTTING, kinds=(1,)))
    health = await place.engine.tally()
    assert (health.chunks, health.pending) == (3, 0)
    assert gone.id not in await place.ids("cat", mode="words")
    preparing.cut_passages(place.writer, msgspec.structs.replace(CUTTING, kinds=(0, 1)))
    health = await place.engine.tally()
    assert (health.chunks, health.pending) == (4, 1)
    assert [hit.title for hit in await place.ask("lady", mode="words")] == ["cat lady"]
    preparing.cut_passages(place.writer, msgspec.structs.replace(CUTTING, size=200, overlap=20))
    assert (await place.engine.tally()).chunks == 5


async def test_check_finds_the_passages_as_the_log_makes_them(place):
    place.put(CAT, DOG, WIKI)
    assert [problem async for problem in place.store.check(PROJECTIONS)] == []
    rebuild(place.writer)
    await place.embed()
    assert (await place.ids("cat", mode="meaning"))[0] == CAT.id
    assert [problem async for problem in place.store.check(PROJECTIONS)] == []


WORDS = [f"w{n}" for n in range(30)]
EVENTS = [
    make_event(
        n % 4,
        (1, 30023, 30818)[n % 3],
        " ".join(WORDS[(n * k + k) % 30] for k in (1, 3, 7)),
        [("d", str(n)), ("t", f"t{n % 6}")],
        NOW - n % 11,
    )
    for n in range(900)
]


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    def some(values: Sequence[Any]) -> Any:
        return draw(st.none() | st.frozensets(st.sampled_from(values), max_size=2))

    topics = some([f"t{n}" for n in range(6)])
    return Filter(
        ids=some([event.id for event in EVENTS]) if draw(st.integers(0, 5)) == 0 else None,
        authors=some([keypair(n).pubkey for n in range(4)]),
        kinds=some([1, 30023, 30818]),
        tags={} if topics is None else {"t": topics},
        since=draw(st.none() | st.integers(NOW - 11, NOW)),
        until=draw(st.none() | st.integers(NOW - 11, NOW)),
        limit=draw(st.integers(1, 20)),
    )


def test_filtered_search_by_meaning_is_comparing_all_that_match(tmp_path):
    async def opened() -> Place:
        place = await Place(tmp_path).open()
        place.put(*EVENTS)
        await place.embed()
        return place

    with asyncio.Runner() as runner:
        place = runner.run(opened())
        vectors = runner.run(Toy().embed([event.content for event in EVENTS]))

        @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(filters(), st.lists(st.sampled_from(WORDS), min_size=1, max_size=3))
        def compare(wanted: Filter, words: list[str]) -> None:
            question = " ".join(words)
            vector = runner.run(Toy().embed([question]))[0]
            exact = {
                event.id: float(row @ vector)
                for event, row in zip(EVENTS, vectors, strict=True)
                if matches(wanted, event)
            }
            hits = runner.run(place.ask(question, wanted=wanted, mode="meaning"))
            limit = wanted.limit or 0
            best = sorted(exact.values(), reverse=True)[:limit]
            assert len(hits) == len(best)
            assert [hit.score for hit in hits] == pytest.approx(best, abs=1e-4)
            assert all(exact[hit.event_id] == pytest.approx(hit.score, abs=1e-4) for hit in hits)

        compare()
        runner.run(place.close())


async def test_the_model_that_comes_along_works_without_a_network(monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it went to the network"))
    cat, kitten, tax = await WordLlama().embed(["a cat", "a small kitten", "income tax law"])
    assert cat @ kitten > cat @ tax
