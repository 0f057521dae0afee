"""The client as it is installed alone: the same by another name, with nothing else of ours and none of the server's packages."""

import importlib.util
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import tidings_client
from tests.e2e.harness import ROOT, Server, environment, serving

# Refuses what a plain environment does not have: our own packages, and what the server alone needs.
ALONE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
"""
ABSENT = {
    "relay",
    "keys",
    "storage",
    "handlers",
    "litestar",
    "uvicorn",
    "numpy",
    "hnswlib",
    "wordllama",
    "ada_url",
    "nacl",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package."""
    folder = tmp_path_factory.mktemp("client")
    subprocess.run(
        [
            sys.executable,
            "setup.py",
            "-q",
            "build",
            "--build-base",
            str(folder / "base"),
            "--build-lib",
            str(folder / "lib"),
        ],
        cwd=ROOT / "client",
        check=True,
        capture_output=True,
    )
    return folder / "lib"


@pytest.mark.parametrize("package", ["client", "typescript"])
def test_a_package_brings_the_licence_that_it_names(package: str) -> None:
    assert (ROOT / package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_python_package_lists_the_licence() -> None:
    metadata = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text(encoding="utf-8"))
    assert metadata["project"]["license-files"] == ["LICENSE"]


def run(built: Path, program: str, *arguments: str) -> str:
    """What a program prints that has the client and nothing else of ours."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE.format(absent=ABSENT) + program, *arguments],
        cwd=built,
        env=environment() | {"PYTHONPATH": str(built)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("hub") / "data") as server:
        yield server


def test_it_has_the_same_names_and_brings_no_others(built: Path) -> None:
    assert sorted(path.name for path in built.iterdir()) == ["tidings_client"]
    shown = run(built, "import tidings_client\nprint(tidings_client.__all__, tidings_client.__file__)")
    assert shown == f"{tidings_client.__all__} {built / 'tidings_client' / '__init__.py'}\n"


def test_every_module_of_it_can_be_imported(built: Path) -> None:
    names = [
        ".".join(file.relative_to(built).with_suffix("").parts).removesuffix(".__init__")
        for file in built.rglob("*.py")
    ]
    assert "tidings_client.records" in names
    run(built, "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)", *names)


IMPORTS = """
import ast, pathlib
for file in pathlib.Path("tidings_client").rglob("*.py"):
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        print(*(name.partition(".")[0] for name in names))
"""


def test_what_it_imports_is_declared(built: Path) -> None:
    project = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {one.partition(">")[0] for one in project["dependencies"]}
    found = set(run(built, IMPORTS).split()) - set(sys.stdlib_module_names) - {"tidings_client"}
    assert found == declared
    assert all(importlib.util.find_spec(name) for name in found)


PROGRAM = """
import asyncio, time
from tidings_client import Api, Event, Key, Relay

async def main(hub):
    async with Api(hub) as api:
        made = await api.register("alone")
    async with Api(hub, made.api_key) as api, Relay(hub.replace("http", "ws", 1)) as relay:
        post = await api.post("From afar")
        async for event in relay.stored({"kinds": [11]}):
            assert isinstance(event, Event)
            print(event.id == post.id)
        key = Key.generate()
        await relay.publish(key.signed(1, "Hello", [], int(time.time())))
        print((await relay.count({"kinds": [1], "authors": [key.pubkey]})).total)

asyncio.run(main(sys.argv[1]))
"""


def test_a_program_posts_subscribes_and_signs_with_it(built: Path, hub: Server) -> None:
    assert run(built, PROGRAM, hub.http) == "True\n1\n"


@pytest.mark.parametrize("name", [file.name for file in sorted((ROOT / "examples").glob("*.py"))])
def test_the_examples_begin_with_it(built: Path, name: str) -> None:
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")
    run(built, text.replace('__name__ == "__main__"', "True is None"))
