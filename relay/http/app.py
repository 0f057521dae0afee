"""The HTTP application: the routes, how failures are answered, and what holds for every path."""

from collections.abc import Sequence
from copy import copy
from functools import lru_cache, partial
from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.types import ASGIApp

from relay.config import Config
from relay.http import failures, metrics, slashes
from relay.http.api import callers, common, entries, query_names
from relay.http.api.description import Description
from relay.http.api.group_watchers import GroupWatchers
from relay.http.api.notification_stream import NotificationStreams
from relay.http.api.submolts import Counts
from relay.http.api.watchers import Watchers
from relay.http.api.workspace_stream import GroupStreams
from relay.http.application import Application
from relay.http.front import front
from relay.http.hub import RunningRelay
from relay.http.packing import packing
from relay.http.routes import ROUTES
from relay.server.limits.rates import Buckets
from relay.server.pools import Pool
from relay.server.web_requests import outbound

RENDERERS: Final = 1  # threads: rendering is Python, and a second one would take its time from the event loop
MAX_PAGES: Final = 100  # waiting to be rendered

DEPENDENCIES: Final = {**common.DEPENDENCIES, **callers.DEPENDENCIES}


def build(hub: RunningRelay, routes: Sequence[HTTPRouteHandler] = ROUTES) -> ASGIApp:
    """The ASGI application for this hub. A request's body may be as large as a WebSocket message (`limits.max_message_bytes`)."""
    state = _state(hub, routes)
    application = copy(_application(tuple(routes), hub.config.limits.max_message_bytes))
    application.state = State(state)
    return front(packing(application, state["renderers"]), hub)


def load(config: Config) -> None:
    """Make what is the same for every hub with these settings, so that the processes forked afterwards have it in common."""
    _application(tuple(ROUTES), config.limits.max_message_bytes)
    outbound.load()


@lru_cache(maxsize=8)
def _application(routes: tuple[HTTPRouteHandler, ...], largest: int) -> Application:
    """The routes in the form in which they are looked up and called, which takes long to make. It has no hub and no state: it is
    copied for each hub, and finds both on the copy that a request came to.
    """
    return Application(
        route_handlers=list(routes),
        dependencies={"hub": Provide(_hub, sync_to_thread=False), **DEPENDENCIES},
        guards=[_look_over],
        exception_handlers=failures.HANDLERS,
        request_max_body_size=largest,
        openapi_config=None,
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
    )


async def _look_over(connection: ASGIConnection[Any, Any, Any, Any], route: BaseRouteHandler) -> None:
    """Guard of every route: one, as each costs a copy of the route, and a coroutine, as others run on another thread."""
    query_names.refuse_mistaken(connection, route)
    slashes.put_back(connection)


def _hub(request: common.AnyRequest) -> Any:
    return request.app.state.hub


def _state(hub: RunningRelay, routes: Sequence[HTTPRouteHandler]) -> dict[str, Any]:
    """What the routes share for as long as the application lives."""
    watchers = Watchers(hub, partial(entries.describe, hub))
    return {
        "hub": hub,
        "buckets": Buckets(),
        "renderers": Pool("render", RENDERERS, MAX_PAGES),
        "watchers": watchers,
        "group_watchers": GroupWatchers(hub),
        "group_streams": GroupStreams(hub),
        "notification_streams": NotificationStreams(hub),
        "counts": Counts(),
        "scrapes": metrics.Scrapes(),
        "description": Description(routes, DEPENDENCIES),
    }
