"""Failures over HTTP: one shape for programs, one page for people, and never the inside of the relay.

A program (a path under /api or /.well-known, or `Accept: application/json`) gets `{success, error, code, message, hint}`, a
browser a page.
"""

import http
import logging
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from relay.errors import Reject
from relay.http import management
from relay.http.api import common
from relay.http.input_errors import explain
from relay.http.negotiation import HTML, preferred
from relay.http.problems import STATUSES, Failure, HttpProblem, of_refused, of_reject, of_storage
from relay.http.rendering import templates
from storage.errors import StorageError
from storage.identities.types import ChangeRefused

_log = logging.getLogger(__name__)

# The words of these statuses are not Python's, whose versions differ (413 in 3.13).
_WORDS: Final = {
    413: "request_entity_too_large",
    414: "request_uri_too_long",
    416: "requested_range_not_satisfiable",
    422: "unprocessable_entity",
}
HINTS: Final = {row.status: row.hint for row in STATUSES}


def answer(request: Request[Any, Any, Any], problem: HttpProblem) -> Response[Any]:
    """The problem in the form that this client reads."""
    hint = problem.hint or HINTS.get(problem.status, HINTS[400] if problem.status < 500 else HINTS[500])
    if not is_program(request):
        phrase = http.HTTPStatus(problem.status).phrase
        hub = request.app.state.hub
        asks_readers = hub.config.access.auth_to_read
        response: Response[Any] = templates.page(
            "error.html",
            problem.status,
            relay=hub.config.relay,
            version=hub.version,
            software=hub.software,
            title=phrase,
            message=problem.message,
            hint=hint,
            asks_readers=asks_readers,
            stranger=asks_readers and problem.status == 404 and common.known(request) is None,
        )
    else:
        failure = Failure(error=problem.message, code=problem.code, message=problem.message, hint=hint)
        response = Response(msgspec.structs.asdict(failure) | problem.more, status_code=problem.status)
    response.headers.update(problem.headers)
    return response


def _plain(status: int, message: str, headers: dict[str, str] | None = None, hint: str = "") -> HttpProblem:
    """A problem whose word is its status."""
    word = _WORDS.get(status) or http.HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")
    return HttpProblem(status, word, message, hint, headers=headers)


def is_program(request: Request[Any, Any, Any]) -> bool:
    """Whether a program asks, rather than a person with a browser."""
    path = request.url.path
    return (
        path == "/api"
        or path.startswith(("/api/", "/.well-known/"))
        or preferred(request.headers.get("accept", "")) != HTML
        or management.is_call(request.headers.get("content-type", ""))
    )


def refused(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """What the framework or a route refuses with a status."""
    if error.status_code >= 500 and error.detail == _LEFT:
        return answer(request, _plain(400, "the body did not come to its end"))
    if error.status_code >= 500:
        return broken(request, error)
    wrong = explain(request, error) if error.status_code == 400 else None
    message = _MESSAGES.get(error.status_code) or error.detail if wrong is None else wrong.message
    if error.status_code == 413:
        most = request.app.state.hub.config.limits.max_message_bytes
        message = f"the body is larger than this relay takes: {most:,} bytes"
    return answer(request, _plain(error.status_code, message, error.headers, wrong.hint if wrong else ""))


def rejected(request: Request[Any, Any, Any], error: Reject) -> Response[Any]:
    """What the relay refuses in the words of NIP-01."""
    return answer(request, of_reject(error))


def not_changed(request: Request[Any, Any, Any], error: ChangeRefused) -> Response[Any]:
    """What could not be changed as things stand."""
    return answer(request, of_refused(error))


def unavailable(request: Request[Any, Any, Any], error: StorageError) -> Response[Any]:
    """The database cannot do it now (busy, full, read-only, damaged). Nothing was changed."""
    _log.warning("%s %r: %s", request.method, request.url.path, error)
    return answer(request, of_storage(error))


def not_text(request: Request[Any, Any, Any], _error: UnicodeDecodeError) -> Response[Any]:
    """A body that is not UTF-8; the decoder raises this past the framework."""
    return answer(request, _plain(400, "the body is not valid UTF-8"))


def too_deep(request: Request[Any, Any, Any], _error: RecursionError) -> Response[Any]:
    """A body nested beyond what the decoder follows; it raises this past the framework."""
    return answer(request, _plain(400, "the JSON is nested too deeply"))


def broken(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A fault of the relay: its log gets the whole story, the client only that it happened."""
    _log.error("%s %r failed", request.method, request.url.path, exc_info=error)
    request.app.state.hub.faults.note("an HTTP request", error)
    return answer(request, _plain(500, "the relay could not answer this request"))


# The framework's 500 for a client that leaves within its body, which is no fault of the relay's.
_LEFT: Final = "client disconnected prematurely"
_MESSAGES: Final = {
    404: "there is nothing at this address",
    405: "this address does not take that method",
}


HANDLERS: Final[ExceptionHandlersMap] = {
    HTTPException: refused,
    HttpProblem: answer,
    Reject: rejected,
    ChangeRefused: not_changed,
    StorageError: unavailable,
    UnicodeDecodeError: not_text,
    RecursionError: too_deep,
    Exception: broken,
}
