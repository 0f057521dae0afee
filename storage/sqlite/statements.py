"""SQL by name: the .sql files of `storage/sqlite/sql`, read when the program begins, so that an update of the files beneath a relay
that runs changes nothing of it.

A file is a run of blocks, each opened by `-- name: something`; migrations are whole files, numbered.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, TypeVar

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_MIGRATION: Final = re.compile(r"^(\d{4})_\w+\.sql$")

_TEXTS: Final = {
    file.name: file.read_text(encoding="utf-8")
    for file in (files("storage.sqlite") / "sql").iterdir()
    if file.name.endswith(".sql")
}

SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)  # of a list of parameters
_ROWS: Final = (256, 128, 64, 32, 16, 8, 4, 2, 1)  # written by one statement: few sizes, few steps
_FILLED: Final = 4  # of these are parts that `barely_padded_parts` fills

T = TypeVar("T")

# As what bytes are handed to a statement: of those that are `bytes` the sqlite3 module first asks what they might be instead, which
# takes five times as long.
blob: Final = bytearray


@lru_cache
def named(file: str) -> dict[str, str]:
    """The named blocks of `file` (without `.sql`); what stands before the first name is a comment."""
    parts = _NAME.split(_TEXTS[f"{file}.sql"])
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


@lru_cache
def migrations() -> tuple[tuple[int, str], ...]:
    """(number, script) of every migration in order; the last number is the schema version of this program."""
    found = [(_MIGRATION.match(file), text) for file, text in _TEXTS.items()]
    return tuple(sorted((int(name[1]), text) for name, text in found if name))


@lru_cache(maxsize=512)
def listed(text: str, *lists: tuple[str, int], group: str = "?") -> str:
    """`text` with each `{name}` replaced by as many comma-separated parameters (`group`) as its number says."""
    return text.format(**{name: ", ".join([group] * size) for name, size in lists})


def padded(values: list[T]) -> list[T]:
    """The values, the last one repeated up to the next of SIZES, so that few different statements are prepared."""
    size = next((size for size in SIZES if size >= len(values)), len(values))
    return values + values[-1:] * (size - len(values))


def parts(values: Sequence[T]) -> Iterable[list[T]]:
    """The values in parts, each as many as a statement takes; mostly that is one."""
    most = SIZES[-1]
    if len(values) <= most:
        return [list(values)] if values else ()
    return (list(values[start : start + most]) for start in range(0, len(values), most))


def padded_parts(values: Sequence[T]) -> Iterable[list[T]]:
    """The same, each part `padded`."""
    if len(values) <= SIZES[-1]:
        return [padded(list(values))] if values else ()
    return map(padded, parts(values))


def barely_padded_parts(values: list[T]) -> Iterator[list[T]]:
    """The values in parts of a few sizes, the last one padded: for statements to which a repeated value is work like any other."""
    start = 0
    for size in _ROWS[:_FILLED]:
        while len(values) - start >= size:
            yield values[start : start + size]
            start += size
    if start < len(values):
        yield padded(values[start:])


def write_rows(
    connection: sqlite3.Connection, text: str, values: Sequence[tuple[Any, ...]], blobs: Sequence[int] = ()
) -> None:
    """Run a statement with `{rows}` over all rows, in as few steps as a few prepared sizes allow.

    `blobs` are columns that hold bytes alone, of statements that much is written by: see `blob`.
    """
    start, end = 0, len(values)
    for size in _ROWS:
        if start == end:
            return
        while end - start >= size:
            part = values[start : start + size]
            group = f"({', '.join('?' * len(part[0]))})"
            sql = listed(text, ("rows", size), group=group)
            flat = [value for row in part for value in row]
            for column in blobs:
                flat[column :: len(part[0])] = map(blob, flat[column :: len(part[0])])
            connection.execute(sql, flat)
            start += size
