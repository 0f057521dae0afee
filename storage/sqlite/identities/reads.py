"""The primary tables on SQLite, read: whose a key, a token or a claim is."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final, cast

from relay.protocol.facts import Binding, PendingKeyClaim
from relay.protocol.names import name_key
from relay.protocol.rows import Owner
from storage.identities.types import Avatar, BoundKey, Held, Holder, Identity, NewFollower, StoredToken, User
from storage.identities.webhooks import LiveWebhook, Webhook
from storage.sqlite.access import SqliteAccessLookups
from storage.sqlite.control_plane import SqlitePlaneLookups
from storage.sqlite.groups.reads import SqliteGroupLookups
from storage.sqlite.statements import listed, named, padded, parts

MAX_CACHED: Final = 100_000  # keys whose binding is remembered
MAX_ASKED: Final = 1000  # ids or keys looked up at once


def sql(name: str) -> str:
    """A statement on the primary tables."""
    return named("agents").get(name) or named("identities")[name]


def _identity(condition: str) -> str:
    return f"{sql('identity')} {sql(condition)}"


class _Reads:
    """Statements on one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _one(self, text: str, *values: object) -> tuple[Any, ...] | None:
        return cast(tuple[Any, ...] | None, self._connection.execute(text, values).fetchone())

    def _all(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(text, values).fetchall()


class SqliteIdentityLookups(_Reads):
    """What is read of posting identities."""

    def identity(self, identity_id: str) -> Identity | None:
        """By id."""
        row = self._one(_identity("by_id"), identity_id)
        return None if row is None else Identity(*row)

    def identity_named(self, name: str) -> Identity | None:
        """A local one by name, in any case."""
        row = self._one(_identity("by_name"), name_key(name))
        return None if row is None else Identity(*row)

    def identities(self, ids: Sequence[str]) -> list[Identity]:
        """By ids, in any order."""
        values = padded(list(ids)[:MAX_ASKED])
        if not values:
            return []
        return [Identity(*row) for row in self._all(listed(_identity("by_ids"), ("values", len(values))), *values)]

    def identities_of_keys(self, pubkeys: Sequence[str]) -> dict[str, Identity]:
        """Whose these keys are or were."""
        values = padded(list(pubkeys)[:MAX_ASKED])
        if not values:
            return {}
        owners = self._all(listed(sql("owners"), ("values", len(values))), *values)
        found = {identity.id: identity for identity in self.identities([owner for _, owner in owners])}
        return {pubkey: found[owner] for pubkey, owner in owners}

    def names_of_keys(self, pubkeys: Sequence[str], now: int) -> dict[str, tuple[str, str]]:
        """`display_name` and `name` in the profiles (kind 0) of these keys, where everybody reads those, "" for none."""
        values = padded(list(pubkeys)[:MAX_ASKED])
        if not values:
            return {}
        found = self._all(listed(sql("names_of_keys"), ("values", len(values))), *values, now)
        return {pubkey: (display_name, name) for pubkey, display_name, name in found}

    def identities_of_user(self, user_id: str) -> list[Identity]:
        """Those linked to a user, newest first."""
        return [Identity(*row) for row in self._all(_identity("by_user"), user_id)]

    def identities_named_like(self, beginning: str, limit: int) -> list[Identity]:
        """Local ones whose name begins so, in any case, by name."""
        first = name_key(beginning)
        sql = f"{named('identities')['identity']} {named('agents')['named_like']}"
        rows = self._connection.execute(sql, (first, first + "\U0010ffff", limit)).fetchall()
        return [Identity(*row) for row in rows]

    def how_many_identities(self) -> int:
        """Local ones that have not vanished."""
        return int(self._connection.execute(named("agents")["how_many"]).fetchone()[0])

    def name_key_of(self, identity_id: str) -> str:
        """The name of an identity that is there, as names are compared."""
        row = self._one(sql("name_of"), identity_id)
        assert row is not None
        return str(row[0])


class SqliteKeyLookups(_Reads):
    """What is read of the keys of identities, and the secrets of those that the relay holds."""

    def keys(self, identity_id: str) -> list[BoundKey]:
        """All keys the identity ever had, oldest first."""
        return [_key(row) for row in self._all(sql("keys"), identity_id)]

    def key(self, pubkey: str) -> BoundKey | None:
        """One key."""
        row = self._one(sql("key"), pubkey)
        return None if row is None else _key(row)

    def siblings(self, pubkeys: Sequence[str]) -> set[str]:
        """All keys ever bound to the identities of these."""
        values = padded(list(pubkeys)[:MAX_ASKED])
        if not values:
            return set()
        return {theirs for _, theirs in self._all(listed(sql("siblings"), ("values", len(values))), *values)}

    def members(self, limit: int) -> list[str]:
        """The bound keys of local identities, newest first."""
        return [pubkey for (pubkey,) in self._all(sql("members"), limit)]

    def held_key(self, identity_id: str) -> Held | None:
        """The secret with which the relay signs for the identity."""
        return self._held("held_key", identity_id)

    def held(self, pubkey: str) -> Held | None:
        """The secret of this key, when the relay holds it."""
        return self._held("held", pubkey)

    def _held(self, name: str, value: str) -> Held | None:
        row = self._one(sql(name), value)
        return None if row is None else Held(row[0], row[1], bool(row[2]))


class SqliteTokenLookups(_Reads):
    """What is read of tokens and codes."""

    def tokens(self, holder: Holder, owner_id: str) -> list[StoredToken]:
        """All tokens of an identity or user, newest first."""
        return [StoredToken(*row) for row in self._all(sql(f"{holder}_tokens"), owner_id)]

    def token(self, holder: Holder, token_hash: str) -> StoredToken | None:
        """The token with this hash."""
        row = self._one(sql(f"{holder}_token"), token_hash)
        return None if row is None else StoredToken(*row)

    def key_claim(self, code_hash: str) -> PendingKeyClaim | None:
        """A code that binds a key."""
        return self._claim("key_claim", code_hash)

    def invite(self, code_hash: str) -> int | None:
        """Until when an invite is good."""
        row = self._one(sql("invite"), code_hash)
        return None if row is None else int(row[0])

    def identity_claim(self, secret_hash: str) -> PendingKeyClaim | None:
        """A secret that links an identity to a user."""
        return self._claim("identity_claim", secret_hash)

    def _claim(self, name: str, value: str) -> PendingKeyClaim | None:
        row = self._one(sql(name), value)
        return None if row is None else PendingKeyClaim(row[0], row[1], bool(row[2]))


class SqliteUserLookups(_Reads):
    """What is read of users."""

    def user(self, user_id: str) -> User | None:
        """By external id."""
        row = self._one(sql("user"), user_id)
        return None if row is None else User(*row)

    def user_row(self, row_id: str) -> User | None:
        """By row id."""
        row = self._one(sql("user_row"), row_id)
        return None if row is None else User(*row)

    def user_key(self, user_id: str) -> Held | None:
        """The key with which the relay signs for a user."""
        row = self._one(sql("user_key"), user_id)
        return None if row is None else Held(row[0], row[1], bool(row[2]))


class SqliteAgentLookups(_Reads):
    """What is read of what agents keep beside their profile."""

    def metadata(self, identity_id: str) -> str:
        """The agent's own JSON object."""
        row = self._connection.execute(named("agents")["metadata"], (identity_id,)).fetchone()
        return "{}" if row is None else str(row[0])

    def avatar(self, identity_id: str) -> Avatar | None:
        """The agent's picture."""
        row = self._connection.execute(named("agents")["avatar"], (identity_id,)).fetchone()
        return None if row is None else Avatar(*row)

    def avatar_digests(self, ids: Sequence[str]) -> dict[str, str]:
        """Of those of these agents who have a picture, its digest."""
        values = padded(list(ids)[:1000])
        if not values:
            return {}
        sql = listed(named("agents")["avatar_digests"], ("values", len(values)))
        return dict(self._connection.execute(sql, values).fetchall())

    def read_marks(self, identity_id: str) -> dict[str, int]:
        """Up to which number the notifications about each post are read, under "" those about any."""
        return dict(self._connection.execute(named("agents")["read_marks"], (identity_id,)).fetchall())

    def new_followers(self, identity_id: str, before: int, most: int) -> list[NewFollower]:
        """Who began to follow an identity before a number of the log, the last first."""
        found = self._connection.execute(named("agents")["new_followers"], (identity_id, before, most)).fetchall()
        return [NewFollower(follower, seq, at, tuple(keys.split(","))) for follower, seq, at, keys in found]


class SqliteWebhookLookups(_Reads):
    """What is read of webhooks."""

    def webhooks(self, identity_id: str) -> list[Webhook]:
        """Those of an identity."""
        return [Webhook(*row) for row in self._all(named("webhooks")["of_identity"], identity_id)]

    def webhook(self, webhook_id: str) -> Webhook | None:
        """One of them."""
        row = self._one(named("webhooks")["one"], webhook_id)
        return None if row is None else Webhook(*row)

    def live_webhooks(self) -> list[LiveWebhook]:
        """All that have not ended."""
        return [LiveWebhook(*row) for row in self._all(named("webhooks")["live"])]


class SqliteSecretLookups(_Reads):
    """What is read of what is encrypted under the master secret."""

    def secrets(self) -> list[tuple[str, str, str, bytes]]:
        """All that is encrypted under the master secret."""
        return self._all(sql("secrets"))

    def secret_check(self) -> str | None:
        """What tells the master secret."""
        row = self._one(sql("secret_check"))
        return None if row is None else str(row[0])


class SqliteLookups(
    SqliteIdentityLookups,
    SqliteKeyLookups,
    SqliteTokenLookups,
    SqliteUserLookups,
    SqliteAgentLookups,
    SqliteSecretLookups,
    SqliteWebhookLookups,
    SqliteGroupLookups,
    SqlitePlaneLookups,
    SqliteAccessLookups,
):
    """storage.identities.types.Lookups over one connection."""


def _key(row: tuple[Any, ...]) -> BoundKey:
    pubkey, identity_id, custody, created_at, revoked_at, retired_at, held = row
    return BoundKey(pubkey, identity_id, custody, created_at, revoked_at, retired_at, bool(held))


class Bindings:
    """Whose each key is, as the writer asks it for every event of the feed: remembered from one transaction to the next."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[str, Binding | None] = {}
        self.owners: dict[str, Owner | None] = {}  # the same for whoever makes rows: filled there, forgotten here

    def find(self, pubkeys: Sequence[str]) -> dict[str, Binding | None]:
        """Each key's binding, None for one that never had any."""
        if len(self._known) + len(pubkeys) > MAX_CACHED:
            self._known.clear()
        known = self._known
        unknown = [pubkey for pubkey in pubkeys if pubkey not in known]
        for part in parts(unknown):
            values = padded(part)
            known.update(dict.fromkeys(part))
            joined = self._connection.execute(listed(sql("bindings"), ("values", len(values))), values).fetchone()[0]
            for item in joined.split(",") if joined else ():
                pubkey, identity_id, bound = item.split(" ")
                known[pubkey] = Binding(identity_id, bound == "1")
        return {pubkey: known[pubkey] for pubkey in pubkeys}

    def forget(self, pubkey: str) -> None:
        """This key's binding has changed, and which keys others of its identity stand beside."""
        self._known.pop(pubkey, None)
        self.owners.clear()

    def clear(self) -> None:
        """A change was rolled back."""
        self._known.clear()
        self.owners.clear()
