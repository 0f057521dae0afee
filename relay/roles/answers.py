"""Answers that may be asked for again (`Idempotency-Key`), held by the writer for all fronts: each request is done once.

A request is `begun` by the first front that asks; whoever asks for the same meanwhile waits. When it has ended well, its answer is
held for an hour and given to all who wait and come; when it has not, or its front dies, the next of those who wait begins anew.
Bounded in number and bytes, the oldest go first. In memory only: a writer that is started again has forgotten them.
"""

from collections import OrderedDict, deque
from typing import Final

import msgspec

from relay.roles.messages import Recalled, Recollection

MAX_ANSWERS: Final = 10_000
MAX_BYTES: Final = 32 * 1024 * 1024
LIFETIME: Final = 3600.0  # seconds

Asker = tuple[int, int]  # the number of a link, and the token of its question there
Told = list[tuple[Asker, Recalled]]

BEGIN: Final = Recalled(Recollection.BEGIN)
DIFFERS: Final = Recalled(Recollection.DIFFERS)


class _Entry(msgspec.Struct):
    digest: bytes
    expires_at: float
    owner: int | None  # the link whose front is doing it; None: it is done
    waiting: deque[Asker]
    answer: Recalled = BEGIN
    keeps: bool = True  # False: what it is about is to be forgotten


class Answers:
    """Requests by `name`, the digest of whose they are and of their key; `digest` is that of the whole request. `now` is monotonic.

    What a method gives is whom to tell what.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._bytes = 0

    def ask(self, name: bytes, digest: bytes, asker: Asker, now: float) -> Told:
        """Somebody is about to do this request."""
        self._expire(now)
        entry = self._entries.get(name)
        if entry is None:
            self._entries[name] = _Entry(digest, now + LIFETIME, asker[0], deque())
            self._shrink()
            return [(asker, BEGIN)]
        if entry.digest != digest:
            return [(asker, DIFFERS)]
        if entry.owner is None:
            return [(asker, entry.answer)]
        entry.waiting.append(asker)
        return []

    def end(self, name: bytes, link: int, answer: Recalled | None) -> Told:
        """The request that this link began has ended, with this answer, or with none that is to be held."""
        entry = self._entries.get(name)
        if entry is None or entry.owner != link:
            return []
        if answer is None or not entry.keeps:
            return self._pass_on(name, entry)
        entry.owner, entry.answer = None, answer
        self._bytes += len(answer.body)
        told = [(asker, answer) for asker in entry.waiting]
        entry.waiting.clear()
        self._shrink()
        return told

    def hang_up(self, link: int) -> Told:
        """The front behind this link is gone."""
        told: Told = []
        for name, entry in list(self._entries.items()):
            if entry.owner is not None:
                entry.waiting = deque(asker for asker in entry.waiting if asker[0] != link)
            if entry.owner == link:
                told += self._pass_on(name, entry)
        return told

    def clear(self) -> None:
        """Forget what was answered; what is under way is answered as usual, and then forgotten."""
        for name, entry in list(self._entries.items()):
            if entry.owner is None:
                self._drop(name)
            else:
                entry.keeps = False

    def _pass_on(self, name: bytes, entry: _Entry) -> Told:
        if not entry.waiting:
            del self._entries[name]
            return []
        following = entry.waiting.popleft()
        entry.owner = following[0]
        return [(following, BEGIN)]

    def _expire(self, now: float) -> None:
        while (name := self._oldest()) is not None and self._entries[name].expires_at <= now:
            self._drop(name)

    def _shrink(self) -> None:
        while self._bytes > MAX_BYTES or len(self._entries) > MAX_ANSWERS:
            name = self._oldest()
            if name is None:
                return  # all are under way, as many as there are open requests
            self._drop(name)

    def _oldest(self) -> bytes | None:
        """The oldest that is done."""
        return next((name for name, entry in self._entries.items() if entry.owner is None), None)

    def _drop(self, name: bytes) -> None:
        self._bytes -= len(self._entries.pop(name).answer.body)
