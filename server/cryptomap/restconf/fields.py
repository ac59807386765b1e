"""The query parameter ``fields`` (RFC 8040 section 4.8.3): ``name;state(up;peer/address)``."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from cryptomap.data.filter import Fields
from cryptomap.errors import InvalidValue
from cryptomap.restconf.identifiers import child_named
from cryptomap.schema.nodes import DataNode, InnerNode, Operation

__all__ = ["parse_fields"]

_TOKEN: Final = re.compile(r"[^/;()]+|[/;()]")
_MOST: Final = 1000  # tokens

_Chosen = dict[DataNode, "_Chosen | None"]


def parse_fields(inner: InnerNode, text: str) -> Fields:
    """What the text chooses below a node. Raises InvalidValue."""
    tokens = _TOKEN.findall(unquote(text))
    if len(tokens) > _MOST:
        raise _fault(f"more than {_MOST} words")
    reader = _Reader(tokens)
    found = reader.choice(inner)
    if reader.at < len(tokens):
        raise _fault(f"'{tokens[reader.at]}' is not expected after '{''.join(tokens[: reader.at])[-40:]}'")
    return _fields(found)


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self.at = 0

    def choice(self, inner: InnerNode) -> _Chosen:
        """``path`` or ``path(choice)``, several with ``;`` between them."""
        found: _Chosen = {}
        while True:
            self._path(inner, found)
            if not self._takes(";"):
                return found

    def _path(self, inner: InnerNode, found: _Chosen) -> None:
        node = self._name(inner)
        if self._takes("/"):
            inside: _Chosen = {}
            self._path(_opened(node), inside)
        elif self._takes("("):
            inside = self.choice(_opened(node))
            if not self._takes(")"):
                raise _fault("a parenthesis is not closed")
        else:
            found[node] = None
            return
        known = found.setdefault(node, {})
        if known is not None:
            _merge(known, inside)

    def _name(self, inner: InnerNode) -> DataNode:
        name = self._tokens[self.at] if self.at < len(self._tokens) else ""
        node = None if name in ("", "/", ";", "(", ")") else child_named(inner, name)
        if node is None or isinstance(node, Operation):
            raise _fault(f"there is no '{name[:80]}' below {inner.name or 'the datastore'}")
        self.at += 1
        return node

    def _takes(self, token: str) -> bool:
        is_next = self.at < len(self._tokens) and self._tokens[self.at] == token
        self.at += is_next
        return is_next


def _opened(node: DataNode) -> InnerNode:
    if not isinstance(node, InnerNode):
        raise _fault(f"there is nothing below {node.name}")
    return node


def _merge(known: _Chosen, more: _Chosen) -> None:
    for node, inside in more.items():
        before = known.get(node)
        if node in known and before is not None and inside is not None:
            _merge(before, inside)
        else:
            known[node] = None if node in known else inside


def _fields(chosen: _Chosen) -> Fields:
    return Fields({node: None if inside is None else _fields(inside) for node, inside in chosen.items()})


def _fault(message: str) -> InvalidValue:
    return InvalidValue(f"fields: {message}", error_type="protocol", info=[("bad-element", "fields")])
