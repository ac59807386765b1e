"""The way of words through the schema: ``contexts context ipsec-d crypto-map foo0 peer 192.0.2.1``.

A container is its name, a list entry the name of the list and its keys, a leaf its name and the value. Names may be cut
short as long as they are unique. Values are checked by their types here, before the server sees them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptomap.data.tree import Path, key_from_text
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import BooleanType, EmptyType, IntegerType, LeafrefType, StringType, Type
from cryptomap.shell.faults import Fault
from cryptomap.shell.words import choose
from cryptomap.staros.forms import PLAIN, keywords
from cryptomap.staros.text import Refusal

__all__ = ["Walk", "children_of", "hint_of", "inner_at", "names_of_values", "read_value", "summary", "target_list"]


class Walk:
    """Where the words so far lead. ``list`` is a list whose ``keys`` are still being named, ``leaf`` a leaf whose
    ``values`` may follow; without either the next word is a child of ``inner``."""

    def __init__(self, schema: Schema, at: Path = ()) -> None:
        self.schema = schema
        self.path = at
        self.list: ListNode | None = None
        self.keys: list[str] = []
        self.leaf: Leaf | LeafList | None = None
        self.values: list[str] = []

    @property
    def inner(self) -> InnerNode:
        return inner_at(self.schema, self.path)

    @property
    def key(self) -> Leaf:
        """The key leaf that the next word is."""
        assert self.list is not None
        return self.list.keys[len(self.keys)]

    @property
    def takes_value(self) -> bool:
        """Whether another value can follow."""
        leaf = self.leaf
        if leaf is None or isinstance(leaf.type.plain(), EmptyType):
            return False
        return isinstance(leaf, LeafList) or not self.values

    def follow(self, words: Iterable[str]) -> Walk:
        """Go on by these words. Raises Fault where they lead nowhere."""
        for word in words:
            self._take(word)
        return self

    def _take(self, word: str) -> None:
        if self.list is not None:
            self._take_key(self.list, word)
        elif self.leaf is None:
            self._enter(_child(self.inner, word))
        elif self.takes_value:
            self.values.append(read_value(self.leaf, word))
        else:
            raise Fault(f"nothing can follow {self.leaf.name}{' and its value' if self.values else ''}: '{word}'")

    def _enter(self, child: DataNode) -> None:
        if isinstance(child, ListNode) and child.keys:
            self.list, self.keys = child, []
        elif isinstance(child, (Leaf, LeafList)):
            self.leaf = child
            self.path = (*self.path, (child, None))
        else:
            self.path = (*self.path, (child, None))

    def _take_key(self, node: ListNode, word: str) -> None:
        self.keys.append(read_value(self.key, word))
        if len(self.keys) == len(node.keys):
            self.path = (*self.path, (node, key_from_text(node, tuple(self.keys))))
            self.list = None


def inner_at(schema: Schema, path: Path) -> InnerNode:
    """The schema node at a path to a container or list entry."""
    node: DataNode = path[-1][0] if path else schema.root
    while not isinstance(node, InnerNode):
        assert node.parent is not None
        node = node.parent
    return node


def children_of(inner: InnerNode) -> dict[str, DataNode]:
    """What can be configured below a node, by the word for it: the name, or module:name where two have the same."""
    nodes = [child for child in inner.children if child.config and not (isinstance(child, Leaf) and child.is_key)]
    names = [child.name for child in nodes]
    return {child.qname if names.count(child.name) > 1 else child.name: child for child in nodes}


def _child(inner: InnerNode, word: str) -> DataNode:
    known = children_of(inner)
    return known[choose(word, known, f"node of {inner.name or 'the configuration'}")]


# ===== values =====


def read_value(leaf: Leaf | LeafList, word: str) -> str:
    """The canonical value of a word: a keyword possibly cut short, a number also in hex. Raises Fault."""
    try:
        if isinstance(leaf.type.plain(), IntegerType) and word.lower().startswith("0x"):
            return leaf.type.parse(str(int(word, 16)))
        return PLAIN.read(leaf, word)
    except Refusal as refusal:
        raise Fault(f"{leaf.name}: {refusal.reason}") from None
    except ValueError as fault:
        raise Fault(f"{leaf.name}: {fault}") from None


def names_of_values(leaf: Leaf | LeafList) -> Iterator[str]:
    """The words a leaf can be set to, if its type has words."""
    if isinstance(leaf.type.plain(), BooleanType):
        yield from ("true", "false")
    yield from sorted(keywords(leaf.type))


def target_list(leaf: Leaf | LeafList, path: Path) -> Path | None:
    """The list whose keys a leafref can be, as seen from the leaf at a path; ``None`` if there is no such list."""
    kind = leaf.type
    if not isinstance(kind, LeafrefType):
        return None
    target = kind.target_node
    holder = target.parent
    if not (isinstance(target, Leaf) and target.is_key and isinstance(holder, ListNode)):
        return None
    known = dict(path)
    steps: list[DataNode] = [holder]
    while steps[0].parent is not None and steps[0].parent.name:
        steps.insert(0, steps[0].parent)
    if any(isinstance(step, ListNode) and step not in known for step in steps[:-1]):
        return None
    return (*[(step, known.get(step)) for step in steps[:-1]], (holder, None))


def hint_of(leaf: Leaf | LeafList) -> str:
    """What a value has to look like, for who asks with a question mark."""
    kind = leaf.type.plain()
    text = f"<{_kind_of(kind)}>"
    if isinstance(leaf, Leaf) and leaf.default is not None:
        text += f", {leaf.default.rpartition(':')[2]} if it is not set"
    return text


def _kind_of(kind: Type) -> str:
    if isinstance(kind, IntegerType):
        ranges = ", ".join(f"{low} to {high}" for low, high in kind.bounds.parts)
        return f"a number, {ranges}"
    if isinstance(kind, StringType) and kind.length is not None:
        ranges = ", ".join(f"{low} to {high}" for low, high in kind.length.parts)
        return f"text of {ranges} characters"
    return {"string": "text", "union": "a value", "identityref": "a name", "enumeration": "a name"}.get(
        kind.base, kind.base
    )


def summary(node: DataNode) -> str:
    """The first sentence of a description."""
    text = " ".join(node.description.split())
    return text.partition(". ")[0].rstrip(".")
