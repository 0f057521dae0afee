"""How much of everything a run does. Every number that decides a figure stands here."""

import msgspec


class BenchPlan(msgspec.Struct, frozen=True):
    """Sizes of the workloads; times are seconds."""

    seed: int = 1
    events: int = 40_000  # ingest
    connections: int = 8  # ingest and query
    window: int = 512  # events a connection has unanswered at most
    singles: int = 1000  # one at a time
    stored: int = 40_000  # what queries run over
    query_time: float = 2.0  # each query row
    subscribers: int = 200
    subscriptions: int = 10  # of each subscriber
    burst: int = 400  # events of the full-speed fan-out
    burst_window: int = 16  # of which so many are under way at most
    paced: int = 100  # events of the paced fan-out
    pace: int = 20  # events a second
    idle: int = 1000  # connections
    posts: int = 500  # written over HTTP, one at a time
    pages: int = 500  # of the feed, read over HTTP, one at a time
    watchers: int = 1000  # of the stream
    watched: int = 40  # posts that each of them sees, one at a time
    feed_posts: int = 100_000  # in the seeded feed
    feed_votes: int = 20_000  # on one of them
    feed_pages: int = 500  # read at each depth
    feed_written: int = 9600  # posts, and as many notes
    feed_voters: int = 4000  # who vote on a new post and on the one with many votes
    feed_singles: int = 400  # notes, and votes, one at a time
    passages: int = 100_000  # searched
    questions: int = 200  # of each search row
    small_events: int = 1600  # a turn, of each ingest load beside another relay
    small_singles: int = 100  # a turn, one at a time
    small_questions: int = 1600  # a turn, of each query load
    compared: int = 1_000_000  # events of a comparison, on each side
    moved: int = 100_000  # events that come to an empty relay from a peer, either way
    idle_watched: float = 30.0  # seconds in which wake-ups are counted; a peer is pinged as often
    live: int = 5000  # events that a relay passes on to another, at a steady pace
    groups: int = 2000  # half of them private
    group_messages: int = 200_000  # in those
    group_members: int = 10_000  # of the group that others join
    group_written: int = 9000  # messages in a group of 1,000 members, and as many notes
    group_burst: int = 900  # of each, that all subscribers see
    group_questions: int = 720  # of each query row
    group_joins: int = 200
    page_loads: int = 15  # of each row in a browser


QUICK = BenchPlan(
    events=5000,
    singles=100,
    stored=5000,
    query_time=0.3,
    burst=40,
    paced=20,
    idle=200,
    posts=50,
    pages=50,
    watchers=200,
    watched=5,
    feed_posts=5000,
    feed_votes=5000,
    feed_pages=50,
    feed_written=1000,
    feed_voters=500,
    feed_singles=50,
    passages=5000,
    questions=50,
    small_events=320,
    small_singles=20,
    small_questions=160,
    compared=5000,
    moved=5000,
    idle_watched=1.0,
    live=500,
    groups=200,
    group_messages=20_000,
    group_members=1000,
    group_written=900,
    group_burst=90,
    group_questions=90,
    group_joins=20,
    page_loads=3,
)
