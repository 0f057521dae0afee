"""Reports (NIP-56, kind 1984): somebody says that an event, or somebody, is not fit to be here, and why."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from relay.protocol import kinds
from relay.protocol.event import Event

Reason = Literal["spam", "profanity", "nudity", "malware", "illegal", "impersonation", "other"]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
MAX_SAID: Final = 500  # characters of what a report says beside its reason


class Report(msgspec.Struct, frozen=True):
    """What a report is about: an event by its id, or (None) the person whose key it names."""

    event_id: str | None
    pubkey: str
    reason: Reason


def read(event: Event) -> Report | None:
    """What a kind 1984 reports; None where it names nobody. The reason stands with the event, else with the person."""
    person = _named(event, "p")
    if event.kind != kinds.REPORT or person is None:
        return None
    target = _named(event, "e")
    word = next((tag[2] for tag in (target, person) if tag is not None and len(tag) > 2 and tag[2]), "other")
    reason: Reason = next((one for one in REASONS if one == word.lower()), "other")
    return Report(None if target is None else target[1], person[1], reason)


class ReportEvent(NamedTuple):
    """A report that names something, with its event."""

    event: Event
    report: Report


def by_target(events: Iterable[Event]) -> dict[str, list[ReportEvent]]:
    """The reports among these events by what they are about: an event's id, or a person's key; in their order."""
    found: dict[str, list[ReportEvent]] = {}
    for event in events:
        report = read(event)
        if report is not None:
            found.setdefault(report.event_id or report.pubkey, []).append(ReportEvent(event, report))
    return found


def without(
    about: Mapping[str, list[ReportEvent]],
    looked_at: Mapping[str, int],
    received: Mapping[str, int],
    done: Container[str],
) -> dict[str, list[ReportEvent]]:
    """Of what is reported (by_target) that of which a report came since somebody looked at it, at that second.

    `looked_at` is by id or key. `received`: when the reports of these came, by id; what a report itself says of its time is
    its author's. Who is `done` with, by key, because they are banned or vanished, is left out; what they wrote is not.
    """
    return {
        target: told
        for target, told in about.items()
        if (target not in looked_at or max(received[one.event.id] for one in told) > looked_at[target])
        and (told[0].report.event_id is not None or target not in done)
    }


def people(about: Mapping[str, list[ReportEvent]]) -> list[str]:
    """The keys of the people who are reported (by_target)."""
    return [target for target, told in about.items() if told[0].report.event_id is None]


def vanished(about: Mapping[str, list[ReportEvent]], requests: Iterable[Event]) -> frozenset[str]:
    """Of the people who are reported (by_target) those who vanished (NIP-62) after the last report, by these requests."""
    left = {one.pubkey: one.created_at for one in sorted(requests, key=lambda one: one.created_at)}
    return frozenset(
        key for key in people(about) if key in left and left[key] >= max(one.event.created_at for one in about[key])
    )


def reasons(told: Iterable[ReportEvent]) -> dict[str, int]:
    """How often each reason is given, the most frequent first."""
    return dict(Counter(one.report.reason for one in told).most_common())


def tags(event_id: str | None, pubkey: str, reason: Reason) -> list[list[str]]:
    """The tags of a report."""
    if event_id is None:
        return [["p", pubkey, reason]]
    return [["e", event_id, reason], ["p", pubkey]]


def _named(event: Event, name: str) -> list[str] | None:
    """The first tag of this name that holds a key or an id."""
    found = (tag for tag in event.tags if tag[0] == name and len(tag) > 1 and kinds.is_hex(tag[1], 64))
    return next(found, None)
