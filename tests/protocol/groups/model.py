"""Groups as slowly and as obviously as can be: a list of what happened, read from its beginning for every question.

Written from the text of NIP-29 and this relay's rules, without the code that it is compared with.
"""

from collections.abc import Iterator
from typing import Any

from relay.protocol.event import Event
from relay.protocol.relay import GroupRules

FLAGS = ("private", "restricted", "hidden", "closed", "livekit")
STRENGTH = {"owner": 3, "admin": 2, "moderator": 1}
NEEDED = {9000: 1, 9001: 1, 9002: 2, 9008: 3, 9009: 1, 9010: 1}


class Refused(Exception):
    """The prefix of the answer."""


class SlowGroups:
    """What happened, as tuples (what, group, …)."""

    def __init__(self, rules: GroupRules, relay: str) -> None:
        self.rules = rules
        self.relay = relay
        self.happened: list[tuple[Any, ...]] = []
        self.ids: set[str] = set()

    # questions

    def about(self, what: str, group: str) -> Iterator[tuple[Any, ...]]:
        return (one[2:] for one in self.happened if one[0] == what and one[1] == group)

    def began(self) -> list[str]:
        return [one[1] for one in self.happened if one[0] == "begin"]

    def ended(self, group: str) -> bool:
        return any(True for _ in self.about("end", group))

    def lives(self, group: str) -> bool:
        return group in self.began() and not self.ended(group)

    def standing(self, key: str, group: str) -> tuple[str, tuple[str, ...]] | None:
        """The latest word about the key counts."""
        found = [(how, roles) for who, how, roles in self.about("stands", group) if who == key]
        return found[-1] if found else None

    def roles(self, key: str, group: str) -> tuple[str, ...]:
        standing = self.standing(key, group)
        return standing[1] if standing is not None and standing[0] == "member" else ()

    def keys(self, group: str) -> list[str]:
        named = dict.fromkeys(who for who, _, _ in self.about("stands", group))
        return [key for key in named if (self.standing(key, group) or ("",))[0] == "member"]

    def owners(self, group: str) -> list[str]:
        return [key for key in self.keys(group) if "owner" in self.roles(key, group)]

    def strength(self, key: str, group: str) -> int:
        if key == self.relay or key in self.rules.operators:
            return 4
        return max((STRENGTH.get(role, 0) for role in self.roles(key, group)), default=0)

    def fields(self, group: str) -> dict[str, Any]:
        edits = [fields for (fields,) in self.about("edit", group)]
        return edits[-1] if edits else {}

    def parent(self, group: str) -> str | None:
        """Who is its parent after everything, the end of parents among it."""
        found = None
        for what, where, *more in self.happened:
            if what == "edit" and where == group:
                found = more[0]["parent"]
            if what == "end" and where in (found, group):
                found = None
        return found

    def children(self, group: str) -> list[str]:
        order: list[str] = []
        for number, (what, where, *more) in enumerate(self.happened):
            so_far = SlowGroups(self.rules, self.relay)
            so_far.happened = self.happened[: number + 1]
            now_here = [one for one in dict.fromkeys(so_far.began()) if so_far.parent(one) == group]
            order = [one for one in order if one in now_here] + [one for one in now_here if one not in order]
            if what == "edit" and where == group:
                named = [one for one in more[0]["children"] if one in order]
                order = named + [one for one in order if one not in named]
        return [] if self.ended(group) else order

    def pins(self, group: str) -> list[tuple[str, str]]:
        return list(list(self.about("pin", group))[-1][0]) if any(True for _ in self.about("pin", group)) else []

    def code(self, code: str, group: str) -> dict[str, Any] | None:
        found = [dict(terms) for name, terms in self.about("code", group) if name == code]
        return found[-1] if found else None

    def opens(self, code: str, group: str, now: int) -> bool:
        terms = self.code(code, group)
        return (
            terms is not None
            and not terms["revoked"]
            and (terms["uses"] is None or terms["uses"] > 0)
            and (terms["until"] is None or terms["until"] > now)
        )

    def codes(self, group: str) -> list[str]:
        return list(dict.fromkeys(name for name, _ in self.about("code", group)))

    # answers

    def answer(self, event: Event, now: int) -> str:
        """The prefix of the refusal, "" when it happens."""
        if event.id in self.ids:
            return "duplicate"
        before = list(self.happened)
        try:
            self._take(event, now)
        except Refused as refused:
            self.happened = before
            return str(refused)
        self.ids.add(event.id)
        return ""

    def vanish(self, key: str) -> None:
        """It leaves its groups, and the admin of longest standing follows the last owner."""
        for group in dict.fromkeys(self.began()):
            if self.lives(group) and key in self.keys(group):
                self.happened.append(("stands", group, key, "left", ()))

    def _take(self, event: Event, now: int) -> None:
        group = next((tag[1] for tag in event.tags if tag[0] == "h"), None)
        if group is None or abs(event.created_at - now) > 600:
            raise Refused("invalid")
        if event.kind == 9007:
            self._begin(event, group)
            return
        if not self.lives(group):
            raise Refused("invalid")
        if self._is_secret_to(event, group, now):
            raise Refused("invalid")
        if event.kind in NEEDED:
            self._moderate(event, group, now)
        elif event.kind == 9021:
            self._join(event, group, now)
        else:
            if event.pubkey not in self.keys(group):
                raise Refused("duplicate")
            if self.owners(group) == [event.pubkey]:
                raise Refused("restricted")
            self.happened.append(("stands", group, event.pubkey, "left", ()))

    def _is_secret_to(self, event: Event, group: str, now: int) -> bool:
        if "hidden" not in self.fields(group).get("flags", ()) or self.standing(event.pubkey, group) is not None:
            return False
        code = next((tag[1] for tag in event.tags if tag[0] == "code" and tag[1]), None)
        invited = event.kind == 9021 and code is not None and self.opens(code, group, now)
        return self.strength(event.pubkey, group) < 3 and not invited

    def _begin(self, event: Event, group: str) -> None:
        if group in self.began():
            raise Refused("restricted" if self.ended(group) else "duplicate")
        living = [one for one in self.began() if self.lives(one)]
        mine = [one for one in living if next(self.about("begin", one))[0] == event.pubkey]
        is_above = event.pubkey == self.relay or event.pubkey in self.rules.operators
        if len(living) >= self.rules.most or (len(mine) >= self.rules.per_key and not is_above):
            raise Refused("restricted")
        self.happened.append(("begin", group, event.pubkey))
        self.happened.append(("stands", group, event.pubkey, "member", ("owner",)))
        fields = self._fields(event, group)
        self.happened.append(("edit", group, {**fields, "children": []}))

    def _fields(self, event: Event, group: str) -> dict[str, Any]:
        parents = [tag[1] for tag in event.tags if tag[0] == "parent"]
        if len(parents) > 1:
            raise Refused("invalid")
        parent = parents[0] if parents else None
        if parent is not None:
            self._check_parent(event, group, parent)
        return {
            "name": next((tag[1] for tag in event.tags if tag[0] == "name"), ""),
            "flags": {flag for flag in FLAGS if any(tag[0] == flag for tag in event.tags)},
            "parent": parent,
            "children": [tag[1] for tag in event.tags if tag[0] == "child"],
        }

    def _check_parent(self, event: Event, group: str, parent: str) -> None:
        is_hidden = "hidden" in self.fields(parent).get("flags", ())
        is_above = self.strength(event.pubkey, parent) >= 3
        if parent == group or not self.lives(parent):
            raise Refused("invalid")
        if is_hidden and not is_above and self.standing(event.pubkey, parent) is None:
            raise Refused("invalid")
        if self.strength(event.pubkey, parent) < 2:
            raise Refused("restricted")
        if self.parent(group) == parent:
            return
        above = [parent]
        while (following := self.parent(above[-1])) is not None and len(above) < 9:
            above.append(following)
        below = self.children(group)
        height = 1 if not below else 2
        if group in above or len(above) + height > 4 or any(self.children(child) for child in below):
            raise Refused("invalid")
        if len(self.children(parent)) >= self.rules.children:
            raise Refused("restricted")

    def _moderate(self, event: Event, group: str, now: int) -> None:
        own = self.strength(event.pubkey, group)
        named = [tag for tag in event.tags if tag[0] == "p"]
        codes = [tag[1] for tag in event.tags if tag[0] == "code"]
        leaves = event.kind == 9001 and {tag[1] for tag in named} == {event.pubkey}
        theirs = [self.code(code, group) for code in codes]
        ends_own = (
            event.kind == 9009
            and any(tag[0] == "revoked" for tag in event.tags)
            and all(terms is not None and terms["by"] == event.pubkey for terms in theirs)
        )
        if own < NEEDED[event.kind] and not leaves and not (ends_own and codes):
            raise Refused("invalid" if event.kind in (9000, 9001, 9009) and not (named or codes) else "restricted")
        match event.kind:
            case 9000:
                self._put(event, group, named)
            case 9001:
                self._remove(event, group, named)
            case 9002:
                if not set(self.children(group)) <= {tag[1] for tag in event.tags if tag[0] == "child"}:
                    raise Refused("invalid")
                self.happened.append(("edit", group, self._fields(event, group)))
            case 9008:
                self.happened.append(("end", group))
            case 9009:
                self._invite(event, group, codes, now)
            case 9010:
                pins = [(tag[0], tag[1]) for tag in event.tags if tag[0] in "ea"]
                if len(pins) > self.rules.pins:
                    raise Refused("invalid")
                self.happened.append(("pin", group, tuple(pins)))

    def _put(self, event: Event, group: str, named: list[list[str]]) -> None:
        own, present = self.strength(event.pubkey, group), set(self.keys(group))
        for _, key, *roles in named:
            is_self = key == event.pubkey
            before = self.roles(key, group)
            reaches = own > self.strength_of(before) or own == 3
            if not is_self and not reaches:
                raise Refused("restricted")
            for role in set(before) ^ set(roles):
                if not (is_self and role in before) and not (own > STRENGTH.get(role, 0) or own == 3):
                    raise Refused("restricted")
        had = self.owners(group)
        for _, key, *roles in named:
            self.happened.append(("stands", group, key, "member", tuple(roles)))
        if (had and not self.owners(group)) or (
            len(self.keys(group)) > max(self.rules.members, len(present)) and set(self.keys(group)) != present
        ):
            raise Refused("restricted")

    def strength_of(self, roles: tuple[str, ...]) -> int:
        return max((STRENGTH.get(role, 0) for role in roles), default=0)

    def _remove(self, event: Event, group: str, named: list[list[str]]) -> None:
        own, had = self.strength(event.pubkey, group), self.owners(group)
        for _, key, *_ in named:
            standing, is_self = self.standing(key, group), key == event.pubkey
            if standing is None:
                raise Refused("invalid")
            if standing[0] == "removed" or (standing[0] == "left" and is_self):
                raise Refused("duplicate")
            if not is_self and not (own > self.strength_of(self.roles(key, group)) or own == 3):
                raise Refused("restricted")
        for _, key, *_ in named:
            how = "left" if key == event.pubkey != self.relay else "removed"
            self.happened.append(("stands", group, key, how, ()))
        if had and not self.owners(group):
            raise Refused("restricted")

    def _invite(self, event: Event, group: str, codes: list[str], now: int) -> None:
        tags = {tag[0]: tag[1:] for tag in event.tags}
        revoked = "revoked" in tags
        if revoked and any(self.code(code, group) is None for code in codes):
            raise Refused("restricted")
        uses = tags.get("uses", ["1"])[0]
        terms = {
            "by": event.pubkey,
            "uses": None if uses == "unlimited" else int(uses),
            "until": int(tags["expiration"][0]) if "expiration" in tags else None,
            "revoked": revoked,
        }
        good = {code for code in self.codes(group) if self.opens(code, group, 0)}
        if not revoked and len(good | set(codes)) > self.rules.invites and not set(codes) <= good:
            raise Refused("restricted")
        for code in codes:
            self.happened.append(("code", group, code, terms))

    def _join(self, event: Event, group: str, now: int) -> None:
        standing = self.standing(event.pubkey, group)
        if standing is not None and standing[0] == "member":
            raise Refused("duplicate")
        is_barred = standing is not None and standing[0] == "removed"
        full = len(self.keys(group)) >= self.rules.members
        if is_barred or "closed" in self.fields(group).get("flags", ()):
            codes = [tag[1] for tag in event.tags if tag[0] == "code"]
            if not codes or not self.opens(codes[0], group, now) or full:
                raise Refused("restricted")
            terms = self.code(codes[0], group)
            if terms is not None and terms["uses"] is not None:
                self.happened.append(("code", group, codes[0], {**terms, "uses": terms["uses"] - 1}))
        elif full:
            raise Refused("restricted")
        self.happened.append(("stands", group, event.pubkey, "member", ()))
