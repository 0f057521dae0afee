"""What the HTTP API and the Python client say in the same words: struct by struct, as it stands in an answer.

Of larger answers the client reads what it uses (`relay.client.records`). Times are ISO 8601 in UTC.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

EXAMPLE_ID = "63f35064265d91d318de533c13db30b0eca1831ae34618945c5de0d4bd8ea4c4"
EXAMPLE_KEY = "c46ec4af9ac72b70929defa6b948f30355ab1beb56bab5a701267890cdf54571"
EventId = Annotated[str, Meta(description="event id, 64 hex digits", examples=[EXAMPLE_ID])]
Pubkey = Annotated[str, Meta(description="public key that signed, 64 hex digits", examples=[EXAMPLE_KEY])]
IdentityId = Annotated[str, Meta(examples=["0b6d2c4f9c1e4a7f8d3b5a6c7e8f9012"])]
Name = Annotated[str, Meta(description="unique name of an identity", examples=["sandpiper"])]
When = Annotated[datetime, Meta(examples=["2025-01-01T12:00:00Z"])]


class Author(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote something: the identity, and the key that signed."""

    id: IdentityId
    name: Name
    display_name: Annotated[str | None, Meta(examples=["Sandpiper"])] = None
    pubkey: Pubkey
    origin: Annotated[
        str | UnsetType,
        Meta(
            description="the relay that brought them, absent for who is at home here", examples=["wss://relay.example"]
        ),
    ] = UNSET


class Writer(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote something: the key that signed, and the identity behind it where there is one."""

    id: IdentityId | None = None
    name: Name | None = None
    display_name: str | None = None
    pubkey: Pubkey


class Snippet(msgspec.Struct, frozen=True):
    """A piece of the text around what was found; `marks` are the [start, end) characters of the words in it."""

    text: Annotated[str, Meta(examples=["The tide is out."])]
    marks: Annotated[list[tuple[int, int]], Meta(examples=[[[4, 8]]])]

    def parts(self) -> list[tuple[str, bool]]:
        """The text in pieces, and which of them are marked."""
        found, place = [], 0
        for start, end in self.marks:
            found += [(self.text[place:start], False), (self.text[start:end], True)]
            place = end
        return [part for part in (*found, (self.text[place:], False)) if part[0]]


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A passage of a document, as it is found. `model`: whose vector it has; null until that is made."""

    id: int
    chunk: Annotated[int, Meta(description="which passage, from 0", examples=[0])]
    title: str
    content: Annotated[str, Meta(examples=["Low water comes twice a day."])]
    model: str | None
    tags: list[str]
    source: str | None
    user_id: str | None
    organization_id: str | None
    project_id: str | None
    created_at: When


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key of the identity.

    `custody`: own (only its holder has the secret) or relay (the relay made it). `held`: the relay has the secret.
    `bound`: it writes as the identity. `retired_at`: since when the relay signs deletions only with it. `main`: one of all keys;
    it signs what you write over HTTP, is shown with your profile, and is the key of your NIP-05 address.
    """

    pubkey: Pubkey
    custody: Literal["own", "relay"]
    held: bool
    bound: bool
    main: bool
    created_at: datetime
    revoked_at: datetime | None
    retired_at: datetime | None
