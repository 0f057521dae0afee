"""`ban`, `unban`, `allow`, `unallow` and `rules`, where no relay runs."""

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from keys import encoding
from relay.commands import access, operating
from relay.config import Config
from relay.protocol import event as events
from relay.protocol.event import Event
from storage.access import RuleChange
from tests.cli.conftest import Tidings
from tests.factories import keypair, make_event

KEY, OTHER = keypair(1).pubkey, keypair(2).pubkey


def listed(tidings: Tidings, data: Path, *more: str) -> list[Any]:
    result = tidings("rules", "--json", "--data", data, *more)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def said(tidings: Tidings, data: Path) -> list[tuple[str, str, bool, str, str]]:
    rows = listed(tidings, data)
    return [(row["subject"], row["value"], row["allowed"], row["reason"], row["origin"]) for row in rows]


def imported(tidings: Tidings, data: Path, *given: Event) -> int:
    """How many of these events are taken."""
    text = b"".join(events.wire(event) + b"\n" for event in given)
    result = tidings("import", "--json", "--data", data, stdin=text)
    return sum(json.loads(line).get("stored", 0) for line in result.stdout.splitlines())


def test_all_that_can_be_banned_is_named_as_people_have_it(tidings: Tidings, data: Path) -> None:
    event_id = "ab" * 32
    what = [
        encoding.encode("npub", KEY),
        OTHER.upper(),
        "203.0.113.7",
        "2001:db8::/32",
        "kind:1063",
        encoding.encode("note", event_id),
    ]
    result = tidings("ban", *what, "--reason", "spam", "--data", data)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"key {KEY}: banned" in result.stderr
    assert sorted(said(tidings, data)) == sorted(
        [
            ("address", "2001:db8::/32", False, "spam", "command"),
            ("address", "203.0.113.7", False, "spam", "command"),
            ("key", KEY, False, "spam", "command"),
            ("key", OTHER, False, "spam", "command"),
            ("kind", "1063", False, "spam", "command"),
            ("event", event_id, False, "spam", "command"),
        ]
    )
    again = tidings("ban", KEY, "--reason", "spam", "--json", "--data", data)
    assert json.loads(again.stdout) == {"subject": "key", "value": KEY, "done": "unchanged", "removed": 0}
    pasted = [f" {encoding.encode('npub', KEY)}\n", encoding.encode("npub", KEY).upper(), f" {OTHER} "]
    pasted += [f"nostr:{encoding.encode('npub', KEY)}", "KIND:1063", "2001:DB8::/32", " 203.0.113.7"]
    again = tidings("ban", *pasted, "--json", "--data", data)
    assert (again.exit_code, again.stdout.count("unchanged")) == (0, 5)  # one line a key
    lifted = tidings("unban", *what[:5], "--event", "--data", data)
    assert lifted.exit_code == 2  # 203.0.113.7 is no event
    assert tidings("unban", *what, "--data", data).exit_code == 0
    assert said(tidings, data) == []
    nothing = tidings("unban", "203.0.113.7", "--data", data)
    assert (nothing.exit_code, "already" in nothing.stderr) == (0, False)  # a network that holds it may be banned


def test_what_is_banned_is_not_imported_and_what_is_stored_goes_if_asked(tidings: Tidings, data: Path) -> None:
    mine = [make_event(1, content=str(number)) for number in range(3)]
    theirs = make_event(2)
    assert imported(tidings, data, *mine[:2], theirs) == 3
    result = tidings("ban", KEY, "--remove", "--json", "--data", data)
    assert json.loads(result.stdout) == {"subject": "key", "value": KEY, "done": "banned", "removed": 2}
    assert imported(tidings, data, mine[2]) == 0
    found = tidings("scan", "{}", "--data", data)
    assert [json.loads(line)["id"] for line in found.stdout.splitlines()] == [theirs.id]
    assert tidings("unban", KEY, "--data", data).exit_code == 0
    assert imported(tidings, data, mine[2]) == 1


def test_a_banned_event_is_removed_and_may_come_again(tidings: Tidings, data: Path) -> None:
    event = make_event(1)
    assert imported(tidings, data, event) == 1
    assert tidings("ban", "--event", event.id, "--data", data).exit_code == 0
    assert imported(tidings, data, event) == 0
    assert tidings("allow", "--event", event.id, "--data", data).exit_code == 0
    assert imported(tidings, data, event) == 1


def test_an_id_of_an_event_is_not_taken_for_a_key(tidings: Tidings, data: Path) -> None:
    event = make_event(1)
    imported(tidings, data, event)
    result = tidings("ban", event.id, "--data", data)
    assert (result.exit_code, "--event" in result.stderr) == (2, True)
    assert said(tidings, data) == []


def test_many_keys_are_looked_up_at_once_and_changed_together(
    tidings: Tidings, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    change, read = operating.Direct.change_rules, operating.reading

    def changing(target: operating.Direct, *changes: RuleChange) -> list[bool]:
        done.append(f"{len(changes)} changed")
        return change(target, *changes)

    def looking(config: Config) -> AbstractAsyncContextManager[operating.Database]:
        done.append("looked")
        return read(config)

    imported(tidings, data, make_event(3))
    monkeypatch.setattr(operating.Direct, "change_rules", changing)
    monkeypatch.setattr(access, "reading", looking)
    monkeypatch.setattr(access, "MOST_CHANGES", 4)
    keys = [keypair(number).pubkey for number in range(4, 10)]
    result = tidings("ban", *keys, "--json", "--data", data)
    assert [json.loads(line)["value"] for line in result.stdout.splitlines()] == keys
    assert done == ["looked", "4 changed", "2 changed"]


def test_nothing_is_done_where_a_part_of_it_makes_no_sense(
    tidings: Tidings, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_RELAY_PUBKEY", OTHER)
    for wrong in ("kind:5", "::1", OTHER):
        result = tidings("ban", KEY, wrong, "--data", data)
        assert (result.exit_code, "invalid:" in result.stderr) == (1, False)
    imported(tidings, data, make_event(3))
    assert said(tidings, data) == []


def test_a_name_stands_for_all_keys_that_it_has(tidings: Tidings, data: Path) -> None:
    imported(tidings, data, make_event(1))
    result = tidings("ban", "@nobody", "--data", data)
    assert (result.exit_code, "nobody here is called nobody" in result.stderr) == (1, True)


def test_only_allowed_keys_are_taken_where_the_settings_say_so(
    tidings: Tidings, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_ACCESS_ONLY_ALLOWED", "true")
    assert imported(tidings, data, make_event(1)) == 0
    assert tidings("allow", KEY, "--data", data).exit_code == 0
    assert imported(tidings, data, make_event(1), make_event(2)) == 1
    assert tidings("unallow", KEY, "--data", data).exit_code == 0
    assert imported(tidings, data, make_event(1, content="more")) == 0


def test_what_the_settings_say_is_printed_and_not_lifted(
    tidings: Tidings, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_ACCESS_DENIED_KEYS", KEY)
    imported(tidings, data, make_event(2))
    assert said(tidings, data) == [("key", KEY, False, "", "settings")]
    result = tidings("unban", KEY, "--data", data)
    assert (result.exit_code, "access.denied_keys" in result.stderr) == (1, True)


def test_every_change_is_in_the_log_the_latest_first(tidings: Tidings, data: Path) -> None:
    tidings("ban", KEY, "--reason", "spam", "--data", data)
    tidings("unban", KEY, "--data", data)
    assert [(row["done"], row["value"], row["reason"]) for row in listed(tidings, data, "--log")] == [
        ("lifted", KEY, ""),
        ("denied", KEY, "spam"),
    ]
    assert "by a command: spam" in tidings("rules", "--log", "--data", data).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ban"], "WHAT"),
        (["ban", "nonsense"], "no key"),
        (["ban", "npub1xyz"], "npub1xyz"),
        (["ban", "nsec1xyz"], "secret key"),
        (["ban", "kind:70000"], "no kind"),
        (["ban", "kind:1", "--remove"], "--remove is for keys"),
        (["ban", "--event", "@nobody"], "is no id"),
        (["allow", "203.0.113.7"], "banned or not"),
        (["rules", "--reset", "relay.url"], "relay.url"),
    ],
)
def test_what_makes_no_sense_is_a_misuse(tidings: Tidings, data: Path, arguments: list[str], words: str) -> None:
    result = tidings(*arguments, "--data", data)
    assert result.exit_code == 2
    assert words in result.stderr


def test_the_log_tells_what_was_removed(tidings: Tidings, data: Path) -> None:
    assert imported(tidings, data, make_event(1), make_event(1, content="more"), make_event(2)) == 3
    other = make_event(2).pubkey
    assert tidings("ban", KEY, "--remove", "--reason", "spam", "--data", data).exit_code == 0
    for _ in range(2):  # the second time there is nothing
        assert tidings("delete", "--yes", json.dumps({"authors": [other]}), "--data", data).exit_code == 0
    lines = [json.loads(line) for line in tidings("rules", "--log", "--json", "--data", data).stdout.splitlines()]
    assert [(one["done"], one["subject"], one["value"], one["reason"]) for one in lines] == [
        ("removed", "filter", json.dumps({"authors": [other]}, separators=(",", ":")), "1 event"),
        ("removed", "filter", json.dumps({"authors": [KEY]}, separators=(",", ":")), "2 events"),
        ("denied", "key", KEY, "spam"),
    ]
