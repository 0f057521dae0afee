"""How far the log is committed, kept beside the database in a small file, `tidings.seq`.

A write-ahead log that was cut off, or damaged at some place, is to SQLite one that ends there: the database opens without a
word, and what was acknowledged after that place is gone. This file knows better. It is written every second while events come
in, when the log is folded into the database and at the clean stop, each time replaced as a whole. It may be behind by a
second, and is never ahead of what was acknowledged.
"""

import os
import re
import zlib
from pathlib import Path
from typing import Final

FILE: Final = "tidings.seq"
_line: Final = re.compile(rb"([0-9]{1,18}) ([0-9a-f]{8})\n").fullmatch


def read(directory: Path) -> int | None:
    """The number of the last event that is known to have been committed; None where no file tells."""
    try:
        with (directory / FILE).open("rb") as file:
            found = _line(file.read(100))
    except OSError:
        return None
    if found is None or found[2] != _sum(found[1]):
        return None
    return int(found[1])


def write(directory: Path, seq: int) -> None:
    """Note this number, durably. Raises OSError."""
    number = b"%d" % seq
    fresh = directory / f"{FILE}.new"
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, b"%b %b\n" % (number, _sum(number)))
        os.fsync(file)
    finally:
        os.close(file)
    fresh.replace(directory / FILE)


def _sum(number: bytes) -> bytes:
    return b"%08x" % zlib.crc32(number)
