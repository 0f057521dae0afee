"""The Python client on the command line: one conversation a verb, its errors in one line, its reports made printable."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from relay.client import ApiError, BadKey, BadText, BadUrl, ClientError, Refused
from relay.commands.common import Complaint, Misuse, printable, say
from relay.commands.credentials import KEY_VARIABLE, saved_file

T = TypeVar("T")
SHOW_IDS: Final = "`tidings feed` and `tidings search` show ids"
_USEFUL: Final = (403, 410, 429, 503)  # whose hints are about what to do, not about what to send


def talk(url: str, work: Coroutine[Any, Any, T]) -> T:
    """Run a verb's conversation with whoever is at `url`. Raises Complaint."""
    with complaining(url):
        return asyncio.run(work)


@contextmanager
def complaining(url: str) -> Iterator[None]:
    """Turn the client's errors into Complaints; what cannot be a URL or a key is Misuse."""
    try:
        yield
    except BadText:
        raise Misuse("a text that was given is not valid UTF-8") from None
    except (BadKey, BadUrl) as error:
        raise Misuse(str(error)) from None
    except ApiError as refusal:
        if refusal.code == "event_not_found":
            raise Complaint(f"{refusal.message}; {SHOW_IDS}") from None
        raise Complaint(f"{url} refused: {_words(refusal)}") from None
    except Refused as refusal:
        raise Complaint(f"{url} refused: {refusal}") from None
    except ClientError as error:
        raise Complaint(str(error)) from None


def _words(refusal: ApiError) -> str:
    """What the hub says, with a hint for a terminal: the hub's own are for programs that speak HTTP."""
    said = refusal.message or refusal.code
    if refusal.status == 401:
        return f"{said} (the key is that of --key-file, else {KEY_VARIABLE}, else of {saved_file()})"
    return f"{said} ({refusal.advice})" if refusal.advice and refusal.status in _USEFUL else said


def report(line: str) -> None:
    """A line of the client's for a person."""
    say(printable(line))
