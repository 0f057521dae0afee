"""The relay's own secrets: the key it signs with, and the master secret that everything it holds for others is sealed under.

They come from the settings or from `secrets.toml` in the data directory, which is made at the first start and readable by its
owner only. The database records which master secret it was sealed under, so that a lost or changed one stops the start.
A rotation keeps both secrets in the file until the database is done, so that a crash at any point leaves a working pair.
"""

import os
import secrets
import tomllib
from pathlib import Path
from typing import Final

from keys import schnorr
from keys.custody import MASTER_BYTES, Custody, unsigned
from relay.protocol.event import Draft, Event
from relay.protocol.kinds import is_hex

FILE: Final = "secrets.toml"
_RELAY, _MASTER, _NEXT = "relay_secret_key", "master_secret", "next_master_secret"
_HEAD: Final = (
    "# The secrets of this relay. Without them, keys held for others are lost: keep a copy in a safe place.\n"
)


class VaultError(Exception):
    """The secrets cannot be used; the message says what to do and repeats none of them."""


class Vault:
    """`pubkey` is the relay's own; `custody` seals under the master secret; `secret` signs for the relay."""

    __slots__ = ("custody", "directory", "from_file", "pubkey", "secret")

    def __init__(self, directory: Path, relay_key: bytes, master: bytes, from_file: bool) -> None:
        self.directory = directory
        self.secret = relay_key
        self.pubkey = schnorr.public_key(relay_key).hex()
        self.custody = Custody(master)
        self.from_file = from_file  # whether the master secret stands in the file, rather than in the settings

    def __repr__(self) -> str:
        return f"Vault({self.pubkey})"

    def sign(self, draft: Draft) -> Event:
        """The draft as an event of the relay's own key."""
        return schnorr.signed(unsigned(self.pubkey, draft), self.secret)


def unlock(directory: Path, relay_key: str, master: str, recorded: str | None) -> Vault:
    """The secrets of the relay in this data directory, which must be locked by the caller.

    `relay_key` and `master` are those of the settings, "" where the file has them; `recorded` is what the database says of
    its master secret, None for a new one. Raises VaultError when they are missing, malformed, not the ones, or readable by others.
    """
    kept = _read(directory / FILE)
    fresh: dict[str, str] = {}
    masters = [master] if master else [kept[name] for name in (_MASTER, _NEXT) if name in kept]
    if not masters:
        if recorded is not None:
            raise VaultError(
                f"the master secret is lost: {directory / FILE} does not hold it, and keys in the database are sealed "
                "under it; restore that file or set identities.master_secret; where it is gone for good, `tidings export` and "
                "`tidings import` move the events to a new directory"
            )
        masters = [fresh.setdefault(_MASTER, secrets.token_hex(MASTER_BYTES))]
    chosen = _matching(masters, recorded, directory)
    own = relay_key or kept.get(_RELAY) or fresh.setdefault(_RELAY, secrets.token_hex(32))
    if fresh:
        _write(directory, kept | fresh)
    if _NEXT in kept and not master:
        _write(directory, {name: text for name, text in kept.items() if name != _NEXT} | {_MASTER: chosen.hex()})
    try:
        return Vault(directory, _bytes(_RELAY, own), chosen, from_file=not master)
    except ValueError:
        raise _no_key(directory, relay_key) from None


def follow_rotation(vault: Vault, recorded: str | None) -> None:
    """Go over to the master secret that the database is sealed under now: another process of the relay has changed it.

    Raises VaultError where the file does not hold it.
    """
    if recorded is None or secrets.compare_digest(vault.custody.check, recorded):
        return
    kept = _read(vault.directory / FILE)
    masters = [kept[name] for name in (_MASTER, _NEXT) if name in kept]
    vault.custody = Custody(_matching(masters, recorded, vault.directory))


def relay_secret(directory: Path, relay_key: str) -> bytes | None:
    """The relay's own secret key as `unlock` would find it, None where it has none yet. Raises VaultError."""
    own = relay_key or _read(directory / FILE).get(_RELAY, "")
    return _bytes(_RELAY, own) if own else None


def relay_pubkey(directory: Path, relay_key: str) -> str:
    """The relay's own public key as `unlock` would find it, "" where it has none yet. Raises VaultError."""
    own = relay_secret(directory, relay_key)
    try:
        return schnorr.public_key(own).hex() if own is not None else ""
    except ValueError:
        raise _no_key(directory, relay_key) from None


def _no_key(directory: Path, relay_key: str) -> VaultError:
    where = "identities.relay_key" if relay_key else f"{directory / FILE}: {_RELAY}"
    return VaultError(f"{where} is no secret key (64 hex digits, but not these); `tidings key generate` makes one")


def _matching(masters: list[str], recorded: str | None, directory: Path) -> bytes:
    found = [_bytes(_MASTER, text) for text in masters]
    if recorded is None:
        return found[0]
    for master in found:
        if secrets.compare_digest(Custody(master).check, recorded):
            return master
    raise VaultError(
        "the master secret is not the one that the keys in the database are sealed under; restore the former "
        f"identities.master_secret or {directory / FILE} (a change is made with `tidings keys rotate-master`)"
    )


def begin_rotation(vault: Vault, following: str) -> Custody:
    """Custody under the next master secret (64 hex digits, "" for a fresh one), which is kept beside the present one.

    Raises VaultError when none is given and the present one comes from the settings: then nobody would know the next.
    """
    if not following and not vault.from_file:
        raise VaultError(
            "the master secret comes from the settings, so the next one must too: give it with --new-secret-file, "
            "and put it into the settings before the next start"
        )
    text = following or secrets.token_hex(MASTER_BYTES)
    custody = Custody(_bytes(_NEXT, text))
    if custody.check == vault.custody.check:
        raise VaultError("the next master secret is the present one")
    if vault.from_file:
        _write(vault.directory, _read(vault.directory / FILE) | {_NEXT: text})
    return custody


def finish_rotation(vault: Vault, custody: Custody) -> None:
    """The database is sealed under the next master secret: forget the former one."""
    if vault.from_file:
        kept = _read(vault.directory / FILE)
        kept[_MASTER] = kept.pop(_NEXT)
        _write(vault.directory, kept)
    vault.custody = custody


def _bytes(name: str, text: str) -> bytes:
    if not is_hex(text, 64):
        raise VaultError(f"{name} must be 64 lower-case hex digits")
    return bytes.fromhex(text)


def _read(file: Path) -> dict[str, str]:
    try:
        with file.open("rb") as stream:
            if os.fstat(stream.fileno()).st_mode & 0o077:
                raise VaultError(f"{file} can be read by others; run: chmod 600 {file}")
            content = tomllib.loads(stream.read().decode("utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):  # who opens the directory says what is wrong with it
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not TOML"
        raise VaultError(f"{file} cannot be read: {reason}") from None
    known = {name: text for name, text in content.items() if name in (_RELAY, _MASTER, _NEXT)}
    if len(known) != len(content) or not all(isinstance(text, str) for text in known.values()):
        raise VaultError(f"{file} holds something else than {_RELAY} and {_MASTER} as text")
    return known


def _write(directory: Path, values: dict[str, str]) -> None:
    """Replace the file in one step, and be sure that it is on the disk."""
    file, draft = directory / FILE, directory / f"{FILE}.new"
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(_HEAD + "".join(f'{name} = "{text}"\n' for name, text in values.items()))
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
        place = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)
    except OSError as error:
        raise VaultError(f"{file} cannot be written: {error.strerror}") from None
