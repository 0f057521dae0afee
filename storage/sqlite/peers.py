"""storage.peers over SQLite, read; `writing.peers` carries out its commands."""

import sqlite3
from typing import Final

import msgspec

from storage.peers import PeerPlace, PeerRow, PeerStatus
from storage.sqlite.feed import RunQuery
from storage.sqlite.statements import named

_place: Final = msgspec.json.Decoder(PeerPlace).decode
_status: Final = msgspec.json.Decoder(PeerStatus).decode


class SqlitePeers:
    """storage.peers.Peers."""

    def __init__(self, run: RunQuery) -> None:
        self._run = run

    async def all(self) -> list[PeerRow]:
        """Every peer."""
        return await self._run(_all)

    async def refused(self, url: str, way: int, now: int, most: int) -> list[bytes]:
        """The ids that are remembered."""
        return await self._run(
            lambda connection: [one for (one,) in connection.execute(named("peers")["refused"], (url, way, now, most))]
        )


def _all(connection: sqlite3.Connection) -> list[PeerRow]:
    return [
        PeerRow(url, settings, bool(paused), _place(place), _status(status))
        for url, settings, paused, place, status in connection.execute(named("peers")["all"])
    ]
