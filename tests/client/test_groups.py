"""GroupClient with the client, over HTTP and over the WebSocket, against a real relay."""

from collections.abc import Iterator

import httpx
import pytest

from relay.client import Api, ApiError, EndOfStored, GroupClient, Key, Refused, Relay
from relay.client.groups import change_of_membership, edited
from relay.errors import Prefix
from tests.e2e.harness import PATIENCE, Server, serving


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("groups") / "data") as running:
        yield running


async def registered(hub: Server, name: str) -> Api:
    async with Api(hub.http) as stranger:
        return Api(hub.http, (await stranger.register(name)).api_key)


async def relay_key(hub: Server) -> str:
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        document = (await client.get(hub.http, headers={"accept": "application/nostr+json"})).json()
    found: str = document["self"]
    return found


async def test_over_http_from_beginning_to_end(hub: Server) -> None:
    async with await registered(hub, "alice") as alice, await registered(hub, "bob") as bob:
        made = await alice.create_group("Tide / watchers", id="tide/watchers", about="We look.", closed=True)
        assert (made.id, made.closed, made.your_roles) == ("tide/watchers", True, ["owner"])
        assert [one.id for one in (await bob.groups("TIDE")).groups] == ["tide/watchers"]
        with pytest.raises(ApiError) as refused:
            await bob.join_group("tide/watchers")
        assert (refused.value.status, refused.value.code) == (403, "restricted")
        code = await alice.invite("tide/watchers", uses=2, days=1)
        (listed,) = await alice.group_invites("tide/watchers")
        assert (listed.code, listed.uses_left, code in repr(listed)) == (code, 2, False)
        assert "member" in await bob.join_group("tide/watchers", code)
        assert await bob.join_group("tide/watchers") == "already a member of this group"
        said = await bob.say("tide/watchers", "Low water.")
        answer = await alice.say("tide/watchers", "At noon.", reply_to=said.id)
        await bob.react("tide/watchers", answer.id)
        page = await alice.group_messages("tide/watchers", limit=1)
        rest = await alice.group_messages("tide/watchers", limit=1, cursor=page.next_cursor)
        found = {one.id: (one.reply_to, one.reactions) for one in page.messages + rest.messages}
        assert (found, rest.next_cursor) == ({answer.id: (said.id, {"+": 1}), said.id: (None, {})}, None)
        (hit,) = (await bob.search("low", type="messages", mode="words")).results
        assert (hit.id, hit.type, hit.group_id) == (said.id, "message", "tide/watchers")
        thread = await bob.say("tide/watchers", "All of it.", title="Tides")
        threads = (await alice.group_messages("tide/watchers", said="threads")).messages
        assert [(one.id, one.title) for one in threads] == [(thread.id, "Tides")]
        await bob.take_reactions_back("tide/watchers", answer.id)
        assert (await alice.get_group_message("tide/watchers", answer.id)).reactions == {}
        await alice.pin("tide/watchers", said.id)
        assert await bob.group_pins("tide/watchers") == [said.id]
        await alice.unpin("tide/watchers", said.id)
        assert await bob.group_pins("tide/watchers") == []
        await alice.put_member("tide/watchers", "bob", roles=["moderator"])
        members = (await bob.group_members("tide/watchers")).members
        assert {one.agent: one.roles for one in members} == {"alice": ["owner"], "bob": ["moderator"]}
        await bob.delete_group_message("tide/watchers", answer.id)
        changed = await alice.edit_group("tide/watchers", {"name": "Watchers", "closed": False})
        assert (changed.name, changed.about, changed.closed) == ("Watchers", "We look.", False)
        await alice.revoke_invite("tide/watchers", code)
        assert await alice.group_invites("tide/watchers") == []
        assert [one.id for one in (await bob.groups(mine=True)).groups] == ["tide/watchers"]
        await bob.leave_group("tide/watchers")
        await alice.put_member("tide/watchers", next(one.pubkey for one in members if one.agent == "bob"))
        await alice.remove_member("tide/watchers", "bob")
        await alice.delete_group("tide/watchers")
        with pytest.raises(ApiError, match="no such group"):
            await alice.get_group("tide/watchers")


async def test_a_post_in_a_community(hub: Server) -> None:
    async with await registered(hub, "carol") as carol:
        await carol.create_group("Pools", id="pools", supported_kinds=[11])
        post = await carol.post("A crab", "Sideways.", submolt="pools")
        assert post.submolt_name == "pools"
        assert [one.id for one in (await carol.feed(submolt="pools")).posts] == [post.id]


async def test_over_the_websocket_from_beginning_to_end(hub: Server) -> None:
    owner, friend = Key.generate(), Key.generate()
    own_key = await relay_key(hub)
    async with Relay(hub.url, signer=owner) as one, Relay(hub.url, signer=friend, auth_first=True) as other:
        mine, theirs = GroupClient(one, owner), GroupClient(other, friend)
        await mine.create("den", "The den", about="Where we are.", flags=["private", "closed"])
        with pytest.raises(Refused) as again:
            await theirs.create("den")
        assert again.value.prefix is Prefix.DUPLICATE
        async with theirs.follow() as news:
            while not isinstance(await anext(news), EndOfStored):
                pass
            await mine.invite("den", "sesame")
            with pytest.raises(Refused):
                await theirs.join("den")
            await theirs.join("den", code="sesame")
            came = await anext(news)
            assert not isinstance(came, EndOfStored)
            assert change_of_membership(came, friend.pubkey) == ("den", True)
            assert change_of_membership(came, owner.pubkey) is None
            await mine.remove("den", friend.pubkey)
            gone = await anext(news)
            assert not isinstance(gone, EndOfStored)
            assert change_of_membership(gone, friend.pubkey) == ("den", False)
        await mine.put("den", friend.pubkey, ["moderator"])
        said = await mine.say("den", "Hello")
        answer = await theirs.say("den", "Hello yourself", reply_to=said)
        await theirs.react("den", said)
        await theirs.pin("den", [said.id])
        more = [await theirs.say("den", str(number)) for number in range(3)]
        written = [said, answer, *more]
        assert [event.id async for event in theirs.messages("den")] == [event.id for event in reversed(written)]
        state = await theirs.state("den", own_key)
        assert state is not None
        assert (state.name, set(state.flags)) == ("The den", {"private", "closed"})
        assert (state.admins[friend.pubkey], set(state.members), state.pins) == (
            ["moderator"],
            {owner.pubkey, friend.pubkey},
            [said.id],
        )
        await mine.edit("den", edited(state, {"name": "The lair", "closed": False, "restricted": True}))
        state = await theirs.state("den", own_key)
        assert state is not None
        assert (state.name, set(state.flags)) == ("The lair", {"private", "restricted"})
        assert ["about", "Where we are."] in state.tags
        await theirs.delete_message("den", said)
        for event in (answer, *more):
            await theirs.delete_message("den", event)
        assert [event async for event in mine.messages("den")] == []
        await theirs.leave("den")
        with pytest.raises(Refused):
            await theirs.say("den", "Still here?")
        await mine.delete("den")
        assert await mine.state("den", own_key) is None
