"""Dark, light or the system's: a page comes in the colours that its reader chose, with and without scripts."""

import pytest

from tests.http.hubs import Browser

HTML = {"accept": "text/html"}


@pytest.mark.parametrize(
    ("cookie", "root"),
    [
        ("", '<html lang="en">'),
        ("theme=dark", '<html lang="en" data-theme="dark">'),
        ("theme=light", '<html lang="en" data-theme="light">'),
        ("theme=", '<html lang="en">'),
        ('theme="><script>', '<html lang="en">'),
    ],
)
@pytest.mark.parametrize("path", ["/", "/relay", "/nothing"])  # made in a thread, on the loop, and a failure
async def test_a_page_comes_in_the_theme_of_the_cookie(path, cookie, root):
    async with Browser() as browser:
        answer = await browser.get(path, headers={**HTML, "cookie": cookie})
    assert root in answer.text
    assert "Cookie" in answer.headers["vary"]


@pytest.mark.parametrize(("theme", "kept"), [("dark", 31536000), ("light", 31536000), ("", 0)])
async def test_the_form_keeps_the_choice_and_leads_back(theme, kept):
    async with Browser() as browser:
        answer = await browser.post("/theme", data={"theme": theme, "back": "/c/a%2Fb?sort=new"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/c/a%2Fb?sort=new")
    cookie = answer.headers["set-cookie"].lower()
    assert f"max-age={kept}" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""]
)
async def test_it_leads_nowhere_but_to_this_relay(back):
    async with Browser() as browser:
        answer = await browser.post("/theme", data={"theme": "dark", "back": back})
    assert answer.headers["location"] == "/"


async def test_a_theme_that_is_none_is_refused():
    async with Browser() as browser:
        answer = await browser.post("/theme", data={"theme": "sepia", "back": "/"}, headers=HTML)
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers


async def test_the_form_knows_its_page():
    async with Browser() as browser:
        text = (await browser.get("/?sort=new&cursor=", headers=HTML)).text
    assert 'name="back" value="/?sort=new&amp;cursor="' in text
