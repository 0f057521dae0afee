"""By which settings of this relay an event of any peer may be refused for good.

What was refused is not asked for again, so where a change of them lets more in, that is forgotten, and everything is compared.
"""

from hashlib import sha256
from typing import Final, Self

import msgspec

from relay.config import Config
from relay.protocol.retention import RetentionRule, is_looser
from relay.retention_settings import rules_of


class PeerRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """The settings of those names. Sets are sorted; 0 is no limit but for the limits on tags and content and for `min_pow`."""

    allowed_kinds: tuple[int, ...]
    denied_kinds: tuple[int, ...]
    allowed_keys: tuple[str, ...] | None  # None is all of them
    denied_keys: tuple[str, ...]
    max_event_tags: int
    max_content_length: int
    created_at_past: int
    created_at_future: int
    min_pow: int
    knowledge_kinds: tuple[int, ...]
    chunks_per_key: int
    groups: int
    retention: tuple[RetentionRule, ...] = ()
    plugin: str = ""  # which write policy plugin decides: a digest of its command, since secrets may stand in that

    @classmethod
    def of(cls, config: Config) -> Self:
        """The rules that these settings are."""
        access, limits, search = config.access, config.limits, config.search
        return cls(
            tuple(sorted(set(access.allowed_kinds))),
            tuple(sorted(set(access.denied_kinds))),
            None if access.taken_keys is None else tuple(sorted(access.taken_keys)),
            tuple(sorted(set(access.denied_keys))),
            limits.max_event_tags,
            limits.max_content_length,
            limits.created_at_past,
            limits.created_at_future,
            limits.min_pow,
            tuple(sorted(set(search.knowledge_kinds))),
            search.chunks_per_key,
            config.groups.most,
            tuple(rules_of(config.retention)),
            sha256(config.write_policy.plugin.encode()).hexdigest()[:32] if config.write_policy.plugin else "",
        )

    def take_more_than(self, before: "PeerRules") -> bool:
        """Whether something may be taken by these that was refused by those before."""
        return (
            _lists_more(self.allowed_kinds or None, before.allowed_kinds or None)
            or _lists_more(self.allowed_keys, before.allowed_keys)
            or not set(self.denied_kinds).issuperset(before.denied_kinds)
            or not set(self.denied_keys).issuperset(before.denied_keys)
            or not set(self.knowledge_kinds).issuperset(before.knowledge_kinds)
            or self.max_event_tags > before.max_event_tags
            or self.max_content_length > before.max_content_length
            or self.min_pow < before.min_pow
            or _is_higher(self.created_at_past, before.created_at_past)
            or _is_higher(self.created_at_future, before.created_at_future)
            or _is_higher(self.chunks_per_key, before.chunks_per_key)
            or _is_higher(self.groups, before.groups)
            or is_looser(self.retention, before.retention)
            or before.plugin not in ("", self.plugin)
        )


DEFAULT: Final = PeerRules.of(Config())


def _lists_more(new: tuple[object, ...] | None, old: tuple[object, ...] | None) -> bool:
    """Of lists of what alone is taken; None takes everything."""
    return old is not None and (new is None or not set(old).issuperset(new))


def _is_higher(new: int, old: int) -> bool:
    """Of limits, of which 0 is none."""
    return bool(old) and (not new or new > old)
