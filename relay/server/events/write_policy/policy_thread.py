"""The write policy for who has no event loop: a command that writes while no relay runs. A thread of its own asks the plugin."""

import asyncio
import threading
from collections.abc import Sequence

from relay.errors import Reject
from relay.server.events.policies import Sender
from relay.server.events.write_policy.write_policy import WritePolicy
from relay.server.settings import Settings
from relay.server.supervision import Faults
from storage.base import Incoming


class PolicyThread:
    """`own` is the relay's own key, "" for none. Used by one thread at a time."""

    def __init__(self, settings: Settings, own: str) -> None:
        self._settings = settings
        self._own = own
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="write policy", daemon=True)
        self._thread.start()
        self._policy: WritePolicy | None = None

    def unwanted(self, incoming: Sequence[tuple[Incoming, Sender]]) -> list[Reject | None]:
        """Why each of these events is refused, None where it is not."""
        return asyncio.run_coroutine_threadsafe(self._unwanted(incoming), self._loop).result()

    def close(self) -> None:
        """End the plugin. Idempotent."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _unwanted(self, incoming: Sequence[tuple[Incoming, Sender]]) -> list[Reject | None]:
        if self._policy is None:
            capacity = self._settings.config.storage.queue
            self._policy = WritePolicy(self._settings, Faults(), own=self._own, capacity=capacity)
            self._policy.configure()
        return await self._policy.unwanted(self, incoming, bounded=False)

    async def _close(self) -> None:
        if self._policy is not None:
            await self._policy.close()
