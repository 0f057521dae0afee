"""Every route of the relay, once. A new one is a handler in its own file and a row here."""

from typing import Final

from litestar.handlers import HTTPRouteHandler

from relay.http import documentation, health, metrics, page, static
from relay.http.api import events

ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (
    page.first_page,
    documentation.documentation,
    health.health,
    metrics.metrics,
    static.asset,
    events.publish_event,
    events.get_event,
)
