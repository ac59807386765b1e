"""The vault: pre-shared and manual keys are sealed before they enter a tree and opened only for the backend.

Sealing is AES-SIV (RFC 5297) with the schema path of the leaf as associated data. It is deterministic on purpose: the
same key sent twice gives the same sealed text, so that sending a configuration again is no change. The price is that
somebody who reads the store can see *that* two leafs of the same kind hold the same key, never which key. A sealed text
copied to a leaf of another kind does not open there.

The key file holds one key a line, base64. The first of 64 bytes seals, every one opens, so a rotation adds a line on
top, seals everything again, and removes the old line (:mod:`.rotation`). A line of 32 bytes is the comparison key: it
makes the fingerprints by which keys are told apart. It stays in a rotation, so that a secret sealed anew is no change
to anybody. A file without one has it derived from its oldest key.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from cryptomap.datastore.statedir import StateFault, credential, write_durably

__all__ = ["PREFIX", "KeyFile", "Vault"]

PREFIX = "$cm1$"
KEY_BYTES = 64  # AES-256-SIV: one half authenticates, the other encrypts
COMPARISON_BYTES = 32
FINGERPRINT_BYTES = 16


@dataclass(frozen=True, slots=True, repr=False)
class KeyFile:
    """What a key file holds: sealing keys, the newest first, and the comparison key."""

    keys: tuple[bytes, ...]
    comparison: bytes

    @classmethod
    def new(cls) -> KeyFile:
        return cls((os.urandom(KEY_BYTES),), os.urandom(COMPARISON_BYTES))

    @classmethod
    def read(cls, path: Path) -> KeyFile:
        """Raises StateFault if the file is missing, damaged, or somebody else's to read."""
        values = _read_lines(path)
        keys = tuple(value for value in values if len(value) == KEY_BYTES)
        comparison = [value for value in values if len(value) == COMPARISON_BYTES]
        if not keys or len(comparison) > 1 or len(keys) + len(comparison) < len(values):
            raise StateFault(f"key file {path}: not a key file, or damaged")
        return cls(keys, comparison[0] if comparison else _derived(keys[-1]))

    def write(self, path: Path) -> None:
        """Durably, all or nothing. Raises OSError."""
        lines = [base64.b64encode(value) + b"\n" for value in (*self.keys, self.comparison)]
        write_durably(path, lines)

    def rotated(self) -> KeyFile:
        """With a new key that seals."""
        return KeyFile((os.urandom(KEY_BYTES), *self.keys), self.comparison)

    def newest(self) -> KeyFile:
        """Without the keys that only open."""
        return KeyFile(self.keys[:1], self.comparison)

    def vault(self) -> Vault:
        return Vault(self.keys, self.comparison)


class Vault:
    """Seals and opens secret leaf values. Implements the data room's ``Sealer``; prints without its keys."""

    def __init__(self, keys: Sequence[bytes], comparison: bytes | None = None) -> None:
        """Keys of 64 bytes, the sealing one first, and one of 32 for fingerprints (derived from the last if absent)."""
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a vault needs keys of {KEY_BYTES} bytes")
        self._ciphers = tuple(AESSIV(key) for key in keys)
        self._comparison = comparison or _derived(keys[-1])

    @classmethod
    def open(cls, path: Path, *, create: bool) -> Vault:
        """The vault of a key file; with ``create`` a missing file is made (0600). Without it a missing file is a
        StateFault, because a new key could not open what the journal holds."""
        if create and not path.exists():
            KeyFile.new().write(path)
        return KeyFile.read(path).vault()

    def seal(self, path: str, clear: str) -> str:
        """The sealed text of a value of the leaf at that schema path."""
        sealed = self._ciphers[0].encrypt(clear.encode(), [path.encode()])
        return PREFIX + base64.b64encode(sealed).decode()

    def is_sealed(self, path: str, text: str) -> bool:
        """Whether this text was sealed by this vault for that schema path. A look-alike is not."""
        return self._open(path, text) is not None

    def reveal(self, path: str, sealed: str) -> bytes:
        """The clear value. Raises StateFault if no key of this vault sealed it for that path."""
        clear = self._open(path, sealed)
        if clear is None:
            raise StateFault(f"a secret at {path} was sealed with another key: restore the key file it was sealed with")
        return clear

    def fingerprint(self, path: str, sealed: str) -> str:
        """What tells the clear values at that schema path apart, in hexadecimal; the same whichever key sealed it.
        Raises as ``reveal``."""
        mac = hmac.digest(self._comparison, path.encode() + b"\0" + self.reveal(path, sealed), "sha256")
        return mac[:FINGERPRINT_BYTES].hex()

    def _open(self, path: str, text: str) -> bytes | None:
        if not text.startswith(PREFIX):
            return None
        try:
            sealed = base64.b64decode(text[len(PREFIX) :], validate=True)
        except (binascii.Error, ValueError):
            return None
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(sealed, [path.encode()])
            except InvalidTag:
                continue
        return None

    def __repr__(self) -> str:
        return "<Vault>"


def _derived(key: bytes) -> bytes:
    """The comparison key of a file that has none."""
    return hmac.digest(key, b"cryptomap comparison key", "sha256")


def _read_lines(path: Path) -> list[bytes]:
    try:
        if path.stat().st_mode & (0o037 if path == credential(path.name) else 0o077):
            raise StateFault(f"key file {path}: others may read it; make it 0600")
        lines = path.read_bytes().split()
    except OSError as fault:
        raise StateFault(f"key file {path}: {fault.strerror}") from None
    try:
        return [base64.b64decode(line, validate=True) for line in lines]
    except binascii.Error:
        return []
