"""Keys on a line: clear ones are sealed as they are read, and none is ever written in clear.

``[encrypted] key VALUE`` is the only form (oddity O-3). What follows ``encrypted`` is either a key that this server has
sealed, which goes back where it came from, or a key that the vendor's platform has encrypted, which nobody but the
vendor can open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptomap.schema.nodes import Leaf, LeafList
from cryptomap.schema.types import TypeFault
from cryptomap.staros.grammar import Found, Source
from cryptomap.staros.text import Refusal, Tokens

__all__ = ["KeyMaterial", "PreSharedKey"]

SEALED = re.compile(r"\$cm1\$[A-Za-z0-9+/=_-]+")
"""What the seals of this server look like (YANG type cryptomap-types:sealed-secret)."""

_HEX_KEY = re.compile(r"(?:0[xX])?((?:[0-9a-fA-F]{2})+)")


@dataclass(frozen=True, slots=True)
class PreSharedKey:
    """``[encrypted] key VALUE`` for the leafs of a clear and of a vendor-encrypted key."""

    clear: str
    encrypted: str
    word: str = ""
    optional: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.clear, self.encrypted)

    def read(self, tokens: Tokens, found: Found) -> None:
        is_encrypted = tokens.skip("encrypted")
        tokens.expect("key")
        position = tokens.at
        value = tokens.take("the key")
        if not is_encrypted:
            found.values[self.clear] = _sealed(found, self.clear, value, position)
            return
        home = _home(found, (self.clear, self.encrypted), value)
        if home is not None:
            found.values[home] = value
        elif found.seal is None and SEALED.fullmatch(value):
            found.notes.append("a sealed key is taken for a pre-shared key; only the server that sealed it can tell")
            found.values[self.clear] = value
        else:
            _refuse_foreign_seal(value, position)
            found.values[self.encrypted] = _sealed(found, self.encrypted, value, position)

    def write(self, source: Source) -> str | None:
        for path in self.paths:
            value = source.explicit(path)
            if isinstance(value, str) and SEALED.fullmatch(value):
                return f"encrypted key {value}"
        return None


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """``[encrypted] WORD HEX`` for each of some (word, leaf) pairs, in their order; each may be missing, not all."""

    keys: tuple[tuple[str, str], ...]
    word: str = ""
    optional: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple([path for _, path in self.keys])

    def read(self, tokens: Tokens, found: Found) -> None:
        for word, path in self.keys:
            start = tokens.at
            is_encrypted = tokens.skip("encrypted")
            if tokens.skip(word):
                found.values[path] = self._key(tokens, found, path, is_encrypted)
            else:
                tokens.at = start
        if not found.values.keys() & set(self.paths):
            tokens.expect(self.keys[0][0])

    def _key(self, tokens: Tokens, found: Found, path: str, is_encrypted: bool) -> str:
        position = tokens.at
        value = tokens.take("the key")
        if is_encrypted:
            if _home(found, (path,), value) or (found.seal is None and SEALED.fullmatch(value)):
                return value
            _refuse_foreign_seal(value, position)
            raise Refusal("a key that another system has encrypted cannot be used here: give it in clear", position)
        match = _HEX_KEY.fullmatch(value)
        if match is None:
            raise Refusal("the key is not made of pairs of hex digits", position)
        digits = match[1].lower()
        octets = ":".join([digits[at : at + 2] for at in range(0, len(digits), 2)])
        return _sealed(found, path, octets, position)

    def write(self, source: Source) -> str | None:
        parts: list[str] = []
        for word, path in self.keys:
            value = source.explicit(path)
            if isinstance(value, str):
                if not SEALED.fullmatch(value):
                    return None
                parts.append(f"encrypted {word} {value}")
        return " ".join(parts) or None


def _sealed(found: Found, path: str, clear: str, position: int) -> str:
    """The clear value as it goes into a tree."""
    leaf: Leaf | LeafList = found.leaf(path)
    try:
        value = leaf.type.parse(clear)
    except TypeFault as fault:
        raise Refusal(fault.message, position) from None
    return value if found.seal is None else found.seal.seal(leaf.path, value)


def _home(found: Found, paths: tuple[str, ...], value: str) -> str | None:
    """The leaf that this server sealed the value for."""
    if found.seal is None:
        return None
    return next((path for path in paths if found.seal.is_sealed(found.leaf(path).path, value)), None)


def _refuse_foreign_seal(value: str, position: int) -> None:
    if SEALED.fullmatch(value):
        raise Refusal("the key was sealed by another server, or for another place: give it in clear", position)
