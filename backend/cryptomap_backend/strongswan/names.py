"""Names in charon: which connection is whose, and which configuration an SA was negotiated with.

charon forgets where a configuration came from and does not show all of it, so its names carry what a restarted server
must know. A connection is ``<prefix>:t:<context>/<map>@<interface>`` (``r`` for a responder), each part percent-quoted.
A child is ``<payload>#<generation>.<version>.<dscp>``:

* the generation is a digest of all that an SA must have been negotiated with to fit the intent;
* the version is a digest of the whole object of the intent, so that any difference from it is found;
* the DSCP is what SAs made by this child are marked with, ``-`` for none.

An edit that live SAs may survive changes the version only. Everything without our prefix belongs to others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from hashlib import blake2s
from urllib.parse import quote, unquote

from cryptomap_backend.intent import ResponderId, Secret, TunnelId

__all__ = ["ChildName", "Item", "connection_name", "digest", "item_of"]

Item = TunnelId | ResponderId

LONGEST = 240
"""Bytes; a name in VICI has at most 255, and a secret's name is a connection's with a suffix."""

_CHILD = re.compile(r"(?P<payload>.*)#(?P<generation>[0-9a-f]{8})\.(?P<version>[0-9a-f]{8})\.(?P<dscp>\d+|-)")
_TUNNEL = re.compile(r"t:(?P<context>[^/]*)/(?P<map>[^@]*)@(?P<interface>.*)")
_RESPONDER = re.compile(r"r:(?P<context>[^/]*)/(?P<service>.*)")


@dataclass(frozen=True, slots=True)
class ChildName:
    """The name of a child configuration, taken apart."""

    payload: str
    generation: str
    version: str
    dscp: int | None

    def __str__(self) -> str:
        return f"{self.payload}#{self.generation}.{self.version}.{'-' if self.dscp is None else self.dscp}"

    @classmethod
    def of(cls, text: str) -> ChildName | None:
        """``None`` for a name we did not give."""
        found = _CHILD.fullmatch(text)
        if found is None:
            return None
        dscp = None if found["dscp"] == "-" else int(found["dscp"])
        return cls(found["payload"], found["generation"], found["version"], dscp)


def connection_name(prefix: str, item: Item) -> str:
    """The name of a tunnel's or responder's connection. One too long for VICI ends in a digest instead."""
    kind = "t" if isinstance(item, TunnelId) else "r"
    parts = [quote(part, safe=" ") for part in item]
    text = f"{prefix}:{kind}:{parts[0]}/{'@'.join(parts[1:])}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 9]}~{digest(text)}"


def item_of(prefix: str, name: str) -> Item | None:
    """Whose connection that is, ``None`` for one of others. Of a shortened name the parts are what is left of them."""
    if not name.startswith(f"{prefix}:"):
        return None
    rest = name.removeprefix(f"{prefix}:")
    if found := _TUNNEL.fullmatch(rest):
        return TunnelId(*map(unquote, found.groups()))
    if found := _RESPONDER.fullmatch(rest):
        return ResponderId(*map(unquote, found.groups()))
    return TunnelId("", unquote(rest), "")


def digest(*values: object) -> str:
    """Eight hexadecimal digits that stand for these values; secrets take part by their fingerprints only."""
    return blake2s(_canonical(values).encode(), digest_size=4).hexdigest()


def _canonical(value: object) -> str:
    if isinstance(value, Secret):
        return f"secret {value.fingerprint}"
    if isinstance(value, Enum):
        return str(value.value)
    if is_dataclass(value):
        return f"({', '.join(f'{field.name}={_canonical(getattr(value, field.name))}' for field in fields(value))})"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_canonical, value))}]"
    return repr(value)
