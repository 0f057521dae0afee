"""One exchange with a hub that may be hostile: its answers are read as far as they may become large, and no further."""

import asyncio
import gzip
import socket
import ssl
import tracemalloc
import zlib
from typing import Any

import httpx
import pytest

from relay.certificates import trusted
from relay.client import Api
from relay.client.errors import ApiError, ClientError, Disconnected
from relay.client.http import MAX_ANSWER, Http


async def called(content: bytes, packed: str) -> Any:
    headers = {"content-encoding": packed}
    answer = httpx.MockTransport(lambda _: httpx.Response(200, stream=httpx.ByteStream(content), headers=headers))
    http = Http("https://hub.example", None, 5.0, answer)
    try:
        return await http.call("GET", "/posts", dict)
    finally:
        await http.close()


async def test_an_answer_may_come_packed() -> None:
    assert await called(gzip.compress(b'{"a":1}'), "gzip") == {"a": 1}
    assert await called(b'{"a":1}', "identity") == {"a": 1}


@pytest.mark.parametrize("packed", ["gzip, gzip", "deflate", "br", "zstd", "x"])
async def test_an_answer_that_is_packed_in_another_way_is_none(packed: str) -> None:
    content = zlib.compress(b"{}") if packed == "deflate" else gzip.compress(gzip.compress(b"{}"))
    with pytest.raises(ApiError, match="packed by"):
        await called(content, packed)
    with pytest.raises(ApiError, match="packed wrongly"):
        await called(b"{}", "gzip")


async def test_what_becomes_large_when_it_is_unpacked_does_not_become_so() -> None:
    packer = zlib.compressobj(9, wbits=31)
    content = b"".join(packer.compress(bytes(MAX_ANSWER)) for _ in range(12)) + packer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(ApiError, match="longer than"):
            await called(content, "gzip")
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_ANSWER
    finally:
        tracemalloc.stop()


async def test_a_hub_may_be_named_by_where_its_api_is() -> None:
    asked = []
    answer = httpx.MockTransport(lambda request: asked.append(str(request.url)) or httpx.Response(200, json={}))
    for url in (
        "https://hub.example",
        "https://hub.example/",
        "https://hub.example/api/v1",
        "https://hub.example/api/v1/",
    ):
        http = Http(url, None, 5.0, answer)
        await http.call("GET", "/posts", dict)
        await http.close()
    assert set(asked) == {"https://hub.example/api/v1/posts"}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:{gone}", "nobody listens there"),
        ("http://localhost:{gone}", "nobody listens there"),
        ("http://nowhere.invalid", "no host of this name is found"),
        ("https://127.0.0.1:{plain}", "speaks no TLS; it may be an http://"),
    ],
)
async def test_why_a_hub_is_not_reached_is_told_in_words(url: str, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        gone = once.getsockname()[1]
    plain = await asyncio.start_server(_no_tls, "127.0.0.1", 0)
    async with plain:
        http = Http(url.format(gone=gone, plain=plain.sockets[0].getsockname()[1]), None, 5.0, None)
        try:
            with pytest.raises(Disconnected, match=f"^cannot reach {http.url}: .*{words}"):
                await http.call("GET", "/posts", dict)
        finally:
            await http.close()


async def _no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()


def test_certificates_are_read_once_and_where_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[None] = []
    context = ssl.create_default_context()
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **_: read.append(None) or context)
    trusted.cache_clear()
    try:
        Api("http://hub.example")
        assert read == []
        Api("https://hub.example")
        Api("HTTPS://hub.example", "tdi_0")
        assert len(read) == 1
    finally:
        trusted.cache_clear()


def test_certificates_that_cannot_be_read_are_told_with_what_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
    trusted.cache_clear()
    words = "^SSL_CERT_FILE is '/no/such/file.pem', where no .*: name a PEM file .* or unset it$"
    with pytest.raises(ClientError, match=words):
        Api("https://hub.example")
