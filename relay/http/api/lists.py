"""One's own lists: replaceable events of which one's keys keep one each (NIP-02, NIP-51), read together and changed one at a time.

What is added goes into the list of the key that signs; what is taken out leaves every list that has it, and where a key that the
relay does not hold must sign for that, its owner is asked before anything is done. What else stands in a list, and its content
(which NIP-51 keeps encrypted for its author), stays as it is.
"""

from collections.abc import Callable

from relay.http.api import common, publishing
from relay.http.hub import RunningRelay
from relay.protocol.event import Draft, Event, values
from relay.protocol.filter import Filter
from relay.server.identities.identity_tokens import Principal
from storage.base import Expected
from storage.identities.types import BoundKey

Tag = list[str]
Matches = Callable[[Tag], bool]


async def bound_keys(hub: RunningRelay, identity_id: str) -> list[BoundKey]:
    """The keys that write as the identity."""
    return [key for key in await hub.identities.keys.of(identity_id) if key.revoked_at is None]


async def of_keys(hub: RunningRelay, kind: int, pubkeys: list[str]) -> list[Event]:
    """The lists of these keys, newest first."""
    wanted = Filter(kinds=frozenset([kind]), authors=frozenset(pubkeys), limit=len(pubkeys))
    return (await publishing.newest(hub, wanted)).events


async def of_identity(hub: RunningRelay, kind: int, identity_id: str) -> list[Event]:
    """The lists of all bound keys of an identity, newest first."""
    return await of_keys(hub, kind, [key.pubkey for key in await bound_keys(hub, identity_id)])


def named(lists: list[Event], name: str) -> list[str]:
    """The values of all tags of this name, each once; those of the newest list first."""
    return list(dict.fromkeys(value for event in lists for value in values(event, name)))


async def add(hub: RunningRelay, principal: Principal, kind: int, tag: Tag, same: Matches) -> tuple[bool, Event]:
    """Put a tag at the end of the list of the key that signs, unless one that is the `same` is in some list already.

    Whether it was put there, and the list that has it. Raises HttpProblem as `publishing.act`.
    """

    async def once() -> tuple[bool, Event]:
        lists = await of_identity(hub, kind, principal.identity_id)
        already = next((event for event in lists if any(same(each) for each in event.tags)), None)
        if already is not None:
            return False, already
        signer = (await hub.identities.get(principal.identity_id)).pubkey
        present = next((event for event in lists if event.pubkey == signer), None)
        tags = [] if present is None else _tags(present)
        return True, await _replace(hub, principal, kind, present, [*tags, tag], signer=signer)

    return await publishing.change(_name(kind, principal), once)


async def take(hub: RunningRelay, principal: Principal, kind: int, same: Matches) -> Event | None:
    """Take every tag that is the `same` out of all lists; the list that was changed last, None where no list had one."""
    done: list[Event] = []

    async def once() -> None:
        keys = await bound_keys(hub, principal.identity_id)
        held = {key.pubkey for key in keys if key.held}
        lists = await of_keys(hub, kind, [key.pubkey for key in keys])
        having = [event for event in lists if any(same(tag) for tag in event.tags)]
        having.sort(key=lambda found: found.pubkey in held)  # what its owner must sign is asked first
        for present in having:
            tags = [tag for tag in _tags(present) if not same(tag)]
            done.append(await _replace(hub, principal, kind, present, tags, signer=present.pubkey))

    await publishing.change(_name(kind, principal), once)
    return done[-1] if done else None


def having(name: str, wanted: set[str]) -> Matches:
    """Whether a tag has this name and one of these values."""
    return lambda tag: len(tag) > 1 and tag[0] == name and tag[1] in wanted


def _name(kind: int, principal: Principal) -> str:
    return f"list {kind} {principal.identity_id}"


async def _replace(
    hub: RunningRelay, principal: Principal, kind: int, present: Event | None, tags: list[Tag], *, signer: str | None
) -> Event:
    """The list with these tags in place of `present`. Raises Changed when that is not the newest any more."""
    wanted = Filter(kinds=frozenset([kind]), authors=frozenset([signer] if signer else []), limit=1)
    expected = Expected(wanted, None if present is None else present.id)
    earlier = -1 if present is None else present.created_at
    content = "" if present is None else present.content
    draft = Draft(kind, tags, content, max(common.now(), earlier + 1))
    return await publishing.act(hub, principal, draft, by=signer, expected=expected)


def _tags(present: Event) -> list[Tag]:
    return [tag for tag in present.tags if tag[0] != "custody"]  # the relay adds its own again
