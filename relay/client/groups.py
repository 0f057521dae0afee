"""Groups (NIP-29) over the WebSocket, on any relay that has them, for whoever holds a key."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

import msgspec

from relay.client.clock import Clock
from relay.client.relay import Relay
from relay.client.signer import Signer
from relay.client.subscription import Subscription
from relay.protocol import kinds
from relay.protocol.event import Event, first_value, values
from relay.protocol.groups.announce import ADMINS, MEMBERS, METADATA, PINS
from relay.protocol.groups.belonging import (
    CREATE_GROUP,
    CREATE_INVITE,
    DELETE_EVENT,
    DELETE_GROUP,
    EDIT_METADATA,
    JOIN_REQUEST,
    LEAVE_REQUEST,
    PUT_USER,
    REMOVE_USER,
    UPDATE_PINS,
)

FLAGS: Final = ("private", "restricted", "hidden", "closed")
SAID: Final = (kinds.CHAT, kinds.POST, kinds.COMMENT)
LISTED: Final = frozenset((PUT_USER, REMOVE_USER))
_MOST_AHEAD: Final = 60  # seconds that what is said may lie ahead of the clock
_NOT_CARRIED: Final = frozenset(("d", "h", "-", "custody", "type"))


class GroupState(msgspec.Struct, frozen=True):
    """What a relay tells of a group by its own key: `tags` are those of its metadata, `admins` and `members` pubkeys.

    Of a large group the relay may list some members only, and of a private one it lists them to members.
    """

    id: str
    tags: list[list[str]]
    admins: dict[str, list[str]]
    members: list[str]
    pins: list[str]

    @property
    def name(self) -> str:
        """What it is called."""
        return next((tag[1] for tag in self.tags if tag[0] == "name" and len(tag) > 1), "")

    @property
    def flags(self) -> list[str]:
        """Which of `private`, `restricted`, `hidden` and `closed` it is."""
        return [tag[0] for tag in self.tags if tag[0] in FLAGS]


class GroupClient:
    """The groups of a relay: `GroupClient(relay, key)`; what is private is read by a `Relay` with the same signer.

    Every method that changes something publishes one event and returns it. All raise what `Relay` raises: Refused with the
    relay's reason (`duplicate:` for what is so already), Disconnected, TimedOut.
    """

    def __init__(self, relay: Relay, signer: Signer, *, clock: Clock | None = None) -> None:
        self._relay = relay
        self._signer = signer
        self._clock = clock or Clock()
        self._said: dict[str, int] = {}  # when something was said last in a group, unix seconds

    async def create(self, group_id: str, name: str = "", *, about: str = "", flags: Sequence[str] = ()) -> Event:
        """Begin a group of this id, whose owner the signer is then; `flags` are of FLAGS."""
        texts = [[tag, text] for tag, text in (("name", name), ("about", about)) if text]
        return await self._publish(CREATE_GROUP, group_id, [*texts, *([flag] for flag in flags)])

    async def edit(self, group_id: str, tags: Sequence[Sequence[str]]) -> Event:
        """Say all that the group is: what is not in `tags` is gone (NIP-29). `edited` makes them of what stands."""
        return await self._publish(EDIT_METADATA, group_id, [list(tag) for tag in tags])

    async def delete(self, group_id: str) -> Event:
        """End the group for ever."""
        return await self._publish(DELETE_GROUP, group_id)

    async def join(self, group_id: str, *, code: str = "", reason: str = "") -> Event:
        """Become a member, by an invite code where one is needed."""
        return await self._publish(JOIN_REQUEST, group_id, [["code", code]] if code else [], reason)

    async def leave(self, group_id: str) -> Event:
        """Be a member no more."""
        return await self._publish(LEAVE_REQUEST, group_id)

    async def put(self, group_id: str, pubkey: str, roles: Sequence[str] = ()) -> Event:
        """Take a key in, or set a member's roles."""
        return await self._publish(PUT_USER, group_id, [["p", pubkey, *roles]])

    async def remove(self, group_id: str, pubkey: str) -> Event:
        """Remove a member."""
        return await self._publish(REMOVE_USER, group_id, [["p", pubkey]])

    async def invite(self, group_id: str, code: str) -> Event:
        """Make an invite code. How often it may be used is the relay's to say; here once."""
        return await self._publish(CREATE_INVITE, group_id, [["code", code]])

    async def pin(self, group_id: str, event_ids: Sequence[str]) -> Event:
        """Pin these, in this order, and nothing else."""
        return await self._publish(UPDATE_PINS, group_id, [["e", one] for one in event_ids])

    async def say(self, group_id: str, content: str, *, reply_to: Event | None = None) -> Event:
        """Write a message, or answer one (NIP-C7).

        It stands behind what it answers and what was said before it here: its time is at most a minute ahead of the clock for that.
        """
        tags = [] if reply_to is None else [["q", reply_to.id, "", reply_to.pubkey], ["p", reply_to.pubkey]]
        before = max(self._said.get(group_id, 0), 0 if reply_to is None else reply_to.created_at)
        now = int(self._clock.now())
        self._said[group_id] = at = min(max(now, before + 1), now + _MOST_AHEAD)
        return await self._publish(kinds.CHAT, group_id, tags, content, at)

    async def react(self, group_id: str, target: Event, content: str = "+") -> Event:
        """React to a message."""
        tags = [["e", target.id, "", target.pubkey], ["p", target.pubkey], ["k", str(target.kind)]]
        return await self._publish(kinds.REACTION, group_id, tags, content)

    async def delete_message(self, group_id: str, target: Event) -> Event:
        """Delete the signer's own message (kind 5), or as a moderator anybody's (9005)."""
        if target.pubkey == self._signer.pubkey:
            return await self._publish(kinds.DELETION, group_id, [["e", target.id], ["k", str(target.kind)]])
        return await self._publish(DELETE_EVENT, group_id, [["e", target.id]])

    async def state(self, group_id: str, relay_pubkey: str) -> GroupState | None:
        """What the relay, whose own key this is (NIP-11 `self`), tells of a group; None where it tells nothing."""
        wanted = {"kinds": [METADATA, ADMINS, MEMBERS, PINS], "authors": [relay_pubkey], "#d": [group_id]}
        found: dict[int, Event] = {}
        async with aclosing(self._relay.stored(wanted)) as stored:
            async for event in stored:
                found.setdefault(event.kind, event)
        if METADATA not in found:
            return None
        admins = found[ADMINS].tags if ADMINS in found else []
        return GroupState(
            group_id,
            [tag for tag in found[METADATA].tags if tag[0] != "d"],
            {tag[1]: tag[2:] for tag in admins if tag[0] == "p" and len(tag) > 1},
            values(found[MEMBERS], "p") if MEMBERS in found else [],
            values(found[PINS], "e") if PINS in found else [],
        )

    async def messages(self, group_id: str, limit: int = 100) -> AsyncGenerator[Event]:
        """What was said in a group, the newest first."""
        wanted = {"kinds": list(SAID), "#h": [group_id], "limit": limit}
        async with aclosing(self._relay.stored(wanted)) as stored:
            async for event in stored:
                yield event

    def follow(self, *group_ids: str) -> Subscription:
        """What is said in these groups from now on, and who comes to and leaves any: who is meant is in the `p` tags."""
        said = {"kinds": [*SAID, kinds.REACTION, kinds.DELETION, DELETE_EVENT], "#h": list(group_ids), "limit": 0}
        own = {"kinds": sorted(LISTED), "#p": [self._signer.pubkey], "limit": 0}
        return self._relay.subscribe(*([said] if group_ids else []), own)

    async def _publish(
        self, kind: int, group_id: str, tags: Sequence[list[str]] = (), content: str = "", at: int | None = None
    ) -> Event:
        at = int(self._clock.now()) if at is None else at
        event = await self._signer.sign(kind, content, [["h", group_id], *tags], at)
        await self._relay.publish(event)
        return event


def edited(state: GroupState, changes: dict[str, str | bool]) -> list[list[str]]:
    """The tags of an edit: those that stand, with these texts (`name`, `about`, …) and flags changed."""
    kept = [tag for tag in state.tags if tag[0] not in changes and tag[0] not in _NOT_CARRIED]
    flags = [[name] for name, value in changes.items() if value is True]
    texts = [[name, value] for name, value in changes.items() if isinstance(value, str) and value]
    return [*kept, *texts, *flags]


def change_of_membership(event: Event, pubkey: str) -> tuple[str, bool] | None:
    """The group that this event took a key into (True) or out of (False); None for other events."""
    group_id = first_value(event, "h")
    if group_id is None or event.kind not in LISTED or pubkey not in values(event, "p"):
        return None
    return group_id, event.kind == PUT_USER
