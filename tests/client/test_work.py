"""Work with a registration: found, shown, and no more of it than is sane."""

import hashlib
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.client import Api, ApiError
from relay.client.work import MAX_BITS, Work, find
from tests.e2e.harness import command, serving


@given(st.text(max_size=80), st.integers(0, 10))
def test_the_nonce_makes_the_hash_begin_with_zeros(prefix: str, bits: int) -> None:
    wanted = Work(prefix.encode("utf-8", "replace").decode(), bits)
    digest = hashlib.sha256(f"{wanted.prefix}{find(wanted)}".encode()).hexdigest()
    assert int(digest, 16) >> (256 - bits) == 0


async def test_the_client_and_the_command_do_the_work_that_a_hub_asks_for(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "identities.register_pow=10") as server:
        async with Api(server.http) as api:
            assert (await api.register("Worker")).name == "Worker"
            with pytest.raises(ApiError, match="zero bits") as refused:
                await api.register("other", nonce="wrong")
        assert refused.value.work is not None
        assert refused.value.work.bits == 10
        made = command("register", "another", "--hub", server.http, "--show-key")
        assert made.returncode == 0, made.stderr


@pytest.mark.parametrize("bits", [MAX_BITS + 1, -1, -(10**12)])
async def test_a_hub_that_asks_for_what_cannot_be_done_is_refused(bits: int) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        work = {"prefix": "x", "bits": bits}
        return httpx.Response(403, json={"success": False, "code": "pow", "error": "too much", "work": work})

    async with Api("https://hub.example", transport=httpx.MockTransport(answer)) as api:
        with pytest.raises(ApiError, match="too much"):
            await api.register("worker")
    assert len(asked) == 1
