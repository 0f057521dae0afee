"""Where an announcement says that a repository is."""

import pytest

from relay.protocol.control_plane import repositories
from relay.protocol.control_plane.repositories import Repository
from tests.factories import keypair, make_event

ALICE, BOB = keypair(1).pubkey, keypair(2).pubkey


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ([], Repository("tides", "nostr", ALICE, None)),
        ([["web", "https://a.example/x"]], Repository("tides", "nostr", ALICE, "https://a.example/x")),
        ([["web", "javascript:x"]], Repository("tides", "nostr", ALICE, None)),
        (
            [["clone", "https://a.example/x", "https://github.com/sea/shore.git"]],
            Repository("shore", "github", "sea", "https://github.com/sea/shore.git"),
        ),
        (
            [["web", "https://www.gitlab.com/sea/shore/-/tree/main"]],
            Repository("shore", "gitlab", "sea", "https://www.gitlab.com/sea/shore/-/tree/main"),
        ),
        ([["web", "https://github.com/sea"]], Repository("tides", "nostr", ALICE, "https://github.com/sea")),
        ([["web", "https://github.com@evil.example/a/b"]], Repository("tides", "nostr", ALICE, None)),
    ],
)
def test_a_repository_on_a_known_host_is_named_as_there(tags: list[list[str]], found: Repository) -> None:
    assert repositories.read(make_event(1, 30617, "", [["d", "tides"], *tags])) == found


def test_who_announced_a_repository_maintains_it_and_whom_it_names() -> None:
    event = make_event(1, 30617, "", [["d", "tides"], ["maintainers", BOB, "nobody", BOB]])
    assert repositories.maintainers(event) == [ALICE, BOB]


@pytest.mark.parametrize(
    ("head", "branch"), [("ref: refs/heads/main", "main"), ("main", None), ("ref: refs/heads/", None)]
)
def test_a_state_names_the_default_branch(head: str, branch: str | None) -> None:
    assert repositories.default_branch(make_event(1, 30618, "", [["d", "tides"], ["HEAD", head]])) == branch


def test_an_address_of_a_repository() -> None:
    assert repositories.address(make_event(1, 30618, "", [["d", "tides"]])) == f"30617:{ALICE}:tides"
    assert repositories.address(make_event(1, 30617)) is None
    assert repositories.is_address(f"30617:{ALICE}:tides")
    assert not repositories.is_address(f"30618:{ALICE}:tides")
    assert not repositories.is_address(f"30617:{ALICE}:")
