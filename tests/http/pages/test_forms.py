"""Forms of the pages: what a script sends is safe before the script is there."""

import re

import pytest

from relay.http.rendering import static
from relay.http.routes import ROUTES

PLACES = {path for route in ROUTES for path in route.paths if "POST" in route.http_methods}
FORMS = [
    pytest.param(form, id=f"{template.name}-{number}")
    for template in sorted((static.WEB / "templates").glob("*.html"))
    for number, form in enumerate(re.findall(r"<form\b.*", template.read_text()))
]


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_a_script_sends_does_nothing_without_it(form):
    """By GET, what stands in it would go into an address, API keys included; `dialog` outside of one leaves all as it is."""
    kind, place = (re.search(rf'{name}="([^"]*)"', form) for name in ("method", "action"))
    if kind is None:
        assert 'role="search"' in form  # its address is what is searched for
    elif kind[1] == "post":
        assert place is not None
        assert place[1] in PLACES
    else:
        assert (kind[1], place) == ("dialog", None)
