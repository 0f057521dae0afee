"""The profiles (kind 0) of an identity's keys: one face, whichever of them a Nostr client looks at.

What is shown of an identity is one row; it changes by `PATCH /agents/me` and by a kind 0 of any of its keys. The key that the
relay holds follows at once: the relay signs. For a key of the owner's own the relay makes the event that its owner has to
sign (`owed`), with everything that stood in the one before. The NIP-05 address is the main key's only, since a name there
leads to one key.
"""

import asyncio
import logging
import time
from typing import Any, Final

import msgspec

from keys.custody import unsigned
from relay.errors import Changed, Unwanted
from relay.protocol import kinds, names, urls
from relay.protocol.admission import Door
from relay.protocol.event import Draft, Event, parse, values, wire
from relay.protocol.facts import GivenToken
from relay.protocol.filter import Filter
from relay.server.events.follow import Applied
from relay.server.events.ingest import Ingest
from relay.server.events.publishing import Publisher
from relay.server.identities.signing import Signing
from relay.server.settings import Settings
from relay.server.supervision import Tasks
from storage.base import PUBLIC, Expected, Incoming, Log, PrimaryTables, Status
from storage.errors import StorageError
from storage.identities.types import UNNAMED, BoundKey, Identity, Lookups

QUIET: Final = 1.0  # seconds in which further profiles are gathered before the held keys follow
MAX_WAITING: Final = 1000  # keys whose profile has changed; of more at once, the held keys follow at the next change
RECENT: Final = 600  # seconds of `created_at` in which a profile may not have been followed when a front starts
ATTEMPTS: Final = 20  # at a profile before it is given up: each failure means that another one succeeded
# What tells where a key is found: its own events, and messages to it; with the name of the tag that has the URL.
LISTED: Final = ((kinds.RELAY_LIST, "r"), (kinds.MESSAGE_RELAYS, "relay"))
FOLLOWED: Final = ("picture", "banner")  # of an own key's profile, beside what the identity has

log = logging.getLogger("tidings.profiles")


class Profiles:
    """All methods are called on the loop."""

    def __init__(
        self,
        *,
        log: Log,
        tables: PrimaryTables,
        ingest: Ingest,
        publisher: Publisher,
        settings: Settings,
        signing: Signing,
        tasks: Tasks,
    ) -> None:
        self._log = log
        self._tables = tables
        self._ingest = ingest
        self._publisher = publisher
        self._settings = settings
        self._signing = signing
        self._waiting: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = tasks
        ingest.log.add(self._applied)

    def _applied(self, applied: Applied) -> None:
        if not self._ingest.is_first:
            return
        for live in applied.events:
            if live.event.kind == kinds.METADATA:
                self.changed(live.event.pubkey)
        for kind, pubkey in applied.changes:
            if kind == UNNAMED:
                self.changed(pubkey)

    def changed(self, pubkey: str) -> None:
        """A key has a new kind 0, or none any more: if it is an identity's, the key that the relay holds for that follows soon."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting.add(pubkey)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(QUIET, self._start)

    async def resume(self) -> None:
        """Let the held keys follow what came last: a front that was to do that may have died in its quiet time."""
        recent = Filter(kinds=frozenset([kinds.METADATA]), since=int(time.time()) - RECENT, limit=MAX_WAITING)
        for found in (await self._log.query([recent], PUBLIC, int(time.time()))).wires:
            self.changed(parse(found).pubkey)

    async def settle(self) -> None:
        """Let the held keys follow now, and return when that is stored."""
        if self._timer is not None:
            self._timer.cancel()
            self._start()
        await self._tasks.settle()

    def _start(self) -> None:
        self._timer = None
        self._tasks.start(self._follow(), "profiles")

    async def _follow(self) -> None:
        waiting, self._waiting = self._waiting, set()

        def look(tables: Lookups) -> list[tuple[str, str, str, bool]]:
            found = []
            for pubkey, identity in tables.identities_of_keys(sorted(waiting)).items():  # most are strangers'
                key, held = tables.key(pubkey), tables.held_key(identity.id)
                if key is not None and held is not None and held.pubkey != pubkey:
                    found.append((identity.id, pubkey, held.pubkey, key.revoked_at is None))
            return found

        try:
            for identity_id, pubkey, held, is_bound in await self._tables.ask(look):
                theirs = await self._signing.newest(pubkey, kinds.METADATA)
                if theirs is None or is_bound:
                    more = await self._left(identity_id, held) if theirs is None else _content(theirs)
                    await self.introduce(identity_id, {name: more[name] for name in FOLLOWED if name in more})
        except StorageError as error:
            log.error("a held key does not follow its identity's profile: %s", error)

    async def _left(self, identity_id: str, held: str) -> dict[str, str]:
        """In place of what the held key had from a profile that is gone: nothing, but for a picture that was uploaded here."""
        pictured = await self._tables.ask(lambda tables: tables.avatar_digests([identity_id]))
        said = _content(await self._signing.newest(held, kinds.METADATA))
        return {name: "" for name in FOLLOWED if name in said and not (name == "picture" and pictured)}

    async def introduce(
        self,
        identity_id: str,
        more: dict[str, Any] | None = None,
        shown: dict[str, str | None] | None = None,
        given: GivenToken | None = None,
    ) -> Event | None:
        """Publish a kind 0 by the key that the relay holds, where it says something else; the one that stands then.

        None where the relay signs with no key of the identity. What else stood in the one before stays; `more` is added, and
        `shown` (display_name, description) stands in place of what the identity has, which the event then changes. Where the
        relay has a public URL, the key's relay lists (NIP-65, NIP-17) name it. Made again when another profile of the identity
        comes between, so that of two changes at once neither is lost.
        """
        for _ in range(ATTEMPTS):
            try:
                return await self._introduce(identity_id, more or {}, shown or {}, given)
            except Changed:
                continue
        log.warning("a profile was given up: it changes faster than it can be written")
        return None

    async def _introduce(
        self, identity_id: str, more: dict[str, Any], shown: dict[str, str | None], given: GivenToken | None
    ) -> Event | None:
        keys = await self._tables.ask(lambda tables: [key.pubkey for key in tables.keys(identity_id)])
        profiles = Filter(authors=frozenset(keys), kinds=frozenset([kinds.METADATA]), limit=1)
        found = await self._log.query([profiles], PUBLIC, int(time.time()))
        expected = Expected(profiles, parse(found.wires[0]).id if found.wires else None)
        held = await self._tables.ask(lambda tables: tables.held_key(identity_id))
        identity = await self._tables.ask(lambda tables: tables.identity(identity_id))
        if held is None or held.retired or identity is None or identity.anonymised_at is not None:
            return None
        if self._settings.config.relay.url:
            await self._list_relay(identity_id, held.pubkey)
        present = await self._signing.newest(held.pubkey, kinds.METADATA)
        content = self._said(msgspec.structs.replace(identity, **shown), held.pubkey, _content(present) | more)
        if present is not None and _content(present) == content:
            return present
        draft = _next(present, kinds.METADATA, content)
        return await self._publish(identity_id, held.pubkey, draft, expected, given, is_change=bool(shown))

    async def _list_relay(self, identity_id: str, pubkey: str) -> None:
        for kind, name in LISTED:
            present = await self._signing.newest(pubkey, kind)
            if present is None or self._settings.relay_url not in values(present, name):
                created_at = max(int(time.time()), 0 if present is None else present.created_at + 1)
                draft = Draft(kind, [[name, self._settings.relay_url]], "", created_at)
                await self._publish(identity_id, pubkey, draft)

    async def _publish(
        self,
        identity_id: str,
        pubkey: str,
        draft: Draft,
        expected: Expected | None = None,
        given: GivenToken | None = None,
        *,
        is_change: bool = False,
    ) -> Event | None:
        """`is_change`: what the identity asks for stands in it, and is not to be had where the operator's plugin refuses it."""
        event = await self._signing.sign(identity_id, draft, by=pubkey)
        outcome = await self._publisher.publish(event, Door.HTTP, trusted=True, expected=expected, token=given)
        if isinstance(outcome.refusal, Changed):
            raise outcome.refusal
        if is_change and isinstance(outcome.refusal, Unwanted):
            raise outcome.refusal
        if outcome.status is Status.REFUSED:
            log.warning("kind %d of an identity was not published: %s", draft.kind, outcome.refusal)
            return None
        return event

    async def introduce_relay(self) -> None:
        """Where the relay has a public URL, say what its own key is: a kind 0 by the settings, and a relay list (NIP-65).

        What stands already is left alone, and what else a kind 0 says of it stays.
        """
        settings, key = self._settings.config.relay, self._signing.pubkey
        if not settings.url:
            return
        profile, listed = [await self._signing.newest(key, kind) for kind in (kinds.METADATA, kinds.RELAY_LIST)]
        told = {
            "name": settings.name,
            "about": settings.description,
            "picture": settings.icon,
            "banner": settings.banner,
        }
        content = _content(profile) | {field: text for field, text in told.items() if text}
        content["nip05"] = f"_@{_host(settings.url)}"
        drafts = []
        if profile is None or _content(profile) != content:
            drafts.append(_next(profile, kinds.METADATA, content))
        if listed is None or settings.url not in values(listed, "r"):
            made_at = max(int(time.time()), 0 if listed is None else listed.created_at + 1)
            drafts.append(Draft(kinds.RELAY_LIST, [["r", settings.url]], "", made_at))
        events = [self._signing.by_relay(each.kind, each.tags, each.content, each.created_at) for each in drafts]
        now = int(time.time())
        await self._ingest.write([Incoming(event, wire(event), Door.HTTP, now) for event in events])

    async def owed(self, identity_id: str) -> list[Event]:
        """For each bound key that the relay does not hold and whose kind 0 here is missing or says something else: the one
        that its owner should sign and publish. Their `sig` is empty."""

        def look(tables: Lookups) -> tuple[Identity | None, list[BoundKey]]:
            return tables.identity(identity_id), tables.keys(identity_id)

        identity, keys = await self._tables.ask(look)
        own = [key.pubkey for key in keys if key.revoked_at is None and not key.held and key.custody == "own"]
        if identity is None or not own:
            return []
        wanted = Filter(authors=frozenset(own), kinds=frozenset([kinds.METADATA]), limit=len(own))
        found = await self._log.query([wanted], PUBLIC, int(time.time()))
        present = {event.pubkey: event for event in map(parse, found.wires)}
        owed = []
        for pubkey in own:
            content = self._said(identity, pubkey, _content(present.get(pubkey)))
            if pubkey not in present or content != _content(present[pubkey]):
                owed.append(unsigned(pubkey, _next(present.get(pubkey), kinds.METADATA, content)))
        return owed

    def _said(self, identity: Identity, pubkey: str, before: dict[str, Any]) -> dict[str, Any]:
        """What a kind 0 of this key says, in place of what it said before; what the identity has not is not said."""
        display_name = "" if identity.display_name == identity.name else identity.display_name
        told = {"name": identity.name, "display_name": display_name, "about": identity.description}
        content = {field: value for field, value in before.items() if field not in told}
        content |= {field: text for field, text in told.items() if text}
        if self._settings.config.relay.url:
            address = f"{names.name_key(identity.name)}@{_host(self._settings.relay_url)}"
            if pubkey == identity.pubkey and identity.origin is None:
                content["nip05"] = address
            elif content.get("nip05") == address:
                del content["nip05"]
        return content


def _host(url: str) -> str:
    """The host of a relay's URL, with its port where that is not the default, as it stands in a NIP-05 address."""
    found = urls.parse(url, urls.WEBSOCKET)
    return "" if found is None else found.origin.partition("://")[2]


def _next(present: Event | None, kind: int, content: dict[str, Any]) -> Draft:
    """The version that wins over the present one and keeps its tags, but for the relay's own mark."""
    created_at = max(int(time.time()), 0 if present is None else present.created_at + 1)
    tags = [] if present is None else [tag for tag in present.tags if tag[0] != "custody"]
    return Draft(kind, tags, msgspec.json.encode(content).decode(), created_at)


def _content(event: Event | None) -> dict[str, Any]:
    try:
        return {} if event is None else msgspec.json.decode(event.content, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return {}
