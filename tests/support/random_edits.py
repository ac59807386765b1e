"""Random edits of any schema, as edit-config documents a person can read.

The domains are tiny on purpose (a handful of values for each type), so that edits meet each other: values collide,
references hit and miss, whens turn on and off, defaults come and go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, TypeVar

from lxml import etree

from cryptomap.data.path import literal
from cryptomap.schema.nodes import Any_, Container, DataNode, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import (
    BitsType,
    EnumerationType,
    IdentityrefType,
    InstanceIdentifierType,
    LeafrefType,
    StringType,
    Type,
    TypeFault,
    UnionType,
)

__all__ = ["EditMaker"]

NC = "urn:ietf:params:xml:ns:netconf:base:1.0"
YANG = "urn:ietf:params:xml:ns:yang:1"
OPERATION = f"{{{NC}}}operation"
TEXTS = ("a", "b", "c", "goose", "duck")
ADDRESSES = ("192.0.2.1", "2001:db8::1", "192.0.2.0/24", "2001:db8::/32")
NUMBERS = ("0", "1", "2", "3", "60", "256", "0.5", "1.25", "2.0")

T = TypeVar("T")
Choose = Callable[[Sequence[T]], T]


@dataclass
class EditMaker:
    """Makes edits of the configuration of a schema. ``choose`` picks one of a sequence (hypothesis, or a dice).

    ``domain`` gives the values to use for a schema path where the type alone does not tell good ones, ``instances``
    those of instance-identifiers; ``skip`` holds names of nodes to leave alone, ``tops``
    those of the top-level nodes to edit (none: all)."""

    schema: Schema
    domain: Mapping[str, Sequence[str]] = field(default_factory=dict)
    instances: Sequence[str] = ()
    skip: frozenset[str] = frozenset()
    tops: frozenset[str] = frozenset()
    _values: dict[DataNode, tuple[str, ...]] = field(default_factory=dict)

    def edit(self, choose: Callable[[Sequence[Any]], Any]) -> etree._Element:
        """A <config> element with one to four changes."""
        namespaces = self.schema.namespace_of_module
        prefixes = {prefix: namespaces[module] for module, prefix in self.schema.prefix_of_module.items()}
        config = etree.Element(f"{{{NC}}}config", nsmap={**prefixes, "nc": NC, "yang": YANG})
        for _ in range(choose((1, 1, 2, 3, 4))):
            self._change(config, self.schema.root, choose)
        return config

    def _change(self, parent: etree._Element, node: InnerNode, choose: Choose[Any]) -> None:
        """One change somewhere below a node."""
        child = choose(self._children(node))
        existing = next((e for e in parent if e.tag == child.tag), None) if not isinstance(child, ListNode) else None
        if existing is not None and not (isinstance(child, InnerNode) and existing.get(OPERATION) is None):
            return
        element = etree.SubElement(parent, child.tag) if existing is None else existing
        if isinstance(child, ListNode):
            self._entry(parent, element, child, choose)
        elif isinstance(child, InnerNode):
            if choose((0, 0, 0, 0, 1)):
                self._operate(element, ("remove", "replace"), choose)
            if element.get(OPERATION) != "remove":
                for _ in range(choose((0, 1, 1, 2))):
                    self._change(element, child, choose)
        else:
            self._leaf(element, child, choose)

    def _children(self, node: InnerNode) -> list[DataNode]:
        keys = node.keys if isinstance(node, ListNode) else ()
        all_of_them = node.parent is not None or not self.tops
        return [
            child
            for child in node.children
            if all_of_them or child.name in self.tops
            if child.config and child not in keys and not isinstance(child, Any_) and child.name not in self.skip
            if not (isinstance(child, Container) and not self._children(child))
        ]

    def _entry(self, parent: etree._Element, element: etree._Element, node: ListNode, choose: Choose[Any]) -> None:
        keys = tuple(choose(self.values_of(leaf)) for leaf in node.keys)
        if any(
            self._keys_in(other, node) == keys for other in parent if other.tag == node.tag and other is not element
        ):
            parent.remove(element)
            return
        for leaf, value in zip(node.keys, keys, strict=True):
            self._write(etree.SubElement(element, leaf.tag), leaf, value)
        self._operate(element, (None, None, None, None, "remove", "remove", "replace"), choose)
        if element.get(OPERATION) == "remove":
            return
        if node.user_ordered and choose((0, 1)):
            others = [values for values in product(*map(self.values_of, node.keys)) if values != keys]
            self._insert(element, "key", self._predicates(node, choose(others)), choose)
        if self._children(node):
            for _ in range(choose((0, 1, 2, 3))):
                self._change(element, node, choose)

    def _leaf(self, element: etree._Element, node: DataNode, choose: Choose[Any]) -> None:
        assert isinstance(node, (Leaf, LeafList))
        self._operate(element, (None, None, "remove"), choose)
        value = choose(self.values_of(node))
        if element.get(OPERATION) is None or isinstance(node, LeafList):
            self._write(element, node, value)
        if isinstance(node, LeafList) and node.user_ordered and element.get(OPERATION) is None and choose((0, 1)):
            self._insert(element, "value", choose(self.values_of(node)), choose)

    def _operate(self, element: etree._Element, operations: Sequence[str | None], choose: Choose[Any]) -> None:
        operation = choose(operations)
        if operation:
            element.set(OPERATION, operation)

    def _insert(self, element: etree._Element, attribute: str, anchor: str, choose: Choose[Any]) -> None:
        where = choose(("first", "last", "before", "after"))
        element.set(f"{{{YANG}}}insert", where)
        if where in {"before", "after"}:
            element.set(f"{{{YANG}}}{attribute}", anchor)

    def _predicates(self, node: ListNode, values: Sequence[str]) -> str:
        prefix = self.schema.prefix_of_module.__getitem__
        pairs = zip(node.keys, values, strict=True)
        return "".join(
            f"[{prefix(leaf.module)}:{leaf.name}={literal(leaf.type.render(value, prefix))}]" for leaf, value in pairs
        )

    def _keys_in(self, element: etree._Element, node: ListNode) -> tuple[str | None, ...]:
        return tuple(self._canonical(leaf, element.findtext(leaf.tag)) for leaf in node.keys)

    def _canonical(self, leaf: Leaf, text: str | None) -> str | None:
        prefix = self.schema.prefix_of_module.__getitem__
        return next((value for value in self.values_of(leaf) if leaf.type.render(value, prefix) == text), None)

    def _write(self, element: etree._Element, node: Leaf | LeafList, value: str) -> None:
        element.text = node.type.render(value, self.schema.prefix_of_module.__getitem__)

    # ===== domains =====

    def values_of(self, node: Leaf | LeafList) -> tuple[str, ...]:
        """The canonical values to use for a leaf."""
        found = self._values.get(node)
        if found is None:
            given = self.domain.get(node.path)
            found = self._values[node] = tuple(given) if given else tuple(dict.fromkeys(self._of_type(node.type)))
            assert found, node.path
        return found

    def _of_type(self, kind: Type) -> list[str]:
        if isinstance(kind, LeafrefType):
            return list(self.values_of(kind.target_node))
        if isinstance(kind, UnionType):
            return [value for member in kind.members for value in self._of_type(member)]
        if isinstance(kind, (EnumerationType, IdentityrefType)):
            return sorted(kind.values)
        if isinstance(kind, InstanceIdentifierType):
            return list(self.instances)
        if isinstance(kind, BitsType):
            return _accepted(kind, ("", "run", "fly run", "fly swim"))
        if isinstance(kind, StringType):
            return _accepted(kind, TEXTS)[:3] or _accepted(kind, ADDRESSES)
        return _accepted(kind, ("true", "false", "", *NUMBERS))


def _accepted(kind: Type, texts: Sequence[str]) -> list[str]:
    found = []
    for text in texts:
        try:
            found.append(kind.parse(text))
        except TypeFault:
            continue
    return found
