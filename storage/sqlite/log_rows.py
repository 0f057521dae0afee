"""Events as they stand in the log, read in few steps: a row of a result costs a step, so each statement gives one."""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from relay.protocol import event as events
from relay.protocol.event import Event
from storage.sqlite.statements import blob, listed, named, padded

AT_ONCE: Final = 256  # events read in one step

Audience = tuple[str, ...] | None


class LogRow(msgspec.Struct, frozen=True, gc=False):
    """An event in the log, or about to be. `size` is that of its wire form in bytes, `group` the number of its group or 0."""

    seq: int
    event: Event
    audience: Audience
    size: int
    group: int = 0


def of_ids(connection: sqlite3.Connection, ids: Sequence[str]) -> list[LogRow]:
    """Those of these events (at most AT_ONCE) that are here, in any order."""
    return _read(connection, "rows_of_ids", "ids", [blob.fromhex(one) for one in ids])


def of_seqs(connection: sqlite3.Connection, seqs: Sequence[int]) -> list[LogRow]:
    """Those of these events (at most AT_ONCE) that are here, in any order."""
    return _read(connection, "rows_of_seqs", "seqs", list(seqs))


def in_parts(connection: sqlite3.Connection, seqs: Sequence[int]) -> Iterator[LogRow]:
    """Those of these events that are here, few held at a time."""
    for start in range(0, len(seqs), AT_ONCE):
        yield from of_seqs(connection, seqs[start : start + AT_ONCE])


def _read(connection: sqlite3.Connection, name: str, placeholder: str, values: list[Any]) -> list[LogRow]:
    if not values:
        return []
    values = padded(values)
    sql = listed(named("write")[name], (placeholder, len(values)))
    seqs, audiences, groups, wires = connection.execute(sql, values).fetchone()
    if seqs is None:
        return []
    rows = zip(seqs.split(","), audiences.split(","), groups.split(","), wires.split(b"\n"), strict=True)
    return [
        LogRow(
            int(seq),
            events.parse_known(wire),
            unpack_audience(bytes.fromhex(audience) if audience else None),
            len(wire),
            int(group),
        )
        for seq, audience, group, wire in rows
    ]


@lru_cache(maxsize=4096)
def pack_audience(audience: Audience) -> bytes | None:
    """The audience as it is stored; None is everyone."""
    return None if audience is None else msgspec.msgpack.encode(audience)


def unpack_audience(data: bytes | None) -> Audience:
    """What `pack_audience` made."""
    return None if data is None else msgspec.msgpack.decode(data, type=tuple[str, ...])
