"""What waits for a write policy plugin: in which order it goes on, and what becomes of it when the plugin fails."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from relay.config import Access, Config
from relay.protocol.admission import Door
from relay.protocol.event import Event, wire
from relay.server.events.policies import Sender
from relay.server.events.write_policy import plugin_process, write_policy
from relay.server.events.write_policy.write_policy import DOWN, ENDING, FULL, Decision, WritePolicy
from relay.server.settings import Settings
from relay.server.supervision import Faults
from relay.write_policy_settings import WritePolicySettings
from storage.base import Incoming
from tests.factories import NOW, make_event
from tests.server.events.write_policy.plugins import AWAKE, BACKWARDS, JUDGE, MUTE, ONCE, keeping, saying
from tests.server.fakes import PATIENCE

NOTES = [make_event(content=str(number)) for number in range(200)]
BAD, HIDDEN = make_event(content="bad"), make_event(content="hidden")
DELETION, VANISHING = make_event(kind=5), make_event(kind=62)


class Desk:
    """A write policy with what it decided, in order: (who handed it in, the event, the decision)."""

    def __init__(self, plugin: str, capacity: int = 20_000, **given: object) -> None:
        self.settings = Settings(self._config(plugin, given), "wss://relay.example")
        self.faults = Faults()
        self.policy = WritePolicy(self.settings, self.faults, own=make_event(9).pubkey, capacity=capacity)
        self.decided: list[tuple[str, Event, Decision]] = []
        self._changed = asyncio.Event()
        self.policy.configure()

    @staticmethod
    def _config(plugin: str, given: dict[str, object]) -> Config:
        return Config(write_policy=msgspec.convert({"plugin": plugin, **given}, WritePolicySettings))

    def reload(self, plugin: str, **given: object) -> None:
        self.settings.read(self._config(plugin, given))
        self.policy.configure()

    def ask(self, event: Event, client: str = "") -> None:
        def settle(decision: Decision) -> None:
            self.decided.append((client, event, decision))
            self._changed.set()

        sender = Sender(Door.CLIENT, address="203.0.113.7")
        self.policy.ask(client, Incoming(event, wire(event), Door.CLIENT, NOW), sender, settle)

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not happened():
                self._changed.clear()
                await self._changed.wait()

    async def all(self, number: int) -> list[str]:
        """What was said of the first so many, in words."""
        await self.until(lambda: len(self.decided) >= number)
        return [said(decision) for _, _, decision in self.decided]

    async def said(self, event: Event, client: str = "") -> str:
        """What becomes of one more event."""
        number = len(self.decided) + 1
        self.ask(event, client)
        return (await self.all(number))[-1]


def said(decision: Decision) -> str:
    if decision.refusal is None:
        return "accepted"
    return f"{'shadowed, ' if decision.is_shadow else ''}{decision.refusal}"


Make = Callable[..., Desk]
FAILED = f"error: {DOWN}"


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    desks: list[Desk] = []

    def build(plugin: str, capacity: int = 20_000, **given: object) -> Desk:
        desks.append(Desk(plugin, capacity, **given))
        return desks[-1]

    yield build
    for desk in desks:
        await asyncio.wait_for(desk.policy.close(), PATIENCE)
        assert desk.faults.problem() is None


async def until(happened: Callable[[], bool]) -> None:
    """Returns when something is true that another process brings about."""
    async with asyncio.timeout(PATIENCE):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def has_ended(pid: int) -> bool:
    try:
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def is_asked(desk: Desk) -> bool:
    process = desk.policy._process
    return process is not None and bool(process._asked)


async def test_events_are_taken_refused_or_refused_in_secret_as_the_plugin_says(make: Make) -> None:
    desk = make(JUDGE)
    for event in (NOTES[0], BAD, HIDDEN, NOTES[1]):
        desk.ask(event)
    assert await desk.all(4) == [
        "accepted",
        "blocked: bad",
        "shadowed, blocked: this relay's write policy refuses it",
        "accepted",
    ]
    assert [event for _, event, _ in desk.decided] == [NOTES[0], BAD, HIDDEN, NOTES[1]]
    assert desk.policy.figures() == {
        "plugin_accepted": 2,
        "plugin_rejected": 1,
        "plugin_shadow_rejected": 1,
        "plugin_failed": 0,
        "plugin_down": False,
    }


async def test_many_events_are_asked_about_at_once_and_answered_in_order(make: Make) -> None:
    desk = make(JUDGE)
    for event in NOTES:
        desk.ask(event)
    await desk.all(len(NOTES))
    assert [event for _, event, _ in desk.decided] == NOTES


async def test_the_order_of_one_clients_events_stays_when_the_answers_come_in_another(make: Make) -> None:
    desk = make(BACKWARDS)
    for number, event in enumerate(NOTES[:8]):
        desk.ask(event, "ab"[number // 2 % 2])
    await desk.all(8)
    for client, own in (("a", [0, 1, 4, 5]), ("b", [2, 3, 6, 7])):
        assert [event for who, event, _ in desk.decided if who == client] == [NOTES[number] for number in own]


async def test_one_event_that_two_bring_is_asked_about_twice(make: Make) -> None:
    desk = make(JUDGE)
    desk.ask(BAD, "a")
    desk.ask(BAD, "b")
    assert await desk.all(2) == ["blocked: bad", "blocked: bad"]


async def test_a_flood_of_one_client_delays_another_by_one_round(make: Make, tmp_path: Path) -> None:
    desk = make(keeping(tmp_path / "asked"))
    for event in NOTES[1:]:
        desk.ask(event, "flood")
    desk.ask(NOTES[0], "other")
    await desk.all(len(NOTES))
    asked = [json.loads(line)["event"]["id"] for line in (tmp_path / "asked").read_text().splitlines()]
    assert asked.index(NOTES[0].id) < 8


async def test_a_slow_plugin_is_asked_about_few_at_a_time_so_that_others_need_not_wait_for_all_of_a_flood(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_process, "SOON", 0.04)
    desk = make(JUDGE.replace("do ", "do sleep 0.02; ", 1))
    for event in NOTES[1:50]:
        desk.ask(event, "flood")
    await desk.all(10)
    desk.ask(NOTES[0], "other")
    await desk.until(lambda: desk.decided[-1][0] == "other")
    assert len(desk.decided) < 30


async def test_one_that_answers_in_any_order_is_asked_about_many_at_a_time_though_it_is_slow(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_process, "SOON", 0.0)
    desk = make(BACKWARDS)
    for event in NOTES:
        desk.ask(event)
    await desk.all(2)
    assert desk.policy._process is not None
    assert desk.policy._process._unanswered == 64


async def test_taking_back_and_leaving_and_the_relays_own_word_are_not_asked_about(make: Make) -> None:
    desk = make(MUTE)
    own = make_event(9, content="bad")
    for event in (DELETION, VANISHING, make_event(kind=9022), make_event(kind=28936), own):
        desk.ask(event)
    assert [said(decision) for _, _, decision in desk.decided] == ["accepted"] * 5


async def test_they_wait_for_what_the_same_client_brought_before_and_for_nobody_elses(make: Make) -> None:
    desk = make(MUTE)
    desk.ask(NOTES[0], "a")
    desk.ask(DELETION, "a")
    desk.ask(VANISHING, "b")
    assert [event for _, event, _ in desk.decided] == [VANISHING]
    await desk.policy.close()
    assert [event for _, event, _ in desk.decided] == [VANISHING, NOTES[0], DELETION]
    assert await desk.all(3) == ["accepted", f"error: {ENDING}", "accepted"]


async def test_a_plugin_that_ends_fails_what_waits_and_what_comes_until_it_is_started_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_policy, "PAUSE", 1000)
    desk = make(ONCE)
    for event in NOTES[:3]:
        desk.ask(event)
    assert await desk.all(3) == ["accepted", FAILED, FAILED]
    assert desk.policy.problem() == "the write policy plugin failed: it ended with status 3"
    desk.ask(NOTES[3])
    assert await desk.all(4) == ["accepted", FAILED, FAILED, FAILED]
    assert desk.policy.figures()["plugin_failed"] == 3
    desk.reload(JUDGE)
    assert await desk.said(NOTES[4]) == "accepted"
    assert desk.policy.problem() is None


async def test_it_is_started_again_after_pauses_that_grow_until_it_answers(make: Make, tmp_path: Path) -> None:
    desk = make(f"echo >> {tmp_path}/runs; test $(wc -l < {tmp_path}/runs) = 3 || exit 1; {JUDGE}")
    assert await desk.said(NOTES[0]) == FAILED
    await until(lambda: len((tmp_path / "runs").read_text()) == 3)
    assert await desk.said(NOTES[1]) == "accepted"
    assert (tmp_path / "runs").read_text() == "\n\n\n"
    assert desk.policy.problem() is None


@pytest.mark.parametrize("command", ["/there/is/no/such/plugin", "exit 0", "echo '['; exec 1>&-; sleep 1000"])
async def test_a_plugin_that_does_not_answer_at_all_is_told_of(
    make: Make, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_process, "LAST_WORDS", 0.05)
    desk = make(command)
    assert await desk.said(NOTES[0]) == FAILED
    assert (desk.policy.problem() or "").startswith("the write policy plugin failed: it ")


async def test_a_plugin_that_does_not_answer_in_time_is_killed_with_all_that_it_started(
    make: Make, tmp_path: Path
) -> None:
    desk = make(f"sleep 1000 & echo $! $$ > {tmp_path}/pids; wait", timeout=0.2)
    desk.ask(NOTES[0], "a")
    desk.ask(NOTES[1], "b")
    assert await desk.all(2) == [FAILED, FAILED]
    assert desk.policy.problem() == "the write policy plugin failed: it did not answer within 0.2 s"
    for pid in (tmp_path / "pids").read_text().split():
        await until(partial(has_ended, int(pid)))


class Slow:
    """JUDGE, which answers one more event with each `go_on`, and the loop's clock, which `jump`s ahead."""

    def __init__(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        os.mkfifo(file)
        self._gate = os.open(file, os.O_RDWR)
        self.command = JUDGE.replace("do ", f"do read x < {file}; ", 1)
        self._passed = 0.0
        loop = asyncio.get_running_loop()
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + self._passed)

    def go_on(self) -> None:
        os.write(self._gate, b"\n")

    async def jump(self, seconds: float) -> None:
        self._passed += seconds
        await asyncio.sleep(0.01)  # timers that are due are called

    def close(self) -> None:
        os.close(self._gate)


@pytest.fixture
async def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Slow]:
    made = Slow(tmp_path / "go", monkeypatch)
    yield made
    made.close()


async def test_each_event_has_the_time_to_itself_where_they_are_answered_in_order(make: Make, slow: Slow) -> None:
    desk = make(slow.command, timeout=100)
    for event in NOTES[:3]:
        desk.ask(event)
    await until(lambda: is_asked(desk))
    for number in range(1, 4):
        await slow.jump(60)
        slow.go_on()
        assert await desk.all(number) == ["accepted"] * number


async def test_a_plugin_is_not_blamed_where_the_relay_stood_still(make: Make, slow: Slow) -> None:
    desk = make(slow.command, timeout=100)
    desk.ask(NOTES[0])
    await until(lambda: is_asked(desk))
    await slow.jump(1000)
    await slow.jump(60)
    slow.go_on()
    assert await desk.all(1) == ["accepted"]
    desk.ask(NOTES[1])
    for _ in range(6):
        await slow.jump(20)
    assert await desk.all(2) == ["accepted", FAILED]


async def test_where_it_fails_events_are_taken_if_the_operator_wants_that(make: Make) -> None:
    desk = make("exit 1", on_failure="accept")
    assert await desk.said(BAD) == "accepted"
    assert desk.policy.figures() | {"plugin_down": True} == desk.policy.figures()
    banned = Config(
        access=Access(denied_keys=[BAD.pubkey]), write_policy=WritePolicySettings(plugin="exit 1", on_failure="accept")
    )
    desk.settings.read(banned)
    assert await desk.said(BAD) == "blocked: this key may not write here"


async def test_whose_author_is_banned_meanwhile_is_refused(make: Make) -> None:
    desk = make(JUDGE)
    desk.ask(NOTES[0])
    config = msgspec.structs.replace(desk.settings.file, access=Access(denied_keys=[NOTES[0].pubkey]))
    desk.settings.read(config)
    assert await desk.all(1) == ["blocked: this key may not write here"]


@pytest.mark.parametrize("text", ["hello", "42", "[1,2]", "{", "x" * 10_000])
async def test_a_line_that_is_no_answer_is_skipped_with_a_warning(
    make: Make, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make(saying(text))
    assert await desk.said(BAD) == "blocked: bad"
    assert "no answer" in caplog.text


@pytest.mark.parametrize(
    "text", ['{"id":"a","action":"accept"}', '{"action":"accept"}', '{"id":"\'$id\'","action":"allow"}']
)
async def test_an_answer_to_nothing_and_an_unknown_action_are_failures(make: Make, text: str) -> None:
    desk = make(saying(text))
    assert await desk.said(NOTES[0]) == FAILED


async def test_one_that_closes_its_input_is_not_written_to_and_fails_at_once(make: Make) -> None:
    desk = make(f"exec < /dev/null; {AWAKE}", timeout=600)
    await until(lambda: desk.policy._process is not None and desk.policy._process._is_started)
    process = desk.policy._process
    assert process is not None
    desk.ask(NOTES[0])
    await until(lambda: process._input is not None and process._input.is_closing())
    desk.ask(NOTES[1])
    assert await desk.all(2) == [FAILED, FAILED]
    assert desk.policy.problem() == "the write policy plugin failed: it closed its input"


async def test_what_it_says_on_stderr_is_in_the_log(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    desk = make(f"printf 'I am \\033[1mhere\\n' > /dev/stderr; {ONCE.replace('exit', 'printf gone >&2; exit')}")
    assert await desk.said(NOTES[0]) == "accepted"
    await until(lambda: "the write policy plugin says: gone" in caplog.text)
    assert "the write policy plugin says: I am [1mhere" in caplog.text


async def test_another_command_takes_over_and_the_former_answers_what_it_was_asked(make: Make, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    desk = make(f"read x < {tmp_path}/go; echo $$ > {tmp_path}/pid; {JUDGE}")
    desk.ask(BAD, "a")
    await until(lambda: is_asked(desk))
    desk.reload(JUDGE.replace("blocked: bad", "blocked: worse"))
    assert await desk.said(BAD, "b") == "blocked: worse"
    with (tmp_path / "go").open("w") as go:
        go.write("\n")
    assert await desk.all(2) == ["blocked: worse", "blocked: bad"]
    pid = int((tmp_path / "pid").read_text())
    await until(lambda: has_ended(pid))
    await until(lambda: not desk.policy._retired)


async def test_without_a_command_nothing_waits_any_more(make: Make) -> None:
    desk = make("")
    assert not desk.policy.is_on
    desk.reload(MUTE, timeout=0.2)
    assert desk.policy.is_on
    desk.ask(NOTES[0], "a")
    await until(lambda: is_asked(desk))
    desk.reload("", timeout=0.2)
    desk.ask(NOTES[1], "a")
    assert desk.policy.is_on, "the second would come before the first"
    assert await desk.all(2) == [FAILED, "accepted"]
    assert not desk.policy.is_on


async def test_another_version_of_its_file_is_started_when_it_comes(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "plugin"
    file.write_text(f"#!/bin/sh\n{JUDGE}\n")
    file.chmod(0o700)
    desk = make(str(file))
    assert await desk.said(BAD) == "blocked: bad"
    file.write_text(f"#!/bin/sh\n{JUDGE}\n".replace("blocked: bad", "blocked: worse"))
    os.utime(file, ns=(1, 1))
    monkeypatch.setattr(write_policy, "LOOK", -1)
    assert await desk.said(BAD) == "blocked: worse"
    process = desk.policy._process
    assert await desk.said(BAD) == "blocked: worse"
    desk.reload(str(file))
    assert desk.policy._process is process, "the file is the same"
    file.unlink()
    assert await desk.said(BAD) == FAILED


async def test_how_many_events_wait_is_bounded_and_each_client_has_its_share(make: Make) -> None:
    desk = make(MUTE, capacity=40)
    for event in NOTES[:12]:
        desk.ask(event, "flood")
    assert not desk.policy.has_room("flood")
    full = [said(decision) for _, _, decision in desk.decided]
    desk.ask(NOTES[12], "other")
    assert desk.policy.has_room("other")
    desk.ask(DELETION, "flood")
    full += [said(decision) for _, _, decision in desk.decided[2:]]
    assert full == [f"error: {FULL}"] * 3  # at once, and nothing is kept of it
    await desk.policy.close()
    answers = {client: [] for client in ("flood", "other")}  # type: dict[str, list[str]]
    for client, _, decision in desk.decided[3:]:
        answers[client].append(said(decision))
    assert answers == {"flood": [f"error: {ENDING}"] * 10, "other": [f"error: {ENDING}"]}


async def test_large_events_count_for_as_many_as_their_size_is_worth(make: Make) -> None:
    desk = make(MUTE, capacity=400)  # a fourth of them, and half for all clients together
    large = make_event(content="x" * write_policy.UNIT * 50)
    for client in ("a", "a", "b", "c"):
        assert desk.policy.has_room(client)
        desk.ask(large, client)
    assert not desk.policy.has_room("a")
    assert not desk.policy.has_room("d")
    await desk.policy.close()
    assert desk.policy.has_room("a")


async def test_at_the_end_what_is_not_decided_within_a_time_is_refused_and_nothing_hangs(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_process, "END", 0.1)
    desk = make("trap '' TERM; while :; do sleep 1000; done")  # it reads nothing, and does not end by itself
    desk.ask(NOTES[0])
    monkeypatch.setattr(write_policy, "END", 0.1)
    desk.policy.end_soon()
    assert await desk.all(1) == [f"error: {ENDING}"]
    desk.ask(NOTES[1])
    assert await desk.all(2) == [f"error: {ENDING}"] * 2
    await asyncio.wait_for(desk.policy.close(), PATIENCE)


async def test_a_plugin_is_given_none_of_the_relays_secrets(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_IDENTITIES_RELAY_KEY", "0" * 64)
    monkeypatch.setenv("OTHER", "there")
    desk = make(f"env > {tmp_path}/env; {JUDGE}")
    assert await desk.said(NOTES[0]) == "accepted"
    given = (tmp_path / "env").read_text()
    assert "TIDINGS" not in given
    assert "OTHER=there" in given


async def test_a_plugin_that_is_killed_from_outside_is_told_of_by_the_signal(make: Make, tmp_path: Path) -> None:
    desk = make(f"echo $$ > {tmp_path}/pid; {JUDGE}")
    assert await desk.said(NOTES[0]) == "accepted"
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    await until(lambda: desk.policy.problem() is not None)
    assert desk.policy.problem() == "the write policy plugin failed: it was ended by SIGKILL"
