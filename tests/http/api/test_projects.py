"""Projects, threads and what is said in them, over HTTP."""

from typing import Any

import pytest

from tests.http.api.conftest import Api
from tests.http.api.homes import Home
from tests.http.api.workers import add, organization, project, thread, user

RECORD = {
    "system_prompt": "Be brief.",
    "default_model": "small",
    "default_tools": ["search"],
    "autopilot_spec": "spec",
    "autopilot_plan": "plan",
    "is_archived": True,
}


@pytest.fixture
async def ann(relay: Home) -> Api:
    return await user(relay, 11)


@pytest.fixture
async def ben(relay: Home) -> Api:
    return await user(relay, 12)


def kinds(told: Any) -> list[int]:
    return [event["kind"] for event in told["events"]]


async def test_a_project_is_its_makers_own_or_its_organizations(ann: Api) -> None:
    me, org = (await ann.get("users/me"))["user"]["id"], await organization(ann)
    made = await ann.told("POST", "projects", {"name": "Tides", "description": "The app."}, 201)
    own = made["project"]
    assert kinds(made) == [9007]
    assert (own["name"], own["description"], own["user_id"], own["organization_id"]) == ("Tides", "The app.", me, None)
    other = (await ann.told("POST", "projects", {"name": "Sand", "organization_id": org}, 201))["project"]
    assert (other["user_id"], other["organization_id"]) == (None, org)
    listed = (await ann.get(f"projects?organization_id={org}"))["projects"]
    assert [one["id"] for one in listed] == [other["id"]]
    assert len((await ann.get("projects"))["projects"]) == 2


async def test_what_a_group_has_no_field_for_stands_in_its_record(ann: Api) -> None:
    made = await ann.told("POST", "projects", {"name": "Tides", **RECORD}, 201)
    assert kinds(made) == [9007, 30078]
    there = f"projects/{made['project']['id']}"
    shown = (await ann.get(there))["project"]
    assert {name: shown[name] for name in RECORD} == RECORD
    assert shown["autopilot_plan_updated_at"] is not None
    changed = await ann.told("PATCH", there, {"system_prompt": None, "is_archived": False, "description": "New"})
    assert kinds(changed) == [9002, 30078]
    shown = changed["project"]
    assert (shown["system_prompt"], shown["is_archived"], shown["description"]) == (None, False, "New")
    assert (shown["name"], shown["default_model"], shown["default_tools"]) == ("Tides", "small", ["search"])
    assert (await ann.get("projects?archived=true"))["projects"] == []
    assert (await ann.told("PATCH", there, {}))["events"] == []


async def test_members_of_an_organization_are_not_those_of_its_projects(ann: Api, ben: Api) -> None:
    org = await organization(ann)
    await add(ann, f"organizations/{org}", ben)
    there = f"projects/{await project(ann, organization_id=org)}"
    assert await ben.refused(404, "GET", there) == "project_not_found"
    assert await ben.refused(403, "POST", "projects", {"name": "x", "organization_id": org}) == "restricted"
    await add(ann, there, ben)
    assert (await ben.get(there))["project"]["role"] == "member"
    assert await ben.refused(403, "PATCH", there, {"is_archived": True}) == "restricted"
    assert (await ann.told("DELETE", there))["event"]["kind"] == 9008
    assert await ben.refused(404, "GET", there) == "project_not_found"


async def test_a_thread_stands_in_a_project_and_so_in_its_organization(ann: Api) -> None:
    org = await organization(ann)
    inside = await project(ann, organization_id=org)
    fields = {"agent_slug": "pilot", "metadata": {"color": "blue"}, "is_shared": True}
    made = await ann.told("POST", "threads", {"title": "Low water", "project_id": inside, **fields}, 201)
    shown = made["thread"]
    assert (shown["project_id"], shown["organization_id"], shown["title"]) == (inside, org, "Low water")
    assert {name: shown[name] for name in fields} == fields
    assert [one["id"] for one in (await ann.get(f"threads?project_id={inside}"))["threads"]] == [shown["id"]]
    changed = await ann.told("PATCH", f"threads/{shown['id']}", {"title": "High water", "is_archived": True})
    assert (changed["thread"]["title"], changed["thread"]["is_archived"]) == ("High water", True)
    assert changed["thread"]["metadata"] == {"color": "blue"}
    await ann.told("DELETE", f"projects/{inside}")
    assert (await ann.get(f"threads/{shown['id']}"))["thread"]["project_id"] is None
    await ann.told("DELETE", f"threads/{shown['id']}")
    assert await ann.refused(404, "GET", f"threads/{shown['id']}") == "thread_not_found"


async def test_members_talk_and_others_neither_read_nor_write(ann: Api, ben: Api) -> None:
    there = f"threads/{await thread(ann)}"
    assert await ben.refused(404, "POST", f"{there}/messages", {"content": "hi"}) == "thread_not_found"
    assert await ben.refused(404, "GET", f"{there}/messages") == "thread_not_found"
    await add(ann, there, ben)
    first = (await ben.told("POST", f"{there}/messages", {"content": "hi"}, 201))["message"]
    answer = await ann.told("POST", f"{there}/messages", {"content": "ho", "reply_to": first["id"]}, 201)
    assert ["q", first["id"]] in [tag[:2] for tag in answer["message"]["event"]["tags"]]
    listed = (await ben.get(f"{there}/messages"))["messages"]
    assert {one["content"] for one in listed} == {"hi", "ho"}
    assert (await ben.get(f"{there}/messages?events=false"))["messages"][0].keys() & {"event"} == set()


async def test_who_adds_a_key_of_a_user_is_told_how_users_are_added(ann: Api, ben: Api) -> None:
    there = f"threads/{await thread(ann)}"
    who = (await ben.get("users/me"))["user"]
    for user_id, told in ((f"nostr:{'0' * 63}1", "`id` that GET /api/v1/users/me tells"), (who["id"], "Member added")):
        assert told in (await ann.told("POST", f"{there}/members", {"user_id": user_id}))["message"]


async def test_a_message_says_what_a_model_said_and_took(ann: Api) -> None:
    there = f"threads/{await thread(ann)}/messages"
    said = {
        "content": "The tide is out.",
        "role": "assistant",
        "finish_reason": "stop",
        "prompt_tokens": 120,
        "completion_tokens": 45,
        "cost": 0.0012,
        "tool_invocations": [{"tool": "tide", "result": None}],
        "parts": [{"type": "text", "text": "The tide is out."}],
        "annotations": [1],
    }
    made = (await ann.told("POST", there, said, 201))["message"]
    assert {name: made[name] for name in said} == said
    assert made["event"]["kind"] == 9
    (listed,) = (await ann.get(there))["messages"]
    assert listed == made
    assert await ann.refused(400, "POST", there, {"role": "boss"}) == "bad_request"


async def test_a_message_of_nothing_is_none(ann: Api) -> None:
    there = f"threads/{await thread(ann)}/messages"
    for nothing in ({}, {"content": "\u200b"}, {"content": " ", "role": "assistant"}):
        assert await ann.refused(400, "POST", there, nothing) == "invalid"
    for instead in ({"tool_invocations": [{"tool": "tide"}]}, {"role": "assistant", "finish_reason": "stop"}):
        assert (await ann.told("POST", there, instead, 201))["message"]["content"] == ""


async def test_authors_delete_their_messages_and_moderators_anybodys(ann: Api, ben: Api) -> None:
    there = f"threads/{await thread(ann)}"
    await add(ann, there, ben)
    ids = [
        (await one.told("POST", f"{there}/messages", {"content": "x"}, 201))["message"]["id"] for one in (ann, ben, ben)
    ]
    assert await ben.refused(403, "DELETE", f"{there}/messages/{ids[0]}") == "restricted"
    assert (await ben.told("DELETE", f"{there}/messages/{ids[1]}"))["event"]["kind"] == 5
    assert (await ann.told("DELETE", f"{there}/messages/{ids[2]}"))["event"]["kind"] == 9005
    assert [one["id"] for one in (await ann.get(f"{there}/messages"))["messages"]] == ids[:1]
    other = f"threads/{await thread(ann)}"
    assert await ann.refused(404, "DELETE", f"{other}/messages/{ids[0]}") == "message_not_found"


async def test_messages_of_a_thread_are_edited_by_who_wrote_them(ann: Api, ben: Api) -> None:
    there = f"threads/{await thread(ann)}"
    await add(ann, there, ben)
    said = (await ben.told("POST", f"{there}/messages", {"content": "x"}, 201))["message"]
    edited = (await ben.told("PATCH", f"{there}/messages/{said['id']}", {"content": "y"}))["message"]
    assert (edited["content"], edited["updated_at"] > said["created_at"]) == ("y", True)
    assert await ann.refused(403, "PATCH", f"{there}/messages/{said['id']}", {"content": "z"}) == "restricted"
    assert await ben.refused(400, "PATCH", f"{there}/messages/{said['id']}", {"content": " "}) == "invalid"
    assert (await ann.get(f"{there}/messages"))["messages"] == [edited]


async def test_messages_page_from_the_newest(ann: Api) -> None:
    there = f"threads/{await thread(ann)}/messages"
    made = [(await ann.told("POST", there, {"content": str(n)}, 201))["message"]["id"] for n in range(5)]
    first = await ann.get(f"{there}?limit=3")
    second = await ann.get(f"{there}?limit=3&cursor={first['next_cursor']}")
    ids = [one["id"] for page in (first, second) for one in page["messages"]]
    assert ids == made[::-1]
    assert second["has_more"] is False


async def test_comments_of_the_feed_are_no_messages(ann: Api, alice: Api, relay: Home) -> None:
    post = await alice.post()
    await alice.comment(post)
    counted = await relay.site.reader.ask(lambda tables: tables.message(post["id"], 0))
    assert counted is None
