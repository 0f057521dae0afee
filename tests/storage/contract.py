"""What every backend of the log must do. A backend's test module subclasses `Contract` and gives it a `log`."""

import itertools

import msgspec
import pytest

from relay.errors import Changed
from relay.protocol import event as events
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.filter import Filter, matches
from storage.base import PUBLIC, Expected, Limits, LogWriter, Outcome, Reader, Status
from storage.commands import RemoveMatching, Sweep
from storage.identities.commands import Register
from storage.identities.types import Lookups, NewIdentity
from tests.factories import keypair, make_event
from tests.storage.histories import NOW, incoming

ALICE, BOB, CAROL = (keypair(n).pubkey for n in range(3))
ANYTHING = Filter()


class Log(msgspec.Struct):
    """A writer and a reader of one log."""

    writer: LogWriter
    reader: Reader

    def write(self, *batch: Event) -> list[Outcome]:
        return self.writer.write(incoming(batch), NOW)

    async def contents(self, *filters: Filter, readers: frozenset[str] = PUBLIC, now: int = NOW) -> list[str]:
        return [one.content for one in await self.ask(*filters, readers=readers, now=now)]

    async def ask(
        self,
        *filters: Filter,
        readers: frozenset[str] = PUBLIC,
        now: int = NOW,
        upto: int | None = None,
        limits: Limits = Limits(),  # noqa: B008
    ) -> list[Event]:
        found = await self.reader.query(filters or [ANYTHING], readers, now, upto, limits)
        assert self.reader.try_query(filters or [ANYTHING], readers, now, upto, limits) in (found, None)
        return [events.parse(wire) for wire in found.wires + await self.reader.fetch(found.rest, now, None)]


def notes(*contents: str, created_at: int = 1000) -> list[Event]:
    """Notes, each a second after the one before."""
    return [make_event(1, content=text, created_at=created_at + at) for at, text in enumerate(contents)]


def of(**fields: object) -> Filter:
    """A filter with its lists as sets."""
    sets = {name: frozenset(value) if isinstance(value, list) else value for name, value in fields.items()}
    tags = {name: sets.pop(name) for name in list(sets) if len(name) == 1}
    return Filter(**sets, tags=tags)  # type: ignore[arg-type]


def ids(*some: Event) -> list[str]:
    return [event.id for event in some]


class Contract:
    """The tests; `log` is the backend's fixture."""

    async def test_gives_back_the_bytes_of_the_event(self, log: Log) -> None:
        event = make_event(1, content='"é\n', tags=[["t", "x"]])
        log.write(event)
        assert (await log.reader.query([ANYTHING], PUBLIC, NOW)).wires == [events.wire(event)]

    async def test_numbers_events_as_they_come(self, log: Log) -> None:
        assert [one.seq for one in log.write(*notes("a", "b", "c"))] == [1, 2, 3]
        assert log.writer.last_seq() == 3

    async def test_takes_an_event_once(self, log: Log) -> None:
        event = make_event(1)
        statuses = [one.status for one in log.write(event, event) + log.write(event)]
        assert statuses == [Status.STORED, Status.DUPLICATE, Status.DUPLICATE]
        assert log.writer.last_seq() == 1

    async def test_stores_an_event_only_where_what_is_expected_of_the_newest_holds(self, log: Log) -> None:
        newest = make_event(0, content="newest", created_at=1009)
        log.write(newest, make_event(1, content="came later", created_at=1005))
        mine = of(kinds=[1], authors=[ALICE, BOB])

        def write(content: str, expected: str | None, wanted: Filter = mine) -> Outcome:
            one = incoming([make_event(1, content=content, created_at=2000)])[0]
            asked = msgspec.structs.replace(one, expected=Expected(wanted, expected))
            return log.writer.write([asked], NOW)[0]

        for wrong in (None, "0" * 64):
            outcome = write("refused", wrong)
            assert outcome.status is Status.REFUSED
            assert isinstance(outcome.refusal, Changed)
        assert write("nothing of kind 7", None, of(kinds=[7])).status is Status.STORED
        assert write("too late", newest.id).status is Status.REFUSED
        assert await log.contents() == ["nothing of kind 7", "newest", "came later"]

    async def test_an_expectation_sees_what_the_batch_has_changed_so_far(self, log: Log) -> None:
        first, second, third = notes("first", "second", "third")
        batch = [
            msgspec.structs.replace(one, expected=Expected(of(kinds=[1]), wanted))
            for one, wanted in zip(incoming([first, second, third]), [None, first.id, first.id], strict=True)
        ]
        statuses = [one.status for one in log.writer.write(batch, NOW)]
        assert statuses == [Status.STORED, Status.STORED, Status.REFUSED]

    async def test_gives_the_newest_first_and_the_lowest_id_of_a_second(self, log: Log) -> None:
        same = [make_event(n, content=f"{n}", created_at=1000) for n in range(5)]
        later = make_event(1, content="later", created_at=1001)
        log.write(*same, later)
        assert ids(*await log.ask()) == ids(later) + sorted(ids(*same))

    async def test_cuts_within_a_second_by_id(self, log: Log) -> None:
        same = [make_event(n, content=f"{n}", created_at=1000) for n in range(9)]
        log.write(*same)
        assert ids(*await log.ask(Filter(limit=4))) == sorted(ids(*same))[:4]

    async def test_knows_whether_there_is_more(self, log: Log) -> None:
        log.write(*notes("a", "b", "c"))
        complete = [(await log.reader.query([Filter(limit=n)], PUBLIC, NOW)).complete for n in range(5)]
        assert complete == [False, False, False, True, True]

    async def test_a_limit_of_nought_gives_nothing(self, log: Log) -> None:
        log.write(*notes("a"))
        assert await log.ask(Filter(limit=0)) == []

    async def test_finishes_the_second_that_the_relays_limit_falls_in(self, log: Log) -> None:
        log.write(*(make_event(n, content=f"{n}", created_at=1000 + n // 3) for n in range(9)))
        assert len(await log.ask(limits=Limits(default=4, maximum=10))) == 6
        assert len(await log.ask(Filter(limit=4), limits=Limits(default=4, maximum=10))) == 4
        assert len(await log.ask(Filter(limit=50), limits=Limits(default=1, maximum=4))) == 6

    async def test_does_not_finish_a_second_of_more_than_twice_the_limit(self, log: Log) -> None:
        same = [make_event(n, content=f"{n}", created_at=1000) for n in range(9)]
        log.write(*same)
        assert ids(*await log.ask(limits=Limits(default=4, maximum=4))) == sorted(ids(*same))[:4]

    async def test_says_where_the_relays_own_limit_cut(self, log: Log) -> None:
        log.write(*(make_event(n, content=f"{n}", created_at=1000 + n) for n in range(5)))
        cases = {None: True, 0: False, 2: False, 4: False, 9: True}
        for limit, cut in cases.items():
            found = await log.reader.query([Filter(limit=limit)], PUBLIC, NOW, None, Limits(default=3, maximum=4))
            assert (found.cut, found.complete) == (cut, False), limit
            both = [Filter(kinds=frozenset()), Filter(limit=limit)]
            assert (await log.reader.query(both, PUBLIC, NOW, None, Limits(default=3, maximum=4))).cut == cut
        whole = await log.reader.query([Filter(), Filter(limit=9)], PUBLIC, NOW, None, Limits(default=5, maximum=6))
        assert (whole.cut, whole.complete) == (False, True)

    @pytest.mark.parametrize("by", [Filter(), Filter(kinds=frozenset([1])), "ids"])
    async def test_a_page_within_the_second_of_its_until_has_all_of_it_and_one_more(
        self, log: Log, by: Filter | str
    ) -> None:
        events = [make_event(n, content=f"{n}", created_at=1000 + (n > 0)) for n in range(31)]
        log.write(*events)
        base = Filter(ids=frozenset(ids(*events))) if isinstance(by, str) else by

        async def found(until: int | None, limit: int | None, most: int, default: int = 10) -> int:
            wanted = msgspec.structs.replace(base, until=until, limit=limit)
            return len(await log.ask(wanted, limits=Limits(default=default, maximum=most)))

        assert await found(1001, 10, 500) == 31
        assert await found(1001, 30, 500) == 31
        assert await found(1001, None, 500) == 31
        assert await found(1001, 10, 25) == 25  # no more than the relay gives
        assert await found(1001, 9, 500) == 9  # a few, which is no page
        assert await found(1002, 10, 500) == 10
        assert await found(None, 10, 500) == 10

    async def test_goes_on_after_an_event_also_within_a_second_and_where_it_is_gone(self, log: Log) -> None:
        some = [
            make_event(n % 3, content=f"{n}", created_at=1000 + n // 7, tags=[["t", f"{n % 2}"]]) for n in range(21)
        ]
        some.append(make_event(1, kind=7, content="like", created_at=1001))
        log.write(*some)
        for wanted in (ANYTHING, of(kinds=[1]), of(authors=[BOB]), of(t=["1"], kinds=[1, 7]), of(ids=ids(*some[3:12]))):
            everything = await log.ask(wanted)
            for size in (1, 4):
                limited = msgspec.structs.replace(wanted, limit=size)
                listed: list[Event] = []
                after = None
                while page := (await log.reader.query([limited], PUBLIC, NOW, after=after)).wires:
                    listed += [events.parse(wire) for wire in page]
                    after = (listed[-1].created_at, listed[-1].id)
                assert listed == everything
        gone = [(1001, "0" * 64), (1001, "f" * 64), (2000, "f" * 64), (0, "0" * 64)]
        assert [len((await log.reader.query([ANYTHING], PUBLIC, NOW, after=place)).wires) for place in gone] == [
            15,
            7,
            22,
            0,
        ]

    async def test_each_filter_has_its_own_limit_and_an_event_comes_once(self, log: Log) -> None:
        log.write(*notes("a", "b", "c"), make_event(2, kind=7, content="like", created_at=1005))
        assert await log.contents(of(kinds=[1], limit=2), of(kinds=[7], limit=1)) == ["like", "c", "b"]
        assert await log.contents(of(kinds=[1], limit=2), of(authors=[BOB], limit=3)) == ["c", "b", "a"]

    @pytest.mark.parametrize(
        ("wanted", "contents"),
        [
            (of(kinds=[1]), ["c", "a"]),
            (of(kinds=[7, 9]), ["b"]),
            (of(authors=[ALICE]), ["a"]),
            (of(authors=[ALICE, BOB], kinds=[7]), ["b"]),
            (of(t=["x"]), ["c", "a"]),
            (of(t=["y", "z"]), ["c"]),
            (of(t=["x"], p=[BOB]), ["a"]),
            (of(t=["x"], authors=[CAROL]), ["c"]),
            (of(t=["x"], authors=[BOB]), []),
            (of(T=["x"]), []),
            (of(since=1001), ["c", "b"]),
            (of(until=1001), ["b", "a"]),
            (of(since=1001, until=1001), ["b"]),
            (of(since=1002, until=1001), []),
            (of(kinds=[]), []),
            (of(t=[]), []),
            (of(until=2**62), ["c", "b", "a"]),
            (of(since=-5), ["c", "b", "a"]),
        ],
    )
    async def test_finds_what_a_filter_says(self, log: Log, wanted: Filter, contents: list[str]) -> None:
        log.write(
            make_event(0, content="a", created_at=1000, tags=[["t", "x"], ["p", BOB]]),
            make_event(1, kind=7, content="b", created_at=1001, tags=[["p", BOB]]),
            make_event(2, content="c", created_at=1002, tags=[["t", "x"], ["t", "y"], ["t", "x"]]),
        )
        assert await log.contents(wanted) == contents
        assert (await log.reader.count([wanted], PUBLIC, NOW)).total == len(contents)

    async def test_finds_ids_together_with_other_conditions(self, log: Log) -> None:
        a, b = make_event(0, tags=[["t", "x"]]), make_event(1, tags=[["t", "y"]])
        log.write(a, b)
        assert ids(*await log.ask(of(ids=[a.id, b.id, "0" * 64], t=["x"]))) == [a.id]
        assert ids(*await log.ask(of(ids=[a.id, b.id], authors=[BOB]))) == [b.id]
        assert ids(*await log.ask(of(ids=[a.id, b.id], kinds=[2]))) == []

    @pytest.mark.parametrize("value", ["", "x" * 200, "x" * 201, "é" * 101, "A" * 64, "a" * 64, "a" * 63, "\n,;"])
    async def test_tells_apart_tag_values_of_any_length_and_case(self, log: Log, value: str) -> None:
        log.write(
            make_event(0, content="it", tags=[["r", value]]), make_event(0, content="other", tags=[["r", value + "x"]])
        )
        assert await log.contents(of(r=[value])) == ["it"]

    async def test_each_field_of_a_filter_counts_beside_others(self, log: Log) -> None:
        event = make_event(1, 7, "it", [["e", "1" * 64], ["t", "x"]], 1000)
        written = [make_event(2), event, make_event(1, 7, created_at=999)]
        log.write(*written)
        fields: dict[str, tuple[object, object]] = {  # what matches it, and what does not
            "ids": ([event.id], ["2" * 64]),
            "authors": ([event.pubkey], [ALICE]),
            "kinds": ([7, 9], [9]),
            "e": (["1" * 64], ["2" * 64]),
            "t": (["x", "y"], ["y"]),
            "since": (1000, 1001),
            "until": (1000, 999),
        }
        for chosen in itertools.chain(*(itertools.combinations(fields, size) for size in range(4))):
            for wrong in ("", *chosen):
                wanted = of(**{name: fields[name][name == wrong] for name in chosen})
                expected = {one.id for one in written if matches(wanted, one)}
                assert (event.id in expected) is not bool(wrong)
                assert {*ids(*await log.ask(wanted))} == expected
                assert (await log.reader.count([wanted], PUBLIC, NOW)).total == len(expected)

    async def test_reads_up_to_a_number(self, log: Log) -> None:
        log.write(*notes("a", "b", "c"))
        assert [one.content for one in await log.ask(upto=2)] == ["b", "a"]

    async def test_private_events_reach_their_readers_only(self, log: Log) -> None:
        log.write(
            make_event(0, kind=4, content="dm", tags=[["p", BOB]]), make_event(2, kind=1, content="note", created_at=1)
        )
        wanted = (of(kinds=[4, 1]), of(p=[BOB]), of(authors=[ALICE]), ANYTHING)
        for one in wanted:
            assert "dm" not in await log.contents(one)
            assert "dm" not in await log.contents(one, readers=frozenset([CAROL]))
            for reader in (frozenset([ALICE]), frozenset([BOB, CAROL]), frozenset([ALICE, BOB])):
                assert (await log.contents(one, readers=reader)).count("dm") == 1
        fetched = [len(await log.reader.fetch([1, 2], NOW, frozenset(who))) for who in ([], [CAROL], [ALICE], [BOB])]
        assert fetched == [1, 1, 2, 2]
        counted = [await log.reader.count([ANYTHING], frozenset(who), NOW) for who in ([], [CAROL], [ALICE, BOB])]
        assert [one.total for one in counted] == [1, 1, 2]

    async def test_one_event_by_id_is_given_to_its_readers(self, log: Log) -> None:
        private = make_event(0, kind=4, tags=[["p", BOB]])
        log.write(private)
        assert await log.reader.get(private.id, PUBLIC, NOW) is None
        record = await log.reader.get(private.id, frozenset([BOB]), NOW)
        assert record is not None
        assert (record.seq, record.wire, record.door, record.received_at) == (1, events.wire(private), Door.CLIENT, NOW)
        assert await log.reader.get("0" * 64, PUBLIC, NOW) is None

    async def test_never_gives_what_has_expired_but_was_not_swept(self, log: Log) -> None:
        event = make_event(0, content="brief", tags=[["expiration", str(NOW + 10)]])
        log.write(event, *notes("lasting"))
        wanted = (ANYTHING, of(kinds=[1]), of(authors=[ALICE]), of(ids=[event.id]))
        for one in wanted:
            assert "brief" in await log.contents(one, now=NOW + 9)
            assert "brief" not in await log.contents(one, now=NOW + 10)
        assert (await log.reader.count([ANYTHING], PUBLIC, NOW + 10)).total == 1
        assert await log.reader.get(event.id, PUBLIC, NOW + 10) is None
        assert await log.reader.fetch([1, 2], NOW + 10, None) == [events.wire(notes("lasting")[0])]

    async def test_takes_for_no_duplicate_what_has_expired_but_was_not_swept(self, log: Log) -> None:
        brief = incoming([make_event(0, tags=[["expiration", str(NOW + 10)]])])
        assert [log.writer.write(brief, now)[0].status for now in (NOW, NOW + 9)] == [Status.STORED, Status.DUPLICATE]
        (again,) = log.writer.write(brief, NOW + 10)
        assert str(again.refusal) == f"invalid: the event expired at {NOW + 10} (NIP-40)"

    async def test_sweeps_what_has_expired_a_few_at_a_time(self, log: Log) -> None:
        log.write(*(make_event(0, content=f"{n}", tags=[["expiration", str(NOW + n)]]) for n in range(1, 5)))
        assert [log.writer.execute(Sweep(2), NOW + 3) for _ in range(3)] == [2, 1, 0]
        assert [record.seq async for record in log.reader.scan(None)] == [4]

    async def test_an_older_version_does_not_return_when_the_newer_expires(self, log: Log) -> None:
        old = make_event(0, kind=30023, tags=[["d", "x"]], created_at=1)
        new = make_event(0, kind=30023, tags=[["d", "x"], ["expiration", str(NOW + 1)]], created_at=2)
        log.write(new)
        log.writer.execute(Sweep(10), NOW + 1)
        assert log.write(old)[0].status is Status.REFUSED

    @pytest.mark.parametrize("kind", [0, 3, 10002, 30023])
    async def test_keeps_the_newest_version_whatever_the_order(self, log: Log, kind: int) -> None:
        versions = [make_event(0, kind=kind, content=f"{n}", created_at=1000 + n, tags=[["d", "x"]]) for n in range(3)]
        log.write(versions[1], versions[2], versions[0])
        log.write(versions[1])
        assert ids(*await log.ask()) == [versions[2].id]

    async def test_a_deleted_event_stays_away_in_either_order(self, log: Log) -> None:
        first, second = make_event(0, content="1"), make_event(0, content="2")
        deletion = make_event(0, kind=5, tags=[["e", first.id], ["e", second.id]])
        log.write(first, deletion, second)
        assert ids(*await log.ask()) == [deletion.id]
        assert log.write(first, second)[0].status is Status.REFUSED

    @pytest.mark.parametrize(
        "refused",
        [
            make_event(0, kind=0, created_at=1),
            make_event(0, tags=[["expiration", str(NOW - 1)]]),
            make_event(0, tags=[["expiration", "soon"]]),
        ],
    )
    async def test_a_refusal_keeps_nothing_of_where_it_was_raised(self, log: Log, refused: Event) -> None:
        log.write(make_event(0, kind=0, created_at=2))
        refusal = log.write(refused)[0].refusal
        assert refusal is not None
        assert refusal.__traceback__ is None
        assert refusal.__context__ is None

    async def test_a_deletion_by_somebody_else_changes_nothing(self, log: Log) -> None:
        mine, theirs = make_event(0, content="1"), make_event(1, content="2")
        deletion = make_event(0, kind=5, tags=[["e", theirs.id], ["a", f"0:{BOB}:"]], created_at=1)
        log.write(theirs, deletion, mine)
        assert theirs.id in ids(*await log.ask())

    async def test_an_address_is_deleted_up_to_the_request(self, log: Log) -> None:
        versions = [make_event(0, kind=30023, content=f"{n}", created_at=1000 + n, tags=[["d", "x"]]) for n in range(3)]
        deletion = make_event(0, kind=5, created_at=1001, tags=[["a", f"30023:{ALICE}:x"]])
        log.write(versions[1], deletion, versions[0])
        assert await log.contents(of(kinds=[30023])) == []
        log.write(versions[2])
        assert await log.contents(of(kinds=[30023])) == ["2"]

    async def test_a_vanished_author_takes_everything_along_and_may_begin_again(self, log: Log) -> None:
        log.write(
            make_event(0, created_at=1000),
            make_event(0, kind=5, created_at=1000),
            make_event(0, kind=4, created_at=1000, tags=[["p", BOB]]),
            make_event(1, kind=1059, created_at=2000, tags=[["p", ALICE]]),
            make_event(1, content="stays", created_at=1000),
        )
        wrap = make_event(1, kind=1059, created_at=2000, tags=[["p", ALICE]])
        request = make_event(0, kind=62, created_at=1001, tags=[["relay", "ALL_RELAYS"]])
        log.write(request)
        everyone = frozenset([ALICE, BOB, CAROL])
        assert {one.content for one in await log.ask(of(authors=[BOB]), readers=everyone)} == {"stays"}
        assert ids(*await log.ask(of(authors=[ALICE]), readers=everyone)) == [request.id]
        again = log.write(wrap, make_event(0, created_at=1001), make_event(0, content="new", created_at=1002))
        assert [one.status for one in again] == [Status.REFUSED, Status.REFUSED, Status.STORED]

    async def test_ephemeral_events_are_accepted_and_not_kept(self, log: Log) -> None:
        assert log.write(make_event(0, kind=20001))[0].status is Status.EPHEMERAL
        assert await log.ask() == []
        assert log.writer.last_seq() == 0

    async def test_an_ephemeral_event_is_passed_on_once_a_minute(self, log: Log) -> None:
        """Relays that are each other's peers sent one back and forth; who listens a minute later can be told again."""
        event, other = make_event(0, kind=20001), make_event(1, kind=20001)
        told = []
        for batch, later in (([event, event], 0), ([other, event], 59), ([event, event], 60), ([other], 61)):
            told += [one.status for one in log.writer.write(incoming(batch), NOW + later)]
        sent, again = Status.EPHEMERAL, Status.DUPLICATE
        assert told == [sent, again, sent, again, sent, again, again]

    async def test_the_operator_removes_private_events_too_and_they_stay_away(self, log: Log) -> None:
        events_ = [make_event(0, kind=4, tags=[["p", BOB]]), *notes("a", "b")]
        log.write(*events_)
        assert log.writer.execute(RemoveMatching(of(kinds=[4]), 10), NOW) == 1
        assert log.writer.execute(RemoveMatching(ANYTHING, 1), NOW) == 1
        assert log.writer.execute(RemoveMatching(ANYTHING, 10), NOW) == 1
        assert [one.status for one in log.write(*events_)] == [Status.REFUSED] * 3

    async def test_counts_distinct_events_whatever_the_limits(self, log: Log) -> None:
        log.write(*notes("a", "b"), make_event(1, kind=7, tags=[["t", "x"], ["t", "y"]]))
        counted = [
            await log.reader.count(filters, PUBLIC, NOW)
            for filters in (
                [of(kinds=[1], limit=1)],
                [of(t=["x", "y"])],
                [of(kinds=[1]), of(authors=[BOB]), of(t=["x"])],
            )
        ]
        assert [one.total for one in counted] == [2, 1, 3]

    @pytest.mark.parametrize(("most", "total"), [(1, 1), (3, 3), (4, 4), (5, 4)])
    async def test_counts_no_more_than_is_asked_for(self, log: Log, most: int, total: int) -> None:
        log.write(*(make_event(1, content=f"{n}", tags=[["t", "a"], ["t", "b"]]) for n in range(4)))
        for wanted in ([of(kinds=[1])], [of(t=["a", "b"])], [of(kinds=[1]), of(t=["a"])]):
            assert (await log.reader.count(wanted, PUBLIC, NOW, most=most)).total == total

    async def test_gives_registers_of_the_authors_counted(self, log: Log) -> None:
        log.write(*(make_event(n, content=f"{n}") for n in range(3)), make_event(0, content="again"))
        counted = await log.reader.count([of(kinds=[1])], PUBLIC, NOW, 10)
        assert counted.total == 4
        assert counted.hll is not None
        filled = {int(pubkey[20:22], 16) for pubkey in (ALICE, BOB, CAROL)}
        assert {at for at in range(256) if counted.hll[2 * at : 2 * at + 2] != "00"} == filled

    async def test_scans_everything_in_the_order_it_came(self, log: Log) -> None:
        log.write(make_event(0, kind=4, tags=[["p", BOB]], created_at=9), *notes("a", "b"))
        assert [record.seq async for record in log.reader.scan(None)] == [1, 2, 3]
        assert [record.seq async for record in log.reader.scan(of(kinds=[1]), after=2)] == [3]

    async def test_fetches_in_the_order_asked_and_passes_over_what_is_gone(self, log: Log) -> None:
        some = notes("a", "b", "c")
        log.write(*some)
        log.writer.execute(RemoveMatching(of(ids=[some[1].id]), 1), NOW)
        assert await log.reader.fetch([3, 2, 99, 1], NOW, None) == [events.wire(some[2]), events.wire(some[0])]

    async def test_fetches_for_readers_only_what_they_may_read(self, log: Log) -> None:
        some = [*notes("a"), make_event(0, kind=4, tags=[["p", BOB]], created_at=9), *notes("b")]
        log.write(*some)
        whole = [events.wire(one) for one in some]
        assert await log.reader.fetch([3, 2, 99, 1], NOW, PUBLIC) == [whole[2], whole[0]]
        assert await log.reader.fetch([3, 2, 1], NOW, frozenset([CAROL])) == [whole[2], whole[0]]
        assert await log.reader.fetch([3, 2, 1], NOW, frozenset([BOB])) == [whole[2], whole[1], whole[0]]
        assert await log.reader.fetch([2], NOW, PUBLIC) == await log.reader.fetch([], NOW, PUBLIC) == []

    async def test_looks_things_up_on_the_spot(self, log: Log) -> None:
        row, code = "1" * 32, "2" * 64
        new = NewIdentity(row, "sandpiper", None, row, code, ALICE, b"x", code, NOW + 9)
        log.writer.execute(Register(new), NOW)

        def named(tables: Lookups) -> str:
            found = tables.identity_named("sandpiper")
            return "" if found is None else found.id

        assert await log.reader.ask(named) == log.reader.try_ask(named) == log.reader.ask_here(named) == row

    async def test_nothing_goes_in_and_nothing_comes_out(self, log: Log) -> None:
        assert log.write() == []
        assert await log.reader.fetch([], NOW, None) == []
        assert (await log.reader.query([of(ids=[])], PUBLIC, NOW)).complete
