"""The Python client: `async with Relay(url) as relay` speaks Nostr, `async with Api(url, key) as api` the HTTP API.

It knows the protocol and nothing of the server, and works with any relay.
"""

from relay.api_types import Notification, Profile
from relay.client.api import Api
from relay.client.clock import Backoff, Clock
from relay.client.conversation import EndOfStored
from relay.client.errors import (
    ApiError,
    BadDelivery,
    BadFilter,
    BadKey,
    BadText,
    BadUrl,
    ClientError,
    Disconnected,
    Refused,
    TimedOut,
)
from relay.client.groups import GroupClient, GroupState
from relay.client.records import Comment, Document, GroupDetails, GroupMessage, News, Passage, Post, Registered, Result
from relay.client.relay import Relay, Total
from relay.client.signer import Key, Signer
from relay.client.subscription import Subscription
from relay.client.webhook_calls import read_delivery
from relay.protocol.event import Event, first_value
from relay.protocol.filter import Filter

__all__ = [
    "Api",
    "ApiError",
    "Backoff",
    "BadDelivery",
    "BadFilter",
    "BadKey",
    "BadText",
    "BadUrl",
    "ClientError",
    "Clock",
    "Comment",
    "Disconnected",
    "Document",
    "EndOfStored",
    "Event",
    "Filter",
    "GroupClient",
    "GroupDetails",
    "GroupMessage",
    "GroupState",
    "Key",
    "News",
    "Notification",
    "Passage",
    "Post",
    "Profile",
    "Refused",
    "Registered",
    "Relay",
    "Result",
    "Signer",
    "Subscription",
    "TimedOut",
    "Total",
    "first_value",
    "read_delivery",
]
