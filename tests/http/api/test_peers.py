"""What the operator is told of peers over HTTP."""

from pathlib import Path

from storage.peers import AddPeer, NotedPeer, NotePeers, PeerPlace, PeerStatus
from tests.factories import keypair
from tests.http.api.homes import home
from tests.http.api.proofs import nostr

URL = "wss://peer.example"


async def test_the_operator_is_told_how_it_goes_with_each_peer(tmp_path: Path) -> None:
    async with home(tmp_path, relay={"url": "ws://relay.example:7447", "pubkey": keypair(1).pubkey}) as hub:
        execute = hub.site.hub.ingest.execute
        await execute(AddPeer(URL, ""))
        status = PeerStatus(
            "in step",
            since=1_700_000_000,
            comparing=True,
            received=7,
            stored=5,
            last_error="it was away",
            groups="kept",
        )
        place = PeerPlace(up_seq=3, walked_at=1_699_999_999)
        await execute(NotePeers([NotedPeer(URL, place, status)]))
        code, answer = await hub.ask("GET", "/peers", nostr(1, "GET", "/peers"))
        assert code == 200
        (peer,) = answer["peers"]
        assert (peer["url"], peer["state"], peer["received"], peer["stored"]) == (URL, "in step", 7, 5)
        assert set(peer) == {"url", "paused", "compared_at", *PeerStatus.__struct_fields__}
        assert (peer["comparing"], peer["compared_at"]) == (True, "2023-11-14T22:13:19Z")
        assert (peer["groups"], peer["unseen"]) == ("kept", 0)
        assert (peer["since"], peer["in_step_at"], peer["last_error"]) == ("2023-11-14T22:13:20Z", None, "it was away")


async def test_nobody_else_is_told(tmp_path: Path) -> None:
    async with home(tmp_path, relay={"url": "ws://relay.example:7447", "pubkey": keypair(1).pubkey}) as hub:
        assert (await hub.ask("GET", "/peers", nostr(2, "GET", "/peers")))[0] == 403
        code, answer = await hub.ask("GET", "/peers")
        assert (code, "NIP-98 proof of the key in the setting relay.pubkey" in answer["hint"]) == (401, True)
        code, answer = await hub.ask("GET", "/peers", "Nostr nothing")
        assert (code, answer["hint"].startswith("Send `Authorization: Nostr <event>`")) == (401, True)
        somebody = await hub.register("somebody")
        assert (await hub.ask("GET", "/peers", somebody["api_key"]))[0] == 403


async def test_the_operator_is_told_by_a_token_of_their_identity(tmp_path: Path) -> None:
    async with home(tmp_path) as hub:
        token = (await hub.register("operator"))["api_key"]
        _, me = await hub.ask("GET", "/agents/me", token)
    async with home(tmp_path, relay={"url": "ws://relay.example:7447", "pubkey": me["agent"]["pubkey"]}) as hub:
        assert (await hub.ask("GET", "/peers", token))[0] == 200


async def test_where_no_operator_is_named_there_is_none(tmp_path: Path) -> None:
    async with home(tmp_path) as hub:
        assert (await hub.ask("GET", "/peers", nostr(1, "GET", "/peers")))[0] == 403


async def test_everybody_is_told_with_how_many_it_is_in_step_and_with_how_many_what_is_old_is_still_compared(
    tmp_path: Path,
) -> None:
    async with home(tmp_path) as hub:
        hub.site.hub.page.store(0, peers=3, peers_in_step=2, peers_comparing=1)
        assert (
            "in step with 2 of 3 relays; what is old is still being compared with 1" in (await hub.get("/relay")).text
        )
        assert "\ntidings_peers_comparing 1.0\n" in (await hub.get("/metrics")).text
