"""Where settings come from: the defaults, what the first start was told, the file, the environment, flags; later wins.

An unknown name or a bad value stops the start with that name. What a running relay takes of settings that were read again is
said here, too.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec

from keys import encoding
from relay import retention_settings
from relay.config import PEERS, PREFIX, RETENTION, SECTIONS, SETTINGS, Config, Setting, split_listen
from relay.errors import Reject
from relay.peer_settings import PeerSettings
from relay.protocol import filter as filters
from relay.protocol import json_errors, kinds, urls
from relay.setting_parts import GREATEST, LONGEST, ConfigError

KEPT: Final = "settings.toml"  # in the data directory
_LONGEST_SHOWN: Final = 40  # characters of a wrong value that are repeated
_NEAR: Final = 0.75  # how alike a name and what is meant by it are, of 1
# What other programs call a setting.
_USUAL: Final = dict.fromkeys(("server.port", "server.host", "server.address", "server.bind"), "server.listen")
_BY_NAME = {setting.name: setting for setting in SETTINGS}


def load(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, str]) -> Config:
    """The effective settings. `flags` maps `section.field` to text. Raises ConfigError."""
    config = _load([file] if file is not None else [], environ, flags)
    kept = kept_file(config)
    if kept is None:
        return config
    told = _load([kept, *([file] if file is not None else [])], environ, flags)
    if told.server.data != config.server.data:
        raise ConfigError(f"{kept}: server.data cannot stand in the data directory; set it in a file of your own")
    return told


def kept_file(config: Config) -> Path | None:
    """The settings that the data directory keeps (`relay.commands.first_start`); None where there are none, or where the
    directory may not be looked into. What is there and cannot be read is an error when it is read.
    """
    file = Path(config.server.data) / KEPT
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except OSError:
        pass  # who reads it is told why
    return file


def _load(files: Sequence[Path], environ: Mapping[str, str], flags: Mapping[str, str]) -> Config:
    tables: dict[str, dict[str, Any]] = {}
    lists: dict[str, list[Any]] = {PEERS: [], RETENTION: []}
    places: dict[str, str] = {}  # where each setting that is set was set last
    for file in files:
        lists |= {name: found for name, found in _merge_file(tables, places, file).items() if found}
    for setting in SETTINGS:
        if setting.variable in environ:
            places[setting.name] = f"environment variable {setting.variable}"
            _put(tables, setting, environ[setting.variable], places[setting.name])
    known = {setting.variable for setting in SETTINGS} | {f"{PREFIX}CONFIG"}
    for variable in environ:
        if variable.startswith(PREFIX) and variable not in known:
            meant = likely_setting(variable.removeprefix(PREFIX).lower().replace("_", ".", 1))
            meant = f"{PREFIX}{meant.replace('.', '_').upper()}" if meant else ""
            raise ConfigError(f"environment variable {variable} is no setting{_did_you_mean(meant)}")
    for name, text in flags.items():
        if name not in _BY_NAME:
            raise ConfigError(f"{name!r} is no setting{_did_you_mean(likely_setting(name))}")
        places[name] = "command line"
        _put(tables, _BY_NAME[name], text, places[name])
    config = msgspec.convert(tables | lists, Config)
    try:
        _check(config)
    except ConfigError as error:
        raise ConfigError(f"{error}{_set_where(str(error), places)}") from None
    return config


def _set_where(said: str, places: Mapping[str, str]) -> str:
    """Where the settings were set that an error names; "" where it names none that was."""
    named = dict.fromkeys(name for name in re.findall(r"\w+\.\w+", said) if name in places)
    return f" ({', '.join(f'{name} is set by {places[name]}' for name in named)})" if named else ""


def content_of(file: Path) -> dict[str, Any]:
    """What stands in a file of settings, by table; editors of Windows put a byte order mark before it. Raises ConfigError."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        return tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: it is no UTF-8 text (byte {error.start + 1}); save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}{_remedy(text, str(error))}") from None


def _merge_file(tables: dict[str, dict[str, Any]], places: dict[str, str], file: Path) -> dict[str, list[Any]]:
    """Put the file's settings into `tables`, and into `places` where they stand; its lists of tables, by name."""
    content = content_of(file)
    lists: dict[str, list[Any]] = {
        PEERS: _peers(content.pop(PEERS, []), file),
        RETENTION: retention_settings.read(content.pop(RETENTION, []), file),
    }
    for section, values in content.items():
        if isinstance(values, list) and hasattr(Config, section):
            raise ConfigError(f"{file}: write [{section}] with one bracket, and once")
        if not isinstance(values, dict):
            raise ConfigError(
                f"{file}: {section!r} stands outside a table; settings are written as [section] name = value"
            )
        for field, value in values.items():
            setting = _BY_NAME.get(f"{section}.{field}")
            if setting is None:
                name = f"{section}.{field}"
                raise ConfigError(f"{file}: {name} is no setting{_did_you_mean(likely_setting(name))}")
            _convert(setting, value, str(file))
            tables.setdefault(section, {})[field] = value
            places[setting.name] = f"file {file}"
    return lists


def likely_setting(name: str) -> str:
    """The setting that somebody meant who wrote `name`: that with this field in another section, or the nearest; "" for none."""
    section, _, field = name.rpartition(".")
    elsewhere = [setting.name for setting in SETTINGS if setting.field == field]
    if len(elsewhere) == 1:
        return elsewhere[0]
    fields = [setting.field for setting in SETTINGS if setting.section == section]
    if fields:  # what all of them begin with makes none of them more alike
        near = get_close_matches(field, fields, 1, _NEAR)
        return _USUAL.get(name, f"{section}.{near[0]}" if near else "")
    return next(iter(get_close_matches(name, _BY_NAME, 1, _NEAR)), "")


def _did_you_mean(likely: str) -> str:
    return (
        f"; did you mean {likely}? `tidings config` lists them all" if likely else "; `tidings config` lists them all"
    )


def _remedy(text: str, error: str) -> str:
    """What to do about the line that `error` names: a name that is there twice, or a text without quotes."""
    place = re.search(r"at line (\d+)", error)
    line = (text.split("\n")[int(place[1]) - 1 :] or [""])[0] if place is not None else ""
    if error.startswith(("Cannot overwrite", "Cannot declare")):
        again = re.match(r"\s*(\[[^\]]*\]|[\w.\"-]+)", line)
        return f"; {again[1]} stands there twice: keep one" if again is not None else ""
    bare = re.fullmatch(r"\s*([\w.-]+)\s*=\s*([^\s\"'\[{#][^\"'#]*?)\s*(#.*)?", line)
    if bare is None:
        return ""
    if (word := bare[2].lower()) in ("true", "false"):
        return f"; it is written small: {bare[1]} = {word}"
    return f'; a text stands in quotes: {bare[1]} = "{bare[2]}"'


def _peer(given: Any, number: int, file: Path) -> PeerSettings:
    try:
        return msgspec.convert(given, PeerSettings)
    except msgspec.ValidationError as error:
        url = given.get("url") if isinstance(given, dict) else None
        which = url if isinstance(url, str) else f"number {number}"
        said = json_errors.in_words(str(error))
        raise ConfigError(f"{file}: [[peers]] {which}: {said} (federation.md shows what a peer has)") from None


def _peers(given: Any, file: Path) -> list[PeerSettings]:
    if not isinstance(given, list):
        raise ConfigError(f"{file}: write [[peers]] with two brackets, once for each peer")
    peers = [_peer(one, number, file) for number, one in enumerate(given, 1)]
    seen: set[str] = set()
    for peer in peers:
        check_peer(peer)
        if (place := _place(peer.url)) in seen:
            raise ConfigError(f"{file}: [[peers]]: {peer.url} is there twice; give one peer several filters instead")
        seen.add(place)
    return peers


def _place(url: str) -> str:
    """A relay's URL in one spelling; "" for what is none."""
    place = urls.parse(url, urls.WEBSOCKET)
    return "" if place is None else f"{place.origin}{place.path}{place.query}".removesuffix("/")


def check_peer(peer: PeerSettings) -> None:
    """Raises ConfigError for what its fields' types alone cannot tell."""
    place = urls.parse(peer.url, urls.WEBSOCKET)
    if place is None or place.names_user:
        raise ConfigError(f"[[peers]]: {peer.url!r} is no relay's URL; write it like wss://relay.example.org")
    for number, wanted in enumerate(peer.filters):
        try:
            filters.check_comparable(filters.parse(wanted))
        except Reject as refusal:
            raise ConfigError(f"[[peers]] {peer.url}: filter {number + 1}: {refusal.message}") from None
    if peer.key and not kinds.is_hex(peer.key, 64):
        try:
            encoding.decode("nsec", peer.key)
        except ValueError:
            raise ConfigError(f"[[peers]] {peer.url}: key is no secret key: nsec1… or 64 hex digits") from None


def _put(tables: dict[str, dict[str, Any]], setting: Setting, text: str, where: str) -> None:
    value: Any = text
    if isinstance(setting.default, list):
        value = _list(text, f"{where}: {setting.name}")
    tables.setdefault(setting.section, {})[setting.field] = _convert(setting, value, where, strict=False)


def _list(text: str, where: str) -> list[Any]:
    """Items with commas between, or a list as it stands in a file and as `tidings config` prints it."""
    if not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        found = tomllib.loads(f"list = {text}")
    except tomllib.TOMLDecodeError:
        found = {}
    if list(found) != ["list"]:
        raise ConfigError(f'{where}: write a,b or ["a", "b"]')
    items: list[Any] = found["list"]
    return items


def _convert(setting: Setting, value: Any, where: str, strict: bool = True) -> Any:
    try:
        converted = msgspec.convert(value, setting.type, strict=strict)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_unfit(setting, value, str(error))} ({setting.help})") from None
    most = {int: GREATEST, float: LONGEST}.get(type(converted))
    if most is not None and converted > most:
        raise ConfigError(f"{where}: {setting.name} must be at most {most}, not {value} ({setting.help})")
    return converted


def _unfit(setting: Setting, value: Any, error: str) -> str:
    """What is wrong with a value, which msgspec says in `error`."""
    choices = _choices(setting.type)
    if choices:
        return f"{setting.name} must be {', '.join(choices[:-1])} or {choices[-1]}, not {value!r}"
    said = json_errors.in_words(error, setting.name)
    said = said if said.startswith(setting.name) else f"{setting.name}{said}"  # of an item of a list, by its place
    if "hex digits" in said and str(value).startswith(("npub1", "nsec1", "['npub1")):
        return f"{said}; `tidings key convert` prints them"
    return said if setting.secret else _with_value(said, value)


def _with_value(said: str, value: Any) -> str:
    """What is wrong with a number or a switch, and what was given; texts are not repeated, since one may be a secret."""
    place = re.match(r"[\w.]+(?:\[(\d+)\])? must be (?:a whole number|a number|true or false|at least|at most)", said)
    if place is None:
        return said
    given = value[int(place[1])] if place[1] and isinstance(value, list) else value
    shown = str(given).lower() if isinstance(given, bool) else repr(given)
    if not isinstance(given, str | int | float) or len(shown) > _LONGEST_SHOWN:
        return said
    return f"{said.partition(', not ')[0]}, not {shown}"


def _choices(kind: Any) -> list[str]:
    """The words that a setting may be; empty where it may be others."""
    inner = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return [str(word) for word in get_args(inner)] if get_origin(inner) is Literal else []


def _check(config: Config) -> None:
    """What one field alone cannot tell."""
    if config.limits.default_limit > config.limits.max_limit:
        raise ConfigError("limits.default_limit is above limits.max_limit; lower the one or raise the other")
    split_listen(config.server.listen)
    if config.relay.url and urls.parse(config.relay.url, urls.WEBSOCKET) is None:
        raise ConfigError(f"relay.url: {config.relay.url!r} is no URL, write it like wss://relay.example.org")
    if bool(config.identities.jwt_issuer) != bool(config.identities.jwt_keys):
        raise ConfigError("identities.jwt_issuer and identities.jwt_keys go together; set both or neither")
    livekit = (config.groups.livekit_url, config.groups.livekit_key, config.groups.livekit_secret)
    if any(livekit) and not all(livekit):
        raise ConfigError("groups.livekit_url, livekit_key and livekit_secret go together; set all three or none")
    if config.search.chunk_overlap * 2 >= config.search.chunk_size:
        raise ConfigError(
            "search.chunk_overlap is not below half of search.chunk_size; lower the one or raise the other"
        )
    if config.search.embedder == "endpoint" and not (config.search.endpoint_url and config.search.endpoint_model):
        raise ConfigError("search.embedder = endpoint needs search.endpoint_url and search.endpoint_model")
    for one in config.federation.follow:
        _check_followed(one)
    for name, networks in (
        ("server.trusted_proxies", config.server.trusted_proxies),
        ("access.denied_addresses", config.access.denied_addresses),
    ):
        for network in networks:
            try:
                ip_network(network)
            except ValueError as error:
                raise ConfigError(f"{name}: {error}; write networks like 10.0.0.0/8") from None


def _check_followed(one: str) -> None:
    try:
        if one.startswith("npub"):
            encoding.decode("npub", one)
        elif one != "members":
            pointer = encoding.decode_pointer(one.removeprefix("list:"))
            kind = pointer.kind if isinstance(pointer, encoding.AddressPointer) else None
            if kind is None or not (kinds.is_replaceable(kind) or kinds.is_addressable(kind)):
                raise ValueError(f"an event of kind {kind} is no list (NIP-51)")
    except ValueError as error:
        raise ConfigError(f"federation.follow: {one}: {error}") from None


def reload(current: Config, fresh: Config) -> tuple[Config, list[str]]:
    """`current` with the reloadable settings of `fresh`, and the names of those that differ but need a restart."""
    kept: list[str] = []
    sections: dict[str, Any] = {}
    for section in SECTIONS:
        now, then = getattr(current, section.name), getattr(fresh, section.name)
        changes = {}
        for setting in SETTINGS:
            if setting.section == section.name and getattr(now, setting.field) != getattr(then, setting.field):
                if setting.reloadable:
                    changes[setting.field] = getattr(then, setting.field)
                else:
                    kept.append(setting.name)
        sections[section.name] = msgspec.structs.replace(now, **changes)
    return Config(**sections, peers=fresh.peers, retention=fresh.retention), kept
