"""Edits (kind 1010, this relay's convention) of posts, of comments and of chat messages.

An edit names what it edits in an `e` tag and gives new text and, of a post, a new title if it has one. That of a post or a comment
is signed by a key of the same identity; that of a message by its own key, and names the group in `h` as the message does. The
newest live edit counts; deleting it brings back what was before. What is deleted has none.
"""

from collections.abc import Iterable
from typing import Final

from handlers import groups, issues
from handlers.authorship import check_text, is_strict, sign_in
from handlers.base import Admit
from handlers.posts import check_title
from relay.errors import Prefix, Reject
from relay.protocol import feed, kinds, outdated
from relay.protocol.admission import GROUP_MODERATOR, OPERATOR, Admission, Door
from relay.protocol.event import Event, first_value
from relay.protocol.facts import Facts, Need
from relay.protocol.names import is_blank
from relay.protocol.relay import RelayRules

_CALLED: Final = {kinds.POST: "post", kinds.COMMENT: "comment"}


def needs(event: Event, facts: Facts) -> Iterable[Need]:
    """What it edits, who has deleted that, and whose keys wrote both."""
    edited_id = feed.edited(event)
    if edited_id is None:
        return
    yield "events", edited_id
    yield "deleters", edited_id
    yield "group_of", edited_id
    yield "keys", event.pubkey
    yield "siblings", event.pubkey
    edited = facts.events.get(edited_id)
    if edited is not None:
        yield "keys", edited.pubkey
        root = feed.root(edited)
        if edited.kind == kinds.COMMENT and root is not None:
            yield "events", root


def admit_edit(relay: RelayRules) -> Admit:
    """Of what has no edits, or is not here, an edit is any event.

    Raises Reject: `blocked:` when a key of the same identity, a moderator or the operator has deleted it, `restricted:` when it is
    another's, or changes an issue that is not its author's to change, `invalid:` where it leaves a post without a title or the rest
    without text.
    """

    def admit(event: Event, facts: Facts, now: int, door: Door) -> Admission:
        edited_id = feed.edited(event)
        if edited_id is None:
            return Admission()
        if not facts.deleters[edited_id].isdisjoint((*facts.siblings[event.pubkey], OPERATOR, GROUP_MODERATOR)):
            raise Reject(Prefix.BLOCKED, f"{outdated.DELETED_WITH_EDITED}, and its edits with it")
        issues.check_change(event, [edited_id], facts, door, relay)
        edited = facts.events[edited_id]
        if edited is not None and edited.kind == kinds.CHAT and facts.group_of[edited_id] is not None:
            if groups.is_checked(event, facts, door):
                _check_message(event, edited)
            return Admission()
        if edited is None or not _is_of_feed(edited, facts):
            return Admission()
        group = groups.home(event, facts)
        if group is not None and group.private:
            if event.pubkey != edited.pubkey:
                raise Reject(Prefix.RESTRICTED, "only the key that wrote something in a private group edits it")
            return Admission()
        if is_strict(door):
            _check_content(event, edited)
            if facts.identity_of(event.pubkey) != facts.owner_of(edited.pubkey):
                what = _CALLED[edited.kind]
                raise Reject(Prefix.RESTRICTED, f"only the identity that wrote a {what} edits it")
        return sign_in(event, facts, now, door, relay, is_member=groups.is_member(event, facts, group))

    return admit


def _check_message(event: Event, edited: Event) -> None:
    """Of a message in a group."""
    if event.pubkey != edited.pubkey:
        raise Reject(Prefix.RESTRICTED, "only the key that wrote a message edits it")
    if first_value(event, "h") != first_value(edited, "h"):
        raise Reject(Prefix.INVALID, "an edit of a message names its group in an h tag, as the message does")
    if is_blank(event.content):
        raise Reject(Prefix.INVALID, "a message needs text; delete it where nothing is left to say")


def _is_of_feed(edited: Event, facts: Facts) -> bool:
    root_id = feed.root(edited) if edited.kind == kinds.COMMENT else None
    post = edited if root_id is None else facts.events[root_id]
    return post is not None and post.kind == kinds.POST


def _check_content(event: Event, edited: Event) -> None:
    check_text(event)
    if edited.kind == kinds.POST:
        check_title(event, required=feed.title(edited) is None)
    elif is_blank(event.content):
        raise Reject(Prefix.INVALID, "a comment needs text; delete it where nothing is left to say")
