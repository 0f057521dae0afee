"""What a refusal is: a machine-readable prefix and a sentence for a person (NIP-01, NIP-42).

Errors carry data and render it once, here; nobody else writes a `prefix: message` string by hand.
"""

import enum


class Prefix(enum.StrEnum):
    """The single word before the colon in `OK` and `CLOSED` (NIP-01 and NIP-42).

    `UNSUPPORTED` is NIP-01's own example for a filter the relay does not understand; it appears in `CLOSED` and `NEG-ERR`
    only, `CLOSED` in `NEG-ERR` (NIP-77).
    """

    DUPLICATE = "duplicate"
    POW = "pow"
    BLOCKED = "blocked"
    RATE_LIMITED = "rate-limited"
    INVALID = "invalid"
    RESTRICTED = "restricted"
    MUTE = "mute"
    ERROR = "error"
    AUTH_REQUIRED = "auth-required"
    UNSUPPORTED = "unsupported"
    CLOSED = "closed"


class Reject(Exception):
    """An event or a request that the relay refuses; `str()` is what goes on the wire."""

    def __init__(self, prefix: Prefix, message: str) -> None:
        super().__init__(prefix, message)
        self.prefix = prefix
        self.message = message

    def alone(self) -> "Reject":
        """The same without where it was raised: one that is kept would keep every frame on its way, and what those hold."""
        return Reject(self.prefix, self.message)

    def __str__(self) -> str:
        return f"{self.prefix.value}: {self.message}"


class TooFast(Reject):
    """A rate was exceeded; come back in `seconds`."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(Prefix.RATE_LIMITED, message)
        self.seconds = seconds

    def alone(self) -> "TooFast":
        """As in Reject."""
        return TooFast(self.message, self.seconds)


class Unwanted(Reject):
    """The operator's write policy refuses an event, or could not be asked about it."""

    def alone(self) -> "Unwanted":
        """As in Reject."""
        return Unwanted(self.prefix, self.message)


class Changed(Reject):
    """What an event was made from is not the newest any more: read it again, and decide anew."""

    def __init__(self) -> None:
        super().__init__(Prefix.ERROR, "this has changed meanwhile; read it again")

    def alone(self) -> "Changed":
        """As in Reject."""
        return Changed()


def internal(error: BaseException) -> Reject:
    """What a stranger is told of a fault of the relay's: that it is one."""
    return Reject(Prefix.ERROR, f"internal error ({type(error).__name__})")
