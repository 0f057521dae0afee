"""What a relay is to those who decide on events: its name and the few settings that change what an event means."""

import msgspec


class RelayRules(msgspec.Struct, frozen=True):
    """`url` is how clients know it (ws:// or wss://).

    `provision`: a key without a posting identity gets one when it first writes in the feed, at most `provisions_per_hour`
    of them (0: no limit); otherwise it is refused. `provision_peers`: so does one whose post a peer brings. `searched`: kinds
    whose text is searched; of those, `knowledge` may be `chunks_per_key` passages by one key (0: no limit).
    """

    url: str
    provision: bool = False
    provisions_per_hour: int = 0
    searched: frozenset[int] = frozenset()
    knowledge: frozenset[int] = frozenset()
    chunks_per_key: int = 0
    provision_peers: bool = False
