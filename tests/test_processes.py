"""What a role does that is started again."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from relay import processes
from relay.config import Config
from relay.setting_parts import ConfigError


def test_one_that_cannot_read_the_settings_says_so_and_keeps_to_those_of_the_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def load() -> Config:
        raise ConfigError("tidings.toml: no such setting")

    page = SimpleNamespace(position=lambda: SimpleNamespace(number=7))
    plan = SimpleNamespace(page=page, config=Config(), load=load)
    assert processes._settings(cast(Any, plan)) is plan.config
    assert "tidings.toml: no such setting" in caplog.text
