"""Builds the package `tidings_client` from the tree beside it: `relay/client` and those modules of ours that it imports.

The client has one source, which the relay's own commands use too. Here its modules get names of their own, so that nothing
called `relay` or `keys` comes into somebody else's environment: `relay.client.x` becomes `tidings_client.x`, and what stands
below it `tidings_client._relay.x` and `tidings_client._keys.x`.
"""

import ast
import re
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

TREE = Path(__file__).resolve().parent.parent
CLIENT = "relay.client"
NAMES = {CLIENT: "tidings_client", "relay": "tidings_client._relay", "keys": "tidings_client._keys"}
IMPORT = re.compile(r"^(\s*)(from|import) (relay\.client|relay|keys)\b", re.MULTILINE)


def source(module):
    """The file of one of our modules; None when it is none."""
    path = TREE.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def imported(text):
    """Every one of our modules that this source names in an import."""
    for node in ast.walk(ast.parse(text)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{name}" for name in names)]
        yield from (name for name in names if name.split(".")[0] in ("relay", "keys"))


def needed():
    """The client's modules and all of ours that they need, with the packages that these are in: name -> file."""
    found = {}
    waiting = [CLIENT, *(f"{CLIENT}.{file.stem}" for file in (TREE / "relay" / "client").glob("[!_]*.py"))]
    while waiting:
        name = waiting.pop()
        file = source(name)
        if name in found or file is None:
            continue
        found[name] = file
        waiting += imported(file.read_text(encoding="utf-8"))
        waiting += [name.rpartition(".")[0]] if "." in name else []
    return found


def renamed(text):
    """The source with our modules under their names in the package."""
    return IMPORT.sub(lambda match: f"{match[1]}{match[2]} {NAMES[match[3]]}", text)


class Build(build_py):
    """Writes the package where it is built."""

    def run(self):
        if source(CLIENT) is None:
            raise SystemExit(f"{TREE / 'relay'} is missing: build the client in a clone of Tidings")
        for name, file in needed().items():
            place = next(place for place in NAMES if name == place or name.startswith(f"{place}."))
            parts = (NAMES[place] + name.removeprefix(place)).split(".")
            target = Path(self.build_lib).joinpath(*parts)
            target = target / "__init__.py" if file.name == "__init__.py" else target.with_suffix(".py")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(renamed(file.read_text(encoding="utf-8")), encoding="utf-8")
        (Path(self.build_lib) / NAMES[CLIENT] / "py.typed").touch()


def version():
    """The version of the tree."""
    return re.search(r'__version__ = "(.+)"', (TREE / "relay" / "__init__.py").read_text(encoding="utf-8"))[1]


if __name__ == "__main__":
    setup(
        version=version(),
        packages=["tidings_client"],
        package_dir={"tidings_client": "."},
        cmdclass={"build_py": Build},
    )
