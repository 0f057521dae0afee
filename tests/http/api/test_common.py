"""What holds for every route of the API: who asks, how fast, from which origin, and with what body."""

import pytest

from relay.http.routes import ROUTES
from tests.http.api.conftest import Api
from tests.http.api.homes import BASE
from tests.http.api.proofs import nostr


async def test_a_token_is_taken_from_either_header(api, alice):
    for headers in (
        {"authorization": f"Bearer {alice.token}"},
        {"authorization": f"bearer  {alice.token} "},
        {"x_api_key": alice.token},
        {"authorization": "Basic eDp5", "x_api_key": alice.token},
    ):
        assert (await api.told("GET", "feed", **headers))["success"] is True


@pytest.mark.parametrize("token", ["", "x", "tdi_", "tdi_" + "0" * 64, "x" * 10_000, "tdi_é"])
async def test_a_wrong_token_is_refused_where_none_is_needed_as_well(api, token):
    given = f"Bearer {token}".encode().decode("latin-1")
    for path in ("feed", "posts"):
        answer = await api.client.get(f"{BASE}/{path}", headers={"authorization": given.encode("latin-1")})
        if token or path == "feed":
            assert (answer.status_code, answer.json()["code"]) == (401, "auth_required")
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_revoked_token_is_refused_at_once(alice):
    listed = (await alice.get("agents/me/tokens"))["tokens"]
    await alice.told("DELETE", f"agents/me/tokens/{listed[0]['id']}")
    assert await alice.refused(401, "GET", "feed") == "auth_required"


async def test_where_readers_must_be_known_everything_needs_a_token(start):
    api = Api(await start(access={"auth_to_read": True}))
    paths = ["posts", f"posts/{'0' * 64}", f"events/{'0' * 64}", "submolts", "submolts/general/feed", "stream"]
    for path in paths:
        assert await api.refused(401, "GET", path) == "auth_required"
    alice = await api.registered("alice")
    assert (await alice.get("posts"))["posts"] == []


async def test_a_rate_is_told_and_held_to_for_each_identity_and_address(start):
    api = Api(await start(rates={"requests": 6, "burst": 30}))  # three at once, then one in ten seconds
    alice, bob = await api.registered("alice"), await api.registered("bob")
    for left in (2, 1, 0):
        answer = await alice.send("GET", "posts")
        told = {name: answer.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining")}
        assert (answer.status_code, told) == (200, {"limit": "3", "remaining": str(left)})
        assert int(answer.headers["x-ratelimit-reset"]) > 1_700_000_000
    refused = await alice.send("GET", "posts")
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 1 <= refused.json()["retry_after_seconds"] <= 10
    assert refused.headers["retry-after"] == str(refused.json()["retry_after_seconds"])
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert (await bob.send("GET", "posts")).status_code == 200
    assert (await api.send("GET", "posts")).status_code == 200


async def test_guessing_tokens_uses_up_the_addresss_rate(start):
    api = Api(await start(rates={"requests": 6, "burst": 30}))
    guesses = [Api(api.client, "tdi_" + f"{n:064}") for n in range(4)]
    assert [(await guess.send("GET", "posts")).status_code for guess in guesses] == [401, 401, 401, 429]


async def test_a_fresh_key_for_each_request_is_no_way_round_the_addresss_rate(start):
    relay = await start(rates={"requests": 6, "burst": 30})
    asked = [await relay.ask("GET", "/users/me", nostr(key, "GET", "/users/me")) for key in range(4)]
    assert [status for status, _ in asked] == [200, 200, 200, 429]


async def test_no_rate_is_told_where_there_is_none(api):
    assert not [name for name in (await api.send("GET", "posts")).headers if name.startswith("x-ratelimit")]


async def test_a_jwt_is_told_as_what_it_is(api):
    given = {"authorization": "Bearer eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c2VyLTEifQ." + "x" * 300}
    for path in ("feed", "posts"):
        answer = await api.client.get(f"{BASE}/{path}", headers=given)
        told = answer.json()
        assert (answer.status_code, told["code"]) == (403, "restricted")
        assert told["error"] == "this is a JWT; the feed takes an identity token (tdi_…)"


async def test_any_origin_may_ask_and_read_the_headers(api):
    preflight = await api.client.options(f"{BASE}/posts", headers={"origin": "https://app.example"})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert {"authorization", "idempotency-key", "x-api-key", "last-event-id"} <= set(
        preflight.headers["access-control-allow-headers"].split(", ")
    )
    asked = {
        method
        for route in ROUTES
        if any(path.startswith(BASE) for path in route.paths)
        for method in route.http_methods
    }
    assert asked <= set(preflight.headers["access-control-allow-methods"].split(", "))
    for path in ("posts", "nothing", "feed"):
        answer = await api.send("GET", path)
        assert answer.headers.get_list("access-control-allow-origin") == ["*"]
        assert "retry-after" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"null", 400),
        (b'{"title": "\xff"}', 400),
        (b"[" * 50_000, 400),
        (b'{"title": "' + b"x" * 600_000 + b'"}', 413),
    ],
)
async def test_a_body_that_cannot_be_read_is_answered_in_the_apis_shape(alice, content, status):
    headers = {"authorization": f"Bearer {alice.token}", "content-type": "application/json"}
    answer = await alice.client.post(f"{BASE}/posts", content=content, headers=headers)
    assert (answer.status_code, answer.json()["success"]) == (status, False)
    assert (await alice.get("posts"))["posts"] == []


async def test_a_proxy_that_is_trusted_names_the_client(start):
    settings = {"trusted_proxies": ["127.0.0.1/32"]}
    api = Api(await start(server=settings, rates={"requests": 6, "burst": 10}))
    for address in ("192.0.2.1", "192.0.2.2"):
        assert (await api.send("GET", "posts", x_forwarded_for=address)).status_code == 200
        assert (await api.send("GET", "posts", x_forwarded_for=address)).status_code == 429
