"""Which hub, and the API key for it: from an option, the environment, or the file that `tidings register --save` writes.

A hub may have several accounts there; one of them is used unless another is named. A key is a secret: it is never an argument,
is kept in a file that its owner alone can read, and no error repeats it.
"""

import os
import tomllib
from pathlib import Path
from typing import Final

import click
import msgspec

from relay.commands.common import Complaint, Misuse, naming
from relay.commands.own_files import own_file
from relay.protocol import json_errors

URL_VARIABLE: Final = "HUB_URL"
KEY_VARIABLE: Final = "HUB_API_KEY"
ACCOUNT_VARIABLE: Final = "HUB_ACCOUNT"
_MAX_FILE: Final = 1024 * 1024  # bytes
_NOTE: Final = "# API keys of hubs, by the hub's URL. Whoever reads this file can post in your name."


class SavedAccount(msgspec.Struct, frozen=True):
    """An identity on a hub."""

    name: str
    api_key: str

    def __repr__(self) -> str:
        return f"Account({self.name!r})"


class Credentials(msgspec.Struct):
    """What is saved: the hub that is meant when none is named, for each hub the account that is used, and the others there."""

    hub: str | None = None
    accounts: dict[str, SavedAccount] = {}
    others: dict[str, list[SavedAccount]] = {}

    def of(self, url: str) -> list[SavedAccount]:
        """The accounts of a hub, the one that is used first."""
        used = self.accounts.get(url)
        return [*([] if used is None else [used]), *self.others.get(url, [])]

    def keep(self, url: str, accounts: list[SavedAccount]) -> None:
        """These are the accounts of a hub, the first one is used."""
        for table in (self.accounts, self.others):
            table.pop(url, None)
        if accounts:
            self.accounts[url] = accounts[0]
        if accounts[1:]:
            self.others[url] = accounts[1:]


def saved_file() -> Path:
    """Where `register --save` keeps keys."""
    return own_file("credentials.toml")


def load() -> Credentials:
    """What is saved. Raises Complaint when the file can be read by others or makes no sense."""
    file = saved_file()
    try:
        with file.open("rb") as stream:
            if os.name == "posix" and os.fstat(stream.fileno()).st_mode & 0o077:
                raise Complaint(f"{file} can be read by others; run `chmod 600 {file}`, and think of its keys as known")
            content = tomllib.loads(stream.read(_MAX_FILE).decode("utf-8-sig"))
    except FileNotFoundError:
        return Credentials()
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Complaint(f"{file}: {error}") from None
    try:
        return msgspec.convert(content, Credentials)
    except msgspec.ValidationError as error:
        raise Complaint(f"{file}: {json_errors.in_words(str(error))}") from None


def save(url: str, account: SavedAccount) -> None:
    """Keep an account and use it, and make its hub the one that is meant when none is named."""
    kept = load()
    kept.hub = url
    kept.keep(url, [account, *(one for one in kept.of(url) if one.name.lower() != account.name.lower())])
    write(kept)


def named(url: str, name: str) -> SavedAccount:
    """The saved account of this name, in any case. Raises Misuse."""
    accounts = load().of(url)
    found = next((one for one in accounts if one.name.lower() == name.lower()), None)
    if found is None:
        there = ", ".join(one.name for one in accounts) or "none"
        raise Misuse(f"{saved_file()} has no account {name} of {url}; there: {there}")
    return found


def write(kept: Credentials) -> None:
    """Keep all of this in place of what is saved."""
    lines = [_NOTE, *([] if kept.hub is None else [f"hub = {_toml(kept.hub)}"])]
    for place, one in kept.accounts.items():
        lines += ["", f"[accounts.{_toml(place)}]", *_fields(one)]
    for place, some in kept.others.items():
        for one in some:
            lines += ["", f"[[others.{_toml(place)}]]", *_fields(one)]
    file = saved_file()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with naming(fresh), os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)


def _fields(account: SavedAccount) -> list[str]:
    return [f"name = {_toml(account.name)}", f"api_key = {_toml(account.api_key)}"]


def _toml(text: str) -> str:
    """A text as TOML: as in JSON, but for DEL."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")


def hub_url(given: str | None) -> str:
    """The hub that is meant: the option, the environment, the saved one. Raises Misuse, Complaint."""
    url = given or os.environ.get(URL_VARIABLE) or load().hub
    if url is None:
        raise Misuse(
            f"which hub? Give --hub URL or {URL_VARIABLE}, or get a key: `tidings register NAME --hub URL --save`"
        )
    from relay.client import BadUrl
    from relay.client.urls import check_hub, hub_root

    try:
        check_hub(url)
    except BadUrl as error:
        raise Misuse(str(error)) from None
    return hub_root(url)


def api_key(url: str, file: str | None, account: str | None = None) -> str:
    """The key for a hub: of the named account, from the file, the environment, the saved ones. Raises Misuse, Complaint."""
    key = find_key(url, file, account)
    if key is None:
        raise Misuse(
            f"no API key for {url}: `tidings register NAME --save` gets one, --key-file or {KEY_VARIABLE} gives one"
        )
    return key


def find_key(url: str, file: str | None, account: str | None = None) -> str | None:
    """The key for a hub, None where there is none. Raises Misuse for what is no key, Complaint."""
    if file is not None and account is not None:
        raise Misuse("--key-file and --account name two keys: give one of them")
    if account is not None:
        return named(url, account).api_key
    if file is not None:
        return read_key(file)
    if KEY_VARIABLE in os.environ:
        return _checked(os.environ[KEY_VARIABLE].strip(), KEY_VARIABLE)
    if ACCOUNT_VARIABLE in os.environ:
        return named(url, os.environ[ACCOUNT_VARIABLE]).api_key
    found = load().accounts.get(url)
    return None if found is None else found.api_key


def read_key(file: str) -> str:
    """The key in the first line of a file; `-` is stdin. Raises Misuse for what is no key."""
    return _checked(_first_line(file), file)


def _first_line(file: str) -> str:
    with click.open_file(file, "rb") as stream:
        data: bytes = stream.read(4096)
    return data.decode("utf-8-sig", errors="replace").partition("\n")[0].strip()


def _checked(key: str, place: str) -> str:
    """A key that can stand in a header. Raises Misuse, which does not repeat it."""
    from relay.client.http import is_key

    if not key:
        raise Misuse(f"{place} is empty: it should hold an API key (`tidings register NAME --save` gets one)")
    if not is_key(key):
        raise Misuse(f"{place} holds no API key")
    return key
