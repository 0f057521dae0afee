"""The settings as people read them: one table of rows for the page at /docs, the first page and docs/settings.md."""

from typing import Any, Final

import msgspec

from relay.config import SECTIONS, SETTINGS, Config, Setting
from relay.protocol.words import counted


class SettingRow(msgspec.Struct, frozen=True):
    """One setting in words; `default` is written as in the TOML file."""

    name: str
    variable: str
    default: str
    help: str
    reloadable: bool


class SettingsTable(msgspec.Struct, frozen=True):
    """One table of the TOML file; `about` says what its settings have in common."""

    name: str
    about: str
    rows: list[SettingRow]


class InForce(msgspec.Struct, frozen=True):
    """A limit or rule as it holds now."""

    name: str
    help: str
    value: str


def settings() -> list[SettingsTable]:
    """Every setting, by section, in the order of the code."""
    groups = []
    for section in SECTIONS:
        rows = [_row(setting) for setting in SETTINGS if setting.section == section.name]
        groups.append(SettingsTable(section.name, (section.type.__doc__ or "").split("\n")[0], rows))
    return groups


def _row(setting: Setting) -> SettingRow:
    return SettingRow(setting.name, setting.variable, toml(setting.default), setting.help, setting.reloadable)


def toml(value: Any) -> str:
    """A setting's value as it stands in a TOML file."""
    return msgspec.json.encode(value).decode()  # for booleans, numbers, strings and lists of them the two agree


_SHOWN: Final = ("limits", "access", "rates")
_OF_OPERATORS: Final = ("access.operators", "access.denied_addresses")  # for nobody else


def in_force(config: Config) -> list[InForce]:
    """The limits and rules that hold for clients, as set now; those that are off are left out. Keys are counted, not named."""
    shown = []
    for setting in SETTINGS:
        value = getattr(getattr(config, setting.section), setting.field)
        if setting.section in _SHOWN and setting.name not in _OF_OPERATORS and not _is_off(setting, value):
            shown.append(InForce(setting.name, setting.help.split(";")[0], _words(setting, value)))
    return shown


def _is_off(setting: Setting, value: Any) -> bool:
    return not value and (value == setting.default or "; 0:" in setting.help or value is False or value == [])


def _words(setting: Setting, value: Any) -> str:
    if value is True:
        return "yes"
    if isinstance(value, list):
        return counted(len(value), "key") if setting.field.endswith("keys") else ", ".join(map(str, value))
    return value if isinstance(value, str) else f"{value:,}".removesuffix(".0")
