"""Where the commands keep what is of the person who runs them: API keys, a secret, the ids that were shown."""

from pathlib import Path

import click


def own_file(name: str) -> Path:
    """Its place in the person's folder of settings.

    An `XDG_CONFIG_HOME` that is empty or no absolute path counts as none (XDG Base Directory Specification), so that no secret
    comes into the folder that somebody happens to be in.
    """
    folder = Path(click.get_app_dir("tidings"))
    return (folder if folder.is_absolute() else Path.home() / ".config" / "tidings") / name
