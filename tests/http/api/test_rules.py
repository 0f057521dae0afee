"""`/rules`: what the operator bans and allows over HTTP, by a token or a proof."""

import itertools
import time
from urllib.parse import quote

import msgspec
import pytest

from relay import app
from tests.factories import keypair, make_event
from tests.http.api.conftest import Api
from tests.http.api.homes import BASE, home
from tests.http.api.proofs import ORIGIN, header, proof

OPERATOR, STRANGER = 1, 3
KEY = keypair(STRANGER).pubkey
_numbers = itertools.count()


@pytest.fixture
async def relay(start):
    return await start(relay={"url": "ws://relay.example:7447", "pubkey": keypair(OPERATOR).pubkey})


async def asked(relay, method, path, key=OPERATOR, status=200, **body):
    """Each request has a proof of its own: of two alike in one second those would be the same event, and a proof is good once."""
    content = msgspec.json.encode(body) if body else None
    made = proof(key, method, f"{ORIGIN}{BASE}{path}", content, created_at=int(time.time()) + next(_numbers) % 50)
    found, answer = await relay.ask(method, path, header(made), **body)
    assert found == status, answer
    return answer


async def listed(relay, subject, query=""):
    answer = await asked(relay, "GET", f"/rules/{subject}{query}")
    return [(one["value"], one["allowed"], one["reason"], one["by"]) for one in answer["rules"]]


async def test_a_rule_is_put_changed_and_taken_back(relay):
    by = keypair(OPERATOR).pubkey
    made = await asked(relay, "PUT", f"/rules/key/{KEY}", allowed=False, reason=" spam ")
    assert (made["message"], made["changed"]) == ("It is banned", True)
    assert (await asked(relay, "PUT", f"/rules/key/{KEY}", allowed=False, reason="spam"))["changed"] is False
    assert await listed(relay, "key") == [(KEY, False, "spam", by)]
    assert relay.site.config.access.refused_keys == {KEY}
    await asked(relay, "PUT", f"/rules/key/{KEY}", allowed=True)
    assert (await listed(relay, "key"), await listed(relay, "key", "?allowed=true")) == ([], [(KEY, True, "", by)])
    assert (await asked(relay, "DELETE", f"/rules/key/{KEY}"))["changed"] is True
    assert (await asked(relay, "DELETE", f"/rules/key/{KEY}"))["changed"] is False
    assert await listed(relay, "key", "?allowed=true") == []


async def test_a_ban_beside_what_the_settings_allow_is_taken_back(start):
    """The settings' file allows the key; what was said since is lifted all the same, and that is told."""
    operator = {"url": "ws://relay.example:7447", "pubkey": keypair(OPERATOR).pubkey}
    relay = await start(relay=operator, access={"allowed_keys": [KEY]})
    await asked(relay, "PUT", f"/rules/key/{KEY}", allowed=False)
    assert (await asked(relay, "DELETE", f"/rules/key/{KEY}"))["changed"] is True
    assert await listed(relay, "key") == []
    refused = await asked(relay, "DELETE", f"/rules/key/{KEY}", status=400)
    assert "access.allowed_keys" in refused["error"]


async def test_who_is_banned_binds_no_other_key_by_a_code_from_before(relay):
    agent = await relay.register("spammer")
    code = (await relay.ask("POST", "/agents/me/keys/claims", agent["api_key"]))[1]["code"]
    for allowed in (False, True):
        await asked(relay, "PUT", f"/rules/key/{agent['pubkey']}", allowed=allowed)
        join = make_event(STRANGER, 28934, tags=[["-"], ["claim", code]], created_at=int(time.time()))
        status, answer = await relay.hand_in(join)
        assert (status, "no claim code" in answer["error"]) == (403, True)


async def joined(relay, code):
    """What is told to whoever joins by this code."""
    join = make_event(STRANGER, 28934, tags=[["-"], ["claim", code]], created_at=int(time.time()))
    return (await relay.hand_in(join))[1]["error"]


async def test_whom_the_settings_deny_binds_no_other_key_by_a_code_from_before(tmp_path):
    async with home(tmp_path, server={"data": str(tmp_path)}) as relay:
        agents = [await relay.register(name) for name in ("spammer", "another")]
        codes = [(await relay.ask("POST", "/agents/me/keys/claims", one["api_key"]))[1]["code"] for one in agents]
        file = relay.site.hub.settings.file
        access = msgspec.structs.replace(file.access, denied_keys=[agents[0]["pubkey"]])
        for config in (msgspec.structs.replace(file, access=access), file):  # denied, and not any more
            app.reconfigure(relay.site.hub, lambda config=config: config)
        assert "no claim code" in await joined(relay, codes[0])
    async with home(tmp_path, server={"data": str(tmp_path)}, access={"denied_keys": [agents[1]["pubkey"]]}) as relay:
        assert "no claim code" in await joined(relay, codes[1])  # denied while no relay ran


async def test_a_network_is_named_percent_encoded(relay):
    await asked(relay, "PUT", f"/rules/address/{quote('203.0.113.0/24', safe='')}", allowed=False)
    assert [one[0] for one in await listed(relay, "address")] == ["203.0.113.0/24"]


async def test_pages_hold_every_rule_once(relay):
    for kind in range(5):
        await asked(relay, "PUT", f"/rules/kind/{30_000 + kind}", allowed=False)
    found, cursor = [], ""
    while cursor is not None:
        answer = await asked(relay, "GET", f"/rules/kind?limit=2&cursor={cursor}")
        found += [one["value"] for one in answer["rules"]]
        cursor = answer["next_cursor"]
    assert sorted(found) == [str(30_000 + kind) for kind in range(5)]


async def test_what_makes_no_sense_is_refused(relay):
    for path, body in (
        ("/rules/nothing/1", {"allowed": False}),
        ("/rules/key/npub1", {"allowed": False}),
        ("/rules/kind/5", {"allowed": False}),
        (f"/rules/key/{keypair(OPERATOR).pubkey}", {"allowed": False}),
        ("/rules/address/127.0.0.1", {"allowed": False}),
        (f"/rules/key/{KEY}", {"allowed": False, "reason": "x" * 1001}),
        (f"/rules/key/{KEY}", {"allowed": "no"}),
    ):
        answer = await asked(relay, "PUT", path, status=400, **body)
        assert answer["message"], path
    assert await relay.site.rules.logged(10) == []


async def test_nobody_else_reads_or_writes_it(relay, alice, api):
    await asked(relay, "GET", "/rules/key", STRANGER, 403)
    await asked(relay, "PUT", f"/rules/key/{KEY}", STRANGER, 403, allowed=True)
    assert await alice.refused(403, "PUT", f"rules/key/{KEY}", {"allowed": False}) == "restricted"
    assert await alice.refused(403, "DELETE", f"rules/key/{KEY}") == "restricted"
    assert await alice.refused(403, "GET", "rules/key") == "restricted"
    assert await api.refused(401, "GET", "rules/key") == "auth_required"


async def test_a_token_of_an_operators_identity_does(relay):
    made = await relay.register("harbour")
    harbour, path = Api(relay, made["api_key"]), f"rules/key/{KEY}"
    assert await harbour.refused(403, "PUT", path, {"allowed": False}) == "restricted"
    file = relay.site.hub.settings.file
    access = msgspec.structs.replace(file.access, operators=[made["pubkey"]])
    relay.site.hub.configure(msgspec.structs.replace(file, access=access))
    assert (await harbour.told("PUT", path, {"allowed": False}))["changed"] is True
    assert await listed(relay, "key") == [(KEY, False, "", made["pubkey"])]
    assert (await harbour.get("reports"))["reported"] == []


async def test_a_name_stands_for_all_of_its_keys(relay):
    agent = await relay.register("spammer")
    own = await bound(relay, agent)
    made = await asked(relay, "PUT", "/rules/key/%40SPAMMER", allowed=False, reason="spam")
    assert made["changed"] is True
    assert {one[0] for one in await listed(relay, "key")} == {agent["pubkey"], own}
    assert (await asked(relay, "DELETE", "/rules/key/@spammer"))["changed"] is True
    assert await listed(relay, "key") == []
    await asked(relay, "PUT", "/rules/key/@nobody", status=404, allowed=False)


async def test_what_a_banned_key_wrote_goes_where_that_is_asked_for(relay):
    agent, other = await relay.register("spammer"), await relay.register("other")
    ids = {}
    for each in (agent, other):
        ids[each["name"]] = (await relay.ask("POST", "/posts", each["api_key"], title="Cheap watches"))[1]["post"]["id"]
    await asked(relay, "PUT", "/rules/key/@spammer", allowed=False)
    assert (await relay.ask("GET", f"/posts/{ids['spammer']}"))[0] == 200
    made = await asked(relay, "PUT", "/rules/key/@spammer", allowed=False, remove=True)
    assert (made["changed"], made["removed"]) == (False, 4)  # the post, the profile, lists of relays
    (noted,) = [one for one in await relay.site.rules.logged(10) if one.done == "removed"]
    assert (noted.subject, noted.reason, noted.by) == ("filter", "4 events", keypair(OPERATOR).pubkey)
    assert [(await relay.ask("GET", f"/posts/{ids[name]}"))[0] for name in ("spammer", "other")] == [404, 200]
    for path, body in (("key/@other", {"allowed": True}), (f"event/{ids['other']}", {"allowed": False})):
        await asked(relay, "PUT", f"/rules/{path}", status=400, remove=True, **body)


async def bound(relay, agent):
    """A key of its own that the agent binds; its public part."""
    code = (await relay.ask("POST", "/agents/me/keys/claims", agent["api_key"]))[1]["code"]
    join = make_event(STRANGER, 28934, tags=[["-"], ["claim", code]], created_at=int(time.time()))
    status, answer = await relay.ask("POST", "/events", **msgspec.to_builtins(join))
    assert status in (200, 201), answer
    return KEY
