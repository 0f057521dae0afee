"""The npm package in `typescript/`: built from the API as it is described, typed, and run in Node against a relay."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import ROOT, Server, serving

PACKAGE = ROOT / "typescript"


def done(*command: str, cwd: Path, **environ: str) -> str:
    """What a command prints, which must succeed."""
    ran = subprocess.run(
        command, cwd=cwd, env=os.environ | environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    return ran.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has the package as its dependency, as npm installs it."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    place = tmp_path_factory.mktemp("typescript")
    package = place / "package"
    shutil.copytree(
        PACKAGE, package, ignore=shutil.ignore_patterns("node_modules", "dist", "schema.ts", "openapi.json")
    )
    install = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    ran = subprocess.run(install, cwd=package, capture_output=True, timeout=180, check=False)
    if ran.returncode:
        pytest.skip(f"npm could not install what it needs: {ran.stderr.decode()[-300:]}")
    done(sys.executable, str(PACKAGE / "openapi.py"), str(package / "openapi.json"), cwd=ROOT)
    done(npm, "run", "build", cwd=package)
    return package


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("relay") / "data") as server:
        yield server


def test_it_works_in_node(built: Path, relay: Server) -> None:
    printed = done("node", "--test", "test/", cwd=built, HUB=relay.http)
    assert "# fail 0" in printed
    assert "# pass 14" in printed


def test_its_types_know_the_paths_the_values_and_what_is_required(built: Path) -> None:
    (example,) = re.findall(r"```ts\n(.*?)```", (built / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (built / "test" / "example.ts").write_text(example, encoding="utf-8")
    done(
        str(built / "node_modules" / ".bin" / "tsc"),
        *("--noEmit", "--strict", "--skipLibCheck", "--target", "ES2022", "--module", "NodeNext"),
        *("--lib", "ES2023,DOM,DOM.AsyncIterable", "test/usage.ts", "test/example.ts"),
        cwd=built,
    )


def test_what_is_published_is_what_is_built(built: Path) -> None:
    listed = done("npm", "pack", "--dry-run", "--json", cwd=built)
    names = {line.split('"')[3] for line in listed.splitlines() if '"path"' in line}
    assert {"package.json", "README.md", "LICENSE", "dist/index.js", "dist/index.d.ts", "dist/schema.d.ts"} <= names
    assert [name for name in names if name.startswith(("src/", "test/"))] == []
