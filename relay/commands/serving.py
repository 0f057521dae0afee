"""`serve` and `config`."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from relay import loading
from relay.commands import first_start, logs
from relay.commands.common import as_json, run
from relay.commands.settings import CommandSettings, with_settings
from relay.config import SETTINGS, Config, Setting, shown
from relay.setting_parts import ConfigError


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Address and port (server.listen); port 0 lets the system choose.")
@with_settings
def serve(settings: CommandSettings) -> None:
    """Run the relay until SIGTERM or Ctrl-C.

    SIGHUP reads the configuration again and applies what can change while running.

    \b
    Examples:
      tidings serve
      tidings serve --listen 0.0.0.0:7447 --data /var/lib/tidings
      tidings serve --config tidings.toml --set limits.max_limit=1000
    """
    from relay import open_files, starting
    from relay.roles import signals

    open_files.complete_standard()
    signals.hold_hangup()
    config = first_start.introduced(settings)
    logs.begin()
    open_files.allow_most()
    if starting.as_processes(config):
        with starting.locked(Path(config.server.data)) as lock, starting.bind(config) as sock:
            from relay import processes

            processes.run(config, lock, sock, greet, settings.load)
        return
    sock = starting.bind(config)
    from relay import app

    work = app.serve(config, sock, ready=greet, load=settings.load)
    if sys.platform == "win32":
        run(work)
    else:
        import uvloop

        uvloop.run(work)


def greet(text: str) -> None:
    """Say on stdout that the relay is up. It serves also where nobody reads that, or its disk is full."""
    try:
        click.echo(text)
    except OSError as error:
        logging.getLogger("tidings").warning("stdout cannot be written: %s", error.strerror)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())  # what stayed in its buffer goes there
        os.close(null)


@click.command("config")
@click.argument("names", nargs=-1)
@as_json
@click.option("--example", is_flag=True, help="Print a commented TOML file with every setting at its default.")
@with_settings
def show_config(settings: CommandSettings, names: tuple[str, ...], as_json: bool, example: bool) -> None:
    """Print the settings in force.

    Each with its value, what it does and where the value comes from. NAMES narrow the list to sections or settings.
    Later wins: default, file, environment, command line.

    \b
    Examples:
      tidings config
      tidings config limits server.listen
      tidings config --example > tidings.toml
      tidings config --json --config tidings.toml
    """
    chosen = [setting for setting in SETTINGS if _is_chosen(setting, names)]
    if names and not chosen:
        meant = f"; did you mean {likely}?" if (likely := loading.likely_setting(names[0])) else ";"
        raise ConfigError(f"{' '.join(names)!r} is no setting or section{meant} `tidings config` lists them all")
    if example:
        click.echo(example_file(chosen), nl=False)
        return
    effective = settings.load()
    origins = _origins(settings, effective)
    rows = [
        (setting, shown(setting, getattr(getattr(effective, setting.section), setting.field))) for setting in chosen
    ]
    if as_json:
        for setting, value in rows:
            click.echo(msgspec.json.encode(_row(setting, value, origins[setting.name])))
        return
    for setting, value in rows:
        live = ", reloadable" if setting.reloadable else ""
        click.echo(f"{setting.name} = {_toml(value)}")
        click.echo(f"    {setting.help}")
        click.echo(f"    from {origins[setting.name]}; {setting.variable}{live}")


def _is_chosen(setting: Setting, names: tuple[str, ...]) -> bool:
    return not names or setting.section in names or setting.name in names


def _row(setting: Setting, value: Any, origin: str) -> dict[str, Any]:
    return {
        "name": setting.name,
        "value": value,
        "default": setting.default,
        "origin": origin,
        "variable": setting.variable,
        "reloadable": setting.reloadable,
        "help": setting.help,
    }


def _origins(settings: CommandSettings, effective: Config) -> dict[str, str]:
    """Where each setting's value comes from; the settings have been loaded, so the files are sound."""
    files = [file for file in (loading.kept_file(effective), settings.file) if file is not None]
    tables = [(file, loading.content_of(file)) for file in files]
    origins = {}
    for setting in SETTINGS:
        origin = "default"
        for file, table in tables:
            if setting.field in table.get(setting.section, {}):
                origin = f"file {file}"
        if setting.variable in os.environ:
            origin = "environment"
        if setting.name in settings.flags:
            origin = "command line"
        origins[setting.name] = origin
    return origins


def example_file(chosen: list[Setting]) -> str:
    """A TOML file of these settings at their defaults, each commented out under its help."""
    lines = ["# Settings of Tidings. Every line starting with # shows a default; remove the # to change it."]
    section = ""
    for setting in chosen:
        if setting.section != section:
            section = setting.section
            lines += ["", f"[{section}]"]
        live = " (reloadable)" if setting.reloadable else ""
        lines += [f"# {setting.help}{live}", f"# {setting.field} = {_toml(setting.default)}"]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """A setting's value as TOML: its text, numbers, booleans and lists are written as in JSON."""
    return msgspec.json.encode(value).decode()
