"""The sketch of several processes (`bench/sketch/fronts.py`) as a relay to measure beside: what the design can reach.

The file is kept to the letter, so that a ratio to it means the same in every version of this repository.
"""

import contextlib
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.client import Trouble
from bench.process import Subject, free_port, running

SKETCH: Final = Path(__file__).parent / "sketch" / "fronts.py"
PINNED: Final = "2880f90ce64311eb74e31b51e36d5efd219a01dab23be27950769fdbd4d3e9a3"  # its SHA-256


@contextlib.contextmanager
def sketch(scratch: Path, fronts: int = 1) -> Iterator[Subject]:
    """The sketch with so many fronts and a new database, until the block ends. Raises Trouble when the file was changed."""
    if hashlib.sha256(SKETCH.read_bytes()).hexdigest() != PINNED:
        raise Trouble(f"{SKETCH} was changed; what is measured beside it would mean something else")
    port = free_port()
    arguments = [sys.executable, str(SKETCH), str(port), str(scratch / "sketch.db"), str(fronts)]
    with running(arguments, port, scratch / "sketch.log") as subject:
        yield subject
