"""From trees to XML, in slices, so that a reply of any size streams.

Each inner schema node gets a *plan* once: for every child the slot, the start and end tag as text, and how to write
the value. Writing an entry is then one pass over its plan. Entries of long lists are written chunk by chunk, and the
bytes of a chunk are remembered (``memory``), one variant for each way of hiding something in it.

Output is self-contained: a node's default namespace is that of its module, and prefixes in values are declared on the
very element that uses them, so that any part can be cut out and still be read.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import cast

from cryptomap.data.defaults import Default
from cryptomap.data.tree import AnyValue, Chunk, Entries, LazyEntries, Node, SortedEntries, Value
from cryptomap.data.view import View
from cryptomap.data.xml.memory import memory
from cryptomap.schema.nodes import Container, DataNode, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import INTEGER_BOUNDS, Type

__all__ = ["WITH_DEFAULTS_NAMESPACE", "Printer", "WriteOptions", "escape", "printer", "write"]

WITH_DEFAULTS_NAMESPACE = "urn:ietf:params:xml:ns:netconf:default:1.0"
ORIGIN_NAMESPACE = "urn:ietf:params:xml:ns:yang:ietf-origin"
SLICE_BYTES = 64 * 1024
SLICE_TEXTS = 2048
WHOLE_ENTRIES = 4096  # a chunk with as many entries, nested ones counted, is written and remembered in one piece
KEPT_ENTRIES = 16  # less is as fast to write as to remember
REMEMBERED_VALUES = 1024

_PLAIN_BASES = frozenset({*INTEGER_BOUNDS, "decimal64", "boolean", "binary", "bits", "empty"})


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to write. ``with_defaults`` is one of RFC 6243's modes: ``explicit``, ``report-all``, ``report-all-tagged``,
    ``trim``. The defaults that the two report-all modes show are put there by a :class:`View` made with ``defaults``.
    ``hide`` names schema nodes to leave out with all below them (keys of a list are always written); it should be the
    same object for the same answers, because what is written is remembered for it. ``origin``, if
    given, annotates configuration with where it comes from (RFC 8342 section 7): it names the origin of a top-level
    node; a default is told apart."""

    with_defaults: str = "explicit"
    hide: Callable[[DataNode], bool] | None = None
    origin: Callable[[DataNode], str] | None = None


class Kind(IntEnum):
    PLAIN = 0  # a leaf whose values never need escaping
    TEXT = 1
    QUALIFIED = 2  # a leaf whose values carry prefixes
    LEAF_LIST = 3
    CONTAINER = 4
    LIST = 5
    ANY = 6


CONTAINER, LIST, LEAF_LIST, QUALIFIED = map(int, (Kind.CONTAINER, Kind.LIST, Kind.LEAF_LIST, Kind.QUALIFIED))
"""As plain numbers, for the one loop that compares them millions of times."""


class Item:
    """How to write one child: its slot, what it is, and the tags around a value. ``is_kept``: what is written of its
    entries may be remembered, as that ``variant``. ``inside`` is the plan of what is inside a container or an entry."""

    __slots__ = ("child", "end", "inside", "is_kept", "is_qualified", "kind", "remembered", "slot", "start", "variant")

    def __init__(self, child: DataNode, start: str, is_kept: bool, variant: Hashable, inside: Plan) -> None:
        self.child = child
        self.slot = child.slot
        self.kind = _kind(child)
        self.start = start
        self.end = f"</{child.name}>"
        self.inside = inside
        self.is_kept = is_kept
        self.is_qualified = isinstance(child, Leaf | LeafList) and child.type.qualified
        self.variant = variant
        self.remembered: dict[str, str] = {}


Plan = tuple[tuple[int, int, str, str, Item], ...]


def write(schema: Schema, source: Node | View, options: WriteOptions | None = None) -> Iterator[bytes]:
    """The children of a root (or of any inner node) as UTF-8 XML in slices of about 64 KiB to 1 MiB.

    A :class:`View` is asked for its state while the slices are taken."""
    writer = printer(schema, options or WriteOptions())
    return _slices(writer.stream_view(source) if isinstance(source, View) else writer.stream(source, top=True))


def _slices(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= SLICE_BYTES:
            yield b"".join(held) if len(held) > 1 else piece
            held = []
            size = 0
    if held:
        yield b"".join(held)


@lru_cache(maxsize=32)
def printer(schema: Schema, options: WriteOptions) -> Printer:
    """The printer for these options, with the plans it has made so far."""
    return Printer(schema, options)


class Printer:
    """Plans and what writes by them, for one schema and one set of options."""

    def __init__(self, schema: Schema, options: WriteOptions) -> None:
        self.schema = schema
        self.hide = options.hide
        self.trim = options.with_defaults == "trim"
        self.tagged = options.with_defaults == "report-all-tagged"
        self.origin = options.origin
        self._plans: dict[tuple[InnerNode, bool], Plan] = {}
        self._nested: dict[InnerNode, tuple[tuple[int, InnerNode], ...]] = {}

    # ===== plans =====

    def plan(self, inner: InnerNode, top: bool = False) -> Plan:
        """The plan of an inner node. ``top``: its children are written without it, so each names its namespace."""
        plan = self._plans.get((inner, top))
        if plan is None:
            items = [self.item(child, top) for child in inner.children if not self._is_hidden(child)]
            plan = tuple([(item.slot, int(item.kind), item.start, item.end, item) for item in items])
            self._plans[inner, top] = plan
        return plan

    def item(self, child: DataNode, top: bool) -> Item:
        inherited = child.parent.module if child.parent is not None else ""
        namespace = "" if child.module == inherited and not top else self._namespace(child.module)
        if top and self.origin and child.config:
            namespace += _annotation(self.origin(child))
        is_usual = child.module != inherited or not top  # the start tag is the same wherever the entries are written
        is_kept = is_usual and isinstance(child, ListNode) and not self.tagged and not self.trim
        variant = self.hide if self._hides_below(child) else None
        inside = self.plan(child) if isinstance(child, InnerNode) else ()
        return Item(child, f"<{child.name}{namespace}>", is_kept, variant, inside)

    def _namespace(self, module: str) -> str:
        return f' xmlns="{escape(self.schema.namespace_of_module[module])}"'

    def _is_hidden(self, child: DataNode) -> bool:
        return self.hide is not None and not (isinstance(child, Leaf) and child.is_key) and self.hide(child)

    def _hides_below(self, node: DataNode) -> bool:
        if self.hide is None or not isinstance(node, InnerNode):
            return False
        return any(self._is_hidden(child) or self._hides_below(child) for child in node.children)

    def nested(self, inner: InnerNode) -> tuple[tuple[int, InnerNode], ...]:
        """(slot, schema) of its lists, and of its containers with lists below."""
        nested = self._nested.get(inner)
        if nested is None:
            children = [child for child in inner.children if isinstance(child, InnerNode)]
            deep = [child for child in children if isinstance(child, ListNode) or self.nested(child)]
            nested = self._nested[inner] = tuple([(child.slot, child) for child in deep])
        return nested

    def left(self, inner: InnerNode, nodes: Iterable[Node], limit: int) -> int:
        """What is left of ``limit`` after the entries nested below these nodes; negative as soon as there are more.

        Lazily made entries count as many: nobody knows before they are asked."""
        nested = self.nested(inner)
        for node in nodes if nested else ():
            for slot, schema in nested:
                value = node.slots[slot]
                if value is None:
                    continue
                if isinstance(value, LazyEntries):
                    return -1
                if isinstance(value, Node):
                    limit = self.left(schema, (value,), limit)
                else:
                    entries = cast(Entries, value)
                    limit -= len(entries)
                    limit = self.left(schema, entries.nodes(), limit) if limit >= 0 else -1
                if limit < 0:
                    return -1
        return limit

    # ===== streaming =====

    def stream_view(self, view: View) -> Iterator[bytes]:
        items = {item.child: item for *_, item in self.plan(view.root.schema, top=True)}
        for child, value in view.children(view.root, ()):
            if child in items:
                yield from self._stream_value(items[child], value)

    def stream(self, node: Node, top: bool = False) -> Iterator[bytes]:
        """The content of a node. Pieces are as small or as large as they come."""
        texts: list[str] = []
        slots = node.slots
        for slot, kind, _, _, item in self.plan(node.schema, top):
            value = slots[slot]
            if value is None:
                continue
            if kind == Kind.LIST or (kind == Kind.CONTAINER and self._is_large(cast(Node, value))):
                yield "".join(texts).encode()
                texts = []
                yield from self._stream_value(item, value)
            else:
                self.value(item, value, texts)
        yield "".join(texts).encode()

    def _stream_value(self, item: Item, value: Value) -> Iterator[bytes]:
        if isinstance(value, Node):
            yield item.start.encode()
            yield from self.stream(value)
            yield item.end.encode()
        elif isinstance(value, SortedEntries):
            for chunk in value.chunks:
                yield from self._stream_chunk(item, chunk)
        elif isinstance(value, str | tuple | AnyValue):
            texts: list[str] = []
            self.value(item, value, texts)
            yield "".join(texts).encode()
        else:
            yield from self._stream_entries(item, value.nodes())

    def _stream_chunk(self, item: Item, chunk: Chunk) -> Iterator[bytes]:
        if item.is_kept and (xml := memory.get(chunk, item.variant)) is not None:
            yield xml
            return
        left = self.left(cast(InnerNode, item.child), chunk.nodes, WHOLE_ENTRIES - len(chunk.nodes))
        if left < 0:
            yield from self._stream_entries(item, chunk.nodes)
            return
        texts: list[str] = []
        self._entries(item, chunk.nodes, texts)
        xml = "".join(texts).encode()
        if item.is_kept and WHOLE_ENTRIES - left >= KEPT_ENTRIES:
            memory.put(chunk, xml, item.variant)
        yield xml

    def _stream_entries(self, item: Item, nodes: Iterable[Node]) -> Iterator[bytes]:
        texts: list[str] = []
        for node in nodes:
            if self._is_large(node):
                texts.append(item.start)
                yield "".join(texts).encode()
                texts = [item.end]
                yield from self.stream(node)
            else:
                self._entries(item, (node,), texts)
            if len(texts) > SLICE_TEXTS:
                yield "".join(texts).encode()
                texts = []
        yield "".join(texts).encode()

    def _is_large(self, node: Node) -> bool:
        """Whether lists inside are long enough to be streamed (and remembered) by themselves."""
        return self.left(node.schema, (node,), KEPT_ENTRIES - 1) < 0

    # ===== writing in one go =====

    def value(self, item: Item, value: Value, texts: list[str]) -> None:
        """Append the text of one child."""
        self._content(((0, int(item.kind), item.start, item.end, item),), (value,), texts.append)

    def content(self, node: Node, texts: list[str]) -> None:
        """Append the text of all children of a node."""
        self._content(self.plan(node.schema), node.slots, texts.append)

    def _entries(self, item: Item, nodes: Iterable[Node], texts: list[str]) -> None:
        add = texts.append
        start, end = item.start, item.end
        for node in nodes:
            add(start)
            self._content(item.inside, node.slots, add)
            add(end)

    def _content(self, plan: Plan, slots: tuple[Value | None, ...], add: Callable[[str], None]) -> None:
        for slot, kind, start, end, item in plan:
            value = slots[slot]
            if value is None:
                continue
            if kind <= 1:
                if value.__class__ is str and not self.trim:
                    text = value
                    if kind == 1 and ("&" in text or "<" in text or ">" in text or "\r" in text):
                        text = escape(text)
                    add(f"{start}{text}{end}")
                else:
                    self._leaf(item, cast(str, value), add)
            elif kind == CONTAINER:
                add(start)
                self._content(item.inside, cast(Node, value).slots, add)
                add(end)
            elif kind == LIST:
                for node in cast(Entries, value).nodes():
                    add(start)
                    self._content(item.inside, node.slots, add)
                    add(end)
            elif kind == QUALIFIED:
                self._leaf(item, cast(str, value), add)
            elif kind == LEAF_LIST:
                if self.trim and value == cast(LeafList, item.child).defaults:
                    continue
                for text in cast("tuple[str, ...]", value):
                    if item.is_qualified or text.__class__ is not str:
                        self._leaf(item, text, add)
                    else:
                        add(f"{start}{escape(text)}{end}")
            else:
                add(cast(AnyValue, value).xml.decode())

    def _leaf(self, item: Item, value: str, add: Callable[[str], None]) -> None:
        child = cast("Leaf | LeafList", item.child)
        is_default = value.__class__ is Default
        if self.trim and (is_default or (isinstance(child, Leaf) and child.default == value)):
            return
        if is_default and (marks := self._marks(child)):
            plain = self._qualified(item, value)
            if self.origin:
                plain = plain.replace(_annotation(self.origin(child)), "", 1)
            add(f"<{child.name}{marks}{plain.removeprefix(f'<{child.name}')}")
            return
        text = item.remembered.get(value)
        if text is None:
            text = self._qualified(item, value)
            if item.is_qualified:
                if len(item.remembered) >= REMEMBERED_VALUES:
                    item.remembered.clear()
                item.remembered[value] = text
        add(text)

    def _marks(self, child: Leaf | LeafList) -> str:
        """The attributes of a default."""
        tag = f' xmlns:wd="{WITH_DEFAULTS_NAMESPACE}" wd:default="true"' if self.tagged else ""
        return f"{tag}{_annotation('default')}" if self.origin and child.config else tag

    def _qualified(self, item: Item, value: str) -> str:
        text, namespaces = self.lexical(cast("Leaf | LeafList", item.child).type, value)
        return f"{item.start[:-1]}{namespaces}>{text}{item.end}"

    def lexical(self, kind: Type, value: str) -> tuple[str, str]:
        """The escaped text of a value, and the namespace declarations it needs."""
        if not kind.qualified:
            return escape(value), ""
        used: dict[str, str] = {}

        def prefix_of(module: str) -> str:
            prefix = self.schema.prefix_of_module[module]
            used[prefix] = self.schema.namespace_of_module[module]
            return prefix

        text = escape(kind.render(value, prefix_of))
        return text, "".join([f' xmlns:{prefix}="{escape(uri)}"' for prefix, uri in used.items()])


def _annotation(origin: str) -> str:
    return f' xmlns:or="{ORIGIN_NAMESPACE}" or:origin="or:{origin}"'


def escape(text: str) -> str:
    """Text as XML character data, also good inside a double-quoted attribute. A carriage return must be a reference, or
    the reader's line-end rule would change it (XML 1.0 section 2.11)."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("\r", "&#13;")


def _kind(child: DataNode) -> Kind:
    if isinstance(child, Leaf):
        if child.type.qualified:
            return Kind.QUALIFIED
        return Kind.PLAIN if child.type.base in _PLAIN_BASES else Kind.TEXT
    if isinstance(child, LeafList):
        return Kind.LEAF_LIST
    if isinstance(child, ListNode):
        return Kind.LIST
    return Kind.CONTAINER if isinstance(child, Container) else Kind.ANY
