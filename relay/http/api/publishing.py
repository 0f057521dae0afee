"""From what a client asks to a signed event in the log: every mutation of the API goes through here."""

from relay.http.hub import Hub
from relay.http.problems import of_reject
from relay.protocol.admission import Door
from relay.protocol.event import Event
from storage.base import Outcome, Status


async def publish(hub: Hub, event: Event) -> Outcome:
    """Publish a signed event by the door of HTTP; a duplicate is no failure. Raises Problem when it is refused."""
    outcome = await hub.publish(event, Door.HTTP)
    if outcome.status is Status.REFUSED and outcome.refusal is not None:
        raise of_reject(outcome.refusal)
    return outcome
