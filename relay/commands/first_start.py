"""The first start asks whoever sits before it what this place is called and what it is for: pages say so at their top.

Only on a terminal, once, and only where no setting says so already. A service is never held up: without a terminal, in the
background, or without an answer within a minute, it goes on with the defaults. The answers are kept in `settings.toml` of the data
directory, which counts less than any other place of settings.
"""

import os
import select
import sys
from pathlib import Path
from typing import Final

import msgspec

from relay import loading
from relay.commands.common import naming, printable, say
from relay.commands.settings import CommandSettings
from relay.config import SETTINGS, Config, Setting

PATIENCE: Final = 60  # seconds for an answer
LONGEST: Final = 500  # characters of one
ASKED: Final = {"relay.name": "What is this place called?", "relay.description": "What is it for, in a sentence?"}


def introduced(settings: CommandSettings) -> Config:
    """The settings in force, after the questions of a first start. Raises ConfigError."""
    config = settings.load()
    directory = Path(config.server.data)
    open_questions = [
        setting for setting in SETTINGS if setting.name in ASKED and _value(config, setting) == setting.default
    ]
    if len(open_questions) < len(ASKED) or not _is_first(directory) or not _somebody_is_there():
        return config
    say("A first start. Two questions; Enter takes what is in brackets.")
    told = {setting.field: answer for setting in open_questions if (answer := _ask(setting))}
    if told:
        _keep(directory, told)
        say(f"That is kept in {directory / loading.KEPT}, to be changed there.")
    return settings.load()


def _value(config: Config, setting: Setting) -> object:
    return getattr(getattr(config, setting.section), setting.field)


def _is_first(directory: Path) -> bool:
    """Whether nothing is in the data directory yet."""
    try:
        return not directory.exists() or not any(directory.iterdir())
    except OSError:
        return False  # the start itself will say what is wrong with it


def _somebody_is_there() -> bool:
    """Whether this runs on a terminal, in its foreground: who reads a terminal from the background is stopped."""
    try:
        return sys.stdin.isatty() and sys.stderr.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):
        return False


def _ask(setting: Setting) -> str:
    """The answer; "" for none within `PATIENCE`, or at the end of the input."""
    sys.stderr.write(f"  {ASKED[setting.name]} [{setting.default}] ")
    sys.stderr.flush()
    if not select.select([sys.stdin], [], [], PATIENCE)[0]:
        say("")
        return ""
    return " ".join(printable(sys.stdin.readline().strip()).split())[:LONGEST]


def _keep(directory: Path, told: dict[str, str]) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = [f"{field} = {msgspec.json.encode(answer).decode()}" for field, answer in told.items()]
    text = "\n".join(
        ["# What the first start was told. Settings of any other place go before these.", "[relay]", *lines, ""]
    )
    fresh = directory / f"{loading.KEPT}.new"
    with naming(fresh):
        fresh.write_text(text, encoding="utf-8")
    fresh.replace(directory / loading.KEPT)
