"""The feed's events are what the relay makes rows of, and differ only where the bench means them to."""

from itertools import islice

from bench import corpus, feed
from bench.workloads import feed as workload
from keys.schnorr import fault
from relay.protocol import feed as meaning
from relay.protocol import kinds
from relay.protocol.event import Event


def some(series: corpus.Series, number: int) -> list[Event]:
    return list(islice(series.events(7, 0), number))


def test_the_first_posts_are_valid_and_one_by_each_author() -> None:
    posts = some(feed.POSTS, corpus.AUTHORS)
    assert {post.pubkey for post in posts} == {corpus.pubkey(author) for author in range(corpus.AUTHORS)}
    assert fault(posts[0]) is None
    assert all(post.kind == kinds.POST and meaning.title(post) for post in posts)


def test_a_note_says_what_its_post_does_with_as_many_tags_by_the_same_author() -> None:
    for note, post in zip(some(feed.NOTES, 20), some(feed.POSTS, 20), strict=True):
        assert (note.kind, post.kind) == (kinds.NOTE, kinds.POST)
        assert (note.pubkey, note.content, len(note.tags)) == (post.pubkey, post.content, len(post.tags))


def test_each_vote_on_a_post_is_by_another_key_that_is_no_author() -> None:
    votes = some(feed.votes(2), 20)
    assert {meaning.voted(vote) for vote in votes} == {some(feed.POSTS, 3)[2].id}
    assert len({vote.pubkey for vote in votes}) == 20
    assert not {vote.pubkey for vote in votes} & {corpus.pubkey(author) for author in range(corpus.AUTHORS)}


def test_the_same_voters_vote_on_every_post() -> None:
    assert [vote.pubkey for vote in some(feed.votes(0), 5)] == [vote.pubkey for vote in some(feed.votes(1), 5)]


def test_a_page_of_the_deepest_kind_is_there_in_a_feed_of_a_whole_chunk() -> None:
    assert workload.deepest(corpus.CHUNK) * workload.PAGE < corpus.CHUNK
    assert workload.deepest(100_000) == workload.DEPTH
