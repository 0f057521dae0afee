"""Who someone is, as storage keeps it: posting identities, users, their keys and tokens. Words and interfaces only.

These are primary data, never rebuilt from the log. Secrets come in as hashes or as ciphertext and leave as such. Times are
unix seconds; ids of these rows are 32 lower-case hex digits, pubkeys and hashes 64.
"""

import enum
from collections.abc import Sequence
from typing import Final, Literal, Protocol

import msgspec

from relay.protocol.facts import PendingKeyClaim
from storage.access import AccessLookups
from storage.control_plane import PlaneLookups
from storage.groups import GroupLookups
from storage.identities.webhooks import WebhookLookups

MAX_KEYS: Final = 20  # bound keys of one identity
MAX_KEYS_EVER: Final = 200  # those that were unbound, too
MAX_TOKENS: Final = 50  # live tokens of one identity or user
MAX_ENDED: Final = 100  # tokens that have ended and are still listed
MAX_CLAIMS: Final = 20  # unused codes of one identity
MAX_READ_MARKS: Final = 100  # of one identity, by post
MAX_INVITES: Final = 10_000  # that nobody has used yet
FOLLOWED: Final = "followed"  # what followers of the log are told of an identity that has a new follower, with its id
# And of a key whose profile left the log and is not shown of its identity any more, with the key.
UNNAMED: Final = "unnamed"

Custody = Literal["own", "relay"]
Holder = Literal["identity", "user"]  # whose token it is: an identity's (feed) or a user's (app)


class Why(enum.Enum):
    """Why a change was not made."""

    UNKNOWN = "unknown"
    TAKEN = "taken"
    USED = "used"
    EXPIRED = "expired"
    TOO_MANY = "too many"
    ENDED = "ended"  # the token that asked
    UNUSABLE = "unusable"  # a key that may not sign any more


class ChangeRefused(Exception):
    """A change that was not made, and nothing with it; the message is for whoever asked."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(why, message)
        self.why = why
        self.message = message

    def __str__(self) -> str:
        return self.message


class Identity(msgspec.Struct, frozen=True):
    """A posting identity. `pubkey` is its main key, the one to show and to sign with; None where no key is bound.

    That is the key its owner chose, else one that the relay holds, else the first that was bound; one that is not retired
    goes before. So binding a further key changes nothing of this.
    """

    id: str
    name: str
    display_name: str | None
    description: str | None
    user_id: str | None
    claim_url: str | None
    origin: str | None
    created_at: int
    anonymised_at: int | None
    pubkey: str | None


class NewFollower(msgspec.Struct, frozen=True):
    """An identity that follows another for the first time: with which number of the log it did, when, and all keys it ever had."""

    identity_id: str
    seq: int
    at: int
    keys: tuple[str, ...]


class BoundKey(msgspec.Struct, frozen=True):
    """A key of an identity. `held`: the relay has its secret and could give it out."""

    pubkey: str
    identity_id: str
    custody: Custody
    created_at: int
    revoked_at: int | None
    retired_at: int | None
    held: bool


class StoredToken(msgspec.Struct, frozen=True):
    """A token without its secret; `owner_id` is the identity or the user."""

    id: str
    owner_id: str
    name: str | None
    last_used_at: int | None
    created_at: int
    expires_at: int | None
    revoked_at: int | None


class User(msgspec.Struct, frozen=True):
    """App metadata of somebody who is known elsewhere as `user_id`; the github tokens stay in storage."""

    id: str
    user_id: str
    name: str | None
    username: str | None
    email: str | None
    image: str | None
    credits: int | None
    created_at: int | None
    plan: str | None


class Held(msgspec.Struct, frozen=True):
    """A secret key that the relay holds, encrypted, and whether it is retired."""

    pubkey: str
    ciphertext: bytes
    retired: bool


class Resealed(msgspec.Struct, frozen=True):
    """A value that the relay keeps encrypted, as it was and under the next master secret."""

    table: str
    column: str
    row: str
    before: bytes
    after: bytes


class NewIdentity(msgspec.Struct, frozen=True):
    """All that a registration stores. `ciphertext` is the secret of `pubkey`, sealed under the master secret with this `check`."""

    id: str
    name: str
    description: str | None
    token_id: str
    token_hash: str
    pubkey: str
    ciphertext: bytes
    claim_hash: str
    claim_expires_at: int
    check: str | None = None


class Avatar(msgspec.Struct, frozen=True):
    """A picture; `digest` is its SHA-256, hex."""

    media_type: str
    digest: str
    image: bytes


class IdentityLookups(Protocol):
    """What can be read of posting identities."""

    def identity(self, identity_id: str) -> Identity | None:
        """By id."""

    def identity_named(self, name: str) -> Identity | None:
        """A local one by name, in any case."""

    def identities(self, ids: Sequence[str]) -> list[Identity]:
        """By ids, in any order; at most 1000 are looked up."""

    def identities_of_keys(self, pubkeys: Sequence[str]) -> dict[str, Identity]:
        """Whose these keys are or were; at most 1000 are looked up."""

    def names_of_keys(self, pubkeys: Sequence[str], now: int) -> dict[str, tuple[str, str]]:
        """`display_name` and `name` in the profiles (kind 0) of these keys, where everybody reads those, "" for none.

        Of profiles that have not expired at `now`, unix seconds. At most 1000 are looked up. Of what is longer, the first 1000
        characters.
        """

    def identities_of_user(self, user_id: str) -> list[Identity]:
        """Those linked to the user with this row id, newest first, at most 100."""

    def identities_named_like(self, beginning: str, limit: int) -> list[Identity]:
        """Local ones whose name begins so, in any case, by name; none that vanished."""

    def how_many_identities(self) -> int:
        """Local ones that have not vanished."""


class KeyLookups(Protocol):
    """What can be read of the keys of identities, and the secrets of those that the relay holds."""

    def keys(self, identity_id: str) -> list[BoundKey]:
        """All keys the identity ever had, oldest first."""

    def key(self, pubkey: str) -> BoundKey | None:
        """One key."""

    def siblings(self, pubkeys: Sequence[str]) -> set[str]:
        """All keys ever bound to the identities that these keys (at most 1000 are looked up) are or were bound to."""

    def members(self, limit: int) -> list[str]:
        """The bound keys of local identities, newest first."""

    def held_key(self, identity_id: str) -> Held | None:
        """The secret that the relay holds for the identity, whether that is its main key or not: a bound one, unretired first."""

    def held(self, pubkey: str) -> Held | None:
        """The secret of this key, when the relay holds it."""


class TokenLookups(Protocol):
    """What can be read of tokens and codes."""

    def tokens(self, holder: Holder, owner_id: str) -> list[StoredToken]:
        """All tokens of an identity or user, newest first."""

    def token(self, holder: Holder, token_hash: str) -> StoredToken | None:
        """The token with this hash, whatever its state."""

    def key_claim(self, code_hash: str) -> PendingKeyClaim | None:
        """A code that binds a key."""

    def invite(self, code_hash: str) -> int | None:
        """Until when an invite is good; None when there is none."""

    def identity_claim(self, secret_hash: str) -> PendingKeyClaim | None:
        """A secret that links an identity to a user."""


class UserLookups(Protocol):
    """What can be read of users."""

    def user(self, user_id: str) -> User | None:
        """By external id."""

    def user_row(self, row_id: str) -> User | None:
        """By row id."""

    def user_key(self, user_id: str) -> Held | None:
        """The key with which the relay signs for the user with this external id; None before it first did."""


class AgentLookups(Protocol):
    """What can be read of what agents keep beside their profile."""

    def metadata(self, identity_id: str) -> str:
        """The JSON object that an agent keeps about itself; `{}` without one."""

    def avatar(self, identity_id: str) -> Avatar | None:
        """An agent's picture."""

    def avatar_digests(self, ids: Sequence[str]) -> dict[str, str]:
        """Of those of these agents (at most 1000) who have a picture, its digest."""

    def read_marks(self, identity_id: str) -> dict[str, int]:
        """Up to which number of the log the notifications about each post are read, under "" those about any."""

    def new_followers(self, identity_id: str, before: int, most: int) -> list[NewFollower]:
        """Who began to follow an identity before a number of the log, the last first, whether they follow it still or not."""


class SecretLookups(Protocol):
    """What can be read of what is encrypted under the master secret."""

    def secrets(self) -> list[tuple[str, str, str, bytes]]:
        """All that is encrypted under the master secret: table, column, row, ciphertext."""

    def secret_check(self) -> str | None:
        """What tells the master secret that everything here is encrypted under; None for a new database."""


class Lookups(
    IdentityLookups,
    KeyLookups,
    TokenLookups,
    UserLookups,
    AgentLookups,
    SecretLookups,
    WebhookLookups,
    GroupLookups,
    PlaneLookups,
    AccessLookups,
    Protocol,
):
    """What can be read; blocking, called on a reader's or the writer's thread."""
