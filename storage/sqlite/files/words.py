"""The index of words, made again where another version of the tokenizer made it.

It is made in parts, a transaction each, before anything else is written: a start that is stopped or killed goes on where it
was at the next one.
"""

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from relay.protocol import tokenizer
from storage.errors import StorageError
from storage.sqlite.statements import named

AT_ONCE: Final = 2000  # passages of one transaction
_TOLD: Final = 20_000  # passages between two lines that tell how far it is
_BYTES: Final = 2  # of the index for a character of the texts, at most about

_log: Final = logging.getLogger("tidings.search")


def add_function(connection: sqlite3.Connection) -> None:
    """What the triggers on passages need: `folded`."""
    connection.create_function("folded", 1, tokenizer.folded, deterministic=True)


def bring_up_to_date(connection: sqlite3.Connection, directory: Path) -> int:
    """Make the index as this program's tokenizer has it; how many passages that took. Raises StorageError without room."""
    if connection.execute(named("search")["words_version"]).fetchone()[0] != tokenizer.VERSION:
        with _transaction(connection):
            connection.execute(named("search")["forget_words"])
            _note(connection, "words", tokenizer.VERSION)
            _note(connection, "words_done", "0")
    done = connection.execute(named("search")["words_done"]).fetchone()[0]
    if done == "":
        return 0
    number, characters = connection.execute(named("search")["words_missing"], (int(done),)).fetchone()
    if number:
        _check_room(connection, directory, _BYTES * int(characters))
        _log.info("indexing the words of %d passages for this version, once", number)
    taken = 0
    while done != "":
        done = _index_some(connection, int(done))
        taken = min(taken + AT_ONCE, number)
        if number and (done == "" or taken % _TOLD == 0):
            _log.info("the words of %d of %d passages are indexed", taken, number)
    return int(number)


def _index_some(connection: sqlite3.Connection, after: int) -> str:
    """Take in the next passages after this one, in one transaction; the last of them, "" when there are no more."""
    with _transaction(connection):
        last = connection.execute(named("search")["words_upto"], (after, AT_ONCE)).fetchone()[0]
        if last is not None:
            connection.execute(named("search")["index_words"], (after, last))
        done = "" if last is None else str(last)
        _note(connection, "words_done", done)
    return done


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _note(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute(named("search")["note_words"], (value, name))


def _check_room(connection: sqlite3.Connection, directory: Path, needed: int) -> None:
    page, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "freelist_count"))
    room = shutil.disk_usage(directory).free + page * free
    if room < needed:
        raise StorageError(
            f"indexing the words of this database again takes about {needed // 2**20} MiB and there are {room // 2**20}; "
            "free some space and start again: nothing is lost"
        )
