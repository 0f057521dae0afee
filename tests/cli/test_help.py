"""The examples in the help of every verb are commands that the verb takes."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import relay.commands
from relay.cli import main
from relay.commands.table import SECTIONS

COMMANDS = Path(relay.commands.__file__).parent
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


def test_the_table_of_verbs_and_their_modules_agree() -> None:
    entries = {name: entry for section in SECTIONS.values() for name, entry in section.items()}
    for name, entry in entries.items():
        command = main.commands[name]
        assert (command.name, command.get_short_help_str(1000), command.hidden) == (name, entry.help, False)
    modules = [import_module(f"relay.commands.{file.stem}") for file in COMMANDS.glob("*.py")]
    made = {id(each) for module in modules for each in vars(module).values() if isinstance(each, click.Command)}
    assert made == {id(command) for command in verbs(main)}


def test_the_help_and_completion_show_all_verbs_and_load_none() -> None:
    looked_at = "import sys\nfrom relay.cli import main\ntry: main(prog_name='tidings')\nfinally: print(*sys.modules)"

    def run(*args: str, **environ: str) -> tuple[str, set[str]]:
        done = subprocess.run(
            [sys.executable, "-c", looked_at, *args],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | environ,
        )
        *lines, loaded = done.stdout.splitlines()
        return "\n".join(lines), {name for name in loaded.split() if name.startswith("relay.commands.")}

    shown, loaded = run("--help")
    assert loaded == {f"relay.commands.{name}" for name in ("common", "table")}
    names = {name: entry for section in SECTIONS.values() for name, entry in section.items()}
    for name, entry in names.items():
        assert re.search(rf"^  {name} +{re.escape(entry.help[:30])}", shown, re.MULTILINE)
    completed, again = run(_TIDINGS_COMPLETE="bash_complete", COMP_WORDS="tidings ", COMP_CWORD="1")
    assert ([line.partition(",")[2] for line in completed.splitlines()], again) == (list(names), loaded)


def test_a_verb_that_is_none_is_told_with_the_one_that_was_meant() -> None:
    assert "Did you mean one of: 'import', 'post'?" in CliRunner().invoke(main, ["improt"]).stderr


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


@pytest.mark.parametrize(
    "verbs", ["account_news", "accounts", "entries", "feed", "groups", "lists", "people", "search", "webhooks"]
)
def test_verbs_that_ask_a_hub_load_nothing_of_the_relay(verbs: str) -> None:
    loads = f"import relay.cli, relay.client, relay.commands.{verbs}, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True).stdout.split()
    ours = (
        "cryptography",
        "handlers",
        "keys.vault",
        "relay.config",
        "relay.federation",
        "relay.http",
        "relay.server",
        "storage",
    )
    assert [name for name in loaded if name.startswith(ours)] == []
