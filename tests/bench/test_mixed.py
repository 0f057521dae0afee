"""The events of the small loads: valid, and nothing in them refers to what is not there."""

from itertools import islice

from bench import corpus, mixed
from bench.workloads import small
from keys.schnorr import fault
from relay.protocol import feed as meaning
from relay.protocol import kinds
from relay.protocol.event import Event, address_of, first_value, values, wire


def some(series: corpus.Series, number: int) -> list[Event]:
    return list(islice(series.events(7, 0), number))


def test_mixed_events_are_valid_and_of_all_kinds() -> None:
    events = some(mixed.MIXED, 400)
    assert [fault(event) for event in events[:20]] == [None] * 20
    assert {event.kind for event in events} == {kinds.NOTE, kinds.REACTION, 6, kinds.COMMENT, 30023}
    assert len({event.id for event in events}) == len(events)


def test_mixed_events_refer_only_to_earlier_ones() -> None:
    seen: set[str] = set()
    for event in some(mixed.MIXED, 400):
        assert seen.issuperset(values(event, "e"))
        assert seen.issuperset(values(event, "a"))
        seen |= {event.id, address_of(event) or event.id}


def test_comments_and_votes_of_the_hub_are_on_posts_that_begin_the_chunk() -> None:
    events = some(mixed.HUB, mixed.KNOWN + 200)
    known, later = events[: mixed.KNOWN], events[mixed.KNOWN :]
    assert {post.pubkey for post in known} == {corpus.pubkey(author) for author in range(corpus.AUTHORS)}
    assert all(post.kind == kinds.POST and meaning.title(post) for post in known)
    assert {event.kind for event in later} == {kinds.POST, kinds.COMMENT, kinds.REACTION}
    assert {post.id for post in known}.issuperset(
        first_value(event, "e") for event in later if event.kind != kinds.POST
    )


def test_an_id_is_read_from_the_wire_form() -> None:
    (event,) = some(mixed.MIXED, 1)
    assert small._id_of(wire(event)) == event.id
