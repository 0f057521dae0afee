"""Why a command was not carried out, as plain data: an exception would drag along every frame that it was raised in."""

from typing import Literal

import msgspec

from relay.errors import Prefix, Reject, TooFast
from storage.errors import StorageError, TooCostly
from storage.identities.types import ChangeRefused, Why


class CommandFailure(msgspec.Struct, frozen=True):
    """Why a command was not carried out; nothing is changed then. `detail` is a Why, a Prefix, or seconds."""

    kind: Literal["refused", "rejected", "too-fast", "storage", "costly"]
    detail: str
    message: str

    def error(self) -> Exception:
        """What whoever sent the command is told."""
        match self.kind:
            case "refused":
                return ChangeRefused(Why(self.detail), self.message)
            case "rejected":
                return Reject(Prefix(self.detail), self.message)
            case "too-fast":
                return TooFast(self.message, int(self.detail))
            case "storage":
                return StorageError(self.message)
            case "costly":
                return TooCostly(self.message)


def failure(error: BaseException) -> CommandFailure | None:
    """An error that a command may raise as plain data; None for one that nobody foresaw."""
    match error:
        case ChangeRefused():
            return CommandFailure("refused", error.why.value, error.message)
        case TooFast():
            return CommandFailure("too-fast", str(error.seconds), error.message)
        case Reject():
            return CommandFailure("rejected", error.prefix.value, error.message)
        case TooCostly():
            return CommandFailure("costly", "", str(error))
        case StorageError():
            return CommandFailure("storage", "", str(error))
    return None
