"""Organizations and their members over HTTP: who makes, sees, changes, joins and leaves them."""

import base64
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from keys.schnorr import fault
from relay.protocol.event import Event
from tests.factories import make_event
from tests.http.api.conftest import Api
from tests.http.api.homes import Home
from tests.http.api.workers import add, organization, project, thread, user


@pytest.fixture
async def ann(relay: Home) -> Api:
    return await user(relay, 11)


@pytest.fixture
async def ben(relay: Home) -> Api:
    return await user(relay, 12)


async def test_who_makes_an_organization_owns_it_and_gets_the_event_that_made_it(ann: Api) -> None:
    made = await ann.told("POST", "organizations", {"name": "Tide watchers", "logo": "https://a.example/x.png"}, 201)
    shown, me = made["organization"], await ann.get("users/me")
    assert (shown["name"], shown["logo"], shown["plan"], shown["credits"]) == (
        "Tide watchers",
        "https://a.example/x.png",
        "free",
        0,
    )
    assert (shown["role"], shown["owner_id"]) == ("owner", me["user"]["id"])
    event = msgspec.convert(made["event"], Event)
    assert (event.kind, fault(event)) == (9007, None)
    assert await ann.get(f"organizations/{shown['id']}") == {
        "success": True,
        "message": "",
        "organization": shown,
    }


async def test_an_organization_is_its_members_alone_unless_it_is_public(ann: Api, ben: Api) -> None:
    closed, opened = await organization(ann), await organization(ann, public=True)
    assert await ben.refused(404, "GET", f"organizations/{closed}") == "organization_not_found"
    assert (await ben.get(f"organizations/{opened}"))["organization"]["role"] is None
    assert (await ben.get("organizations"))["organizations"] == []
    await add(ann, f"organizations/{closed}", ben)
    assert (await ben.get(f"organizations/{closed}"))["organization"]["role"] == "member"
    assert [one["id"] for one in (await ben.get("organizations"))["organizations"]] == [closed]


@pytest.mark.parametrize("make", [organization, project, thread])
async def test_nobody_writes_from_outside_what_is_its_members_alone(
    ann: Api, api: Api, make: Callable[..., Awaitable[str]]
) -> None:
    """Who knows its id, as somebody does who has left, and signs with a key of their own."""

    def event(place: str, kind: int = 9) -> dict[str, Any]:
        return msgspec.structs.asdict(
            make_event(5, kind, "psst", [["h", place], ["subject", "psst"]], int(time.time()))
        )

    closed, opened = await make(ann), await make(ann, public=True)
    for kind in (9, 1621):
        assert await api.refused(400, "POST", "events", event(closed, kind)) == "invalid"
        assert await api.refused(400, "POST", "events", event("nowhere", kind)) == "invalid"
        await api.told("POST", "events", event(opened, kind), 201)
    if make is organization:
        await ann.told("PATCH", f"organizations/{opened}", {"public": False})
        assert await api.refused(400, "POST", "events", event(opened, 11)) == "invalid"


async def test_owners_and_admins_change_an_organization_and_nobody_else(ann: Api, ben: Api) -> None:
    there = f"organizations/{await organization(ann, logo='https://a.example/x.png')}"
    await add(ann, there, ben)
    assert await ben.refused(403, "PATCH", there, {"name": "Ours"}) == "restricted"
    await add(ann, there, ben, "admin")
    changed = await ben.told("PATCH", there, {"name": "Ours"})
    assert changed["organization"]["name"] == "Ours"
    assert changed["organization"]["logo"] == "https://a.example/x.png"
    assert changed["event"]["kind"] == 9002
    assert await ben.refused(403, "DELETE", there) == "restricted"
    assert (await ann.told("DELETE", there))["event"]["kind"] == 9008
    assert await ann.refused(404, "GET", there) == "organization_not_found"
    assert (await ann.get("organizations"))["organizations"] == []


async def test_making_one_public_opens_it_and_making_it_private_shuts_it(ann: Api, ben: Api) -> None:
    there = f"organizations/{await organization(ann)}"
    await ann.told("PATCH", there, {"public": True})
    assert (await ben.told("POST", f"{there}/join"))["event"]["kind"] == 9021
    assert (await ben.get(there))["organization"]["role"] == "member"
    await ben.told("POST", f"{there}/leave")
    assert (await ben.told("POST", f"{there}/leave"))["message"] == "You are out already"
    await ann.told("PATCH", there, {"public": False})
    assert await ben.refused(404, "GET", there) == "organization_not_found"


async def test_an_invite_lets_one_in_and_no_second(ann: Api, ben: Api, relay: Home) -> None:
    there = f"organizations/{await organization(ann)}"
    for place in (there, "organizations/nowhere"):
        assert await ben.refused(404, "POST", f"{place}/join") == "group_not_found"
        assert await ben.refused(404, "POST", f"{place}/join", {"code": "guessed"}) == "group_not_found"
    made = await ann.told("POST", f"{there}/invites", {"uses": 1, "days": 1}, 201)
    assert (made["event"]["kind"], made["uses"]) == (9009, 1)
    assert made["invite"] == {
        "code": made["code"],
        "by": made["event"]["pubkey"],
        "uses_left": 1,
        "expires_at": made["expires_at"],
    }
    await ben.told("POST", f"{there}/join", {"code": made["code"]})
    assert (await ben.get(there))["organization"]["role"] == "member"
    assert (await ben.told("POST", f"{there}/join"))["message"] == "You are in already"
    eve = await user(relay, 13)
    assert await eve.refused(404, "POST", f"{there}/leave") == "group_not_found"
    assert await eve.refused(404, "POST", f"{there}/join", {"code": made["code"]}) == "group_not_found"


async def test_an_invite_without_bound_lets_everybody_in(ann: Api, ben: Api, relay: Home) -> None:
    there = f"organizations/{await organization(ann)}"
    made = await ann.told("POST", f"{there}/invites", {"uses": None, "days": None}, 201)
    assert made["invite"]["uses_left"] is None
    for one in (ben, await user(relay, 13)):
        await one.told("POST", f"{there}/join", {"code": made["code"]})


async def test_members_are_listed_with_their_roles_and_removed(ann: Api, ben: Api) -> None:
    there = f"organizations/{await organization(ann)}"
    await add(ann, there, ben, "moderator")
    listed = (await ann.get(f"{there}/members"))["members"]
    users = [(await one.get("users/me"))["user"]["id"] for one in (ann, ben)]
    assert sorted((one["user_id"], one["role"], one["roles"]) for one in listed) == sorted(
        zip(users, ["owner", "moderator"], [["owner"], ["moderator"]], strict=True)
    )
    removed = await ann.told("DELETE", f"{there}/members/{users[1]}")
    assert removed["event"]["kind"] == 9001
    assert [one["role"] for one in (await ann.get(f"{there}/members"))["members"]] == ["owner"]
    assert await ben.refused(404, "GET", there) == "organization_not_found"


async def test_the_last_owner_stays(ann: Api) -> None:
    there = f"organizations/{await organization(ann)}"
    assert await ann.refused(403, "POST", f"{there}/leave") == "restricted"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid"),
        ({"user_id": "x", "pubkey": "0" * 64}, 400, "invalid"),
        ({"pubkey": "X" * 64}, 400, "invalid"),
        ({"user_id": "nobody"}, 404, "user_not_found"),
    ],
)
async def test_a_member_is_somebody(ann: Api, body: dict[str, str], status: int, code: str) -> None:
    there = await organization(ann)
    assert await ann.refused(status, "POST", f"organizations/{there}/members", body) == code


async def test_lists_page_by_cursor(ann: Api) -> None:
    made = [await organization(ann, name=f"Number {n}") for n in range(5)]
    found, cursor = [], ""
    while True:
        page = await ann.get(f"organizations?limit=2&cursor={cursor}")
        found += [one["id"] for one in page["organizations"]]
        if not page["has_more"]:
            break
        cursor = page["next_cursor"]
    assert sorted(found) == sorted(made)
    assert await ann.refused(400, "GET", "organizations?cursor=nonsense") == "invalid"


@pytest.mark.parametrize(
    "place", [f"[{2**63},1]", f"[1,{2**63}]", f'[{-(2**63) - 1},"x"]', "[true,1]", "[1.5,1]", "[1]"]
)
async def test_a_cursor_that_no_page_gave_is_refused_by_every_list(ann: Api, place: str) -> None:
    cursor = base64.urlsafe_b64encode(place.encode()).decode()
    there = await organization(ann)
    lists = ("organizations", "projects", "threads", "issues", "repos", "chat-agents", f"organizations/{there}/members")
    for path in lists:
        assert await ann.refused(400, "GET", f"{path}?cursor={cursor}") == "invalid", path


async def test_neither_token_opens_the_others_door(ann: Api, alice: Api, api: Api) -> None:
    for path in ("organizations", "projects", "threads", "issues", "repos", "chat-agents"):
        assert await alice.refused(403, "GET", path) == "restricted"
        assert await api.refused(401, "GET", path) == "auth_required"
    assert await ann.refused(403, "POST", "posts", {"title": "x"}) == "restricted"


async def test_a_key_of_a_user_is_no_identity(ann: Api, relay: Home) -> None:
    made = await ann.told("POST", "organizations", {"name": "Tide watchers"}, 201)
    pubkey = made["event"]["pubkey"]
    assert await relay.site.identities.by_key([pubkey]) == {}


async def test_the_same_request_again_is_answered_once(ann: Api, ben: Api) -> None:
    first = await ann.send("POST", "organizations", {"name": "Once"}, idempotency_key="k1")
    again = await ann.send("POST", "organizations", {"name": "Once"}, idempotency_key="k1")
    assert (first.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert len((await ann.get("organizations"))["organizations"]) == 1
    assert await ann.refused(422, "POST", "organizations", {"name": "Other"}, idempotency_key="k1")
    assert (await ben.send("POST", "organizations", {"name": "Once"}, idempotency_key="k1")).status_code == 201
