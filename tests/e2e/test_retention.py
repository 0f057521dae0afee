"""Retention by age, seen from outside: rules that come while the relay runs, what they drop, and what they refuse."""

import asyncio
import time
import urllib.request
from pathlib import Path

from tests.e2e.harness import PATIENCE, Server, client, command, fresh_key, now, serving
from tests.factories import make_event

DAY = 86_400


def dropped(server: Server) -> int:
    """What `/metrics` counts."""
    with urllib.request.urlopen(f"{server.http}/metrics", timeout=PATIENCE) as answer:
        lines = answer.read().decode().splitlines()
    return int(float(next(line for line in lines if line.startswith("tidings_dropped_total ")).split()[1]))


def until_dropped(server: Server, number: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while dropped(server) < number:
        assert time.monotonic() < deadline, server.log()


def until_logged(server: Server, text: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while text not in server.log():
        assert time.monotonic() < deadline, server.log()


async def test_rules_that_come_with_a_reload_drop_what_is_past_its_days_and_refuse_it(tmp_path: Path) -> None:
    file, key, other = tmp_path / "tidings.toml", fresh_key(), fresh_key()
    file.write_text("[storage]\nsweep_interval = 1\n")
    at = now()
    old = [make_event(key, content=f"{n}", created_at=at - 40 * DAY + n) for n in range(5)]
    late = make_event(key, content="late", created_at=at - 50 * DAY)
    young, spared = make_event(key, created_at=at - 20 * DAY), make_event(other, created_at=at - 40 * DAY)
    data = tmp_path / "data"
    with serving(data, "server.processes=on", file=file) as server:
        async with client(server) as alice:
            await alice.store(*old, young, spared)
            assert dropped(server) == 0
            file.write_text(
                f"[storage]\nsweep_interval = 1\n[[retention]]\nkinds = [1]\ndays = 100\nauthors = ['{other.pubkey}']\n"
                "[[retention]]\nkinds = [1]\ndays = 30\n"
            )
            server.reload()
            await asyncio.to_thread(until_dropped, server, 5)
            assert set(await alice.stored({"kinds": [1]})) == {young.id, spared.id}
            assert await alice.count({"kinds": [1]}) == {"count": 2}
            refusal = await alice.refused(late)
            assert refusal == "blocked: this is older than the relay keeps such events: kind 1 is kept for 30 days"
            assert await alice.refused(old[0]) == refusal
            file.write_text("[[retention]]\nkinds = [5]\ndays = 1\n")
            server.reload()
            await asyncio.to_thread(until_logged, server, "not reloaded: ")
            assert "[[retention]] number 1: kind 5 cannot be named" in server.log()
            assert await alice.refused(old[1]) == refusal
        checked = await asyncio.to_thread(command, "check", data=data)
        assert checked.returncode == 0, checked.stdout
