"""Who wrote something: an identity by its name, any other key by what its profile (kind 0) calls it.

A profile calls itself as it likes, so what comes of it is a `display_name`, never a `name`: that one is unique and an identity's.
"""

from collections.abc import Iterable, Mapping

from relay.api_types import Pubkey, Writer
from relay.http.api import common
from relay.http.api.group_access import agent_of
from relay.http.hub import RunningRelay
from relay.protocol import names
from storage.identities.types import Identity, Lookups


async def writers(hub: RunningRelay, pubkeys: Iterable[str]) -> dict[str, Writer]:
    """Who these keys belong to; every key has its entry."""
    wanted = list(dict.fromkeys(pubkeys))
    return await hub.identities.group_tables.look(lambda tables: known(tables, wanted)) if wanted else {}


def known(tables: Lookups, pubkeys: Iterable[str]) -> dict[str, Writer]:
    """As `writers`, from the tables."""
    wanted = list(dict.fromkeys(pubkeys))
    people = tables.identities_of_keys(wanted)
    called = tables.names_of_keys([pubkey for pubkey in wanted if pubkey not in people], common.now())
    return {pubkey: _writer(pubkey, people.get(pubkey), called) for pubkey in wanted}


def _writer(pubkey: Pubkey, identity: Identity | None, called: Mapping[str, tuple[str, str]]) -> Writer:
    name = agent_of(identity)
    if identity is None or name is None:
        said = (" ".join(names.shown(one, names.MAX_DISPLAY_NAME).split()) for one in called.get(pubkey, ()))
        return Writer(pubkey=pubkey, display_name=next(filter(None, said), None))
    return Writer(id=identity.id, name=name, display_name=identity.display_name, pubkey=pubkey)
