"""`event` and `req` against a relay that follows a script, since a real one never lies."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from keys import nip42, schnorr
from relay.commands import publish
from relay.protocol import event as events
from relay.protocol.event import Event
from tests.cli.conftest import Tidings
from tests.factories import NOW, keypair, make_event

KEY = keypair(1)
SECRET = KEY.secret.hex()
NO_RELAYS = (
    "http://127.0.0.1",
    "127.0.0.1:7447",
    "",
    "ws://",
    "ws://a:b",
    "ws://[::1",
    "ws://a:99999",
    "ws://a b/",
    "ws://a..b",
)
Script = Callable[["Peer"], None]


class Peer:
    """The relay's end of one connection."""

    def __init__(self, socket: ServerConnection, url: str) -> None:
        self._socket = socket
        self.url = url

    def hear(self) -> list[Any]:
        """The client's next message."""
        message: list[Any] = json.loads(self._socket.recv(timeout=30))
        return message

    def challenge(self, challenge: str) -> dict[str, Any]:
        """Challenge the client, which may have asked for it by a REQ that it does not wait for; its proof."""
        self.say("AUTH", challenge)
        while (heard := self.hear())[0] in ("REQ", "CLOSE"):
            pass
        verb, given = heard
        assert verb == "AUTH"
        return dict(given)

    def say(self, *message: Any) -> None:
        """Send a message; an event as its JSON object."""
        self._socket.send(json.dumps([json.loads(events.wire(m)) if isinstance(m, Event) else m for m in message]))

    def shout(self, data: str | bytes) -> None:
        """Send what is no message."""
        self._socket.send(data)


@contextmanager
def relay(script: Script) -> Iterator[str]:
    """The URL of a relay that follows a script on each connection, whose failed assertions fail the test."""
    faults: list[BaseException] = []

    def handle(socket: ServerConnection) -> None:
        host, port = socket.local_address[:2]
        try:
            script(Peer(socket, f"ws://{host}:{port}"))
        except ConnectionClosed:
            pass
        except BaseException as fault:
            faults.append(fault)
            raise

    with serve(handle, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        host, port = server.socket.getsockname()[:2]
        try:
            yield f"ws://{host}:{port}"
        finally:
            server.shutdown()
            thread.join()
    if faults:
        raise faults[0]


def made(stdout: str) -> Event:
    """The event that the command printed, verified."""
    event = events.parse(stdout)
    assert schnorr.fault(event) is None
    return event


# event


def test_event_prints_a_signed_event(tidings: Tidings) -> None:
    result = tidings(
        "event", "Hello", "-t", "t=x=y", "-t", '["e","1","","reply"]', "--created-at", NOW, NOSTR_SECRET_KEY=SECRET
    )
    event = made(result.stdout)
    assert (event.pubkey, event.kind, event.content, event.created_at) == (KEY.pubkey, 1, "Hello", NOW)
    assert event.tags == [["t", "x=y"], ["e", "1", "", "reply"]]
    assert SECRET not in result.output


def test_event_reads_its_content_from_stdin(tidings: Tidings) -> None:
    event = made(tidings("event", "-", "--kind", 30023, stdin="ein Gruß\n\nzwei\n", NOSTR_SECRET_KEY=SECRET).stdout)
    assert (event.kind, event.content) == (30023, "ein Gruß\n\nzwei")


def test_event_completes_a_template(tidings: Tidings, tmp_path: Path) -> None:
    template = {"kind": 7, "content": "+", "tags": [["e", "1"]], "created_at": 5, "pubkey": KEY.pubkey, "id": "x"}
    file = tmp_path / "draft.json"
    file.write_text(json.dumps(template))
    event = made(tidings("event", "--from", file, "-t", "k=1", NOSTR_SECRET_KEY=SECRET).stdout)
    assert (event.kind, event.content, event.created_at, event.tags) == (7, "+", 5, [["e", "1"], ["k", "1"]])
    event = made(tidings("event", "-", "--from", file, "--kind", 1, stdin="-", NOSTR_SECRET_KEY=SECRET).stdout)
    assert (event.kind, event.content) == (1, "-")
    file.write_text("\ufeff" + json.dumps(template), encoding="utf-8")  # as editors of Windows begin a file
    event = made(tidings("event", "-", "--from", file, stdin="\ufeffhello", NOSTR_SECRET_KEY=SECRET).stdout)
    assert (event.kind, event.content) == (7, "hello")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{", "-: "),
        ('{"kind":"1"}', "-: kind must be a whole number"),
        ('{"tags":[[]]}', "-: tags[0] must have"),
        ("[" * 100_000, "-: "),
        (json.dumps({"pubkey": "0" * 64}), "the template is for the key"),
        ('{"kind":70000}', "kind"),
    ],
)
def test_event_tells_what_is_wrong_with_a_template(tidings: Tidings, template: str, words: str) -> None:
    result = tidings("event", "--from", "-", stdin=template, NOSTR_SECRET_KEY=SECRET)
    assert result.exit_code == 1
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["-t", "novalue"], "NAME=VALUE"),
        (["-t", "[1]"], "not a list of texts"),
        (["-t", "[]"], "not a list of texts"),
        (["--kind", "65536"], "--kind"),
        (["--pow", "0"], "--pow"),
        (["-", "--from", "-"], "stdin can be only one of"),
        (["-", "--secret-file", "-"], "stdin can be only one of"),
    ],
)
def test_event_tells_what_is_wrong_with_its_arguments(tidings: Tidings, args: list[str], words: str) -> None:
    result = tidings("event", *args, NOSTR_SECRET_KEY=SECRET)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.parametrize(
    ("content", "tags"),
    [("", []), ('"]],"x"]', [["t", '["nonce","","8"]],'], ["nonce", "7", "1"]]), ("\n\x00\u2028é", [["d", "\\"]])],
)
def test_mined_work_is_in_the_id_and_committed_to(content: str, tags: list[list[str]]) -> None:
    draft = publish.Template(content=content, tags=tags)
    mined = publish.mine(KEY.pubkey, NOW, draft, 10)
    event = make_event(KEY, content=content, tags=mined)
    assert int(event.id, 16) < 1 << 246
    assert [tag for tag in mined if tag[0] == "nonce"] == [mined[-1]]
    assert mined[-1][2] == "10"
    assert mined[:-1] == [tag for tag in tags if tag[0] != "nonce"]


def test_event_mines_on_request(tidings: Tidings) -> None:
    event = made(tidings("event", "work", "--pow", 8, NOSTR_SECRET_KEY=SECRET).stdout)
    assert event.id.startswith("00")


def test_event_is_published_to_every_relay(tidings: Tidings) -> None:
    heard: list[Any] = []

    def accept(peer: Peer) -> None:
        _, event = peer.hear()
        heard.append(event)
        peer.say("NOTICE", "welcome")
        peer.say("OK", "0" * 64, False, "not yours")
        peer.say("OK", event["id"], True, "")

    with relay(accept) as first, relay(accept) as second:
        result = tidings("event", "Hello", "--publish", first, "--publish", second, NOSTR_SECRET_KEY=SECRET)
    assert result.exit_code == 0
    assert heard == [json.loads(result.stdout)] * 2
    assert f"{first} has it" in result.stderr
    assert "welcome" in result.stderr


def test_a_refusal_is_told_and_the_other_relays_are_still_tried(tidings: Tidings) -> None:
    def refuse(peer: Peer) -> None:
        peer.say("OK", peer.hear()[1]["id"], False, "blocked: \x1b[31mnot you")

    def accept(peer: Peer) -> None:
        peer.say("OK", peer.hear()[1]["id"], True, "duplicate: had it")

    with relay(refuse) as first, relay(accept) as second:
        result = tidings("event", "x", "--publish", first, "--publish", second, NOSTR_SECRET_KEY=SECRET)
    assert result.exit_code == 1
    assert "refused the event: blocked: " in result.stderr
    assert "\x1b" not in result.stderr
    assert f"{second} has it: duplicate: had it" in result.stderr


def test_event_authenticates_first_when_asked(tidings: Tidings) -> None:
    def guard(peer: Peer) -> None:
        proof = events.parse(json.dumps(peer.challenge("challenge-1")))
        assert schnorr.fault(proof) is None
        assert nip42.authenticated_key(proof, "challenge-1", peer.url, proof.created_at) == KEY.pubkey
        peer.say("OK", proof.id, True, "")
        peer.say("OK", peer.hear()[1]["id"], True, "")

    with relay(guard) as url:
        result = tidings("event", "x", "--publish", url, "--auth", NOSTR_SECRET_KEY=SECRET)
    assert result.exit_code == 0


def test_a_relay_that_cannot_be_reached_or_is_silent_is_told(tidings: Tidings) -> None:
    silent = threading.Event()
    with relay(lambda peer: silent.wait(30) and None) as url:
        result = tidings("event", "x", "--publish", url, "--timeout", 1, NOSTR_SECRET_KEY=SECRET)
        silent.set()
    assert result.exit_code == 1
    assert "gave no answer within 1 s" in result.stderr
    gone = tidings("req", url, "{}")
    assert gone.exit_code == 1
    assert f"cannot connect to {url}" in gone.stderr


@pytest.mark.parametrize("url", NO_RELAYS)
def test_what_is_no_relays_url_is_told(tidings: Tidings, url: str) -> None:
    for args in (["req", url, "{}"], ["req", url, "{}", "--count"], ["event", "x", "--publish", url]):
        result = tidings(*args, NOSTR_SECRET_KEY=SECRET)
        assert result.exit_code == 2
        assert "is no relay's URL: " in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_a_wrong_url_is_told_before_anything_is_published(tidings: Tidings) -> None:
    with relay(lambda peer: pytest.fail("it was asked")) as url:
        result = tidings("event", "x", "--publish", url, "--publish", "nowhere", NOSTR_SECRET_KEY=SECRET)
    assert (result.exit_code, result.stdout) == (2, "")


# req


def test_req_prints_the_events_until_eose(tidings: Tidings) -> None:
    stored = [make_event(2, content=f"event {number}") for number in range(3)]

    def answer(peer: Peer) -> None:
        verb, name, *filters = peer.hear()
        assert (verb, filters) == ("REQ", [{"kinds": [1], "limit": 5}, {"ids": [], "limit": 7}])
        for event in stored:
            peer.say("EVENT", name, event)
        peer.say("EVENT", "another", make_event(3))
        peer.say("EOSE", name, ["finish"])

    with relay(answer) as url:
        result = tidings("req", url, '{"kinds":[1]}', '{"ids":[],"limit":7}', "--limit", 5)
    assert result.exit_code == 0
    assert result.stdout_bytes.splitlines() == [events.wire(event) for event in stored]


def test_req_follows_what_comes_later(tidings: Tidings) -> None:
    later = make_event(2, content="later")

    def answer(peer: Peer) -> None:
        _, name, _ = peer.hear()
        peer.say("EOSE", name)
        peer.say("EVENT", name, later)
        peer.say("CLOSED", name, "restricted: no longer")

    with relay(answer) as url:
        result = tidings("req", url, "{}", "--follow")
    assert result.stdout_bytes == events.wire(later) + b"\n"
    assert (result.exit_code, result.stderr) == (1, f"tidings: {url} refused: restricted: no longer\n")


def test_req_does_not_print_what_is_forged_or_no_event(tidings: Tidings) -> None:
    good = make_event(2, content="good")
    forged = json.loads(events.wire(good)) | {"content": "forged"}

    def answer(peer: Peer) -> None:
        _, name, _ = peer.hear()
        peer.say("EVENT", name, forged)
        peer.say("EVENT", name, {"id": "\x1b[2J"})
        peer.say("EVENT", name)
        peer.say({"not": "a message"})
        peer.shout("[" * 10_000)
        peer.shout(b"\xff\xfe")
        peer.say("EVENT", name, good)
        peer.say("EOSE", name)

    with relay(answer) as url:
        result = tidings("req", url, "{}")
    assert result.stdout_bytes == events.wire(good) + b"\n"
    assert "sent a forged event" in result.stderr
    assert result.stderr.count("sent something that is no message") == 5
    assert "\x1b" not in result.stderr


def test_req_counts(tidings: Tidings) -> None:
    def answer(peer: Peer) -> None:
        verb, name, wanted = peer.hear()
        assert (verb, wanted) == ("COUNT", {"kinds": [7]})
        peer.say("COUNT", name, {"count": 42, "hll": "00"})

    with relay(answer) as url:
        assert tidings("req", url, '{"kinds":[7]}', "--count").stdout == "42\n"


def test_req_authenticates_when_asked(tidings: Tidings) -> None:
    def guard(peer: Peer) -> None:
        peer.say("OK", peer.challenge("c")["id"], False, "restricted: not a member")

    with relay(guard) as url:
        result = tidings("req", url, "{}", "--auth", NOSTR_SECRET_KEY=SECRET)
    assert result.exit_code == 1
    assert "refused: restricted: not a member" in result.stderr


@pytest.mark.parametrize("wanted", ["{", "[]", '{"kinds":1}', '{"ids":["AB"]}', '{"x":1}', "@missing.json"])
def test_a_filter_that_is_none_is_refused_before_anybody_is_asked(tidings: Tidings, wanted: str) -> None:
    result = tidings("req", "ws://127.0.0.1:1", wanted)
    assert result.exit_code == 2
    assert "FILTER" in result.stderr


def test_a_filter_may_stand_in_a_file(tidings: Tidings, tmp_path: Path) -> None:
    file = tmp_path / "filter.json"
    file.write_text('{"kinds":[3]}\n')

    def answer(peer: Peer) -> None:
        _, name, wanted = peer.hear()
        peer.say("COUNT", name, {"count": wanted["kinds"][0]})

    with relay(answer) as url:
        assert tidings("req", url, f"@{file}", "--count").stdout == "3\n"
