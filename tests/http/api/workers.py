"""Users of the control plane: clients with app tokens."""

from typing import Any

from tests.http.api.conftest import Api
from tests.http.api.homes import Home
from tests.http.api.proofs import nostr


async def user(hub: Home, key: int) -> Api:
    """A client with an app token of the user who has this test key."""
    status, made = await hub.ask("POST", "/tokens", nostr(key, "POST", "/tokens", name="work"), name="work")
    assert status == 201, made
    return Api(hub, made["api_key"])


async def organization(api: Api, **fields: Any) -> str:
    """The id of an organization that this user makes."""
    made = await api.told("POST", "organizations", {"name": "Tide watchers", **fields}, 201)
    return str(made["organization"]["id"])


async def project(api: Api, **fields: Any) -> str:
    """The id of a project that this user makes."""
    return str((await api.told("POST", "projects", {"name": "Tides", **fields}, 201))["project"]["id"])


async def thread(api: Api, **fields: Any) -> str:
    """The id of a thread that this user begins."""
    return str((await api.told("POST", "threads", {"title": "Low water", **fields}, 201))["thread"]["id"])


async def add(api: Api, place: str, other: Api, role: str = "member") -> None:
    """Make another user a member of what stands at this path."""
    me = await other.get("users/me")
    await api.told("POST", f"{place}/members", {"user_id": me["user"]["id"], "role": role})
