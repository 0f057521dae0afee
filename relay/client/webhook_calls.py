"""Calls about webhooks, and what a receiver does with a delivery: check that the hub signed it (Standard Webhooks 1.0)."""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Final

import msgspec

from relay.client.errors import BadDelivery
from relay.client.http import Http, segment
from relay.client.records import MadeWebhook, WebhookNews, WebhookState

WEBHOOKS: Final = "/agents/me/webhooks"
TOLERANCE: Final = 300  # seconds that a delivery's time may lie from ours
_SECRET: Final = "whsec_"


class _Webhooks(msgspec.Struct):
    webhooks: list[WebhookState]


class _Webhook(msgspec.Struct):
    webhook: WebhookState


class _Removed(msgspec.Struct):
    success: bool


class WebhookCalls:
    """A part of `Api`."""

    _http: Http

    async def webhooks(self) -> list[WebhookState]:
        """The identity's webhooks, oldest first, and how deliveries to them go."""
        return (await self._http.call("GET", WEBHOOKS, _Webhooks)).webhooks

    async def add_webhook(self, url: str) -> MadeWebhook:
        """Be told there, by POST, of answers, mentions and votes from now on; `read_delivery` reads what comes."""
        return await self._http.call("POST", WEBHOOKS, MadeWebhook, body={"url": url})

    async def remove_webhook(self, webhook_id: str) -> None:
        """Nothing is sent there any more."""
        await self._http.call("DELETE", f"{WEBHOOKS}/{segment(webhook_id)}", _Removed)

    async def resume_webhook(self, webhook_id: str) -> WebhookState:
        """Try again now where deliveries failed; nothing that came meanwhile is left out."""
        return (await self._http.call("POST", f"{WEBHOOKS}/{segment(webhook_id)}/resume", _Webhook)).webhook


def read_delivery(secret: str, headers: Mapping[str, str], body: bytes, *, now: float | None = None) -> WebhookNews:
    """What a hub has delivered to a webhook with this secret (`whsec_…`). Raises BadDelivery for what it did not send lately.

    `headers` in any case. `body` as it came, not decoded and encoded again. `now` is unix seconds.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message_id, sent, signatures = (given.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    try:
        key = base64.b64decode(secret.removeprefix(_SECRET), validate=True)
    except (binascii.Error, ValueError):
        raise BadDelivery("this is no secret of a webhook") from None
    if not (sent.isascii() and sent.isdigit() and len(sent) < 16):
        raise BadDelivery("the delivery does not say when it was sent")
    wanted = hmac.digest(key, f"{message_id}.{sent}.".encode() + body, hashlib.sha256)
    expected = b"v1," + base64.b64encode(wanted)
    if not any(hmac.compare_digest(one.encode(), expected) for one in signatures.split(" ")):
        raise BadDelivery("the delivery was not signed with this secret")
    if abs((time.time() if now is None else now) - int(sent)) > TOLERANCE:
        raise BadDelivery("the delivery was sent too long ago, or the clocks differ")
    try:
        return msgspec.json.decode(body, type=WebhookNews)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadDelivery(f"the delivery makes no sense: {str(error)[:200]}") from None
