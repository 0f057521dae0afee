"""Reports (NIP-56): anybody says that something is not fit to be here; the operator reads it, and who moderates its group.

A report is a signed event (kind 1984) as any other, so that Nostr clients see it too. One about something in a private group stands
in that group and is read there alone. What is reported and gone is told no more; who made a report can delete it, and the operator
can delete either with `tidings delete`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal
from urllib.parse import quote

import msgspec
from litestar import get, post
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from relay.api_types import EventId, Name, When, Writer, iso
from relay.http import origin
from relay.http.api import common, group_access, operators, publishing
from relay.http.api.common import BASE, GivenPrincipal, Limit
from relay.http.api.idempotency import idempotent
from relay.http.api.saved import first
from relay.http.api.shapes import Body, Count, Done
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.api.writers import writers
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem, invalid, not_found
from relay.protocol import kinds, reports
from relay.protocol.event import Draft, Event, first_value, parse
from relay.protocol.filter import Filter
from relay.protocol.reports import Reason, ReportEvent
from relay.server.identities.group_tables import GroupStanding
from relay.server.identities.identity_tokens import Principal
from storage.access import RuleSubject
from storage.base import Readers

TAGS: Final = ["reports"]
REPORTS: Final = f"{BASE}/reports"
LOOKED: Final = 1000  # reports that are looked at, the newest
SHOWN: Final = 20  # of one thing that an answer lists
EXCERPT: Final = 280  # characters of a text
WORDS: Final[dict[str, str]] = {
    "spam": "spam",
    "profanity": "insults or hate",
    "nudity": "nudity",
    "malware": "harmful software",
    "illegal": "against the law",
    "impersonation": "pretends to be somebody else",
    "other": "something else",
}
TEXT: Final[dict[int, Literal["post", "comment", "message", "document"]]] = {
    kinds.POST: "post",
    kinds.COMMENT: "comment",
    kinds.CHAT: "message",
    kinds.WIKI: "document",
}


class NewReport(Body, frozen=True):
    """What is reported: something by its event id, or somebody by name. `content` says more, if there is more to say."""

    reason: Annotated[Reason, Meta(examples=["spam"])]
    event_id: EventId | None = None
    agent: Name | None = None
    content: Annotated[str, Meta(max_length=reports.MAX_SAID, examples=["The same link under every post"])] = ""


class ReportRow(msgspec.Struct, frozen=True, kw_only=True):
    """One report."""

    id: EventId
    reason: Annotated[Reason, Meta(examples=["spam"])]
    content: str
    reporter: Writer
    created_at: When


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """Something, or (`type` is `agent`) somebody, with the reports about it: `count` in all, the newest 20 in `reports`."""

    type: Annotated[Literal["post", "comment", "message", "document", "event", "agent"], Meta(examples=["post"])]
    event_id: EventId | None
    author: Writer
    excerpt: Annotated[str, Meta(description="the beginning of what was written", examples=["Cheap watches"])]
    group_id: Annotated[str | None, Meta(examples=[None])]
    url: Annotated[str, Meta(description="where a person sees it", examples=["https://relay.example/post/63f3"])]
    count: Count
    reasons: Annotated[dict[str, int], Meta(examples=[{"spam": 3}])]
    latest_at: When
    reports: list[ReportRow]


class ReportPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what is reported, what was reported last first."""

    success: bool = True
    reported: list[Reported]
    has_more: bool
    next_cursor: NextCursor = None


@post(REPORTS, tags=TAGS, summary="Report something", middleware=[idempotent])
async def create_report(data: JSONBody[NewReport], principal: GivenPrincipal, hub: GivenHub) -> Done:
    """Tell the operator, and the moderators of its group, that something is not fit to be here. Once is enough, until they looked.

    A report is a signed event that anybody may read, but for one of a private group.
    """
    if (data.event_id is None) == (data.agent is None):
        raise invalid("say what is reported: either event_id or agent")
    if data.agent is not None:
        identity = await common.agent_named(hub, data.agent)
        if identity.pubkey is None:
            raise not_found("agent", f"{identity.name} has no key")
        target, author, there = None, identity.pubkey, None
    else:
        found = await _target(hub, data.event_id or "", principal)
        target, author, there = found.id, found.pubkey, await _private_group(hub, found, principal)
    keys = await publishing.keys_of(hub, principal.identity_id)
    if author in keys:
        raise invalid("this is your own: delete it instead")
    tags = reports.tags(target, author, data.reason)
    if there is not None:
        tags.append(["h", there.group.id])

    async def once() -> Event:
        named = {"p": frozenset([author])} if target is None else {"e": frozenset([target])}
        wanted = Filter(kinds=frozenset([kinds.REPORT]), authors=keys, tags=named, limit=publishing.MAX_SAID)
        readers = await common.readers(hub, principal)
        present = await publishing.newest(hub, wanted, readers)
        same = [event for event in present.events if (told := reports.read(event)) and told.event_id == target]
        if same and await _received_at(hub, same[0].id, readers) > (await _looked_at(hub)).get(target or author, 0):
            return same[0]
        draft = Draft(kinds.REPORT, tags, data.content.strip(), present.following(common.now()))
        by = None if there is None else there.key
        return await publishing.act(hub, principal, draft, by=by, expected=present.expected)

    event = await publishing.change(f"report {principal.identity_id} {target or author}", once)
    return Done(message="Reported; thank you", event=event)


@get(REPORTS, tags=TAGS, summary="What is reported")
async def list_reports(
    request: common.AnyRequest,
    hub: GivenHub,
    group: Annotated[str, QueryParameter(description="only what stands in this group, by its id", max_length=128)] = "",
    limit: Limit = common.DEFAULT_LIMIT,
    cursor: common.Cursor = "",
) -> ReportPage:
    """For the operator: a NIP-98 proof of the key in `relay.pubkey`, or a token of the identity that it is bound to.

    With `group` for the moderators of that group, too. The newest 1,000 reports are looked at; those of one thing stand together.
    """
    return await page_of(hub, await operators.asking(request, hub), group, limit, cursor)


async def page_of(hub: RunningRelay, principal: Principal | None, group: str, limit: int, cursor: str) -> ReportPage:
    """A page of what is reported, as `operators.asking` told who asks. Raises HttpProblem 403 for whom it is not, 404, 400."""
    start = first(cursor)
    if group:
        there = await group_access.standing(hub, group, principal)
        if not there.is_privileged and not await operators.is_operator(hub, principal):
            raise HttpProblem(403, "restricted", "this is for the group's moderators, and you are none")
    elif not await operators.is_operator(hub, principal):
        raise operators.refusal()
    found = [one for one in await reported(hub, await common.readers(hub, principal)) if group in ("", one.group_id)]
    page = found[start : start + common.at_most(limit)]
    following = start + len(page)
    more = following < len(found)
    return ReportPage(reported=page, has_more=more, next_cursor=str(following) if more else None)


async def reported(hub: RunningRelay, readers: Readers) -> list[Reported]:
    """What is reported and still here, of the newest LOOKED reports that these may read; what was reported last first.

    What the operator has looked at and allowed since (storage.access) is left out, and people who are banned or
    vanished.
    """
    wanted = Filter(kinds=frozenset([kinds.REPORT]), limit=LOOKED)
    events = (await publishing.newest(hub, wanted, readers)).events
    about, looked_at = reports.by_target(events), await _looked_at(hub)
    asked = [one.event.id for target in looked_at.keys() & about.keys() for one in about[target]]
    received = {report: await _received_at(hub, report, readers) for report in asked}
    done = hub.config.access.refused_keys | await _vanished(hub, about)
    about = reports.without(about, looked_at, received, done)
    ids = [told[0].report.event_id for told in about.values() if told[0].report.event_id is not None]
    targets, people = await asyncio.gather(
        _targets(hub, ids, readers),
        writers(hub, [key for told in about.values() for one in told for key in (one.event.pubkey, one.report.pubkey)]),
    )
    authors = await writers(hub, [event.pubkey for event in targets.values()])
    base, rows = origin.base_here(hub), []
    groups = await _groups(hub, list(targets.values()))
    for told in about.values():
        event_id = told[0].report.event_id
        target = targets.get(event_id or "")
        if event_id is None:
            rows.append(_row(told, people, people[told[0].report.pubkey], None, base=base, group_id=None))
        elif target is not None:
            author = authors[target.pubkey]
            rows.append(_row(told, people, author, target, base=base, group_id=groups.get(target.id)))
    return rows


async def _looked_at(hub: RunningRelay) -> dict[str, int]:
    """When the operator allowed events and people last, by id or key."""
    said = await asyncio.gather(*(hub.rules.said_of(one, allowed=True) for one in (RuleSubject.EVENT, RuleSubject.KEY)))
    return {rule.value: rule.at for rules in said for rule in rules}


async def _vanished(hub: RunningRelay, about: Mapping[str, list[ReportEvent]]) -> frozenset[str]:
    """The keys of people who are reported and vanished since."""
    keys = frozenset(reports.people(about))
    if not keys:
        return keys
    requests = await publishing.newest(hub, Filter(kinds=frozenset([kinds.VANISH]), authors=keys, limit=LOOKED))
    return reports.vanished(about, requests.events)


async def _received_at(hub: RunningRelay, report: str, readers: Readers) -> int:
    """When a report came; 0 for one that is gone."""
    record = await hub.reader.get(report, readers, common.now())
    return 0 if record is None else record.received_at


def _row(
    told: Sequence[ReportEvent],
    people: dict[str, Writer],
    author: Writer,
    target: Event | None,
    *,
    base: str,
    group_id: str | None,
) -> Reported:
    text = "" if target is None else f"{first_value(target, 'title') or ''} {target.content}".strip()
    return Reported(
        type="agent" if target is None else TEXT.get(target.kind, "event"),
        event_id=None if target is None else target.id,
        author=author,
        excerpt=text[:EXCERPT],
        group_id=group_id,
        url=base + _place(author, target, group_id),
        count=len(told),
        reasons=reports.reasons(told),
        latest_at=iso(told[0].event.created_at),
        reports=[
            ReportRow(
                id=one.event.id,
                reason=one.report.reason,
                content=one.event.content[: reports.MAX_SAID],
                reporter=people[one.event.pubkey],
                created_at=iso(one.event.created_at),
            )
            for one in told[:SHOWN]
        ],
    )


def _place(author: Writer, target: Event | None, group_id: str | None) -> str:
    """The page that shows it."""
    if target is None:
        return f"/u/{author.name or author.pubkey}"
    if target.kind == kinds.CHAT and group_id is not None:
        return f"/chat/{quote(group_id, safe='')}"
    return f"/post/{target.id}" if target.kind in (kinds.POST, kinds.COMMENT) else f"/api/v1/events/{target.id}"


async def _target(hub: RunningRelay, event_id: str, principal: Principal) -> Event:
    wanted = common.event_id(event_id, "event")
    record = await hub.reader.get(wanted, await common.readers(hub, principal), common.now())
    if record is None:
        raise not_found("event", "there is nothing with this id here that you may read")
    return parse(record.wire)


async def _private_group(hub: RunningRelay, target: Event, principal: Principal) -> GroupStanding | None:
    """The private group that it stands in: the report is for that group alone."""
    group_id = (await _groups(hub, [target])).get(target.id)
    there = None if group_id is None else await hub.identities.group_tables.standing(group_id, principal.identity_id)
    return there if there is not None and there.group.private and there.is_member else None


async def _targets(hub: RunningRelay, ids: Sequence[str], readers: Readers) -> dict[str, Event]:
    if not ids:
        return {}
    wanted = Filter(ids=frozenset(ids), limit=len(ids))
    return {event.id: event for event in (await publishing.newest(hub, wanted, readers)).events}


async def _groups(hub: RunningRelay, targets: Sequence[Event]) -> dict[str, str]:
    """In which group each of these stands: a comment where its post does."""
    ids = [event.id for event in targets if event.kind == kinds.COMMENT]
    now = common.now()
    comments = {row.id: row.post_id for row in await hub.feed.comments_by_id(ids, now)} if ids else {}
    roots = sorted(set(comments.values()))
    posts = {row.id: row.group_id for row in await hub.feed.posts_by_id(roots, now)} if roots else {}
    found = {event.id: first_value(event, "h") or posts.get(comments.get(event.id, "")) for event in targets}
    return {event_id: group_id for event_id, group_id in found.items() if group_id}
