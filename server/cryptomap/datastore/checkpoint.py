"""The binary form of a whole configuration: quick to write in slices, quick to read, safe to doubt.

A file is a format line, a header line in JSON, length-prefixed frames, and the SHA-256 of all that stands before it.
A frame is a ``marshal`` of tuples, strings and integers. The first holds the *shape* of the schema: for every inner
node the XML names of its slots. A schema of the same shape turns the tuples straight into nodes; any other schema
reads the tree by names, as XML (``Checkpoint.element``). The last frame is the root.

Long lists are cut into frames of a few thousand slots, so that no single call works on the whole tree while a live
server waits for the interpreter lock. ``marshal`` is not safe on foreign bytes, hence nothing is loaded before the
checksum has been found right; and it may change with a new Python, hence a file that cannot be read is never fatal:
the journal can rebuild what it held.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from lxml import etree

from cryptomap.data.tree import (
    CHUNK_TARGET,
    AnyValue,
    Chunk,
    Entries,
    Key,
    KeylessEntries,
    Node,
    SortedEntries,
    UserEntries,
    Value,
)
from cryptomap.schema.nodes import Any_, DataNode, InnerNode, LeafList, ListNode, Schema

__all__ = ["Checkpoint", "CheckpointFault", "Header", "decode", "encode", "read_header"]

FORMAT = b"cryptomap checkpoint 1\n"
MARSHAL_VERSION = 4
DIGEST_BYTES = 32
PIECE_SLOTS = 4096  # a run of list entries is cut when it holds that many slots ...
INLINE_SLOTS = 512  # ... and gets a frame of its own unless it is smaller than this
LENGTH = struct.Struct(">I")

Raw: TypeAlias = Any
"""A marshalled value: slots as a tuple, a list's pieces as a list of frame numbers or (keys, entries)."""

Shape: TypeAlias = tuple[tuple[tuple[str, str, int], ...], ...]
"""Per inner node, per slot: (Clark name, kind, number of the inner node or -1). Number 0 is the root."""


class CheckpointFault(Exception):
    """This checkpoint cannot be used. The text says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a checkpoint holds: the configuration after commit ``commit`` of the journal whose digest chain reads
    ``digest`` there, under the schema with that content-id."""

    commit: int
    digest: str
    schema: str


def encode(schema: Schema, root: Node, header: Header, write: Callable[[bytes], object]) -> None:
    """Write the file to a sink, frame by frame."""
    checksum = hashlib.sha256()

    def put(piece: bytes) -> None:
        checksum.update(piece)
        write(piece)

    put(FORMAT + json.dumps(asdict(header)).encode() + b"\n")
    put(_frame((_shape_of(schema), dict(schema.namespace_of_module))))
    put(_frame(_Encoder(put).root(root)))
    put(LENGTH.pack(0))
    write(checksum.digest())


def _frame(value: Raw) -> bytes:
    payload = marshal.dumps(value, MARSHAL_VERSION)
    return LENGTH.pack(len(payload)) + payload


class _Encoder:
    """Turns nodes into marshallable values. The frames of a long list are written before the node that holds it."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put
        self._count = 1  # the shape is frame 0
        self._structured = _Structured()

    def root(self, root: Node) -> Raw:
        return self._node(root)[0]

    def _emit(self, keys: list[Key], nodes: list[Raw]) -> int:
        self._put(_frame((tuple(keys), tuple(nodes))))
        self._count += 1
        return self._count - 1

    def _node(self, node: Node) -> tuple[Raw, int]:
        """The raw slots, and how many slots they hold in this frame."""
        slots: list[Raw] | None = None
        weight = len(node.slots)
        for slot, _ in self._structured.of(node.schema):
            value = node.slots[slot]
            if value is not None:
                slots = slots or list(node.slots)
                slots[slot], below = self._value(value)
                weight += below
        return (tuple(slots) if slots else node.slots), weight

    def _value(self, value: Value) -> tuple[Raw, int]:
        if isinstance(value, Node):
            return self._node(value)
        if isinstance(value, AnyValue):
            return value.xml, 1
        assert not isinstance(value, (str, tuple))
        return self._entries(value)

    def _entries(self, entries: Entries) -> tuple[Raw, int]:
        pieces: list[Raw] = []
        total = 0
        keys: list[Key] = []
        nodes: list[Raw] = []
        weight = 0
        for key, node in entries.items():
            raw, slots = self._node(node)
            keys.append(key)
            nodes.append(raw)
            weight += slots
            if weight >= PIECE_SLOTS:
                pieces.append(self._emit(keys, nodes))
                keys, nodes, weight = [], [], 0
        if keys and (pieces or weight >= INLINE_SLOTS):
            pieces.append(self._emit(keys, nodes))
        elif keys:
            pieces.append((tuple(keys), tuple(nodes)))
            total = weight
        return pieces, total + len(pieces)


class _Structured:
    """Per inner node, its (slot, child) pairs whose values are more than text, looked up once."""

    def __init__(self) -> None:
        self._known: dict[InnerNode, tuple[tuple[int, DataNode], ...]] = {}

    def of(self, inner: InnerNode) -> tuple[tuple[int, DataNode], ...]:
        found = self._known.get(inner)
        if found is None:
            found = tuple((c.slot, c) for c in inner.children if isinstance(c, (InnerNode, Any_)))
            self._known[inner] = found
        return found


def _shape_of(schema: Schema) -> Shape:
    inner: list[InnerNode] = [schema.root]
    table: list[tuple[tuple[str, str, int], ...]] = []
    while len(table) < len(inner):
        row: list[tuple[str, str, int]] = []
        for child in sorted(inner[len(table)].children, key=_slot):
            number = -1
            if isinstance(child, InnerNode):
                number = len(inner)
                inner.append(child)
            row.append((child.tag, _kind(child), number))
        table.append(tuple(row))
    return tuple(table)


def _slot(child: DataNode) -> int:
    return child.slot


def _kind(child: DataNode) -> str:
    if isinstance(child, ListNode):
        return "user-list" if child.user_ordered else "list"
    if isinstance(child, InnerNode):
        return "container"
    if isinstance(child, Any_):
        return "any"
    return "leaf-list" if isinstance(child, LeafList) else "leaf"


def read_header(data: bytes) -> Header:
    """The header of a file, before its checksum is known to be right. Raises CheckpointFault."""
    start, end = len(FORMAT), data.find(b"\n", len(FORMAT))
    if not data.startswith(FORMAT) or end < 0:
        raise CheckpointFault("not a checkpoint of this format")
    try:
        return Header(**json.loads(data[start:end]))
    except (ValueError, TypeError):
        raise CheckpointFault("header damaged") from None


def decode(data: bytes) -> Checkpoint:
    """Read a file. Raises CheckpointFault if a single bit is not as it was written."""
    body = memoryview(data)[:-DIGEST_BYTES]
    if hashlib.sha256(body).digest() != data[-DIGEST_BYTES:]:
        raise CheckpointFault("checksum does not match: the file is damaged")
    header = read_header(data)
    try:
        frames = [marshal.loads(frame) for frame in _split(body)]  # noqa: S302 - the checksum was right
        (shape, namespaces), root = frames[0], frames[-1]
    except (ValueError, TypeError, EOFError, IndexError) as fault:
        raise CheckpointFault(f"written by another Python: {fault}") from None
    return Checkpoint(header, shape, namespaces, frames, root)


def _split(body: memoryview) -> Iterator[memoryview]:
    at = bytes(body[: len(FORMAT) + 4096]).index(b"\n", len(FORMAT)) + 1
    while length := LENGTH.unpack_from(body, at)[0]:
        at += LENGTH.size
        yield body[at : at + length]
        at += length


class Checkpoint:
    """A checkpoint that has been read and found undamaged."""

    def __init__(self, header: Header, shape: Shape, namespaces: dict[str, str], frames: list[Raw], root: Raw) -> None:
        self.header = header
        self._shape = shape
        self._namespaces = namespaces
        self._frames = frames
        self._root = root

    def fits(self, schema: Schema) -> bool:
        """Whether it was written under this very schema, so that ``tree`` needs no validation."""
        return self.header.schema == schema.content_id and self._shape == _shape_of(schema)

    def tree(self, schema: Schema) -> Node:
        """The root under a schema it ``fits``."""
        structured = _Structured()

        def node(inner: InnerNode, raw: tuple[Raw, ...]) -> Node:
            slots: list[Raw] | None = None
            for slot, child in structured.of(inner):
                if raw[slot] is not None:
                    slots = slots or list(raw)
                    slots[slot] = value(child, raw[slot])
            return Node(inner, tuple(slots) if slots else raw)

        def value(child: DataNode, raw: Raw) -> Value:
            if isinstance(child, ListNode):
                return self._entries(child, raw, node)
            return node(child, raw) if isinstance(child, InnerNode) else AnyValue(raw)

        return node(schema.root, self._root)

    def _entries(self, schema: ListNode, pieces: Raw, node: Callable[[InnerNode, Raw], Node]) -> Entries:
        keys: list[Key] = []
        nodes: list[Node] = []
        for some_keys, some_nodes in map(self._piece, pieces):
            keys += some_keys
            nodes += [node(schema, raw) for raw in some_nodes]
        if not schema.keys:
            return KeylessEntries(nodes)
        if schema.user_ordered:
            return UserEntries(dict(zip(keys, nodes, strict=True)))
        starts = range(0, len(keys), CHUNK_TARGET)
        return SortedEntries(
            tuple(Chunk(tuple(keys[s : s + CHUNK_TARGET]), tuple(nodes[s : s + CHUNK_TARGET])) for s in starts)
        )

    def _piece(self, piece: Raw) -> Raw:
        return self._frames[piece] if isinstance(piece, int) else piece

    def element(self) -> etree._Element:
        """The configuration as a ``config`` element, read by the names of the schema it was written under. Module
        names serve as XML prefixes, so that canonical values with module names are right as they stand."""
        config = etree.Element(
            "{urn:ietf:params:xml:ns:netconf:base:1.0}config",
            nsmap={name: uri for name, uri in self._namespaces.items() if uri},
        )
        self._fill(config, 0, self._root)
        return config

    def _fill(self, parent: etree._Element, number: int, raw: tuple[Raw, ...]) -> None:
        for (tag, kind, inner), value in zip(self._shape[number], raw, strict=True):
            if value is None:
                continue
            if kind in ("list", "user-list"):
                for _, entries in map(self._piece, value):
                    for entry in entries:
                        self._fill(etree.SubElement(parent, tag), inner, entry)
            elif kind == "container":
                self._fill(etree.SubElement(parent, tag), inner, value)
            elif kind == "any":
                parent.append(etree.fromstring(value, _PARSER))
            else:
                for text in (value,) if kind == "leaf" else value:
                    etree.SubElement(parent, tag).text = text


_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
