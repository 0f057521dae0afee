"""Which group an event belongs to, and who may read it there: one definition for those who admit events and those who keep them.

Rule: an event with an `h` tag belongs to the group that the tag names or to none. One without belongs to the group of what it
answers, if its kind is one that answers, in whatever order the two came, and also when that is gone again. So an event of a group
names it by `h` or not at all.
"""

from typing import Final

from relay.protocol import kinds
from relay.protocol.event import Event, address_of, first_value, values
from relay.protocol.groups import state
from relay.protocol.groups.state import Group

PUT_USER: Final = 9000
REMOVE_USER: Final = 9001
EDIT_METADATA: Final = 9002
DELETE_EVENT: Final = 9005
CREATE_GROUP: Final = 9007
DELETE_GROUP: Final = 9008
CREATE_INVITE: Final = 9009
UPDATE_PINS: Final = 9010
MAX_INVITED: Final = 20  # keys that one code is made out to
MODERATION: Final = range(9000, 9021)  # a group's history: it cannot be deleted
JOIN_REQUEST: Final = 9021
LEAVE_REQUEST: Final = 9022

REPOST: Final = 6  # NIP-18
GENERIC_REPOST: Final = 16  # NIP-18
POLL_RESPONSE: Final = 1018  # NIP-88
VOICE_COMMENT: Final = 1244  # NIP-A0
REPORT: Final = 1984  # NIP-56
LABEL: Final = 1985  # NIP-32
NUTZAP: Final = 9321  # NIP-61
ZAP: Final = 9735  # NIP-57
HIGHLIGHT: Final = 9802  # NIP-84

ANSWERING: Final = frozenset(
    (
        kinds.DELETION,
        REPOST,
        kinds.REACTION,
        GENERIC_REPOST,
        kinds.EDIT,
        POLL_RESPONSE,
        kinds.COMMENT,
        *kinds.ISSUE_STATUSES,
        VOICE_COMMENT,
        REPORT,
        LABEL,
        NUTZAP,
        ZAP,
        HIGHLIGHT,
    )
)


FOR_OPERATOR: Final = "info: it is of a group of another relay, and kept for the operator only"
NOT_HERE_YET: Final = "what it answers is not here, and may be of a private group"
_FOR_MEMBERS: Final = frozenset((39002, 39004, 39005))  # who is in it, who talks there now, what is pinned
_ADDRESSES: Final = frozenset(("a", "A"))
DESCRIBING: Final = frozenset((CREATE_GROUP, EDIT_METADATA))  # these say what a group is
# Of these kinds an event is for everyone or for the members of its group, never for single keys: whoever reads needs no others.
SHARED: Final = frozenset((kinds.DELETION, kinds.REACTION, kinds.CHAT, kinds.POST, kinds.COMMENT, GENERIC_REPOST))


def answered(event: Event) -> tuple[str, ...]:
    """The ids and addresses of the events whose group it inherits: that of the first of them which has one.

    Its root (the first `E`), the first and the last `e`, and the same of `A` and `a`; none for an event with an `h` tag and for
    kinds that do not answer.
    """
    if event.kind not in ANSWERING:
        return ()
    root = first = last = None
    addressed = False
    for tag in event.tags:  # one pass: every reaction is asked, several times
        if len(tag) > 1 and tag[0] == "e":
            last = tag[1]
            first = first or last
        elif len(tag) > 1 and tag[0] == "E":
            root = root or tag[1]
        elif tag[0] == "h":
            return ()
        elif tag[0] in _ADDRESSES:
            addressed = True
    addresses = _addresses(event) if addressed else ()
    if root is None and first == last:
        return (first, *addresses) if first is not None and kinds.is_hex(first, 64) else addresses
    ids = dict.fromkeys([one for one in (root, first, last) if one is not None and kinds.is_hex(one, 64)])
    return (*ids, *addresses)


def _addresses(event: Event) -> tuple[str, ...]:
    """The addresses that it answers: its root, the first and the last."""
    named = [one for one in values(event, "a") if kinds.parse_address(one)]
    root = [one for one in values(event, "A") if kinds.parse_address(one)]
    return tuple(dict.fromkeys((*root[:1], *named[:1], *named[-1:])))


def told(kind: int, group: Group) -> tuple[str, ...] | None:
    """Who may read what the relay tells of the group in this kind, 39000 to 39005: what a hidden group is, and who is in a private
    one and what is pinned there, is for members.
    """
    if group.ended or group.apart:
        return ()
    if group.hidden or (group.private and kind in _FOR_MEMBERS):
        return (state.members(group.id),)
    return None


def names_of(event: Event) -> tuple[str, ...]:
    """What an answer may call it by: its id, and the address where it has one."""
    address = address_of(event)
    return (event.id,) if address is None else (event.id, address)


def audience(event: Event, group: Group) -> tuple[str, ...] | None:
    """Who may read an event that belongs to the group as it stands: None is everyone, () nobody but the operator.

    Codes, and their use, are for those who moderate, whatever the group's settings, and for whom a code is made out to (`p`); what
    a hidden group is, is for members. Of an ended group nothing is served but that it has ended, of a replica that is kept apart
    nothing. Codes of a replica are good for nothing here, and who is named in it is known to its home.
    """
    kind = event.kind
    if group.apart or (group.ended and kind != DELETE_GROUP):
        return ()
    if kind in kinds.GROUPS:
        return told(kind, group)
    if group.home and (kind == CREATE_INVITE or (kind == JOIN_REQUEST and first_value(event, "code"))):
        return ()
    if group.home:
        return (state.members(group.id),) if group.private or (group.hidden and kind in DESCRIBING) else None
    if kind == CREATE_INVITE or (kind == JOIN_REQUEST and first_value(event, "code")):
        invited = values(event, "p")[:MAX_INVITED] if kind == CREATE_INVITE else []
        readers = (state.moderators(group.id), event.pubkey, *(key for key in invited if kinds.is_hex(key, 64)))
        return tuple(dict.fromkeys(readers))
    if group.hidden and kind in DESCRIBING:
        return tuple(dict.fromkeys((state.members(group.id), event.pubkey)))
    if not group.private:
        return None
    if kind in (PUT_USER, REMOVE_USER):
        named = [pubkey for pubkey in values(event, "p") if kinds.is_hex(pubkey, 64)]
        return tuple(dict.fromkeys((state.members(group.id), *named)))
    if kind == LEAVE_REQUEST:
        return state.members(group.id), event.pubkey
    return (state.members(group.id),)
