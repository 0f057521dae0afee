"""Data directories that are filled once and used again: a note beside each says what it holds."""

import shutil
from pathlib import Path
from typing import Final

import msgspec

from bench.client import Trouble

_PAGE: Final = 4096  # bytes


class Holding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a directory was filled with: events of `seed`, so many of each sort."""

    seed: int
    stored: int = 0
    posts: int = 0
    votes: int = 0
    groups: int = 0
    messages: int = 0  # in groups
    members: int = 0  # of the largest group


def _note(data: Path) -> Path:
    return data.with_name(f"{data.name}.bench.json")


def is_filled(data: Path, wanted: Holding) -> bool:
    """Whether it holds this already; False when it is yet to be made. Raises Trouble when it holds anything else."""
    if _note(data).exists():
        held = msgspec.json.decode(_note(data).read_bytes(), type=Holding)
        if held != wanted:
            raise Trouble(f"{data} holds {_shown(held)}, not {_shown(wanted)}; name another directory with --data")
        return True
    if data.exists():
        raise Trouble(f"{data} exists but was not seeded by this program; name another directory with --data")
    return False


def note(data: Path, holding: Holding) -> None:
    """Remember what it was filled with, once it is."""
    _note(data).write_bytes(msgspec.json.encode(holding))


def _shown(holding: Holding) -> str:
    return ", ".join(f"{name} {value}" for name, value in msgspec.structs.asdict(holding).items() if value)


def copied(kept: Path, copy: Path) -> Path:
    """A copy of a filled directory, in place of one before, for a section that writes to it."""
    shutil.rmtree(copy, ignore_errors=True)  # of a section before
    return shutil.copytree(kept, copy, ignore=shutil.ignore_patterns("*.sock"), copy_function=_copy_by_pages)


def _copy_by_pages(source: str, target: str) -> None:
    """A page at a time, as a relay writes its database: a file copied in large writes is cached in large pieces (folios of up to
    2 MiB), and then each page of a checkpoint costs the kernel several times as much."""
    with Path(source).open("rb") as given, Path(target).open("wb", buffering=0) as copy:
        while page := given.read(_PAGE):
            copy.write(page)
    shutil.copymode(source, target)  # a relay refuses secrets that others can read
