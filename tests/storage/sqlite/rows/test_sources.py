"""What rows are made of comes from SQLite as from plain lists: the same answers, whatever is asked before they are fetched."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from handlers.rows import PROJECTIONS
from relay.protocol import feed
from relay.protocol.admission import Door
from relay.protocol.event import Event, values
from relay.protocol.rows import About, Live, Owner, Tagged
from storage.identities.commands import BindProven
from storage.sqlite.rows.sources import SqliteSources
from tests.factories import NOW, keypair
from tests.handlers.sources import FakeSources
from tests.storage.feed_logs import identity, open_log, tables, world, write
from tests.storage.test_feed_projection import OWNERS, pools

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
NOBODY = "0" * 64
KEPT = (
    b"\x90",
    "? group",
)  # what an import brought of a group that is not here: for the operator, under a name that none has


@FEW
@given(pools())
def test_sources_are_the_same_from_the_database_and_from_lists(pool: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        writer = open_log(directory, local=(1, 2), foreign=(9,))
        try:
            for key, owner in OWNERS.items():
                writer.execute(BindProven(keypair(key).pubkey, identity(owner)), NOW)
            write(writer, pool, Door.IMPORT)
            plain = obvious(
                directory, writer.connection.execute("SELECT id, number FROM posting_identities").fetchall()
            )
            sources = SqliteSources(writer.connection, PROJECTIONS)
            ids = [*dict.fromkeys(event.id for event in pool), NOBODY]
            pubkeys = [keypair(key).pubkey for key in range(1, 6)]
            asked = [("event", (one,)) for one in ids] + [("standing", (one,)) for one in ids]
            asked += [("owner", (one,)) for one in pubkeys]
            asked += [("newest", (kind, one, about)) for kind in (7, 1010) for one in pubkeys for about in ids]
            asked += [("newest", (11, one)) for one in pubkeys]
            for method, arguments in asked:
                assert getattr(sources, method)(*arguments) is None
            assert sources.missed
            sources.fetch()
            sources.missed = False
            for method, arguments in asked:
                assert told(getattr(sources, method)(*arguments)) == told(getattr(plain, method)(*arguments))
            assert not sources.missed
            lives = [live.event for live in plain.lives if live.audience is None]
            for kind, tag in ((1111, "E"), (1111, "e")):
                found = {
                    event.id for event in lives if event.kind == kind and not set(values(event, tag)).isdisjoint(ids)
                }
                assert set(sources.keys(Tagged(kind, tag), ids)) == found
            said = {
                (feed.subject(event) or "") + event.pubkey for event in lives if event.kind == 7 and feed.subject(event)
            }
            assert set(sources.keys(About(7), ids)) == said
        finally:
            writer.close()


def obvious(directory: Path, numbers: list[tuple[str, int]]) -> FakeSources:
    """The same, from what the tables hold."""
    there = world(directory)
    plain = FakeSources()
    plain.lives = [
        Live(one.seq, one.event, one.received_at, one.expires_at, *((None, None) if one.public else KEPT))
        for one in there.live
    ]
    plain.owners = [
        Owner(
            one, number, one not in there.uncounted, tuple(key for key, owner in there.owners.items() if owner == one)
        )
        for one, number in numbers
    ]
    rows = tables(directory)
    for table in ("posts", "comments"):
        for row in rows[table]:
            plain.stands(table, next(live.event for live in plain.lives if live.event.id == row["id"]))
    return plain


def told(found: object) -> object:
    """An answer; of an owner the keys are in no order."""
    return (found.id, found.number, found.local, set(found.keys)) if isinstance(found, Owner) else found
