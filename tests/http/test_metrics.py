"""`/metrics`: the figures of health and what was counted and timed, for a program that collects them."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parsed

from relay.http.metrics import COUNTERS, GAUGES, OPENMETRICS
from relay.roles import metrics
from relay.server.health import Health, RoleHealth
from storage.search.engine import SearchHealth
from tests.http.hubs import Browser, FakeHub

NUMBERS = {field.name: 0 for field in msgspec.structs.fields(Health) if field.type is int}


class Measured(FakeHub):
    """A hub with figures of its own."""

    def __init__(self, **figures: Any) -> None:
        super().__init__()
        told = {"status": "ok", "takes_events": True, "roles": [], **NUMBERS, **figures}
        self.figures = Health(search=SearchHealth(0, 0, "hash", 0), **told)  # type: ignore[assignment]


async def samples(hub: FakeHub, accept: str = "") -> dict[str, float]:
    """What is told, by name and labels."""
    async with Browser(hub) as browser:
        answer = await browser.get("/metrics", headers={"accept": accept} if accept else {})
    parse = parsed_openmetrics if "openmetrics" in answer.headers["content-type"] else parsed
    return {
        each.name + "".join(f" {label}={value}" for label, value in each.labels.items()): each.value
        for family in parse(answer.text)
        for each in family.samples
    }


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
async def test_gives_every_number_of_the_relays_health_in_the_format_that_is_asked_for(accept: str) -> None:
    hub = Measured(status="degraded", takes_events=False, connections=3, last_seq=2**53, delivered=7)
    hub.figures.roles.extend([RoleHealth("front 1", "ok"), RoleHealth("writer", "unwritable", "a full disk")])
    told = await samples(hub, accept)
    assert (told["tidings_up"], told["tidings_connections"], told["tidings_last_seq"]) == (0, 3, 2**53)
    assert told["tidings_delivered_total"] == 7
    assert (told["tidings_role_ok role=front 1"], told["tidings_role_ok role=writer"]) == (1, 0)


async def test_gives_what_was_counted_by_sort_and_what_was_timed_by_bound() -> None:
    hub = Measured()
    hub.numbers[metrics.places("messages")["REQ"]] += 5
    hub.numbers[metrics.places("stored")["other"]] += 2
    timer = metrics.Timer("transaction_seconds")
    for seconds in (0.0005, 0.001, 0.0011, 99.0):
        timer.took(hub.numbers, seconds)
    told = await samples(hub)
    assert (told["tidings_messages_total verb=REQ"], told["tidings_messages_total verb=EVENT"]) == (5, 0)
    assert told["tidings_stored_total kind=other"] == 2
    bounds = {
        each.partition("le=")[2]: told[each] for each in told if each.startswith("tidings_transaction_seconds_bucket")
    }
    assert bounds == {"0.001": 2, "0.005": 3, "0.025": 3, "0.1": 3, "0.5": 3, "2.5": 3, "+Inf": 4}
    assert told["tidings_transaction_seconds_count"] == 4
    assert told["tidings_transaction_seconds_sum"] == pytest.approx(99.0026)


@pytest.mark.parametrize("accept", ["version=abc", "version=9" + "9" * 5000, "version=;escaping=x", "q=inf", ";;=,=;"])
async def test_a_header_of_rubbish_is_answered(accept: str) -> None:
    assert (await samples(Measured(), f"application/openmetrics-text;{accept}"))["tidings_up"] == 1
    assert (await samples(Measured(), f"text/plain;{accept}"))["tidings_up"] == 1


async def test_is_made_once_a_second_for_each_format_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, clock = Measured(connections=1), [1000.0]
    monkeypatch.setattr("relay.http.metrics.time", SimpleNamespace(monotonic=lambda: clock[0]))
    async with Browser(hub) as browser:
        told = []
        for after, accept in ((0.0, ""), (0.9, ""), (0.0, OPENMETRICS), (0.1, ""), (0.8, OPENMETRICS)):
            clock[0] += after
            text = (await browser.get("/metrics", headers={"accept": accept})).text
            told.append(re.findall(r"^tidings_connections (.+)$", text, re.MULTILINE)[0])
            hub.figures = msgspec.structs.replace(hub.figures, connections=hub.figures.connections + 1)
    assert told == ["1.0", "1.0", "3.0", "4.0", "3.0"]


async def test_answers_are_counted_by_their_status() -> None:
    hub = FakeHub()
    async with Browser(hub) as browser:
        for method, path in (("GET", "/"), ("GET", "/nowhere"), ("OPTIONS", "/"), ("HEAD", "/"), ("GET", "/")):
            await browser.request(method, path, headers={"accept": "application/nostr+json"} if path == "/" else {})
    counted = dict(zip(metrics.places("answers"), metrics.of("answers", hub.numbers), strict=True))
    assert counted == {"2xx": 4, "3xx": 0, "4xx": 1, "5xx": 0}
    assert sum(metrics.of("answer_seconds", hub.numbers)[:-1]) == 5


async def test_what_the_docs_name_is_told() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operating.md").read_text(encoding="utf-8")
    named = set(re.findall(r"tidings_[a-z_]+(?=[`\[ ])", page))
    told = {name.partition(" ")[0] for name in await samples(Measured(roles=[RoleHealth("writer", "ok")]))}
    histograms = {name.removesuffix("_bucket") for name in told if name.endswith("_bucket")}
    assert len(named) > 15
    assert named - told - histograms == set()


def test_every_number_of_health_is_told_once() -> None:
    names = [*GAUGES, *COUNTERS, *(family.name for family in metrics.FAMILIES)]
    assert len(set(names)) == len(names)
    assert set(NUMBERS) <= set(names)


def test_no_two_families_share_a_number() -> None:
    every = [
        at
        for family in metrics.FAMILIES
        for at in range(metrics.AT[family.name], metrics.AT[family.name] + family.length)
    ]
    assert every == list(range(metrics.NUMBERS))
