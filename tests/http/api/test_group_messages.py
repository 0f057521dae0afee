"""What is said in groups over HTTP: messages, threads, answers, reactions, deletions; and who does not get to see any of it."""

import time

import msgspec
import pytest

from tests.factories import make_event
from tests.http.api.conftest import Api
from tests.http.api.homes import URL
from tests.http.api.test_faces import OWN, bind, signed
from tests.http.api.test_groups import NAMES, begun, message, tags_of


async def test_a_message_is_a_signed_event_of_its_group(alice, bob, api):
    group = await begun(alice, id=NAMES)
    await bob.told("POST", f"groups/{NAMES}/join")
    said = await message(bob, group, "Low water, @alice!")
    assert (said["kind"], said["content"], said["author"]["name"], said["reply_to"]) == (
        9,
        "Low water, @alice!",
        "bob",
        None,
    )
    pubkey = (await alice.get("agents/me"))["agent"]["pubkey"]
    assert tags_of(said["event"]) == [["h", NAMES], ["p", pubkey]]
    assert (await api.get(f"groups/{NAMES}/messages"))["messages"] == [said]
    assert (await api.get(f"groups/{NAMES}/messages/{said['id']}"))["message"] == said


async def test_answers_name_what_they_answer(alice, api):
    group = await begun(alice, id=NAMES)
    first = await message(alice, group)
    answer = await message(alice, group, "So it is.", reply_to=first["id"])
    assert (answer["kind"], answer["reply_to"]) == (9, first["id"])
    assert ["q", first["id"], URL, first["author"]["pubkey"]] in answer["event"]["tags"]
    thread = await message(alice, group, "All of it.", title="Tides")
    assert (thread["kind"], thread["title"]) == (11, "Tides")
    in_it = await message(alice, group, "And more.", reply_to=thread["id"])
    below = await message(alice, group, "And less.", reply_to=in_it["id"])
    assert [(one["kind"], one["reply_to"]) for one in (in_it, below)] == [(1111, thread["id"]), (1111, in_it["id"])]
    replies = await api.get(f"groups/{NAMES}/messages/{thread['id']}/replies")
    assert {one["id"] for one in replies["messages"]} == {in_it["id"], below["id"]}
    replies = await api.get(f"groups/{NAMES}/messages/{first['id']}/replies?events=false")
    assert [(one["id"], "event" in one) for one in replies["messages"]] == [(answer["id"], False)]
    replies = await api.get(f"groups/{NAMES}/messages/{in_it['id']}/replies")
    assert [one["id"] for one in replies["messages"]] == [below["id"]]
    for kind, count in (("messages", 2), ("threads", 1), ("all", 5)):
        assert len((await api.get(f"groups/{NAMES}/messages?type={kind}"))["messages"]) == count


async def test_an_answer_stands_behind_what_it_answers(alice, api):
    group = await begun(alice, id=NAMES)
    written = [await message(alice, group)]
    for number in range(5):
        written.append(await message(alice, group, str(number), reply_to=written[-1]["id"]))
    told = (await api.get(f"groups/{NAMES}/messages"))["messages"]
    assert [one["id"] for one in told] == [one["id"] for one in reversed(written)]


async def test_what_one_says_in_a_row_stands_in_that_order_threads_too(alice, bob, api):
    group = await begun(alice, id=NAMES, private=True)
    await alice.told("POST", f"groups/{NAMES}/members", {"agent": "bob"})
    written = [await message(bob, group, str(number)) for number in range(3)]
    written.append(await message(bob, group, "All of it.", title="Tides"))
    written.append(await message(bob, group, "So it is.", reply_to=written[0]["id"]))
    written += [await message(bob, group, str(number)) for number in range(3)]
    told = (await alice.get(f"groups/{NAMES}/messages?type=all"))["messages"]
    assert [one["id"] for one in told] == [one["id"] for one in reversed(written)]


async def test_what_several_say_by_turns_stands_in_that_order_and_is_not_dated_ahead(alice, bob, api):
    group = await begun(alice, id=NAMES)
    written = []
    for number, who in enumerate((alice, alice, alice, bob, alice, alice, bob, bob, alice)):
        above = {"reply_to": written[-1]["id"]} if number % 2 else {}
        written.append(await message(who, group, str(number), **above))
        assert written[-1]["event"]["created_at"] <= time.time()
    found, cursor = list[str](), ""
    while cursor is not None:
        page = await api.get(f"groups/{NAMES}/messages?limit=4&cursor={cursor}")
        found += [one["content"] for one in page["messages"]]
        cursor = page["next_cursor"]
    assert found == [one["content"] for one in reversed(written)]


async def test_what_answers_a_clock_that_is_fast_is_taken_all_the_same(start):
    api = Api(await start(limits={"created_at_future": 20}))
    alice = await api.registered("alice")
    group = await begun(alice, id=NAMES)
    fast = make_event(5, 9, "From a clock that is fast", [["h", NAMES]], int(time.time()) + 20)
    await published(api, fast)
    answer = await message(alice, group, "Is it?", reply_to=fast.id)
    assert answer["event"]["created_at"] >= fast.created_at


async def test_pages_follow_each_other_within_a_second_too(alice, api):
    await begun(alice, id=NAMES)
    events = [make_event(5, 9, str(number), [["h", NAMES]], int(time.time())) for number in range(7)]
    for event in events:
        await published(api, event)
    written = {event.id for event in events}
    found, cursor = list[str](), ""
    while True:
        page = await api.get(f"groups/{NAMES}/messages?limit=3&cursor={cursor}")
        found += [one["id"] for one in page["messages"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert (len(found), set(found)) == (7, written)
    assert await api.refused(400, "GET", f"groups/{NAMES}/messages?cursor=nonsense") == "invalid"


async def test_reactions_are_counted_once_a_key_and_taken_back(alice, bob, api):
    group = await begun(alice, id=NAMES)
    said = await message(alice, group)
    path = f"groups/{NAMES}/messages/{said['id']}"
    for _ in range(2):
        assert (await bob.told("POST", f"{path}/reactions", status=201))["event"]["kind"] == 7
    await bob.told("POST", f"{path}/reactions", {"content": "🌊"}, 201)
    await alice.told("POST", f"{path}/reactions", {"content": "+"}, 201)
    assert (await api.get(path))["message"]["reactions"] == {"+": 2, "🌊": 1}
    assert (await bob.get(path))["message"]["your_reactions"] == ["+", "🌊"]
    assert [(await one.get(path))["message"]["your_reactions"] for one in (alice, api)] == [["+"], []]
    assert (await bob.told("DELETE", f"{path}/reactions"))["event"]["kind"] == 5
    assert (await bob.told("DELETE", f"{path}/reactions"))["event"] is None
    assert (await api.get(path))["message"]["reactions"] == {"+": 1}
    assert await bob.refused(400, "POST", f"{path}/reactions", {"content": "x" * 65}) == "invalid"


async def published(api, event, status=201):
    return await api.told("POST", "events", msgspec.to_builtins(event), status)


@pytest.mark.parametrize("private", [False, True])
async def test_authors_edit_their_messages_and_what_was_said_before_stays_readable(alice, bob, api, private):
    group = await begun(alice, id=NAMES, private=private)
    await alice.told("POST", f"groups/{NAMES}/members", {"agent": "bob"})
    said = await message(bob, group, "Low water at noon")
    await message(alice, group, "Noted")
    path = f"groups/{NAMES}/messages/{said['id']}"
    for text in ("Low water at one", "Low water at two"):
        edited = (await bob.told("PATCH", path, {"content": text}))["message"]
        assert (edited["id"], edited["content"], edited["event"]) == (said["id"], text, said["event"])
        assert edited["updated_at"] > said["created_at"]
    shown = (await alice.get(f"groups/{NAMES}/messages"))["messages"]
    assert {one["content"]: one["updated_at"] for one in shown}["Noted"] is None
    assert {one["content"] for one in shown} == {"Noted", "Low water at two"}
    history = (await alice.get(f"{path}/history"))["versions"]
    assert [one["content"] for one in history] == ["Low water at noon", "Low water at one", "Low water at two"]
    assert [one["event"]["kind"] for one in history] == [9, 1010, 1010]
    assert await alice.refused(403, "PATCH", path, {"content": "Mine"}) == "not_yours"
    assert await bob.refused(400, "PATCH", path, {"content": " "}) == "invalid"
    if private:
        assert await api.refused(401, "GET", f"{path}/history") == "auth_required"
    await bob.told("DELETE", path)
    assert await bob.refused(404, "GET", f"{path}/history") == "message_not_found"
    left = [one["content"] for one in (await alice.get(f"groups/{NAMES}/messages"))["messages"]]
    assert left == ["Noted"]


async def test_a_message_sent_anew_with_its_old_time_is_edited(alice, api):
    """As Flotilla edits: a deletion, and the message again."""
    await begun(alice, id=NAMES)
    at = int(time.time())
    first = make_event(5, 9, "Low water at noon", [["h", NAMES]], at)
    second = make_event(5, 9, "Low water at one", [["h", NAMES]], at)
    for event in (first, make_event(5, 5, "", [["h", NAMES], ["e", first.id], ["k", "9"]], at), second):
        await published(api, event)
    (shown,) = (await api.get(f"groups/{NAMES}/messages"))["messages"]
    assert (shown["id"], shown["content"], shown["updated_at"] is None) == (second.id, "Low water at one", False)


async def test_an_edit_of_a_message_by_another_key_or_for_another_group_is_refused(alice, api):
    for group in (NAMES, "other"):
        await begun(alice, id=group)
    at = int(time.time())
    said = make_event(5, 9, "Low water", [["h", NAMES]], at)
    await published(api, said)
    for key, tags, refusal in (
        (6, [["h", NAMES]], "only the key that wrote"),
        (5, [["h", "other"]], "names its group"),
        (5, [], "names its group"),
    ):
        event = make_event(key, 1010, "High water", [*tags, ["e", said.id]], at)
        assert refusal in (await published(api, event, 403 if key == 6 else 400))["message"]
    await alice.told("DELETE", f"groups/{NAMES}/messages/{said.id}")  # by 9005
    late = make_event(5, 1010, "High water", [["h", NAMES], ["e", said.id]], at)
    assert "was deleted" in (await published(api, late, 403))["message"]


async def test_authors_and_moderators_delete(alice, bob, api):
    carol = await api.registered("carol")
    group = await begun(alice, id=NAMES)
    for who in (bob, carol):
        await who.told("POST", f"groups/{NAMES}/join")
    own, other = await message(bob, group), await message(bob, group)
    assert await carol.refused(403, "DELETE", f"groups/{NAMES}/messages/{own['id']}") == "restricted"
    assert (await bob.told("DELETE", f"groups/{NAMES}/messages/{own['id']}"))["event"]["kind"] == 5
    assert (await alice.told("DELETE", f"groups/{NAMES}/messages/{other['id']}"))["event"]["kind"] == 9005
    assert (await api.get(f"groups/{NAMES}/messages"))["messages"] == []
    assert await bob.refused(404, "GET", f"groups/{NAMES}/messages/{own['id']}") == "message_not_found"


async def test_who_left_still_deletes_what_was_theirs(alice, bob, api):
    group = await begun(alice, id=NAMES)
    await bob.told("POST", f"groups/{NAMES}/join")
    said = await message(bob, group)
    await bob.told("POST", f"groups/{NAMES}/leave")
    await bob.told("DELETE", f"groups/{NAMES}/messages/{said['id']}")
    assert (await api.get(f"groups/{NAMES}/messages"))["messages"] == []


@pytest.mark.parametrize("hidden", [False, True])
async def test_who_left_a_private_group_still_deletes_what_was_theirs(alice, bob, hidden):
    group = await begun(alice, id=NAMES, private=True, hidden=hidden)
    await alice.told("POST", f"groups/{NAMES}/members", {"agent": "bob"})
    said, of_alice = await message(bob, group), await message(alice, group)
    await bob.told("POST", f"groups/{NAMES}/leave")
    path = f"groups/{NAMES}/messages"
    reading = await bob.refused(404 if hidden else 403, "GET", path)
    assert await bob.refused(404 if hidden else 403, "DELETE", f"{path}/{of_alice['id']}") == reading
    assert await bob.refused(404, "DELETE", f"groups/another/messages/{said['id']}") == "group_not_found"
    await bob.told("DELETE", f"{path}/{said['id']}")
    assert [one["id"] for one in (await alice.get(path))["messages"]] == [of_alice["id"]]


async def test_messages_of_one_group_are_not_in_another(alice):
    group = await begun(alice, id=NAMES)
    await begun(alice, id="another")
    said = await message(alice, group)
    path = f"groups/another/messages/{said['id']}"
    for method, rest in (("GET", ""), ("DELETE", ""), ("POST", "/reactions"), ("GET", "/replies")):
        assert await alice.refused(404, method, path + rest) == "message_not_found"
    body = {"content": "x", "reply_to": said["id"]}
    assert await alice.refused(404, "POST", "groups/another/messages", body) == "message_not_found"


@pytest.mark.parametrize(
    "body",
    [{}, {"content": " "}, {"content": "\u200b\u2800"}, {"content": "x", "title": " "}, {"content": "x", "kind": 1}],
)
async def test_what_is_no_message(alice, body):
    await begun(alice, id=NAMES)
    assert (await alice.send("POST", f"groups/{NAMES}/messages", body)).status_code == 400


# who does not belong

ROUTES = [
    ("GET", "", None),
    ("PATCH", "", {"name": "Mine"}),
    ("DELETE", "", None),
    ("POST", "/leave", None),
    ("GET", "/members", None),
    ("POST", "/members", {"agent": "mallory"}),
    ("DELETE", "/members/alice", None),
    ("GET", "/invites", None),
    ("POST", "/invites", None),
    ("DELETE", "/invites/{code}", None),
    ("GET", "/pins", None),
    ("POST", "/pins", {"id": "0" * 64}),
    ("DELETE", "/pins/{message}", None),
    ("GET", "/messages", None),
    ("GET", "/messages?type=all", None),
    ("POST", "/messages", {"content": "Let me in"}),
    ("GET", "/messages/{message}", None),
    ("GET", "/messages/{message}/replies", None),
    ("DELETE", "/messages/{message}", None),
    ("POST", "/messages/{message}/reactions", None),
    ("DELETE", "/messages/{message}/reactions", None),
]
OF_WHAT_IT_IS = {
    ("GET", ""),
    ("POST", "/leave"),
}  # a private group that is not hidden is known of, and not being in it is no fault


@pytest.fixture
async def secret(alice):
    """A private group with a member's message in it, by its id, with a code."""
    group = await begun(alice, "Secret", id="secret", private=True, closed=True)
    said = await message(alice, group, "sesame")
    await alice.told("POST", "groups/secret/pins", {"id": said["id"]})
    code = (await alice.told("POST", "groups/secret/invites", status=201))["invite"]["code"]
    return {"message": said["id"], "code": code}


@pytest.mark.parametrize("route", ROUTES, ids=[f"{method} {path}" for method, path, _ in ROUTES])
async def test_a_private_group_tells_outsiders_nothing_on_any_route(api, alice, secret, route):
    method, path, body = route
    mallory = await api.registered("mallory")
    for who, status in ((mallory, 403), (api, 401)):
        answer = await who.send(method, "groups/secret" + path.format(**secret), body)
        if (method, path) not in OF_WHAT_IT_IS:
            assert answer.status_code in (status, 404)
        for words in ("sesame", secret["code"], secret["message"]):
            assert words not in answer.text or words in path.format(**secret)
    assert [one["content"] for one in (await alice.get("groups/secret/messages"))["messages"]] == ["sesame"]
    assert [one["agent"] for one in (await alice.get("groups/secret/members"))["members"]] == ["alice"]


@pytest.mark.parametrize("route", ROUTES, ids=[f"{method} {path}" for method, path, _ in ROUTES])
async def test_a_hidden_group_is_not_there_for_outsiders(api, alice, secret, route):
    method, path, body = route
    await alice.told("PATCH", "groups/secret", {"hidden": True})
    mallory = await api.registered("mallory")
    answer = await mallory.send(method, "groups/secret" + path.format(**secret), body)
    nowhere = await mallory.send(method, "groups/nowhere" + path.format(**secret), body)
    assert (answer.status_code, answer.json()) == (404, nowhere.json())


async def test_joining_a_hidden_group_takes_a_good_code(api, alice, secret):
    await alice.told("PATCH", "groups/secret", {"hidden": True})
    mallory = await api.registered("mallory")
    for body in (None, {"code": "wrong"}):
        assert await mallory.refused(404, "POST", "groups/secret/join", body) == "group_not_found"
    await mallory.told("POST", "groups/secret/join", {"code": secret["code"]})
    assert len((await mallory.get("groups/secret/messages"))["messages"]) == 1


async def test_who_was_removed_reads_nothing_any_more(api, alice, bob, secret):
    await bob.told("POST", "groups/secret/join", {"code": secret["code"]})
    assert len((await bob.get("groups/secret/messages"))["messages"]) == 1
    await alice.told("DELETE", "groups/secret/members/bob")
    assert await bob.refused(403, "GET", "groups/secret/messages") == "restricted"
    assert await bob.refused(403, "POST", "groups/secret/messages", {"content": "still here?"}) == "restricted"


@pytest.mark.parametrize("token", ["tda_" + "0" * 64, "tdi_" + "0" * 64, "nonsense"])
@pytest.mark.parametrize("route", [("GET", "groups"), ("GET", "groups/secret/messages"), ("POST", "groups")])
@pytest.mark.usefixtures("secret")
async def test_wrong_tokens_are_refused(api, token, route):
    answer = await api.send(*route, {"name": "x"}, authorization=f"Bearer {token}")
    assert answer.status_code in (401, 403)


async def test_an_own_key_signs_for_itself_and_reads_with_the_token(api, alice, relay, secret):
    carol = await api.registered("carol")
    identity = (await carol.get("agents/me"))["agent"]
    agent = {"id": identity["id"], "api_key": carol.token}
    await bind(relay, agent)
    await carol.told("POST", f"agents/me/keys/{OWN}/choose")
    asked = await carol.told("POST", "groups/secret/join", {"code": secret["code"]}, 409)
    assert (asked["code"], asked["event"]["kind"], asked["event"]["pubkey"]) == ("signature_needed", 9021, OWN)
    assert (await relay.hand_in(signed(asked["event"])))[0] == 201
    assert len((await carol.get("groups/secret/messages"))["messages"]) == 1
    asked = await carol.told("POST", "groups/secret/messages", {"content": "Hello"}, 409)
    assert (await relay.hand_in(signed(asked["event"])))[0] == 201
    told = (await alice.get("groups/secret/messages"))["messages"]
    assert {(one["content"], one["author"]["name"]) for one in told} == {("sesame", "alice"), ("Hello", "carol")}
