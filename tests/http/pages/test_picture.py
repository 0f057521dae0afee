"""A picture from elsewhere: in a frame, over https, and with a policy of its own."""

import pytest

from tests.http.hubs import Browser

FRAMED = {"accept": "text/html", "sec-fetch-dest": "iframe"}


async def test_a_frame_shows_one_picture_and_lets_nothing_else_in() -> None:
    async with Browser() as browser:
        params = {"u": "https://e.example/a.png?b=1&c=2", "words": 'A "chart"\u202e'}
        answer = await browser.get("/picture", params=params, headers=FRAMED)
    assert answer.status_code == 200
    (policy,) = answer.headers.get_list("content-security-policy")
    assert "default-src 'none'; img-src https:; style-src 'self';" in policy
    assert "sandbox allow-popups" in policy
    assert "script" not in policy
    assert (
        '<img src="https://e.example/a.png?b=1&amp;c=2" alt="A &#34;chart&#34;" data-host="e.example" referrerpolicy="no-referrer">'
        in answer.text
    )


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("https://e.example/a.png", {"sec-fetch-dest": "document"}),
        ("https://e.example/a.png", {}),
        ("http://e.example/a.png", FRAMED),
        ("javascript:alert(1)", FRAMED),
        ("https://a@e.example/", FRAMED),
        ("", FRAMED),
    ],
)
async def test_it_is_no_page_and_shows_nothing_else(address: str, headers: dict[str, str]) -> None:
    async with Browser() as browser:
        answer = await browser.get("/picture", params={"u": address}, headers={"accept": "text/html"} | headers)
    assert answer.status_code == 404
    assert "e.example" not in answer.text
