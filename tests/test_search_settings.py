"""Which model serves: the one of the settings, or the one that search went over to while serving."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from relay import search
from relay.config import Config
from relay.roles.search import SettingsInForce
from relay.search import LocalSearch
from relay.search_settings import Search
from storage.errors import StorageError
from storage.search.engine import ModelMismatch
from storage.sqlite.search.model_vectors import ModelVectors
from tests.storage.sqlite.search.test_sqlite_search import CAT, DOG, Place, Toy


@pytest.fixture
async def place(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(search, "embedder", lambda settings: Toy(settings.endpoint_model or "toy"))
    opened = await Place(tmp_path).open()
    opened.put(CAT, DOG)
    await opened.embed()
    yield opened
    await opened.close()


def local(place: Place, kept: SettingsInForce | None = None) -> LocalSearch:
    config = msgspec.convert({"server": {"data": str(place.path)}}, Config)
    given: Any = place.vector_settings
    return LocalSearch(config, given.reader, given.write, kept)


async def test_a_role_that_is_started_again_takes_the_model_that_serves(place):
    kept = SettingsInForce()
    for former, model in (("toy", "other"), ("other", "third")):
        role = local(place, kept)
        await role.open()
        assert role.health().model == former
        assert await role.reembed(Search(endpoint_model=model)) == 2
        await role.close()
    again = local(place, kept)
    await again.open()
    assert (again.health().model, again.health().pending) == ("third", 0)
    await again.close()


async def test_a_start_does_not_wait_for_a_large_index_but_for_the_model(place, monkeypatch):
    """Ten seconds for a million vectors, in which nobody was served; a model that is not there still stops the start."""
    monkeypatch.setattr(search, "LOADED_WITHIN", 0)
    loading, told = asyncio.Event(), asyncio.Event()

    async def load(_vectors: ModelVectors) -> None:
        await loading.wait()

    monkeypatch.setattr(ModelVectors, "load", load)
    role = local(place)
    opening = asyncio.create_task(role.open(lambda: search._in_time(told.set)))
    await asyncio.wait_for(told.wait(), 10)
    assert not opening.done()
    loading.set()
    await opening
    await role.close()
    monkeypatch.setattr(search, "embedder", lambda _settings: Toy("other"))
    with pytest.raises(ModelMismatch):
        await local(place).open(lambda: pytest.fail("it was to be stopped"))


async def test_one_that_ends_while_it_goes_over_takes_the_former_model(place):
    kept = SettingsInForce()
    role = local(place, kept)
    await role.open()
    assert await role.reembed(Search(endpoint_model="other")) == 2

    def stopped(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        await role.reembed(Search(endpoint_model="third"), stopped)
    await role.close()
    again = local(place, kept)
    await again.open()
    assert again.health().model == "other"
    assert await again.reembed(Search(endpoint_model="third")) == 0  # it goes on where it was stopped
    await again.close()


async def test_a_relay_that_is_started_again_with_the_former_settings_says_what_to_do(place):
    role = local(place)
    await role.open()
    await role.reembed(Search(endpoint_model="other"))
    await role.close()
    for kept in (None, SettingsInForce()):
        again = local(place, kept)
        with pytest.raises(ModelMismatch, match="reembed"):
            await again.open()
        await again.close()


async def test_a_model_that_is_not_installed_is_told_like_any_failure(tmp_path, monkeypatch):
    place = await Place(tmp_path).open()
    role = local(place)
    monkeypatch.setattr(search.minilm, "missing", lambda: "tokenizers is missing")
    with pytest.raises(StorageError, match="tokenizers is missing"):
        await role.reembed(Search(embedder="minilm"))
    await role.close()
    await place.close()
