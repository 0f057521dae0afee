"""Comments (kind 1111, NIP-22) on posts of the feed; comments on anything else are events like others.

A comment's root is its first `E` tag, and what it answers its first `e` tag; without one it answers the post, as in NIP-7D's
own example.
"""

from collections.abc import Iterable
from typing import Final

from handlers import groups
from handlers.authorship import check_text, is_strict, sign_in
from handlers.base import Admit
from relay.errors import Prefix, Reject
from relay.protocol import feed, kinds
from relay.protocol.admission import Admission, Door
from relay.protocol.event import Event, first_value
from relay.protocol.facts import Facts, Need
from relay.protocol.groups.state import Group
from relay.protocol.names import is_blank
from relay.protocol.relay import RelayRules

_POST: Final = str(kinds.POST)
_NOTE: Final = str(kinds.NOTE)
_COMMENT: Final = str(kinds.COMMENT)


def needs(event: Event, _facts: Facts) -> Iterable[Need]:
    """Its root, what it answers, and whose key wrote it."""
    yield "keys", event.pubkey
    for above in (feed.root(event), feed.parent(event)):
        if above is not None:
            yield "events", above


def admit_comment(relay: RelayRules) -> Admit:
    """Raises Reject: `invalid:` where it does not fit what it stands under, `restricted:` without an identity."""

    def admit(event: Event, facts: Facts, now: int, door: Door) -> Admission:
        root = feed.root(event)
        post = None if root is None else facts.events[root]
        if is_strict(door):
            _check_root(event, post)
        group = groups.home(event, facts)
        if post is None or post.kind != kinds.POST or (group is not None and group.private):
            return Admission()
        if is_strict(door):
            _check_parent(event, post, facts, group)
            check_text(event)
            if is_blank(event.content):
                raise Reject(Prefix.INVALID, "a comment needs text")
        return sign_in(event, facts, now, door, relay, is_member=groups.is_member(event, facts, group))

    return admit


def _check_root(event: Event, root: Event | None) -> None:
    """The root that the `E` tag names and the kind that the `K` tag gives it must agree."""
    kind = first_value(event, "K")
    if kind == _NOTE or (root is not None and root.kind == kinds.NOTE):
        raise Reject(Prefix.INVALID, "a kind 1 note is answered by kind 1 (NIP-10), not by a comment (NIP-22)")
    if root is None:
        if kind == _POST:
            raise Reject(Prefix.INVALID, "the post that it comments on is not here")
        return
    if kind != str(root.kind) and _POST in (kind, str(root.kind)):
        raise Reject(Prefix.INVALID, f"a comment on a kind {root.kind} needs the tag K = {root.kind} (NIP-22)")
    group_id = first_value(event, "h")
    if root.kind == kinds.POST and group_id is not None and group_id != first_value(root, "h"):
        raise Reject(Prefix.INVALID, "the post does not belong to that group; leave the h tag out")


def _check_parent(event: Event, post: Event, facts: Facts, group: Group | None) -> None:
    """Clients of groups leave the kind of what they answer out."""
    named = first_value(event, "e")
    if named is None:
        return
    answers_post = named == post.id
    if not answers_post:
        parent = facts.events[named] if kinds.is_hex(named, 64) else None
        if parent is None or parent.kind != kinds.COMMENT or feed.root(parent) != post.id:
            raise Reject(Prefix.INVALID, "what it answers (its e tag) is no comment on that post")
    kind = first_value(event, "k")
    if kind != (_POST if answers_post else _COMMENT) and (kind is not None or group is None):
        raise Reject(Prefix.INVALID, "a comment that answers something names its kind in a k tag (NIP-22)")
