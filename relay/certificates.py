"""Whose certificates are trusted by the TLS connections that this side begins over HTTP."""

import os
import ssl
from functools import lru_cache
from typing import Final

import httpx

NAMED_BY: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")  # variables of the environment, the first that is set counts


class BadCertificates(OSError):
    """Those that the environment names cannot be read; the text says what to do."""


@lru_cache(maxsize=1)
def trusted() -> ssl.SSLContext:
    """The TLS context that trusts those which the environment names, else those of the package certifi.

    It is made once, as that takes longer than a request. Raises BadCertificates.
    """
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        name = next((name for name in NAMED_BY if os.environ.get(name)), "")
        if not name:
            raise
        why = error.strerror or str(error)
        raise BadCertificates(
            f"{name} is {os.environ[name]!r}, where no certificates can be read ({why}): name a PEM file of the authorities to"
            " trust, or unset it"
        ) from None
