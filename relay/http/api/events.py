"""`/events`: signed events as they are, for clients that hold their own key but not a WebSocket."""

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody

from relay.http import origin
from relay.http.api import common, publishing
from relay.http.api.common import GivenViewer
from relay.http.hub import GivenHub
from relay.http.problems import HttpProblem, invalid, not_found
from relay.protocol import messages
from relay.protocol.event import Event, parse
from storage.base import Status

TAGS = ["events"]


class EventAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `message` is what the relay says of it, as in a WebSocket's `OK`."""

    success: bool = True
    event: Event
    message: str = ""


async def look_over(request: common.AnyRequest) -> None:
    """Refuse, as the WebSocket does, what would cost much to decode only to be refused. Raises HttpProblem 400."""
    if messages.has_many_lists(await request.body()):
        raise invalid(messages.MANY_LISTS)


@post(f"{common.BASE}/events", tags=TAGS, summary="Publish a signed event", status_code=201, before_request=look_over)
async def publish_event(
    request: common.AnyRequest, data: JSONBody[Event], viewer: GivenViewer, hub: GivenHub
) -> EventAnswer:
    """Take a ready-signed event, as `EVENT` on the WebSocket does.

    Sending the same event again is no error. A token is needed only where the relay takes events from known clients only.
    """
    if viewer is None and hub.config.access.auth_to_write:
        raise HttpProblem(401, "auth_required", "this relay takes events from known clients only; send a token")
    # A place of its own among the events to verify, so that a flood by one caller does not keep the others waiting.
    source = ("http", viewer.identity_id if viewer else common.client_address(request, hub))
    outcome = await publishing.publish(
        hub, data, source=source, url=origin.proven(request, hub), token=None if viewer is None else viewer.token
    )
    known = "duplicate: this event is here already" if outcome.status is Status.DUPLICATE else ""
    return EventAnswer(event=data, message=outcome.message or known)


@get(f"{common.BASE}/events/{{event_id:str}}", tags=TAGS, summary="Get a signed event")
async def get_event(event_id: FromPath[str], viewer: GivenViewer, hub: GivenHub) -> EventAnswer:
    """One event by its id: a public one, or with a token one that its identity may read, by its keys or in its groups."""
    wanted = common.event_id(event_id, "event")
    record = await hub.reader.get(wanted, await common.readers(hub, viewer), common.now())
    if record is None:
        raise not_found("event")
    return EventAnswer(event=parse(record.wire))
