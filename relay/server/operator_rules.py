"""What the operator says while the relay runs (storage.access): whether it makes sense and does no harm. `settings` applies it."""

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Final

from relay.config import Config
from relay.errors import Prefix, Reject
from relay.protocol import kinds, names, urls
from relay.server.events import policies
from relay.server.limits import addresses
from relay.server.settings import TEXTS
from storage.access import LiftRule, NoteRemoval, RuleChange, RuleSubject, SetRule, SetText

MOST_TEXT: Final = 5000  # characters of one
MOST_REASON: Final = 1000  # characters
_SHOWN: Final = 64  # characters of what makes no sense
_NAMED: Final = {RuleSubject.KEY: "public key", RuleSubject.EVENT: "id of an event"}
# The settings that say the same.
_DENIED: Final = {
    RuleSubject.KEY: "denied_keys",
    RuleSubject.KIND: "denied_kinds",
    RuleSubject.ADDRESS: "denied_addresses",
}
_ALLOWED: Final = {RuleSubject.KEY: "allowed_keys", RuleSubject.KIND: "allowed_kinds"}
_LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1"))


def value_of(subject: RuleSubject, text: str) -> str:
    """What a rule is about, as it is kept. Raises Reject(invalid)."""
    text = text.strip()
    if subject in (RuleSubject.KEY, RuleSubject.EVENT):
        if not kinds.is_hex(text.lower(), 64):
            raise Reject(Prefix.INVALID, f"{text[:_SHOWN]!r} is no {_NAMED[subject]}: 64 hex digits")
        return text.lower()
    if subject is RuleSubject.KIND:
        if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= kinds.MAX_KIND):
            raise Reject(Prefix.INVALID, f"{text[:_SHOWN]!r} is no kind: a whole number up to {kinds.MAX_KIND}")
        return str(int(text))
    try:
        network = addresses.network_of(text)
    except ValueError:
        raise Reject(
            Prefix.INVALID, f"{text[:_SHOWN]!r} is no address and no network; write 203.0.113.7 or 203.0.113.0/24"
        ) from None
    return str(network.network_address if network.num_addresses == 1 else network)


def check(change: RuleChange, file: Config, relay: str) -> None:
    """That a change does no harm, and would hold beside the settings of the `file`; `relay` is the relay's own key, "" for none.

    Raises Reject, which says what to do.
    """
    if isinstance(change, SetText):
        _check_text(change)
        return
    if isinstance(change, NoteRemoval):
        return
    if len(change.reason) > MOST_REASON:
        raise Reject(Prefix.INVALID, f"a reason may have {MOST_REASON} characters")
    if isinstance(change, SetRule) and change.allowed and change.subject is RuleSubject.ADDRESS:
        raise Reject(Prefix.INVALID, "an address is banned or not: take the ban back")
    if isinstance(change, SetRule) and not change.allowed:
        _check_denied(change.subject, change.value, file, relay)
    name = _DENIED.get(change.subject)
    ends_denial = change.allowed if isinstance(change, SetRule) else not change.allowed
    if name and ends_denial and _stands_in(getattr(file.access, name), change):
        raise Reject(Prefix.INVALID, f"it stands in access.{name} of the settings; take it out there and send SIGHUP")
    name = _ALLOWED.get(change.subject)
    ends_allowance = isinstance(change, LiftRule) and change.allowed
    if name and ends_allowance and _stands_in(getattr(file.access, name), change):
        raise Reject(Prefix.INVALID, f"it stands in access.{name} of the settings; take it out there and send SIGHUP")


def _stands_in(listed: Iterable[object], change: SetRule | LiftRule) -> bool:
    """Whether the settings name what a change is about, however they write it."""
    is_address = change.subject is RuleSubject.ADDRESS
    return any((value_of(change.subject, str(one)) if is_address else str(one)) == change.value for one in listed)


def check_asker(change: SetRule, address: str) -> None:
    """That whoever asks from this address, as limits count it, does not shut themselves out. Raises Reject."""
    is_address = change.subject is RuleSubject.ADDRESS and not change.allowed
    if is_address and address in addresses.AddressSet([change.value]):
        raise Reject(Prefix.INVALID, "this is where you ask from yourself")


def _check_text(change: SetText) -> None:
    if change.setting not in TEXTS:
        raise Reject(Prefix.INVALID, f"{change.setting} cannot be changed so; {', '.join(TEXTS)} can")
    if change.text is None:
        return
    if len(change.text) > MOST_TEXT:
        raise Reject(Prefix.INVALID, f"{change.setting} may have {MOST_TEXT:,} characters here")
    if change.setting == "relay.name" and not change.text.strip():
        raise Reject(Prefix.INVALID, "a relay has a name")
    is_seen = change.text.strip() == names.shown(change.text, MOST_TEXT)
    if not is_seen or ("\n" in change.text and change.setting != "relay.description"):
        raise Reject(Prefix.INVALID, f"{change.setting} may have no hidden characters and none that turn the direction")
    if change.setting == "relay.icon" and change.text and urls.parse(change.text, urls.WEB) is None:
        raise Reject(Prefix.INVALID, "an icon is the URL of a picture: https://…")


def _check_denied(subject: RuleSubject, value: str, file: Config, relay: str) -> None:
    match subject:
        case RuleSubject.KEY if value == relay:
            raise Reject(Prefix.INVALID, "this is the relay's own key")
        case RuleSubject.KEY if value in (file.relay.pubkey, *file.access.operators):
            raise Reject(Prefix.INVALID, "this is an operator's key (relay.pubkey, access.operators)")
        case RuleSubject.KIND if int(value) in policies.COMING:
            raise Reject(Prefix.INVALID, "coming, leaving and deleting is possible always")
        case RuleSubject.ADDRESS if _holds_loopback(value):
            raise Reject(
                Prefix.INVALID, "this machine itself would be shut out, and a proxy on it with all its clients"
            )
        case RuleSubject.ADDRESS if _holds_proxy(value, file.server.trusted_proxies):
            raise Reject(
                Prefix.INVALID, "a proxy is there (server.trusted_proxies), and what it asks itself would be refused"
            )


def _holds_proxy(value: str, trusted: Iterable[str]) -> bool:
    """Whether all of one of these networks is in it: a part of a wide one may be anybody."""
    banned = addresses.counted(value)
    proxies = [addresses.counted(one) for one in trusted]
    return any(
        one.version == banned.version and one.prefixlen >= banned.prefixlen and one.network_address in banned
        for one in proxies
    )


def _holds_loopback(value: str) -> bool:
    network = addresses.counted(value)
    return any(one.version == network.version and one.overlaps(network) for one in _LOOPBACK)
