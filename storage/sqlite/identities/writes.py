"""The primary tables, changed: by commands, and by what admitted events say of identities.

Each function decides first (`decisions`) and writes then, so that a refusal leaves nothing half-done in the transaction of its
neighbours.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec

from relay.errors import Prefix, Reject
from relay.protocol import claims, membership
from relay.protocol.admission import (
    AcceptInvite,
    Action,
    BindKey,
    NameIdentity,
    NoteFollowed,
    ProvisionIdentity,
    UnbindKey,
    VanishKey,
)
from relay.protocol.event import Draft, Event
from relay.protocol.names import name_key
from storage.identities import commands as given
from storage.identities import decisions
from storage.identities import webhooks as hooks
from storage.identities.types import (
    FOLLOWED,
    MAX_ENDED,
    MAX_READ_MARKS,
    ChangeRefused,
    Held,
    Holder,
    StoredToken,
    User,
    Why,
)
from storage.sqlite.identities.reads import SqliteLookups, sql
from storage.sqlite.statements import listed, named, padded_parts

_QUIET: Final = frozenset({"use_identity_token", "use_user_token"})  # changes that nobody else need know


class Change(Protocol):
    """The transaction that a change is part of, and the log as it will be."""

    def profile_of(self, pubkey: str) -> Event | None:
        """The key's live kind 0, unless that is for a group."""

    def forget_key(self, pubkey: str) -> None:
        """Whose key this is has changed, or what a code is good for."""

    @property
    def drafts(self) -> list[Draft]:
        """What the relay itself is to say of it."""

    def coming(self) -> int:
        """The number that the event gets with which this comes."""

    def changed(self, kind: str, key: str) -> None:
        """A primary row that followers of the log keep has changed."""

    def touch_author(self, pubkey: str) -> None:
        """Whose key this is has changed: refresh the rows that depend on what it wrote."""


class IdentityTables(SqliteLookups):
    """storage.identities.decisions.Tables over the writer's connection."""

    def is_free(self, name: str) -> bool:
        """Nobody has the name, and nobody who vanished had it."""
        return self._one(sql("name_taken"), name_key(name), _left_name(name_key(name))) is None

    def follow(self, follower: str, keys: Sequence[str], seq: int, now: int) -> list[str]:
        """Note that an identity follows those whose keys these are; the ids of those whom it had never followed."""
        found = []
        for some in padded_parts(keys):
            text = listed(named("agents")["follow"], ("keys", len(some)))
            found += self._all(text, follower, seq, now, follower, *some)
        return [identity_id for (identity_id,) in found]

    def number(self, counted: str, *values: object) -> int:
        """What a statement counts."""
        row = self._one(sql(f"count_{counted}"), *values)
        assert row is not None
        return int(row[0])


class IdentityChange:
    """One change under way: what it reads, and the transaction that it writes in at `now` (unix seconds)."""

    __slots__ = ("_connection", "change", "now", "tables")

    def __init__(self, connection: sqlite3.Connection, change: Change, now: int) -> None:
        self._connection = connection
        self.tables = IdentityTables(connection)
        self.change = change
        self.now = now

    def do(self, name: str, *values: object) -> int:
        """Run a statement; how many rows it changed."""
        if name not in _QUIET:
            self.change.changed("identities", "")
        return self._connection.execute(sql(name), values).rowcount

    def hook(self, name: str, *values: object) -> int:
        """Run a statement about webhooks, of which no cache of identities need know; how many rows it changed."""
        return self._connection.execute(named("webhooks")[name], values).rowcount


def carry_out(connection: sqlite3.Connection, wanted: Any, change: Change, now: int) -> Any:
    """Do what a command says; what it gives. Raises ChangeRefused, and then nothing is changed."""
    return _WRITES[type(wanted)](wanted, IdentityChange(connection, change, now))


def act(connection: sqlite3.Connection, action: Action, change: Change, now: int) -> None:
    """Do what an admitted event says, inside the event's transaction. Raises Reject, and then nothing is changed."""
    try:
        carry_out(connection, action, change, now)
    except ChangeRefused as refused:
        raise Reject(Prefix.RESTRICTED, refused.message) from None


# identities


def _register(command: given.Register, work: IdentityChange) -> None:
    decisions.register(command, work.tables)
    new, now = command.new, work.now
    work.do("insert_identity", new.id, new.name, name_key(new.name), None, new.description, None, now)
    work.do("insert_key", new.pubkey, new.id, "relay", now)
    work.do("insert_custodial_key", new.pubkey, new.ciphertext, now)
    work.do("insert_identity_token", new.token_id, new.id, None, new.token_hash, now, None)
    work.do("insert_identity_claim", new.claim_hash, new.id, new.claim_expires_at)
    work.change.forget_key(new.pubkey)
    work.change.drafts.append(membership.added(new.pubkey, now))


def _describe(command: given.DescribeIdentity, work: IdentityChange) -> None:
    present = work.tables.identity(command.identity_id)
    if present is not None:
        new = msgspec.structs.replace(present, **command.shown)
        work.do("describe", new.display_name, new.description, new.id)


def _name(action: NameIdentity, work: IdentityChange) -> None:
    work.do("describe", action.display_name or None, action.description or None, action.identity_id)


def _provision(wanted: ProvisionIdentity, work: IdentityChange) -> None:
    if not decisions.provision(wanted, work.tables, work.now):
        return
    author = decisions.EventAuthor(wanted, work.change.profile_of(wanted.pubkey))
    name = author.name(work.tables)
    # Derived, not drawn: an event that is tried again makes the same identity.
    row_id = wanted.pubkey[:32]
    texts = (author.shown.display_name or None, author.shown.about or None)
    work.do("insert_identity", row_id, name, name_key(name), *texts, wanted.origin, work.now)
    _insert_own_key(wanted.pubkey, row_id, work)


def _accept(action: AcceptInvite, work: IdentityChange) -> None:
    decisions.accept(action, work.tables, work.now)
    _provision(ProvisionIdentity(action.pubkey), work)
    work.do("use_invite", action.code_hash)


def _note_followed(action: NoteFollowed, work: IdentityChange) -> None:
    seq = work.change.coming() if action.is_news else 0
    for identity_id in work.tables.follow(action.follower, action.keys, seq, work.now):
        if action.is_news:
            work.change.changed(FOLLOWED, identity_id)


def _vanish(action: VanishKey, work: IdentityChange) -> None:
    key = work.tables.key(action.pubkey)
    work.do("destroy", action.pubkey)
    if key is None:
        return
    is_last = decisions.is_last_key(key, work.tables)
    _end(action.pubkey, work)
    work.change.forget_key(action.pubkey)
    if is_last:
        left = work.tables.name_key_of(key.identity_id)
        work.do("anonymise", _left_name(left), work.now, key.identity_id)
        work.do("revoke_identity_tokens", work.now, key.identity_id)
        work.do("forget_claims_of_identity", key.identity_id)
        work.do("forget_codes_of_identity", key.identity_id)


def _left_name(key: str) -> str:
    """What stands in place of a name (as `name_key`) that its owner left: nobody gets it, and it is not readable either."""
    return f"gone:{hashlib.sha256(key.encode()).hexdigest()}"


# keys


def _bind_by_code(action: BindKey, work: IdentityChange) -> None:
    identity_id = decisions.bind_by_code(action, work.tables, work.now)
    _bind(given.BindProven(action.pubkey, identity_id), work)
    work.do("use_key_claim", work.now, action.code_hash)


def _bind_proven(command: given.BindProven, work: IdentityChange) -> bool:
    is_new = _bind(command, work)
    if is_new:
        work.change.drafts.append(membership.added(command.pubkey, work.now))
    return is_new


def _bind(command: given.BindProven, work: IdentityChange) -> bool:
    key = decisions.bind(command.pubkey, command.identity_id, work.tables)
    if key is None:
        _insert_own_key(command.pubkey, command.identity_id, work)
        return True
    if key.revoked_at is None:
        return False
    work.do("rebind", command.pubkey)
    _changed_hands(command.pubkey, work)
    return True


def _end(pubkey: str, work: IdentityChange) -> bool:
    """The key may not write as its identity any more, and the tokens that it got are over; whether it could until now."""
    work.do("end_logins", work.now, pubkey)
    return work.do("unbind", work.now, pubkey) > 0


def _insert_own_key(pubkey: str, identity_id: str, work: IdentityChange) -> None:
    """A key whose secret its owner has."""
    work.do("insert_key", pubkey, identity_id, "own", work.now)
    _changed_hands(pubkey, work)


def _changed_hands(pubkey: str, work: IdentityChange) -> None:
    work.change.touch_author(pubkey)
    work.change.forget_key(pubkey)


def _unbind_key(action: UnbindKey, work: IdentityChange) -> None:
    _end(action.pubkey, work)
    work.change.forget_key(action.pubkey)


def _unbind(command: given.Unbind, work: IdentityChange) -> bool:
    decisions.of_identity(command.pubkey, command.identity_id, work.tables)
    work.change.forget_key(command.pubkey)
    was_bound = _end(command.pubkey, work)
    if was_bound:
        work.change.drafts.append(membership.removed(command.pubkey, work.now))
    return was_bound


def _choose(command: given.ChooseKey, work: IdentityChange) -> None:
    decisions.choose(command, work.tables)
    work.do("choose", command.pubkey, work.now, command.identity_id)


def _retire(command: given.RetireKey, work: IdentityChange) -> None:
    decisions.held(command.pubkey, command.identity_id, work.tables)
    work.do("retire", work.now, command.pubkey)
    work.do("retire_custodial", work.now, command.pubkey)


def _destroy(command: given.DestroySecret, work: IdentityChange) -> None:
    decisions.held(command.pubkey, command.identity_id, work.tables)
    work.do("retire", work.now, command.pubkey)
    work.do("destroy", command.pubkey)


# claims


def _open_key_claim(command: given.OpenKeyClaim, work: IdentityChange) -> None:
    decisions.open_key_claim(command, work.tables, work.now)
    work.do("forget_key_claims", command.identity_id, work.now)
    work.do("insert_key_claim", command.code_hash, command.identity_id, command.expires_at)


def _open_invite(command: given.OpenInvite, work: IdentityChange) -> None:
    decisions.open_invite(command, work.tables, work.now)
    work.do("forget_invites", work.now)
    work.do("insert_invite", command.code_hash, command.expires_at)


def _open_identity_claim(command: given.OpenIdentityClaim, work: IdentityChange) -> None:
    decisions.open_identity_claim(command, work.tables)
    work.do("forget_identity_claims", command.identity_id)
    work.do("insert_identity_claim", command.secret_hash, command.identity_id, command.expires_at)


def _claim(command: given.ClaimIdentity, work: IdentityChange) -> str:
    identity = decisions.claim(command, work.tables, work.now)
    work.do("use_identity_claim", work.now, command.secret_hash)
    user = _user(command.user_id, command.row_id, work)
    work.do("link", user.id, command.claim_url, identity.id)
    if identity.pubkey is not None:
        work.change.drafts.append(claims.said(identity.pubkey, work.now))
    return identity.id


# tokens


def _add_identity_token(command: given.AddIdentityToken, work: IdentityChange) -> None:
    decisions.add_token("identity", command.token.owner_id, command, work.tables, work.now)
    if command.asking is not None and command.ends is not None:
        work.do("expire_identity_token", command.ends, command.token.owner_id, command.asking)
    _insert_token("identity", command.token, command.token_hash, work)
    if command.login is not None:
        work.do("insert_login", command.token.id, command.login)
    elif command.asking is not None:
        work.do("inherit_login", command.token.id, command.asking)


def _add_user_token(command: given.AddUserToken, work: IdentityChange) -> StoredToken:
    present = work.tables.user(command.user_id)
    decisions.add_token("user", command.row_id if present is None else present.id, command, work.tables, work.now)
    user = _user(command.user_id, command.row_id, work)
    token = msgspec.structs.replace(command.token, owner_id=user.id)
    _insert_token("user", token, command.token_hash, work)
    return token


def _insert_token(holder: Holder, token: StoredToken, token_hash: str, work: IdentityChange) -> None:
    values = (token.id, token.owner_id, token.name, token_hash, token.created_at, token.expires_at)
    work.do(f"insert_{holder}_token", *values)
    work.do(f"forget_{holder}_tokens", token.owner_id, work.now, MAX_ENDED)


def _revoke_token(command: given.RevokeToken, work: IdentityChange) -> None:
    if not work.do(f"revoke_{command.holder}_token", work.now, command.owner_id, command.token_id):
        raise ChangeRefused(Why.UNKNOWN, "there is no such live token")


def _use_token(command: given.UseToken, work: IdentityChange) -> None:
    work.do(f"use_{command.holder}_token", work.now, command.token_id)


# users


def _user(user_id: str, row_id: str, work: IdentityChange) -> User:
    """The user with this external id, made if there is none."""
    if work.tables.user(user_id) is None:
        work.do("insert_user", row_id, user_id, work.now)
    found = work.tables.user(user_id)
    assert found is not None
    return found


def _edit_user(command: given.EditUser, work: IdentityChange) -> User:
    user = _user(command.user_id, command.row_id, work)
    work.do("edit_user", user.id, *(command.fields.get(name) for name in ("name", "username", "email", "image")))
    return _user(command.user_id, command.row_id, work)


def _hold_user_key(command: given.HoldUserKey, work: IdentityChange) -> Held:
    present = work.tables.user_key(command.user_id)
    if present is not None:
        return present
    decisions.hold_user_key(command, work.tables)
    user, key = _user(command.user_id, command.row_id, work), command.held
    work.do("insert_custodial_key", key.pubkey, key.ciphertext, work.now)
    work.do("insert_user_key", key.pubkey, user.id, work.now)
    return key


# what agents keep


def _set_metadata(command: given.SetMetadata, work: IdentityChange) -> None:
    work.do("set_metadata", command.identity_id, command.metadata)


def _set_avatar(command: given.SetAvatar, work: IdentityChange) -> None:
    avatar = command.avatar
    if avatar is None:
        work.do("remove_avatar", command.identity_id)
    else:
        work.do("set_avatar", command.identity_id, avatar.media_type, avatar.digest, avatar.image)


def _mark_read(command: given.MarkRead, work: IdentityChange) -> None:
    work.do("mark_read", command.identity_id, command.post_id, command.seq)
    work.do("forget_marks", command.identity_id, MAX_READ_MARKS)


# webhooks


def _add_webhook(command: hooks.AddWebhook, work: IdentityChange) -> None:
    decisions.add_webhook(command, work.tables)
    hook = command.hook
    work.hook("insert", hook.id, hook.identity_id, hook.url, hook.secret, hook.created_at, hook.told)
    work.change.changed(hooks.CHANGED, hook.id)


def _remove_webhook(command: hooks.RemoveWebhook, work: IdentityChange) -> None:
    _own_webhook("remove", command, work)


def _resume_webhook(command: hooks.ResumeWebhook, work: IdentityChange) -> None:
    _own_webhook("resume", command, work)


def _own_webhook(name: str, command: hooks.RemoveWebhook | hooks.ResumeWebhook, work: IdentityChange) -> None:
    if not work.hook(name, command.webhook_id, command.identity_id):
        raise ChangeRefused(Why.UNKNOWN, "you have no such webhook")
    work.change.changed(hooks.CHANGED, command.webhook_id)


def _note_delivery(command: hooks.NoteDelivery, work: IdentityChange) -> None:
    hook = command.hook
    state = (hook.told, hook.pending, hook.failures, hook.failing_since, hook.next_at, hook.problem, hook.ended_at)
    work.hook("note", *state, hook.id)


# the master secret


def _adopt_secret(command: given.AdoptSecret, work: IdentityChange) -> None:
    work.do("set_secret_check", command.check)


def _rotate_secret(command: given.RotateSecret, work: IdentityChange) -> int:
    decisions.rotate(command, work.tables)
    for one in command.values:
        work.do(f"recode_{one.table}_{one.column}", one.after, one.row)
    work.do("set_secret_check", command.check)
    work.change.changed("secret", "")
    return len(command.values)


_WRITES: Final[dict[type, Callable[[Any, IdentityChange], Any]]] = {
    NameIdentity: _name,
    ProvisionIdentity: _provision,
    NoteFollowed: _note_followed,
    AcceptInvite: _accept,
    VanishKey: _vanish,
    BindKey: _bind_by_code,
    UnbindKey: _unbind_key,
    given.Register: _register,
    given.DescribeIdentity: _describe,
    given.BindProven: _bind_proven,
    given.Unbind: _unbind,
    given.ChooseKey: _choose,
    given.RetireKey: _retire,
    given.DestroySecret: _destroy,
    given.OpenKeyClaim: _open_key_claim,
    given.OpenInvite: _open_invite,
    given.OpenIdentityClaim: _open_identity_claim,
    given.ClaimIdentity: _claim,
    given.AddIdentityToken: _add_identity_token,
    given.AddUserToken: _add_user_token,
    given.RevokeToken: _revoke_token,
    given.UseToken: _use_token,
    given.EditUser: _edit_user,
    given.HoldUserKey: _hold_user_key,
    given.SetMetadata: _set_metadata,
    given.SetAvatar: _set_avatar,
    given.MarkRead: _mark_read,
    hooks.AddWebhook: _add_webhook,
    hooks.RemoveWebhook: _remove_webhook,
    hooks.ResumeWebhook: _resume_webhook,
    hooks.NoteDelivery: _note_delivery,
    given.AdoptSecret: _adopt_secret,
    given.RotateSecret: _rotate_secret,
}
COMMANDS: Final = frozenset(_WRITES)
