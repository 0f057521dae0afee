"""Webhooks as identities look after them, and what a delivery needs of them. Who delivers is `relay.http.deliveries`."""

import base64
import secrets
import time
from collections.abc import Sequence
from typing import Final

from relay.errors import Prefix, Reject
from relay.protocol.facts import GivenToken
from relay.server.events.ingest import Ingest
from relay.server.identities import shown_once
from relay.server.identities.signing import Signing
from relay.server.settings import Settings
from relay.server.web_requests.outbound import checked_url
from storage.base import PrimaryTables
from storage.identities.webhooks import AddWebhook, LiveWebhook, NoteDelivery, RemoveWebhook, ResumeWebhook, Webhook

SECRET: Final = "whsec_"  # what a secret begins with (Standard Webhooks)
_BYTES: Final = 32
_PLACE: Final = ("webhooks", "secret")


class Webhooks:
    """All methods are called on the loop, and raise StorageError."""

    def __init__(self, tables: PrimaryTables, ingest: Ingest, signing: Signing, settings: Settings) -> None:
        self._tables = tables
        self._ingest = ingest
        self._signing = signing
        self._settings = settings

    async def of(self, identity_id: str) -> Sequence[Webhook]:
        """Those of an identity, oldest first."""
        return await self._tables.ask(lambda tables: tables.webhooks(identity_id))

    async def add(self, identity_id: str, url: str, given: GivenToken | None = None) -> tuple[Webhook, str]:
        """Tell the identity there what is new from now on; the webhook, and the secret that deliveries are signed with.

        Raises Reject(invalid) for what is no URL to deliver to, Reject(restricted) where there are none, ChangeRefused(TOO_MANY).
        """
        rules = self._settings.config.webhooks
        if not rules.per_identity:
            raise Reject(Prefix.RESTRICTED, "this relay takes no webhooks; its operator sets webhooks.per_identity")
        url = checked_url(url, private=rules.private_addresses)
        secret, webhook_id = secrets.token_bytes(_BYTES), secrets.token_hex(16)
        async with self._signing.custody() as custody:
            sealed = custody.seal(*_PLACE, webhook_id, secret)
            hook = Webhook(webhook_id, identity_id, url, sealed, int(time.time()), self._ingest.last_seq)
            adding = self._ingest.execute(AddWebhook(hook, rules.per_identity, custody.check), given)
            await shown_once.stored(self._tables, adding, lambda tables: tables.webhook(webhook_id) is not None)
        return hook, SECRET + base64.b64encode(secret).decode()

    async def remove(self, identity_id: str, webhook_id: str, given: GivenToken | None = None) -> None:
        """Tell nothing there any more. Raises ChangeRefused(UNKNOWN)."""
        await self._ingest.execute(RemoveWebhook(identity_id, webhook_id), given)

    async def resume(self, identity_id: str, webhook_id: str, given: GivenToken | None = None) -> Webhook:
        """Try again now, whatever failed so far; the webhook as it is then. Raises ChangeRefused(UNKNOWN)."""
        await self._ingest.execute(ResumeWebhook(identity_id, webhook_id), given)
        found = await self.get(webhook_id)
        if found is None:
            raise Reject(Prefix.ERROR, "it was removed meanwhile")
        return found

    # for deliveries

    async def live(self) -> list[LiveWebhook]:
        """All that have not ended."""
        return await self._tables.ask(lambda tables: tables.live_webhooks())

    async def get(self, webhook_id: str) -> Webhook | None:
        """One as it is now."""
        return await self._tables.ask(lambda tables: tables.webhook(webhook_id))

    async def owners(self, pubkeys: Sequence[str]) -> set[str]:
        """The identities that any of these keys (at most 1000) belong to."""
        found = await self._tables.ask(lambda tables: tables.identities_of_keys(pubkeys))
        return {identity.id for identity in found.values()}

    async def secret(self, hook: Webhook) -> bytes:
        """What its deliveries are signed with."""
        async with self._signing.custody() as custody:
            return custody.open(*_PLACE, hook.id, hook.secret)

    async def note(self, hook: Webhook) -> None:
        """Keep how it stands after a delivery."""
        await self._ingest.execute(NoteDelivery(hook))
