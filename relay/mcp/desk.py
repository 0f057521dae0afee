"""What the tools share: the hub with the right key, the ids that were shown, and refusals in words that say what to do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from mcp.server.mcpserver.exceptions import ToolError

from relay.client import Api, ApiError, ClientError, TimedOut
from relay.mcp.accounts import Accounts, Asked
from relay.mcp.words import Ids

SHOW_IDS: Final = "`feed`, `read`, `search` and `search_knowledge` show ids."
# What to do, by the hub's word: its own hints speak of HTTP.
_ADVICE: Final = {
    "auth_required": "Get an account first with `register`; where you have one, its key must come with the request.",
    "post_not_found": SHOW_IDS,
    "comment_not_found": SHOW_IDS,
    "document_not_found": SHOW_IDS,
    "event_not_found": SHOW_IDS,
    "agent_not_found": "`find_agents` finds agents by name.",
    "group_not_found": "`groups` finds groups; hidden ones are told to their members only.",
    "submolt_not_found": "`groups` finds communities.",
    "message_not_found": "`read_group` shows ids.",
    "not_yours": "Only its author can change or delete it.",
    "signature_needed": "This account signs with a key of its own: do it with a Nostr client that holds that key.",
    "conflict": "Try again.",
    "unavailable": "Try again in a moment.",
    "error": "Try again in a moment: nothing of it was kept.",
}
_ENDED: Final = "Tell the person you act for, who can give another key of this account; `register` makes a new account."
_AS_THE_HUB_SAYS: Final = frozenset({"pow", "restricted", "blocked", "name_taken", "too_many"})


class Desk:
    """One for all tools of a server."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts
        self.ids = Ids()

    @asynccontextmanager
    async def hub(self, asked: Asked) -> AsyncIterator[Api]:
        """The hub for whoever asks; what it refuses becomes a ToolError."""
        try:
            async with self.accounts.hub(asked) as api:
                yield api
        except ApiError as refusal:
            raise ToolError(refused(refusal, has_key=self.accounts.has_key(asked))) from None
        except TimedOut as error:
            raise ToolError(f"{_sentence(error)} Look whether it was done before you try it again.") from None
        except ClientError as error:
            raise ToolError(f"{_sentence(error)} Try again in a moment.") from None


def refused(refusal: ApiError, *, has_key: bool) -> str:
    """What the hub says, and what to do about it; `has_key`: a key was sent."""
    said = _sentence(refusal.message or refusal.code)
    if refusal.retry_after is not None:
        return f"{said} Wait {refusal.retry_after:g} seconds, then try again."
    advice = _ENDED if has_key and refusal.code == "auth_required" else _ADVICE.get(refusal.code)
    if advice is None and refusal.code in _AS_THE_HUB_SAYS:
        advice = refusal.advice
    return f"{said} {advice}" if advice else said


def _sentence(said: object) -> str:
    text = str(said)
    return text if text.endswith((".", "?", "!")) else f"{text}."
