"""Issues over HTTP: numbered, listed, changed and moved."""

import time
from typing import Any

import pytest

from tests.factories import keypair, make_event
from tests.http.api.conftest import Api, Start
from tests.http.api.homes import URL, Home
from tests.http.api.workers import add, project, thread, user


@pytest.fixture
async def ann(relay: Home) -> Api:
    return await user(relay, 11)


@pytest.fixture
async def ben(relay: Home) -> Api:
    return await user(relay, 12)


async def write(api: Api, group: str, title: str = "It leaks", **fields: Any) -> Any:
    return (await api.told("POST", "issues", {"project_id": group, "title": title, **fields}, 201))["issue"]


async def test_issues_are_numbered_in_their_project_and_numbers_are_never_given_again(ann: Api) -> None:
    tides, sand = await project(ann), await project(ann, name="Sand", issue_prefix="SEA")
    names = [(await write(ann, group))["identifier"] for group in (tides, sand, tides)]
    assert names == ["TIDE-1", "SEA-1", "TIDE-2"]
    last = (await ann.get(f"issues?project_id={tides}"))["issues"][-1]
    await ann.told("DELETE", f"issues/{last['id']}")
    assert (await write(ann, tides))["identifier"] == "TIDE-3"
    await ann.told("PATCH", f"projects/{tides}", {"issue_prefix": "WAVE"})
    assert (await write(ann, tides))["identifier"] == "WAVE-4"
    kept = {one["identifier"] for one in (await ann.get(f"issues?project_id={tides}"))["issues"]}
    assert kept == {"TIDE-1", "TIDE-2", "TIDE-3", "WAVE-4"} - {last["identifier"]}


async def test_an_issue_says_all_that_it_was_given(ann: Api, ben: Api) -> None:
    group = await project(ann)
    await add(ann, f"projects/{group}", ben)
    who = (await ben.get("users/me"))["user"]["id"]
    fields = {
        "description": "At high water.",
        "priority_id": "high",
        "assignee_id": who,
        "label_ids": ["bug", "ui"],
        "due_date": "2099-01-01T12:00:00Z",
    }
    made = await write(ann, group, **fields)
    assert {name: made[name] for name in fields} == fields
    assert (made["status_id"], made["project_id"], made["event"]["kind"]) == ("open", group, 1621)
    assert (await ben.get(f"issues/{made['id']}"))["issue"] == made


async def test_what_is_signed_for_a_user_says_where_the_issue_is(ann: Api) -> None:
    group = await project(ann)
    made = await write(ann, group)
    changed = await ann.told("PATCH", f"issues/{made['id']}", {"title": "It drips", "status_id": "closed"})
    pointers = [tag for event in changed["events"] for tag in event["tags"] if tag[0] in "ep"]
    assert [tag[:3] for tag in pointers if tag[0] == "e"] == [["e", made["id"], URL]] * 2
    assert {tag[2] for tag in pointers} == {URL}
    assert ["e", made["id"], URL, "root"] in pointers


async def test_every_member_changes_an_issue_and_what_is_left_out_stays(ann: Api, ben: Api) -> None:
    group = await project(ann)
    await add(ann, f"projects/{group}", ben)
    made = await write(ann, group, description="At high water.", label_ids=["bug"], priority_id="low")
    changed = await ben.told("PATCH", f"issues/{made['id']}", {"title": "It drips", "status_id": "resolved"})
    assert [event["kind"] for event in changed["events"]] == [1010, 1631]
    shown = changed["issue"]
    assert (shown["title"], shown["status_id"], shown["description"]) == ("It drips", "resolved", "At high water.")
    assert (shown["label_ids"], shown["priority_id"], shown["rank"]) == (["bug"], "low", made["rank"])
    assert shown["identifier"] == made["identifier"]
    again = await ann.told("PATCH", f"issues/{made['id']}", {"status_id": "open", "label_ids": []})
    assert (again["issue"]["status_id"], again["issue"]["label_ids"]) == ("open", [])
    assert (await ann.told("PATCH", f"issues/{made['id']}", {"status_id": "open"}))["events"] == []


async def test_an_edit_lasts_no_longer_than_its_issue(relay: Home, ann: Api) -> None:
    group, at = await project(ann, public=True), int(time.time())
    expires = ["expiration", str(at + 3600)]
    written = make_event(71, 1621, "Until tonight.", [["h", group], expires], at)
    assert (await relay.hand_in(written))[0] == 201
    changed = await ann.told("PATCH", f"issues/{written.id}", {"title": "x"})
    assert expires in changed["events"][0]["tags"]


async def test_in_a_public_project_who_is_no_member_changes_own_issues_only(ann: Api, ben: Api) -> None:
    group = await project(ann, public=True)
    hers, his = await write(ann, group), await write(ben, group, "It drips")
    for change in ({"title": "x"}, {"status_id": "closed"}):
        assert await ben.refused(403, "PATCH", f"issues/{hers['id']}", change) == "restricted"
    assert await ben.refused(403, "POST", f"issues/{hers['id']}/move", {"after_id": his["id"]}) == "restricted"
    assert (await ann.get(f"issues/{hers['id']}"))["issue"] == hers
    assert (await ben.told("PATCH", f"issues/{his['id']}", {"status_id": "closed"}))["issue"]["status_id"] == "closed"
    await add(ann, f"projects/{group}", ben)
    assert (await ben.told("PATCH", f"issues/{hers['id']}", {"title": "x"}))["issue"]["title"] == "x"


async def test_others_see_nothing_of_a_private_projects_issues(ann: Api, ben: Api) -> None:
    group = await project(ann)
    made = await write(ann, group)
    assert await ben.refused(404, "GET", f"issues?project_id={group}") == "project_not_found"
    assert await ben.refused(404, "GET", f"issues/{made['id']}") == "issue_not_found"
    assert await ben.refused(404, "PATCH", f"issues/{made['id']}", {"title": "x"}) == "issue_not_found"
    assert (await ben.get("issues"))["issues"] == []
    assert [one["id"] for one in (await ann.get("issues"))["issues"]] == [made["id"]]


async def test_issues_are_listed_by_status_assignee_and_label(ann: Api) -> None:
    group, me = await project(ann), (await ann.get("users/me"))["user"]["id"]
    bug = await write(ann, group, "bug", label_ids=["bug", 'a "quoted" one'])
    mine = await write(ann, group, "mine", assignee_id=me, label_ids=["bugs"])
    done = await write(ann, group, "done")
    await ann.told("PATCH", f"issues/{done['id']}", {"status_id": "closed"})

    async def found(query: str) -> list[str]:
        return [one["title"] for one in (await ann.get(f"issues?project_id={group}&{query}"))["issues"]]

    assert await found("label=bug") == ["bug"]
    assert await found("label=a%20%22quoted%22%20one") == ["bug"]
    assert await found("assignee=me") == await found(f"assignee={me}") == ["mine"]
    assert await found("status=closed") == ["done"]
    assert await found("status=open") == ["bug", "mine"]  # as they were written, within a second too
    for part in (",", "bug%22", "%22quoted%22", "["):  # what stands around labels where they are kept is no label
        assert await found(f"label={part}") == []
    assert {bug["id"], mine["id"]} != set()


async def test_an_issue_moves_between_others(ann: Api) -> None:
    group = await project(ann)
    made = [await write(ann, group, title) for title in "abc"]
    order = [one["title"] for one in (await ann.get(f"issues?project_id={group}"))["issues"]]
    by_title = {one["title"]: one["id"] for one in made}
    first, second, third = (by_title[title] for title in order)
    moved = await ann.told("POST", f"issues/{third}/move", {"after_id": first, "before_id": second})
    assert moved["events"][0]["kind"] == 1010
    await ann.told("POST", f"issues/{first}/move", {"after_id": second})
    listed = [one["id"] for one in (await ann.get(f"issues?project_id={group}&limit=2"))["issues"]]
    assert listed == [third, second]
    assert await ann.refused(400, "POST", f"issues/{first}/move", {}) == "invalid"
    other = await write(ann, await project(ann))
    assert await ann.refused(404, "POST", f"issues/{first}/move", {"after_id": other["id"]}) == "issue_not_found"


async def test_an_issue_moves_right_behind_or_right_before_another(ann: Api) -> None:
    group = await project(ann)
    for title in "abcde":
        await write(ann, group, title)

    async def order() -> list[str]:
        return [one["id"] for one in (await ann.get(f"issues?project_id={group}"))["issues"]]

    a, b, c, d, e = await order()
    await ann.told("POST", f"issues/{e}/move", {"before_id": c})
    assert await order() == [a, b, e, c, d]
    await ann.told("POST", f"issues/{a}/move", {"after_id": e})
    assert await order() == [b, e, a, c, d]
    await ann.told("POST", f"issues/{a}/move", {"after_id": e})
    assert await order() == [b, e, a, c, d]
    await ann.told("POST", f"issues/{d}/move", {"before_id": b})
    await ann.told("POST", f"issues/{e}/move", {"after_id": c})
    assert await order() == [d, b, a, c, e]


async def test_a_thread_is_about_issues(ann: Api, relay: Home) -> None:
    group = await project(ann)
    made = await write(ann, group)
    there = await thread(ann, project_id=group, issue_ids=[made["id"]])
    linked = await relay.site.reader.ask(
        lambda tables: tables._connection.execute("SELECT * FROM issue_threads").fetchall()
    )  # type: ignore[attr-defined]
    assert [(one[0], one[1]) for one in linked] == [(there, made["id"])]
    await ann.told("PATCH", f"threads/{there}", {"issue_ids": []})
    linked = await relay.site.reader.ask(
        lambda tables: tables._connection.execute("SELECT * FROM issue_threads").fetchall()
    )  # type: ignore[attr-defined]
    assert linked == []


async def test_issues_of_a_repository_are_anybodys_and_read_by_all(ann: Api, relay: Home) -> None:
    repo = f"30617:{keypair(7).pubkey}:tides"
    issue = make_event(8, 1621, "It leaks.", [["a", repo], ["subject", "A leak"]], int(time.time()))
    await relay.hand_in(issue)
    (listed,) = (await ann.get(f"issues?repo_id={repo}"))["issues"]
    assert (listed["identifier"], listed["title"], listed["repo_id"]) == ("TIDE-1", "A leak", repo)
    assert await ann.refused(403, "PATCH", f"issues/{issue.id}", {"title": "x"}) == "restricted"
    closed = make_event(7, 1632, "", [["e", issue.id]], int(time.time()))
    await relay.hand_in(closed)
    assert (await ann.get(f"issues/{issue.id}"))["issue"]["status_id"] == "closed"


async def test_what_has_expired_is_shown_no_more_before_it_is_swept(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = await start(storage={"sweep_interval": 3600})
    api, now = await user(relay, 11), int(time.time())
    ends = ["expiration", str(now + 1000)]
    repo = f"30617:{keypair(7).pubkey}:tides"
    announced = make_event(7, 30617, "", [["d", "tides"], ["name", "tides"], ends], now)
    issue = make_event(8, 1621, "It leaks.", [["a", repo], ["subject", "A leak"], ends], now)
    for event in (announced, issue):
        assert (await relay.hand_in(event))[0] == 201
    assert len((await api.get("repos"))["repos"]) == len((await api.get(f"issues?repo_id={repo}"))["issues"]) == 1
    await api.get(f"issues/{issue.id}")
    await api.get(f"repos/{repo}")
    monkeypatch.setattr(time, "time", lambda: float(now + 1000))
    assert (await api.get("repos"))["repos"] == (await api.get(f"issues?repo_id={repo}"))["issues"] == []
    assert await api.refused(404, "GET", f"issues/{issue.id}") == "issue_not_found"
    assert await api.refused(404, "GET", f"repos/{repo}") == "repository_not_found"


async def test_what_is_no_issue_is_not_found(ann: Api) -> None:
    assert await ann.refused(404, "GET", f"issues/{'0' * 64}") == "issue_not_found"
    assert await ann.refused(404, "GET", "issues/x") == "issue_not_found"


async def test_issues_are_commented_on_by_who_may_write_there(ann: Api, ben: Api) -> None:
    tides = await project(ann)
    issue = await write(ann, tides)
    path = f"issues/{issue['id']}/comments"
    assert await ben.refused(404, "GET", path) == "issue_not_found"
    await add(ann, f"projects/{tides}", ben)
    first = (await ann.told("POST", path, {"content": "The *pump*"}, 201))["comment"]
    answer = (await ben.told("POST", path, {"content": "So it is", "reply_to": first["id"]}, 201))["comment"]
    assert (first["reply_to"], answer["reply_to"], answer["event"]["kind"]) == (None, first["id"], 1111)
    assert {tag[0]: tag[1] for tag in answer["event"]["tags"]} | {"E": issue["id"], "K": "1621", "h": tides} == {
        tag[0]: tag[1] for tag in answer["event"]["tags"]
    }
    order = sorted(
        (answer, first), key=lambda one: (-one["event"]["created_at"], one["id"])
    )  # they may be of one second
    newest, oldest = (one["id"] for one in order)
    assert [one["id"] for one in (await ben.get(path))["comments"]] == [newest, oldest]
    page = await ben.get(f"{path}?limit=1&events=false")
    assert ([one["id"] for one in page["comments"]], page["has_more"]) == ([newest], True)
    rest = await ben.get(f"{path}?limit=1&cursor={page['next_cursor']}")
    assert ([one["id"] for one in rest["comments"]], rest["has_more"]) == ([oldest], False)
    assert await ann.refused(400, "POST", path, {"content": " "}) == "invalid"
    assert await ann.refused(404, "POST", path, {"content": "x", "reply_to": issue["id"]}) == "comment_not_found"
    assert await ben.refused(403, "DELETE", f"{path}/{first['id']}") == "restricted"
    assert (await ben.told("DELETE", f"{path}/{answer['id']}"))["event"]["kind"] == 5
    assert [one["id"] for one in (await ben.get(path))["comments"]] == [first["id"]]
