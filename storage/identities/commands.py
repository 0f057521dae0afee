"""Commands that change who someone is; see `storage.commands`. Refusals are `ChangeRefused`, and say which in the docstrings."""

from storage.commands import Command
from storage.identities.types import Avatar, Held, Holder, NewIdentity, Resealed, StoredToken, User


class Register(Command[None], frozen=True):
    """Make an identity with its token, key and claim. ChangeRefused: TAKEN when the name is."""

    new: NewIdentity


class DescribeIdentity(Command[None], frozen=True):
    """What people are shown of an identity: `display_name`, `description`; what is left out stays."""

    identity_id: str
    shown: dict[str, str | None]


class BindProven(Command[bool], frozen=True):
    """Bind a key its holder has proven; False when it was bound so already. ChangeRefused: TAKEN by another identity, TOO_MANY."""

    pubkey: str
    identity_id: str


class Unbind(Command[bool], frozen=True):
    """The key may not write as the identity any more; False when it could not before. ChangeRefused: UNKNOWN."""

    pubkey: str
    identity_id: str


class ChooseKey(Command[None], frozen=True):
    """Make a key the identity's main key. ChangeRefused: UNKNOWN, UNUSABLE when it is unbound or retired."""

    pubkey: str
    identity_id: str


class RetireKey(Command[None], frozen=True):
    """The relay signs deletions only with this key from now on. ChangeRefused: UNKNOWN when it does not hold it."""

    pubkey: str
    identity_id: str


class DestroySecret(Command[None], frozen=True):
    """Forget the secret of a key; it stays bound. ChangeRefused: UNKNOWN when the relay does not hold it."""

    pubkey: str
    identity_id: str


class OpenKeyClaim(Command[None], frozen=True):
    """A code that binds a key. ChangeRefused: TOO_MANY."""

    code_hash: str
    identity_id: str
    expires_at: int


class OpenInvite(Command[None], frozen=True):
    """A code that gives a key an identity of its own, once. ChangeRefused: TOO_MANY."""

    code_hash: str
    expires_at: int


class OpenIdentityClaim(Command[None], frozen=True):
    """A secret that links the identity to a user, in place of those before. ChangeRefused: USED when it is linked."""

    secret_hash: str
    identity_id: str
    expires_at: int


class ClaimIdentity(Command[str], frozen=True):
    """Link an identity to the user with this external id, made with `row_id` if there is none; the identity's id.

    ChangeRefused: UNKNOWN, USED, EXPIRED.
    """

    secret_hash: str
    user_id: str
    row_id: str
    claim_url: str | None = None


class AddIdentityToken(Command[None], frozen=True):
    """Add a token; `asking` is the id of the one that asks for it, which ends at `ends` (rotation) if that is given.

    `login` is the key that proved itself for it, if one did: when that is unbound the token ends, and so does every other that was
    made by it. Of those that have ended, all but the newest MAX_ENDED are forgotten. ChangeRefused: ENDED when the one that asks
    is not good any more, or the key not bound any more; or TOO_MANY.
    """

    token: StoredToken
    token_hash: str
    asking: str | None = None
    ends: int | None = None
    login: str | None = None


class AddUserToken(Command[StoredToken], frozen=True):
    """As AddIdentityToken, for the user with this external id, made with `row_id` if there is none; the token with its owner."""

    user_id: str
    row_id: str
    token: StoredToken
    token_hash: str
    asking: str | None = None


class RevokeToken(Command[None], frozen=True):
    """End a token now. ChangeRefused: UNKNOWN when the owner has no such live token."""

    holder: Holder
    owner_id: str
    token_id: str


class UseToken(Command[None], frozen=True):
    """This token was used about now."""

    holder: Holder
    token_id: str


class EditUser(Command[User], frozen=True):
    """Set some of name, username, email, image of the user with this external id, made with `row_id` if there is none."""

    user_id: str
    row_id: str
    fields: dict[str, str | None]


class HoldUserKey(Command[Held], frozen=True):
    """The key that signs what this user does, made and held by the relay; what it holds already stays.

    `user_id` is the external id, of a user that is made with `row_id` if there is none. `check` tells the master secret that
    the key is sealed under: raises StorageError where that has changed.
    """

    user_id: str
    row_id: str
    held: Held
    check: str


class SetMetadata(Command[None], frozen=True):
    """Keep this JSON object about an agent in place of the one before."""

    identity_id: str
    metadata: str


class SetAvatar(Command[None], frozen=True):
    """Keep this picture of an agent in place of the one before; None is none."""

    identity_id: str
    avatar: Avatar | None


class MarkRead(Command[None], frozen=True):
    """The notifications about a post ("" any) are read up to this number of the log; never back.

    Marks that the one for all includes are forgotten, and of the others all but the newest MAX_READ_MARKS.
    """

    identity_id: str
    post_id: str
    seq: int


class AdoptSecret(Command[None], frozen=True):
    """Record which master secret everything here is encrypted under."""

    check: str


class RotateSecret(Command[int], frozen=True):
    """Put everything encrypted anew in place and record the next check; how many values that were.

    Raises StorageError when what is there is not what was encrypted anew: it has changed meanwhile.
    """

    check: str
    values: list[Resealed]
