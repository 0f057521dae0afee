"""The examples in the help of every verb are commands that the verb takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from relay.cli import main

ID = "a" * 64
PLACEHOLDER = re.compile(r"<(?:64 hex digits|post id|comment id|post or comment id|id|pubkey)>")
FILES = ("tides.md", "docs/tides.md", "manual.jsonl", "spam.json", "next.secret", "alice.nsec", "draft.json")


def verbs(group: click.Group) -> Iterator[click.Command]:
    for command in group.commands.values():
        yield command
        if isinstance(command, click.Group):
            yield from verbs(command)


def examples() -> list[str]:
    """Each `tidings …` of a help text, without what the shell does around it."""
    lines = [line.strip() for command in verbs(main) for line in (command.help or "").splitlines()]
    found = (re.search(r"(?:^|\| )(tidings .*)", line) for line in lines)
    return [re.split(r" [|<>] ", PLACEHOLDER.sub(ID, each[1]))[0] for each in found if each]


@pytest.mark.parametrize("example", examples())
def test_an_example_is_taken(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    for name in FILES:
        (tmp_path / name).write_text("{}")
    command: click.Command = main
    _, *words = shlex.split(example)
    context = None
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(click.Context(command, parent=context), words)
        assert command is not None, name
    command.make_context(command.name, words, parent=context).close()


# What they print is JSON lines anyhow, or not for programs to read.
WITHOUT_JSON = {"serve", "export", "scan", "stream", "event", "req", "mcp", "completion"}


def test_every_verb_prints_json_where_a_program_asks_for_it() -> None:
    plain = {
        command.name
        for command in verbs(main)
        if not isinstance(command, click.Group) and not any("--json" in each.opts for each in command.params)
    }
    assert plain == WITHOUT_JSON


def test_every_verb_shows_how_it_is_used() -> None:
    silent = [
        command.name
        for command in verbs(main)
        if not isinstance(command, click.Group) and "Examples:" not in (command.help or "")
    ]
    assert silent == []
