"""Handles on the sealed leafs of a configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cryptomap.data import values
from cryptomap.data.tree import Node
from cryptomap_backend.intent import Secret

__all__ = ["Secrets", "octets", "plain", "secret"]


class Secrets(Protocol):
    """What can be learnt of a sealed leaf, given its schema path; the vault."""

    def reveal(self, path: str, sealed: str) -> bytes:
        """The clear text. Asked for only when a backend computes with the key."""
        ...

    def fingerprint(self, path: str, sealed: str) -> str:
        """What tells keys apart, whichever master key sealed them."""
        ...


def secret(owner: Node, path: str, sealed: str, secrets: Secrets, convert: Callable[[bytes], bytes]) -> Secret:
    """A handle on the sealed leaf at a path."""
    where = values.route(owner.schema, path).child.path
    return _SealedLeaf(where, sealed, secrets, convert)


class _SealedLeaf(Secret):
    """A handle on one sealed leaf. Its fingerprint is made when somebody asks: a fifth of the time a map takes, and
    two handles on the same sealed text are equal without."""

    __slots__ = ("_convert", "_sealed", "_secrets", "_where")

    def __init__(self, where: str, sealed: str, secrets: Secrets, convert: Callable[[bytes], bytes]) -> None:
        self._where = where
        self._sealed = sealed
        self._secrets = secrets
        self._convert = convert
        self._fingerprint = ""

    @property
    def fingerprint(self) -> str:
        if not self._fingerprint:
            self._fingerprint = self._secrets.fingerprint(self._where, self._sealed)
        return self._fingerprint

    def reveal(self) -> bytes:
        return self._convert(self._secrets.reveal(self._where, self._sealed))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _SealedLeaf) and (self._where, self._sealed) == (other._where, other._sealed):
            return True
        return super().__eq__(other)

    __hash__ = Secret.__hash__


def plain(clear: bytes) -> bytes:
    return clear


def octets(clear: bytes) -> bytes:
    """The octets of a yang:hex-string."""
    return bytes.fromhex(clear.decode().replace(":", ""))
