"""Relays that stay in step by their settings: `[[peers]]`."""

import asyncio
import json
import os
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import httpx
import msgspec
import pytest
from websockets.asyncio.server import ServerConnection

from relay.protocol.event import Event
from tests.e2e.harness import PATIENCE, Server, client, command, free_port, fresh_key, now, serving
from tests.e2e.test_group_reading import group_at
from tests.e2e.test_joining import code_of, join, leave, registered
from tests.factories import make_event
from tests.federation.fake_peer import FakePeer
from tests.federation.test_sync import ids, notes, store
from tests.federation.test_synchronization import Shouting, Unasked
from tests.server.events.write_policy.plugins import JUDGE, keeping

SOON = "[federation]\nwalk_pause = 0\n"
PEERS = """
[[peers]]
url = "{url}"
direction = "{direction}"
allow_private = true
"""


def settings(path: Path, *peers: str, direction: str = "both", more: str = SOON) -> Path:
    """A file of settings with these peers, by URL."""
    path.write_text(more + "".join(PEERS.format(url=url, direction=direction) for url in peers))
    return path


async def until(what: Callable[[], Awaitable[bool]]) -> None:
    """Returns when it is so."""
    deadline = time.monotonic() + 3 * PATIENCE
    while not await what():
        assert time.monotonic() < deadline, "it did not become so"
        await asyncio.sleep(0.1)


async def same(one: Server, other: Server, expected: set[str]) -> None:
    """Returns when both have these notes and no others."""

    async def have() -> bool:
        return await ids(one, 1) == await ids(other, 1) == expected

    await until(have)


async def test_a_peer_that_asks_who_reads_and_writes_is_told_by_the_relays_own_key(tmp_path: Path) -> None:
    key = fresh_key()
    ours, theirs = notes(key, 20), notes(key, 20, 20)
    there_data = tmp_path / "there"
    with serving(there_data) as there:
        await store(there, *theirs)
    with (
        serving(there_data, "access.auth_to_read=true", "access.auth_to_write=true") as there,
        serving(tmp_path / "here", file=settings(tmp_path / "here.toml", there.url)) as here,
    ):
        await store(here, *ours)

        async def arrived() -> bool:
            async with client(there) as asking:
                await asking.authenticate(key)
                found = set(await asking.stored({"kinds": [1], "limit": 500}))
            return await ids(here, 1) == found == {event.id for event in ours + theirs}

        await until(arrived)


async def test_what_is_never_stored_is_passed_on_while_it_is_new(tmp_path: Path) -> None:
    key = fresh_key()
    with (
        serving(tmp_path / "there") as there,
        serving(tmp_path / "here", file=settings(tmp_path / "here.toml", there.url)) as here,
    ):
        await in_state(here, there.url, "in step")
        async with client(there) as listening, client(here) as writing:
            await listening.request({"kinds": [20_001]})
            old = make_event(key, 20_001, "old", created_at=now() - 300)
            new = make_event(key, 20_001, "new", created_at=now())
            for event in (old, new):
                assert (await writing.publish(event))[2] is True
            assert (await listening.next())[2]["id"] == new.id


async def test_what_is_never_stored_reaches_each_of_relays_that_are_each_others_peers_once(tmp_path: Path) -> None:
    """Two of them sent one back and forth some thousand times, until it was a minute old."""
    key, ports = fresh_key(), (free_port(), free_port())
    files = [
        settings(tmp_path / f"{ours}.toml", f"ws://127.0.0.1:{theirs}") for ours, theirs in (ports, reversed(ports))
    ]
    with (
        serving(tmp_path / "one", port=ports[0], file=files[0]) as one,
        serving(tmp_path / "other", port=ports[1], file=files[1]) as other,
    ):
        await in_state(one, other.url, "in step")
        await in_state(other, one.url, "in step")
        async with client(one) as here, client(other) as there, client(one) as writing:
            for listening in (here, there):
                await listening.request({"kinds": [20_001]})
            for count in range(10):
                event = make_event(key, 20_001, str(count), created_at=now())
                await writing.post(event)
                assert [(await listening.next())[2]["content"] for listening in (here, there)] == [str(count)] * 2


async def test_what_comes_live_by_a_second_peer_is_not_noted_as_refused(tmp_path: Path) -> None:
    first, second = notes(fresh_key(), 2)
    data = tmp_path / "here"
    with serving(tmp_path / "one") as one, serving(tmp_path / "two") as two:
        peers = settings(tmp_path / "here.toml", one.url, two.url, direction="down")
        with serving(data, file=peers) as here:
            for peer in (one, two):
                await in_state(here, peer.url, "in step")
            await store(one, first)
            await until_has(here, first)
            await store(two, first, second)
            await until_has(here, second)  # the first came before it
    with closing(sqlite3.connect(data / "tidings.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM peer_refusals").fetchone() == (0,)


async def until_has(server: Server, event: Event) -> None:
    """Returns when a relay has the note."""

    async def has() -> bool:
        return event.id in await ids(server, 1)

    await until(has)


@pytest.mark.parametrize("processes", ["on", "off"])
async def test_two_relays_come_in_step_and_stay_so(tmp_path: Path, processes: str) -> None:
    key = fresh_key()
    ours, theirs = notes(key, 100), notes(key, 150, 100)
    with serving(tmp_path / "there") as there:
        await store(there, *theirs)
        file = settings(tmp_path / "here.toml", there.url)
        with serving(tmp_path / "here", f"server.processes={processes}", file=file) as here:
            await store(here, *ours)
            everything = {event.id for event in ours + theirs}
            await same(here, there, everything)
            live = [
                make_event(key, content="there", created_at=now()),
                make_event(key, content="here", created_at=now()),
            ]
            await store(there, live[0])
            await store(here, live[1])
            await same(here, there, everything | {event.id for event in live})


def told(server: Server) -> dict[str, dict[str, object]]:
    """What `tidings peers` tells of each, by URL."""
    done = command("peers", "--json", data=server.data)
    assert done.returncode == 0, done.stderr
    return {one["url"]: one for one in map(json.loads, done.stdout.splitlines())}


async def in_state(server: Server, url: str, state: str, **counts: int) -> None:
    """Returns when the peer is so, and has these counts."""

    async def is_so() -> bool:
        status = (await asyncio.to_thread(told, server))[url]["status"]
        assert isinstance(status, dict)
        return status["state"] == state and counts.items() <= status.items()

    await until(is_so)


def run(*arguments: str, server: Server) -> None:
    done = command(*arguments, data=server.data)
    assert done.returncode == 0, done.stderr


async def test_a_peer_is_added_paused_resumed_and_removed_while_the_relay_runs(tmp_path: Path) -> None:
    key = fresh_key()
    events = notes(key, 40)
    with serving(tmp_path / "there") as there, serving(tmp_path / "here", "federation.walk_pause=0") as here:
        await store(there, *events[:10])
        run("peer", "add", there.url, "--allow-private", "--filter", '{"kinds":[1]}', server=here)
        await same(here, there, {event.id for event in events[:10]})
        await in_state(here, there.url, "in step")
        run("peer", "pause", there.url, server=here)
        await in_state(here, there.url, "paused")
        await store(there, *events[10:20])
        await store(here, *events[20:30])
        assert await ids(here, 1) == {event.id for event in [*events[:10], *events[20:30]]}
        run("peer", "resume", there.url, server=here)
        await same(here, there, {event.id for event in events[:30]})
        await in_state(here, there.url, "in step", stored=20, taken=10)
        run("peer", "remove", there.url, server=here)
        assert told(here) == {}
        await store(there, *events[30:])
        assert await ids(here, 1) == {event.id for event in events[:30]}


async def test_why_events_are_refused_is_told(tmp_path: Path) -> None:
    denied, key = fresh_key(), fresh_key()
    file = settings(tmp_path / "here.toml")
    with serving(tmp_path / "there", f"access.denied_keys={key.pubkey}") as there:
        await store(there, *notes(denied, 3))
        file.write_text(
            SOON
            + PEERS.format(url=there.url, direction="both")
            + f'policy = {{ denied_keys = ["{denied.pubkey}"] }}\nfilters = [{{ kinds = [1] }}]\n'
        )
        with serving(tmp_path / "here", file=file) as here:
            await store(here, *notes(key, 2))
            await in_state(here, there.url, "in step", refused=3, rejected=2)
            shown = command("peers", data=here.data).stdout.decode()
    assert f"{there.url}  both  in step" in shown  # as the relay runs it: the command knows no file
    assert "    refused here: 3 × blocked: the policy for this peer denies the key or kind\n" in shown
    assert "    refused there: 2 × blocked: " in shown


async def test_a_private_address_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    with serving(tmp_path / "there") as there, serving(tmp_path / "here") as here:
        run("peer", "add", there.url, server=here)
        await in_state(here, there.url, "waiting")
        status = told(here)[there.url]["status"]
        assert isinstance(status, dict)
        assert (
            "127.0.0.1 is a private address; allow_private = true lets it have one (--allow-private;"
            in status["last_error"]
        )


async def test_nothing_is_lost_where_relays_are_killed_at_any_moment(tmp_path: Path) -> None:
    key = fresh_key()
    events = notes(key, 400)
    with serving(tmp_path / "there") as there:
        file = settings(tmp_path / "here.toml", there.url)
        for at in range(0, 400, 100):
            server = Server(tmp_path / "here", file=file)
            await asyncio.gather(store(server, *events[at : at + 50]), store(there, *events[at + 50 : at + 100]))
            server.kill()
        with serving(tmp_path / "here", file=file) as here:
            await same(here, there, {event.id for event in events})


async def test_the_role_that_dies_begins_again(tmp_path: Path) -> None:
    key = fresh_key()
    events = notes(key, 60)
    with serving(tmp_path / "there") as there:
        file = settings(tmp_path / "here.toml", there.url)
        with serving(tmp_path / "here", "server.processes=on", file=file) as here:
            await store(here, *events[:20])
            await same(here, there, {event.id for event in events[:20]})
            os.kill(sorted(here.children())[2], signal.SIGKILL)  # they start in this order: writer, search, peers
            await store(there, *events[20:40])
            await store(here, *events[40:])
            await same(here, there, {event.id for event in events})


async def test_a_reload_touches_only_the_peers_that_changed(tmp_path: Path) -> None:
    with serving(tmp_path / "one") as one, serving(tmp_path / "two") as two, serving(tmp_path / "three") as three:
        file = settings(tmp_path / "here.toml", one.url, two.url)
        with serving(tmp_path / "here", file=file) as here:
            await in_state(here, one.url, "in step")
            await in_state(here, two.url, "in step")
            before = told(here)[one.url]["status"]
            settings(file, one.url, three.url)
            here.reload()
            await in_state(here, three.url, "in step")
            await in_state(here, two.url, "stopped")
            after = told(here)[one.url]["status"]
            assert isinstance(before, dict)
            assert isinstance(after, dict)
            assert after["since"] == before["since"]


async def test_what_a_peers_policy_refused_comes_when_the_policy_has_changed(tmp_path: Path) -> None:
    events = notes(fresh_key(), 10)
    file = tmp_path / "here.toml"
    async with FakePeer(events).serving() as peer:
        settings(file, peer.url, direction="down", more="")
        file.write_text(file.read_text() + "policy = { denied_kinds = [1] }\n")
        with serving(tmp_path / "here", file=file) as here:
            await in_state(here, peer.url, "in step", refused=10, stored=0)
            settings(file, peer.url, direction="down", more="")
            here.reload()

            async def arrived() -> bool:
                return await ids(here, 1) == {event.id for event in events}

            await until(arrived)


async def test_what_a_plugin_of_this_relay_refused_comes_when_it_is_another(tmp_path: Path) -> None:
    events, file, asked = notes(fresh_key(), 10), tmp_path / "here.toml", tmp_path / "asked"
    refusing = json.dumps(keeping(asked).replace("*) action='\"accept\"'", "*) action='\"reject\"'"))
    async with FakePeer(events).serving() as peer:
        settings(file, peer.url, direction="down", more=f"[write_policy]\nplugin = {refusing}\n")
        with serving(tmp_path / "here", "server.processes=on", file=file) as here:
            await in_state(here, peer.url, "in step", refused=10, stored=0)
            settings(file, peer.url, direction="down", more=f"[write_policy]\nplugin = {json.dumps(JUDGE)}\n")
            here.reload()
            await in_state(here, peer.url, "in step", stored=10)
    sources = {(one["sourceType"], one["sourceInfo"]) for one in map(json.loads, asked.read_text().splitlines())}
    assert sources == {("Sync", peer.url)}


@pytest.mark.parametrize("how", ["reload", "restart"])
async def test_what_a_rule_of_this_relay_refused_comes_when_the_rule_has_changed(tmp_path: Path, how: str) -> None:
    key = fresh_key()
    events, file = notes(key, 10), tmp_path / "here.toml"
    async with FakePeer(events).serving() as peer:
        settings(file, peer.url, direction="down", more=f'[access]\ndenied_keys = ["{key.pubkey}"]\n')
        with serving(tmp_path / "here", file=file) as here:
            await in_state(here, peer.url, "in step", refused=10, stored=0)
            settings(file, peer.url, direction="down", more="")
            if how == "reload":
                here.reload()
                await in_state(here, peer.url, "in step", stored=10)
        with serving(tmp_path / "here", file=file) as here:
            await in_state(here, peer.url, "in step", stored=10)
            assert await ids(here, 1) == {event.id for event in events}
            before = told(here)[peer.url]
            more = f'[access]\ndenied_keys = ["{fresh_key().pubkey}"]\n'  # less is taken: nothing is to be met anew for that
            settings(file, peer.url, direction="down", more=more)
            here.reload()

            async def noted() -> bool:
                return told(here)[peer.url]["place"]["scope"] != before["place"]["scope"]  # type: ignore[index]

            await until(noted)
            after = told(here)[peer.url]
            assert after["status"]["since"] == before["status"]["since"]  # type: ignore[index]
            assert len(peer.connections) == (3 if how == "reload" else 2)


@pytest.mark.parametrize("processes", ["on", "off"])
async def test_a_ban_holds_for_what_peers_bring_and_what_it_refused_comes_when_it_is_lifted(
    tmp_path: Path, processes: str
) -> None:
    key, other = fresh_key(), fresh_key()
    events, later = notes(key, 5), notes(other, 3)
    file = tmp_path / "here.toml"
    with serving(tmp_path / "there") as there:
        await store(there, *events)
        settings(file, there.url, direction="down", more="")
        with serving(tmp_path / "here", f"server.processes={processes}", file=file) as here:
            await in_state(here, there.url, "in step", stored=5)
            run("ban", key.pubkey, "--remove", server=here)
            run("ban", "--event", later[0].id, server=here)
            assert await ids(here, 1) == set()
            new = notes(key, 7)[5:]
            await store(there, *new, *later)
            await in_state(here, there.url, "in step", stored=7, refused=3)
            assert await ids(here, 1) == {event.id for event in later[1:]}
            run("unban", key.pubkey, server=here)
            run("unban", "--event", later[0].id, server=here)

            async def arrived() -> bool:
                return {event.id for event in [*new, *later[1:]]} <= await ids(here, 1)

            await until(arrived)


async def test_a_ban_is_lifted_for_peers_though_the_settings_could_not_be_read_meanwhile(tmp_path: Path) -> None:
    key = fresh_key()
    events, file = notes(key, 10), tmp_path / "here.toml"
    async with FakePeer(events).serving() as peer:
        settings(file, peer.url, direction="down", more="")
        assert command("ban", key.pubkey, data=tmp_path / "here").returncode == 0
        with serving(tmp_path / "here", "server.processes=on", file=file) as here:
            await in_state(here, peer.url, "in step", refused=10, stored=0)
            file.write_text("a file that [nobody can read")
            here.reload()
            run("ban", fresh_key().pubkey, server=here)
            run("unban", key.pubkey, server=here)
            await in_state(here, peer.url, "in step", stored=10)


async def test_peers_that_lie_are_named_and_harm_nobody_else(tmp_path: Path) -> None:
    key = fresh_key()
    events = notes(key, 60)
    async with (
        Shouting().serving() as shouting,
        Unasked().serving() as unasked,
        Forging(events[:5]).serving() as forging,
        FakePeer(events[5:50]).serving() as honest,
    ):
        urls = (shouting.url, unasked.url, forging.url, honest.url)
        with serving(tmp_path / "here", file=settings(tmp_path / "here.toml", *urls)) as here:
            await store(here, *events[50:])

            async def arrived() -> bool:
                return await ids(here, 1) == {event.id for event in events[5:]}

            await until(arrived)
            await in_state(here, honest.url, "in step", stored=45)

            async def named() -> bool:
                told_of = {url: one["status"] for url, one in (await asyncio.to_thread(told, here)).items()}
                forged = told_of[forging.url]
                assert isinstance(forged, dict)
                assert forged["stored"] == 0
                return (
                    "a message of a comparison that is not open" in str(told_of[shouting.url])
                    and "it sent an event twice" in str(told_of[unasked.url])
                    and forged["refused"] >= 5
                )

            await until(named)


async def test_a_private_group_is_no_peers_to_read(tmp_path: Path) -> None:
    key = fresh_key()
    async with FakePeer().serving() as peer:
        with serving(tmp_path / "here") as here:
            async with group_at(here) as group:
                before = await group.say(content="while it was open")
                await group.edit("private")
                after = await group.say(content="among members")
                run("peer", "add", peer.url, "--dir", "up", "--allow-private", server=here)
                public = make_event(key, content="for all", created_at=now())
                await store(here, public)
                await until(lambda: had(peer, public.id))
                last = await group.say(content="among members, still")
                await store(here, marker := make_event(key, content="the last", created_at=now()))
                await until(lambda: had(peer, marker.id))
                assert not peer.events.keys() & {before.id, after.id, last.id}


async def had(peer: FakePeer, event_id: str) -> bool:
    return event_id in peer.events


class Forging(FakePeer):
    """Signs nothing of what it gives."""

    async def give(self, connection: ServerConnection, name: str, event: Event) -> None:
        await super().give(connection, name, msgspec.structs.replace(event, sig="0" * 128))


async def test_what_a_peer_brings_has_an_author_with_that_peer_as_origin(tmp_path: Path) -> None:
    post = make_event(fresh_key(), 11, "text", tags=[["title", "from elsewhere"]], created_at=now())
    async with FakePeer([post]).serving() as peer:
        url = f"{peer.url}/inbox/{'x' * 300}"  # of which people are told the host
        with serving(tmp_path / "here", file=settings(tmp_path / "here.toml", url)) as here:

            async def shown() -> bool:
                async with httpx.AsyncClient(timeout=PATIENCE) as http:
                    posts = (await http.get(f"{here.http}/api/v1/posts?sort=new")).json()["posts"]
                    page = (await http.get(f"{here.http}/", headers={"accept": "text/html"})).text
                return bool(posts) and posts[0]["author"]["origin"] == url and f"via {peer.url[5:]}</span>" in page

            await until(shown)
        with closing(sqlite3.connect(here.data / "tidings.sqlite")) as database:
            assert database.execute("SELECT origin FROM posting_identities").fetchall() == [(url,)]


async def test_a_peer_up_is_offered_each_event_once_and_compared_with_after_that(tmp_path: Path) -> None:
    events = notes(fresh_key(), 700)
    async with FakePeer().serving() as peer:
        with serving(tmp_path / "here") as here:
            await store(here, *events)
            run("peer", "add", peer.url, "--allow-private", "--dir", "up", "--filter", '{"kinds":[1]}', server=here)

            async def compared() -> bool:
                return "NEG-CLOSE" in peer.verbs()

            await until(compared)
            await in_state(here, peer.url, "in step", sent=700, taken=700)
    verbs = peer.verbs()
    assert verbs.count("EVENT") == 700
    assert "EVENT" not in verbs[verbs.index("NEG-OPEN") :]


async def test_a_relay_that_was_killed_is_in_step_with_nobody(tmp_path: Path) -> None:
    async with FakePeer().serving() as peer:
        with serving(tmp_path / "here", file=settings(tmp_path / "here.toml", peer.url)) as here:
            await in_state(here, peer.url, "in step")
            here.kill()
            await in_state(here, peer.url, "stopped")


@pytest.mark.parametrize(
    "changes", [False, True], ids=["filters that bring the posts last", "filters that let them in later"]
)
async def test_comments_reach_a_peer_whatever_brings_their_posts(tmp_path: Path, changes: bool) -> None:
    key, at = fresh_key(), now() - 10_000
    post = make_event(key, 11, "text", [["title", "title"]], at)
    tags = [["E", post.id], ["K", "11"], ["P", key.pubkey], ["e", post.id], ["k", "11"], ["p", key.pubkey]]
    comments = [make_event(key, 1111, f"comment {n}", tags, at + n) for n in range(5)]
    provision, file = "identities.unbound=provision", tmp_path / "here.toml"
    with serving(tmp_path / "there", provision) as there:
        settings(file, more=SOON)
        with serving(tmp_path / "here", provision, file=file) as here:
            await store(here, post, *comments)
            settings(file, there.url)
            last = "{ kinds = [1111] }" if changes else "{ kinds = [1111] }, { kinds = [11] }"
            file.write_text(file.read_text() + f"filters = [{last}]\n")
            here.reload()
            await in_state(here, there.url, "in step")
            if changes:

                async def refused() -> bool:
                    return told(here)[there.url]["status"]["rejected"] == len(comments)  # type: ignore[index]

                await until(refused)
                settings(file, there.url)
                here.reload()

            async def arrived() -> bool:
                async with client(there) as asking:
                    return len(await asking.stored({"kinds": [11, 1111]})) == 1 + len(comments)

            await until(arrived)


async def test_what_a_key_wrote_while_it_was_unbound_comes_when_it_is_bound_again(tmp_path: Path) -> None:
    key = fresh_key()
    post = make_event(key, 11, "text", [["title", "title"]], now())
    with (
        serving(tmp_path / "there", "identities.unbound=provision") as there,
        serving(tmp_path / "here", file=settings(tmp_path / "here.toml", there.url)) as here,
    ):
        await in_state(here, there.url, "in step")
        agent = await registered(here)
        async with client(here) as writing:
            assert (await writing.publish(join(key, await code_of(here, agent))))[2] is True
            assert (await writing.publish(leave(key)))[2] is True
            await store(there, post)
            await in_state(here, there.url, "in step", refused=1)
            assert (await writing.publish(join(key, await code_of(here, agent))))[2] is True

        async def arrived() -> bool:
            return await ids(here, 11) == {post.id}

        await until(arrived)
