"""Imports point one way: the rules as data, and a walk over every module's syntax tree."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("relay", "handlers", "storage", "keys", "tidings_client", "bench")

GROUND = (
    "relay.errors",
    "relay.api_types",
    "relay.protocol",
    "keys.schnorr",
    "keys.encoding",
    "keys.nip42",
    "keys.nip98",
    "keys.tokens",
)
INTERFACES = (
    "storage.access",
    "storage.base",
    "storage.commands",
    "storage.control_plane",
    "storage.errors",
    "storage.failures",
    "storage.feed",
    "storage.groups",
    "storage.peers",
    "storage.identities.commands",
    "storage.identities.types",
    "storage.identities.webhooks",
    "storage.search.engine",
    "storage.tools",
)
ROLES = (*GROUND, "relay.roles", *INTERFACES)
SETTINGS = (
    "relay.config",
    "relay.group_settings",
    "relay.peer_settings",
    "relay.retention_settings",
    "relay.search_settings",
    "relay.setting_parts",
    "relay.write_policy_settings",
)
SERVED = (*ROLES, "relay.server", "relay.certificates", "relay.service_manager", *SETTINGS, "handlers", "keys")
EVERYTHING = PACKAGES

# Who may import what of ours; the longest row that a module's name starts with holds for it. A module may always import
# its own row's modules, and `relay` itself, which holds the version and nothing else.
RULES: dict[str, tuple[str, ...]] = {
    "relay.errors": (),
    "relay.api_types": GROUND,
    "relay.certificates": (),
    "relay.protocol": GROUND,
    "keys": GROUND,
    "keys.schnorr": GROUND,
    "keys.encoding": GROUND,
    "keys.nip42": GROUND,
    "keys.nip98": GROUND,
    "keys.tokens": GROUND,
    "keys.salts": GROUND,
    "keys.custody": (*GROUND, "keys.nip49", "keys.salts", "storage.identities.types"),
    "keys.vault": (*GROUND, "keys.custody"),
    "storage": GROUND,
    "handlers": GROUND,
    "relay.setting_parts": GROUND,
    "relay.group_settings": (*GROUND, "relay.setting_parts"),
    "relay.peer_settings": (*GROUND, "relay.setting_parts"),
    "relay.retention_settings": (*GROUND, "relay.setting_parts"),
    "relay.search_settings": (*GROUND, "relay.setting_parts"),
    "relay.write_policy_settings": (*GROUND, "relay.setting_parts"),
    "relay.config": (*GROUND, *SETTINGS),
    "relay.loading": (*GROUND, *SETTINGS),
    "relay.greeting": (*GROUND, *SETTINGS),
    "relay.open_files": (),
    "relay.service_manager": ("relay.setting_parts",),
    "relay.starting": (*GROUND, *SETTINGS, "relay.service_manager", "storage"),
    "relay.roles": ROLES,
    "relay.server": SERVED,
    "relay.http": SERVED,
    "relay.federation": (*SERVED, "relay.client"),
    "relay.app": EVERYTHING,
    "relay.opening": (*SERVED, "storage"),
    "relay.search": EVERYTHING,
    "relay.processes": EVERYTHING,
    "relay.client": (*GROUND, "relay.certificates"),
    "relay.mcp": (*GROUND, "relay.client"),
    "tidings_client": ("relay.client",),
    "relay.cli": (*SERVED, "relay.app", "relay.commands"),
    "relay.commands": (
        *SERVED,
        "relay.loading",
        "relay.open_files",
        "relay.starting",
        "relay.app",
        "relay.opening",
        "relay.processes",
        "relay.client",
        "relay.federation",
        "relay.mcp",
    ),
    "relay.__main__": ("relay.cli",),
    "relay": (),
    "bench": EVERYTHING,
}

# What a part may not use at all: the protocol has no loop, no clock, no chance and no database (`now` is an argument).
BANNED: dict[str, frozenset[str]] = {
    "relay.protocol": frozenset({"asyncio", "time", "datetime", "random", "secrets", "sqlite3", "socket", "threading"}),
    "handlers": frozenset({"asyncio", "time", "random", "sqlite3", "aiosqlite", "socket"}),
}

# What of others' the ground floor, handlers among it, may use beside the standard library: codecs and cryptography.
CODECS = frozenset({"msgspec", "coincurve", "cryptography", "pynostr", "ada_url"})
FRUGAL = (*GROUND, "handlers")


def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    found = {}
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def within(name: str, *places: str) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def imports(name: str, source: str, is_package: bool = False) -> Iterator[str]:
    """The full dotted name of everything a module imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = name.split(".")[: len(name.split(".")) - node.level + is_package] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield inner if inner in MODULES else origin


@cache
def imported(name: str) -> frozenset[str]:
    """What a module of ours imports."""
    path = MODULES[name]
    return frozenset(imports(name, path.read_text(encoding="utf-8"), path.name == "__init__.py"))


def breaches(name: str, source: str, is_package: bool = False) -> list[str]:
    """What in the module breaks a rule."""
    row = max((row for row in RULES if within(name, row)), key=len)
    banned = frozenset[str]().union(*(names for place, names in BANNED.items() if within(name, place)))
    found = []
    for target in imports(name, source, is_package):
        top = target.partition(".")[0]
        if top in PACKAGES:
            allowed = target == "relay" or within(target, *RULES[row]) or (row != "relay" and within(target, row))
        else:
            allowed = top not in banned
            if within(name, *FRUGAL):
                allowed = allowed and (top in sys.stdlib_module_names or top in CODECS)
        if not allowed:
            found.append(f"{name} imports {target}")
    return found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The modules that lead back to themselves: each with all that it stands in a circle with."""
    beyond = {name: set(targets) for name, targets in graph.items()}
    for middle in graph:  # Warshall: paths over the modules seen so far
        for name in graph:
            if middle in beyond[name]:
                beyond[name] |= beyond[middle]
    found = {
        tuple(sorted(other for other in beyond[name] if name in beyond[other]))
        for name in graph
        if name in beyond[name]
    }
    return sorted(map(list, found))


def test_there_is_no_circle() -> None:
    """Of any kind: what is imported for its types only stands in the syntax tree, too."""
    graph = {name: {target for target in imported(name) if target in MODULES} for name in MODULES}
    assert circles(graph) == []


# Where packages alone are rooms: what a group is (groups.state) stands with all else on groups, and facts and rows name it.
SHARED = ("relay.protocol",)


def rooms(package: str) -> dict[str, set[str]]:
    """What the rooms of a package, modules and packages in it, use of each other: each is one thing with all that is in it."""
    graph: dict[str, set[str]] = {}
    for name in MODULES:
        room = _room(name, package)
        if room is not None:
            found = {_room(target, package) for target in imported(name)}
            graph.setdefault(room, set()).update(other for other in found if other is not None and other != room)
    return graph


def _room(name: str, package: str) -> str | None:
    """The room of the package that a module stands in."""
    if not name.startswith(f"{package}."):
        return None
    room = f"{package}.{name.removeprefix(f'{package}.').partition('.')[0]}"
    return None if package in SHARED and MODULES[room].name != "__init__.py" else room


@pytest.mark.parametrize("package", sorted(name for name, path in MODULES.items() if path.name == "__init__.py"))
def test_there_is_no_circle_of_the_rooms_of_a_package(package: str) -> None:
    """A room can be read, and changed, with what stands below it in mind and nothing else."""
    assert circles(rooms(package)) == []


def test_the_rooms_of_a_package_are_found() -> None:
    graph = rooms("relay.server")
    assert "relay.server.limits" in graph["relay.server.connection"]
    assert "relay.server.settings" in graph["relay.server.limits"]
    assert "relay.server.hub" not in graph["relay.server.limits"]
    assert set(rooms("relay.protocol")) == {"relay.protocol.control_plane", "relay.protocol.groups"}


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": set[str](), "e": {"d"}, "f": {"f"}}
    assert circles(graph) == [["a", "b", "c"], ["f"]]
    assert circles({"a": {"b"}, "b": set()}) == []


# Who knows that there is SQLite: the backend itself, and what puts the parts together.
BACKEND = "storage.sqlite"
WIRING = ("relay.starting", "relay.app", "relay.opening", "relay.processes", "relay.search", "bench")


def test_the_backend_is_known_to_itself_and_the_wiring_only() -> None:
    found = []
    for name in MODULES:
        if not within(name, BACKEND, *WIRING):
            targets = imported(name)
            found += [(name, target) for target in targets if within(target, BACKEND, "sqlite3", "aiosqlite")]
    assert found == []


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_only_what_stands_below_it(name: str) -> None:
    path = MODULES[name]
    assert breaches(name, path.read_text(encoding="utf-8"), path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("relay.protocol.session", "import time"),
        ("relay.protocol.session", "def f():\n    from asyncio import sleep"),
        ("relay.protocol.session", "from relay import config"),
        ("relay.protocol.session", "from ..server import limits"),
        ("relay.protocol.session", "import websockets"),
        ("relay.errors", "from relay.protocol import kinds"),
        ("keys.schnorr", "from storage.base import Reader"),
        ("keys.nip42", "from keys.custody import Custody"),
        ("keys.custody", "from storage.sqlite.backend import open_writer"),
        ("storage.sqlite.backend", "from handlers.table import meaning"),
        ("handlers.posts", "import storage"),
        ("handlers.posts", "import time"),
        ("relay.server.events.ingest", "from storage import sqlite"),
        ("relay.server.events.ingest", "import relay.http.pages.page"),
        ("relay.http.pages.page", "from relay.federation.peers import Peer"),
        ("relay.federation.peers", "from relay.http import routes"),
        ("relay.http.pages.page", "import relay.app"),
        ("relay.client.relay", "from relay.config import Config"),
        ("relay.cli", "from storage.sqlite.backend import open_writer"),
        ("relay", "import relay.errors"),
    ],
)
def test_a_breach_is_found(name: str, source: str) -> None:
    assert len(breaches(name, source, is_package=name == "relay")) == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("relay.protocol.session", "import hashlib, msgspec\nfrom relay.errors import Reject\nfrom . import kinds"),
        (
            "storage.sqlite.backend",
            "import sqlite3, aiosqlite\nfrom storage import base\nfrom relay.protocol import admission",
        ),
        ("keys.tokens", "import secrets\nfrom relay.errors import Reject"),
        (
            "relay.server.events.ingest",
            "import asyncio, websockets\nfrom storage.base import Writer\nfrom relay.config import Config",
        ),
        ("relay.http.pages.page", "from relay import __version__\nfrom relay.server import hub"),
        ("relay.app", "from storage import sqlite\nfrom handlers import table"),
    ],
)
def test_what_points_downwards_is_no_breach(name: str, source: str) -> None:
    assert breaches(name, source) == []


def test_what_a_front_and_the_supervisor_load_starts_no_threads_and_is_no_model_and_nothing_of_others() -> None:
    heavy = {"numpy", "hnswlib", "wordllama", "onnxruntime", "tokenizers", "pydantic", "attr"}
    doors = "relay.app, relay.http.app, relay.commands.serving, relay.processes, relay.roles.supervisor"
    doors += ", relay.server.reading.remote_search"
    load = "relay.http.app.load(relay.config.Config())"
    look = (
        f"import sys, threading, {doors}\n{load}\nprint(sorted({heavy} & set(sys.modules)), threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split("\n")[0] == "[] 1"


def test_a_verb_loads_nothing_that_draws_unless_it_draws() -> None:
    look = "import sys, relay.cli\nprint(sorted({'rich', 'pygments'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"


def test_a_class_name_stands_for_one_class() -> None:
    """In all that is ours, but for the featureless relay that the benchmarks compare with."""
    places: dict[str, list[str]] = {}
    for name, path in MODULES.items():
        if not within(name, "bench.sketch"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append(name)
    assert {word: found for word, found in places.items() if len(found) > 1} == {}


MOST_METHODS = 27  # of one class; most have fewer than ten


def test_no_class_does_too_much() -> None:
    """A class with more methods is several: what is a step of one is a function, what has a state of its own is a class."""
    found = []
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                methods = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
                if len(methods) > MOST_METHODS:
                    found.append(f"{name}.{node.name} has {len(methods)} methods")
    assert found == []


def test_the_version_stands_alone() -> None:
    assert list(imports("relay", MODULES["relay"].read_text(encoding="utf-8"))) == []
