"""NIP-98 proofs that were used: each is good once. Bounded; while it is full, proofs are refused rather than forgotten.

They are kept on the page, so that what was used at one front is used at all, and stays so when that front dies. What was used
before the relay started is not known, so proofs made before that are refused as well.
"""

from keys.nip98 import WINDOW
from relay.errors import Prefix, Reject
from relay.protocol.event import Event
from relay.roles.page import SharedPage


class ReplayGuard:
    """The proofs of one relay, as its front of this number uses them."""

    def __init__(self, page: SharedPage, front: int) -> None:
        self._page = page
        self._front = front

    def use(self, proof: Event, now: int) -> None:
        """Use up a proof whose time and signature were checked. Raises Reject(invalid) when it was used, error when full."""
        if proof.created_at < self._page.made_at:
            raise Reject(Prefix.INVALID, "the proof was made before this relay started; make a new one")
        # Counted from now, not from its own time: that is never too short.
        match self._page.proofs.use(self._front, proof.id, now, now + 2 * WINDOW + 1):
            case False:
                raise Reject(Prefix.INVALID, "this proof was used already; make a new one for each request")
            case None:
                raise Reject(Prefix.ERROR, "too many proofs at once; try again in a moment")
