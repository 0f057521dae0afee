"""What HTTP needs to know of the running relay; `relay.app` provides it.

Everything is read at each request: settings can be reloaded and figures change.
"""

from typing import Protocol

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from relay.config import Config
from storage.base import Reader


class Health(Protocol):
    """How the relay is, as a Struct: `/health` answers with all its fields, of which these must be among them.

    `status` is `ok`, `degraded` (events cannot be written now) or `draining` (it is shutting down).
    """

    @property
    def status(self) -> str:
        """`ok`, `degraded` or `draining`."""

    @property
    def connections(self) -> int:
        """Open WebSocket connections."""

    @property
    def last_seq(self) -> int:
        """How many events the log has taken in since it began."""


class Hub(Protocol):
    """The running relay, seen from HTTP."""

    @property
    def config(self) -> Config:
        """The effective settings, as of now."""

    @property
    def nips(self) -> tuple[int, ...]:
        """The NIPs this relay implements, ascending."""

    @property
    def version(self) -> str:
        """The version of the software."""

    @property
    def software(self) -> str:
        """URL of the project's home page (NIP-11)."""

    @property
    def self_pubkey(self) -> str | None:
        """The relay's own public key, hex, where it has one (NIP-11 `self`)."""

    @property
    def reader(self) -> Reader:
        """Where events are read."""

    def health(self) -> Health:
        """Figures of this moment; never blocks."""


GivenHub = NamedDependency[SkipValidation[Hub]]  # what a route declares to be handed the hub
