"""Beside the names under a post: who wrote it, moderates its community, runs the relay; and whether one answers here."""

from typing import Final

import msgspec

from relay.http.hub import RunningRelay
from relay.protocol.groups import roles
from storage.feed import PostRow
from storage.identities.types import Lookups

MODERATORS: Final = 100  # of a community that are looked up


class Badges(msgspec.Struct, frozen=True):
    """`author` is the identity that wrote the post, `roles` says what others are here, by identity.

    `elsewhere`: its community is at home at another relay, where one votes and answers.
    """

    author: str = ""
    roles: dict[str, str] = {}
    elsewhere: bool = False


NONE: Final = Badges()


async def of_post(hub: RunningRelay, post: PostRow) -> Badges:
    """The badges of a post's page: roles in its community, and of those who run the relay."""
    config = hub.config
    operators = sorted({key for key in (*config.groups.operators, config.relay.pubkey, hub.self_pubkey) if key})

    def find(tables: Lookups) -> dict[str, str]:
        admins = [] if post.group_id is None else tables.admins_of(post.group_id, MODERATORS)
        people = tables.identities_of_keys([*operators, *(key for key, _ in admins)])
        found = {key: max(member.roles, key=lambda one: roles.rank((one,))) for key, member in admins}
        found.update(dict.fromkeys(operators, "operator"))
        return {people[key].id: role for key, role in found.items() if key in people}

    if not operators and post.group_id is None:
        return Badges(post.posting_identity_id)
    roles_here = await hub.identities.group_tables.look(find)
    return Badges(post.posting_identity_id, roles_here, post.group_url is not None)
