"""Groups over HTTP with nothing but identity tokens: finding, beginning, editing, joining, leaving, members, invites, pins."""

from typing import Any
from urllib.parse import quote

import pytest

from relay.protocol.groups.state import OWNER
from tests.http.api.conftest import Api
from tests.http.api.workers import user

NAMES = "tide-watchers"


async def begun(api: Api, name: str = "Tide watchers", **fields: Any) -> Any:
    """A group that this client began; what the API tells of it."""
    return (await api.told("POST", "groups", {"name": name, **fields}, 201))["group"]


async def message(api: Api, group: Any, content: str = "The tide is out.", **fields: Any) -> Any:
    """Write in a group; what the API tells of it."""
    path = f"groups/{quote(group['id'], safe='')}/messages"
    return (await api.told("POST", path, {"content": content, **fields}, 201))["message"]


def tags_of(event: Any) -> list[list[str]]:
    return [tag for tag in event["tags"] if tag[0] != "custody"]


async def test_whoever_begins_a_group_is_its_owner(alice, api):
    made = await alice.told("POST", "groups", {"name": "Tide watchers", "id": NAMES, "about": "We look."}, 201)
    assert (made["group"]["your_roles"], made["group"]["member_count"]) == ([OWNER], 1)
    assert (made["event"]["kind"], tags_of(made["event"])) == (
        9007,
        [["h", NAMES], ["name", "Tide watchers"], ["about", "We look."]],
    )
    shown = (await api.get(f"groups/{NAMES}"))["group"]
    assert (shown["name"], shown["about"], shown["your_roles"]) == ("Tide watchers", "We look.", None)


@pytest.mark.parametrize(
    ("path", "field"), [("groups", "name"), ("organizations", "name"), ("projects", "name"), ("threads", "title")]
)
@pytest.mark.parametrize("blank", [" ", "\u3164", "\u200b \u2800"])
async def test_a_name_of_which_nobody_sees_anything_is_told(alice, relay, path, field, blank):
    one = alice if path == "groups" else await user(relay, 11)
    answer = await one.send("POST", path, {field: blank})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("the name of a group has at least one character that is seen")
    made = await one.told("POST", path, {field: "Tides"}, 201)
    group_id = made[path.removesuffix("s")]["id"]
    assert (await one.send("PATCH", f"{path}/{group_id}", {field: blank})).status_code == 400
    assert (await one.get(f"{path}/{group_id}"))[path.removesuffix("s")][field] == "Tides"


async def test_an_id_is_given_once(alice, bob):
    group = await begun(alice, id=NAMES)
    assert await bob.refused(409, "POST", "groups", {"name": "Another", "id": NAMES}) == "taken"
    await alice.told("DELETE", f"groups/{NAMES}")
    assert await bob.refused(409, "POST", "groups", {"name": "Another", "id": NAMES}) == "taken"
    assert await bob.refused(404, "GET", f"groups/{group['id']}") == "group_not_found"


async def test_groups_are_found_by_name_and_page_by_page(alice, api):
    for number in range(5):
        await begun(alice, f"Tide {number}", id=f"g{number}")
    await begun(alice, "Wind")
    await begun(alice, "Tide, hidden", hidden=True)
    first = await api.get("groups?q=tIDE&limit=3")
    assert [one["id"] for one in first["groups"]] == ["g4", "g3", "g2"]
    rest = await api.get(f"groups?q=tIDE&limit=3&cursor={first['next_cursor']}")
    assert ([one["id"] for one in rest["groups"]], rest["has_more"]) == (["g1", "g0"], False)
    mine = await alice.get("groups?mine=true&q=tide&limit=4")
    assert len(mine["groups"]) == 4
    rest = await alice.get(f"groups?mine=true&q=tide&limit=4&cursor={mine['next_cursor']}")
    assert len(rest["groups"]) == 2
    assert any(one["hidden"] for one in mine["groups"] + rest["groups"])
    assert await api.refused(401, "GET", "groups?mine=true") == "auth_required"


async def test_a_cursor_tells_nothing_of_hidden_groups(alice, bob):
    await begun(alice, id="shown")
    await begun(alice, id="secret", hidden=True)
    for path in ("groups?cursor=", "submolts?cursor="):
        told = [(await bob.send("GET", path + one)).json() for one in ("secret", "nowhere")]
        assert told[0] == told[1]
        assert await bob.refused(400, "GET", f"{path}secret") == "invalid"
    assert (await bob.get("groups?cursor=shown"))["groups"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x" * 10_000},
        {"name": "a\nb"},
        {"name": "x", "about": "y" * 1_000_000},
        {"name": "x", "supported_kinds": [70_000]},
        {"name": "x", "supported_kinds": list(range(2_000))},
        {"name": "x", "parent": "nowhere"},
        {"name": "x", "private": "yes"},
        {"name": "x", "owner": "me"},
        {"name": None},
        {},
    ],
)
async def test_what_can_be_no_group(alice, body):
    answer = await alice.send("POST", "groups", body)
    assert (answer.status_code, answer.json()["success"]) in ((400, False), (413, False)), answer.text
    assert (await alice.get("groups"))["groups"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("members", {"agent": "bob", "roles": ["x" * 10_000]}),
        ("members", {"agent": "bob", "roles": ["a\x00b"]}),
        ("members", {"agent": "bob", "roles": [str(number) for number in range(10_000)]}),
        ("invites", {"uses": 10**30}),
        ("invites", {"code": ""}),
        ("invites", {"code": "x" * 10_000}),
        ("pins", {"id": "nope"}),
        ("messages", {"content": "x" * 1_000_000}),
        ("messages", {"content": "x", "reply_to": "nope"}),
        ("join", {"code": ["a"]}),
    ],
)
@pytest.mark.usefixtures("bob")
async def test_what_cannot_be_asked_in_a_group(alice, path, body):
    await begun(alice, id=NAMES)
    answer = await alice.send("POST", f"groups/{NAMES}/{path}", body)
    assert answer.status_code in (400, 404, 413), answer.text
    assert (await alice.get(f"groups/{NAMES}"))["group"]["member_count"] == 1


async def test_an_edit_leaves_what_it_does_not_name(alice, api):
    await begun(alice, id=NAMES, about="We look.", closed=True)
    told = await alice.told("PATCH", f"groups/{NAMES}", {"name": "Watchers", "restricted": True})
    assert told["event"]["kind"] == 9002
    shown = (await api.get(f"groups/{NAMES}"))["group"]
    assert (shown["name"], shown["about"], shown["closed"], shown["restricted"]) == ("Watchers", "We look.", True, True)
    told = await alice.told("PATCH", f"groups/{NAMES}", {"closed": False, "supported_kinds": [9, 11]})
    assert (told["group"]["closed"], told["group"]["supported_kinds"]) == (False, [9, 11])
    assert (await alice.told("PATCH", f"groups/{NAMES}", {"supported_kinds": None}))["group"]["supported_kinds"] is None
    assert await alice.refused(400, "PATCH", f"groups/{NAMES}", {}) == "invalid"


async def test_who_may_not_edit_or_delete_is_told_which_role_that_needs(alice, bob):
    await begun(alice, id=NAMES)
    await bob.told("POST", f"groups/{NAMES}/join")
    told = await bob.told("PATCH", f"groups/{NAMES}", {"name": "Mine"}, 403)
    assert (told["code"], "owner or admin" in told["error"]) == ("restricted", True)
    assert await bob.refused(403, "DELETE", f"groups/{NAMES}") == "restricted"


async def test_joining_and_leaving(alice, bob):
    await begun(alice, id=NAMES)
    joined = await bob.told("POST", f"groups/{NAMES}/join", {"reason": "I like tides"})
    assert (joined["event"]["kind"], joined["event"]["content"]) == (9021, "I like tides")
    assert "member" in joined["message"]
    again = await bob.told("POST", f"groups/{NAMES}/join")
    assert (again["message"], again["event"]) == ("already a member of this group", None)
    assert (await bob.get(f"groups/{NAMES}"))["group"]["your_roles"] == []
    left = await bob.told("POST", f"groups/{NAMES}/leave")
    assert left["event"]["kind"] == 9022
    assert (await bob.told("POST", f"groups/{NAMES}/leave"))["event"] is None
    assert (await bob.told("POST", f"groups/{NAMES}/join"))["event"] is not None
    told = await alice.told("POST", f"groups/{NAMES}/leave", None, 403)
    assert (told["code"], told["hint"]) == ("restricted", "Read who may, or what is missing, before you try again.")


async def test_a_closed_group_opens_by_a_code_once(alice, bob, api):
    carol = await api.registered("carol")
    await begun(alice, id=NAMES, closed=True)
    assert await bob.refused(403, "POST", f"groups/{NAMES}/join") == "restricted"
    answer = await alice.told("POST", f"groups/{NAMES}/invites", status=201)
    invite = answer["invite"]
    assert answer["code"] == invite["code"]
    assert (invite["uses_left"], invite["expires_at"]) == (1, None)
    assert await bob.refused(403, "POST", f"groups/{NAMES}/join", {"code": "nonsense"}) == "restricted"
    await bob.told("POST", f"groups/{NAMES}/join", {"code": invite["code"]})
    assert await carol.refused(403, "POST", f"groups/{NAMES}/join", {"code": invite["code"]}) == "restricted"


async def test_codes_are_listed_for_those_who_invite_and_revoked(alice, bob, api):
    carol = await api.registered("carol")
    await begun(alice, id=NAMES, closed=True)
    made = (await alice.told("POST", f"groups/{NAMES}/invites", {"uses": None, "days": 2, "code": "a/b c"}, 201))[
        "invite"
    ]
    assert made["expires_at"] is not None
    await bob.told("POST", f"groups/{NAMES}/join", {"code": "a/b c"})
    listed = (await alice.get(f"groups/{NAMES}/invites"))["invites"]
    assert [(one["code"], one["uses_left"]) for one in listed] == [("a/b c", None)]
    assert await bob.refused(403, "GET", f"groups/{NAMES}/invites") == "restricted"
    assert await bob.refused(403, "POST", f"groups/{NAMES}/invites") == "restricted"
    await alice.told("DELETE", f"groups/{NAMES}/invites/a%2Fb%20c")
    assert await alice.refused(404, "DELETE", f"groups/{NAMES}/invites/none") == "not_found"
    assert (await alice.get(f"groups/{NAMES}/invites"))["invites"] == []
    assert await carol.refused(403, "POST", f"groups/{NAMES}/join", {"code": "a/b c"}) == "restricted"
    assert await alice.refused(400, "POST", f"groups/{NAMES}/invites", {"uses": 0}) == "invalid"
    assert await alice.refused(400, "POST", f"groups/{NAMES}/invites", {"days": -1}) == "invalid"


async def test_members_their_roles_and_removal(alice, bob, api):
    carol = await api.registered("carol")
    await begun(alice, id=NAMES)
    put = await alice.told("POST", f"groups/{NAMES}/members", {"agent": "bob", "roles": ["moderator"]})
    assert (put["event"]["kind"], put["message"]) == (9000, "bob is moderator")
    await carol.told("POST", f"groups/{NAMES}/join")
    listed = (await api.get(f"groups/{NAMES}/members"))["members"]
    assert {one["agent"]: one["roles"] for one in listed} == {"alice": ["owner"], "bob": ["moderator"], "carol": []}
    first = await api.get(f"groups/{NAMES}/members?limit=2")
    rest = await api.get(f"groups/{NAMES}/members?limit=2&cursor={first['next_cursor']}")
    assert [one["pubkey"] for one in first["members"] + rest["members"]] == [one["pubkey"] for one in listed]
    assert await bob.refused(403, "DELETE", f"groups/{NAMES}/members/alice") == "restricted"
    assert await carol.refused(403, "DELETE", f"groups/{NAMES}/members/bob") == "restricted"
    assert (await bob.told("DELETE", f"groups/{NAMES}/members/carol"))["event"]["kind"] == 9001
    assert await carol.refused(403, "POST", f"groups/{NAMES}/join") == "restricted"
    await alice.told(
        "POST", f"groups/{NAMES}/members", {"pubkey": next(m for m in listed if m["agent"] == "carol")["pubkey"]}
    )
    assert (await carol.get(f"groups/{NAMES}"))["group"]["your_roles"] == []
    for body in ({}, {"agent": "bob", "pubkey": "0" * 64}, {"pubkey": "no"}):
        assert await alice.refused(400, "POST", f"groups/{NAMES}/members", body) == "invalid"
    assert await alice.refused(404, "POST", f"groups/{NAMES}/members", {"agent": "nobody"}) == "agent_not_found"


async def test_pins_stand_in_the_order_in_which_they_were_pinned(alice, bob, api):
    group = await begun(alice, id=NAMES)
    first, second = await message(alice, group), await message(alice, group)
    for one in (first, second):
        await alice.told("POST", f"groups/{NAMES}/pins", {"id": one["id"]})
    assert (await api.get(f"groups/{NAMES}/pins"))["pins"] == [second["id"], first["id"]]
    await alice.told("DELETE", f"groups/{NAMES}/pins/{second['id']}")
    assert (await api.get(f"groups/{NAMES}"))["group"]["pins"] == [first["id"]]
    assert await alice.refused(404, "DELETE", f"groups/{NAMES}/pins/{second['id']}") == "message_not_found"
    assert await bob.refused(403, "POST", f"groups/{NAMES}/pins", {"id": second["id"]}) == "restricted"
    elsewhere = (await alice.told("POST", "posts", {"title": "In no group"}, 201))["post"]["id"]
    await alice.told("DELETE", f"groups/{NAMES}/messages/{second['id']}")
    for gone in ("0" * 64, elsewhere, second["id"]):
        assert await alice.refused(404, "POST", f"groups/{NAMES}/pins", {"id": gone}) == "message_not_found"


@pytest.mark.parametrize("group_id", ["a/b", "Gezeiten-ä", "100%", "a%2Fb", "...", "x?y#z", "stream"])
async def test_any_id_works_on_every_route(alice, bob, group_id):
    group = await begun(alice, id=group_id)
    path = f"groups/{quote(group_id, safe='')}"
    assert (await bob.get(path))["group"]["id"] == group_id
    await bob.told("POST", f"{path}/join")
    said = await message(bob, group)
    assert [one["id"] for one in (await bob.get(f"{path}/messages"))["messages"]] == [said["id"]]
    await alice.told("PATCH", path, {"name": "Another"})
    assert await bob.refused(404, "GET", "groups/other") == "group_not_found"


@pytest.mark.parametrize("group_id", ["", "a b", "x" * 129, "a\nb", "_", ".", ".."])
async def test_ids_that_cannot_be(alice, group_id):
    assert (await alice.send("POST", "groups", {"name": "x", "id": group_id})).status_code in (400, 403)


async def test_an_edit_keeps_the_tags_of_other_clients(alice, api, relay):
    await begun(alice, id=NAMES)
    pubkey = (await alice.get("agents/me"))["agent"]["pubkey"]
    assert pubkey
    await alice.told("PATCH", f"groups/{NAMES}", {"about": "One"})
    two = await alice.told("PATCH", f"groups/{NAMES}", {"picture": "https://example.org/p.png"})
    assert tags_of(two["event"]) == [
        ["h", NAMES],
        ["name", "Tide watchers"],
        ["about", "One"],
        ["picture", "https://example.org/p.png"],
    ]
