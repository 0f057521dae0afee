import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.roles.page import SharedPage
from relay.server.limits import rates
from relay.server.limits.addresses import client_address, networks
from relay.server.limits.rates import Buckets, OpenConnections

TRUSTED = networks(["10.0.0.0/8", "fd00::/8"])


def test_the_address_is_the_peers_own() -> None:
    assert client_address("203.0.113.9", [], TRUSTED) == "203.0.113.9"


def test_a_header_from_a_stranger_is_not_believed() -> None:
    assert client_address("203.0.113.9", ["198.51.100.1"], TRUSTED) == "203.0.113.9"
    assert client_address("10.0.0.1", ["198.51.100.1"], ()) == "10.0.0.1"


def test_a_trusted_proxy_names_the_client() -> None:
    assert client_address("10.0.0.1", ["198.51.100.1"], TRUSTED) == "198.51.100.1"


def test_what_the_client_itself_wrote_into_the_header_is_not_believed() -> None:
    assert client_address("10.0.0.1", ["1.2.3.4, 198.51.100.1"], TRUSTED) == "198.51.100.1"
    assert client_address("10.0.0.1", ["1.2.3.4", "198.51.100.1"], TRUSTED) == "198.51.100.1"


def test_trusted_proxies_are_passed_over_from_the_right() -> None:
    assert client_address("10.0.0.1", ["1.2.3.4, 198.51.100.1, 10.9.9.9,10.8.8.8"], TRUSTED) == "198.51.100.1"


@pytest.mark.parametrize("junk", ["", "unknown", "<script>", "999.1.1.1", "1.2.3.4:99", "\x00", "a" * 5000])
def test_a_hop_that_is_no_address_ends_the_search_at_the_proxy(junk: str) -> None:
    assert client_address("10.0.0.1", ["1.2.3.4", junk], TRUSTED) == "10.0.0.1"


def test_a_chain_of_proxies_alone_gives_the_leftmost() -> None:
    assert client_address("10.0.0.1", ["10.0.0.3, 10.0.0.2"], TRUSTED) == "10.0.0.3"


def test_ipv6_addresses_count_by_their_64() -> None:
    first = client_address("2001:db8:1:2::1", [], ())
    assert first == client_address("2001:db8:1:2:ffff:ffff:ffff:ffff", [], ())
    assert first != client_address("2001:db8:1:3::1", [], ())


def test_an_ipv4_address_inside_ipv6_counts_as_ipv4() -> None:
    assert client_address("::ffff:203.0.113.9", [], ()) == "203.0.113.9"
    assert client_address("fd00::1", ["::ffff:203.0.113.9"], TRUSTED) == "203.0.113.9"


def test_a_proxy_is_trusted_under_its_ipv6_spelling_too() -> None:
    assert client_address("::ffff:10.0.0.1", ["198.51.100.1"], TRUSTED) == "198.51.100.1"


def test_a_peer_without_an_address_is_one_client() -> None:
    assert client_address("local", ["198.51.100.1"], TRUSTED) == "local"


@given(st.text(max_size=50), st.lists(st.text(max_size=50), max_size=4))
def test_no_header_makes_the_search_fail(peer: str, forwarded: list[str]) -> None:
    assert isinstance(client_address(peer, forwarded, TRUSTED), str)
    assert isinstance(client_address("10.0.0.1", forwarded, TRUSTED), str)


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    buckets = Buckets()
    assert [buckets.take("a", 2.0, 3.0, 0.0) for _ in range(7)] == [True] * 6 + [False]
    assert [buckets.take("a", 2.0, 3.0, 1.0) for _ in range(3)] == [True, True, False]
    assert [buckets.take("a", 2.0, 3.0, 1000.0) for _ in range(7)] == [True] * 6 + [False]


def test_a_bucket_tells_what_is_left_without_taking_it() -> None:
    buckets = Buckets()
    assert buckets.left("a", 2.0, 3.0, 0.0) == 6.0
    buckets.take("a", 2.0, 3.0, 0.0)
    assert [buckets.left("a", 2.0, 3.0, now) for now in (0.0, 0.0, 0.25, 99.0)] == [5.0, 5.0, 5.5, 6.0]


def test_buckets_do_not_share_tokens() -> None:
    buckets = Buckets()
    assert buckets.take("a", 1.0, 1.0, 0.0)
    assert not buckets.take("a", 1.0, 1.0, 0.0)
    assert buckets.take("b", 1.0, 1.0, 0.0)


def test_a_slow_rate_still_allows_one() -> None:
    buckets = Buckets()
    assert buckets.take("a", 0.01, 1.0, 0.0)
    assert not buckets.take("a", 0.01, 1.0, 50.0)
    assert buckets.take("a", 0.01, 1.0, 101.0)


def test_a_rate_of_nothing_is_no_limit_and_keeps_nothing() -> None:
    buckets = Buckets()
    assert all(buckets.take(str(number), 0.0, 1.0, 0.0) for number in range(100))
    assert not buckets._levels


def test_the_table_of_buckets_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_BUCKETS", 10)
    buckets = Buckets()
    for number in range(200):
        assert buckets.take(f"visitor {number}", 1.0, 1.0, 0.0)
        assert len(buckets._levels) <= 10


def test_full_buckets_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_BUCKETS", 10)
    buckets = Buckets()
    for number in range(5):
        buckets.take(f"early {number}", 1.0, 1.0, 0.0)
    for number in range(5):
        buckets.take(f"late {number}", 1.0, 1.0, 10.0)
    buckets.take("one too many", 1.0, 1.0, 10.5)
    assert not any(buckets.take(f"late {number}", 1.0, 1.0, 10.5) for number in range(5))


def test_a_flood_of_names_clears_the_table_only_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_BUCKETS", 100)
    clearings = 0
    forget = Buckets._forget

    def counted(self: Buckets, full: float, rate: float, now: float) -> None:
        nonlocal clearings
        clearings += 1
        forget(self, full, rate, now)

    monkeypatch.setattr(Buckets, "_forget", counted)
    buckets = Buckets()
    for number in range(2000):  # each is full again after 99 others: nearly all of a full table must be kept
        buckets.take(f"visitor {number}", 1.0, 1.0, number / 99)
    assert clearings <= 2000 / 50


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), max_size=60), st.integers(1, 5), st.integers(1, 4)
)
def test_over_any_time_a_bucket_gives_at_most_burst_plus_rate(
    arrivals: list[tuple[str, int]], rate: int, burst: int
) -> None:
    buckets = Buckets()
    taken: dict[str, list[int]] = {}
    for name, when in sorted(arrivals, key=lambda item: item[1]):
        if buckets.take(name, float(rate), float(burst), float(when)):
            taken.setdefault(name, []).append(when)
    for times in taken.values():
        for start in range(len(times)):
            for end in range(start, len(times)):
                assert end - start + 1 <= rate * burst + rate * (times[end] - times[start])


def two_fronts(counter: str = "connections") -> tuple[OpenConnections, OpenConnections]:
    page = SharedPage(("front1", "front2", "writer"), fronts=2, addresses=100)
    return OpenConnections(page, 0, counter), OpenConnections(page, 1, counter)


def test_connections_are_counted_by_address_and_in_all_at_all_fronts() -> None:
    here, there = two_fronts()
    assert here.enter("a", 2, 3) is None
    assert there.enter("a", 2, 3) is None
    assert "your address has 2 connections" in (here.enter("a", 2, 3) or "")
    assert here.enter("b", 2, 3) is None
    assert "this relay holds 3" in (there.enter("c", 2, 3) or "")
    there.leave("a")
    assert there.enter("c", 2, 3) is None
    assert here.total == there.total == 3


def test_http_and_websockets_count_together_by_address_and_apart_in_all() -> None:
    page = SharedPage(("front", "writer"), fronts=1, addresses=100)
    http, websockets = OpenConnections(page, 0, "http"), OpenConnections(page, 0, "connections")
    assert http.enter("a", 2, 1) is None
    assert websockets.enter("a", 2, 1) is None
    assert "your address" in (http.enter("a", 2, 0) or "")
    assert "no room" in (http.enter("b", 2, 1) or "")
    assert (websockets.total, http.total) == (1, 1)
    http.leave("a")  # an upgrade
    assert "no room" in (websockets.enter("a", 2, 1) or "")
    assert http.enter("b", 2, 1) is None


def test_streams_count_by_themselves() -> None:
    page = SharedPage(("front", "writer"), fronts=1, addresses=100)
    streams, websockets = OpenConnections(page, 0, "streams", "stream "), OpenConnections(page, 0, "connections")
    assert websockets.enter("a", 1, 0) is None
    assert streams.enter("a", 1, 0) is None
    assert "your address" in (streams.enter("a", 1, 0) or "")


def test_no_limit_on_connections_is_zero() -> None:
    here, _ = two_fronts()
    assert all(here.enter("a", 0, 0) is None for _ in range(1000))


def test_an_address_that_left_takes_no_room() -> None:
    here, _ = two_fronts()
    for number in range(5000):
        assert here.enter(str(number), 1, 0) is None
        here.leave(str(number))
    assert here.total == 0


def test_more_addresses_than_there_is_room_for_are_refused_and_not_counted() -> None:
    here = OpenConnections(SharedPage(("front", "writer"), fronts=1, addresses=1), 0, "connections")
    refusals = [here.enter(str(number), 0, 0) for number in range(500)]
    assert 0 < refusals.count(None) < 500
    assert here.total == refusals.count(None)


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from("abc"), st.booleans()), max_size=100))
def test_no_order_of_coming_and_going_exceeds_a_limit_and_all_ends_at_zero(
    steps: list[tuple[int, str, bool]],
) -> None:
    fronts = two_fronts()
    open_ones: list[tuple[int, str]] = []
    for front, address, comes in steps:
        if comes:
            of_it = sum(1 for _, other in open_ones if other == address)
            refusal = fronts[front].enter(address, 2, 4)
            assert (refusal is None) is (of_it < 2 and len(open_ones) < 4)
            open_ones += [(front, address)] if refusal is None else []
        elif (front, address) in open_ones:
            open_ones.remove((front, address))
            fronts[front].leave(address)
        assert fronts[0].total == fronts[1].total == len(open_ones)
    for front, address in open_ones:
        fronts[front].leave(address)
    assert fronts[0].total == 0
    assert all(fronts[1].enter(address, 1, 0) is None for address in "abc")


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("for=203.0.113.9;proto=https", "203.0.113.9"),
        ('For="203.0.113.9:4711"', "203.0.113.9"),
        ('host=x;for="[2001:db8:1:2::9]:4711"', "2001:db8:1:2::"),
        ("for=203.0.113.1, for=10.1.2.3", "203.0.113.1"),
        ("for=_hidden", "10.0.0.1"),
        ("for=unknown", "10.0.0.1"),
        ("proto=https", "10.0.0.1"),
    ],
)
def test_the_header_of_rfc_7239_tells_the_address_too(forwarded: str, address: str) -> None:
    assert client_address("10.0.0.1", [forwarded], TRUSTED) == address


def test_the_networks_of_proxies_are_read_once_though_every_request_asks_for_them():
    assert networks(["192.0.2.0/24"]) is networks(["192.0.2.0/24"])
