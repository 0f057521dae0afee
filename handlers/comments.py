"""Comments (kind 1111, NIP-22) on posts of the feed; comments on anything else are events like others.

A comment's root is its first `E` tag, and what it answers its first `e` tag; without one it answers the post, as in NIP-7D's
own example. One that says that its root is a post (`K` = 11) is looked at as one of the feed, whether the post is here yet or
not; any other is taken as any event is, also where its root is a post. One on what its author has deleted is kept, as it is
where it came before the deletion. Whatever its `K` tag says, a comment has a row as soon as, and as long as, its root has one and
its author has an identity. So relays have the same comments, whatever order things come in.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from handlers import groups
from handlers.authorship import check_text, is_strict, sign_in
from handlers.base import Admit
from relay.errors import Prefix, Reject
from relay.protocol import feed, kinds
from relay.protocol.admission import GROUP_MODERATOR, OPERATOR, Admission, Door
from relay.protocol.event import Event, first_value
from relay.protocol.facts import Facts, Need
from relay.protocol.groups.state import Group
from relay.protocol.names import is_blank
from relay.protocol.relay import RelayRules

_POST: Final = str(kinds.POST)
_NOTE: Final = str(kinds.NOTE)
_COMMENT: Final = str(kinds.COMMENT)
_MODERATORS: Final = frozenset((OPERATOR, GROUP_MODERATOR))
_SHOWN_NOWHERE: Final = "info: the post was deleted; your comment is kept and shown nowhere"
_WITHOUT_KIND: Final = f"info: a comment on a post has the tag K = {_POST} (NIP-22); apps may not show yours without it"


def needs(event: Event, _facts: Facts) -> Iterable[Need]:
    """Its root and what it answers, whether they were deleted, and whose key wrote it."""
    yield "keys", event.pubkey
    for above, author in ((feed.root(event), first_value(event, "P")), (feed.parent(event), first_value(event, "p"))):
        if above is not None:
            yield "events", above
            yield "deleters", above
            if author is not None and kinds.is_hex(author, 64):
                yield "vanished", author


def admit_comment(relay: RelayRules) -> Admit:
    """Raises Reject: `invalid:` where it does not fit what it stands under, `restricted:` without an identity."""

    def admit(event: Event, facts: Facts, now: int, door: Door) -> Admission:
        root, kind = feed.root(event), first_value(event, "K")
        post = None if root is None else facts.events[root]
        if is_strict(door) and kind == _NOTE:
            raise Reject(Prefix.INVALID, "a kind 1 note is answered by kind 1 (NIP-10), not by a comment (NIP-22)")
        if kind != _POST:
            return Admission(message=_WITHOUT_KIND if post is not None and post.kind == kinds.POST else "")
        is_orphan = post is None and door is Door.CLIENT and _is_orphan(event, facts)
        if is_strict(door) and not is_orphan:
            _check_root(event, post)
        group = groups.home(event, facts)
        is_of_feed = post is None or post.kind == kinds.POST
        if root is None or not is_of_feed or (group is not None and group.private):
            return Admission()
        if is_strict(door):
            _check_parent(event, root, door, facts, group)
            check_text(event)
            if is_blank(event.content):
                raise Reject(Prefix.INVALID, "a comment needs text")
        admission = sign_in(event, facts, now, door, relay, is_member=groups.is_member(event, facts, group))
        return msgspec.structs.replace(admission, message=_SHOWN_NOWHERE) if is_orphan else admission

    return admit


def _is_orphan(event: Event, facts: Facts) -> bool:
    """Whether it comments on a post that is gone because its author wanted that. A peer offers such ones like any client."""
    root = feed.root(event)
    return root is not None and _is_taken_back(root, first_value(event, "P"), facts)


def _is_taken_back(event_id: str, author: str | None, facts: Facts) -> bool:
    """Whether a key has deleted it (NIP-09), or its author, if a comment names the right one, asked to vanish (NIP-62)."""
    return bool(facts.deleters[event_id] - _MODERATORS) or (
        author is not None and facts.vanished.get(author) is not None
    )


def _check_root(event: Event, root: Event | None) -> None:
    """What its `E` tag names must be here, and be the post that its `K` tag says it is."""
    if root is None:
        raise Reject(Prefix.INVALID, "the post that it comments on is not here")
    if root.kind != kinds.POST:
        raise Reject(Prefix.INVALID, f"a comment on a kind {root.kind} needs the tag K = {root.kind} (NIP-22)")
    group_id = first_value(event, "h")
    if group_id is not None and group_id != first_value(root, "h"):
        raise Reject(Prefix.INVALID, "the post does not belong to that group; leave the h tag out")


def _check_parent(event: Event, root: str, door: Door, facts: Facts, group: Group | None) -> None:
    """Clients of groups leave the kind of what they answer out."""
    named = first_value(event, "e")
    if named is None:
        return
    answers_post = named == root
    if not answers_post:
        is_id = kinds.is_hex(named, 64)
        parent = facts.events[named] if is_id else None
        may_be_gone = is_id and parent is None and door is Door.CLIENT
        is_gone = may_be_gone and _is_taken_back(named, first_value(event, "p"), facts)
        if not is_gone and (parent is None or parent.kind != kinds.COMMENT or feed.root(parent) != root):
            raise Reject(Prefix.INVALID, "what it answers (its e tag) is no comment on that post")
    kind = first_value(event, "k")
    if kind != (_POST if answers_post else _COMMENT) and (kind is not None or group is None):
        raise Reject(Prefix.INVALID, "a comment that answers something names its kind in a k tag (NIP-22)")
