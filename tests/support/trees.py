"""Configurations of our modules that hypothesis makes up: any nodes the schema allows, valid or not as a whole."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network

from hypothesis import strategies as st

from cryptomap.data.tree import Key, Node, Value, entries_of, key_from_text
from cryptomap.data.xml import Sealer
from cryptomap.schema.nodes import Choice, Container, DataNode, InnerNode, Leaf, LeafList, ListNode
from cryptomap.schema.types import (
    BooleanType,
    EmptyType,
    EnumerationType,
    IdentityrefType,
    IntegerType,
    LeafrefType,
    StringType,
    Type,
    UnionType,
)

__all__ = ["configurations"]

Draw = Callable[[st.SearchStrategy[str]], str]

NAMES = st.sampled_from(["a", "b", "rule-1", "foo0", "A-foo", "list", '"x', "esp"])
TABLE_NAMES = st.sampled_from(["l2Marktable", "t.1", "name"])
ADDRESSES = st.sampled_from(["192.0.2.1", "209.165.201.1", "0.0.0.0", "2001:db8::1", "fe80::2", "::"])
PREFIXES = st.builds(
    lambda base, length: str(ip_network((base, length), strict=False)), st.integers(0, 2**32 - 1), st.integers(0, 32)
) | st.builds(
    lambda base, length: str(ip_network((base << 64, length), strict=False)),
    st.integers(2**61, 2**62 - 1),
    st.integers(0, 128),
)
FREE_TEXT = st.text(st.sampled_from('ab "\\#\t\n;é'), min_size=1, max_size=8)
HEX_KEYS = st.binary(min_size=1, max_size=20).map(lambda key: key.hex(":"))
STRINGS = {
    "name": NAMES,
    "description": FREE_TEXT,
    "identity": FREE_TEXT,
    "eap-profile": FREE_TEXT,
    "prefix": PREFIXES,
    "certificate": FREE_TEXT,
    "ca-certificate": FREE_TEXT,
    "ca-crl": FREE_TEXT,
    "remote-secret-list": NAMES,
}
TOPS = ("contexts", "qos")


@st.composite
def configurations(draw: st.DrawFn, root: InnerNode, seal: Sealer, focus: tuple[str, ...] = ()) -> Node:
    """A configuration below the top containers of our modules; keys are sealed. ``focus`` names what a context has, and
    there is nothing else then, but more of it."""
    maker = _Maker(draw, seal, focus)
    slots: list[Value | None] = [None] * len(root.children)
    for child in root.children:
        if child.name in (TOPS[:1] if focus else TOPS) and isinstance(child, Container):
            slots[child.slot] = maker.container(child)
    return Node(root, tuple(slots))


class _Maker:
    def __init__(self, draw: st.DrawFn, seal: Sealer, focus: tuple[str, ...]) -> None:
        self.draw = draw
        self.seal = seal
        self.focus = focus

    def container(self, schema: Container) -> Node | None:
        node = Node(schema, tuple(self.slots(schema)))
        return None if node.is_empty and not schema.presence else node

    def slots(self, schema: InnerNode) -> list[Value | None]:
        slots: list[Value | None] = [None] * len(schema.children)
        allowed = self.chosen(schema.choices, {child.slot for child in schema.children})
        for child in schema.children:
            if child.config and child.slot in allowed and self.wanted(child):
                slots[child.slot] = self.value(child)
        return slots

    def wanted(self, child: DataNode) -> bool:
        if isinstance(child, Leaf) and (child.is_key or child.mandatory):
            return True
        if not self.focus:
            return self.draw(st.booleans())
        if child.parent is not None and child.parent.name in ("contexts", "context"):
            return child.name in ("context", *self.focus)
        return self.draw(st.sampled_from([True, True, True, False]))

    def chosen(self, choices: tuple[Choice, ...], slots: set[int]) -> set[int]:
        """The slots left when one case of every choice is taken."""
        for choice in choices:
            taken = self.draw(st.sampled_from(choice.cases))
            for case in choice.cases:
                if case is not taken:
                    slots = slots - set(case.all_slots())
            slots = self.chosen(taken.choices, slots)
        return slots

    def value(self, child: DataNode) -> Value | None:
        if isinstance(child, Leaf):
            return self.leaf(child, child.type)
        if isinstance(child, LeafList):
            values = {self.leaf(child, child.type) for _ in range(self.draw(st.integers(0, 3)))}
            ordered = self.draw(st.permutations(sorted(values)))
            return tuple(ordered if child.user_ordered else sorted(values, key=child.type.sort_key)) or None
        if isinstance(child, ListNode):
            return self.entries(child)
        assert isinstance(child, Container)
        return self.container(child)

    def entries(self, schema: ListNode) -> Value | None:
        entries: dict[Key, Node] = {}
        for _ in range(self.draw(st.integers(1 if self.focus else 0, 2))):
            node = Node(schema, tuple(self.slots(schema)))
            key = key_from_text(schema, tuple(node.text(leaf.name) or "" for leaf in schema.keys))
            entries[key] = node
        return entries_of(schema, entries)

    def leaf(self, leaf: Leaf | LeafList, kind: Type) -> str:
        if leaf.secret:
            clear = self.draw(HEX_KEYS if leaf.name.endswith("r-key") else FREE_TEXT)
            return self.seal.seal(leaf.path, clear)
        text = self.draw(self.texts(leaf, kind))
        return kind.parse(text)

    def texts(self, leaf: Leaf | LeafList, kind: Type) -> st.SearchStrategy[str]:
        if isinstance(kind, BooleanType):
            return st.sampled_from(["true", "false"])
        if isinstance(kind, EmptyType):
            return st.just("")
        if isinstance(kind, EnumerationType):
            return st.sampled_from(sorted(kind.values))
        if isinstance(kind, IdentityrefType):
            return st.sampled_from(sorted(kind.values))
        if isinstance(kind, LeafrefType):
            return self.texts(kind.target_node, kind.target)
        if isinstance(kind, IntegerType):
            return st.one_of([st.integers(low, high) for low, high in kind.bounds.parts]).map(str)
        if isinstance(kind, UnionType) and leaf.name not in STRINGS:
            return st.one_of([self.texts(leaf, member) for member in kind.members])
        assert isinstance(kind, StringType | UnionType)
        return _strings(leaf, kind)


def _strings(leaf: Leaf | LeafList, kind: Type) -> st.SearchStrategy[str]:
    if "l2-mapping-table" in leaf.path:
        return TABLE_NAMES
    known = STRINGS.get(leaf.name)
    return (ADDRESSES if known is None else known).filter(lambda text: _fits(kind, text))


def _fits(kind: Type, text: str) -> bool:
    try:
        kind.parse(text)
    except ValueError:
        return False
    return True
