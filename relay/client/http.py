"""One HTTP exchange with a hub: bounded, typed, its refusals as ApiError. The key goes into a header and nowhere else."""

import ssl
import zlib
from collections.abc import AsyncGenerator
from functools import lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from relay import certificates
from relay.client.errors import (
    HALF,
    MAX_WORDS,
    ApiError,
    BadKey,
    BadText,
    ClientError,
    Disconnected,
    TimedOut,
    unreached,
)
from relay.client.urls import check_hub, hub_root
from relay.client.work import Work
from relay.protocol import event as events

MAX_ANSWER: Final = 16 * 1024 * 1024  # bytes
PAGE: Final = 25  # of what a list has, unless it is said
SILENT: Final = 60.0  # seconds without a word after which a stream is taken for broken; a hub says something every 15
BASE: Final = "/api/v1"
MAX_IDEMPOTENCY_KEY: Final = 255  # characters
_GZIP: Final = 16 + zlib.MAX_WBITS

T = TypeVar("T")


class Refusal(msgspec.Struct, frozen=True):
    """The body of a refusal; what a proxy says in between is not in this shape."""

    code: str = ""
    error: str = ""
    hint: str | None = None
    retry_after_seconds: float | None = None
    event: dict[str, Any] | None = None
    work: Work | None = None


def is_key(text: str) -> bool:
    """Whether this can stand in a header as an API key."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


class Http:
    """The HTTP API at a base URL such as `https://hub.example`. Raises BadUrl and BadKey for what cannot be one.

    Raises ClientError where the certificates to trust cannot be read.
    """

    def __init__(self, url: str, key: str | None, timeout: float, transport: httpx.AsyncBaseTransport | None) -> None:
        check_hub(url)
        if key is not None and not is_key(key):
            # What is given may be a secret all the same: it is not repeated.
            raise BadKey("the API key is empty" if not key else "the API key holds what no key has")
        self.url = hub_root(url)
        headers = {"accept-encoding": "gzip"} | ({} if key is None else {"authorization": f"Bearer {key}"})
        trusted = _trusted() if self.url.lower().startswith("https:") else _nobody()
        self._client = httpx.AsyncClient(headers=headers, timeout=timeout, transport=transport, verify=trusted)

    async def call(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        body: object = None,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> T:
        """The answer to one request. Raises ApiError, BadText, Disconnected, TimedOut."""
        given = {name: value for name, value in (params or {}).items() if value is not None}
        try:
            content = None if body is None else msgspec.json.encode(body)
            sent = {"content-type": "application/json"} if content is not None else {}
            response, data = await self._exchange(
                method, f"{BASE}{path}", content=content, params=given, headers=sent | (headers or {})
            )
        except UnicodeEncodeError:
            raise BadText(HALF) from None
        return _decode(response, data, answer)

    async def text(self, path: str) -> str:
        """What stands at a path of the hub that is no part of the API. Raises ApiError, Disconnected, TimedOut."""
        _, data = await self._exchange("GET", path)
        return data.decode(errors="replace")

    async def _exchange(self, method: str, path: str, **given: Any) -> tuple[httpx.Response, bytes]:
        try:
            async with self._client.stream(method, f"{self.url}{path}", **given) as response:
                data = await _read(response)
        except httpx.TimeoutException:
            raise TimedOut(f"{self.url} gave no answer in time") from None
        except httpx.HTTPError as error:
            raise Disconnected(f"cannot reach {self.url}: {unreached(error)}") from error
        if not response.is_success:
            raise _refusal(response, data)
        return response, data

    async def stream(self, path: str, after: str | None) -> AsyncGenerator[bytes, None]:
        """What a stream of server-sent events sends, from after this id on. Raises ApiError, Disconnected, TimedOut."""
        headers = {"accept": "text/event-stream", "accept-encoding": "identity"}
        headers |= {} if after is None else {"last-event-id": after}
        timeout = httpx.Timeout(self._client.timeout.connect, read=SILENT)
        try:
            async with self._client.stream(
                "GET", f"{self.url}{BASE}{path}", headers=headers, timeout=timeout
            ) as response:
                if not response.is_success:
                    raise _refusal(response, await _read(response))
                if _packed(response):
                    raise ApiError(response.status_code, "unintelligible", "the hub's stream came packed")
                async for part in _raw(response):
                    yield part
        except httpx.TimeoutException:
            raise TimedOut(f"{self.url} is silent") from None
        except httpx.HTTPError as error:
            raise Disconnected(f"cannot reach {self.url}: {unreached(error)}") from error

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self._client.aclose()


def _trusted() -> ssl.SSLContext:
    try:
        return certificates.trusted()
    except certificates.BadCertificates as error:
        raise ClientError(str(error)) from None


@lru_cache(maxsize=1)
def _nobody() -> ssl.SSLContext:
    """For what is asked without TLS: it trusts no certificate."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _read(response: httpx.Response) -> bytes:
    """The body, unpacked by no more than MAX_ANSWER bytes: httpx unpacks whatever comes, however large it becomes."""
    unpacker = zlib.decompressobj(_GZIP) if _packed(response) else None
    data = bytearray()
    async for chunk in _raw(response):
        try:
            data += chunk if unpacker is None else unpacker.decompress(chunk, MAX_ANSWER + 1 - len(data))
        except zlib.error as error:
            raise ApiError(response.status_code, "unintelligible", f"the answer is packed wrongly: {error}") from None
        if len(data) > MAX_ANSWER:
            raise ApiError(response.status_code, "too_long", f"the answer is longer than {MAX_ANSWER} bytes")
    return bytes(data)


def _raw(response: httpx.Response) -> httpx.AsyncByteStream:
    """The body as it comes, still packed."""
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return response.stream


def _packed(response: httpx.Response) -> bool:
    """Whether it comes as gzip. Raises ApiError for any other way, which nobody asked for."""
    way: str = response.headers.get("content-encoding", "identity").strip().lower()
    if way not in ("identity", "gzip", ""):
        raise ApiError(response.status_code, "unintelligible", f"the answer is packed by {way[:MAX_WORDS]}")
    return way == "gzip"


def _refusal(response: httpx.Response, data: bytes) -> ApiError:
    try:
        refusal = msgspec.json.decode(data, type=Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        refusal = Refusal(response.reason_phrase, f"HTTP {response.status_code} {response.reason_phrase}")
    return ApiError(
        response.status_code,
        refusal.code[:MAX_WORDS],
        refusal.error[:MAX_WORDS],
        hint=refusal.hint and refusal.hint[:MAX_WORDS],
        retry_after=refusal.retry_after_seconds,
        unsigned=refusal.event,
        work=refusal.work,
    )


def _decode(response: httpx.Response, data: bytes, answer: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        said = events.describe(error, data)
        raise ApiError(response.status_code, "unintelligible", f"the hub's answer makes no sense: {said}") from None


def segment(text: str) -> str:
    """A text as one segment of a path. Raises BadText, and ApiError 404 for "", which would lead elsewhere."""
    if not text:
        raise ApiError(404, "not_found", "an empty name or id is nobody's")
    if text in (".", ".."):  # which would be taken for steps of the path
        return text.replace(".", "%2E")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise BadText(HALF) from None


def idempotent(key: str | None) -> dict[str, str]:
    """The header that makes a call count once, however often it is sent; none without a key. Raises BadText."""
    if key is not None and not (is_key(key) and len(key) <= MAX_IDEMPOTENCY_KEY):
        raise BadText(f"an idempotency key has 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters")
    return {} if key is None else {"idempotency-key": key}
