"""Knowledge of organizations and projects over HTTP: written, listed and found by those who are in them."""

import pytest

from tests.http.api.conftest import Api
from tests.http.api.homes import Home
from tests.http.api.workers import add, organization, project, thread, user

DOCUMENT = {"title": "Knots", "content": "Knots nest in the Arctic.", "tags": ["birds"], "source": "birds.md"}


@pytest.fixture
async def ann(relay: Home) -> Api:
    return await user(relay, 11)


@pytest.fixture
async def ben(relay: Home) -> Api:
    return await user(relay, 12)


@pytest.mark.parametrize("place", ["organizations", "projects"])
async def test_members_keep_and_find_documents_and_others_do_not(ann: Api, ben: Api, api: Api, place: str) -> None:
    group = await (organization if place == "organizations" else project)(ann)
    there = f"{place}/{group}/knowledge"
    made = (await ann.told("POST", there, DOCUMENT, 201))["document"]
    assert {name: made[name] for name in ("title", "tags", "source")} == {
        "title": "Knots",
        "tags": ["birds"],
        "source": "birds.md",
    }
    (chunk,) = made["chunks"]
    scope = "organization_id" if place == "organizations" else "project_id"
    assert chunk[scope] == group
    assert chunk["user_id"] == (await ann.get("users/me"))["user"]["id"]
    assert await ben.refused(404, "GET", there) == "group_not_found"
    assert await ben.refused(404, "GET", f"{there}/search?q=Knots") == "group_not_found"
    assert (await api.get("knowledge"))["documents"] == []
    assert (await api.get("knowledge/search?q=Knots&mode=words"))["results"] == []
    await add(ann, f"{place}/{group}", ben)
    assert [one["id"] for one in (await ben.get(there))["documents"]] == [made["id"]]
    (found,) = (await ben.get(f"{there}/search?q=Knots&mode=words"))["results"]
    assert found["document"]["id"] == made["id"]
    assert (await ben.get(f"{there}/{made['id']}"))["document"]["chunks"] == made["chunks"]


async def test_the_same_name_replaces_in_one_group_and_not_in_another(ann: Api) -> None:
    first, second = await organization(ann), await organization(ann)
    for group in (first, second):
        await ann.told("POST", f"organizations/{group}/knowledge", DOCUMENT, 201)
    await ann.told("POST", f"organizations/{first}/knowledge", {**DOCUMENT, "content": "They come back."}, 201)
    assert len((await ann.get(f"organizations/{first}/knowledge"))["documents"]) == 1
    assert len((await ann.get(f"organizations/{second}/knowledge"))["documents"]) == 1
    (found,) = (await ann.get(f"organizations/{first}/knowledge/search?q=back&mode=words"))["results"]
    assert found["passage"]["content"] == "They come back."


async def test_authors_delete_their_documents_and_moderators_anybodys(ann: Api, ben: Api) -> None:
    org = await organization(ann)
    await add(ann, f"organizations/{org}", ben)
    there = f"organizations/{org}/knowledge"
    own = (await ben.told("POST", there, DOCUMENT, 201))["document"]["id"]
    other = (await ben.told("POST", there, {"content": "Sand moves.", "title": "Sand"}, 201))["document"]["id"]
    anns = (await ann.told("POST", there, {"content": "Mud stays.", "title": "Mud"}, 201))["document"]["id"]
    assert await ben.refused(403, "DELETE", f"{there}/{anns}") == "restricted"
    assert (await ben.told("DELETE", f"{there}/{own}"))["event"]["kind"] == 5
    assert (await ann.told("DELETE", f"{there}/{other}"))["event"]["kind"] == 9005
    assert [one["id"] for one in (await ann.get(there))["documents"]] == [anns]


async def test_threads_have_messages_and_no_knowledge(ann: Api) -> None:
    there = await thread(ann)
    assert await ann.refused(404, "POST", f"projects/{there}/knowledge", DOCUMENT) == "group_not_found"
