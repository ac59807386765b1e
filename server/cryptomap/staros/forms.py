"""How one leaf value is written as one token: as a keyword, in hex, or as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import Protocol

from cryptomap.schema.nodes import Leaf, LeafList
from cryptomap.schema.types import EnumerationType, IdentityrefType, LeafrefType, Type, TypeFault, UnionType
from cryptomap.staros.text import Refusal, complete, listed, quote

__all__ = ["PLAIN", "AddressOf", "Form", "Hex", "Plain", "keyword", "keywords"]

SPELLING: Mapping[str, str] = {"triple-des-cbc": "3des-cbc"}
"""Identities whose StarOS keyword is not a YANG identifier."""

WITHOUT_KEYWORD = frozenset({"aes-cbc-192", "aes-192-gcm"})
"""Algorithms of the VPP column of the seed's table for which StarOS has no keyword (oddity O-20)."""

_HEX = re.compile(r"0[xX]([0-9a-fA-F]+)|([0-9])")


class Form(Protocol):
    """Both ways between the token of a line and the canonical value of a leaf."""

    def read(self, leaf: Leaf | LeafList, token: str) -> str:
        """The canonical value. Raises Refusal."""
        ...

    def write(self, leaf: Leaf | LeafList, value: str) -> str | None:
        """The token; ``None`` if StarOS cannot say the value."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """The keyword where the type has keywords, else the value itself, quoted if need be.

    ``spelling`` maps values to words that StarOS writes differently, ``also`` further words to values."""

    spelling: Mapping[str, str] = field(default_factory=dict)
    also: Mapping[str, str] = field(default_factory=dict)

    def read(self, leaf: Leaf | LeafList, token: str) -> str:
        words = keywords(leaf.type)
        respelled = {self.spelling.get(word, word): value for word, value in words.items()}
        respelled |= {other: words[word] for other, word in self.also.items() if word in words}
        found = complete(token, respelled)
        if len(found) == 1:
            return respelled[found[0]]
        if found:
            raise Refusal(f"'{token}' can be {listed(found)}: write more of it")
        if token.lower() in WITHOUT_KEYWORD:
            raise Refusal(f"'{token}' has no keyword in StarOS: set it by NETCONF")
        try:
            return leaf.type.parse(token)
        except TypeFault as fault:
            if words:
                raise Refusal(f"'{token}' is none of {', '.join(sorted(respelled))}") from None
            raise Refusal(fault.message) from None

    def write(self, leaf: Leaf | LeafList, value: str) -> str | None:
        words = keywords(leaf.type)
        if value in words.values():
            word = keyword(value)
            return self.spelling.get(word, word)
        return None if keyword(value) in WITHOUT_KEYWORD else quote(value)


PLAIN = Plain()


@dataclass(frozen=True, slots=True)
class Hex:
    """A number that StarOS writes in hex, with that many digits. A single decimal digit is the same either way; longer
    numbers need ``0x``, because without it nobody knows which was meant."""

    digits: int

    def read(self, leaf: Leaf | LeafList, token: str) -> str:
        match = _HEX.fullmatch(token)
        if match is None:
            raise Refusal(f"'{token}' is not a number in hex: write it with 0x")
        try:
            return leaf.type.parse(str(int(match[1] or match[2], 16)))
        except TypeFault as fault:
            raise Refusal(f"{token}: {fault.message}") from None

    def write(self, leaf: Leaf | LeafList, value: str) -> str:
        return f"0x{int(value):0{self.digits}x}"


@dataclass(frozen=True, slots=True)
class AddressOf:
    """An address of one IP version, where each version has a command of its own."""

    version: int

    def read(self, leaf: Leaf | LeafList, token: str) -> str:
        value = PLAIN.read(leaf, token)
        if ip_address(value).version != self.version:
            raise Refusal(f"'{token}' is not an IPv{self.version} address")
        return value

    def write(self, leaf: Leaf | LeafList, value: str) -> str | None:
        return value if ip_address(value).version == self.version else None


def keyword(value: str) -> str:
    """The StarOS keyword of an identity or enumeration value."""
    name = value.rpartition(":")[2]
    return SPELLING.get(name, name)


@lru_cache(maxsize=1024)
def keywords(kind: Type) -> Mapping[str, str]:
    """The keywords of a type and the canonical values they stand for; empty for types of numbers and strings."""
    if isinstance(kind, EnumerationType):
        return {name: name for name in kind.values}
    if isinstance(kind, IdentityrefType):
        return {keyword(value): value for value in kind.values if keyword(value) not in WITHOUT_KEYWORD}
    if isinstance(kind, LeafrefType):
        return keywords(kind.target)
    if isinstance(kind, UnionType):
        return {word: value for member in kind.members for word, value in keywords(member).items()}
    return {}
