"""Posts (kind 11, NIP-7D)."""

from handlers import groups
from handlers.authorship import check_text, is_strict, sign_in
from handlers.base import Admit
from relay.errors import Prefix, Reject
from relay.protocol import feed, names, urls
from relay.protocol.admission import Admission, Door
from relay.protocol.event import Event, first_value, values
from relay.protocol.facts import Facts
from relay.protocol.relay import RelayRules


def admit_post(relay: RelayRules) -> Admit:
    """Raises Reject: `invalid:` without a title, `restricted:` without an identity. A private group's threads are no posts."""

    def admit(event: Event, facts: Facts, now: int, door: Door) -> Admission:
        group = groups.home(event, facts)
        if group is not None and group.private:
            return Admission()
        if is_strict(door):
            check_title(event, required=True)
            _check_links(event)
            check_text(event)
        return sign_in(event, facts, now, door, relay, is_member=groups.is_member(event, facts, group))

    return admit


def check_title(event: Event, required: bool) -> None:
    """Raises Reject(invalid) for a title that is none, or for want of one that is `required`."""
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
