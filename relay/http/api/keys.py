"""The keys of an identity: those bound to it, and the one that the relay holds."""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from relay.api_types import KeyRow, iso
from relay.http import origin
from relay.http.api import common, operators, profiles
from relay.http.api.agents import NO_STORE
from relay.http.api.common import BASE, GivenPrincipal
from relay.http.api.shapes import Body
from relay.http.api.tokens import Gone
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem
from relay.protocol.event import Event
from relay.protocol.kinds import is_hex
from relay.server.identities.identity_tokens import Principal
from storage.identities.types import BoundKey, Identity

TAGS: Final = ["keys"]
PATH: Final = f"{BASE}/agents/me/keys"


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """All keys the identity ever had, oldest first.

    `unsigned`: for each bound key of your own that Nostr clients do not find your name at yet, the profile (kind 0) that tells
    it. Sign and publish it, or leave it. What else stands in the key's profile here stays; one that is elsewhere only is replaced,
    since the newest counts: publish that here first.
    """

    success: bool = True
    keys: list[KeyRow]
    unsigned: list[Event]
    is_operator: Annotated[bool, Meta(description="whether who has one of these keys runs this relay")]


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A code for one kind 28934 event by the new key, with the tags `["-"]` and `["claim", <code>]` (NIP-43)."""

    success: bool = True
    code: Annotated[str, Meta(examples=["tdk_" + "0" * 64])]
    expires_at: datetime


class NewKey(Body, frozen=True):
    """`proof`: a kind 27235 event (NIP-98) by the new key for this URL and POST; its `payload` is sha256 of the identity's id.

    `retire`: from now on the relay signs only deletions with the keys it holds.
    """

    proof: Event
    retire: bool = False


class Password(Body, frozen=True):
    """What the exported key is encrypted with; 8 characters at least."""

    password: Annotated[str, Meta(max_length=1000)]


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """The secret key under the password (NIP-49)."""

    success: bool = True
    ncryptsec: str


@get(PATH, tags=TAGS, summary="Your keys")
async def list_keys(principal: GivenPrincipal, hub: GivenHub) -> KeyList:
    """All keys, also those unbound."""
    return await _list(hub, principal)


@post(f"{PATH}/claims", tags=TAGS, summary="A code to bind a key over the WebSocket", cache_control=NO_STORE)
async def claim_key(principal: GivenPrincipal, hub: GivenHub) -> Code:
    """A code for one key, good for ten minutes."""
    await profiles.check_allowed(hub, principal.identity_id)
    code, until = await hub.identities.keys.open_claim(principal.identity_id, principal.token)
    return Code(code=code, expires_at=iso(until))


@post(PATH, tags=TAGS, summary="Bind a key of your own")
async def add_key(
    request: common.AnyRequest, data: JSONBody[NewKey], principal: GivenPrincipal, hub: GivenHub
) -> KeyList:
    """Bind the key that signed the proof. 409 when it belongs to another identity, 403 where the operator denies a key of yours."""
    await profiles.check_allowed(hub, principal.identity_id)
    identities = hub.identities
    url = origin.base_url(origin.proven(request, hub)) + request.url.path
    await identities.keys.bind(principal.identity_id, data.proof, url, principal.token)
    if data.retire:
        for key in await identities.keys.of(principal.identity_id):
            if key.held and key.retired_at is None and key.pubkey != data.proof.pubkey:
                await identities.keys.retire(principal.identity_id, key.pubkey, destroy=False, given=principal.token)
    return await _list(hub, principal)


@delete(f"{PATH}/{{pubkey:str}}", tags=TAGS, summary="Unbind a key", status_code=200)
async def remove_key(pubkey: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> Gone:
    """The key may not write as the identity any more; what it wrote stays. It can come back to this identity only."""
    await hub.identities.keys.unbind(principal.identity_id, _pubkey(pubkey), principal.token)
    return Gone(message="The key is unbound.")


@post(f"{PATH}/{{pubkey:str}}/export", tags=TAGS, summary="Export a held key", status_code=200, cache_control=NO_STORE)
async def export_key(
    pubkey: FromPath[str], data: JSONBody[Password], principal: GivenPrincipal, hub: GivenHub
) -> Exported:
    """The secret of a key that the relay holds, encrypted with your password."""
    return Exported(ncryptsec=await hub.identities.keys.export(principal.identity_id, _pubkey(pubkey), data.password))


@post(f"{PATH}/{{pubkey:str}}/choose", tags=TAGS, summary="Choose the key that signs", status_code=200)
async def choose_key(pubkey: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> KeyList:
    """Make a bound key your main key. Until you choose, that is the one that the relay holds.

    Where you choose a key of your own, what you write over HTTP is answered with 409 and the event for you to sign.
    """
    await hub.identities.keys.choose(principal.identity_id, _pubkey(pubkey), principal.token)
    return await _list(hub, principal)


@post(f"{PATH}/{{pubkey:str}}/retire", tags=TAGS, summary="Retire a held key", status_code=200)
async def retire_key(pubkey: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> Gone:
    """The relay signs only deletions and vanishing with it from now on."""
    await hub.identities.keys.retire(principal.identity_id, _pubkey(pubkey), destroy=False, given=principal.token)
    return Gone(message="The key is retired.")


@post(f"{PATH}/{{pubkey:str}}/destroy", tags=TAGS, summary="Destroy a held secret", status_code=200)
async def destroy_key(pubkey: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> Gone:
    """The relay forgets the secret. Export it first: nobody can bring it back."""
    await hub.identities.keys.retire(principal.identity_id, _pubkey(pubkey), destroy=True, given=principal.token)
    return Gone(message="The relay does not hold this key any more.")


def _pubkey(text: str) -> str:
    if not is_hex(text, 64):
        raise HttpProblem(
            404,
            "not_found",
            "there is no such key: a public key has 64 hex digits, in lower case",
            "GET /api/v1/agents/me/keys lists the keys of your identity.",
        )
    return text


async def _list(hub: RunningRelay, principal: Principal) -> KeyList:
    identity = await hub.identities.get(principal.identity_id)
    keys = await hub.identities.keys.of(identity.id)
    return KeyList(
        keys=[_row(key, identity) for key in keys],
        unsigned=await hub.identities.profiles.owed(identity.id),
        is_operator=await operators.is_operator(hub, principal),
    )


def _row(key: BoundKey, identity: Identity) -> KeyRow:
    return KeyRow(
        pubkey=key.pubkey,
        custody=key.custody,
        held=key.held,
        bound=key.revoked_at is None,
        main=key.pubkey == identity.pubkey,
        created_at=iso(key.created_at),
        revoked_at=None if key.revoked_at is None else iso(key.revoked_at),
        retired_at=None if key.retired_at is None else iso(key.retired_at),
    )
