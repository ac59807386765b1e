"""Instances as the body of a response: an element, or an object with one member (RFC 8040 sections 5.2 and 5.3)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from cryptomap.data.json import write_json
from cryptomap.data.tree import EntriesTypes, KeylessEntries, Node, Path, Value, entries_of
from cryptomap.data.view import View
from cryptomap.data.xml import WriteOptions, write
from cryptomap.errors import InvalidValue
from cryptomap.restconf.messages import RESTCONF, XML
from cryptomap.schema.nodes import ListNode, Schema

__all__ = ["Form", "slices"]

SLICE = 64 * 1024
SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Form:
    """How to write: the media type, and a mode of RFC 6243."""

    schema: Schema
    media: str
    with_defaults: str = "explicit"

    def instance(self, path: Path, value: Value) -> Iterator[bytes]:
        """One instance, or all of a list or leaf-list; of these XML can have one only. Raises InvalidValue."""
        node, key = path[-1]
        assert node.parent is not None
        if self.media == XML and key is None and _count(value) > 1:
            message = f"XML takes one instance: name one {node.name}, or ask for JSON"
            raise InvalidValue(message, error_type="protocol")
        if isinstance(node, ListNode) and isinstance(value, Node):
            entries = entries_of(node, {key: value}) if node.keys and key is not None else KeylessEntries((value,))
            assert entries is not None
            value = entries
        elif key is not None and isinstance(value, str):
            value = (value,)
        return self.children(Node.empty(node.parent).with_slot(node.slot, value))

    def children(self, source: Node | View, module: str = "") -> Iterator[bytes]:
        """What is in a node, as elements, or as an object inside a member of that module."""
        if self.media == XML:
            return write(self.schema, source, WriteOptions(self.with_defaults))
        return slices(write_json(self.schema, source, self.with_defaults, module))

    def around(self, name: str, namespace: str, module: str, source: Node | View | None) -> Iterator[bytes]:
        """The same inside an element, or a member, that no data node stands for."""
        inside = iter(()) if source is None else self.children(source, module)
        if self.media == XML:
            yield f'<{name} xmlns="{namespace}">'.encode()
            yield from inside
            yield f"</{name}>".encode()
        else:
            yield f'{{"{module}:{name}":'.encode()
            yield from [b"{}"] if source is None else inside
            yield b"}"

    def datastore(self, source: Node | View | None) -> Iterator[bytes]:
        """A datastore resource (section 3.4)."""
        return self.around("data", RESTCONF, "ietf-restconf", source)


def _count(value: Value) -> int:
    """0, 1, or 2 for more."""
    if isinstance(value, tuple):
        return len(value)
    return len(list(islice(value.nodes(), 2))) if isinstance(value, EntriesTypes) else 1


def slices(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that are worth sending, or that have taken long enough: others wait for their turn."""
    held, size, began = [], 0, time.perf_counter()
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= SLICE or time.perf_counter() - began > SECONDS:
            yield b"".join(held)
            held, size, began = [], 0, time.perf_counter()
    if held:
        yield b"".join(held)
