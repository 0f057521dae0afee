"""Behind nginx and Caddy, with the settings and the blocks of docs/operating.md and without `relay.url`."""

import base64
import contextlib
import datetime
import hashlib
import json
import re
import shutil
import ssl
import subprocess
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from relay.protocol import kinds
from relay.protocol.event import wire
from tests.e2e.harness import PATIENCE, ROOT, Server, client, free_port, fresh_key, now, serving
from tests.factories import Keypair, make_event

NAME = "relay.example.org"  # as the page has it
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")


def block(language: str, holding: str) -> str:
    """The block of the page in this language that holds these words."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```$", OPERATING, re.MULTILINE | re.DOTALL)
    (text,) = [each for each in found if holding in each]
    return textwrap.dedent(text)


def changed(text: str, places: dict[str, str]) -> str:
    """The block with its places changed; each must be in it."""
    for old, new in places.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


class Site:
    """The relay as the world sees it: a name, TLS, and a proxy in between."""

    def __init__(self, port: int, certificate: Path) -> None:
        self.port = port
        self.url = f"wss://{NAME}:{port}"
        self.base = f"https://{NAME}:{port}"
        self.trust = ssl.create_default_context(cafile=str(certificate))

    def ask(self, method: str, path: str, *, host: str = "", **options: Any) -> httpx.Response:
        headers = {"host": host or f"{NAME}:{self.port}"} | options.pop("headers", {})
        with httpx.Client(verify=self.trust, timeout=PATIENCE) as asking:
            return asking.request(
                method,
                f"https://127.0.0.1:{self.port}{path}",
                headers=headers,
                extensions={"sni_hostname": NAME},
                **options,
            )

    def options(self) -> dict[str, Any]:
        """What `connect` needs to find the name here."""
        return {"host": "127.0.0.1", "port": self.port, "ssl": self.trust}


def certify(place: Path) -> tuple[Path, Path]:
    """A certificate that the name signed itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = place / "site.pem", place / "site.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def nginx(place: Path, server: Server, port: int, files: tuple[Path, Path]) -> list[str]:
    """The command that serves the page's nginx block here."""
    places = {
        "443 ssl": f"127.0.0.1:{port} ssl",
        f"/etc/ssl/certs/{NAME}.pem": str(files[0]),
        f"/etc/ssl/private/{NAME}.key": str(files[1]),
        "127.0.0.1:7447": f"127.0.0.1:{server.port}",
    }
    site = changed(block("nginx", "server_name"), places)
    paths = "".join(
        f"{name}_temp_path {place}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = place / "nginx.conf"
    file.write_text(
        f"daemon off;\nmaster_process off;\npid {place}/nginx.pid;\nerror_log {place}/nginx.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}{site}}}\n"
    )
    return ["nginx", "-p", str(place), "-e", f"{place}/nginx.log", "-c", str(file)]


def caddy(place: Path, server: Server, port: int, files: tuple[Path, Path]) -> list[str]:
    """The command that serves the page's Caddy block here, with our certificate in place of one from the internet."""
    places = {
        f"{NAME} {{": f"{NAME}:{port} {{\n    bind 127.0.0.1\n    tls {files[0]} {files[1]}",
        "127.0.0.1:7447": f"127.0.0.1:{server.port}",
    }
    site = changed(block("caddyfile", "reverse_proxy"), places)
    file = place / "Caddyfile"
    file.write_text(
        f"{{\n    admin off\n    auto_https disable_redirects\n    storage file_system {place}/storage\n}}\n{site}"
    )
    return ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"]


PROXIES = {"nginx": nginx, "caddy": caddy}


@pytest.fixture(scope="module", params=sorted(PROXIES))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    program: str = request.param
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not here; .ci/run installs it where the system has it")
    place = tmp_path_factory.mktemp(program)
    settings = place / "tidings.toml"
    settings.write_text(block("toml", "trusted_proxies").replace("127.0.0.1:7447", "127.0.0.1:0"))
    files, port = certify(place), free_port()
    with serving(place / "data", file=settings) as server, (place / "proxy.log").open("wb") as log:
        command = PROXIES[program](place, server, port, files)
        home = {"HOME": str(place), "PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"}
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=place, env=home)
        found = Site(port, files[0])
        try:
            until_answered(found, process, place / "proxy.log")
            yield found
        finally:
            process.terminate()
            process.wait(PATIENCE)


def until_answered(site: Site, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(httpx.TransportError):
            assert site.ask("GET", "/health").status_code == 200
            return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)


def header(key: Keypair, method: str, url: str, body: bytes | None = None) -> str:
    """A NIP-98 proof; without a body's payload where none is given."""
    tags = [["u", url], ["method", method]]
    if body is not None:
        tags.append(["payload", hashlib.sha256(body).hexdigest()])
    event = make_event(key, kinds.HTTP_AUTH, tags=tags, created_at=now())
    return "Nostr " + base64.b64encode(wire(event)).decode()


def test_pages_and_links_have_the_public_name(site: Site) -> None:
    page = site.ask("GET", "/relay", headers={"accept": "text/html"}).text
    assert site.url in page
    assert "127.0.0.1" not in page
    made = site.ask("POST", "/api/v1/agents/register", json={"name": "linked"}).json()["agent"]
    assert made["claim_url"].startswith(f"{site.base}/claim#")
    assert made["profile_url"] == f"{site.base}/u/linked"
    found = site.ask("GET", "/.well-known/nostr.json?name=linked").json()
    assert list(found["relays"].values()) == [[site.url]]


async def test_authentication_names_the_public_url(site: Site) -> None:
    key = fresh_key()
    async with client(site.url, **site.options()) as one:
        await one.authenticate(key)
        await one.store(make_event(key, content="protected", tags=[["-"]], created_at=now()))


async def test_a_request_to_vanish_names_the_public_url(site: Site) -> None:
    for by_http in (False, True):
        key = fresh_key()
        note = make_event(key, created_at=now() - 1)
        gone = make_event(key, kinds.VANISH, tags=[["relay", f"{site.url}/"]], created_at=now())
        elsewhere = make_event(key, kinds.VANISH, tags=[["relay", "wss://elsewhere.example"]], created_at=now())
        async with client(site.url, **site.options()) as one:
            await one.store(note)
            assert site.url in await one.refused(elsewhere)
            if by_http:
                answer = site.ask("POST", "/api/v1/events", json=msgspec.structs.asdict(gone))
                assert answer.status_code == 201, answer.text
            else:
                await one.store(gone)
            assert await one.stored({"ids": [note.id]}) == []


def test_http_proofs_name_the_public_url_and_may_leave_the_payload_out(site: Site) -> None:
    path, body, key = "/api/v1/users/me", json.dumps({"name": "Ann"}).encode(), fresh_key()
    given = {"content-type": "application/json"}
    for proven in (header(key, "PATCH", site.base + path, body), header(key, "PATCH", site.base + path + "#")):
        answer = site.ask("PATCH", path, content=body, headers=given | {"authorization": proven})
        assert answer.status_code == 200, answer.text
    wrong = header(key, "PATCH", site.base + path, b"another")
    assert site.ask("PATCH", path, content=body, headers=given | {"authorization": wrong}).status_code == 401
    other = header(key, "GET", f"https://evil.example{path}")
    assert site.ask("GET", path, headers={"authorization": other}).status_code == 401


def test_nobody_can_give_it_another_name(site: Site) -> None:
    path = "/api/v1/users/me"
    proven = header(fresh_key(), "GET", f"https://evil.example{path}")
    lies = {
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "https",
        "forwarded": "host=evil.example;proto=https",
        "authorization": proven,
    }
    assert site.ask("GET", path, headers=lies).status_code == 401
    with contextlib.suppress(httpx.TransportError):
        answer = site.ask("GET", path, host="evil.example", headers={"authorization": proven})
        assert answer.status_code != 200 or "evil.example" not in answer.text


async def test_an_open_stream_is_passed_on_as_things_happen(site: Site) -> None:
    made = site.ask("POST", "/api/v1/agents/register", json={"name": "streamer"}).json()["agent"]
    async with httpx.AsyncClient(verify=site.trust, timeout=PATIENCE) as asking:
        request = asking.build_request(
            "GET",
            f"https://127.0.0.1:{site.port}/api/v1/stream",
            headers={"host": f"{NAME}:{site.port}"},
            extensions={"sni_hostname": NAME},
        )
        answer = await asking.send(request, stream=True)
        lines = answer.aiter_lines()
        await anext(lines)
        title = f"Streamed {time.monotonic_ns()}"
        posted = site.ask(
            "POST",
            "/api/v1/posts",
            json={"title": title},
            headers={"authorization": f"Bearer {made['api_key']}"},
        )
        assert posted.status_code == 201, posted.text
        async for line in lines:
            if title in line:
                break
        await answer.aclose()
