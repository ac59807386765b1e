"""Passwords as ``ianach:crypt-hash`` (RFC 7317 section 3.5): hashed as soon as they are read, verified at log-in.

The hash function is SHA-crypt with SHA-512. MD5 (``$1$``) is not offered: its feature is off.
"""

from __future__ import annotations

import re
from typing import Final, cast

from passlib.hash import sha256_crypt, sha512_crypt

__all__ = ["CLEAR", "MAX_ROUNDS", "SALT_LENGTH", "hashed", "is_hash", "verify"]

CLEAR: Final = "$0$"
"""What stands before a password in clear."""

SALT_LENGTH: Final = 16
MAX_ROUNDS: Final = 1_000_000
"""About a second; a hash that costs more would be a way to keep the server busy."""

_ROUNDS: Final = 100_000  # about 0.1 s
_START = r"\$%s\$(?:rounds=([0-9]{1,9})\$)?[A-Za-z0-9./]{1,16}\$"
_HASH = re.compile(f"{_START % 5}[A-Za-z0-9./]{{43}}|{_START % 6}[A-Za-z0-9./]{{86}}")


def is_hash(text: str) -> bool:
    """Whether it is a hash that :func:`verify` takes, and at what cost."""
    match = _HASH.fullmatch(text)
    return match is not None and int(match[1] or match[2] or 0) <= MAX_ROUNDS


def hashed(clear: str, salt: str) -> str:
    """The hash of ``$0$`` and a password; ``salt`` is SALT_LENGTH letters, digits, dots or slashes."""
    return cast(str, sha512_crypt.using(salt=salt, rounds=_ROUNDS).hash(clear.removeprefix(CLEAR)))


def verify(password: str, stored: str) -> bool:
    """Whether the password is the one behind a hash. Takes a while, so not on the event loop."""
    return bool((sha256_crypt if stored.startswith("$5$") else sha512_crypt).verify(password, stored))
