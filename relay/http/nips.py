"""What each NIP is called and what it means here: the words for the numbers that the rows give.

Which NIPs a relay implements is decided by the rows (handlers, routes, verbs), never here; a test asks that each of
theirs has its words.
"""

from collections.abc import Iterable
from typing import Final

import msgspec


class Nip(msgspec.Struct, frozen=True):
    """One NIP: its number, its title, and in a sentence what this relay does about it."""

    number: int
    title: str
    here: str

    @property
    def name(self) -> str:
        """As people write it: `NIP-01`."""
        return f"NIP-{self.number:02}"

    @property
    def url(self) -> str:
        """Where its text is."""
        return f"https://github.com/nostr-protocol/nips/blob/master/{self.number:02}.md"


_ROWS: Final = (
    (1, "Basic protocol", "Events, filters, subscriptions; regular, replaceable, ephemeral and addressable kinds."),
    (2, "Follow list", "The newest kind 3 of a key replaces the one before."),
    (4, "Encrypted direct message", "Kind 4 goes to its author and its recipient only, once they have authenticated."),
    (
        5,
        "Names as internet addresses",
        "Every identity registered here is found under its name at this relay's domain.",
    ),
    (
        9,
        "Event deletion request",
        "Authors delete by id and by address; what was deleted stays refused. No rule but those on size and rate stops a request.",
    ),
    (11, "Relay information document", "Every limit that is enforced is advertised, on every path of this port."),
    (13, "Proof of work", "Where limits.min_pow asks for it, checked against the id and the committed target."),
    (17, "Private direct messages", "Kept and delivered as the gift wraps of NIP-59."),
    (22, "Comments", "Comments on posts (kind 11, NIP-7D) become rows of the feed, nested by what they answer."),
    (
        25,
        "Reactions",
        "On posts and comments + and - are votes, the newest one of an identity counts; an emoji is none.",
    ),
    (
        34,
        "git stuff",
        "Announced repositories and issues become rows of the control plane; issues are numbered when they come.",
    ),
    (
        29,
        "Relay-based groups",
        "Groups with members, roles, invites, pins and subgroups; private (only members read, on every "
        "door), restricted (only members write), hidden and closed are independent of each other. What the relay tells of them "
        "(39000 to 39005) is signed by its own key, in the transaction of what changed it.",
    ),
    (40, "Expiration timestamp", "Refused when expired on arrival, never served after, and then removed."),
    (
        42,
        "Authentication of clients",
        "A challenge when something needs a key: a refused REQ, COUNT or EVENT, or a filter that names private kinds or a private "
        "group; on connect where access.auth_to_read or access.challenge asks for it. Several keys may authenticate on one "
        "connection.",
    ),
    (
        43,
        "Relay access",
        "A claim code binds a key to an identity, an invite (REQ for kind 28935) gives it one of its own, the code of a group lets "
        "it in there; who may invite to a group gets such a code by naming it (#h). Members are told of by the relay's own key. "
        "There are no roles.",
    ),
    (
        45,
        "Counting results",
        "Exact counts of distinct events, with HyperLogLog registers for the filters that allow it.",
    ),
    (
        50,
        "Search",
        "In REQ and COUNT, by words, by meaning or both (mode:), with language:; the other fields hold too; live by words. "
        "Profiles (0) are found by names, text and NIP-05 address, notes only where search.kinds lists them. A search without a "
        "word is refused.",
    ),
    (
        51,
        "Lists",
        "Bookmarks (10003) are what somebody saved here, mute lists (10000) keep people and words from their notifications and "
        "feed; what other clients put there stays.",
    ),
    (54, "Wiki", "Articles become knowledge: cut into passages, and found by words and by meaning."),
    (
        56,
        "Reporting",
        "Reports are read by the operator, and by the moderators of the group that the reported stands in.",
    ),
    (59, "Gift wrap", "Kinds 1059 and 21059 go to their authenticated recipient only, on every door."),
    (
        62,
        "Request to vanish",
        "Everything of the key up to the request goes, gift wraps to it too, and stays refused; of more than 200 events the "
        "rest follows in parts, between what others write. The request itself, with its reason, is kept and can be read.",
    ),
    (
        65,
        "Relay list metadata",
        "The newest kind 10002 of a key replaces the one before. The keys held here list this relay; "
        "federation.follow keeps what people write to the relays that they list.",
    ),
    (
        67,
        "EOSE completeness hint",
        "EOSE says `more` where the relay's own limit gave less than was asked; server.eose_hints makes it always say whether "
        "there are more, or never.",
    ),
    (70, "Protected events", "Events with the tag of a single hyphen are taken from their authenticated author only."),
    (
        77,
        "Negentropy syncing",
        "Clients and relays find out what the other lacks, of up to limits.max_compared events a filter; a larger one is "
        "refused with that number. This relay compares itself with its peers, and by tidings sync with any.",
    ),
    (
        78,
        "App data",
        "Records of groups and definitions of chat agents are read; all other app data is its author's business.",
    ),
    (
        86,
        "Relay management API",
        "Operators (relay.pubkey, access.operators) ban and allow keys, kinds, addresses and events, and change name, description "
        "and icon, by requests to the relay's URL; roles are those of groups (NIP-29).",
    ),
    (98, "HTTP authentication", "A signed event proves a key to one request, once, on the routes of users and claims."),
)
GROUPS: Final = 29  # what NIP-11 tells of them has an object of its own
NEGENTROPY: Final = 77  # in NIP-11 only where the settings have it
CLIENT_SIDE: Final = frozenset((2, 22, 25, 34, 51, 54, 56, 65, 78))  # their texts ask nothing of relays: not in NIP-11
NIPS: Final = {number: Nip(number, title, here) for number, title, here in _ROWS}


def described(numbers: Iterable[int]) -> list[Nip]:
    """The NIPs of these numbers in order, each with its words; a number without any keeps its place."""
    return [NIPS.get(number) or Nip(number, "", "") for number in numbers]
