"""`/` for people: who this relay is, how to use it, what holds here, and the newest notes.

The notes come with the page, so that it is complete without scripts; `live.js` then keeps them fresh over the WebSocket.
"""

import logging
import re
import time
from typing import Final

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State

from relay.config import Config
from relay.http import nips, notes, reference, templates
from relay.http.hub import GivenHub, Hub
from storage.base import StorageError

_log = logging.getLogger(__name__)
_HOST: Final = re.compile(r"[A-Za-z0-9.\-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


@get("/")
async def first_page(request: Request[None, None, State], hub: GivenHub) -> Response[str]:
    """The first page. It is whole even while the store fails: then it says so in the place of the notes."""
    config = hub.config
    newest, trouble = await _notes(hub)
    return templates.page(
        "index.html",
        relay=config.relay,
        url=websocket_url(config, request.url.scheme, request.headers.get("host", "")),
        health=hub.health(),
        nips=nips.described(hub.nips),
        limits=reference.in_force(config),
        notes=newest,
        trouble=trouble,
        kinds=msgspec.json.encode(notes.SHOWN).decode(),
        live=not config.access.auth_to_read,
        hues=notes.HUES,
        version=hub.version,
        software=hub.software,
    )


async def _notes(hub: Hub) -> tuple[list[notes.Note], str]:
    """The newest notes, or none and the reason for it. What needs authentication on the WebSocket is not shown here either."""
    if hub.config.access.auth_to_read:
        return [], "This relay shows its events to authenticated readers only."
    try:
        return await notes.newest(hub.reader, int(time.time())), ""
    except StorageError as error:
        _log.warning("the first page shows no notes: %s", error)
        return [], "The notes cannot be read just now."


def websocket_url(config: Config, scheme: str, host: str) -> str:
    """The URL to give to clients: the configured one, else where this visitor found the page."""
    if config.relay.url:
        return config.relay.url
    if not _HOST.fullmatch(host):
        host = config.server.listen
    return f"{'wss' if scheme == 'https' else 'ws'}://{host}"
