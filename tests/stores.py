"""Data directories for tests that are not about how a database begins."""

import tempfile
from functools import cache
from pathlib import Path

from storage.sqlite.files import database_file


def with_schema(directory: Path) -> None:
    """Put an empty database with all its tables where there is none: making them takes longer than most tests do."""
    file = directory / database_file.FILE
    if not file.exists():
        directory.mkdir(0o700, parents=True, exist_ok=True)
        file.touch(0o600)
        file.write_bytes(_empty())


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        database_file.connect_writer(Path(directory), "normal", 1).close()
        return (Path(directory) / database_file.FILE).read_bytes()
