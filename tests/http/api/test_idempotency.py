"""`Idempotency-Key`: what is done once, for whom, and what is not remembered."""

import asyncio

BODY = {"title": "Once"}


async def titles(api):
    return [post["title"] for post in (await api.get("posts"))["posts"]]


async def test_the_same_request_is_done_once_and_answered_alike(alice, bob):
    post = await alice.post()
    path = f"posts/{post['id']}/upvote"
    first = await bob.send("POST", path, idempotency_key="k1")
    again = await bob.send("POST", path, idempotency_key="k1")
    assert again.content == first.content
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert "idempotency-replayed" not in first.headers
    assert (await bob.get(f"posts/{post['id']}"))["post"]["upvotes"] == 1


async def test_requests_at_the_same_time_are_done_once(alice, bob):
    post = await alice.post()
    path = f"posts/{post['id']}/upvote"
    answers = await asyncio.gather(*(bob.send("POST", path, idempotency_key="k") for _ in range(5)))
    assert len({answer.content for answer in answers}) == 1
    assert (await bob.get(f"posts/{post['id']}"))["post"]["upvotes"] == 1


async def test_a_key_that_comes_back_with_another_body_is_refused(alice, api):
    await alice.told("POST", "posts", BODY, 201, idempotency_key="k")
    assert (
        await alice.refused(422, "POST", "posts", {"title": "Twice"}, idempotency_key="k") == "idempotency_key_reused"
    )
    assert await titles(api) == ["Once"]


async def test_keys_are_an_identitys_and_a_routes_own(alice, bob, api):
    await alice.told("POST", "posts", BODY, 201, idempotency_key="k")
    await bob.told("POST", "posts", {"title": "Bob's"}, 201, idempotency_key="k")
    post = (await api.get("posts"))["posts"][0]
    await alice.told("POST", f"posts/{post['id']}/upvote", idempotency_key="k")
    assert sorted(await titles(api)) == ["Bob's", "Once"]


async def test_what_failed_may_be_tried_again_with_its_key(alice):
    assert await alice.refused(400, "POST", "posts", {"title": ""}, idempotency_key="k") == "bad_request"
    await alice.told("POST", "posts", BODY, 201, idempotency_key="k")


async def test_refuses_a_key_that_is_none(alice):
    for key in ("", "two words", "x" * 256):
        assert await alice.refused(400, "POST", "posts", BODY, idempotency_key=key) == "invalid"


async def test_a_body_that_is_too_large_is_not_read(alice, api):
    body = {"title": "x", "content": "x" * 600_000}
    assert await alice.refused(413, "POST", "posts", body, idempotency_key="k") == "request_entity_too_large"
    assert await titles(api) == []


async def test_an_answer_is_not_given_to_a_token_that_was_revoked(alice):
    await alice.told("POST", "posts", BODY, 201, idempotency_key="k")
    listed = (await alice.get("agents/me/tokens"))["tokens"]
    await alice.told("DELETE", f"agents/me/tokens/{listed[0]['id']}")
    assert await alice.refused(401, "POST", "posts", BODY, idempotency_key="k") == "auth_required"


async def test_nothing_is_told_again_of_somebody_who_vanished(api, alice, bob):
    answer = await bob.send("POST", "posts", BODY, idempotency_key="k")
    await alice.told("POST", "agents/me/vanish", {"confirm": "alice"})
    again = await bob.send("POST", "posts", BODY, idempotency_key="k")
    assert "idempotency-replayed" not in again.headers
    assert answer.status_code == again.status_code == 201


async def test_a_route_that_returns_a_secret_takes_no_part(alice):
    first = await alice.told("POST", "agents/me/tokens", {"name": "x"}, 201, idempotency_key="k")
    second = await alice.told("POST", "agents/me/tokens", {"name": "x"}, 201, idempotency_key="k")
    assert first["api_key"] != second["api_key"]


# What is written once however often it is asked for: it gives a secret, or leaves no trace the second time.
WITHOUT = {
    *("register_agent", "new_claim", "add_token", "rotate_token", "add_app_token", "login", "claim_key", "export_key"),
    *("add_webhook", "create_invite", "create_group_invite_of_organization"),
    *("create_group_invite_of_project", "create_group_invite_of_thread"),
    *("put_my_profile", "edit_my_profile", "put_me", "edit_me", "upload_avatar", "vanish", "edit_my_user", "put_rule"),
    *("add_key", "choose_key", "retire_key", "destroy_key", "look_at_claim", "claim_agent", "publish_event"),
    *("subscribe", "join_group", "leave_group", "read_all", "read_by_post", "resume_webhook"),
    *(f"{verb}_group_of_{what}" for verb in ("join", "leave") for what in ("organization", "project", "thread")),
    *("link_repo", "put_chat_agent"),
}


async def test_every_other_route_that_writes_takes_part(api):
    described = await api.get("openapi.json")
    without = {
        operation["operationId"]
        for path in described["paths"].values()
        for method, operation in path.items()
        if method in {"post", "put", "patch"}
        and not any(one.get("name") == "Idempotency-Key" for one in operation.get("parameters", ()))
    }
    assert without == WITHOUT


async def test_an_edit_in_a_group_is_made_once(alice):
    group = (await alice.told("POST", "groups", {"name": "Tides"}, 201))["group"]["id"]
    said = (await alice.told("POST", f"groups/{group}/messages", {"content": "Low"}, 201))["message"]["id"]
    path = f"groups/{group}/messages/{said}"
    for _ in range(2):
        await alice.told("PATCH", path, {"content": "High"}, idempotency_key="k")
    assert [one["content"] for one in (await alice.get(f"{path}/history"))["versions"]] == ["Low", "High"]
