"""The image and its neighbours by their files: what is copied is there, and what they set are settings. None is built here."""

import fnmatch
import re
import tomllib
from pathlib import Path

from relay import loading
from relay.config import split_listen

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
PASSED = [line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line.startswith("!")]


def _variables(text: str) -> dict[str, str]:
    return dict(re.findall(r"(TIDINGS_[A-Z_]+)(?:=|: )(\S+)", text))


def test_the_build_is_sent_what_it_copies_and_what_it_installs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = [name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]]
    named = [project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml"]
    copied = [name for line in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()]
    needed = [name for name in (*packages, *named, *copied) if name != "."]
    assert [name for name in needed if name not in PASSED] == []
    assert [name for name in packages if f"{name}/**" not in PASSED] == []
    assert [name for name in needed if not (ROOT / name).exists()] == []


def test_the_build_is_not_sent_what_is_nobodys_business() -> None:
    for name in (".git/config", ".venv/bin/python", "data/secrets.toml", "settings.toml", "tests/plan.json"):
        assert not any(fnmatch.fnmatch(name, passed) for passed in PASSED)


def test_the_images_settings_are_settings_and_its_health_check_asks_where_it_listens() -> None:
    config = loading.load(None, _variables(DOCKERFILE), {})
    assert config.server.data == re.findall(r"^VOLUME (\S+)", DOCKERFILE, re.MULTILINE)[0]
    host, port = split_listen(config.server.listen)
    assert host == "0.0.0.0"
    assert f"-p 127.0.0.1:{port}:{port} -v tidings:{config.server.data} " in OPERATING
    assert re.findall(r"(?:EXPOSE |127\.0\.0\.1:)(\d+)", DOCKERFILE) == [str(port)] * 2


def test_the_neighbours_settings_are_settings_and_the_proxy_is_trusted() -> None:
    variables = _variables(COMPOSE)
    assert variables["TIDINGS_RELAY_URL"].startswith("wss://${DOMAIN")
    config = loading.load(None, variables | {"TIDINGS_RELAY_URL": "wss://relay.example.org"}, {})
    assert re.findall(r"subnet: (\S+)", COMPOSE) == list(config.server.trusted_proxies)
    assert re.findall(r"--to relay:(\d+)", COMPOSE) == re.findall(r"EXPOSE (\d+)", DOCKERFILE)
