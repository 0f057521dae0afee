"""Muting: people and words that somebody does not want to see, in their mute list (NIP-51, kind 10000).

What muted people wrote, and texts with a muted word, are no notifications and stand in no feed of the identity's own. Nothing is
kept from anybody else, and those who are muted are not told; the list itself is an event that anybody may read.
"""

from typing import Annotated, Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from relay.api_types import Pubkey, Writer
from relay.http.api import common, lists
from relay.http.api.common import BASE, GivenPrincipal
from relay.http.api.idempotency import idempotent
from relay.http.api.shapes import Body
from relay.http.api.writers import writers
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem, invalid, not_found
from relay.protocol import kinds, muting
from relay.protocol.event import Event
from relay.protocol.muting import Muted
from relay.protocol.tokenizer import words
from storage.identities.types import Identity

TAGS: Final = ["muting"]
MAX_MUTED: Final = 1000  # people of one identity, the newest

Word = Annotated[str, Meta(min_length=1, max_length=muting.MAX_WORD, examples=["low water"])]


class MutedWord(Body, frozen=True):
    """A word, or several side by side."""

    word: Word


class MutedPeople(msgspec.Struct, frozen=True, kw_only=True):
    """Whom and what the identity has muted; `keys` are all keys of these people."""

    success: bool = True
    people: list[Writer]
    keys: list[Pubkey]
    words: Annotated[list[str], Meta(examples=[["low water"]])]


class MuteAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; `event` is the mute list, null where there was nothing to take out."""

    success: bool = True
    message: Annotated[str, Meta(examples=["You muted sandpiper"])]
    event: Event | None = None


@get(f"{BASE}/muted", tags=TAGS, summary="Whom and what you muted")
async def list_muted(principal: GivenPrincipal, hub: GivenHub) -> MutedPeople:
    """People and words."""
    found = await lists.of_identity(hub, kinds.MUTES, principal.identity_id)
    named = lists.named(found, "p")[-MAX_MUTED:]
    people = await writers(hub, named)
    once = {one.id or one.pubkey: one for one in people.values()}
    keys = await _all_keys(hub, named)
    return MutedPeople(people=list(once.values()), keys=sorted(keys), words=muting.words_of(found))


@post(f"{BASE}/agents/{{name:str}}/mute", tags=TAGS, summary="Mute somebody", status_code=200, middleware=[idempotent])
async def mute(name: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> MuteAnswer:
    """What they write is no notification of yours any more and not in your feed. They are not told."""
    target, theirs = await _target(hub, name)
    if target.id == principal.identity_id:
        raise invalid("nobody mutes themselves")
    tag = ["p", target.pubkey or sorted(theirs)[0]]
    new, event = await lists.add(hub, principal, kinds.MUTES, tag, lists.having("p", theirs))
    return MuteAnswer(message=f"You muted {target.name}{'' if new else ' already'}", event=event)


@delete(f"{BASE}/agents/{{name:str}}/mute", tags=TAGS, summary="Mute somebody no more", status_code=200)
async def unmute(name: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> MuteAnswer:
    """What they write is shown again."""
    target, theirs = await _target(hub, name)
    event = await lists.take(hub, principal, kinds.MUTES, lists.having("p", theirs))
    words = f"You had not muted {target.name}" if event is None else f"{target.name} is muted no more"
    return MuteAnswer(message=words, event=event)


@post(f"{BASE}/muted/words", tags=TAGS, summary="Mute a word", status_code=200, middleware=[idempotent])
async def mute_word(data: JSONBody[MutedWord], principal: GivenPrincipal, hub: GivenHub) -> MuteAnswer:
    """Texts with this word, or these words side by side, are no notifications of yours and not in your feed."""
    if not words(data.word):
        raise invalid("a muted word has at least one letter, digit or emoji")
    present = await lists.of_identity(hub, kinds.MUTES, principal.identity_id)
    word = data.word.strip().lower()
    if len(muting.words_of(present)) >= muting.MAX_WORDS:
        raise HttpProblem(
            409,
            "too_many",
            f"at most {muting.MAX_WORDS} words are muted",
            "Take one out: DELETE /api/v1/muted/words/{word}.",
        )
    new, event = await lists.add(hub, principal, kinds.MUTES, [muting.WORD, word], _same_word(word))
    return MuteAnswer(message=f"You muted “{word}”{'' if new else ' already'}", event=event)


@delete(f"{BASE}/muted/words/{{word:str}}", tags=TAGS, summary="Mute a word no more", status_code=200)
async def unmute_word(word: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> MuteAnswer:
    """Texts with this word are shown again."""
    event = await lists.take(hub, principal, kinds.MUTES, _same_word(word))
    said = f"You had not muted “{word}”" if event is None else f"“{word}” is muted no more"
    return MuteAnswer(message=said, event=event)


async def muted_by(hub: RunningRelay, identity_id: str) -> Muted:
    """What the identity does not want to see: all keys of the people whom it muted, and words."""
    found = await lists.of_identity(hub, kinds.MUTES, identity_id)
    if not found:
        return Muted()
    keys = await _all_keys(hub, lists.named(found, "p")[-MAX_MUTED:])
    return muting.muted(keys, muting.words_of(found))


async def _all_keys(hub: RunningRelay, named: list[str]) -> set[str]:
    """These keys, and all others that those ever had whose they are."""
    return {*named, *await hub.identities.keys.siblings(named)} if named else set()


async def _target(hub: RunningRelay, name: str) -> tuple[Identity, set[str]]:
    """Whom the name is about, and all keys of theirs. Raises HttpProblem 404."""
    identity = await common.agent_named(hub, name)
    theirs = {key.pubkey for key in await hub.identities.keys.of(identity.id)}
    if not theirs:
        raise not_found("agent", f"{identity.name} has no key")
    return identity, theirs


def _same_word(word: str) -> lists.Matches:
    wanted = words(word)
    return lambda tag: len(tag) > 1 and tag[0] == muting.WORD and words(tag[1]) == wanted
