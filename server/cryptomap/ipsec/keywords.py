"""The StarOS keywords of identities, which are also the backends' names of the algorithms."""

from __future__ import annotations

__all__ = ["identity", "keyword"]

TYPES = "cryptomap-types"
KEYWORDS = {"triple-des-cbc": "3des-cbc"}
"""Identities whose StarOS keyword is not a YANG identifier."""

IDENTITIES = {word: name for name, word in KEYWORDS.items()}


def keyword(text: str) -> str:
    """The keyword of an identity."""
    name = text.rpartition(":")[2]
    return KEYWORDS.get(name, name)


def identity(word: str) -> str:
    """The identity of an algorithm, ``module:name``."""
    return f"{TYPES}:{IDENTITIES.get(word, word)}"
