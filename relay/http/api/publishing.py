"""From what a client asks to a signed event in the log: every mutation of the API goes through here.

What is read, changed and written again (an edit, a contact list, a vote) goes through `change`: the event is stored only
where what it was made from is still the newest, which is decided in the transaction that stores it. Otherwise all is read
again, so that of two changes at once neither is lost, whatever process or door they came by.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable
from typing import Final, TypeVar
from weakref import WeakValueDictionary

import msgspec

from keys import encoding
from relay.errors import Changed, Reject
from relay.http.api import common
from relay.http.hub import RunningRelay
from relay.http.problems import HttpProblem, of_reject
from relay.http.rendering.markdown import NAME, REFERENCE
from relay.protocol import feed, kinds, urls
from relay.protocol.admission import Door
from relay.protocol.event import Draft, Event, parse
from relay.protocol.facts import GivenToken
from relay.protocol.filter import Filter
from relay.server.events import policies
from relay.server.identities.identity_tokens import Principal
from relay.server.identities.signing import NoCustody
from storage.base import PUBLIC, Expected, Outcome, Readers, Status

MAX_SAID: Final = 100  # events of one identity on one target, looked at once
MAX_MENTIONS: Final = 10  # names in one text that are looked up
ATTEMPTS: Final = 20  # at a change before it is given up: each failure means that another one succeeded

T = TypeVar("T")
_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()


class Newest(msgspec.Struct, frozen=True):
    """What a filter matches, newest first, and what a change made from it expects."""

    events: list[Event]
    expected: Expected

    def following(self, now: int) -> int:
        """When to say what comes after the newest of them, unix seconds: within one second, which is newer is chance."""
        return max(now, self.events[0].created_at + 1) if self.events else now


async def newest(hub: RunningRelay, wanted: Filter, readers: Readers = PUBLIC) -> Newest:
    """The events that match and that these readers may read, by the filter's own limit."""
    now = common.now()
    found = await hub.reader.query([wanted], readers, now)
    events = [parse(wire) for wire in [*found.wires, *await hub.reader.fetch(found.rest, now, readers)]]
    return Newest(events, Expected(wanted, events[0].id if events else None, readers))


async def change(name: str, once: Callable[[], Awaitable[T]]) -> T:
    """Read, change and write by `once`, again whenever something else came between. `name` is what is changed.

    Changes of one thing stand in line here, which spares them most attempts. Raises HttpProblem 409 after ATTEMPTS.
    """
    async with _locks.setdefault(name, asyncio.Lock()):
        for _ in range(ATTEMPTS):
            try:
                return await once()
            except Changed:
                continue
    raise HttpProblem(
        409, "conflict", "this is being changed faster than it can be written", "Send it again in a moment."
    )


async def publish(
    hub: RunningRelay,
    event: Event,
    trusted: bool = False,
    expected: Expected | None = None,
    *,
    source: Hashable = None,
    url: str = "",
    token: GivenToken | None = None,
) -> Outcome:
    """Publish a signed event by the door of HTTP; a duplicate is no failure. Raises HttpProblem when it is refused.

    `trusted`: the relay has just signed it itself. Raises Changed where what is `expected` does not hold. `source`, `url` and
    `token` as in `RunningRelay.publish`.
    """
    outcome = await hub.publish(
        event, Door.HTTP, trusted=trusted, expected=expected, source=source, url=url, token=token
    )
    refusal = outcome.refusal
    if isinstance(refusal, Changed):
        raise refusal
    if outcome.status is Status.REFUSED and refusal is not None and not policies.is_so_already(event, refusal):
        raise of_reject(refusal)
    return outcome


async def act(
    hub: RunningRelay, principal: Principal, draft: Draft, by: str | None = None, expected: Expected | None = None
) -> Event:
    """Sign a draft with the key that the relay holds for the identity (or its key `by`), and publish it.

    Raises HttpProblem: 409 with the unsigned event when the relay does not hold that key, else whatever refuses the event; and
    Changed where what is `expected` does not hold, for `change`.
    """
    return (await act_and_hear(hub, principal, draft, by, expected))[0]


async def act_and_hear(
    hub: RunningRelay, principal: Principal, draft: Draft, by: str | None = None, expected: Expected | None = None
) -> tuple[Event, Outcome]:
    """As `act`, with what the relay said of the event."""
    try:
        event = await hub.identities.sign(principal.identity_id, draft, by)
    except NoCustody as missing:
        raise _to_sign(missing.event) from None
    except Reject as refusal:
        raise of_reject(refusal) from None
    outcome = await publish(hub, event, trusted=True, expected=expected, token=principal.token)
    return event, outcome


async def keys_of(hub: RunningRelay, identity_id: str) -> frozenset[str]:
    """All keys that the identity ever had: what any of them wrote is its own."""
    return frozenset(key.pubkey for key in await hub.identities.keys.of(identity_id))


async def unseen(hub: RunningRelay, principal: Principal, event_id: str, kinds_of: Collection[int]) -> Event | None:
    """What the identity wrote under this id, whether it may read it or not, as in a private group that it has left."""
    came = (await hub.feed.arrivals([event_id])).get(event_id)
    wires = [] if came is None else await hub.reader.fetch([came[0]], common.now(), None)
    event = parse(wires[0]) if wires else None
    if event is None or event.kind not in kinds_of or event.pubkey not in await keys_of(hub, principal.identity_id):
        return None
    return event


async def delete(hub: RunningRelay, principal: Principal, event: Event) -> Event:
    """Have the author of an event delete it; the deletion. Raises as `act`."""
    draft = Draft(kinds.DELETION, [["e", event.id], ["k", str(event.kind)]], "", common.now())
    return await act(hub, principal, draft, by=event.pubkey)


async def votes_on(hub: RunningRelay, principal: Principal, target: str) -> Newest:
    """The identity's live votes on the target, newest first, whichever of its keys signed."""
    keys = await keys_of(hub, principal.identity_id)
    wanted = Filter(kinds=frozenset([kinds.REACTION]), authors=keys, tags={"e": frozenset([target])}, limit=MAX_SAID)
    found = await newest(hub, wanted)
    return Newest([event for event in found.events if feed.voted(event) == target], found.expected)


async def take_back(hub: RunningRelay, principal: Principal, target: str) -> Event | None:
    """Delete all that `votes_on` finds; the last deletion, None when there was nothing. Raises as `act`."""
    done: Event | None = None
    while events := (await votes_on(hub, principal, target)).events:
        held = {key.pubkey for key in await hub.identities.keys.of(principal.identity_id) if key.held}
        # Keys that the relay does not hold come first: their owner is asked to sign before anything is done.
        for pubkey in sorted({event.pubkey for event in events}, key=lambda key: key in held):
            own = [["e", event.id] for event in events if event.pubkey == pubkey]
            draft = Draft(kinds.DELETION, [*own, ["k", str(kinds.REACTION)]], "", common.now())
            done = await act(hub, principal, draft, by=pubkey)
    return done


async def mentioned(hub: RunningRelay, text: str) -> list[list[str]]:
    """A `p` tag for each agent that the text names as `@name`: so mentions travel with the event, and find their reader."""
    names = list(dict.fromkeys(found["name"] for found in NAME.finditer(text)))[:MAX_MENTIONS]
    tags = []
    for name in names:
        for one in dict.fromkeys((name, name.rstrip(".-"))):  # a full stop may be of the sentence or of the name
            identity = await hub.identities.profile(one) if one else None
            if identity is not None and identity.pubkey is not None:
                tags.append(["p", identity.pubkey])
                break
    return tags


def quoted(text: str) -> list[list[str]]:
    """A `q` tag for each event that the text refers to by `nostr:…` (NIP-18, NIP-21): so what is quoted finds who quotes it.

    Where the text says at which relay it is, so does the tag.
    """
    found: dict[str, list[str]] = {}
    for match in list(REFERENCE.finditer(text))[:MAX_MENTIONS]:
        code = match["reference"]
        try:
            if code.startswith("note1"):
                event_id = encoding.decode("note", code)
                found.setdefault(event_id, ["q", event_id])
            elif code.startswith("nevent1"):
                pointer = encoding.decode_pointer(code)
                if isinstance(pointer, encoding.EventPointer):
                    place = next((url for url in pointer.relays if urls.parse(url, urls.WEBSOCKET) is not None), "")
                    found.setdefault(
                        pointer.id, ["q", pointer.id, place, *([pointer.author] if pointer.author else [])]
                    )
        except ValueError:
            continue
    return list(found.values())


def _to_sign(event: Event) -> HttpProblem:
    draft = {name: value for name, value in msgspec.structs.asdict(event).items() if name != "sig"}
    return HttpProblem(
        409,
        "signature_needed",
        "the relay does not hold the key that must sign this",
        "Sign `event` with your key and POST it to /api/v1/events.",
        more={"event": draft},
    )
