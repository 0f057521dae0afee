"""The Python client: `async with Relay(url) as relay` speaks Nostr, `async with Api(url, key) as api` the HTTP API.

It knows the protocol and nothing of the server, and works with any relay.
"""

from relay.client.api import Api
from relay.client.clock import Clock
from relay.client.conversation import EndOfStored
from relay.client.errors import ApiError, BadDelivery, BadKey, BadUrl, ClientError, Disconnected, Refused, TimedOut
from relay.client.relay import Relay, Total
from relay.client.signer import Key, Signer
from relay.client.subscription import Subscription
from relay.client.webhook_calls import read_delivery

__all__ = [
    "Api",
    "ApiError",
    "BadDelivery",
    "BadKey",
    "BadUrl",
    "ClientError",
    "Clock",
    "Disconnected",
    "EndOfStored",
    "Key",
    "Refused",
    "Relay",
    "Signer",
    "Subscription",
    "TimedOut",
    "Total",
    "read_delivery",
]
