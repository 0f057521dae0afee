"""`keys`: the master secret that keys held for others are sealed under. A secret is never an argument and never printed."""

from contextlib import closing
from pathlib import Path
from typing import IO

import click

from relay.commands import bound_keys, control_client
from relay.commands.common import Complaint, Verbs, as_json, done
from relay.commands.operating import relay_or
from relay.commands.progress import waiting
from relay.commands.settings import CommandSettings, with_settings
from relay.protocol.kinds import is_hex

_MAX_FILE = 4096  # bytes read in search of a secret


@click.group(cls=Verbs)
def keys() -> None:
    """Your identity's keys; for operators, those held for others."""


@keys.command("rotate-master")
@click.option(
    "--new-secret-file",
    "file",
    metavar="FILE",
    type=click.File("r"),
    help="Holds the next master secret, 64 hex digits; -: stdin. Else one is made and kept in secrets.toml.",
)
@as_json
@with_settings
def rotate_master(settings: CommandSettings, file: IO[str] | None, as_json: bool) -> None:
    """Encrypt everything anew under another master secret.

    Works while the relay runs. Where the master secret comes from the settings, the next one must be given, and put into
    the settings before the next start. Copies of the database made before still need the former secret.

    \b
    Examples:
      tidings keys rotate-master
      tidings keys rotate-master --new-secret-file - < next.secret
    """
    config = settings.load()
    following = "" if file is None else file.read(_MAX_FILE).strip()
    if file is not None and not is_hex(following, 64):
        raise Complaint(f"{file.name} holds no master secret: 64 lower-case hex digits are needed")

    def direct() -> int:
        from relay import opening

        return opening.rotate_master(config, following)

    with waiting("encrypting anew …"):
        found = relay_or(Path(config.server.data), direct)
        if isinstance(found, control_client.Client):
            with closing(found) as client:
                count = client.rotate_master(following)
        else:
            count = found
    done(f"encrypted anew: {count:,}; make a fresh copy of the database and of secrets.toml", as_json, secrets=count)


for _verb in bound_keys.VERBS:
    keys.add_command(_verb)
