"""The twenty-one tables of the plan: its fields, indexes and uniqueness against the database, and against the plan itself.

`tests/plan.json` has what the plan fixes: the fields (`?`: may be missing) and, for each index and uniqueness, the table and
columns that stand for it here. Rows that name each other by number have the index on the number, what belongs to a group has it
on the group (its thread, project or organization), and the posts of an identity are found by its keys, as all their events are.
The plan stands beside a checkout in `shared/`; where it does not, the file is compared with the database alone.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers import table
from storage.sqlite import backend
from storage.sqlite.files.database_file import FILE

ROOT = Path(__file__).parents[2]
TABLES: dict[str, dict[str, Any]] = json.loads((ROOT / "tests" / "plan.json").read_text(encoding="utf-8"))
PLAN = ROOT.parent / "shared" / "plan" / "schema-plan.md"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    directory = tmp_path_factory.mktemp("plan")
    backend.open_writer(directory, table.meaning("ws://relay.test")).close()
    connection = sqlite3.connect(directory / FILE)
    yield connection
    connection.close()


def indexes(database: sqlite3.Connection, name: str) -> list[tuple[list[str], bool]]:
    """The columns of each index of a table, the primary key among them, and whether it is unique."""
    found = []
    for _, index, unique, *_ in database.execute(f"PRAGMA index_list({name})").fetchall():
        columns = [column for _, _, column in database.execute(f"PRAGMA index_info({index})")]
        found.append((columns, bool(unique)))
    return found


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_plan_has_its_fields(database: sqlite3.Connection, name: str) -> None:
    columns = {column: bool(required) for _, column, _, required, *_ in database.execute(f"PRAGMA table_info({name})")}
    assert {field.removesuffix("?") for field in TABLES[name]["fields"]} <= columns.keys()
    optional = [field.removesuffix("?") for field in TABLES[name]["fields"] if field.endswith("?")]
    assert [field for field in optional if columns[field]] == []


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_plan_has_its_indexes(database: sqlite3.Connection, name: str) -> None:
    for index, (place, *columns) in TABLES[name]["indexes"].items():
        there = [found[: len(columns)] for found, _ in indexes(database, place)]
        assert columns in there, f"{index} of {name}"


@pytest.mark.parametrize("name", [name for name in TABLES if "unique" in TABLES[name]])
def test_a_table_of_the_plan_has_what_is_unique_in_it(database: sqlite3.Connection, name: str) -> None:
    place, *columns = TABLES[name]["unique"]
    assert (columns, True) in indexes(database, place)


NAMES = {"messageEmbeddings": "message_embeddings"}  # what the plan writes otherwise than all others
SHARED = {
    "organizations": ["by_owner"]
}  # of a section that lists the indexes of its tables together, those of the first


def planned() -> dict[str, tuple[list[str], list[str]]]:
    """Fields and indexes of every table that the plan describes in a section."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for section in re.split(r"^#+ ", PLAN.read_text(encoding="utf-8"), flags=re.MULTILINE):
        rows = re.findall(r"^\| \*\*(\w+)\*\* \|[^|]*\| (.*) \|$", section, re.MULTILINE)
        line = re.search(r"[Ii]ndex(?:es)?:? (`by_.*)$", section, re.MULTILINE)
        groups = line[1].split(";") if line else []
        for place, (name, fields) in enumerate(rows):
            plain = re.sub(r"\([^)]*\)", "", fields)
            names = re.findall(r"`(\w+\??)(?:\[\])?`", plain)
            together = len(groups) < len(rows) and bool(groups)
            group = groups[0] if together else groups[place] if groups else ""
            indexes = re.findall(r"`(by_\w+)`", group.partition("Uniqueness")[0])
            if together:
                own = SHARED[rows[0][0]]
                indexes = own if place == 0 else [index for index in indexes if index not in own]
            found[NAMES.get(name, name)] = (names, indexes)
    return found


@pytest.mark.skipif(not PLAN.exists(), reason="the plan does not stand beside this checkout")
def test_the_file_says_what_the_plan_says() -> None:
    plan = planned()
    assert plan.keys() == TABLES.keys()
    assert len(TABLES) == 21
    for name, table_ in TABLES.items():
        assert (name, (table_["fields"], list(table_["indexes"]))) == (name, plan[name])
