"""Where a verb's settings come from: --config, --data and --set. They are loaded when the verb asks for them."""

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from relay.config import Config

T = TypeVar("T")


@dataclass(frozen=True)
class CommandSettings:
    """Where the settings of this run come from."""

    file: Path | None
    flags: dict[str, str]

    def load(self) -> "Config":
        """The effective settings. Raises ConfigError."""
        from relay import loading

        return loading.load(self.file, os.environ, self.flags)


def with_settings(verb: Callable[..., T]) -> Callable[..., T]:
    """Give a verb --config, --data and --set; it gets them as the argument `settings`."""

    @click.option("--config", "config_file", metavar="FILE", envvar="TIDINGS_CONFIG", help="TOML file of settings.")
    @click.option("--data", metavar="DIR", help="Data directory (server.data).")
    @click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Any setting; may be repeated.")
    @functools.wraps(verb)
    def command(
        *args: Any,
        config_file: str | None,
        data: str | None,
        pairs: tuple[str, ...],
        listen: str | None = None,
        **kwargs: Any,
    ) -> T:
        flags = _flags(pairs)
        given = {"server.data": data, "server.listen": listen}
        flags |= {name: text for name, text in given.items() if text is not None}
        return verb(
            *args, settings=CommandSettings(None if config_file is None else Path(config_file), flags), **kwargs
        )

    return command


def _flags(pairs: Sequence[str]) -> dict[str, str]:
    flags: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise click.UsageError(f"--set takes NAME=VALUE, not {pair!r}")
        flags[name.strip()] = text
    return flags
