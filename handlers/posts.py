"""Posts (kind 11, NIP-7D) and their edits (kind 1010, this relay's convention).

An edit names its post in an `e` tag, is signed by a key of the same identity and gives new text and, if it has one, a new
title. The newest live edit counts; deleting it brings back what was before. A deleted post has none.
"""

from collections.abc import Iterable

from handlers import groups
from handlers.authorship import check_text, is_strict, sign_in
from handlers.base import Admit
from relay.errors import Prefix, Reject
from relay.protocol import feed, kinds, names, urls
from relay.protocol.admission import Admission, Door
from relay.protocol.event import Event, first_value, values
from relay.protocol.facts import Facts, Need
from relay.protocol.relay import RelayRules


def admit_post(relay: RelayRules) -> Admit:
    """Raises Reject: `invalid:` without a title, `restricted:` without an identity. A private group's threads are no posts."""

    def admit(event: Event, facts: Facts, now: int, door: Door) -> Admission:
        group = groups.home(event, facts)
        if group is not None and group.private:
            return Admission()
        if is_strict(door):
            _check_title(event, required=True)
            _check_links(event)
            check_text(event)
        return sign_in(event, facts, now, door, relay, is_member=groups.is_member(event, facts, group))

    return admit


def needs_of_edit(event: Event, facts: Facts) -> Iterable[Need]:
    """The post, who has deleted it, and whose keys wrote both."""
    post_id = feed.edited(event)
    if post_id is None:
        return
    yield "events", post_id
    yield "deleters", post_id
    yield "keys", event.pubkey
    yield "siblings", event.pubkey
    post = facts.events.get(post_id)
    if post is not None:
        yield "keys", post.pubkey


def admit_edit(relay: RelayRules) -> Admit:
    """Of what is no post, or not here, an edit is any event.

    Raises Reject: `blocked:` when a key of the same identity has deleted the post, `restricted:` when it is another's.
    """

    def admit(event: Event, facts: Facts, now: int, door: Door) -> Admission:
        post_id = feed.edited(event)
        if post_id is None:
            return Admission()
        if not facts.deleters[post_id].isdisjoint(facts.siblings[event.pubkey]):
            raise Reject(Prefix.BLOCKED, "the post was deleted, and its edits with it")
        post = facts.events[post_id]
        if post is None or post.kind != kinds.POST:
            return Admission()
        group = groups.home(event, facts)
        if group is not None and group.private:
            if event.pubkey != post.pubkey:
                raise Reject(Prefix.RESTRICTED, "only the key that wrote a thread of a group edits it")
            return Admission()
        if is_strict(door):
            _check_title(event, required=feed.title(post) is None)
            check_text(event)
            if facts.identity_of(event.pubkey) != facts.owner_of(post.pubkey):
                raise Reject(Prefix.RESTRICTED, "only the identity that wrote a post edits it")
        return sign_in(event, facts, now, door, relay, is_member=groups.is_member(event, facts, group))

    return admit


def _check_title(event: Event, required: bool) -> None:
    value = first_value(event, "title")
    if value is None and not required:
        return
    wrong = feed.title_fault(value)
    if wrong is not None:
        raise Reject(Prefix.INVALID, wrong)


def _check_links(event: Event) -> None:
    """An `r` tag that a browser would open, or that hides something, is a link that reads as what it opens."""
    for value in values(event, "r"):
        is_web = urls.parse(value, urls.WEB) is not None or value.lower().startswith(("http://", "https://"))
        if is_web or not names.is_plain(value.replace(" ", "")):
            wrong = feed.link_fault(value)
            if wrong is not None:
                raise Reject(Prefix.INVALID, f"an r tag: {wrong}")
