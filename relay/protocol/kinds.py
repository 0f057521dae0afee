"""Kind numbers, the ranges of NIP-01 and the address of a replaceable event; nothing else."""

import re
from typing import Final

METADATA: Final = 0
NOTE: Final = 1
CONTACTS: Final = 3
ENCRYPTED_DM: Final = 4  # NIP-04
DELETION: Final = 5  # NIP-09
REACTION: Final = 7  # NIP-25
CHAT: Final = 9  # NIP-C7
POST: Final = 11  # NIP-7D, a thread
VANISH: Final = 62  # NIP-62
EDIT: Final = 1010  # new text of a post
GIFT_WRAP: Final = 1059  # NIP-59
COMMENT: Final = 1111  # NIP-22
ISSUE: Final = 1621  # NIP-34
ISSUE_STATUSES: Final = range(1630, 1634)  # NIP-34: open, resolved, closed, draft
REPORT: Final = 1984  # NIP-56
LABEL: Final = 1985  # NIP-32
MEMBER_ADDED: Final = 8000  # NIP-43, as the next
MEMBER_REMOVED: Final = 8001
MUTES: Final = 10000  # NIP-51
RELAY_LIST: Final = 10002  # NIP-65
BOOKMARKS: Final = 10003  # NIP-51
MESSAGE_RELAYS: Final = 10050  # NIP-17
MEMBERS: Final = 13534  # NIP-43
EPHEMERAL_GIFT_WRAP: Final = 21059  # NIP-59
CLIENT_AUTH: Final = 22242  # NIP-42
HTTP_AUTH: Final = 27235  # NIP-98
JOIN: Final = 28934  # NIP-43, as the next two
INVITE: Final = 28935
LEAVE: Final = 28936
LONG_FORM: Final = 30023  # NIP-23
ROLE: Final = 33534  # NIP-43
APP_DATA: Final = 30078  # NIP-78
AGENT: Final = "agent:"  # how the `d` tag of such an event begins that defines a chat agent
REPOSITORY: Final = 30617  # NIP-34, as the next
REPOSITORY_STATE: Final = 30618
WIKI: Final = 30818  # NIP-54
GROUPS: Final = range(39000, 39006)  # NIP-29: what a relay tells of its groups

MAX_KIND: Final = 65535
_PLAIN_REPLACEABLE: Final = frozenset((METADATA, CONTACTS))  # beside the range of those
RELAY_ONLY: Final = frozenset((MEMBER_ADDED, MEMBER_REMOVED, MEMBERS, ROLE, *GROUPS))  # signed by NIP-11's `self`


def is_replaceable(kind: int) -> bool:
    """Only the newest event per author and kind is kept (NIP-01)."""
    return 10000 <= kind < 20000 or kind in _PLAIN_REPLACEABLE


def is_ephemeral(kind: int) -> bool:
    """Sent to whoever listens now and never stored (NIP-01)."""
    return 20000 <= kind < 30000


def is_addressable(kind: int) -> bool:
    """Only the newest event per author, kind and `d` tag is kept (NIP-01)."""
    return 30000 <= kind < 40000


def has_address(kind: int) -> bool:
    """Whether a newer event of this kind replaces an older one: `is_replaceable` or `is_addressable`, in one call."""
    return 10000 <= kind < 20000 or 30000 <= kind < 40000 if kind >= 10000 else kind in _PLAIN_REPLACEABLE


def address(kind: int, pubkey: str, d: str) -> str:
    """The `a` tag value `kind:pubkey:d` of a replaceable or addressable event (NIP-01).

    A plain replaceable has no `d`: its address ends in the colon, whatever its tags say.
    """
    return f"{kind}:{pubkey}:{d if is_addressable(kind) else ''}"


def parse_address(value: str) -> tuple[int, str, str] | None:
    """The (kind, pubkey, d) of an `a` tag value, or None when it is not the address of such a kind."""
    kind, _, rest = value.partition(":")
    pubkey, colon, d = rest.partition(":")
    if not (kind.isascii() and kind.isdigit() and len(kind) <= 5 and colon and is_hex(pubkey, 64)):
        return None
    number = int(kind)
    if str(number) != kind or not has_address(number) or (d and not is_addressable(number)):
        return None
    return number, pubkey, d


_hex: Final = re.compile("[0-9a-f]*").fullmatch


def is_hex(value: str, length: int) -> bool:
    """Whether `value` is exactly `length` lower-case hex digits."""
    return len(value) == length and _hex(value) is not None
