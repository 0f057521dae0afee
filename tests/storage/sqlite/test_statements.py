"""The statements as they stand in the .sql files: SQL knows tables, indexes and counters, and decides nothing."""

import re
import subprocess
import sys
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.sqlite import statements

LAST_TO_DECIDE = 9  # the migrations up to this one are of a time when SQL made rows


def texts() -> dict[str, str]:
    """Every .sql file but the older migrations, without its comments."""
    found = {}
    for file in (files("storage.sqlite") / "sql").iterdir():
        number = re.match(r"(\d{4})_", file.name)
        if file.name.endswith(".sql") and (number is None or int(number[1]) > LAST_TO_DECIDE):
            found[file.name] = re.sub(r"--.*", "", file.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", sorted(texts()))
def test_no_statement_reads_an_event(name: str) -> None:
    """JSON is how lists of values and rows are handed over; what an event says is read in Python."""
    text = texts()[name]
    assert re.findall(r"json_(?:extract|type|valid|tree)|->", text) == []
    assert [one for one in re.findall(r"json_each\(([^)]*)\)", text) if not re.fullmatch(r"\?\d*|:\w+", one)] == []


PROGRAM = """
from pathlib import Path
from storage.sqlite import statements
def fails(*_given, **_more):
    raise FileNotFoundError
Path.open = Path.read_text = fails
print(len(statements.migrations()) > 5, all(statements.named(name) for name in ("query", "feed", "write", "sources")))
"""


def test_an_update_of_the_files_changes_nothing_of_a_program_that_runs() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n"


@given(st.integers(0, 2000))
def test_parts_are_of_few_sizes_and_repeat_little(count: int) -> None:
    parts = list(statements.barely_padded_parts(list(range(count))))
    assert list(dict.fromkeys(one for part in parts for one in part)) == list(range(count))
    assert {len(part) for part in parts} <= set(statements.SIZES)
    assert sum(map(len, parts)) < count + 32


@pytest.mark.parametrize("count", [0, 1, 3, 1023, 1024, 1025, 2500])
def test_values_are_cut_into_parts_that_a_statement_takes(count: int) -> None:
    values = range(count)
    assert [one for part in statements.parts(values) for one in part] == list(values)
    padded = list(statements.padded_parts(values))
    assert {len(part) for part in padded} <= set(statements.SIZES)
    assert list(dict.fromkeys(one for part in padded for one in part)) == list(values)
