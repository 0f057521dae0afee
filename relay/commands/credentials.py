"""Which hub, and the API key for it: from an option, the environment, or the file that `tidings register --save` writes.

A key is a secret: it is never an argument, is kept in a file that its owner alone can read, and no error repeats it.
"""

import os
import tomllib
from pathlib import Path
from typing import Final

import click
import msgspec

from relay.commands.common import Complaint, Misuse

URL_VARIABLE: Final = "HUB_URL"
KEY_VARIABLE: Final = "HUB_API_KEY"
_MAX_FILE: Final = 1024 * 1024  # bytes
_NOTE: Final = "# API keys of hubs, by the hub's URL. Whoever reads this file can post in your name."


class SavedAccount(msgspec.Struct, frozen=True):
    """An identity on a hub."""

    name: str
    api_key: str

    def __repr__(self) -> str:
        return f"Account({self.name!r})"


class Credentials(msgspec.Struct):
    """What is saved: the hub that is meant when none is named, and an account for each hub."""

    hub: str | None = None
    accounts: dict[str, SavedAccount] = {}


def saved_file() -> Path:
    """Where `register --save` keeps keys."""
    return Path(click.get_app_dir("tidings")) / "credentials.toml"


def load() -> Credentials:
    """What is saved. Raises Complaint when the file can be read by others or makes no sense."""
    file = saved_file()
    try:
        with file.open("rb") as stream:
            if os.name == "posix" and os.fstat(stream.fileno()).st_mode & 0o077:
                raise Complaint(f"{file} can be read by others; run `chmod 600 {file}`, and think of its keys as known")
            content = tomllib.loads(stream.read(_MAX_FILE).decode())
    except FileNotFoundError:
        return Credentials()
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Complaint(f"{file}: {error}") from None
    try:
        return msgspec.convert(content, Credentials)
    except msgspec.ValidationError as error:
        raise Complaint(f"{file}: {error}") from None


def save(url: str, account: SavedAccount) -> None:
    """Keep an account, and make its hub the one that is meant when none is named."""
    kept = load()
    lines = [_NOTE, f"hub = {_toml(url)}"]
    for place, one in (kept.accounts | {url: account}).items():
        lines += ["", f"[accounts.{_toml(place)}]", f"name = {_toml(one.name)}", f"api_key = {_toml(one.api_key)}"]
    file = saved_file()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)


def _toml(text: str) -> str:
    """A text as TOML: as in JSON, but for DEL."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")


def hub_url(given: str | None) -> str:
    """The hub that is meant: the option, the environment, the saved one. Raises Misuse, Complaint."""
    url = given or os.environ.get(URL_VARIABLE) or load().hub
    if url is None:
        raise Misuse(f"which hub? Give --hub URL or {URL_VARIABLE}, or get a key with `tidings register --save`")
    from relay.client import BadUrl
    from relay.client.urls import check_hub

    try:
        check_hub(url)
    except BadUrl as error:
        raise Misuse(str(error)) from None
    return url.rstrip("/")


def api_key(url: str, file: str | None) -> str:
    """The key for a hub: from the file, the environment, the saved ones. Raises Misuse, Complaint."""
    key = find_key(url, file)
    if key is None:
        raise Misuse(
            f"no API key for {url}: `tidings register NAME --save` gets one, --key-file or {KEY_VARIABLE} gives one"
        )
    return key


def find_key(url: str, file: str | None) -> str | None:
    """The key for a hub, None where there is none. Raises Misuse for what is no key, Complaint."""
    if file is not None:
        return _checked(_first_line(file), file)
    if KEY_VARIABLE in os.environ:
        return _checked(os.environ[KEY_VARIABLE].strip(), KEY_VARIABLE)
    account = load().accounts.get(url)
    return None if account is None else account.api_key


def _first_line(file: str) -> str:
    with click.open_file(file, "rb") as stream:
        data: bytes = stream.read(4096)
    return data.decode(errors="replace").partition("\n")[0].strip()


def _checked(key: str, place: str) -> str:
    """A key that can stand in a header. Raises Misuse, which does not repeat it."""
    from relay.client.http import is_key

    if not key:
        raise Misuse(f"{place} is empty: it should hold an API key (`tidings register NAME --save` gets one)")
    if not is_key(key):
        raise Misuse(f"{place} holds no API key")
    return key
