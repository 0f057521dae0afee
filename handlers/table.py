"""The one list of handlers: which kinds go where, and the NIPs each row adds.

Rule: the first row that covers a kind has it; the last covers what is left. Adding a NIP about a kind is one module and one row.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from handlers import (
    addressable,
    authorship,
    chat,
    comments,
    common,
    contacts,
    deletion,
    edits,
    ephemeral,
    groups,
    identities,
    issues,
    knowledge,
    posts,
    private,
    quota,
    records,
    regular,
    replaceable,
    replicas,
    repositories,
    vanish,
    votes,
)
from handlers.base import Admit, Needs, needs_nothing
from handlers.rows import PROJECTIONS, keys_of
from relay.protocol import kinds
from relay.protocol.admission import Admission, Door, Key, Meaning
from relay.protocol.event import Event
from relay.protocol.facts import Facts, Need
from relay.protocol.relay import GroupRules, RelayRules
from relay.protocol.rows import Projection


class KindRow(msgspec.Struct, frozen=True):
    """A family of kinds. `admit` takes the relay and gives the handler; `nips` are the numbers it adds to NIP-11."""

    name: str
    kinds: tuple[range, ...]
    admit: Callable[[RelayRules], Admit]
    needs: Needs = needs_nothing
    nips: tuple[int, ...] = ()


def _anywhere(admit: Admit) -> Callable[[RelayRules], Admit]:
    """For handlers that need not know the relay."""
    return lambda _relay: admit


def _only(*numbers: int) -> tuple[range, ...]:
    return tuple(range(number, number + 1) for number in numbers)


_DELETION = _only(kinds.DELETION)
_VANISH = _only(kinds.VANISH)
_REPOSITORIES = _only(kinds.REPOSITORY, kinds.REPOSITORY_STATE)
_PRIVATE = _only(kinds.ENCRYPTED_DM, kinds.GIFT_WRAP, kinds.EPHEMERAL_GIFT_WRAP)
_REPLACEABLE = (range(10000, 20000),)
_EPHEMERAL = (range(20000, 30000),)
_ADDRESSABLE = (range(30000, 40000),)
_ALL = (range(kinds.MAX_KIND + 1),)

HANDLERS: Final[tuple[KindRow, ...]] = (
    KindRow("deletion", _DELETION, deletion.admit_deletion, needs=deletion.needs, nips=(9,)),
    KindRow("vanish", _VANISH, lambda relay: vanish.admit_at(relay.url), identities.needs_key, nips=(62,)),
    KindRow("posts", _only(kinds.POST), posts.admit_post, authorship.needs),
    KindRow("edits", _only(kinds.EDIT), edits.admit_edit, edits.needs),
    KindRow("comments", _only(kinds.COMMENT), comments.admit_comment, comments.needs, nips=(22,)),
    KindRow("votes", _only(kinds.REACTION), votes.admit_vote, votes.needs, nips=(25,)),
    KindRow("chat", _only(kinds.CHAT), _anywhere(chat.admit), needs=chat.needs),
    KindRow("issues", _only(kinds.ISSUE), _anywhere(issues.admit_issue), nips=(34,)),
    KindRow("states", (kinds.ISSUE_STATUSES,), issues.admit_status, needs=issues.needs_of_status, nips=(34,)),
    KindRow("repositories", _REPOSITORIES, _anywhere(repositories.admit), nips=(34,)),
    KindRow("records", _only(kinds.APP_DATA), records.admit_app_data, needs=records.needs, nips=(78,)),
    KindRow("moderation", (groups.KINDS,), groups.admit_moderation, needs=groups.needs_of_moderation, nips=(29,)),
    KindRow("replicas", (kinds.GROUPS,), replicas.admit_telling, needs=replicas.needs_of_telling, nips=(29,)),
    KindRow("joining", _only(kinds.JOIN), identities.admit_join, needs=identities.needs_of_join, nips=(43,)),
    KindRow("invites", _only(kinds.INVITE), _anywhere(identities.admit_invite), nips=(43,)),
    KindRow("leaving", _only(kinds.LEAVE), _anywhere(identities.admit_leave), needs=identities.needs_key, nips=(43,)),
    KindRow(
        "profiles",
        _only(kinds.METADATA),
        _anywhere(identities.admit_profile),
        identities.needs_key,
        (1,),
    ),
    KindRow("knowledge", _only(kinds.WIKI), knowledge.admit_article, needs=authorship.needs, nips=(54,)),
    KindRow("reports", _only(kinds.REPORT), _anywhere(regular.admit), nips=(56,)),
    KindRow("private", _PRIVATE, _anywhere(private.admit), nips=(4, 17, 59)),
    KindRow("contacts", _only(kinds.CONTACTS), _anywhere(contacts.admit), needs=identities.needs_key, nips=(2,)),
    KindRow("replaceable", _REPLACEABLE, _anywhere(replaceable.admit), nips=(1, 51, 65)),
    KindRow("ephemeral", _EPHEMERAL, _anywhere(ephemeral.admit), nips=(1,)),
    KindRow("addressable", _ADDRESSABLE, _anywhere(addressable.admit), nips=(1,)),
    KindRow("regular", _ALL, _anywhere(regular.admit), nips=(1, 40)),
)

NIPS: Final = tuple(sorted({nip for row in HANDLERS for nip in row.nips}))


def _rows_by_kind() -> bytes:
    """The index in HANDLERS of every kind's row: one byte look-up an event, 64 KiB in all."""
    found = bytearray(kinds.MAX_KIND + 1)
    for index in reversed(range(len(HANDLERS))):
        for covered in HANDLERS[index].kinds:
            found[covered.start : covered.stop] = bytes([index]) * len(covered)
    return bytes(found)


_ROW_OF: Final = _rows_by_kind()


def row_of(kind: int) -> KindRow:
    """The row that has this kind (0 to 65535)."""
    return HANDLERS[_ROW_OF[kind]]


def meaning(
    relay_url: str,
    provision: bool = False,
    provisions_per_hour: int = 0,
    *,
    searched: frozenset[int] = frozenset(),
    knowledge: frozenset[int] = frozenset(),
    chunks_per_key: int = 0,
    provision_peers: bool = False,
    groups: GroupRules = GroupRules(),  # noqa: B008 it does not change
    passages: Callable[[Event], int] = lambda _event: 1,
) -> Meaning:
    """What storage asks; the arguments are those of RelayRules. `passages`: into how many an event is cut."""
    rules = RelayRules(
        relay_url, provision, provisions_per_hour, searched, knowledge, chunks_per_key, provision_peers, groups
    )
    return _HandlerTable(rules, passages)


class _HandlerTable:
    """Meaning by look-up in HANDLERS."""

    __slots__ = ("_admits", "_chunks", "_groups", "_knowledge", "_passages", "_searched")

    def __init__(self, relay: RelayRules, passages: Callable[[Event], int]) -> None:
        self._passages = passages
        self._searched = relay.searched
        self._knowledge = relay.knowledge if relay.chunks_per_key else frozenset[int]()
        self._chunks = relay.chunks_per_key
        self._groups = relay.groups
        self._admits = tuple(row.admit(relay) for row in HANDLERS)

    def needs(self, event: Event, facts: Facts) -> Iterable[Need]:
        found = common.needs(event)
        found += HANDLERS[_ROW_OF[event.kind]].needs(event, facts)
        found += groups.needs(event, facts, self._groups)
        if event.kind in self._knowledge:
            found += quota.needs(event, facts)
        return found

    def admit(self, event: Event, facts: Facts, now: int, door: Door) -> Admission:
        refused = common.refusal(event, facts, now)
        if refused is not None:
            return refused
        group = groups.enter(event, facts, now, door, self._groups)
        admission = self._admits[_ROW_OF[event.kind]](event, facts, now, door)
        if group is not None:
            admission = groups.settle(admission, event, group, facts, self._groups)
        if event.kind in self._knowledge and door is not Door.IMPORT:
            quota.check(event, admission.replaces, facts, self._passages, self._chunks)
        return admission

    def passages(self, event: Event) -> int:
        return self._passages(event) if event.kind in self._knowledge else 0

    def touches(self, event: Event) -> tuple[Key, ...]:
        return keys_of(event, self._searched)

    @property
    def projections(self) -> tuple[Projection, ...]:
        return PROJECTIONS
