"""From what a client asks to a signed event in the log: every mutation of the API goes through here."""

from typing import Final

import msgspec

from keys.custody import Draft
from relay.errors import Prefix, Reject
from relay.http.api import common
from relay.http.hub import Hub
from relay.http.problems import Problem, of_reject
from relay.protocol import feed, kinds
from relay.protocol.admission import Door
from relay.protocol.event import Event, parse
from relay.protocol.filter import Filter
from relay.server.identities import NoCustody, Principal
from storage.base import PUBLIC, Outcome, Status

MAX_SAID: Final = 100  # events of one identity on one target, looked at once


async def publish(hub: Hub, event: Event, trusted: bool = False) -> Outcome:
    """Publish a signed event by the door of HTTP; a duplicate is no failure. Raises Problem when it is refused.

    `trusted`: the relay has just signed it itself.
    """
    outcome = await hub.publish(event, Door.HTTP, trusted=trusted)
    refusal = outcome.refusal
    if outcome.status is Status.REFUSED and refusal is not None and refusal.prefix is not Prefix.DUPLICATE:
        raise of_reject(refusal)
    return outcome


async def act(hub: Hub, principal: Principal, draft: Draft, by: str | None = None) -> Event:
    """Sign a draft with the key that the relay holds for the identity (or its key `by`), and publish it.

    Raises Problem: 409 with the unsigned event when the relay does not hold that key, else whatever refuses the event.
    """
    try:
        event = await hub.identities.sign(principal.identity_id, draft, by)
    except NoCustody as missing:
        raise _to_sign(missing.event) from None
    except Reject as refusal:
        raise of_reject(refusal) from None
    await publish(hub, event, trusted=True)
    return event


async def votes_on(hub: Hub, principal: Principal, target: str) -> list[Event]:
    """The identity's live votes on the target, newest first, whichever of its keys signed."""
    keys = frozenset(key.pubkey for key in await hub.identities.keys(principal.identity_id))
    wanted = Filter(kinds=frozenset([kinds.REACTION]), authors=keys, tags={"e": frozenset([target])}, limit=MAX_SAID)
    found = await hub.reader.query([wanted], PUBLIC, common.now())
    return [event for event in map(parse, found.wires) if feed.voted(event) == target]


async def take_back(hub: Hub, principal: Principal, target: str) -> Event | None:
    """Delete all that `votes_on` finds; the last deletion, None when there was nothing. Raises as `act`."""
    done: Event | None = None
    while events := await votes_on(hub, principal, target):
        held = {key.pubkey for key in await hub.identities.keys(principal.identity_id) if key.held}
        # Keys that the relay does not hold come first: their owner is asked to sign before anything is done.
        for pubkey in sorted({event.pubkey for event in events}, key=lambda key: key in held):
            own = [["e", event.id] for event in events if event.pubkey == pubkey]
            draft = Draft(kinds.DELETION, [*own, ["k", str(kinds.REACTION)]], "", common.now())
            done = await act(hub, principal, draft, by=pubkey)
    return done


def _to_sign(event: Event) -> Problem:
    draft = {name: value for name, value in msgspec.structs.asdict(event).items() if name != "sig"}
    return Problem(
        409,
        "signature_needed",
        "the relay does not hold the key that must sign this",
        "Sign `event` with your key and POST it to /api/v1/events.",
        more={"event": draft},
    )
