"""When tokens were used last, kept coarsely: who asks does not wait for the writer, and what cannot be kept is no failure."""

import logging
from typing import Final

from relay.server.events.ingest import Ingest
from relay.server.supervision import Tasks
from storage.errors import StorageError
from storage.identities.commands import UseToken
from storage.identities.types import Holder, StoredToken

COARSE: Final = 3600  # seconds

log = logging.getLogger("tidings.identities")


class LastUses:
    """Those of tokens of one kind of `holder`. Used on the loop."""

    def __init__(self, holder: Holder, ingest: Ingest, tasks: Tasks) -> None:
        self._holder = holder
        self._ingest = ingest
        self._tasks = tasks
        self._under_way: set[str] = set()  # ids of tokens

    def note(self, token: StoredToken, now: int) -> bool:
        """It is used now; whether that is kept anew, once at a time for each token."""
        if now - (token.last_used_at or 0) < COARSE or token.id in self._under_way:
            return False
        self._under_way.add(token.id)
        self._tasks.start(self._keep(token.id), "the last use of a token")
        return True

    async def _keep(self, token_id: str) -> None:
        try:
            await self._ingest.execute(UseToken(self._holder, token_id))
        except StorageError as error:
            log.warning("the last use of a token was not kept: %s", error)
        finally:
            self._under_way.discard(token_id)
