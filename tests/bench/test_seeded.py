"""A directory that was filled before is used again only for what it was filled with."""

from pathlib import Path

import pytest

from bench import seeded
from bench.client import Trouble


def test_a_directory_that_is_not_there_is_yet_to_be_filled(tmp_path: Path) -> None:
    assert seeded.is_filled(tmp_path / "data", seeded.Holding(1, posts=5000)) is False


def test_a_filled_directory_is_used_again_for_the_same(tmp_path: Path) -> None:
    seeded.note(tmp_path / "data", seeded.Holding(1, posts=5000))
    assert seeded.is_filled(tmp_path / "data", seeded.Holding(1, posts=5000)) is True


def test_a_directory_filled_with_something_else_is_refused_by_what_it_holds(tmp_path: Path) -> None:
    seeded.note(tmp_path / "data", seeded.Holding(1, posts=5000))
    with pytest.raises(Trouble, match="posts 5000"):
        seeded.is_filled(tmp_path / "data", seeded.Holding(1, posts=10_000))


def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(Trouble, match="not seeded by this program"):
        seeded.is_filled(tmp_path / "data", seeded.Holding(1, posts=5000))


def test_a_copy_is_the_same_and_as_closed_as_what_it_was_made_of(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    secret = tmp_path / "data" / "secrets.toml"
    secret.write_bytes(b"x" * 10_000)
    secret.chmod(0o600)
    copy = seeded.copied(tmp_path / "data", tmp_path / "copy")
    assert (copy / secret.name).read_bytes() == secret.read_bytes()
    assert (copy / secret.name).stat().st_mode & 0o777 == 0o600
