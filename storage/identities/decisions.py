"""Whether a change of the primary tables may be made: by what they hold now, earlier changes of the transaction included.

A decision reads and changes nothing; it raises ChangeRefused, with a message for whoever asked.
"""

from typing import Final, Protocol

from keys import encoding
from relay.errors import Prefix, Reject
from relay.protocol import profile
from relay.protocol.admission import AcceptInvite, BindKey, ProvisionIdentity
from relay.protocol.event import Event
from relay.protocol.names import is_name, is_reserved
from relay.protocol.words import counted
from storage.errors import StorageError
from storage.identities.commands import (
    AddIdentityToken,
    AddUserToken,
    ChooseKey,
    ClaimIdentity,
    HoldUserKey,
    OpenIdentityClaim,
    OpenInvite,
    OpenKeyClaim,
    Register,
    RotateSecret,
)
from storage.identities.types import (
    MAX_CLAIMS,
    MAX_INVITES,
    MAX_KEYS,
    MAX_KEYS_EVER,
    MAX_TOKENS,
    BoundKey,
    ChangeRefused,
    Holder,
    Identity,
    Lookups,
    Why,
)
from storage.identities.webhooks import MAX_WEBHOOKS, AddWebhook

HOUR: Final = 3600


class Tables(Lookups, Protocol):
    """What decisions read."""

    def is_free(self, name: str) -> bool:
        """Whether nobody has the name, and nobody who vanished had it."""

    def number(self, counted: str, *values: object) -> int:
        """The number that the statement `count_<counted>` gives."""


class EventAuthor:
    """What is shown of an identity that is made for a key: by its kind 0, as far as there is one."""

    def __init__(self, wanted: ProvisionIdentity, event: Event | None) -> None:
        self.wanted = wanted
        self.shown = profile.ProfileTexts() if event is None else profile.read(event.content)

    def name(self, tables: Tables) -> str:
        """The name in the key's kind 0 if it is one and free, else the first of its npub that is. Raises ChangeRefused(TAKEN)."""
        given = self.shown.name
        npub = encoding.encode("npub", self.wanted.pubkey)
        for name in ((given, f"{given[:50]}-{npub[5:11]}") if given else ()) + (npub[:16], npub):
            if is_name(name) and (self.wanted.origin is not None or (not is_reserved(name) and tables.is_free(name))):
                return name
        raise ChangeRefused(Why.TAKEN, "every name for this key is taken; register one")


def register(command: Register, tables: Tables) -> None:
    """Whether the name is free, and its secret sealed as all others are. Raises StorageError where that has just changed."""
    if command.new.check is not None:
        _check_seal(command.new.check, tables)
    if not tables.is_free(command.new.name):
        raise ChangeRefused(Why.TAKEN, f"the name {command.new.name} is taken; choose another")


def hold_user_key(command: HoldUserKey, tables: Tables) -> None:
    """Whether the key is sealed as all others are. Raises StorageError where that has just changed."""
    if command.check != tables.secret_check():
        raise StorageError("the master secret has just been changed; try again")


def provision(wanted: ProvisionIdentity, tables: Tables, now: int) -> bool:
    """Whether an identity is to be made: not where the key has one. Raises Reject(rate-limited)."""
    if tables.key(wanted.pubkey) is not None:
        return False
    if wanted.most_an_hour:
        made = tables.number("provisioned", wanted.origin, now - HOUR)
        if made >= wanted.most_an_hour:
            raise Reject(Prefix.RATE_LIMITED, f"{made} new authors came from there within an hour; try again later")
    return True


def accept(action: AcceptInvite, tables: Tables, now: int) -> None:
    """Whether the invite is good."""
    until = tables.invite(action.code_hash)
    if until is None or until <= now:
        raise ChangeRefused(Why.UNKNOWN, "this invite is unknown, used or expired")


def bind_by_code(action: BindKey, tables: Tables, now: int) -> str:
    """The identity that the claim code is for."""
    claim = tables.key_claim(action.code_hash)
    if claim is None or claim.used or claim.expires_at <= now:
        raise ChangeRefused(Why.UNKNOWN, "this claim code is unknown, used or expired")
    return claim.identity_id


def bind(pubkey: str, identity_id: str, tables: Tables) -> BoundKey | None:
    """The key as it is there, bound or not; None for a new one."""
    key = tables.key(pubkey)
    if key is not None and key.identity_id != identity_id:
        raise ChangeRefused(Why.TAKEN, "this key belongs to another identity, and a key never changes hands")
    if key is not None and key.revoked_at is None:
        return key
    if tables.number("keys", identity_id) >= MAX_KEYS:
        raise ChangeRefused(Why.TOO_MANY, f"{MAX_KEYS} keys are bound to this identity; unbind one first")
    if key is None and tables.number("keys_ever", identity_id) >= MAX_KEYS_EVER:
        raise ChangeRefused(Why.TOO_MANY, f"this identity has had {MAX_KEYS_EVER} keys; bind one of them again")
    return key


def of_identity(pubkey: str, identity_id: str, tables: Tables) -> BoundKey:
    """The key, if it is the identity's."""
    key = tables.key(pubkey)
    if key is None or key.identity_id != identity_id:
        raise ChangeRefused(Why.UNKNOWN, "this identity has no such key")
    return key


def choose(command: ChooseKey, tables: Tables) -> None:
    """Whether the key still signs."""
    key = of_identity(command.pubkey, command.identity_id, tables)
    if key.revoked_at is not None or key.retired_at is not None:
        wrong = "is not bound" if key.revoked_at is not None else "is retired"
        raise ChangeRefused(Why.UNUSABLE, f"this key {wrong}; choose one that still signs")


def held(pubkey: str, identity_id: str, tables: Tables) -> None:
    """Whether the relay holds the key."""
    if not of_identity(pubkey, identity_id, tables).held:
        raise ChangeRefused(Why.UNKNOWN, "the relay does not hold the secret of this key")


def is_last_key(key: BoundKey, tables: Tables) -> bool:
    """Whether no other key of its identity is bound."""
    return tables.number("keys", key.identity_id) == (1 if key.revoked_at is None else 0)


def open_key_claim(command: OpenKeyClaim, tables: Tables, now: int) -> None:
    """Whether there are few enough."""
    if tables.number("key_claims", command.identity_id, now) >= MAX_CLAIMS:
        raise ChangeRefused(Why.TOO_MANY, f"{MAX_CLAIMS} claim codes are unused; use one or wait until they expire")


def open_invite(_command: OpenInvite, tables: Tables, now: int) -> None:
    """Whether there are few enough."""
    if tables.number("invites", now) >= MAX_INVITES:
        raise ChangeRefused(Why.TOO_MANY, f"{MAX_INVITES} invites are unused; wait until some expire")


def open_identity_claim(command: OpenIdentityClaim, tables: Tables) -> None:
    """Whether nobody has claimed it."""
    identity = tables.identity(command.identity_id)
    if identity is None or identity.user_id is not None:
        raise ChangeRefused(Why.USED, "this identity is claimed already")


def claim(command: ClaimIdentity, tables: Tables, now: int) -> Identity:
    """The identity that is claimed."""
    found = tables.identity_claim(command.secret_hash)
    if found is None:
        raise ChangeRefused(Why.UNKNOWN, "there is no such claim; ask the agent for a new claim link")
    identity = tables.identity(found.identity_id)
    if found.used or identity is None or identity.user_id is not None:
        raise ChangeRefused(Why.USED, "this claim was used already")
    if found.expires_at <= now:
        raise ChangeRefused(Why.EXPIRED, "this claim has expired; ask the agent for a new claim link")
    return identity


def add_token(holder: Holder, owner_id: str, asked: AddIdentityToken | AddUserToken, tables: Tables, now: int) -> None:
    """Whether the token that asks is good, and there are few enough; one that ends by this counts no more."""
    ends = asked.ends if isinstance(asked, AddIdentityToken) else None
    if asked.asking is not None and not tables.number(f"live_{holder}_token", owner_id, asked.asking, now):
        raise ChangeRefused(Why.ENDED, "the token that you sent has ended meanwhile")
    if isinstance(asked, AddIdentityToken) and asked.login is not None:
        key = tables.key(asked.login)
        if key is None or key.identity_id != owner_id or key.revoked_at is not None:
            raise ChangeRefused(Why.ENDED, "the key that you signed with was unbound meanwhile")
    ending = asked.asking is not None and ends is not None and ends <= now
    if tables.number(f"{holder}_tokens", owner_id, now) - ending >= MAX_TOKENS:
        raise ChangeRefused(Why.TOO_MANY, f"{MAX_TOKENS} tokens are live; revoke one first")


def rotate(command: RotateSecret, tables: Tables) -> None:
    """Whether what is there is what was encrypted anew: a value that came meanwhile would be lost."""
    if set(tables.secrets()) != {(one.table, one.column, one.row, one.before) for one in command.values}:
        raise StorageError("what is kept encrypted has changed meanwhile; try again")


def add_webhook(command: AddWebhook, tables: Tables) -> None:
    """Whether there is room for one more, and its secret is sealed as all others are."""
    _check_seal(command.check, tables)
    if len(tables.webhooks(command.hook.identity_id)) >= command.most:
        raise ChangeRefused(
            Why.TOO_MANY, f"an identity has at most {counted(command.most, 'webhook')} here; remove one first"
        )
    if tables.number("webhooks") >= MAX_WEBHOOKS:
        raise ChangeRefused(Why.TOO_MANY, "this relay has as many webhooks as it takes")


def _check_seal(check: str, tables: Tables) -> None:
    if check != tables.secret_check():
        raise StorageError("the master secret has just been changed; try again")
