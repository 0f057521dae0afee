"""The primary tables on SQLite, changed: by those who ask over HTTP, and by events.

Every change checks first and writes then, so that a refusal leaves nothing half-done in the transaction of its neighbours.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from keys import encoding
from relay.errors import Prefix, Reject
from relay.protocol import profile
from relay.protocol.admission import (
    AcceptInvite,
    Action,
    BindKey,
    NameIdentity,
    ProvisionIdentity,
    UnbindKey,
    VanishKey,
)
from relay.protocol.event import Event
from relay.protocol.names import is_name, is_reserved, name_key
from storage.agents import AgentChanges
from storage.people import (
    MAX_CLAIMS,
    MAX_ENDED,
    MAX_INVITES,
    MAX_KEYS,
    MAX_KEYS_EVER,
    MAX_TOKENS,
    BoundKey,
    Custody,
    Holder,
    NewIdentity,
    Recode,
    Refused,
    Token,
    User,
    Why,
)
from storage.registry import SqliteLookups, sql

HOUR: Final = 3600

T = TypeVar("T")


def _left_name(key: str) -> str:
    """What stands in place of a name (as `name_key`) that its owner left: nobody gets it, and it is not readable either."""
    return f"gone:{hashlib.sha256(key.encode()).hexdigest()}"


class Change(Protocol):
    """The transaction that a change is part of, and the log as it will be."""

    def profile_of(self, pubkey: str) -> Event | None:
        """The key's live kind 0."""

    def forget_key(self, pubkey: str) -> None:
        """Whose key this is has changed, or what a code is good for."""

    def touch_author(self, pubkey: str) -> None:
        """Whose key this is has changed: refresh the rows that depend on what it wrote."""


class Transact(Protocol):
    """The writer's way to run work as one transaction."""

    def __call__(self, work: Callable[[Change], T]) -> T:
        """What `work` gives, once it is durable."""


class SqliteDirectory(SqliteLookups, AgentChanges):
    """storage.people.Directory on the writer's connection."""

    def __init__(self, connection: sqlite3.Connection, transact: Transact) -> None:
        super().__init__(connection)
        self._transact = transact

    def _do(self, name: str, *values: object) -> int:
        return self._connection.execute(sql(name), values).rowcount

    def carry_out(self, action: Action, change: Change, now: int) -> None:
        """What an admitted event does here, inside the event's transaction. Raises Reject, and then nothing is changed."""
        try:
            match action:
                case BindKey(pubkey, code_hash):
                    self._bind_by_code(pubkey, code_hash, change, now)
                case AcceptInvite(pubkey, code_hash):
                    self._accept(pubkey, code_hash, change, now)
                case UnbindKey(pubkey):
                    self._do("unbind", now, pubkey)
                case VanishKey(pubkey):
                    self._vanish(pubkey, now)
                case NameIdentity(identity_id, display_name, description):
                    self._do("describe", display_name or None, description or None, identity_id)
                case ProvisionIdentity():
                    self._provision(action, change, now)
        except Refused as refused:
            raise Reject(Prefix.RESTRICTED, refused.message) from None
        if not isinstance(action, NameIdentity):
            change.forget_key(action.pubkey)

    # identities

    def register(self, new: NewIdentity, now: int) -> None:
        """Make an identity with its token, key and claim. Raises Refused(TAKEN) when the name is."""

        def work(change: Change) -> None:
            if not self._is_free(new.name):
                raise Refused(Why.TAKEN, f"the name {new.name} is taken; choose another")
            self._do("insert_identity", new.id, new.name, name_key(new.name), None, new.description, None, now)
            self._do("insert_key", new.pubkey, new.id, "relay", now)
            self._do("insert_custodial_key", new.pubkey, new.ciphertext, now)
            self._do("insert_identity_token", new.token_id, new.id, None, new.token_hash, now, None)
            self._do("insert_identity_claim", new.claim_hash, new.id, new.claim_expires_at)
            change.forget_key(new.pubkey)

        self._transact(work)

    def describe(self, identity_id: str, shown: dict[str, str | None]) -> None:
        """What people are shown of an identity: `display_name`, `description`; what is left out stays."""

        def work(_: Change) -> None:
            present = self.identity(identity_id)
            if present is not None:
                new = msgspec.structs.replace(present, **shown)
                self._do("describe", new.display_name, new.description, identity_id)

        self._transact(work)

    def _provision(self, wanted: ProvisionIdentity, change: Change, now: int) -> None:
        if self.key(wanted.pubkey) is not None:
            return
        if wanted.most_an_hour:
            made = self._connection.execute(sql("count_provisioned"), (wanted.origin, now - HOUR)).fetchone()[0]
            if made >= wanted.most_an_hour:
                raise Reject(Prefix.RATE_LIMITED, f"{made} new authors came from there within an hour; try again later")
        # Derived, not drawn: an event that is tried again makes the same identity.
        row_id = wanted.pubkey[:32]
        event = change.profile_of(wanted.pubkey)
        shown = profile.Profile() if event is None else profile.read(event.content)
        name = self._free_name(shown.name, wanted)
        texts = (shown.display_name or None, shown.about or None)
        self._do("insert_identity", row_id, name, name_key(name), *texts, wanted.origin, now)
        self._do("insert_key", wanted.pubkey, row_id, "own", now)
        change.touch_author(wanted.pubkey)

    def _free_name(self, given: str, wanted: ProvisionIdentity) -> str:
        """The name in the key's kind 0 if it is one and free, else the first of its npub that is."""
        npub = encoding.encode("npub", wanted.pubkey)
        for name in ((given, f"{given[:50]}-{npub[5:11]}") if given else ()) + (npub[:16], npub):
            if is_name(name) and (wanted.origin is not None or (not is_reserved(name) and self._is_free(name))):
                return name
        raise Refused(Why.TAKEN, "every name for this key is taken; register one")

    def _is_free(self, name: str) -> bool:
        """Nobody has the name, and nobody who vanished had it."""
        return self._one(sql("name_taken"), name_key(name), _left_name(name_key(name))) is None

    def _vanish(self, pubkey: str, now: int) -> None:
        key = self.key(pubkey)
        self._do("destroy", pubkey)
        if key is None:
            return
        self._do("unbind", now, pubkey)
        if self._connection.execute(sql("count_keys"), (key.identity_id,)).fetchone()[0]:
            return
        left = self._one(sql("name_of"), key.identity_id)
        assert left is not None
        self._do("anonymise", _left_name(left[0]), now, key.identity_id)
        self._do("revoke_identity_tokens", now, key.identity_id)
        self._do("forget_claims_of_identity", key.identity_id)
        self._do("forget_codes_of_identity", key.identity_id)

    # keys

    def bind(self, pubkey: str, identity_id: str, now: int) -> bool:
        """Bind a key its holder has proven; False when it was bound so already. Raises Refused."""
        return self._transact(lambda change: self._bind(pubkey, identity_id, "own", change, now))

    def _bind(self, pubkey: str, identity_id: str, custody: Custody, change: Change, now: int) -> bool:
        key = self.key(pubkey)
        if key is not None and key.identity_id != identity_id:
            raise Refused(Why.TAKEN, "this key belongs to another identity, and a key never changes hands")
        if key is not None and key.revoked_at is None:
            return False
        if self._connection.execute(sql("count_keys"), (identity_id,)).fetchone()[0] >= MAX_KEYS:
            raise Refused(Why.TOO_MANY, f"{MAX_KEYS} keys are bound to this identity; unbind one first")
        if key is None:
            if self._connection.execute(sql("count_keys_ever"), (identity_id,)).fetchone()[0] >= MAX_KEYS_EVER:
                raise Refused(Why.TOO_MANY, f"this identity has had {MAX_KEYS_EVER} keys; bind one of them again")
            self._do("insert_key", pubkey, identity_id, custody, now)
        else:
            self._do("rebind", pubkey)
        change.touch_author(pubkey)
        change.forget_key(pubkey)
        return True

    def _bind_by_code(self, pubkey: str, code_hash: str, change: Change, now: int) -> None:
        claim = self.key_claim(code_hash)
        if claim is None or claim.used or claim.expires_at <= now:
            raise Refused(Why.UNKNOWN, "this claim code is unknown, used or expired")
        self._bind(pubkey, claim.identity_id, "own", change, now)
        self._do("use_key_claim", now, code_hash)

    def _accept(self, pubkey: str, code_hash: str, change: Change, now: int) -> None:
        until = self.invite(code_hash)
        if until is None or until <= now:
            raise Refused(Why.UNKNOWN, "this invite is unknown, used or expired")
        self._provision(ProvisionIdentity(pubkey), change, now)
        self._do("use_invite", code_hash)

    def unbind(self, pubkey: str, identity_id: str, now: int) -> bool:
        """The key may not write as the identity any more. Raises Refused(UNKNOWN)."""

        def work(change: Change) -> bool:
            self._require_key(pubkey, identity_id)
            change.forget_key(pubkey)
            return self._do("unbind", now, pubkey) > 0

        return self._transact(work)

    def choose(self, pubkey: str, identity_id: str, now: int) -> None:
        """Make a key the identity's main key. Raises Refused: UNKNOWN, UNUSABLE."""

        def work(_: Change) -> None:
            key = self._require_key(pubkey, identity_id)
            if key.revoked_at is not None or key.retired_at is not None:
                wrong = "is not bound" if key.revoked_at is not None else "is retired"
                raise Refused(Why.UNUSABLE, f"this key {wrong}; choose one that still signs")
            self._do("choose", pubkey, now, identity_id)

        self._transact(work)

    def retire(self, pubkey: str, identity_id: str, now: int) -> None:
        """The relay signs deletions only with this key from now on. Raises Refused(UNKNOWN)."""

        def work(_: Change) -> None:
            self._require_held(pubkey, identity_id)
            self._do("retire", now, pubkey)
            self._do("retire_custodial", now, pubkey)

        self._transact(work)

    def destroy(self, pubkey: str, identity_id: str, now: int) -> None:
        """Forget the secret of a key; it stays bound. Raises Refused(UNKNOWN)."""

        def work(_: Change) -> None:
            self._require_held(pubkey, identity_id)
            self._do("retire", now, pubkey)
            self._do("destroy", pubkey)

        self._transact(work)

    def _require_key(self, pubkey: str, identity_id: str) -> BoundKey:
        key = self.key(pubkey)
        if key is None or key.identity_id != identity_id:
            raise Refused(Why.UNKNOWN, "this identity has no such key")
        return key

    def _require_held(self, pubkey: str, identity_id: str) -> None:
        if not self._require_key(pubkey, identity_id).held:
            raise Refused(Why.UNKNOWN, "the relay does not hold the secret of this key")

    # claims

    def add_key_claim(self, code_hash: str, identity_id: str, expires_at: int, now: int) -> None:
        """A code that binds a key. Raises Refused(TOO_MANY)."""

        def work(_: Change) -> None:
            self._do("forget_key_claims", identity_id, now)
            if self._connection.execute(sql("count_key_claims"), (identity_id,)).fetchone()[0] >= MAX_CLAIMS:
                raise Refused(Why.TOO_MANY, f"{MAX_CLAIMS} claim codes are unused; use one or wait until they expire")
            self._do("insert_key_claim", code_hash, identity_id, expires_at)

        self._transact(work)

    def add_invite(self, code_hash: str, expires_at: int, now: int) -> None:
        """A code that gives a key an identity of its own, once. Raises Refused(TOO_MANY)."""

        def work(_: Change) -> None:
            self._do("forget_invites", now)
            if self._connection.execute(sql("count_invites")).fetchone()[0] >= MAX_INVITES:
                raise Refused(Why.TOO_MANY, f"{MAX_INVITES} invites are unused; wait until some expire")
            self._do("insert_invite", code_hash, expires_at)

        self._transact(work)

    def add_identity_claim(self, secret_hash: str, identity_id: str, expires_at: int) -> None:
        """A secret that links the identity to a user, in place of those before. Raises Refused(USED)."""

        def work(_: Change) -> None:
            identity = self.identity(identity_id)
            if identity is None or identity.user_id is not None:
                raise Refused(Why.USED, "this identity is claimed already")
            self._do("forget_identity_claims", identity_id)
            self._do("insert_identity_claim", secret_hash, identity_id, expires_at)

        self._transact(work)

    def claim(self, secret_hash: str, user_id: str, row_id: str, claim_url: str | None, now: int) -> str:
        """Link an identity to a user, who is made only then; the identity's id. Raises Refused."""

        def work(_: Change) -> str:
            claim = self.identity_claim(secret_hash)
            if claim is None:
                raise Refused(Why.UNKNOWN, "there is no such claim; ask the agent for a new claim link")
            identity = self.identity(claim.identity_id)
            if claim.used or identity is None or identity.user_id is not None:
                raise Refused(Why.USED, "this claim was used already")
            if claim.expires_at <= now:
                raise Refused(Why.EXPIRED, "this claim has expired; ask the agent for a new claim link")
            self._do("use_identity_claim", now, secret_hash)
            self._do("link", self._user(user_id, row_id, now).id, claim_url, claim.identity_id)
            return claim.identity_id

        return self._transact(work)

    # tokens

    def add_token(
        self,
        holder: Holder,
        token: Token,
        token_hash: str,
        now: int,
        *,
        asking: str | None = None,
        ends: int | None = None,
    ) -> None:
        """Add a token, and end the one that asks for it. Raises Refused: ENDED, TOO_MANY."""

        def work(_: Change) -> None:
            if asking is not None and self._one(sql(f"live_{holder}_token"), token.owner_id, asking, now) is None:
                raise Refused(Why.ENDED, "the token that you sent has ended meanwhile")
            if asking is not None and ends is not None:
                self._do(f"expire_{holder}_token", ends, token.owner_id, asking)
            live = self._connection.execute(sql(f"count_{holder}_tokens"), (token.owner_id, now)).fetchone()[0]
            if live >= MAX_TOKENS:
                raise Refused(Why.TOO_MANY, f"{MAX_TOKENS} tokens are live; revoke one first")
            values = (token.id, token.owner_id, token.name, token_hash, token.created_at, token.expires_at)
            self._do(f"insert_{holder}_token", *values)
            self._do(f"forget_{holder}_tokens", token.owner_id, now, MAX_ENDED)

        self._transact(work)

    def revoke_token(self, holder: Holder, owner_id: str, token_id: str, now: int) -> None:
        """End a token now. Raises Refused(UNKNOWN)."""

        def work(_: Change) -> None:
            if not self._do(f"revoke_{holder}_token", now, owner_id, token_id):
                raise Refused(Why.UNKNOWN, "there is no such live token")

        self._transact(work)

    def use_tokens(self, holder: Holder, ids: Sequence[str], now: int) -> None:
        """These tokens were used about now."""
        self._transact(lambda _: [self._do(f"use_{holder}_token", now, one) for one in ids])

    # users

    def ensure_user(self, user_id: str, row_id: str, now: int) -> User:
        """The user with this external id, made if there is none."""

        return self._transact(lambda _: self._user(user_id, row_id, now))

    def _user(self, user_id: str, row_id: str, now: int) -> User:
        found = self.user(user_id)
        if found is None:
            self._do("insert_user", row_id, user_id, now)
            found = self.user(user_id)
        assert found is not None
        return found

    def edit_user(self, row_id: str, fields: dict[str, str | None]) -> User:
        """Set some of name, username, email, image. Raises Refused(UNKNOWN)."""

        def work(_: Change) -> User:
            self._do("edit_user", row_id, *(fields.get(name) for name in ("name", "username", "email", "image")))
            found = self.user_row(row_id)
            if found is None:
                raise Refused(Why.UNKNOWN, "there is no such user")
            return found

        return self._transact(work)

    # the master secret

    def adopt_secret(self, check: str) -> None:
        """Record which master secret everything here is encrypted under."""
        self._transact(lambda _: self._do("set_secret_check", check))

    def rotate_secret(self, check: str, recode: Recode) -> int:
        """Encrypt everything anew and record the next check; how many values that were."""

        def work(_: Change) -> int:
            rows = self._all(sql("secrets"))
            for table, column, row, ciphertext in rows:
                self._do(f"recode_{table}_{column}", recode(table, column, row, ciphertext), row)
            self._do("set_secret_check", check)
            return len(rows)

        return self._transact(work)
