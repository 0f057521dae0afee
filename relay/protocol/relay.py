"""What a relay is to those who decide on events: its name and the few settings that change what an event means."""

from typing import Literal

import msgspec

Creators = Literal["anyone", "identities", "members", "operators"]


class GroupRules(msgspec.Struct, frozen=True):
    """What groups (NIP-29) may be here. `operators` are pubkeys that may do everything in each.

    `create` is who may begin one: anyone, keys bound to a posting identity, members of the relay-wide group `_`, or operators
    only; `per_key` are the groups that one key may have begun and that have not ended, `most` those of all (0: no limit).
    Of one group: `members`, `invites` that may still be used, `children` and `pins` at most. `late_publication`: how many
    seconds an event of a group may lie in the past when it comes; 0 is any.
    """

    operators: frozenset[str] = frozenset()
    create: Creators = "anyone"
    per_key: int = 100
    most: int = 100_000
    members: int = 100_000
    invites: int = 1_000
    children: int = 500
    pins: int = 100
    late_publication: float = 7 * 86_400


class RelayRules(msgspec.Struct, frozen=True):
    """`url` is how clients know it (ws:// or wss://).

    `provision`: a key without a posting identity gets one when it first writes in the feed, at most `provisions_per_hour`
    of them (0: no limit); otherwise it is refused. `provision_peers`: so does one whose post a peer brings. `searched`: kinds
    whose text is searched; of those, `knowledge` may be `chunks_per_key` passages by one key (0: no limit). `groups` are the
    rules of groups.
    """

    url: str
    provision: bool = False
    provisions_per_hour: int = 0
    searched: frozenset[int] = frozenset()
    knowledge: frozenset[int] = frozenset()
    chunks_per_key: int = 0
    provision_peers: bool = False
    groups: GroupRules = GroupRules()
