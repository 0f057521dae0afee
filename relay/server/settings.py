"""The settings in force: a reload replaces them, and whoever was given this sees the new ones."""

from relay.config import Config
from relay.server.operator_rules import overlaid
from storage.access import OperatorRules


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
