"""The Python client on the command line: one conversation a verb, its errors in one line, its reports made printable."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from relay.client import ApiError, BadKey, BadUrl, ClientError, Refused
from relay.commands.common import Complaint, Misuse, printable, say

T = TypeVar("T")


def talk(url: str, work: Coroutine[Any, Any, T]) -> T:
    """Run a verb's conversation with whoever is at `url`. Raises Complaint."""
    with complaining(url):
        return asyncio.run(work)


@contextmanager
def complaining(url: str) -> Iterator[None]:
    """Turn the client's errors into Complaints; what cannot be a URL or a key is Misuse."""
    try:
        yield
    except (BadKey, BadUrl) as error:
        raise Misuse(str(error)) from None
    except (ApiError, Refused) as refusal:
        raise Complaint(f"{url} refused: {refusal}") from None
    except ClientError as error:
        raise Complaint(str(error)) from None


def report(line: str) -> None:
    """A line of the client's for a person."""
    say(printable(line))
