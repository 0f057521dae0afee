"""Reading lines with bounds, checking them in parallel, counting what is refused; with a hand that writes nowhere."""

import asyncio
import gzip
import io
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from relay.commands import transfer
from relay.commands.operating import Direct
from relay.commands.transfer import EventFile, Importer, Lines, Mark, Marks, RefusedLine, Tally, checked
from relay.config import Config
from relay.errors import Prefix, Reject
from relay.protocol import event as events
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.server.settings import Settings
from storage.access import OperatorRules
from storage.base import Outcome, Status
from tests.factories import NOW, make_event
from tests.server.fakes import PATIENCE

EVENTS = [make_event(number % 5, content=f"event {number}", created_at=1000 + number) for number in range(300)]
WIRES = [events.wire(event) for event in EVENTS]


def packed(text: bytes, name: str) -> bytes:
    """The text as a file of this name holds it."""
    if name.endswith(".gz"):
        return gzip.compress(text)
    return zstandard.ZstdCompressor().compress(text) if name.endswith(".zst") else text


def read(text: bytes, name: str = "events.jsonl", offset: int = 0, number: int = 0) -> list[Lines]:
    """All groups of lines in a file with this text."""
    return list(EventFile(io.BytesIO(packed(text, name)), name).lines(offset, number))


def flat(groups: Sequence[Lines]) -> list[bytes | None]:
    """The lines of all groups."""
    return [line for group in groups for line in group.lines]


class Hand:
    """Stores everything but what it is told to refuse."""

    def __init__(self, refusals: dict[str, Reject] | None = None) -> None:
        self.batches: list[list[Event]] = []
        self.refusals = refusals or {}
        self.ids: set[str] = set()

    def submit(self, batch: Sequence[Event]) -> list[Outcome]:
        self.batches.append(list(batch))
        return [self._outcome(event) for event in batch]

    def _outcome(self, event: Event) -> Outcome:
        if event.id in self.refusals:
            return Outcome(Status.REFUSED, refusal=self.refusals[event.id])
        if event.id in self.ids:
            return Outcome(Status.DUPLICATE)
        self.ids.add(event.id)
        return Outcome(Status.EPHEMERAL if event.kind == 20001 else Status.STORED, len(self.ids))

    def remove(self, wanted: Filter, limit: int) -> int:
        raise NotImplementedError

    def compact(self) -> None:
        raise NotImplementedError

    def rebuild(self) -> int:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def import_text(text: bytes, hand: Hand) -> tuple[Tally, list[RefusedLine]]:
    """Import a file with this text."""
    tally, refused = Tally(), list[RefusedLine]()
    importer = Importer(hand, tally, refused.append)
    importer.run("events.jsonl", checked(read(text), 2), lambda last: None)
    return tally, refused


@given(
    st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=200),
    st.sampled_from(["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"]),
    st.booleans(),
)
def test_gives_every_line_once_with_its_number_and_offset(lines: list[bytes], name: str, is_cut: bool) -> None:
    text = b"".join(line + b"\n" for line in lines)
    text = text[:-1] if is_cut and text else text
    groups = read(text, name)
    assert b"".join(line or b"" for line in flat(groups)) == text
    first = 1
    for group in groups:
        assert group.first == first
        first += len(group.lines)
    for group in groups:
        rest = read(text, name, group.end, group.first + len(group.lines) - 1)
        assert flat(rest) == flat(groups)[group.first + len(group.lines) - 1 :]


def test_a_line_that_is_too_long_is_passed_over_and_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MAX_LINE", 10)
    exact, long = b"0123456789\n", b"x" * 1000 + b"\n"
    text = exact + long + b"ok\n" + b"y" * 11
    groups = read(text)
    assert flat(groups) == [exact, None, b"ok\n", None]
    assert groups[-1].end == len(text)


def test_a_group_is_bounded_in_lines_and_bytes() -> None:
    short = read(b"x\n" * 1000)
    assert max(len(group.lines) for group in short) == transfer.JOB_LINES
    long = read((b"x" * 100_000 + b"\n") * 20)
    assert all(group.size < transfer.JOB_BYTES + 100_001 for group in long)
    assert len(long) > 5


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_the_lines_before_a_cut_in_a_compressed_file_are_given_and_the_cut_is_told(name: str) -> None:
    text = b"\n".join(WIRES * 10) + b"\n"
    whole = packed(text, name)
    source = EventFile(io.BytesIO(whole[:-20]), name)
    found = flat(list(source.lines(0, 0)))
    assert source.damage is not None
    assert 0 < len(found) < 10 * len(WIRES)
    assert b"".join(line or b"" for line in found) == text[: sum(len(line or b"") for line in found)]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
@pytest.mark.parametrize(
    "content", [b"this is no compressed file\n", b"\x1f\x8b\x08\x00garbage", b"\x28\xb5\x2f\xfdgarbage"]
)
def test_a_file_that_is_not_compressed_as_its_name_says_is_told(name: str, content: bytes) -> None:
    source = EventFile(io.BytesIO(content), name)
    assert flat(list(source.lines(0, 0))) == []
    assert source.damage is not None


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_compressed_files_may_be_joined(name: str) -> None:
    content = packed(b"one\n", name) + packed(b"two\n", name)
    source = EventFile(io.BytesIO(content), name)
    assert flat(list(source.lines(0, 0))) == [b"one\n", b"two\n"]
    assert source.damage is None


def test_a_small_file_that_unpacks_to_a_very_long_line_is_not_held() -> None:
    bomb = zstandard.ZstdCompressor().compress(b"x" * 50_000_000 + b"\nok\n")
    assert len(bomb) < 10_000
    groups = list(EventFile(io.BytesIO(bomb), "bomb.zst").lines(0, 0))
    assert flat(groups) == [None, b"ok\n"]


def test_verdicts_come_in_the_order_of_the_lines() -> None:
    groups = read(b"\n".join(WIRES))
    found = [verdict for _, verdicts in checked(groups, 4) for verdict in verdicts]
    assert found == EVENTS


def test_only_a_few_groups_are_read_ahead() -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield Lines(taken, [WIRES[0]], taken, 1)

    results = checked(endless(), 2)  # type: ignore[arg-type]
    next(results)
    results.close()
    assert taken <= 6


def test_stored_duplicate_and_ephemeral_events_are_told_apart() -> None:
    passing = make_event(1, kind=20001)
    text = b"\n".join([WIRES[0], WIRES[1], WIRES[0], events.wire(passing), b"", b"  "]) + b"\n"
    tally, refused = import_text(text, Hand())
    assert (tally.lines, tally.stored, tally.duplicates, tally.ephemeral, tally.refused) == (6, 2, 1, 1, 0)
    assert refused == []


def bad_lines() -> dict[str, bytes]:
    """One line of every kind of wrong, by a word of the reason given for it."""
    good = EVENTS[7]
    fields = json.loads(events.wire(good))
    other = make_event(2, content="other")
    return {
        "malformed": b'{"id":',
        "truncated": events.wire(good)[:100],
        "it must be an object, not a list": b"[1,2]",
        "it must be an object, not null": b"null",
        "the field id is missing": b"{}",
        "kind must be a whole number, not a text": json.dumps(fields | {"kind": "1"}).encode(),
        "`kind`": json.dumps(fields | {"kind": 70000}).encode(),
        "`tags": json.dumps(fields | {"tags": [[]]}).encode(),
        "matching regex": json.dumps(fields | {"sig": "A" * 128}).encode(),
        "UTF-8": events.wire(good).replace(b"event 7", b"\xff\xfe"),
        "nested too deeply": b'{"x":' + b"[" * 100_000,
        "id is not the hash": json.dumps(fields | {"content": "changed"}).encode(),
        "not this key's signature": json.dumps(fields | {"sig": other.sig}).encode(),
        "longer than": b"x" * (transfer.MAX_LINE + 1),
        "trailing": events.wire(good) + b"garbage",
        "binary": b"\x00\x01\x02",
    }


def test_no_kind_of_bad_line_stops_an_import() -> None:
    wrong = list(bad_lines().values())
    hand = Hand({EVENTS[2].id: Reject(Prefix.BLOCKED, "deleted")})
    lines = [WIRES[0]]
    for number, line in enumerate(wrong):
        lines += [line, WIRES[100 + number]]
    lines.append(WIRES[2])
    tally, refused = import_text(b"\n".join(lines), hand)
    assert tally.stored == 1 + len(wrong)
    assert tally.refused == len(wrong) + 1
    assert len(refused) == tally.refused
    assert {one.line for one in refused} == {*range(2, 2 * len(wrong) + 1, 2), len(lines)}
    assert all(one.reason.startswith(("invalid: ", "blocked: ")) for one in refused)
    assert sum(tally.reasons.values()) == tally.refused


@pytest.mark.parametrize(
    "words",
    [
        "the field id is missing",
        "UTF-8",
        "nested too deeply",
        "id is not the hash",
        "not this key's signature",
        "longer than",
    ],
)
def test_the_reason_names_what_is_wrong(words: str) -> None:
    _, (refused,) = import_text(bad_lines()[words], Hand())
    assert words in refused.reason
    assert len(refused.text) <= 200


def test_a_refusal_by_the_relay_keeps_its_words_and_the_events_id() -> None:
    hand = Hand({EVENTS[2].id: Reject(Prefix.BLOCKED, "this event was removed by the operator")})
    _, (refused,) = import_text(b"\n".join(WIRES[:5]), hand)
    assert (refused.line, refused.id, refused.reason) == (
        3,
        EVENTS[2].id,
        "blocked: this event was removed by the operator",
    )


def test_reasons_and_examples_are_bounded() -> None:
    tally = Tally()
    for number in range(1000):
        for line in range(10):
            tally.refuse(RefusedLine("f", line, f"invalid: reason {number}", None, ""))
    assert tally.refused == sum(tally.reasons.values()) == 10_000
    assert len(tally.reasons) == transfer.MAX_REASONS + 1
    assert [len(examples) for examples in tally.examples.values()] == [transfer.EXAMPLES] * (transfer.MAX_REASONS + 1)


def test_refusals_that_differ_only_in_an_id_or_a_time_are_of_one_reason() -> None:
    tally = Tally()
    for event in EVENTS[:5]:
        reason = f"invalid: a newer version is here: {event.id} of {NOW + event.created_at}"
        tally.refuse(RefusedLine("f", 1, reason, event.id, ""))
    tally.refuse(RefusedLine("f", 1, "restricted: kind 13534 is published by the relay's own key only", None, ""))
    assert tally.reasons == {
        "invalid: a newer version is here: … of …": 5,
        "restricted: kind 13534 is published by the relay's own key only": 1,
    }


def test_batches_are_bounded_in_events_and_bytes() -> None:
    hand = Hand()
    import_text(b"\n".join(WIRES * 10), hand)
    assert sum(len(batch) for batch in hand.batches) == 3000
    assert max(len(batch) for batch in hand.batches) < transfer.BATCH_EVENTS + transfer.JOB_LINES
    large = [events.wire(make_event(1, content="x" * 500_000, created_at=number)) for number in range(12)]
    hand = Hand()
    import_text(b"\n".join(large), hand)
    assert len(hand.batches) >= 2


def test_the_last_lines_are_told_once_they_are_durable() -> None:
    hand = Hand()
    told: list[tuple[int, int]] = []
    text = b"\n".join(WIRES * 4) + b"\n"
    importer = Importer(hand, Tally(), lambda refused: None)
    importer.run("f", checked(read(text), 2), lambda last: told.append((last.end, len(hand.batches))))
    assert told[-1] == (len(text), len(hand.batches))
    assert [batches for _, batches in told[:-1]] == list(range(1, len(told)))


def test_a_mark_is_found_until_the_import_is_finished(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(WIRES))
    marks = Marks(tmp_path)
    assert marks.find(file) is None
    mark = Mark.of(file, 100, 2)
    marks.save(mark)
    assert marks.find(file) == mark
    marks.save(msgspec.structs.replace(mark, offset=200))
    assert marks.find(file) == Mark.of(file, 200, 2)
    marks.forget(mark)
    assert marks.find(file) is None


def test_a_mark_of_a_file_that_has_changed_since_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"one\n")
    marks = Marks(tmp_path)
    marks.save(Mark.of(file, 4, 1))
    file.write_bytes(b"another\n")
    assert marks.find(file) is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no disk that is always full")
def test_a_mark_that_a_full_disk_has_no_room_for_is_named(tmp_path: Path) -> None:
    marks, mark = Marks(tmp_path), Mark("events.jsonl", 4, 1, 4, 1)
    marks.save(mark)
    (kept,) = (tmp_path / "imports").iterdir()
    kept.with_suffix(".new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space") as caught:
        marks.save(mark)
    assert caught.value.filename == str(kept.with_suffix(".new"))


def test_a_damaged_mark_is_as_good_as_none(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"one\n")
    marks = Marks(tmp_path)
    marks.save(Mark.of(file, 4, 1))
    (kept,) = (tmp_path / "imports").iterdir()
    kept.write_bytes(b'{"path":')
    assert marks.find(file) is None


async def test_the_database_is_let_go_when_nothing_is_being_written() -> None:
    done: list[str] = []
    begun, goes_on = threading.Event(), threading.Event()

    def write(_batch: object, _now: int) -> list[Outcome]:
        begun.set()
        assert goes_on.wait(PATIENCE)
        done.append("written")
        return []

    writer = mock.Mock(write=write, close=lambda: done.append("closed"))
    writer.tables.operator_rules = OperatorRules
    target = Direct(writer, Settings(Config(), ""))
    writing = asyncio.create_task(asyncio.to_thread(target.submit, []))
    await asyncio.to_thread(begun.wait, PATIENCE)
    closing = asyncio.create_task(asyncio.to_thread(target.close))
    assert not (await asyncio.wait([closing], timeout=0.05))[0]
    goes_on.set()
    await asyncio.gather(writing, closing)
    assert done == ["written", "closed"]
