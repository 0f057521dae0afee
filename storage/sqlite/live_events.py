"""Live events as derived rows are made of them, read in few steps, as in `log_rows`."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from relay.protocol.event import parse_known
from relay.protocol.rows import Live
from storage.sqlite.statements import listed, named, padded_parts

_Columns = tuple[int, int, int | None, str, str | None]  # number, received_at, expires_at, audience in hex, group
decode_columns: Final = msgspec.json.Decoder(list[_Columns]).decode


def numbered(connection: sqlite3.Connection, seqs: Sequence[int]) -> Iterator[Live]:
    """The live events with these numbers."""
    for some in padded_parts(seqs):
        columns, wires = connection.execute(listed(named("sources")["numbered"], ("seqs", len(some))), some).fetchone()
        yield from lives_of(decode_columns(columns), wires)


def lives_of(columns: Iterable[_Columns], wires: bytes | None) -> list[Live]:
    """Events as an answer has them: the columns of each, and their JSON by lines."""
    bodies = [] if wires is None else wires.split(b"\n")
    return [
        Live(seq, parse_known(wire), received_at, expires_at, bytes.fromhex(audience) or None, group)
        for (seq, received_at, expires_at, audience, group), wire in zip(columns, bodies, strict=True)
    ]
