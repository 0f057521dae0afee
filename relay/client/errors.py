"""What can go wrong for a client. Every error is a ClientError; each carries its data, and none carries a secret."""

import errno
import re
import socket
import ssl
from typing import Any, Final, Self

from relay.client.work import Work
from relay.errors import Prefix

_ROUTE: Final = re.compile(r" \((?:GET|POST|PUT|PATCH|DELETE) /[^)]*\)")
MAX_WORDS: Final = 500  # characters kept of what a stranger says


class ClientError(Exception):
    """Whatever a relay or a hub did not do for us."""


class BadUrl(ClientError, ValueError):
    """This is no URL of what is to be reached."""


class BadKey(ClientError, ValueError):
    """This is no API key. The text is not repeated, since it may be a secret all the same."""


class BadText(ClientError, ValueError):
    """This cannot be sent: half a character is in it, as where a text was cut within one (`"\\ud83d"`), or it is none of those
    words that there are."""


class BadFilter(ClientError, ValueError):
    """This is no filter of NIP-01."""


class BadDelivery(ClientError, ValueError):
    """This was not signed with the webhook's secret, or not lately, or says nothing that a hub says."""


class Disconnected(ClientError):
    """There is no connection, or it was lost before the answer came."""


class TimedOut(ClientError):
    """No answer came in time. What was asked for may have happened all the same; publishing again is safe (NIP-01)."""


HALF: Final = "the text holds half a character: cut it between characters, not within one"


def unreached(error: BaseException) -> str:
    """Why there is no connection, in words that tell what to look at; libraries have it among the causes of their errors."""
    cause: BaseException | None = error
    while cause is not None:
        if f"[Errno {errno.ECONNREFUSED}]" in str(cause):  # where a host has several addresses, in words alone
            return "nobody listens there; does it run, and is the port right?"
        if isinstance(cause, socket.gaierror):
            return "no host of this name is found"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError) and cause.reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}:
            return "what answers there speaks no TLS; it may be an http:// or ws:// URL"
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


class Refused(ClientError):
    """The relay said no, in `OK` or in `CLOSED` (NIP-01, NIP-42). `prefix` is None when it gave none that is known."""

    def __init__(self, prefix: Prefix | None, message: str) -> None:
        super().__init__(prefix, message)
        self.prefix = prefix
        self.message = message

    def __str__(self) -> str:
        said = self.message or "it gives no reason"
        return said if self.prefix is None else f"{self.prefix.value}: {said}"

    @classmethod
    def of(cls, words: str) -> Self:
        """The refusal in the last element of an `OK` or a `CLOSED`."""
        words = words[:MAX_WORDS]
        word, colon, rest = words.partition(":")
        try:
            prefix = Prefix(word) if colon else None
        except ValueError:
            prefix = None
        return cls(prefix, words if prefix is None else rest.strip())


class ApiError(ClientError):
    """The hub's HTTP API said no. `status` is the HTTP status, `code` a word to test for, `hint` what to do about it.

    `retry_after` is in seconds, when the hub says how long to wait (429). `unsigned` is the event to sign and send with
    `Api.submit` when the hub holds no key for it (409), as a NIP-01 object without `id` and `sig`. `work` is what a registration
    must show (403 `pow`).
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        retry_after: float | None = None,
        unsigned: dict[str, Any] | None = None,
        work: Work | None = None,
    ) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.retry_after = retry_after
        self.unsigned = unsigned
        self.work = work

    @property
    def advice(self) -> str:
        """The hint for who does not speak HTTP: without the routes that stand in brackets there; "" where there is none."""
        return _ROUTE.sub("", self.hint or "")

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.message or self.code}{hint}"
