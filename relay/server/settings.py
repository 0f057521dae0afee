"""The settings in force: a reload replaces them, and whoever was given this sees the new ones.

What the operator said while the relay ran (storage.access) holds beside those of the file, and live. Who or what is denied by
one of the two is denied. What is allowed is added to a list of what alone is taken, where there is one.
"""

from typing import Final

import msgspec

from relay.config import Config
from storage.access import OperatorRules, RuleSubject

TEXTS: Final = ("relay.name", "relay.description", "relay.icon")  # settings that may have another text while it runs


class Settings:
    """`config` is what holds: `file`, with what the operator said while the relay ran (storage.access).

    `relay_url` is how clients know this relay (ws:// or wss://); it stays.
    """

    __slots__ = ("config", "file", "relay_url", "said")

    def __init__(self, config: Config, relay_url: str) -> None:
        self.file = self.config = config
        self.said = OperatorRules()
        self.relay_url = relay_url

    def read(self, config: Config) -> None:
        """These were read from the file, the environment and the command line."""
        self.file = config
        self.config = overlaid(config, self.said)

    def hear(self, said: OperatorRules) -> None:
        """This is what the operator says now."""
        self.said = said
        self.config = overlaid(self.file, said)


def overlaid(config: Config, said: OperatorRules) -> Config:
    """The settings with what the operator said."""
    if said == OperatorRules():
        return config
    access = config.access
    access = msgspec.structs.replace(
        access,
        denied_keys=[*access.denied_keys, *_values(said, RuleSubject.KEY, allowed=False)],
        denied_kinds=[*access.denied_kinds, *map(int, _values(said, RuleSubject.KIND, allowed=False))],
        denied_addresses=[*access.denied_addresses, *_values(said, RuleSubject.ADDRESS, allowed=False)],
        allowed_keys=access.allowed_keys
        if access.taken_keys is None
        else [*access.allowed_keys, *_values(said, RuleSubject.KEY, allowed=True)],
        allowed_kinds=access.allowed_kinds
        and [*access.allowed_kinds, *map(int, _values(said, RuleSubject.KIND, allowed=True))],
    )
    texts = {name.removeprefix("relay."): text for name, text in said.texts.items() if name in TEXTS}
    return msgspec.structs.replace(config, access=access, relay=msgspec.structs.replace(config.relay, **texts))


def _values(said: OperatorRules, subject: RuleSubject, *, allowed: bool) -> list[str]:
    return (said.allowed if allowed else said.denied).get(subject, "").split()
