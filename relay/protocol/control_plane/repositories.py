"""Git repositories (NIP-34): where an announcement (30617) says that a repository is, and the state (30618) of its branches.

A repository on a known host is named as there (`github`, owner, name); any other by who announced it (`nostr`, pubkey, `d` tag).
"""

from typing import Final

import msgspec

from relay.protocol import kinds, urls
from relay.protocol.event import Event, first_value

NOSTR: Final = "nostr"
HOSTS: Final = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "bitbucket.org": "bitbucket",
    "codeberg.org": "codeberg",
}
MAX_MAINTAINERS: Final = 20
MAX_NAME: Final = 200  # characters of an owner or name
_HEAD: Final = "ref: refs/heads/"


class Repository(msgspec.Struct, frozen=True):
    """Where a repository is. `url` is for people, None where none can be followed."""

    name: str
    provider: str
    owner: str
    url: str | None


def address(event: Event) -> str | None:
    """The address of the repository that an announcement or a state is about: that of its announcement."""
    name = first_value(event, "d")
    return f"{kinds.REPOSITORY}:{event.pubkey}:{name}" if name else None


def is_address(value: str) -> bool:
    """Whether a text is the address of a repository."""
    found = kinds.parse_address(value)
    return found is not None and found[0] == kinds.REPOSITORY and bool(found[2])


def read(event: Event) -> Repository:
    """What an announcement says."""
    given = [value for name in ("web", "clone") for tag in event.tags if tag[0] == name for value in tag[1:]]
    links = [link for link in given if urls.link(link) is not None]
    for link in links:
        hosted = _hosted(link)
        if hosted is not None:
            return hosted
    return Repository(first_value(event, "d") or "", NOSTR, event.pubkey, links[0] if links else None)


def _hosted(link: str) -> Repository | None:
    """A repository of a known host by its URL."""
    url = urls.link(link)
    provider = None if url is None else HOSTS.get(url.host.removeprefix("www."))
    if url is None or provider is None:
        return None
    owner, _, rest = url.path.removeprefix("/").partition("/")
    name = rest.partition("/")[0].removesuffix(".git")
    if not owner or not name or max(len(owner), len(name)) > MAX_NAME:
        return None
    return Repository(name, provider, owner, link)


def maintainers(event: Event) -> list[str]:
    """The keys that an announcement names as maintainers, who made it among them."""
    named = [value for tag in event.tags if tag[0] == "maintainers" for value in tag[1:] if kinds.is_hex(value, 64)]
    return list(dict.fromkeys((event.pubkey, *named)))[:MAX_MAINTAINERS]


def default_branch(event: Event) -> str | None:
    """The branch that a state's HEAD is on."""
    head = first_value(event, "HEAD")
    return head.removeprefix(_HEAD) if head is not None and head.startswith(_HEAD) and head != _HEAD else None
