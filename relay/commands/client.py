"""The Python client on the command line: one conversation a verb, its errors in one line, its reports made printable."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from relay.client import ClientError, Refused
from relay.commands.common import Complaint, printable, say

T = TypeVar("T")


def talk(url: str, work: Coroutine[Any, Any, T]) -> T:
    """Run a verb's conversation with whoever is at `url`. Raises Complaint."""
    try:
        return asyncio.run(work)
    except Refused as refusal:
        raise Complaint(f"{url} refused: {refusal}") from None
    except ClientError as error:
        raise Complaint(str(error)) from None


def report(line: str) -> None:
    """A line of the client's for a person."""
    say(printable(line))
