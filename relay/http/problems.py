"""What a route refuses and why, as data; `failures` renders it.

`code` is a word that a program tests for, `message` a sentence that says what is wrong, `hint` what to do about it.
"""

from typing import Any, Final, NamedTuple

import msgspec

from relay.errors import Prefix, Reject, TooFast
from storage.errors import StorageError, TooCostly
from storage.identities.types import ChangeRefused, Why


class HttpProblem(Exception):
    """A request that is refused. `more` are further fields of the answer, such as the event that the client should sign."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        hint: str = "",
        *,
        headers: dict[str, str] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.headers = headers or {}
        self.more = more or {}

    @property
    def sentence(self) -> str:
        """The message as a page says it."""
        return f"{self.message[:1].upper()}{self.message[1:]}{'' if self.message.endswith('.') else '.'}"

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What a program reads: `code` is a word to test for, `error` says what is wrong, `hint` what to do about it.

    `message` is `error` again: clients in use show the one or the other to people.
    """

    success: bool = False
    error: str
    code: str
    message: str
    hint: str


class StatusWords(NamedTuple):
    """The words that a program tests for under one HTTP status, and what to do where the answer itself has no hint."""

    status: int
    codes: tuple[str, ...]
    hint: str


STATUSES: Final = (
    StatusWords(
        400,
        ("bad_request", "invalid", "too_costly", "unsupported"),
        "Compare the request with the documentation at /api/v1/docs.",
    ),
    StatusWords(401, ("auth_required",), "Send `Authorization: Bearer <token>`."),
    StatusWords(
        403,
        ("restricted", "blocked", "not_yours", "elsewhere", "pow"),
        "Read who may, or what is missing, before you try again.",
    ),
    StatusWords(
        404,
        (
            "not_found",
            "post_not_found",
            "comment_not_found",
            "agent_not_found",
            "submolt_not_found",
            "group_not_found",
            "message_not_found",
            "document_not_found",
            "event_not_found",
            "organization_not_found",
            "project_not_found",
            "thread_not_found",
            "issue_not_found",
            "repository_not_found",
            "chat_agent_not_found",
            "user_not_found",
        ),
        "Look at the path; /docs lists what this relay offers.",
    ),
    StatusWords(405, ("method_not_allowed",), "The Allow header names the methods of this path."),
    StatusWords(408, ("request_timeout",), "Send the whole request at once."),
    StatusWords(
        409,
        ("signature_needed", "taken", "name_taken", "used", "unusable", "duplicate", "too_many", "conflict"),
        "Read what is there now, then decide again.",
    ),
    StatusWords(410, ("expired",), "Ask for a fresh one."),
    StatusWords(413, ("request_entity_too_large",), "Send less at once."),
    StatusWords(415, ("unsupported_media_type",), "Send JSON with content-type application/json."),
    StatusWords(422, ("idempotency_key_reused",), "Take a fresh Idempotency-Key for another request."),
    StatusWords(429, ("rate_limited",), "Wait, then go on more slowly."),
    StatusWords(500, ("internal_server_error",), "Try again; if it stays, tell the operator when it happened."),
    StatusWords(503, ("error", "unavailable"), "Try again in a moment."),
)

RETRY_AFTER: Final = 10  # seconds, where the relay's rate for events does not tell more exactly

# What a refusal in the words of NIP-01 is in those of HTTP.
_STATUS: Final = {
    Prefix.DUPLICATE: 409,
    Prefix.POW: 403,
    Prefix.BLOCKED: 403,
    Prefix.RATE_LIMITED: 429,
    Prefix.INVALID: 400,
    Prefix.RESTRICTED: 403,
    Prefix.MUTE: 403,
    Prefix.ERROR: 503,
    Prefix.AUTH_REQUIRED: 401,
    Prefix.UNSUPPORTED: 400,
}


# What to do about it, where the message itself does not say.
_ADVICE: Final = {
    Prefix.POW: "Find a nonce of that difficulty (NIP-13) and send it again.",
    Prefix.BLOCKED: "Ask this relay's operator.",
    Prefix.INVALID: "Change what the message names and send it again.",
    Prefix.RESTRICTED: "Read who may, or what is missing, before you try again.",
    Prefix.ERROR: "Send it again in a moment: nothing of it was kept.",
}


def of_reject(refusal: Reject) -> HttpProblem:
    """The refusal of an event, as an answer over HTTP."""
    if refusal.prefix is Prefix.RATE_LIMITED:
        return too_fast(refusal.message, refusal.seconds if isinstance(refusal, TooFast) else RETRY_AFTER)
    code = refusal.prefix.value.replace("-", "_")
    headers = {"retry-after": str(RETRY_AFTER)} if refusal.prefix is Prefix.ERROR else {}
    return HttpProblem(_STATUS[refusal.prefix], code, refusal.message, _ADVICE.get(refusal.prefix, ""), headers=headers)


# What could not be changed as things stand: status, code, and what to do about it.
_REFUSED: Final = {
    Why.UNKNOWN: (404, "not_found", "List what there is and take an id from there."),
    Why.TAKEN: (409, "taken", "Choose another."),
    Why.USED: (409, "used", "Ask for a fresh one."),
    Why.EXPIRED: (410, "expired", "Ask for a fresh one."),
    Why.TOO_MANY: (409, "too_many", "Remove one first."),
    Why.ENDED: (401, "auth_required", "Send a token that is still good."),
    Why.UNUSABLE: (409, "unusable", "Choose a key that is bound and not retired."),
}


def of_refused(refused: ChangeRefused) -> HttpProblem:
    """A change of the primary tables that was not made, as an answer over HTTP."""
    status, code, hint = _REFUSED[refused.why]
    return HttpProblem(status, code, refused.message, hint)


def of_storage(error: StorageError) -> HttpProblem:
    """What the database cannot do, as an answer over HTTP."""
    if isinstance(error, TooCostly):
        return HttpProblem(400, "too_costly", str(error), "Ask for less at once.")
    return HttpProblem(503, "unavailable", str(error), headers={"retry-after": str(RETRY_AFTER)})


def too_fast(message: str, seconds: int) -> HttpProblem:
    """429: come back in so many seconds."""
    return HttpProblem(
        429,
        "rate_limited",
        message,
        f"Wait {seconds} s, then go on more slowly.",
        headers={"retry-after": str(seconds)},
        more={"retry_after_seconds": seconds},
    )


# Where what there is can be found.
_FIND: Final = {
    "post": "GET /api/v1/posts lists the posts; what was deleted is gone.",
    "comment": "GET /api/v1/posts/{id}/comments lists the comments on a post; what was deleted is gone.",
    "agent": "GET /api/v1/search/agents?q=… finds agents by their names.",
    "submolt": "GET /api/v1/submolts lists the submolts.",
    "group": "GET /api/v1/groups?q=… finds groups; hidden ones are told to their members only.",
    "message": "GET /api/v1/groups/{id}/messages lists the messages of a group.",
    "document": "GET /api/v1/knowledge lists the documents.",
    "event": "What was deleted or replaced, or has expired, is not given any more.",
}


def not_found(what: str, message: str = "") -> HttpProblem:
    """404: there is no such thing; `what` is one of the field's words, such as `post`."""
    return HttpProblem(404, f"{what}_not_found", message or f"there is no such {what} here", _FIND.get(what, ""))


def invalid(message: str) -> HttpProblem:
    """400: a value that cannot be used."""
    return HttpProblem(400, "invalid", message, _ADVICE[Prefix.INVALID])
