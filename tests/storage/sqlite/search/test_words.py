"""Stored and live searches find the same words in every script, and the index is made again where another program made it."""

import asyncio
import itertools
import json
import logging
import shutil
import sqlite3
import unicodedata
from collections import namedtuple
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from handlers import table
from relay.protocol import search
from relay.protocol.admission import Door
from relay.protocol.event import wire
from relay.protocol.filter import Filter
from relay.protocol.search import SearchedText
from storage.base import Incoming
from storage.errors import StorageError
from storage.sqlite import backend
from storage.sqlite.files import words
from storage.sqlite.files.database_file import FILE, split
from storage.sqlite.search import fts
from storage.sqlite.statements import migrations
from tests.factories import NOW, make_event
from tests.protocol.scripts import TEXTS
from tests.storage.sqlite.search.test_sqlite_search import Place

EVENTS = [
    *(make_event(1, 1, text) for text in TEXTS),
    *(make_event(2, 11, text, [("title", title)]) for text, title in itertools.pairwise(TEXTS)),
    *(
        make_event(n, 0, json.dumps({"name": text, "about": about}))
        for n, (text, about) in enumerate(itertools.pairwise(TEXTS), 3)
    ),
    make_event(2, 30023, "x", [("d", "x"), ("title", " ".join(TEXTS))]),
]
QUICK = settings(  # each example asks a database: no time to make a failing one small
    deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.explicit, Phase.reuse, Phase.generate]
)
Usage = namedtuple("Usage", "total used free")


@st.composite
def questions(draw: st.DrawFn) -> str:
    """Pieces of the texts in some form, as phrases or beginnings or as they stand."""

    def piece() -> str:
        text = draw(st.sampled_from(TEXTS))
        start = draw(st.integers(0, len(text) - 1))
        cut = text[start : start + draw(st.integers(1, 8))].replace('"', "").strip()
        form = draw(st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
        shown = draw(st.sampled_from([str, str.upper, str.lower]))(unicodedata.normalize(form, cut))
        return str(draw(st.sampled_from(["{}", "{}*", '"{}"', '"{}', "x:{}"]))).format(shown)

    return " ".join(piece() for _ in range(draw(st.integers(1, 2))))


def test_what_is_found_live_is_found_stored_and_the_other_way_round(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        place = runner.run(Place(tmp_path).open())
        place.put(*EVENTS)
        live = {event.id: SearchedText(event) for event in EVENTS}

        @settings(QUICK, max_examples=300)
        @given(questions())
        def compare(question: str) -> None:
            asked = search.parse(question)
            expected = {event_id for event_id, text in live.items() if search.found(asked, text)}
            found = set(runner.run(place.ids(asked.text, mode="words", wanted=Filter(limit=500))))
            if (
                expected or len(fts.split_runs(asked.terms)) < 2
            ):  # where nothing has all of several words, what has any is found stored
                assert found == expected

        @settings(QUICK, max_examples=60)
        @given(st.text(max_size=100))
        def find_itself(text: str) -> None:
            event = make_event(1, 1, text)
            place.writer.write([Incoming(event, wire(event), Door.IMPORT, NOW)], NOW)
            for word in SearchedText(event).present:
                assert event.id in runner.run(place.ids(f'"{word}"', mode="words", wanted=Filter(limit=500)))

        compare()
        find_itself()
        runner.run(place.close())


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("чайник", "Чайник закипел"),
        ("елка", "ёлка"),
        ("їжак", "Їжак"),
        ("ανθρωπος", "Ο Άνθρωπος"),
        ("احمد", "أحمد"),
        ("がっこう", "がっこうへ行く"),
        ("서울", "서울에서 만나요"),
        ("东京", "我在东京"),
        ("strasse", "Straße"),
        ("abc", "ＡＢＣ"),
        ("fine", "ﬁne"),
        ("h2o", "H₂O"),
        ("🎉", "party 🎉!"),
        ("b", "a b"),
        ("b*", "b"),
        ("ภาษา", "ภาษาไทย"),
    ],
)
async def test_words_of_every_script_are_found(tmp_path: Path, question: str, text: str) -> None:
    place = await Place(tmp_path).open()
    event = make_event(1, 1, text)
    place.put(event, make_event(2, 1, "sand"))
    assert await place.ids(question, mode="words") == [event.id]
    (hit,) = await place.ask(question, mode="words")
    assert hit.marks, "its place in the text is shown"
    await place.close()


async def test_the_places_of_a_run_of_characters_are_one(tmp_path: Path) -> None:
    place = await Place(tmp_path).open()
    place.put(make_event(1, 1, "東の京、東京タワー"))
    (hit,) = await place.ask("東京", mode="words")
    assert [hit.snippet[start:end] for start, end in hit.marks] == ["東京"]
    await place.close()


async def test_a_question_without_spaces_finds_what_has_some_of_its_pairs_of_characters(tmp_path: Path) -> None:
    place = await Place(tmp_path).open()
    weather, ships, seoul = (
        make_event(1, 1, text) for text in ("東京は晴れ、天気がよい", "船が港を出た", "서울 날씨 맑음")
    )
    place.put(weather, ships, seoul)
    for mode in ("words", "hybrid"):
        assert (await place.ids("東京の天気はどうですか", mode=mode))[:1] == [weather.id]
        assert (await place.ids("서울에서는", mode=mode))[:1] == [seoul.id]
    assert await place.ids('"東京の天気"', mode="words") == []
    hit = (await place.ask("東京の天気はどうですか", mode="words"))[0]
    assert [hit.snippet[start:end] for start, end in hit.marks] == ["東京", "天気"]
    await place.close()


# The index of another version


def older(path: Path, texts: list[str]) -> None:
    """A database as version 6 left it, with these passages and their words as FTS5 folded them."""
    path.mkdir()
    connection = sqlite3.connect(path / FILE, isolation_level=None)
    for number, script in migrations():
        if number <= 6:
            for statement in split(script):
                connection.execute(statement)
    connection.execute("INSERT INTO meta (name, value) VALUES ('schema_version', 6)")
    for number, text in enumerate(texts, 1):
        connection.execute(
            "INSERT INTO passages (id, seq, chunk, event_id, pubkey, kind, kind_of, created_at, rank, tags, title, content) "
            "VALUES (?, ?, 0, ?, 'k', 30818, 'knowledge', 1, 0, '[]', '', ?)",
            (number, number, f"e{number}", text),
        )
    connection.close()


def indexed(path: Path, word: str) -> list[int]:
    connection = sqlite3.connect(path / FILE)
    rows = connection.execute("SELECT rowid FROM passage_words WHERE passage_words MATCH ?", (f'"{word}"',)).fetchall()
    connection.close()
    return [row[0] for row in rows]


def open_and_close(path: Path) -> None:
    backend.open_writer(path, table.meaning("ws://relay.test")).close()


def test_an_older_database_is_indexed_again_once_and_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(words, "AT_ONCE", 2)
    monkeypatch.setattr(words, "_TOLD", 2)
    path = tmp_path / "data"
    older(path, ["чайник", "sand", "чайник и вода", "서울에서", "Straße"])
    with caplog.at_level(logging.INFO, "tidings.search"):
        open_and_close(path)
    lines = [record.getMessage() for record in caplog.records]
    assert [line for line in lines if " of " in line and "are indexed" in line] == [
        f"the words of {number} of 5 passages are indexed" for number in (2, 4, 5)
    ]
    assert indexed(path, "чаиник") == [1, 3]
    assert indexed(path, "서 울") == [4]
    caplog.clear()
    with caplog.at_level(logging.INFO, "tidings.search"):
        open_and_close(path)
    assert not caplog.records


def test_indexing_that_was_stopped_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "AT_ONCE", 2)
    path = tmp_path / "data"
    older(path, ["чайник"] * 7)
    made = words._index_some
    writing: list[sqlite3.Connection] = []

    def stopped(connection: sqlite3.Connection, after: int) -> int | None:
        writing.append(connection)
        return made(connection, after) if after < 4 else 1 // 0

    monkeypatch.setattr(words, "_index_some", stopped)
    with pytest.raises(ZeroDivisionError):
        open_and_close(path)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        writing[-1].execute("SELECT 1")
    assert indexed(path, "чаиник") == [1, 2, 3, 4]
    begun: list[int] = []
    monkeypatch.setattr(words, "_index_some", lambda connection, after: begun.append(after) or made(connection, after))
    open_and_close(path)
    assert begun == [4, 6, 7]
    assert indexed(path, "чаиник") == list(range(1, 8))


def test_another_version_of_the_tokenizer_makes_the_index_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data"
    older(path, ["low tide"])
    open_and_close(path)
    monkeypatch.setattr(words.tokenizer, "VERSION", "next")
    monkeypatch.setattr(words.tokenizer, "folded", str.upper)
    open_and_close(path)
    assert indexed(path, "low") == [1]  # FTS5 takes ASCII letters of either case for the same
    connection = sqlite3.connect(path / FILE)
    assert connection.execute("SELECT value FROM meta WHERE name = 'words'").fetchone() == ("next",)
    assert connection.execute("SELECT count(*) FROM passage_vocabulary WHERE cnt = 1").fetchone() == (2,)
    connection.close()


def test_without_room_nothing_is_indexed_and_the_next_start_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data"
    older(path, ["чайник " * 200_000])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 0))
    with pytest.raises(StorageError, match=r"about 2 MiB and there are \d; free some space"):
        open_and_close(path)
    monkeypatch.undo()
    open_and_close(path)
    assert indexed(path, "чаиник") == [1]


def test_what_goes_leaves_no_words(tmp_path: Path) -> None:
    path = tmp_path / "data"
    older(path, ["чайник ﬁ", "сад"])
    writer = backend.open_writer(path, table.meaning("ws://relay.test"))
    writer.connection.execute("DELETE FROM passages WHERE id = 1")
    terms = [term for (term,) in writer.connection.execute("SELECT term FROM passage_vocabulary")]
    writer.close()
    assert terms == ["сад"]
