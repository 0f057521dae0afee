"""`key`, and where the verbs that sign take their secret from.

A secret is never an argument, since every user of a machine can read those; it is printed only when that is asked for, and
no error repeats what was given as one.
"""

import functools
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from keys import encoding, schnorr
from relay.commands.common import Complaint, Misuse, Verbs, as_json, naming, say
from relay.commands.own_files import own_file
from relay.protocol.kinds import is_hex

T = TypeVar("T")
VARIABLE: Final = "NOSTR_SECRET_KEY"
_MAX_SECRET: Final = 4096  # bytes read in search of a secret


def saved_file() -> Path:
    """Where `key generate --save` keeps the secret."""
    return own_file("secret")


def with_secret(verb: Callable[..., T]) -> Callable[..., T]:
    """Give a verb --secret-file; it gets the function `secret`, which finds the secret when called."""

    @click.option(
        "--secret-file", metavar="FILE", help=f"Holds the secret key (nsec or hex); -: stdin. Else {VARIABLE}."
    )
    @functools.wraps(verb)
    def command(*args: Any, secret_file: str | None, **kwargs: Any) -> T:
        return verb(*args, secret=lambda: find_secret(secret_file), **kwargs)

    return command


def find_secret(file: str | None) -> bytes:
    """The secret from the file, the environment, the saved one or a prompt, whichever is there first. Raises Complaint."""
    if file is not None:
        return parse_secret(_read(file), "stdin" if file == "-" else file)
    if VARIABLE in os.environ:
        return parse_secret(os.environ[VARIABLE], VARIABLE)
    if saved_file().exists():
        return parse_secret(_read(str(saved_file())), str(saved_file()))
    if sys.stdin.isatty():
        return parse_secret(click.prompt("Secret key (nsec or hex)", hide_input=True, err=True), "what you typed")
    raise Misuse(
        f"no secret key: make one with `tidings key generate --save`, or give --secret-file FILE or {VARIABLE}"
    )


def parse_secret(text: str, place: str) -> bytes:
    """The secret in `nsec` or hex text. Raises Complaint, which names the place and not the text."""
    text = text.strip()
    try:
        secret = bytes.fromhex(text if is_hex(text, 64) else encoding.decode("nsec", text))
        schnorr.public_key(secret)
    except ValueError:
        raise Complaint(f"{place} holds no secret key: nsec1… or 64 lower-case hex digits are needed") from None
    return secret


def _read(file: str) -> str:
    stream = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115
    try:
        return stream.read(_MAX_SECRET).decode("utf-8-sig", errors="replace")
    finally:
        if file != "-":
            stream.close()


def _write(file: Path, secret: bytes) -> None:
    """Keep a secret in a new file of its owner alone."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Complaint(f"{file} exists; a secret is never overwritten: move it away first") from None
    with naming(file), os.fdopen(descriptor, "w") as stream:
        stream.write(encoding.encode("nsec", secret.hex()) + "\n")


@click.group(cls=Verbs)
def key() -> None:
    """Make and convert keys (NIP-19)."""


@key.command()
@click.option("--save", is_flag=True, help="Keep the secret where `tidings event` and `tidings req` find it.")
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="Keep the secret in this new file.")
@click.option("--show-secret", is_flag=True, help="Print the secret.")
@as_json
def generate(save: bool, out: Path | None, show_secret: bool, as_json: bool) -> None:
    """Make a new key and print its public part.

    Say where the secret goes: --save, --out FILE or --show-secret. Files are readable by you alone and never
    overwritten.

    \b
    Examples:
      tidings key generate --save
      tidings key generate --out alice.nsec
      tidings key generate --show-secret --json
    """
    if not (save or out or show_secret):
        raise Misuse("say where the secret goes: --save, --out FILE or --show-secret")
    secret = secrets.token_bytes(32)
    for file in ([saved_file()] if save else []) + ([out] if out else []):
        _write(file, secret)
        say(f"the secret is in {file}; keep a copy, nobody can restore it")
    _print(_public(schnorr.public_key(secret).hex()) | (_secret(secret) if show_secret else {}), as_json)


@key.command()
@with_secret
@as_json
def public(secret: Callable[[], bytes], as_json: bool) -> None:
    """Print the public key of a secret key.

    \b
    Examples:
      tidings key public
      tidings key public --secret-file alice.nsec
    """
    _print(_public(schnorr.public_key(secret()).hex()), as_json)


@key.command()
@click.argument("text", default="-", metavar="[NPUB|HEX|-]")
@click.option("--secret", "is_secret", is_flag=True, help="What stdin holds is a secret key; print its forms.")
@as_json
def convert(text: str, is_secret: bool, as_json: bool) -> None:
    """Print a key in both forms, npub and hex.

    A secret key is read from stdin only, and --secret says that its forms may be printed.

    \b
    Examples:
      tidings key convert npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6
      tidings key convert --secret < alice.nsec
    """
    if is_secret:
        if text != "-":
            raise Misuse("a secret key does not belong in an argument; give it on stdin")
        secret = parse_secret(_read("-"), "stdin")
        _print(_public(schnorr.public_key(secret).hex()) | _secret(secret), as_json)
        return
    given = (_read("-") if text == "-" else text).strip()
    if given.lower().startswith("nsec"):
        raise Misuse("this is a secret key: give it on stdin, with --secret")
    try:
        pubkey = given if is_hex(given, 64) else encoding.decode("npub", given)
    except ValueError as error:
        raise Complaint(f"not a public key: {error}") from None
    _print(_public(pubkey), as_json)


def _public(pubkey: str) -> dict[str, str]:
    return {"npub": encoding.encode("npub", pubkey), "pubkey": pubkey}


def _secret(secret: bytes) -> dict[str, str]:
    return {"nsec": encoding.encode("nsec", secret.hex()), "secret": secret.hex()}


def _print(forms: dict[str, str], as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(forms))
        return
    for name, form in forms.items():
        click.echo(f"{name:8}{form}")
