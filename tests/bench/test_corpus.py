"""The bench's events: valid, and the same in every run."""

from bench import corpus
from bench.workloads import fanout, ingest
from keys.schnorr import fault
from relay.protocol import filter as filters
from relay.protocol import messages


def test_the_same_fields_give_the_same_valid_event() -> None:
    one, two = (corpus.signed(3, 1, "hello", [["t", "x"]], 1_780_000_000) for _ in range(2))
    assert one == two
    assert fault(one) is None


def test_every_event_of_the_fan_out_matches_every_subscription() -> None:
    published = corpus.signed(fanout.AUTHOR, fanout.KIND, "", fanout.TAGS, fanout.EPOCH)
    for subscriber in (0, 1, 199, 5000):
        for wanted in fanout.filters(subscriber):
            assert filters.matches(filters.parse(wanted), published)


def test_the_ten_filters_of_a_subscriber_are_different() -> None:
    wanted = [repr(item) for item in fanout.filters(7)]
    assert len(set(wanted)) == len(wanted) == 10


def test_an_ok_of_a_new_event_is_no_trouble() -> None:
    assert ingest.unless_new(messages.ok("0" * 64, True)) is None
    assert ingest.unless_new(b'["OK", "%s", true, ""]' % (b"0" * 64)) is None


def test_a_refusal_names_the_relays_words() -> None:
    assert "blocked: no" in (ingest.refusal(messages.ok("0" * 64, False, "blocked: no")) or "")


def test_a_duplicate_is_trouble_only_where_events_must_be_new() -> None:
    duplicate = messages.ok("0" * 64, True, "duplicate: here already")
    assert "--seed" in (ingest.unless_new(duplicate) or "")
    assert ingest.refusal(duplicate) is None
