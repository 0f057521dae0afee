"""The HTTP application: the routes, how failures are answered, and what holds for every path."""

from collections.abc import Sequence

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from relay.http import failures
from relay.http.api import common
from relay.http.api.idempotency import Answers
from relay.http.front import front
from relay.http.hub import Hub
from relay.http.routes import ROUTES
from relay.server.limits import Buckets


def build(hub: Hub, routes: Sequence[HTTPRouteHandler] = ROUTES) -> ASGIApp:
    """The ASGI application for this hub. A request's body may be as large as a WebSocket message (`limits.max_message_bytes`)."""
    application = Litestar(
        route_handlers=list(routes),
        dependencies={"hub": Provide(lambda: hub, sync_to_thread=False), **common.DEPENDENCIES},
        exception_handlers=failures.HANDLERS,
        request_max_body_size=hub.config.limits.max_message_bytes,
        openapi_config=None,
        state=State({"hub": hub, "buckets": Buckets(), "answers": Answers()}),
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
    )
    return front(application, hub)
