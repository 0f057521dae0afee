"""Who may connect, and how fast clients may send: by their address, by their key, and all of them together."""

from collections.abc import Callable
from typing import Final

from relay.errors import Prefix, Reject
from relay.protocol.event import Event
from relay.roles.page import SharedPage
from relay.server.events import policies
from relay.server.limits import addresses, rates
from relay.server.limits.intake import ALLOWED, PER_ADDRESS, PER_SECOND
from relay.server.settings import Settings

UNEVEN: Final = 2  # connections that a front may have above another before it leaves the next one to that


class Gate:
    """`clock` is any monotonic one, in seconds. All methods are called on the loop."""

    def __init__(self, settings: Settings, page: SharedPage, front: int, clock: Callable[[], float]) -> None:
        """Connections are counted on the page, at all fronts together; `front` is the number of this one there."""
        self._settings = settings
        self._page = page
        self._front = front
        self.clock = clock
        self.draining = False
        self.blocked = addresses.AddressSet(())
        self.websockets = rates.OpenConnections(page, front, "connections")
        self.http_connections = rates.OpenConnections(page, front, "http")
        self.streams = rates.OpenConnections(page, front, "streams", "stream ")
        self._messages = rates.Buckets()
        self._wasted = rates.Buckets()
        self._keys = rates.Buckets()
        self.configure()

    def configure(self) -> None:
        """The settings were replaced."""
        config = self._settings.config
        self.networks = addresses.networks(config.server.trusted_proxies)
        if self.blocked.written != config.access.denied_addresses:
            self.blocked = addresses.AddressSet(config.access.denied_addresses, self.blocked)
        self.limits_messages = config.rates.messages_per_address > 0

    def enter(self, address: str) -> str | None:
        """Count a new connection in; why not, when there is no room for it."""
        if self.draining:
            return "this relay is shutting down; try again in a moment"
        if address in self.blocked:
            return addresses.BLOCKED
        config = self._settings.config
        return self.websockets.enter(address, config.rates.connections_per_address, config.server.max_connections)

    def enter_http(self, address: str) -> str | None:
        """Count a new HTTP connection in; why not, when its address has too many. While draining `/health` is still asked."""
        config = self._settings.config
        return self.http_connections.enter(address, config.rates.connections_per_address, config.server.max_connections)

    def has_more(self) -> bool:
        """Whether this front has clearly more connections than the one with the fewest: another should take the next."""
        page = self._page
        if page.fronts == 1:
            return False
        open_at = [
            page.count(front, "connections") + page.count(front, "http")
            for front in range(page.fronts)
            if front == self._front or page.count(front, "pid")
        ]
        own = page.count(self._front, "connections") + page.count(self._front, "http")
        return own > min(open_at) + UNEVEN

    def may_send(self, address: str) -> bool:
        """Whether one more message from this address is within its rate."""
        rates = self._settings.config.rates
        return self._messages.take(address, rates.messages_per_address, rates.burst, self.clock())

    def may_waste(self, address: str, cost: float) -> bool:
        """Whether a message that was sent in vain is within what its address may send so (`intake.waste`)."""
        return self._wasted.take(address, PER_ADDRESS * PER_SECOND, ALLOWED / PER_SECOND, self.clock(), cost)

    def pace(self, event: Event) -> Reject | None:
        """Why an event whose signature is right is refused: its author was banned meanwhile, or `rates.events_per_key`."""
        refusal = policies.banned(event, self._settings.config)
        if refusal is not None:
            return refusal
        rates = self._settings.config.rates
        per_second = rates.events_per_key / 60
        if per_second and not self._keys.take(event.pubkey, per_second, rates.burst, self.clock()):
            return Reject(Prefix.RATE_LIMITED, "this key publishes too fast; slow down")
        return None
