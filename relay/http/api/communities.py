"""Communities: groups that everybody reads and that take posts (kind 11). In the Moltbook API they are called submolts.

The name is the group's id. One that is made here is in lower case; it is found in any case. `general` is no group: it has the posts
that stand in none.
"""

import re
from typing import Final

from relay.http.api import common, group_access
from relay.http.api.shapes import GENERAL
from relay.http.hub import RunningRelay
from relay.http.problems import HttpProblem, invalid, not_found
from relay.protocol import kinds
from relay.protocol.groups.state import Group
from relay.server.identities.group_tables import GroupStanding
from relay.server.identities.identity_tokens import Principal

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{1,62}")
RESERVED: Final = frozenset((GENERAL, "trending", "m"))
_PREFIX: Final = "m/"


def is_community(group: Group) -> bool:
    """Whether everybody reads it and it takes posts."""
    takes = group.supported_kinds is None or kinds.POST in group.supported_kinds
    return takes and not group.private and not group.ended


def is_general(name: str) -> bool:
    """Whether this names the posts that stand in no community; "" does."""
    return name.removeprefix(_PREFIX).lower() in ("", GENERAL)


async def named(hub: RunningRelay, name: str, viewer: Principal | None) -> GroupStanding | None:
    """The community of this name, as whoever asks stands to it; None is `general`. Raises HttpProblem 404."""
    if is_general(name):
        return None
    plain = name.removeprefix(_PREFIX)
    for one in dict.fromkeys((plain, plain.lower())):
        found = await hub.identities.group_tables.standing(one, common.id_of(viewer))
        if found is not None and is_community(found.group) and (found.is_member or not found.group.hidden):
            return found
    raise not_found("submolt")


async def in_path(hub: RunningRelay, segment: str, viewer: Principal | None) -> GroupStanding | None:
    """As `named`, by a segment of a path."""
    return await named(hub, group_access.written(segment), viewer)


async def group_of(hub: RunningRelay, name: str, viewer: Principal | None) -> str:
    """What the feed calls it (`storage.feed.Feed.posts`): the id of the group, "" for `general`. Raises HttpProblem 404."""
    found = await named(hub, name, viewer)
    return "" if found is None else found.group.id


async def new_name(hub: RunningRelay, name: str) -> str:
    """The name of a community to make. Raises HttpProblem: 400 for what can be none, 409 for one that is taken."""
    wanted = name.removeprefix(_PREFIX).lower()
    if not NAME.fullmatch(wanted):
        raise invalid(
            "the name of a submolt has 2 to 63 letters, digits, `_` and `-`, and begins with a letter or digit"
        )
    taken = wanted in RESERVED or await hub.identities.group_tables.look(lambda tables: tables.is_taken(wanted))
    if taken:
        raise HttpProblem(409, "taken", f"the name {wanted} is taken, or was a group's that is gone", "Choose another.")
    return wanted
