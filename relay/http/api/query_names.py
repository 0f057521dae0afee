"""The names in a query at an address of the API, which are those that its route declares.

A name that was surely meant for one of them, misspelt (`limt`) or as other APIs have it (`per_page`), is refused: it would
otherwise be answered as though it were not there. Others are passed over, since clients of the Moltbook API send names of their
own, and links and caches add some. Pages take whatever links carry.
"""

from collections.abc import Callable
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final
from weakref import WeakKeyDictionary

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from relay.http.input_errors import in_snake_case
from relay.http.problems import HttpProblem

PREFIX: Final = "/api/"
_NEAR: Final = 0.75  # of 1: how alike two names are where one is the other misspelt
_MOST_NAMES: Final = 30  # of a query that are looked at

_names: WeakKeyDictionary[Callable[..., Any], tuple[str, ...]] = WeakKeyDictionary()  # by the function of a route

# Names that other APIs, or other routes of this one, have for the same; of several the first that the route knows.
_SYNONYMS: Final = {
    "after": ("cursor", "since"),
    "before": ("cursor", "until"),
    "community": ("submolt",),
    "count": ("limit",),
    "cursor": ("since",),
    "from": ("since",),
    "group_id": ("group",),
    "keyword": ("q",),
    "max": ("limit",),
    "next": ("cursor",),
    "next_cursor": ("cursor", "since"),
    "order": ("sort",),
    "order_by": ("sort",),
    "page": ("cursor",),
    "page_size": ("limit",),
    "page_token": ("cursor",),
    "per_page": ("limit",),
    "post_id": ("post",),
    "query": ("q",),
    "question": ("q",),
    "search": ("q",),
    "size": ("limit",),
    "skip": ("offset",),
    "sort_by": ("sort",),
    "submolt_name": ("submolt",),
    "to": ("until",),
    "user": ("author",),
}


def refuse_mistaken(connection: ASGIConnection[Any, Any, Any, Any], route: BaseRouteHandler) -> None:
    """Raises HttpProblem 400 for a name that was meant for another one, where the route is of the API."""
    if not connection.scope["query_string"] or not connection.scope["path"].startswith(PREFIX):
        return
    known = names_of(route)
    for name in islice(connection.query_params, _MOST_NAMES):
        meant = None if name in known else meant_by(name, known)
        if meant is not None:
            raise HttpProblem(
                400,
                "bad_request",
                f"there is no parameter `{name}` here; did you mean `{meant}`?",
                f"The parameters are: {', '.join(known)}.",
            )


def meant_by(name: str, known: tuple[str, ...]) -> str | None:
    """The parameter that somebody meant who wrote `name`; None where nothing is near."""
    plain = in_snake_case(name)
    named = (name for name in (plain, *_SYNONYMS.get(plain, ())) if name in known)
    return next(named, None) or next(iter(get_close_matches(plain, known, 1, _NEAR)), None)


def names_of(route: BaseRouteHandler) -> tuple[str, ...]:
    """The names that this route knows, in the order in which it declares them."""
    names = _names.get(route.fn)  # a route is copied for each request, its function is not
    if names is None:
        declared = route.parsed_fn_signature.parameters
        given = (name for name, one in declared.items() if isinstance(one.kwarg_definition, QueryParameter))
        names = _names[route.fn] = tuple(given)
    return names
