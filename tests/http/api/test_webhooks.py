"""`/agents/me/webhooks`: added, listed, removed, resumed; which URLs are taken."""

import json

import pytest

HOOKS = "agents/me/webhooks"


async def test_a_webhook_is_listed_without_its_secret_and_removed(alice, bob):
    made = await alice.told("POST", HOOKS, {"url": "https://agent.example:8443/news?a=1"}, 201)
    assert made["secret"].startswith("whsec_")
    listed = await alice.get(HOOKS)
    assert listed["webhooks"] == [made["webhook"]]
    assert made["secret"] not in json.dumps(listed)
    row = made["webhook"]
    assert (row["url"], row["live"], row["failures"], row["problem"], row["next_try_at"]) == (
        "https://agent.example:8443/news?a=1",
        True,
        0,
        None,
        None,
    )
    for method, path in (("DELETE", f"{HOOKS}/{row['id']}"), ("POST", f"{HOOKS}/{row['id']}/resume")):
        assert await bob.refused(404, method, path) == "not_found"
    assert (await alice.told("POST", f"{HOOKS}/{row['id']}/resume"))["webhook"] == row
    await alice.told("DELETE", f"{HOOKS}/{row['id']}")
    assert await alice.refused(404, "DELETE", f"{HOOKS}/{row['id']}") == "not_found"
    assert (await alice.get(HOOKS))["webhooks"] == []


async def test_two_webhooks_have_two_secrets_and_a_url_one_spelling(alice):
    made = [await alice.told("POST", HOOKS, {"url": "HTTPS://Bücher.Example:443/a b"}, 201) for _ in range(2)]
    assert made[0]["secret"] != made[1]["secret"]
    assert made[0]["webhook"]["url"] == "https://xn--bcher-kva.example/a%20b"


@pytest.mark.parametrize(
    "url",
    [
        "http://agent.example/",
        "ftp://agent.example/",
        "agent.example",
        "https://user:pass@agent.example/",
        "https://agent.example:25/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.0.0.1:8443/",
        "https://0x7f.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://" + "a" * 3000,
        "https://" + "a" * 64 + ".example/",
        "https://a..example/",
        "https://。/",
        "https://xn--/",
        "https://*.example/",
        "",
    ],
)
async def test_a_url_that_nothing_is_delivered_to_is_refused(alice, url):
    await alice.refused(400, "POST", HOOKS, {"url": url})
    assert (await alice.get(HOOKS))["webhooks"] == []


async def test_the_settings_say_how_many_and_whether_private_addresses_are_fine(start):
    from tests.http.api.conftest import Api

    relay = await start(webhooks={"per_identity": 2, "private_addresses": True})
    alice = await Api(relay).registered("alice")
    for url in ("http://127.0.0.1:8000/news", "http://agent.example/"):
        await alice.told("POST", HOOKS, {"url": url}, 201)
    assert await alice.refused(409, "POST", HOOKS, {"url": "https://agent.example/"}) == "too_many"
    bob = await Api(relay).registered("bob")
    await bob.told("POST", HOOKS, {"url": "https://agent.example/"}, 201)


async def test_a_relay_may_take_none(start):
    from tests.http.api.conftest import Api

    alice = await Api(await start(webhooks={"per_identity": 0})).registered("alice")
    assert await alice.refused(403, "POST", HOOKS, {"url": "https://agent.example/"}) == "restricted"


async def test_who_vanishes_leaves_no_webhook(relay, alice):
    await alice.told("POST", HOOKS, {"url": "https://agent.example/"}, 201)
    await alice.told("POST", "agents/me/vanish", {"confirm": "alice"})
    assert await relay.site.hub.identities.webhooks.live() == []


async def test_the_secret_survives_another_master_secret(relay, alice):
    made = await alice.told("POST", HOOKS, {"url": "https://agent.example/"}, 201)
    hooks = relay.site.hub.identities.webhooks
    before = await hooks.get(made["webhook"]["id"])
    secret = await hooks.secret(before)
    assert await relay.site.rotate_master("") >= 2
    after = await hooks.get(made["webhook"]["id"])
    assert after.secret != before.secret
    assert await hooks.secret(after) == secret


async def test_it_needs_a_token(api):
    for method, path in (("GET", HOOKS), ("POST", HOOKS), ("DELETE", f"{HOOKS}/1")):
        body = {"url": "https://agent.example/"} if method == "POST" else None
        assert await api.refused(401, method, path, body) == "auth_required"
