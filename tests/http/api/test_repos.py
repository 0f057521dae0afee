"""Repositories and chat agents over HTTP."""

import time

import pytest

from tests.factories import keypair, make_event
from tests.http.api.conftest import Api, Start
from tests.http.api.homes import Home
from tests.http.api.workers import add, organization, project, user


@pytest.fixture
async def ann(relay: Home) -> Api:
    return await user(relay, 11)


@pytest.fixture
async def ben(relay: Home) -> Api:
    return await user(relay, 12)


async def test_a_repository_is_announced_for_all_and_taken_back_by_who_did(ann: Api, ben: Api) -> None:
    wanted = {"name": "tides", "url": "https://github.com/sea/tides.git", "default_branch": "main"}
    made = await ann.told("POST", "repos", wanted, 201)
    shown = made["repo"]
    assert [event["kind"] for event in made["events"]] == [30617, 30618]
    assert (shown["provider"], shown["owner"], shown["name"], shown["default_branch"]) == (
        "github",
        "sea",
        "tides",
        "main",
    )
    there = f"repos/{shown['id']}"
    assert (await ben.get(there))["repo"] == shown
    assert [one["id"] for one in (await ben.get("repos"))["repos"]] == [shown["id"]]
    assert await ben.refused(403, "DELETE", there) == "not_yours"
    await ann.told("DELETE", there)
    assert await ann.refused(404, "GET", there) == "repository_not_found"


@pytest.mark.parametrize("body", [{"name": "a b"}, {"name": "-x"}, {"name": "x", "url": "javascript:x"}])
async def test_a_repository_that_cannot_be_is_refused(ann: Api, body: dict[str, str]) -> None:
    assert await ann.refused(400, "POST", "repos", body) == "invalid"


async def test_a_repository_of_a_private_project_is_its_members(ann: Api, ben: Api) -> None:
    group = await project(ann)
    made = (await ann.told("POST", "repos", {"name": "tides", "project_id": group}, 201))["repo"]
    assert (await ben.get("repos"))["repos"] == []
    assert await ben.refused(404, "GET", f"repos/{made['id']}") == "repository_not_found"
    await add(ann, f"projects/{group}", ben)
    assert (await ben.get(f"repos/{made['id']}"))["repo"]["group_id"] == group


async def test_a_repository_of_a_public_project_is_listed_for_everybody(ann: Api, ben: Api) -> None:
    group = await project(ann, public=True)
    made = (await ann.told("POST", "repos", {"name": "tides", "project_id": group}, 201))["repo"]
    await ann.told("PUT", f"projects/{group}/repos/{made['id']}")
    for api in (ann, ben):
        for query in ("repos", f"repos?project_id={group}"):
            assert [one["id"] for one in (await api.get(query))["repos"]] == [made["id"]]
    await ann.told("PATCH", f"projects/{group}", {"public": False})
    assert (await ben.get("repos"))["repos"] == []
    assert len((await ann.get("repos"))["repos"]) == 1
    await ann.told("DELETE", f"projects/{group}")
    assert (await ann.get("repos"))["repos"] == []


async def test_a_project_links_repositories_and_keeps_the_rest_of_its_record(ann: Api) -> None:
    group = await project(ann, system_prompt="Be brief.")
    made = (await ann.told("POST", "repos", {"name": "tides"}, 201))["repo"]
    other = (await ann.told("POST", "repos", {"name": "sand"}, 201))["repo"]
    for one in (made, other):
        linked = await ann.told("PUT", f"projects/{group}/repos/{one['id']}")
        assert linked["event"]["kind"] == 30078
    listed = (await ann.get(f"repos?project_id={group}"))["repos"]
    assert {one["id"] for one in listed} == {made["id"], other["id"]}
    await ann.told("DELETE", f"projects/{group}/repos/{made['id']}")
    assert [one["id"] for one in (await ann.get(f"repos?project_id={group}"))["repos"]] == [other["id"]]
    assert (await ann.get(f"projects/{group}"))["project"]["system_prompt"] == "Be brief."


async def test_owners_define_agents_and_members_read_them(ann: Api, ben: Api) -> None:
    org = await organization(ann)
    await add(ann, f"organizations/{org}", ben, "admin")
    there = f"organizations/{org}/chat-agents/pilot"
    wanted = {
        "name": "Pilot",
        "system_prompt": "Steer.",
        "sort_order": 2,
        "supports_tools": True,
        "agent_type": "coder",
    }
    made = (await ann.told("PUT", there, wanted))["agent"]
    assert {name: made[name] for name in wanted} == wanted
    assert (made["organization_id"], made["is_default"], made["requires_repo"]) == (org, False, None)
    assert await ben.refused(403, "PUT", there, {"name": "Mine"}) == "restricted"
    assert (await ben.get(f"chat-agents/pilot?organization_id={org}"))["agent"] == made
    again = (await ann.told("PUT", there, {"name": "Navigator"}))["agent"]
    assert (again["name"], again["system_prompt"], again["created_at"]) == ("Navigator", "", made["created_at"])
    await ann.told("PUT", f"organizations/{org}/chat-agents/mate", {"name": "Mate", "sort_order": -1})
    listed = (await ben.get(f"chat-agents?organization_id={org}"))["agents"]
    assert [one["slug"] for one in listed] == ["mate", "pilot"]
    await ann.told("DELETE", there)
    assert await ann.refused(404, "GET", f"chat-agents/pilot?organization_id={org}") == "chat_agent_not_found"


async def test_the_system_prompt_of_an_organizations_agent_stays_among_its_members(ann: Api, ben: Api) -> None:
    org = await organization(ann)
    await ann.told("PUT", f"organizations/{org}/chat-agents/pilot", {"name": "Pilot", "system_prompt": "Secret."})
    assert await ben.refused(404, "GET", f"chat-agents?organization_id={org}") == "organization_not_found"
    assert (await ben.get("chat-agents"))["agents"] == []


async def test_the_operator_defines_agents_for_everybody_and_nobody_else_does(start: Start) -> None:
    relay: Home = await start(groups={"operators": [keypair(31).pubkey]})
    for key, slug in ((31, "helper"), (32, "intruder")):
        definition = make_event(
            key, 30078, '{"name":"One","is_default":true}', [["d", f"agent:{slug}"]], int(time.time())
        )
        assert (await relay.hand_in(definition))[0] == 201
    ann = await user(relay, 11)
    (listed,) = (await ann.get("chat-agents"))["agents"]
    assert (listed["slug"], listed["organization_id"], listed["is_default"]) == ("helper", None, True)
    assert (await ann.get("chat-agents/helper"))["agent"] == listed
    assert await ann.refused(404, "GET", "chat-agents/intruder") == "chat_agent_not_found"
