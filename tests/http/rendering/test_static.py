"""Static files: types, caching, and nothing but what is there."""

import re
import subprocess

import pytest

from relay.http.negotiation import takes_gzip
from relay.http.rendering import static
from tests.e2e.harness import ROOT
from tests.e2e.node import JS, packages
from tests.http.hubs import Browser


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("style.css", "text/css; charset=utf-8"),
        ("copy.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
        ("favicon.ico", "image/x-icon"),
    ],
)
async def test_serves_each_file_with_its_type(name, media_type):
    async with Browser() as browser:
        answer = await browser.get(static.url(name))
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.content == static.ASSETS[name].content


async def test_a_file_linked_by_its_digest_is_kept_for_ever():
    async with Browser() as browser:
        linked = await browser.get(static.url("style.css"))
        bare = await browser.get("/static/style.css")
        stale = await browser.get("/static/style.css?v=0123456789abcdef")
    assert "immutable" in linked.headers["cache-control"]
    assert bare.headers["cache-control"] == stale.headers["cache-control"] == "no-cache"


async def test_a_browser_that_has_the_file_is_told_so():
    async with Browser() as browser:
        first = await browser.get("/static/style.css")
        again = await browser.get("/static/style.css", headers={"if-none-match": first.headers["etag"]})
        other = await browser.get("/static/style.css", headers={"if-none-match": '"other"'})
    assert (again.status_code, again.content) == (304, b"")
    assert other.status_code == 200


@pytest.mark.parametrize("name", ["style.css", "feed.js", "icon.svg"])
async def test_a_text_is_compressed_for_whoever_takes_that(name):
    async with Browser() as browser:
        plain = await browser.get(static.url(name), headers={"accept-encoding": "identity"})
        packed = await browser.get(static.url(name), headers={"accept-encoding": "br, gzip"})
        again = await browser.get(
            static.url(name), headers={"accept-encoding": "br, gzip", "if-none-match": packed.headers["etag"]}
        )
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content == static.ASSETS[name].content
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])
    assert plain.headers["etag"] != packed.headers["etag"]
    assert {"Accept", "Accept-Encoding"} <= set(packed.headers.get_list("vary"))
    assert (again.status_code, again.content) == (304, b"")
    assert "immutable" in packed.headers["cache-control"]


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5, br", True),
        ("gzip ; q=1.0", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("br", False),
        ("*", False),
        ("x-gzip", False),
        ("", False),
        (";,;", False),
        ("," * 100_000 + "gzip", False),
    ],
)
def test_gzip_is_sent_to_those_who_name_it(header, wanted):
    assert takes_gzip(header) is wanted


@pytest.mark.parametrize(
    "path",
    ["/static/none.css", "/static/", "/static/../templates/index.html", "/static/%2e%2e%2fapp.py", "/static/..%5c"],
)
async def test_there_is_nothing_else(path):
    async with Browser() as browser:
        assert (await browser.get(path)).status_code == 404


SCRIPTS = [name for name in static.ASSETS if name.endswith(".js")]


@pytest.mark.parametrize("name", SCRIPTS)
async def test_scripts_import_each_other_by_digest(name):
    async with Browser() as browser:
        script = (await browser.get(static.url(name))).text
        links = re.findall(r'(?:from|import|bring)\s*\(?\s*"\.([^"]+)"', script)
        given = r"script\)|`\$\{script\}"  # in act.js, which brings what it is asked for
        assert len(links) == len(re.findall(rf"^import\b|\b(?:import|bring)\((?!{given})", script, re.MULTILINE))
        for link in links:
            assert (await browser.get(f"/static{link}")).headers["cache-control"].endswith("immutable"), link


@pytest.mark.parametrize("name", SCRIPTS)
def test_of_a_script_all_is_sent_but_its_comments(name):
    code = ""
    for line in (static.WEB / "static" / name).read_text().splitlines(keepends=True):
        before, mark, words = line.partition(" // ")
        if line.lstrip().startswith("//"):
            assert code.count("`") % 2 == 0, f"{line!r} is in a text, not a comment"
        elif mark and before.rstrip()[-1] in ";{},)" and not re.search("[\"'`]", words):
            code += before.rstrip() + "\n"
            assert code.count("`") % 2 == before.count('"') % 2 == 0, f"{line!r} ends in a text, not in a comment"
        else:
            code += line
    assert re.sub(r"\?v=[0-9a-f]{16}", "", static.ASSETS[name].content.decode()) == code


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_a_script_imports_is_exported_there(name):
    script = static.ASSETS[name].content.decode()
    for names, other in re.findall(r'^(?:import|export) \{([^}]+)\} from "\./([\w.]+)', script, re.MULTILINE):
        given = static.ASSETS[other].content.decode()
        for each in (part.split(" as ")[0].strip() for part in names.split(",")):
            found = re.search(rf"^export (?:async )?(?:function|const|let|class) {each}\b", given, re.MULTILINE)
            assert found or re.search(rf"^export \{{[^}}]*\b{each}\b", given, re.MULTILINE), f"{other}: {each}"


@pytest.mark.parametrize(("name", "other"), [("feed.js", "wire.js"), ("account.js", "api.js")])
def test_a_page_may_fetch_all_the_scripts_it_needs_at_once(name, other):
    assert static.url(other) in static.modules(name)
    assert static.url("posting.js") not in static.modules(name)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_scripts_of_a_page_together_stay_light(name):
    loaded = {"site.js", name}
    loaded |= {need for script in loaded for need in static.ASSETS[script].needs}
    most, packed = (62_000, 26_000) if "messages.js" in loaded else (42_000, 16_000)
    assert sum(len(static.ASSETS[each].content) for each in loaded) < most
    assert sum(len(static.ASSETS[each].packed or static.ASSETS[each].content) for each in loaded) < packed


@pytest.mark.parametrize("path", ["/", "/relay", "/account", "/claim", "/docs", "/nothing"])
async def test_pages_link_only_files_that_are_there_and_hold_no_script_or_style_themselves(path):
    async with Browser() as browser:
        html = (await browser.get(path, headers={"accept": "text/html"})).text
        for link in re.findall(r'(?:src|href)="(/static/[^"]+)"', html):
            assert (await browser.get(link)).headers["cache-control"].endswith("immutable"), link
    assert "/static/style.css?v=" in html
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=\"/static/)", html)
    assert not re.search(r'(?:src|<link(?! rel="canonical")[^>]*href)="(?:https?:)?//', html)


def test_every_part_of_the_style_is_in_it_once():
    parts = sorted(path.stem for path in (static.WEB / "style").iterdir())
    assert sorted(static.STYLE) == parts
    for part in parts:
        assert (static.WEB / "style" / f"{part}.css").read_bytes() in static.ASSETS["style.css"].content


def test_scripts_use_no_name_that_is_not_there_and_import_none_in_vain():
    lint = [
        packages(),
        JS / "node_modules" / ".bin" / "eslint",
        "--config",
        JS / "eslint.config.mjs",
        "relay/web/static",
    ]
    found = subprocess.run(lint, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")
