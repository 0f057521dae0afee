"""What the operator said while the relay ran: who may write, which kinds, from where, which events, and what the relay is called.

It holds beside the settings' file: who is denied in one of the two is denied. Primary data, never rebuilt; each change stands in a
log that is only added to. Commands are as in `storage.commands`; whoever sends one has checked and normalized what it says.
"""

import enum
from typing import Final, Protocol

import msgspec

from storage.commands import Command

CHANGED: Final = "operator rules"  # the kind of primary row that changed (storage.base.Commit)
MOST_RULES: Final = 100_000  # of one subject: all of them are held in memory by every process that takes events
MOST_CHANGES: Final = 500  # of one ChangeRules: others wait for the writer meanwhile
MOST_NOTED: Final = 1000  # characters of a filter that the log has


class RuleSubject(enum.StrEnum):
    """What a rule is about, and how its `value` is written."""

    KEY = "key"  # a public key, hex
    KIND = "kind"  # a kind of event, decimal
    ADDRESS = "address"  # an IP address or a network, as ipaddress writes it
    EVENT = "event"  # the id of an event, hex


class AccessRule(msgspec.Struct, frozen=True):
    """One is allowed or denied, for a `reason` ("" for none told), by a key (hex; "" for a command) at this time (unix seconds)."""

    subject: RuleSubject
    value: str
    allowed: bool
    reason: str
    by: str
    at: int


class OperatorRules(msgspec.Struct, frozen=True):
    """What holds of each event and client, and `texts` in place of settings, by name.

    `denied` and `allowed` are the values of the rules but those about single events, by subject, with a blank between: as one text
    so many are read, compared and kept by a process that serves others meanwhile.
    """

    denied: dict[RuleSubject, str] = {}
    allowed: dict[RuleSubject, str] = {}
    texts: dict[str, str] = {}


class LoggedChange(msgspec.Struct, frozen=True):
    """A change as made: `done` is denied, allowed, lifted, changed or removed; `subject` a RuleSubject, `setting` or `filter`."""

    at: int
    by: str
    done: str
    subject: str
    value: str
    reason: str


class SetRule(Command[bool], frozen=True):
    """Allow or deny something from now on, in place of what was said of it before; False where that is said already.

    Where a key is denied, the codes of its identity, which bind another one, end. An event that is denied is removed if it is here,
    and refused; one that is allowed may come again. What was reported until now of an event or a key that is allowed counts as
    looked at, each time anew.
    Without a `reason` the one that was told stays. Raises Reject where there are MOST_RULES of the subject.
    """

    subject: RuleSubject
    value: str
    allowed: bool
    reason: str = ""
    by: str = ""


class LiftRule(Command[bool], frozen=True):
    """Say neither any more of what was allowed, or was denied; False where it was not. An event may come again."""

    subject: RuleSubject
    value: str
    allowed: bool
    reason: str = ""
    by: str = ""


class SetText(Command[bool], frozen=True):
    """Have this in place of a setting (`relay.name`, …), None for what the settings say; False where it is so already."""

    setting: str
    text: str | None
    by: str = ""


class NoteRemoval(Command[bool], frozen=True):
    """Note in the log that so many events were removed, what a filter (JSON) matched; always True."""

    wanted: str
    number: int
    by: str = ""


RuleChange = SetRule | LiftRule | SetText | NoteRemoval


class ChangeRules(Command[list[bool]], frozen=True):
    """Carry these out in this order, MOST_CHANGES at most; what each of them gives. None of them where one raises Reject."""

    changes: list[RuleChange]


class EndCodes(Command[None], frozen=True):
    """The codes of the identities that have one of these keys, which bind another one, end: the settings deny these keys."""

    keys: list[str]


class AccessLookups(Protocol):
    """What can be read of it."""

    def operator_rules(self) -> OperatorRules:
        """What holds."""

    def access_rules(self, subject: RuleSubject, allowed: bool) -> list[AccessRule]:
        """All that is said of a subject, the latest first."""

    def logged_changes(self, most: int) -> list[LoggedChange]:
        """The last changes, the latest first."""
