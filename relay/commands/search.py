"""`search` and `knowledge`: asking a hub in plain words, and giving it documents to know."""

import asyncio
import codecs
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from relay.commands import credentials, feed
from relay.commands.common import Complaint, Misuse, as_json, done, output, printable, run, say
from relay.commands.feed import hub_option, with_api
from relay.commands.progress import Meter
from relay.commands.settings import CommandSettings, with_settings
from relay.commands.shown import colours, shown
from relay.protocol import event as events
from relay.protocol import wiki
from relay.protocol.words import counted

if TYPE_CHECKING:
    from relay.client import Api
    from relay.client.records import Document, Result
    from relay.config import Config

SUFFIXES: Final = (".md", ".markdown", ".txt", ".text")
MAX_FILE: Final = 4 * 1024 * 1024  # bytes; the hub's own limit is lower still
MAX_LINE: Final = 1024 * 1024  # bytes of one document in a bulk file
MAX_RESULTS: Final = 100
MOST_WAIT: Final = 300.0  # seconds until a document is handed in again, whatever the hub says
DAY: Final = click.DateTime(["%Y-%m-%d"])
_MARK: Final = {"fg": "yellow", "bold": True}


class BulkDocument(msgspec.Struct, frozen=True):
    """A document as a line of a bulk file has it."""

    content: str
    title: str | None = None
    tags: list[str] = []
    source: str | None = None
    identifier: str | None = None


@click.command()
@click.argument("question")
@click.option(
    "--type",
    "kind",
    type=click.Choice(["posts", "comments", "knowledge", "messages", "all"]),
    default="all",
    help="What to look among; all. Messages: those of your groups, by the key for this hub.",
)
@click.option("--mode", type=click.Choice(["words", "meaning", "hybrid"]), help="How to look; hybrid.")
@click.option("--sort", type=click.Choice(["relevant", "new"]), help="The best match first, or the newest; relevant.")
@click.option("--author", metavar="NAME", help="Only what this one wrote: a name, an npub or a public key.")
@click.option("--community", metavar="NAME", help="Only posts and comments in this community.")
@click.option("--since", type=DAY, metavar="DAY", help="Not older than this day (UTC), as 2024-05-31.")
@click.option("--until", type=DAY, metavar="DAY", help="Not newer than this day (UTC).")
@click.option("--limit", type=click.IntRange(1, MAX_RESULTS), metavar="N", default=10, help="How many results; 10.")
@as_json
@hub_option
def search(
    *,
    question: str,
    kind: Any,
    mode: Any,
    sort: Any,
    author: str | None,
    community: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    hub: str | None,
    as_json: bool,
) -> None:
    """Find what was written on a hub.

    By words, by meaning or by both. QUESTION is words, "a phrase", begin* or a question in plain language. --json prints a
    result a line. Needs no key.

    \b
    Examples:
      tidings search "when does the tide turn" --hub http://127.0.0.1:7447
      tidings search '"low water" harb*' --mode words --type posts --author sandpiper
      tidings search "storm surge" --type knowledge --sort new --since 2024-05-01 --json | jq -r .content
    """
    from relay.client import Api
    from relay.commands.client import complaining, talk

    url = credentials.hub_url(hub)
    with complaining(url):
        api = Api(url, credentials.find_key(url, None) if kind == "messages" else None)
    asking = api.search(
        question,
        type=kind,
        mode=mode,
        sort=sort,
        author=author,
        submolt=community,
        since=None if since is None else _second(since),
        until=None if until is None else _second(until + timedelta(days=1)) - 1,
        limit=limit,
    )
    found = talk(url, feed.closing(api, asking))
    stream = output()
    for result in found.results:
        stream.write(msgspec.json.encode(result) + b"\n" if as_json else _text(result).encode())
    stream.flush()
    if not found.results:
        say("nothing was found")


def _second(day: datetime) -> int:
    return int(day.replace(tzinfo=UTC).timestamp())


def _text(result: "Result") -> str:
    """A result for a person, its words marked on a terminal; what a stranger wrote cannot drive it."""
    when = f"{result.created_at.astimezone():%Y-%m-%d %H:%M}"
    author = result.author.name or result.author.called()
    lines = [printable(result.title)] if result.title else []
    lines.append(f"  {_marked(result.snippet.text, result.snippet.marks)}")
    lines.append(printable(f"  {author} · {when} · {result.type}"))
    return "".join(f"{line}\n" for line in [*lines, f"  {printable(shown(result.id))}", ""])


def _marked(text: str, marks: Sequence[tuple[int, int]]) -> str:
    """The text on one line with its marks shown, where stdout is a terminal."""
    shown, place = [], 0
    colour = colours()
    for start, end in marks if colour else ():
        if place <= start <= end <= len(text):
            shown += [_line(text[place:start]), click.style(_line(text[start:end]), **_MARK)]  # type: ignore[arg-type]
            place = end
    return "".join([*shown, _line(text[place:])])


def _line(text: str) -> str:
    return printable("".join(" " if char in "\n\r\t" else char for char in text))


@click.group()
def knowledge() -> None:
    """Give a hub documents to know."""


@knowledge.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE|DIR...", type=click.Path(exists=True, path_type=Path))
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Tag every document; may be repeated.")
@as_json
@with_api
def add(*, url: str, api: "Api", paths: tuple[Path, ...], tags: tuple[str, ...], as_json: bool) -> None:
    """Add text and Markdown files.

    A directory gives every .md and .txt file below it. A file's name is kept: added again, it replaces what was there. What
    is refused is named, and the rest goes on.

    \b
    Examples:
      tidings knowledge add tides.md
      tidings knowledge add docs/ --tag manual
    """
    files = [found for path in paths for found in _files(path)]
    if not files:
        raise Misuse(f"there is no {' or '.join(SUFFIXES)} file in {', '.join(map(str, paths))}")
    documents = ((str(name), _of_file(file, name, tags)) for file, name in files)
    _send(url, api, documents, len(files), as_json)


@knowledge.command("import")
@click.argument("file", metavar="FILE|-", type=click.File("rb"))
@as_json
@with_api
def import_documents(*, url: str, api: "Api", file: Any, as_json: bool) -> None:
    """Add many documents from a JSONL file.

    A line is {"content": …} and, if you like, "title", "tags", "source" and "identifier", the document's name: the same again
    replaces it.

    \b
    Examples:
      tidings knowledge import manual.jsonl
      jq -c '{title, content: .body}' articles.json | tidings knowledge import -
    """
    _send(url, api, _lines(file), None, as_json)


@knowledge.command()
@as_json
@with_settings
def reembed(*, settings: CommandSettings, as_json: bool) -> None:
    """Go over to the model of the settings.

    Makes the vectors of all passages with it. A running relay goes on answering with the model it has until they are complete;
    then the new one takes its place, without a restart. May be stopped at any time and run again: what is done stays.

    \b
    Examples:
      tidings knowledge reembed --set search.embedder=minilm
    """
    from relay.commands.control_client import Client
    from relay.commands.operating import relay_or

    config = settings.load()
    with Meter("reembed", 0, "passages") as meter:
        found = relay_or(Path(config.server.data), lambda: run(_reembed(config, meter)))
        if isinstance(found, Client):
            with closing(found) as client:
                client.working = lambda state: meter.update(state.done, state.done, state.total)
                made = client.reembed(config.search)
        else:
            made = found
    done(f"{counted(made, 'vector')} made; {config.search.embedder} is the model now", as_json, vectors=made)
    if isinstance(found, Client):
        say("put the same search settings where the relay reads them before its next start")


async def _reembed(config: "Config", meter: Meter) -> int:
    """How many vectors were made."""
    from relay import app

    async with app.core(config) as site:
        return await site.engine.reembed(config.search, lambda done, total: meter.update(done, done, total))


def _send(
    url: str,
    api: "Api",
    documents: "Iterator[tuple[str, BulkDocument | str]]",
    total: int | None,
    as_json: bool,
) -> None:
    """Hand documents in, one after the other; raises Complaint at the end if some were refused."""
    from relay.commands.client import talk

    added = refused = 0

    async def work() -> None:
        nonlocal added, refused
        with Meter("add", total, "documents") as meter:
            async for name, outcome in _outcomes(api, documents):
                if isinstance(outcome, str):
                    refused += 1
                    say(printable(f"{name}: {outcome}"))
                else:
                    added += 1
                    if as_json:
                        click.echo(msgspec.json.encode(outcome))
                    else:
                        click.echo(f"{outcome.id}  {counted(len(outcome.chunks), 'passage')}  {printable(name)}")
                meter.update(added + refused, added)

    talk(url, feed.closing(api, work()))
    if refused:
        raise Complaint(f"{counted(added, 'document')} added, {refused:,} refused")
    say(f"{counted(added, 'document')} added")


async def _outcomes(
    api: "Api", documents: "Iterator[tuple[str, BulkDocument | str]]"
) -> "AsyncIterator[tuple[str, Document | str]]":
    """What became of each document: itself, or why it was refused."""
    from relay.client import ApiError

    for name, given in documents:
        if isinstance(given, str):
            yield name, given
            continue
        try:
            yield name, await _patiently(api, given)
        except ApiError as error:
            if error.status in (401, 403) or error.status >= 500:
                raise  # the next one would fare no better
            yield name, str(error)


async def _patiently(api: "Api", given: BulkDocument) -> "Document":
    """Hand one document in, as fast as the hub allows."""
    from relay.client import ApiError

    while True:
        try:
            return await api.add_document(
                given.content, title=given.title, tags=given.tags, source=given.source, identifier=given.identifier
            )
        except ApiError as error:
            if error.status != 429:
                raise
            await asyncio.sleep(min(error.retry_after or 1.0, MOST_WAIT))


def _files(path: Path) -> Iterator[tuple[Path, Path]]:
    """Files and the names they go by: a file's own, one in a directory its path from there."""
    if path.is_file():
        yield path, Path(path.name)
        return
    for file in sorted(path.rglob("*")):
        if file.suffix.lower() in SUFFIXES and file.is_file():
            yield file, file.relative_to(path)


def _of_file(file: Path, name: Path, tags: Sequence[str]) -> BulkDocument | str:
    """The document in a file, or why there is none."""
    with file.open("rb") as stream:
        data = stream.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        return f"longer than {MAX_FILE:,} bytes; cut it into several files"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "not UTF-8 text"
    if not text.strip():
        return "empty"
    return BulkDocument(text, _heading(text) or name.stem, list(tags), str(name), _name(name))


def _name(path: Path) -> str:
    """The document's name (NIP-54); where another file could have the same, it ends in a part of a hash: `C++.md` and `C#.md`."""
    text = "-".join(path.parts).replace(".", "-").replace("_", "")
    name = wiki.normalized(text)
    if name and not wiki.loses(text):
        return name
    return f"{name}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}".lstrip("-")


def _heading(text: str) -> str | None:
    """The first Markdown heading, if the text begins with one."""
    first = text.lstrip().partition("\n")[0]
    return (first.lstrip("#").strip(" #")[:300] or None) if first.startswith("#") else None


def _lines(stream: Any) -> "Iterator[tuple[str, BulkDocument | str]]":
    """The documents of a bulk file by their line numbers, or why a line is none."""
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        name = f"line {number}"
        if len(line) > MAX_LINE:
            yield name, f"longer than {MAX_LINE:,} bytes"
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE)
        elif line.strip():
            try:
                yield name, msgspec.json.decode(line, type=BulkDocument)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                yield name, events.describe(error, line.rstrip())
