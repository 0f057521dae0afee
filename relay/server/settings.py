"""The settings in force: a reload replaces them, and whoever was given this sees the new ones."""

from relay.config import Config


class Settings:
    """`relay_url` is how clients know this relay (ws:// or wss://); it stays."""

    __slots__ = ("config", "relay_url")

    def __init__(self, config: Config, relay_url: str) -> None:
        self.config = config
        self.relay_url = relay_url
