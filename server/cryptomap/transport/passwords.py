"""Password hashes: scrypt of the standard library, in a line of text for the settings file; besides, those of
configured users (RFC 7317, ``data.crypt_hash``).

``$scrypt$ln=15,r=8,p=1$<salt>$<hash>``, salt and hash in base64 without padding: 2**15 rounds of 1 KiB cost about
0.1 s and 32 MiB a try. Run ``python -m cryptomap.transport.passwords`` to make one.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import hmac
import os
import re
from typing import Final

from cryptomap.data import crypt_hash

__all__ = ["hash_password", "is_password_hash", "verify_password"]

_FORM = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d)\$([A-Za-z0-9+/]{16,86})\$([A-Za-z0-9+/]{43})")
_LOG_ROUNDS: Final = 15
_MAX_LOG_ROUNDS: Final = 18
_BLOCK_SIZE: Final = 8
_HASH_SIZE: Final = 32


def hash_password(password: str) -> str:
    """A new hash of ``password`` with a fresh salt."""
    salt = os.urandom(16)
    digest = _scrypt(password, salt, _LOG_ROUNDS, _BLOCK_SIZE, 1)
    return f"$scrypt$ln={_LOG_ROUNDS},r={_BLOCK_SIZE},p=1${_encode(salt)}${_encode(digest)}"


def is_password_hash(text: str) -> bool:
    """Whether ``text`` is a hash that :func:`verify_password` takes."""
    match = _FORM.fullmatch(text)
    if match is None:
        return crypt_hash.is_hash(text)
    return 10 <= int(match[1]) <= _MAX_LOG_ROUNDS and int(match[2]) > 0 and int(match[3]) > 0


def verify_password(password: str, stored: str) -> bool:
    """Whether ``password`` is the one behind ``stored``; takes about 0.1 s, so not on the event loop."""
    match = _FORM.fullmatch(stored)
    if not is_password_hash(stored):
        raise ValueError("not a password hash")
    if match is None:
        return crypt_hash.verify(password, stored)
    digest = _scrypt(password, _decode(match[4]), int(match[1]), int(match[2]), int(match[3]))
    return hmac.compare_digest(digest, _decode(match[5]))


def _scrypt(password: str, salt: bytes, log_rounds: int, block_size: int, parallel: int) -> bytes:
    memory = 128 * block_size * (2**log_rounds + parallel + 2)
    return hashlib.scrypt(
        password.encode(), salt=salt, n=2**log_rounds, r=block_size, p=parallel, maxmem=memory, dklen=_HASH_SIZE
    )


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


if __name__ == "__main__":
    print(hash_password(getpass.getpass("Password: ")))
