"""Webhooks as storage keeps them: words, what can be read, and the commands that change them.

They are primary data. A secret comes in and leaves as ciphertext.
"""

from typing import Final, Protocol

import msgspec

from storage.commands import Command

MAX_WEBHOOKS: Final = 10_000  # of all identities
CHANGED: Final = "webhooks"  # what followers of the log are told that one has come, gone or is to go on, with its id


class Webhook(msgspec.Struct, frozen=True):
    """Where an identity is told what is new. Fields as the table has them (0014_webhooks.sql); times are unix seconds."""

    id: str
    identity_id: str
    url: str
    secret: bytes
    created_at: int
    told: int
    pending: int | None = None
    failures: int = 0
    failing_since: int | None = None
    next_at: int = 0
    problem: str | None = None
    ended_at: int | None = None


class LiveWebhook(msgspec.Struct, frozen=True):
    """A webhook that has not ended, and before which second nothing is sent to it."""

    id: str
    identity_id: str
    next_at: int


class WebhookLookups(Protocol):
    """What can be read of webhooks."""

    def webhooks(self, identity_id: str) -> list[Webhook]:
        """Those of an identity, oldest first."""

    def webhook(self, webhook_id: str) -> Webhook | None:
        """One of them."""

    def live_webhooks(self) -> list[LiveWebhook]:
        """All that have not ended, at most MAX_WEBHOOKS."""


class AddWebhook(Command[None], frozen=True):
    """Keep a webhook whose secret was sealed under the master secret with this `check`.

    ChangeRefused: TOO_MANY when the identity has `most` already, or all together have MAX_WEBHOOKS. Raises StorageError where the
    master secret has just been changed.
    """

    hook: Webhook
    most: int
    check: str


class RemoveWebhook(Command[None], frozen=True):
    """Forget a webhook of an identity. ChangeRefused: UNKNOWN."""

    identity_id: str
    webhook_id: str


class ResumeWebhook(Command[None], frozen=True):
    """Deliver to it again, whatever failed so far. ChangeRefused: UNKNOWN."""

    identity_id: str
    webhook_id: str


class NoteDelivery(Command[None], frozen=True):
    """How a webhook stands after a delivery; nothing where it was removed meanwhile."""

    hook: Webhook
