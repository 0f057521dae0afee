"""Joining, leaving and invites (NIP-43), profiles of identities, and requests to vanish as far as they concern them.

Rule: a join or leave request is spent at once: never stored, never sent on, not even counted as seen. What it says is carried
out in the same transaction that answers it.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from handlers import replaceable
from handlers.base import Admit
from keys import tokens
from keys.tokens import Kind
from relay.errors import Prefix, Reject
from relay.protocol import membership, profile
from relay.protocol.admission import AcceptInvite, Action, Admission, BindKey, Door, NameIdentity, UnbindKey
from relay.protocol.event import Draft, Event, has_tag, values
from relay.protocol.facts import Facts, Need
from relay.protocol.groups import joining
from relay.protocol.relay import RelayRules

WINDOW: Final = 600  # seconds a request may lie from now: NIP-43's few minutes
NOBODY: Final[tuple[str, ...]] = ()
_DOORS: Final = (Door.CLIENT, Door.HTTP)


def needs_key(event: Event, _facts: Facts) -> Iterable[Need]:
    """Whose key signed."""
    return (("keys", event.pubkey),)


def needs_of_join(event: Event, facts: Facts) -> Iterable[Need]:
    """Whose key signed, and what the code that it shows is good for."""
    yield "keys", event.pubkey
    for code in values(event, "claim")[:1]:
        kind = tokens.kind_of(code)
        yield ("invites" if kind is Kind.INVITE else "key_claims"), tokens.digest(code)
        if kind is None and code:
            yield from joining.needs_of_claim(code, event.pubkey, facts)


def admit_join(relay: RelayRules) -> Admit:
    """Bind the key of whoever signed, by a claim code, give it an identity by an invite, or let it into the group of a code.

    Raises Reject: restricted for a code that is unknown, used, expired or no code, duplicate for a key that is bound so.
    """

    def admit(event: Event, facts: Facts, now: int, door: Door) -> Admission:
        _check_request(event, now, door)
        code = _claimed(event)
        joined = joining.claim(event, code, facts, now, relay.groups) if tokens.kind_of(code) is None else None
        if joined is None:
            return _bind(event, facts, now, code)
        decision = joined[1]
        return Admission(
            store=False, audience=NOBODY, actions=decision.changes, message=decision.message, emits=decision.emits
        )

    return admit


def _claimed(event: Event) -> str:
    """The one code that it shows."""
    claims = values(event, "claim")
    if len(claims) != 1:
        raise Reject(Prefix.INVALID, f"a join request needs exactly one claim tag, not {len(claims)} (NIP-43)")
    if not claims[0]:
        raise Reject(Prefix.RESTRICTED, "a key joins by an invite code or a claim code, and the claim is empty")
    return claims[0]


def _bind(event: Event, facts: Facts, now: int, code: str) -> Admission:
    kind = tokens.kind_of(code)
    if kind is Kind.INVITE:
        return _accept(event, facts, now, tokens.digest(code))
    if kind is not None and kind is not Kind.KEY_CLAIM:
        raise Reject(
            Prefix.RESTRICTED,
            "that is a token, not a claim code, and tokens do not belong in events: revoke it. Get a code from "
            "POST /api/v1/agents/me/keys/claims",
        )
    code_hash = tokens.digest(code)
    claim = facts.key_claims[code_hash]
    bound = facts.identity_of(event.pubkey)
    if bound is not None and (claim is None or claim.identity_id == bound):
        raise Reject(Prefix.DUPLICATE, "this key is bound to an identity of this relay already")
    if claim is None:
        raise Reject(Prefix.RESTRICTED, "that is no invite code and no claim code of this relay")
    if claim.used:
        raise Reject(Prefix.RESTRICTED, "that claim code was used already")
    if claim.expires_at <= now:
        raise Reject(Prefix.RESTRICTED, "that claim code has expired")
    if facts.owner_of(event.pubkey) not in (None, claim.identity_id):
        raise Reject(Prefix.RESTRICTED, "this key belongs to another identity, and a key never changes hands")
    return _spent(
        BindKey(event.pubkey, code_hash),
        "info: welcome; this key posts as its identity now",
        membership.added(event.pubkey, now),
    )


def _accept(event: Event, facts: Facts, now: int, code_hash: str) -> Admission:
    if facts.identity_of(event.pubkey) is not None:
        raise Reject(Prefix.DUPLICATE, "this key is bound to an identity of this relay already")
    if facts.owner_of(event.pubkey) is not None:
        raise Reject(
            Prefix.RESTRICTED, "this key belongs to an identity already; bind it with a claim code of that one"
        )
    until = facts.invites[code_hash]
    if until is None:
        raise Reject(Prefix.RESTRICTED, "that invite is unknown or was used already")
    if until <= now:
        raise Reject(Prefix.RESTRICTED, "that invite has expired")
    return _spent(
        AcceptInvite(event.pubkey, code_hash),
        "info: welcome; this key has an identity here now",
        membership.added(event.pubkey, now),
    )


def admit_invite(_event: Event, _facts: Facts, _now: int, _door: Door) -> Admission:
    """Raises Reject always: invites are the relay's, made for whoever asks, and no event that is published."""
    raise Reject(
        Prefix.RESTRICTED, "this relay makes its invites itself: ask for them with a REQ for kind 28935 (NIP-43)"
    )


def admit_leave(event: Event, facts: Facts, now: int, door: Door) -> Admission:
    """Unbind the key of whoever signed. Raises Reject(duplicate) when it is not bound."""
    _check_request(event, now, door)
    if facts.identity_of(event.pubkey) is None:
        raise Reject(Prefix.DUPLICATE, "this key is bound to no identity")
    return _spent(
        UnbindKey(event.pubkey),
        "info: this key does not post here any more; what it wrote stays",
        membership.removed(event.pubkey, now),
    )


def _check_request(event: Event, now: int, door: Door) -> None:
    if door not in _DOORS:
        raise Reject(Prefix.RESTRICTED, "requests to join or leave come from the key's holder only")
    if abs(now - event.created_at) > WINDOW:
        raise Reject(Prefix.INVALID, f"created_at is more than {WINDOW} seconds from now; check the clock (NIP-43)")


def _spent(action: Action, message: str, told: Draft) -> Admission:
    return Admission(store=False, audience=NOBODY, actions=(action,), message=message, emits=(told,))


def admit_profile(event: Event, facts: Facts, now: int, door: Door) -> Admission:
    """A kind 0, replaceable; one by a bound key also says what is shown of its identity: nothing, where it is for a group."""
    admission = replaceable.admit(event, facts, now, door)
    identity_id = facts.identity_of(event.pubkey)
    if identity_id is None:
        return admission
    shown = profile.ProfileTexts() if has_tag(event, "h") else profile.read(event.content)
    named = NameIdentity(identity_id, shown.display_name, shown.about)
    return msgspec.structs.replace(admission, actions=(named,))
