"""What a person is told when the relay is up: where it is, and first commands that work where it was started."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from relay import __version__
from relay.config import Config


def invoked(script: Path) -> str:
    """How to call this program again: by its name where the shell finds it, else by the shortest path that leads to it."""
    found = shutil.which("tidings")
    if found is not None and os.path.realpath(found) == os.path.realpath(script):
        return "tidings"
    is_module = script.name == "__main__.py"
    program = Path(sys.executable) if is_module else script
    here = Path.cwd()
    is_below = program.is_relative_to(here) and here != Path(here.anchor)  # a service is started in `/`
    path = program.relative_to(here) if is_below else program
    return shlex.quote(str(path)) + (" -m relay" if is_module else "")


def public(config: Config, websocket: str) -> str:
    """Under which URL clients are taken to know this relay, and where that comes from."""
    if config.relay.url:
        return f"{config.relay.url} (relay.url)"
    if config.server.trusted_proxies:
        return f"what the trusted proxies say, {websocket} without them; relay.url sets it"
    return f"{websocket}; relay.url sets another"


def text(config: Config, page: str) -> str:
    """What a person needs to know when the relay is up, in commands that work where it was started."""
    websocket = config.relay.url or page.replace("http", "ws", 1)
    command = invoked(Path(sys.argv[0]).absolute())
    return f"""Tidings {__version__} is up; the data is in {config.server.data}

  page       {page}/
  WebSocket  {websocket}
  public     {public(config, websocket)}
  docs       {page}/docs

A first event:
  {command} key generate --save
  {command} event "Hello from Tidings" --publish {websocket}
  {command} req {websocket} '{{"kinds":[1],"limit":10}}'

Ctrl-C stops."""
