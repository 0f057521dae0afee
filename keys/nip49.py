"""NIP-49: a secret key encrypted with a password, as `ncryptsec` text.

scrypt makes a key of the password, XChaCha20-Poly1305 seals the secret; the security byte is authenticated along.
"""

import hashlib
import secrets
import unicodedata
from typing import Final

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from keys import encoding

PREFIX: Final = "ncryptsec"
LOG_N: Final = 16  # 64 MiB and about 100 ms
MAX_LOG_N: Final = 20  # of a text that is opened: 1 GiB
UNTRACKED: Final = 2  # how the key was handled is not known
_VERSION: Final = 2
_SALT, _NONCE, _LENGTH = 16, 24, 91


def encrypt(secret: bytes, password: str, log_n: int = LOG_N) -> str:
    """The `ncryptsec` of a 32-byte secret. Takes 2**(log_n + 10) bytes of memory; the GIL is released meanwhile."""
    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    data = bytes([UNTRACKED])
    key = _key(password, salt, log_n)
    sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(secret, data, nonce, key)
    return encoding.to_bech32(PREFIX, bytes([_VERSION, log_n]) + salt + nonce + data + sealed)


def decrypt(text: str, password: str) -> bytes:
    """The secret in `ncryptsec` text. Raises ValueError, which repeats neither, when the text or the password is wrong."""
    prefix, data = encoding.from_bech32(text)
    if prefix != PREFIX or len(data) != _LENGTH or data[0] != _VERSION:
        raise ValueError(f"this is no {PREFIX} text of NIP-49, version {_VERSION}")
    log_n, rest = data[1], data[2:]
    if not 1 <= log_n <= MAX_LOG_N:
        raise ValueError(f"its scrypt parameter {log_n} is outside 1 to {MAX_LOG_N}")
    salt, nonce, security, sealed = rest[:16], rest[16:40], rest[40:41], rest[41:]
    try:
        return bytes(crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, security, nonce, _key(password, salt, log_n)))
    except CryptoError:
        raise ValueError("the password is wrong, or the text was changed") from None


def _key(password: str, salt: bytes, log_n: int) -> bytes:
    normal = unicodedata.normalize("NFKC", password).encode()
    return hashlib.scrypt(normal, salt=salt, n=2**log_n, r=8, p=1, maxmem=2 ** (log_n + 11), dklen=32)
