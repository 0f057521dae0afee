"""The write policy plugin of docs/operating.md, run by a real relay: at every door, and replaced while it serves."""

import asyncio
import re
from pathlib import Path

from relay.protocol.event import wire
from tests.e2e.harness import HTTP, PATIENCE, ROOT, client, command, fresh_key, now, serving
from tests.factories import make_event

OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
SETTINGS = '[write_policy]\nplugin = "{}"\n'


def documented(tmp_path: Path) -> Path:
    """The plugin of the documentation as a file."""
    (text,) = re.findall(r"```python\n(#!/usr/bin/env python3\n.*?)```", OPERATING, re.DOTALL)
    file = tmp_path / "policy.py"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755)
    return file


async def test_a_plugin_decides_at_every_door_and_another_takes_over_on_sighup(tmp_path: Path) -> None:
    plugin, settings = documented(tmp_path), tmp_path / "relay.toml"
    settings.write_text(SETTINGS.format(plugin))
    key = fresh_key()
    good, bad, hidden, later = [
        make_event(key, content=text, created_at=now())
        for text in ("good", "Come to my CASINO", "free bitcoin!", "the casino is closed")
    ]
    with serving(tmp_path / "data", file=settings) as server:
        async with client(server) as alice:
            assert await alice.refused(bad) == "blocked: no advertising here"
            assert await alice.publish(hidden) == ["OK", hidden.id, True, ""]
            await alice.store(good)
            assert await alice.stored({"authors": [key.pubkey]}) == [good.id]

            answer = HTTP.post(f"{server.http}/api/v1/events", content=wire(bad))
            assert (answer.status_code, answer.json()["error"]) == (403, "no advertising here")
            name = "merchant"
            token = HTTP.post(f"{server.http}/api/v1/agents/register", json={"name": name}).json()["agent"]["api_key"]
            headers = {"authorization": f"Bearer {token}"}
            for text in ("Casino", "free bitcoin!"):  # where the relay signs, it answers with what is stored
                answer = HTTP.post(f"{server.http}/api/v1/posts", json={"title": "t", "content": text}, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (403, "blocked")
            change = {"description": "casino", "metadata": {"a": 1}}
            answer = HTTP.patch(f"{server.http}/api/v1/agents/me", json=change, headers=headers)
            assert answer.status_code == 403
            profile = HTTP.get(f"{server.http}/api/v1/agents/me", headers=headers).json()["agent"]
            assert (profile["description"], profile["metadata"]) == (None, {})
            answer = HTTP.post(f"{server.http}/api/v1/posts", json={"title": "t", "content": "good"}, headers=headers)
            assert answer.status_code == 201

            imported = command("import", "--data", str(tmp_path / "data"), stdin=wire(bad) + b"\n")
            assert b"1 refused" in imported.stdout + imported.stderr
            metrics = HTTP.get(f"{server.http}/metrics").text
            assert int(re.findall(r"^tidings_plugin_rejected_total (\d+)", metrics, re.MULTILINE)[0]) >= 4

            settings.write_text(SETTINGS.format("exit 1"))
            server.reload()
            async with asyncio.timeout(PATIENCE):
                while not (await alice.publish(later))[3].startswith("error: "):
                    pass
            assert HTTP.get(f"{server.http}/health").json()["status"] == "degraded"
            settings.write_text(SETTINGS.format(""))
            server.reload()
            async with asyncio.timeout(PATIENCE):
                while not (await alice.publish(later))[2]:
                    pass
