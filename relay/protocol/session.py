"""One connection's state: what a message does, as an effect for the socket's owner to carry out (Sans-I/O).

The table of transitions, in words: EVENT -> Publish; REQ -> Open, replacing what has the same id; COUNT -> Tally;
CLOSE -> Cancel; AUTH -> Authenticate; NEG-OPEN, NEG-MSG and NEG-CLOSE -> themselves, to compare what both sides have (NIP-77);
anything that cannot be acted on -> the bytes to answer with. Authenticated keys
accumulate (NIP-42); subscriptions live and die with the connection (NIP-01).

A client is challenged when something it asks for needs its key, before the answer: `challenge_due` says so until
`give_challenge` was called. Anonymous clients are left in peace, since some libraries wait until a challenge is answered.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from relay.errors import Prefix, Reject
from relay.protocol import kinds, messages, search
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.protocol.messages import Auth, Close, Count, Message, NegClose, NegMsg, NegOpen, Publish, Req
from relay.protocol.words import counted

PRIVATE_KINDS: Final = frozenset((kinds.ENCRYPTED_DM, kinds.GIFT_WRAP, kinds.EPHEMERAL_GIFT_WRAP))


_STRANGER: Final = "this relay serves authenticated clients only (NIP-42)"
_NOBODY: Final[frozenset[str]] = frozenset()  # once: an empty one is 216 bytes


class Rules(msgspec.Struct, frozen=True):
    """The settings a session needs; `max_subscriptions` and `max_filter_values` are for all of a connection's together.

    `searched` are the kinds in whose text is searched (NIP-50); a filter with `search` finds no others. `max_compared` events may
    be compared at once (NIP-77), none where it is 0.
    """

    max_subscriptions: int
    max_filters: int
    max_filter_values: int
    auth_to_read: bool
    searched: frozenset[int] = frozenset()
    max_compared: int = 0


class Open(msgspec.Struct, frozen=True, gc=False):
    """Begin a subscription: register it live, then send what is stored, then EOSE."""

    subscription: str
    filters: tuple[Filter, ...]
    size: "Size"


class Size(msgspec.Struct, frozen=True, gc=False):
    """What filters ask for together: `values` they hold, words of a search among them, which is what a live one costs in memory;
    `terms`, the words and phrases that they search for; whether they name `private` kinds; whether any `searches`.
    """

    values: int
    terms: int = 0
    private: bool = False
    searches: bool = False


class CountRequest(msgspec.Struct, frozen=True, gc=False):
    """Answer a COUNT (NIP-45); `offset` as in `messages.Count`."""

    subscription: str
    filters: tuple[Filter, ...]
    offset: int | None


class Cancel(msgspec.Struct, frozen=True, gc=False):
    """End the subscription of this id, if there is one; nothing is answered."""

    subscription: str


class Refuse(msgspec.Struct, frozen=True, gc=False):
    """Answer a REQ with CLOSED, and end the subscription of its id if there is one: CLOSED says that it is gone (NIP-01)."""

    subscription: str
    reply: bytes


class RefuseComparison(msgspec.Struct, frozen=True, gc=False):
    """Answer with NEG-ERR, and end the comparison of its id if there is one: NEG-ERR says that it is gone (NIP-77)."""

    subscription: str
    reply: bytes


class Authenticate(msgspec.Struct, frozen=True, gc=False):
    """Check the signature of an AUTH event, then call `Session.authenticated` with its key (NIP-42)."""

    event: Event


Effect = (
    Publish
    | Open
    | CountRequest
    | Cancel
    | Refuse
    | RefuseComparison
    | Authenticate
    | NegOpen
    | NegMsg
    | NegClose
    | bytes
)


class Session:
    """`keys` are the authenticated pubkeys; `subscriptions` maps an id to whatever the owner put there for an Open, `comparisons`
    to what it put there for a NegOpen: their ids are apart (NIP-77).

    `readers` are the names under which private events are read, as audiences have them: the keys, and what the owner added of
    their groups (`read_as`). `complete`: nothing is missing there. `closings` counts how often some of them went.
    """

    __slots__ = (
        "_given",
        "_terms",
        "_weight",
        "_weights",
        "challenge",
        "challenge_due",
        "closings",
        "comparisons",
        "complete",
        "keys",
        "readers",
        "subscriptions",
    )

    def __init__(self, challenge: str) -> None:
        self.challenge = challenge
        self.keys = self.readers = _NOBODY
        self.complete = True
        self.closings = 0
        self.subscriptions: dict[str, Any] = {}
        self.comparisons: dict[str, Any] = {}
        self._weights: dict[str, int] = {}  # subscription -> values its filters hold
        self._weight = 0  # of all together
        self._terms: dict[str, int] = {}  # subscription -> words and phrases its filters search for, where they do
        self._given = False
        self.challenge_due = False

    def receive(self, data: bytes, rules: Rules) -> Effect:
        """What one text message asks for. Never raises for anything a client can send."""
        try:
            if len(data) > 2 * rules.max_filter_values:  # a value takes two bytes
                _check_values(data, rules)
            message = messages.decode(data)
        except messages.Malformed as malformed:
            if malformed.subscription is not None:
                return Refuse(malformed.subscription, malformed.reply)
            if malformed.comparison is not None:
                return RefuseComparison(malformed.comparison, malformed.reply)
            return malformed.reply
        if type(message) is Publish:
            return message
        return self._other(message, rules)

    def need_challenge(self) -> None:
        """What comes next needs a key: the challenge is due unless the client has it."""
        self.challenge_due = not self._given

    def give_challenge(self) -> bytes:
        """The message that challenges the client; it is due no more."""
        self._given, self.challenge_due = True, False
        return messages.challenge(self.challenge)

    def authenticated(self, pubkey: str) -> None:
        """The client has proven this key; earlier keys stay."""
        self.keys = self.keys | {pubkey}
        self.readers = self.readers | {pubkey}

    def read_as(self, readers: frozenset[str], complete: bool) -> frozenset[str]:
        """From now on private events are read under these names; those that went."""
        gone = self.readers - readers
        self.readers, self.complete = readers, complete
        if gone:
            self.closings += 1
        return gone

    def opened(self, opened: Open, subscription: Any) -> None:
        """The owner has carried an Open out; `subscription` is its own."""
        name, size = opened.subscription, opened.size
        self.subscriptions[name] = subscription
        self._weight += size.values - self._weights.get(name, 0)
        self._weights[name] = size.values
        if size.terms:
            self._terms[name] = size.terms
        elif self._terms:
            self._terms.pop(name, None)

    def cancel(self, name: str) -> Any:
        """Forget a subscription; what the owner put there, or None."""
        self._weight -= self._weights.pop(name, 0)
        self._terms.pop(name, None)
        return self.subscriptions.pop(name, None)

    def _other(self, message: Message, rules: Rules) -> Effect:
        if isinstance(message, Req):  # apart from Count: asking for one of two classes takes as long as decoding
            return self._asked(message, rules)
        if isinstance(message, Close):
            return Cancel(message.subscription)
        if isinstance(message, Count):
            return self._asked(message, rules)
        if isinstance(message, NegOpen):
            refusal = self._refuses_comparison(message, rules)
            if refusal is None:
                return message
            return RefuseComparison(message.subscription, messages.neg_error(message.subscription, refusal))
        if isinstance(message, NegMsg | NegClose):
            return message
        assert isinstance(message, Auth)  # Publish was answered before
        self.need_challenge()  # without it nothing could be proven
        return Authenticate(message.event)

    def _asked(self, message: Req | Count, rules: Rules) -> Effect:
        size = _size(message.filters)
        if size.private and not self.keys:
            self.need_challenge()
        refusal = self._refuses(message, size, rules)
        if refusal is not None:
            reply = messages.closed(message.subscription, refusal)
            return Refuse(message.subscription, reply) if isinstance(message, Req) else reply
        filters = message.filters
        if size.searches:
            filters = tuple([_searching(wanted, rules.searched) for wanted in filters])
        if isinstance(message, Count):
            return CountRequest(message.subscription, filters, message.offset)
        return Open(message.subscription, filters, size)

    def _refuses(self, message: Req | Count, size: Size, rules: Rules) -> Reject | None:
        if rules.auth_to_read and not self.keys:
            self.need_challenge()
            return Reject(Prefix.AUTH_REQUIRED, _STRANGER)
        if len(message.filters) > rules.max_filters:
            return Reject(
                Prefix.INVALID, f"{len(message.filters)} filters; at most {rules.max_filters} go in one request"
            )
        if (
            isinstance(message, Req)
            and message.subscription not in self.subscriptions
            and len(self.subscriptions) >= rules.max_subscriptions
        ):
            return Reject(
                Prefix.RATE_LIMITED, f"{counted(rules.max_subscriptions, 'subscription')} open already; CLOSE one first"
            )
        others = self._weight - self._weights.get(message.subscription, 0) if isinstance(message, Req) else 0
        if size.values + others > rules.max_filter_values:
            return Reject(
                Prefix.RATE_LIMITED,
                f"the open filters of a connection may hold {counted(rules.max_filter_values, 'value')}",
            )
        refusal = self._refuses_search(message, size) if size.searches else None
        return _private(message.filters, self.keys) if refusal is None and size.private else refusal

    def _refuses_comparison(self, message: NegOpen, rules: Rules) -> Reject | None:
        if not rules.max_compared:
            return Reject(Prefix.UNSUPPORTED, "this relay does not sync by negentropy (NIP-77); use REQ")
        wanted = message.filter
        if wanted.search is not None:
            return Reject(Prefix.UNSUPPORTED, "what a search finds is not compared; leave `search` out")
        size = _size([wanted])
        if size.values > rules.max_filter_values:
            return Reject(Prefix.RATE_LIMITED, f"a filter may hold {counted(rules.max_filter_values, 'value')}")
        if not self.keys and (rules.auth_to_read or size.private):
            self.need_challenge()
        if rules.auth_to_read and not self.keys:
            return Reject(Prefix.AUTH_REQUIRED, _STRANGER)
        return _private([wanted], self.keys)

    def _refuses_search(self, message: Req | Count, size: Size) -> Reject | None:
        searches = [wanted for wanted in message.filters if wanted.search is not None]
        if isinstance(message, Count) and len(message.filters) > 1:
            return Reject(Prefix.UNSUPPORTED, "a COUNT that searches (NIP-50) takes one filter")
        if not all(_terms(wanted) for wanted in searches):
            return Reject(Prefix.INVALID, search.WORDLESS)
        terms = sum(self._terms.values()) - self._terms.get(message.subscription, 0) + size.terms
        if isinstance(message, Req) and terms > search.MAX_OPEN_TERMS:
            return Reject(
                Prefix.RATE_LIMITED,
                f"the open searches of a connection may look for {counted(search.MAX_OPEN_TERMS, 'word')}; CLOSE one first",
            )
        return None


def _searching(wanted: Filter, searched: frozenset[int]) -> Filter:
    """The filter as it stands; one that searches, of the searched kinds only."""
    if wanted.search is None:
        return wanted
    chosen = searched if wanted.kinds is None else wanted.kinds & searched
    return msgspec.structs.replace(wanted, kinds=chosen)


def _size(filters: Sequence[Filter]) -> Size:
    """One loop and no generators: every REQ is asked all of this."""
    values = terms = 0
    private = searches = False
    for wanted in filters:
        if wanted.ids is not None:
            values += len(wanted.ids)
        if wanted.authors is not None:
            values += len(wanted.authors)
        if wanted.kinds is not None:
            values += len(wanted.kinds)
            private = private or not wanted.kinds.isdisjoint(PRIVATE_KINDS)
        if wanted.tags:
            for chosen in wanted.tags.values():
                values += len(chosen)
        if wanted.search is not None:
            searches = True
            terms += _terms(wanted)
    return Size(values + terms, terms, private, searches)


def _terms(wanted: Filter) -> int:
    """How many words and phrases a filter searches for: what every event may be compared with."""
    return 0 if wanted.search is None else len(search.parse(wanted.search).terms)


def _check_values(data: bytes, rules: Rules) -> None:
    """Raises Malformed for a REQ or COUNT with more commas than its values and searches may have: decoding each costs."""
    most = rules.max_filter_values + rules.max_filters * search.MAX_SEARCH
    if data.count(b",") > most and not data.startswith(b'["EVENT",'):
        reason = f"the open filters of a connection may hold {counted(rules.max_filter_values, 'value')}"
        raise messages.broken(data, Reject(Prefix.RATE_LIMITED, reason))


def _private(filters: Sequence[Filter], keys: frozenset[str]) -> Reject | None:
    """Refuse what asks for direct messages by kind without the right to a single one (NIP-17, NIP-42, NIP-59).

    A filter that names no kind, or others too, simply never finds what the client may not read.
    """
    for wanted in filters:
        if not wanted.kinds or not wanted.kinds <= PRIVATE_KINDS:
            continue
        if not keys:
            return Reject(Prefix.AUTH_REQUIRED, "direct messages are for their recipients: authenticate first (NIP-42)")
        recipients = wanted.tags.get("p")
        authors = wanted.authors if kinds.ENCRYPTED_DM in wanted.kinds else None
        addressed = recipients is None or bool(recipients & keys)
        written = authors is not None and bool(authors & keys)
        if not (addressed or written):
            return Reject(Prefix.RESTRICTED, "these direct messages are for another key than the authenticated ones")
    return None


def refusal_of(effect: Effect, reason: Reject) -> bytes | None:
    """The answer that refuses an effect as a whole (a rate limit, say); None for what is never refused.

    What was refused by its name already stays so: its sender waits for that name.
    """
    match effect:
        case bytes():
            return messages.notice(str(reason)) if messages.is_notice(effect) else effect
        case Publish(event) | Authenticate(event):
            return messages.ok(event.id, False, str(reason))
        case Open(subscription) | CountRequest(subscription) | Refuse(subscription):
            return messages.closed(subscription, reason)
        case NegOpen(subscription) | NegMsg(subscription) | RefuseComparison(subscription):
            return messages.neg_error(subscription, reason)
        case _:
            return None
