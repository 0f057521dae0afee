"""What a route refuses and why, as data; `failures` renders it.

`error` is a word that a program tests for, `message` says what is wrong, `hint` what to do about it.
"""

from typing import Any, Final

from relay.errors import Prefix, Reject
from relay.server.identities import TooFast
from storage.people import Refused, Why


class Problem(Exception):
    """A request that is refused. `more` are further fields of the answer, such as the event that the client should sign."""

    def __init__(
        self,
        status: int,
        error: str,
        message: str,
        hint: str = "",
        *,
        headers: dict[str, str] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(status, error, message)
        self.status = status
        self.error = error
        self.message = message
        self.hint = hint
        self.headers = headers or {}
        self.more = more or {}

    def __str__(self) -> str:
        return f"{self.status} {self.error}: {self.message}"


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


def of_reject(refusal: Reject) -> Problem:
    """The refusal of an event, as an answer over HTTP."""
    if refusal.prefix is Prefix.RATE_LIMITED:
        return too_fast(refusal.message, refusal.seconds if isinstance(refusal, TooFast) else RETRY_AFTER)
    return Problem(_STATUS[refusal.prefix], refusal.prefix.value.replace("-", "_"), refusal.message)


# What could not be changed as things stand.
_REFUSED: Final = {
    Why.UNKNOWN: (404, "not_found"),
    Why.TAKEN: (409, "taken"),
    Why.USED: (409, "used"),
    Why.EXPIRED: (410, "expired"),
    Why.TOO_MANY: (409, "too_many"),
    Why.ENDED: (401, "auth_required"),
    Why.UNUSABLE: (409, "unusable"),
}


def of_refused(refused: Refused) -> Problem:
    """A change of the primary tables that was not made, as an answer over HTTP."""
    return Problem(*_REFUSED[refused.why], refused.message)


def too_fast(message: str, seconds: int) -> Problem:
    """429: come back in so many seconds."""
    return Problem(
        429,
        "rate_limited",
        message,
        f"Wait {seconds} s, then go on more slowly.",
        headers={"retry-after": str(seconds)},
        more={"retry_after_seconds": seconds},
    )


def not_found(what: str, message: str = "") -> Problem:
    """404: there is no such thing; `what` is one of the field's words, such as `post`."""
    return Problem(404, f"{what}_not_found", message or f"there is no such {what} here")


def invalid(message: str, hint: str = "") -> Problem:
    """400: a value that cannot be used."""
    return Problem(400, "invalid", message, hint)
