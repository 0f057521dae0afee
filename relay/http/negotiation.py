"""What a client wants back: the `Accept` header (RFC 9110), read once for every door of HTTP.

The three forms share their URLs: the NIP-11 document, JSON and HTML. No preference at all means HTML.
"""

import re
from typing import Final

from litestar.datastructures.headers import Accept

from relay.http.nip11 import MEDIA_TYPE

HTML: Final = "text/html"
JSON: Final = "application/json"
_LONGEST: Final = 1000  # characters of a header that are read; a browser sends about 150


def preferred(accept: str) -> str:
    """Of HTML, JSON and the NIP-11 type, the one this header asks for."""
    try:
        return Accept(accept[:_LONGEST]).best_match([HTML, JSON, MEDIA_TYPE], default=HTML)
    except OverflowError:  # a weight of infinity
        return HTML


def takes_gzip(accept_encoding: str) -> bool:
    """Whether this `Accept-Encoding` asks for gzip, by name and with a weight above 0; `*` is no wish of a browser's."""
    for each in accept_encoding[:_LONGEST].lower().split(","):
        name, *parameters = (part.strip() for part in each.split(";"))
        if name == "gzip":
            return not any(re.fullmatch(r"q=0(\.0*)?", parameter.replace(" ", "")) for parameter in parameters)
    return False
