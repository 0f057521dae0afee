"""Signed events, the same in every run: notes, replies, reactions and reposts by a thousand authors, and other series.

They come in chunks of CHUNK events that refer to nothing outside their chunk, so that any number of them is a prefix of
any larger number. Chunks are signed in parallel processes and kept in a temporary directory between runs.
"""

import functools
import hashlib
import os
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
from coincurve import PrivateKey

from relay.protocol.event import Event, compute_id, wire

CHUNK: Final = 5000
AUTHORS: Final = 1000
TOPICS: Final = tuple(f"topic{n}" for n in range(50))
_VERSION: Final = 2  # a part of the cache's file names: raise it when the events change
_EPOCH: Final = 1_780_000_000  # recent enough for relays that refuse old events
_SKEW: Final = 10  # seconds by which clocks differ: one event a second on average, and many seconds with several
_NO_RANDOMNESS: Final = bytes(32)
_SPOKEN: Final = (
    "the relay keeps what people say and says it again to whoever asks morning coffee über naïve 東京 rain market "
    "node block song friend long short answer question nobody everyone tomorrow release bug fix thread zap light"
)
_WORDS: Final = _SPOKEN.split()


@functools.cache
def _key(author: int) -> PrivateKey:
    return PrivateKey(hashlib.sha256(b"tidings bench author %d" % author).digest())


@functools.cache
def pubkey(author: int) -> str:
    """The public key of author 0 … AUTHORS - 1, hex."""
    return _key(author).public_key.format()[1:].hex()


def signed(author: int, kind: int, content: str, tags: Sequence[Sequence[str]], created_at: int) -> Event:
    """A signed event; the same fields give the same signature."""
    event = Event("", pubkey(author), created_at, kind, [list(tag) for tag in tags], content, "")
    event_id = compute_id(event)
    signature = _key(author).sign_schnorr(bytes.fromhex(event_id), _NO_RANDOMNESS)
    return msgspec.structs.replace(event, id=event_id, sig=signature.hex())


def chunk(seed: int, number: int) -> list[Event]:
    """CHUNK events: about 45 % notes, 25 % replies (some 25 a thread), 20 % reactions, 10 % reposts."""
    chance = random.Random(f"{_VERSION} {seed} {number}")
    events: list[Event] = []
    notes: list[Event] = []
    roots: list[Event] = []
    for index in range(CHUNK):
        time = _EPOCH + number * CHUNK + index + chance.randrange(_SKEW)
        author = int(AUTHORS * chance.random() ** 2)  # few write much, many write little
        part = chance.random()
        if part < 0.45 or not roots:
            tags = [["t", topic] for topic in chance.sample(TOPICS, chance.choice((0, 1, 1, 2)))]
            event = signed(author, 1, text(chance, index), tags, time)
            if len(notes) % 45 == 0:
                roots.append(event)
            notes.append(event)
        elif part < 0.70:
            root = chance.choice(roots)
            event = signed(author, 1, text(chance, index), [["e", root.id, "", "root"], ["p", root.pubkey]], time)
        else:
            note = chance.choice(notes)
            tags = [["e", note.id], ["p", note.pubkey]]
            event = (
                signed(author, 7, "+", [*tags, ["k", "1"]], time) if part < 0.90 else signed(author, 6, "", tags, time)
            )
        events.append(event)
    return events


class Series(msgspec.Struct, frozen=True):
    """Events in chunks: `events(seed, number)` makes CHUNK of them; `name` tells their files apart."""

    name: str
    events: Callable[[int, int], Iterable[Event]]


GENERAL: Final = Series(f"v{_VERSION}", chunk)


def text(chance: random.Random, index: int) -> str:
    """Some words, ended by the number that makes them unlike their neighbours'."""
    return " ".join(chance.choices(_WORDS, k=chance.randint(5, 60))) + f" #{index}"


def _cache() -> Path:
    directory = Path(tempfile.gettempdir()) / f"tidings-bench-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


def _write(path: Path, series: Series, seed: int, number: int) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(b"".join(wire(event) + b"\n" for event in series.events(seed, number)))
    unfinished.rename(path)


def files_of(series: Series, seed: int, numbers: Iterable[int]) -> list[Path]:
    """JSONL files, one a chunk, of these chunks of a series; signed now if they are not there."""
    wanted = {number: _cache() / f"{series.name}-{seed}-{number}.jsonl" for number in numbers}
    missing = [number for number, path in wanted.items() if not path.exists()]
    if missing:
        with ProcessPoolExecutor() as pool:
            for job in [pool.submit(_write, wanted[number], series, seed, number) for number in missing]:
                job.result()
    return list(wanted.values())


def files(seed: int, events: int, series: Series = GENERAL) -> list[Path]:
    """JSONL files that hold the first `events` of a seed, rounded up to whole chunks."""
    return files_of(series, seed, range(-(-events // CHUNK)))


def wires(seed: int, events: int, series: Series = GENERAL) -> Iterator[bytes]:
    """The wire forms of the first `events` of a seed."""
    lines = (line for path in files(seed, events, series) for line in path.read_bytes().splitlines())
    return islice(lines, events)
