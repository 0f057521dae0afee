"""What `make run` shows while it sets up: how far it is, and why it failed."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
INSTALL = runpy.run_path(str(ROOT / ".ci" / "install.py"))


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_entry_of_a_lock_file_is_found_with_its_hashes(name, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda _: "another")
    text = (ROOT / name).read_text(encoding="utf-8")
    found = INSTALL["missing"](text)
    assert len(found) == len(re.findall(r"^[^#\s]\S*==", text, re.MULTILINE))
    assert [entry for entry in found.values() if "--hash=sha256:" not in entry] == []
    assert sum(entry.count("--hash=") for entry in found.values()) == text.count("--hash=")
    assert set(INSTALL["COMPILED"]) <= set(found)


def test_what_is_installed_is_not_installed_again(monkeypatch):
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    versions = dict(re.findall(r"^([^#\s=]+)==(\S+)", text, re.MULTILINE))
    monkeypatch.setattr("importlib.metadata.version", versions.__getitem__)
    assert INSTALL["missing"](text) == {}


def test_pips_lines_become_words():
    count = INSTALL["Count"](65)
    said = []
    for line in (
        "Looking in links: /somewhere",
        "Collecting numpy==2.4.6 (from -r rest.txt (line 3))",
        "  Downloading numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl (16.9 MB)",
        "Collecting zstandard==0.25.0 (from -r rest.txt (line 9))",
        "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError'",
        "Installing collected packages: zstandard, numpy",
    ):
        count.hear(line)
        said.append(count.text)
    assert said == [
        "starting",
        "downloading 1 of 65: numpy 2.4.6",
        "downloading 1 of 65: numpy 2.4.6 (16.9 MB)",
        "downloading 2 of 65: zstandard 0.25.0",
        "the package index does not answer; trying again",
        "unpacking 65 packages",
    ]


@pytest.mark.parametrize("name", ["nowhere-to-be-found", "hnswlib"])
def test_a_failure_is_told_in_pips_words(tmp_path, monkeypatch, capfd, name):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    entry = f"{name}==9.9.9 --hash=sha256:{'0' * 64}\n"
    assert INSTALL["install"]({name: entry}, INSTALL["Screen"](), tmp_path) != 0
    assert f"No matching distribution found for {name}==9.9.9" in capfd.readouterr().err
