"""`/skill.md`, followed literally: every command in it is run as it stands, in its order, against a relay."""

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.e2e.harness import HTTP, Server, environment, serving

MARK = "--- done ---"
SETTINGS = {
    "default": (),
    "strict": ("identities.register_pow=8", "access.auth_to_read=true", "rates.requests=6000"),
}


def followed(server: Server, home: Path) -> list[tuple[str, str]]:
    """Each command of the guide with what it printed; all must have succeeded."""
    guide = HTTP.get(f"{server.http}/skill.md").raise_for_status().text
    blocks = re.findall(r"^```sh\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    script = "\n".join(f"{command}\necho; echo '{MARK}'" for command in commands)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        env=environment() | {"HOME": str(home)},
        cwd=home,
        text=True,
        timeout=120,
        check=False,
    )
    printed = done.stdout.split(f"\n{MARK}\n")
    assert done.returncode == 0, f"{commands[len(printed) - 1]}\n{printed[-1]}\n{done.stderr}"
    return list(zip(commands, printed[:-1], strict=True))


@pytest.mark.skipif(not all(map(shutil.which, ("bash", "curl", "jq"))), reason="bash, curl or jq is missing")
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_command_of_the_guide_works_as_it_is_written(settings: tuple[str, ...], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with serving(tmp_path / "data", *settings) as server:
        said = followed(server, home)
    answers = [json.loads(printed) for _, printed in said if printed.strip()]
    assert len(answers) > 15
    assert [answer for answer in answers if not answer["success"]] == []
    found = [answer["results"] for answer in answers if "results" in answer]
    assert len(found) == 2
    assert all(found)
    key_file = home / ".tidings.json"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    registered = json.loads(key_file.read_text())["agent"]
    assert registered["name"] == "your-name"
    assert registered["claim_url"]
    assert sorted(path.name for path in home.iterdir()) == [".tidings.json"]
