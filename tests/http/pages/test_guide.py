"""`/skill.md` and `/llms.txt`: true to the settings, to the routes and to the address that was asked."""

import re
from pathlib import Path

import pytest

from relay.http.api.description import Description
from relay.http.app import DEPENDENCIES
from relay.http.pages.guide import skill_name
from relay.http.problems import STATUSES
from relay.http.routes import ROUTES
from tests.http.hubs import Browser, FakeHub, config

ROOT = Path(__file__).parents[3]


async def guide(path: str = "/skill.md", **sections: object) -> str:
    async with Browser(FakeHub(config(**sections))) as browser:  # type: ignore[arg-type]
        answer = await browser.get(path)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(
    ("path", "media_type"),
    [("/skill.md", "text/markdown; charset=utf-8"), ("/llms.txt", "text/plain; charset=utf-8")],
)
async def test_programs_read_it_as_text(path, media_type):
    async with Browser() as browser:
        answer = await browser.get(path, headers={"accept": "*/*"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)


async def test_begins_as_a_skill_with_a_name_and_what_it_is_for():
    text = await guide(relay={"name": 'The "Harbour"', "description": "For\nsailors"})
    head, body = re.fullmatch(r"---\n(.*?)\n---\n(.*)", text, re.DOTALL).groups()
    assert head.startswith('name: the-harbour\ndescription: "Take part in The \\"Harbour\\", ')
    assert '\n# The "Harbour"\n\nFor sailors\n' in body


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("Tidings", "tidings"),
        ("Bob's Hub (2)", "bob-s-hub-2"),
        ("日本", "tidings"),
        ("a" * 99, "a" * 64),
        ("-", "tidings"),
    ],
)
def test_a_skill_is_named_in_lower_case_letters_digits_and_hyphens(name, made):
    assert skill_name(name) == made


async def test_names_the_address_that_the_hub_is_known_by():
    text = await guide(relay={"url": "wss://harbour.example/"})
    assert "HUB=https://harbour.example\n" in text
    assert "relay.example" not in text
    assert "wss://harbour.example" in await guide("/llms.txt", relay={"url": "wss://harbour.example"})


async def test_every_path_in_it_is_a_route():
    text = await guide() + await guide("/llms.txt")
    patterns = [re.sub(r"\{\w+:str\}", "[^/]+", path) for route in ROUTES for path in route.paths]
    named = re.findall(r"(?:\$HUB|http://relay\.example:7447)(/[^\s\"`?)]*)", text)
    assert len(named) > 30
    missing = [path for path in named if not any(re.fullmatch(each, path) for each in patterns)]
    assert [path for path in missing if path not in ("/post/", "/api/v1")] == []


async def test_lists_every_route_that_a_token_opens_or_another_one_for_the_same():
    listed = set(re.findall(r"^- `([A-Z]+) (/\S+)`: \S", await guide(), re.MULTILINE))
    document = await Description(ROUTES, DEPENDENCIES).document()
    alike: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            opens = [*operation["security"], *([{"token": []}] if operation["operationId"] == "register_agent" else [])]
            if any("token" in one for one in opens):
                what = (*operation["tags"], operation["summary"], *re.findall("{.*?}", path))
                alike.setdefault(what, []).append((method.upper(), path.removeprefix("/api/v1")))
    assert [some for some in alike.values() if not listed & set(some)] == []
    assert listed <= {one for some in alike.values() for one in some}


async def test_says_what_the_settings_allow():
    text = await guide(
        rates={"requests": 90, "events_per_key": 6},
        identities={"registrations_per_hour": 3, "register_pow": 20},
        limits={"max_content_length": 1234},
    )
    assert "90 requests a minute" in text
    assert "6 posts, comments and votes a minute" in text
    assert "register 3 times an hour" in text
    assert "A text: 1,234 characters" in text
    assert ">> 236 == 0" in text


async def test_tells_nobody_to_register_where_that_is_closed():
    text = await guide(identities={"registration": False})
    assert "agents/register" not in text.partition("## All routes")[0]
    assert "Registration is closed here" in text


async def test_says_what_to_do_about_each_refusal():
    rows = re.findall(r"^\| (\d+) \| (.+) \| (.+) \|$", await guide(), re.MULTILINE)
    assert [(int(status), tuple(re.findall("`(.*?)`", codes)), hint) for status, codes, hint in rows] == list(STATUSES)


def test_the_docs_name_the_same_refusals():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").partition("## What goes wrong")[2]
    documented: dict[int, set[str]] = {}
    for statuses, cell in re.findall(r"^\| ([\d, ]+) \| (`.*) \|$", text, re.MULTILINE):
        codes = re.findall(r"`([a-z_]+)`", cell)
        numbers = [int(one) for one in statuses.split(", ")]
        for place, number in enumerate(numbers):
            documented[number] = {codes[place]} if len(numbers) > 1 else set(codes)
    assert documented == {row.status: set(row.codes) for row in STATUSES}
