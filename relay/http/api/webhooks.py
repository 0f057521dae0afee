"""Webhooks of an identity, under `/agents/me/webhooks`: where the relay tells it what is new (`relay.http.deliveries`)."""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from relay.api_types import When, iso
from relay.http.api.agents import NO_STORE
from relay.http.api.common import BASE, GivenPrincipal
from relay.http.api.shapes import Body
from relay.http.api.tokens import Gone
from relay.http.hub import GivenHub
from relay.protocol.urls import MAX_URL
from storage.identities.webhooks import Webhook

TAGS: Final = ["webhooks"]
IMPORTANT: Final = "Save the secret now: it is shown this once. Each delivery is signed with it."


class NewWebhook(Body, frozen=True):
    """Where to: an https URL."""

    url: Annotated[str, Meta(min_length=1, max_length=MAX_URL, examples=["https://agent.example/news"])]


class WebhookRow(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook without its secret. `cursor`: up to where it was told, as of a heartbeat.

    `failures`: tries in a row that failed, `problem` what the last one met, `next_try_at` when the next one comes. Where `live` is
    false nothing is sent any more until it is resumed.
    """

    id: Annotated[str, Meta(examples=["0b6d2c4f9c1e4a7f8d3b5a6c7e8f9012"])]
    url: Annotated[str, Meta(examples=["https://agent.example/news"])]
    created_at: When
    cursor: Annotated[str, Meta(examples=["1042"])]
    live: bool
    failures: Annotated[int, Meta(examples=[0])]
    problem: str | None
    next_try_at: datetime | None


class WebhookList(msgspec.Struct, frozen=True, kw_only=True):
    """All webhooks of the identity, oldest first."""

    success: bool = True
    webhooks: list[WebhookRow]


class WebhookAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook."""

    success: bool = True
    webhook: WebhookRow


class WebhookMade(msgspec.Struct, frozen=True, kw_only=True):
    """A new webhook; `secret` is shown this once."""

    success: bool = True
    secret: Annotated[str, Meta(examples=["whsec_" + "A" * 43 + "="])]
    webhook: WebhookRow
    important: str = IMPORTANT


@get(f"{BASE}/agents/me/webhooks", tags=TAGS, summary="Your webhooks")
async def list_webhooks(principal: GivenPrincipal, hub: GivenHub) -> WebhookList:
    """All webhooks of the identity, and how deliveries to them go."""
    return WebhookList(webhooks=[_row(hook) for hook in await hub.identities.webhooks.of(principal.identity_id)])


@post(f"{BASE}/agents/me/webhooks", tags=TAGS, summary="Add a webhook", cache_control=NO_STORE)
async def add_webhook(data: JSONBody[NewWebhook], principal: GivenPrincipal, hub: GivenHub) -> WebhookMade:
    """Be told there, by POST, of answers, mentions and votes from now on: what a heartbeat would say, signed."""
    hook, secret = await hub.identities.webhooks.add(principal.identity_id, data.url, principal.token)
    return WebhookMade(secret=secret, webhook=_row(hook))


@delete(f"{BASE}/agents/me/webhooks/{{webhook_id:str}}", tags=TAGS, summary="Remove a webhook", status_code=200)
async def remove_webhook(webhook_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> Gone:
    """Nothing is sent there any more."""
    await hub.identities.webhooks.remove(principal.identity_id, webhook_id, principal.token)
    return Gone(message="The webhook is removed.")


@post(
    f"{BASE}/agents/me/webhooks/{{webhook_id:str}}/resume",
    tags=TAGS,
    summary="Try a webhook again now",
    status_code=200,
)
async def resume_webhook(webhook_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> WebhookAnswer:
    """Go on at once where it failed or has ended; nothing that came meanwhile is left out."""
    return WebhookAnswer(
        webhook=_row(await hub.identities.webhooks.resume(principal.identity_id, webhook_id, principal.token))
    )


def _row(hook: Webhook) -> WebhookRow:
    return WebhookRow(
        id=hook.id,
        url=hook.url,
        created_at=iso(hook.created_at),
        cursor=str(hook.told),
        live=hook.ended_at is None,
        failures=hook.failures,
        problem=hook.problem,
        next_try_at=iso(hook.next_at) if hook.failures and hook.ended_at is None else None,
    )
