"""Nothing that a user can set, run or speak is undocumented, and what is generated is fresh."""

import runpy
from pathlib import Path

import pytest

from handlers import table
from relay.config import SETTINGS
from relay.http.nips import NIPS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
REGENERATE = "run `.venv/bin/python docs/generate.py` and commit what it writes"


@pytest.mark.parametrize("name", ["settings.md", "nips.md"])
def test_a_generated_page_is_what_the_rows_say(name):
    page = runpy.run_path(str(DOCS / "generate.py"))["PAGES"][name]
    assert (DOCS / name).read_text(encoding="utf-8") == page(), REGENERATE


def test_every_setting_is_documented_with_its_variable_and_help():
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    missing = [
        setting.name
        for setting in SETTINGS
        if not all(part in text for part in (f"`{setting.name}`", f"`{setting.variable}`", setting.help))
    ]
    assert missing == [], REGENERATE


def test_every_nip_of_the_relay_has_its_words():
    from relay.app import NIPS as IMPLEMENTED

    assert [number for number in IMPLEMENTED if number not in NIPS] == [], "add a row to relay/http/nips.py"
    assert [number for number in NIPS if number not in IMPLEMENTED] == [], (
        "relay/http/nips.py has words for more than there is"
    )


@pytest.mark.parametrize("path", ["docs/nips.md", "README.md"])
def test_every_nip_row_of_the_handlers_is_in(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    assert [nip for nip in table.NIPS if f"NIP-{nip:02}" not in text] == []


def test_every_verb_of_the_command_line_is_documented():
    from relay.cli import main

    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert main.commands, "the command line has no verbs"
    assert [verb for verb in main.commands if f"tidings {verb}" not in text] == []
