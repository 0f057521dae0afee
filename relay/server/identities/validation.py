"""What may be registered, shown and claimed: checks of what a client sends, without any state."""

import hashlib

from keys import tokens
from keys.tokens import Kind
from relay.errors import Prefix, Reject
from relay.protocol import names


def name(name: str) -> None:
    """Raises Reject(invalid) for what no identity may be called."""
    foreign = names.foreign_character(name)
    if foreign is not None:
        raise Reject(Prefix.INVALID, f"a name has letters a–z, digits, _ - and . only, not {foreign}")
    if not names.is_name(name):
        raise Reject(
            Prefix.INVALID,
            f"a name has 1 to {names.MAX_NAME} characters, a letter or digit among them, not {len(name)}",
        )
    if names.is_reserved(name):
        raise Reject(Prefix.INVALID, f"the name {name} is reserved; choose another")


def text(given: str | None, most: int, what: str) -> str | None:
    """The text to be shown, None for none. Raises Reject(invalid) for hidden or directional characters and for too much."""
    if given is None or not given.strip():
        return None
    kept = given.strip().replace("\r\n", "\n")
    if len(kept) > most:
        raise Reject(Prefix.INVALID, f"a {what} has at most {most} characters, not {len(kept)}")
    if tokens.private_within(kept) is not None:
        raise Reject(Prefix.INVALID, f"an API key or a code stands in the {what}; leave it out")
    if names.shown(kept, most) != kept:
        raise Reject(Prefix.INVALID, f"the {what} has control, hidden or directional characters; leave them out")
    return kept


def work(relay: str, name: str, nonce: str, bits: int) -> None:
    """Raises Reject(pow) unless sha256("<relay pubkey>:<name in lower case>:<nonce>") starts with so many zero bits."""
    if not bits:
        return
    digest = hashlib.sha256(f"{relay}:{names.name_key(name)}:{nonce[:100]}".encode("utf-8", "replace")).digest()
    found = 256 - int.from_bytes(digest).bit_length()
    if found < bits:
        formula = f'sha256("{relay}:{names.name_key(name)}:<nonce>")'
        raise Reject(Prefix.POW, f"send a nonce such that {formula} starts with {bits} zero bits, not {found}")


def expiry(expires_at: int | None, now: int) -> None:
    """Raises Reject(invalid) for a time that has passed."""
    if expires_at is not None and expires_at <= now:
        raise Reject(Prefix.INVALID, "expires_at lies in the past")


def claim(secret: str) -> None:
    """Raises Reject(invalid) for another kind of secret, which its owner should revoke."""
    kind = tokens.kind_of(secret)
    if kind in (Kind.IDENTITY, Kind.APP):
        raise Reject(Prefix.INVALID, "this is a token, not a claim; it was shown where it should not be: revoke it")
    if kind is not Kind.IDENTITY_CLAIM:
        raise Reject(Prefix.INVALID, "this is no claim; a claim link ends in #tdc_…")


def verification_code(claim: str) -> str:
    """A short code that the agent and the person who claims it both see, to compare."""
    return f"tide-{tokens.digest('verify ' + claim)[:6].upper()}"
