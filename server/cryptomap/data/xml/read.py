"""From XML elements to trees, without operations: whole configurations, rpc input, notifications.

The loop over child elements is the hottest code of the server (a bulk edit is one such loop over its document), hence
one flat function that dispatches on the class of the schema node; everything rare is outside of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Protocol, cast

from lxml import etree

from cryptomap.data.tree import AnyValue, Key, KeylessEntries, Node, Path, Value, entries_of
from cryptomap.data.xml.faults import Faults, local_name, names_at
from cryptomap.errors import (
    BadElement,
    InvalidValue,
    MissingElement,
    UnknownAttribute,
    UnknownElement,
    UnknownNamespace,
)
from cryptomap.schema.nodes import Any_, Container, DataNode, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import TypeFault

__all__ = ["Reader", "Sealer", "has_attributes", "read_config", "read_inner"]

Slots = list[Value | None]
OnDuplicate = Callable[[ListNode, etree._Element, Node], Node | None]

_PREFIX = re.compile(r"([A-Za-z_][\w.-]*):")
_ATTRIBUTE_INSIDE = etree.XPath("boolean(descendant::*/attribute::*)")
_ELEMENTS_WITH_ATTRIBUTES = etree.XPath("descendant::*[@*]")


class Sealer(Protocol):
    """Keeps secrets out of trees: what a secret leaf holds is sealed as soon as its type accepted it."""

    def seal(self, path: str, clear: str) -> str:
        """The sealed form of a clear value of the leaf at that schema path; the same text gives the same form."""
        ...

    def is_sealed(self, path: str, text: str) -> bool:
        """Whether the text is an authentic sealed form made for that schema path."""
        ...


def read_config(schema: Schema, element: etree._Element, seal: Sealer | None = None) -> Node:
    """A whole configuration from the children of ``<config>`` or ``<data>``. Raises RpcErrors with all its faults."""
    return read_inner(schema, schema.root, element, seal, config_only=True)


def read_inner(
    schema: Schema,
    inner: InnerNode,
    element: etree._Element,
    seal: Sealer | None = None,
    *,
    base: Path = (),
    config_only: bool = False,
) -> Node:
    """A node from an element that holds its children: rpc input, a notification, an action's input (``base`` is then
    the instance path error paths begin with). ``config_only`` refuses state data. Raises RpcErrors with all faults."""
    faults = Faults(schema, inner, element, base)
    if has_attributes(element):
        _refuse_attributes(faults, element)
    node = Reader(faults, seal, config_only=config_only).node(inner, element)
    faults.raise_any()
    return node


def has_attributes(element: etree._Element) -> bool:
    """Whether an element below this one has an attribute (namespace declarations are none)."""
    return cast(bool, _ATTRIBUTE_INSIDE(element))


def _refuse_attributes(faults: Faults, element: etree._Element) -> None:
    for found in cast("list[etree._Element]", _ELEMENTS_WITH_ATTRIBUTES(element)):
        path = faults.locate(found)
        if path and isinstance(path[-1][0], Any_):
            continue  # the content of anydata and anyxml is free
        for name in map(str, found.attrib):
            attribute = etree.QName(name).localname
            info = (("bad-attribute", attribute), ("bad-element", local_name(found)))
            faults.add(UnknownAttribute, f"attribute '{attribute}' is not expected here", found, info=info)


@lru_cache(maxsize=4096)
def _plain_leafs(inner: InnerNode, config_only: bool) -> dict[str, tuple[int, Callable[[str], str]]]:
    """For the usual kind of leaf, by tag: its slot, and what makes a value of its text."""
    return {
        leaf.tag: (leaf.slot, leaf.type.parse)
        for leaf in inner.children
        if isinstance(leaf, Leaf) and not (leaf.secret or leaf.type.qualified) and (leaf.config or not config_only)
    }


class _Many:
    """The lists and leaf-lists of one node while it is read."""

    __slots__ = ("_entries", "_values")

    def __init__(self) -> None:
        self._entries: dict[ListNode, dict[Key, Node]] | None = None
        self._values: dict[LeafList, dict[str, None] | list[str]] | None = None

    def entries_of(self, schema: ListNode) -> dict[Key, Node]:
        if self._entries is None:
            self._entries = {}
        entries = self._entries.get(schema)
        if entries is None:
            entries = self._entries[schema] = {}
        return entries

    def values_of(self, schema: LeafList) -> dict[str, None] | list[str]:
        """Values in order; a dict where each may be there once."""
        if self._values is None:
            self._values = {}
        values = self._values.get(schema)
        if values is None:
            values = self._values[schema] = {} if schema.config else []
        return values

    def settle(self, slots: Slots) -> None:
        if self._entries is not None:
            for schema, entries in self._entries.items():
                slots[schema.slot] = entries_of(schema, entries) if schema.keys else KeylessEntries(entries.values())
        if self._values is not None:
            for leaf_list, values in self._values.items():
                slots[leaf_list.slot] = ordered_values(leaf_list, values)


class Reader:
    """Builds nodes and collects faults; what is at fault is left out of the node.

    Attributes are not looked at: callers know that there are none. ``on_duplicate`` decides about a second list entry
    with the same key (by default it is a fault)."""

    def __init__(
        self,
        faults: Faults,
        seal: Sealer | None,
        *,
        config_only: bool,
        on_duplicate: OnDuplicate | None = None,
    ) -> None:
        self.faults = faults
        self.schema = faults.schema
        self.seal = seal
        self.config_only = config_only
        self.on_duplicate = on_duplicate or self._duplicate_entry

    def node(self, inner: InnerNode, element: etree._Element) -> Node:
        """The node that the children of the element make. It may be empty."""
        return Node(inner, tuple(self._slots(inner, element)))

    def container(self, schema: Container, element: etree._Element) -> Node | None:
        """The same for a container; ``None`` for a non-presence container without content."""
        slots = self._slots(schema, element)
        if not schema.presence and slots.count(None) == len(slots):
            return None
        return Node(schema, tuple(slots))

    def entry(self, schema: ListNode, element: etree._Element) -> tuple[Key, Node] | None:
        """A list entry and its key; ``None`` (and a fault) if a key is missing or bad."""
        before = len(self.faults.errors)
        slots = self._slots(schema, element)
        keys = schema.keys
        if len(keys) == 1:
            value = cast("str | None", slots[keys[0].slot])
            if value is not None:
                return keys[0].type.sort_key(value), Node(schema, tuple(slots))
        else:
            values = [cast("str | None", slots[leaf.slot]) for leaf in keys]
            if None not in values:
                parts = [leaf.type.sort_key(value) for leaf, value in zip(keys, cast("list[str]", values), strict=True)]
                return tuple(parts), Node(schema, tuple(slots))
        if len(self.faults.errors) == before:
            self.missing_keys(schema, element)
        return None

    def missing_keys(self, schema: ListNode, element: etree._Element) -> None:
        for leaf in schema.keys:
            if element.find(leaf.tag) is None:
                message = f"an entry of list {schema.name} needs its key {leaf.name}"
                self.faults.add(MissingElement, message, element, info=(("bad-element", leaf.name),))

    def _slots(self, inner: InnerNode, element: etree._Element) -> Slots:
        slots: Slots = [None] * len(inner.children)
        plain = _plain_leafs(inner, self.config_only)
        many = _Many()
        text = element.text
        if text is not None and not text.isspace():
            self.mixed(element)
        for child in element:
            leaf = plain.get(child.tag)
            if leaf is None or slots[leaf[0]] is not None or len(child):
                self._child(inner, slots, many, child)
            else:
                slot, parse = leaf
                try:
                    slots[slot] = parse(child.text or "")
                except TypeFault:
                    self._child(inner, slots, many, child)
            text = child.tail
            if text is not None and not text.isspace():
                self.mixed(element)
        many.settle(slots)
        if inner.choices:
            self.check_cases(inner, element, [slot for slot, value in enumerate(slots) if value is not None])
        return slots

    def _child(self, inner: InnerNode, slots: Slots, many: _Many, child: etree._Element) -> None:
        """Everything but the plain good leaf."""
        node = inner.by_tag.get(child.tag)
        if node is None or (self.config_only and not node.config):
            self.unexpected(inner, node, child)
        elif isinstance(node, ListNode):
            self._add_entry(node, child, many.entries_of(node))
        elif isinstance(node, LeafList):
            self._add_value(node, child, many.values_of(node))
        elif slots[node.slot] is not None:
            self.twice(node, child)
        elif isinstance(node, Leaf):
            slots[node.slot] = self.text_value(node, child)
        elif isinstance(node, Container):
            slots[node.slot] = self.container(node, child)
        else:
            slots[node.slot] = any_value(child)

    def _add_entry(self, schema: ListNode, element: etree._Element, entries: dict[Key, Node]) -> None:
        if not schema.keys:
            entries[len(entries)] = self.node(schema, element)
            return
        found = self.entry(schema, element)
        if found is None:
            return
        key, node = found
        if key in entries:
            merged = self.on_duplicate(schema, element, entries[key])
            if merged is not None:
                entries[key] = merged
        else:
            entries[key] = node

    def _duplicate_entry(self, schema: ListNode, element: etree._Element, first: Node) -> None:
        self.faults.add(BadElement, f"this entry of list {schema.name} is here twice", element, info=_bad(element))

    def _add_value(self, schema: LeafList, element: etree._Element, values: dict[str, None] | list[str]) -> None:
        value = self.text_value(schema, element)
        if value is None:
            return
        if isinstance(values, list):
            values.append(value)
        elif value in values:
            self.twice(schema, element)
        else:
            values[value] = None

    def text_value(self, schema: Leaf | LeafList, element: etree._Element) -> str | None:
        """The canonical (and sealed, if it is a secret) value of a leaf element, or ``None`` and a fault."""
        text = element.text or ""
        if len(element):
            for child in element:
                if isinstance(child.tag, str):
                    self.faults.add(UnknownElement, f"{schema.name} has no children", element, info=_bad(child))
                    return None
                text += child.tail or ""  # the text goes on after a comment
        if schema.secret and self.seal is not None:
            return self._sealed(schema, element, text, self.seal)
        return self._parsed(schema, element, text)

    def _parsed(self, schema: Leaf | LeafList, element: etree._Element, text: str) -> str | None:
        names = names_at(self.schema, element) if schema.type.qualified else None
        try:
            return schema.type.parse(text, names)
        except TypeFault as fault:
            stripped = text.strip()
            if stripped != text and schema.type.base != "string":
                return self._parsed(schema, element, stripped)
            self.faults.add(InvalidValue, fault.message, element, app_tag=fault.app_tag, info=_bad(element))
            return None

    def _sealed(self, schema: Leaf | LeafList, element: etree._Element, text: str, seal: Sealer) -> str | None:
        if seal.is_sealed(schema.path, text.strip()):
            return text.strip()
        clear = self._parsed(schema, element, text)
        return None if clear is None else seal.seal(schema.path, clear)

    # ===== faults =====

    def unexpected(self, inner: InnerNode, node: DataNode | None, child: etree._Element) -> None:
        """What stands where no such element may be; comments and processing instructions may stand anywhere."""
        if not isinstance(child.tag, str):
            return
        name = etree.QName(child)
        if node is not None:
            message = f"{name.localname} is state data and cannot be configured"
            self.faults.add(UnknownElement, message, child, info=_bad(child))
        elif name.namespace in self.schema.module_of_namespace:
            where = f"below {inner.name}" if inner.name else "at the top"
            message = f"there is no element {name.localname} {where} in namespace {name.namespace}"
            self.faults.add(UnknownElement, message, child, info=_bad(child))
        else:
            message = f"namespace '{name.namespace or ''}' of element {name.localname} is not known to this server"
            info = (*_bad(child), ("bad-namespace", name.namespace or ""))
            self.faults.add(UnknownNamespace, message, child, info=info)

    def mixed(self, element: etree._Element) -> None:
        message = f"{local_name(element)} holds elements, but there is text between them"
        self.faults.add(BadElement, message, element, info=_bad(element))

    def twice(self, node: DataNode, element: etree._Element) -> None:
        what = "this value of leaf-list" if isinstance(node, LeafList) else "element"
        self.faults.add(BadElement, f"{what} {node.name} is here twice", element, info=_bad(element))

    def check_cases(self, inner: InnerNode, element: etree._Element, slots: list[int]) -> None:
        """RFC 7950 section 8.3.1: data of more than one case of a choice is a bad-element."""
        choices = list(inner.choices)
        while choices:
            choice = choices.pop()
            cases = [case for case in choice.cases if not set(slots).isdisjoint(case.all_slots())]
            choices += [nested for case in cases for nested in case.choices]
            if len(cases) < 2:
                continue
            other = next(slot for slot in slots if slot in set(cases[1].all_slots()))
            found = element.find(inner.children[other].tag)
            message = f"choice {choice.name} allows one of its cases, not both {cases[0].name} and {cases[1].name}"
            where = element if found is None else found
            self.faults.add(BadElement, message, where, info=_bad(where))


def ordered_values(schema: LeafList, values: Iterable[str]) -> tuple[str, ...] | None:
    """The values as a tree holds them: a leaf-list whose order is the system's is sorted like a list is."""
    if schema.config and not schema.user_ordered:
        values = sorted(values, key=schema.type.sort_key)
    return tuple(values) or None


def any_value(element: etree._Element) -> AnyValue:
    """The element as it is, in exclusive canonical XML so that equal content is equal bytes; its own namespace is the
    default one. Prefixes that only occur in texts or attribute values stay declared as well, because such a text may be
    a qualified name."""
    copy = etree.fromstring(etree.tostring(element, method="c14n", with_comments=False, with_tail=False))
    used = {prefix for text in _texts(copy) for prefix in _PREFIX.findall(text)}
    if copy.prefix is not None and copy.prefix not in used:
        copy = _unprefixed(copy)
    declared = {prefix for item in copy.iter(etree.Element) for prefix in item.nsmap}
    kept = sorted(prefix for prefix in used if prefix in declared)
    return AnyValue(etree.tostring(copy, method="c14n", exclusive=True, inclusive_ns_prefixes=kept))


def _unprefixed(element: etree._Element) -> etree._Element:
    own = etree.QName(element).namespace
    nsmap: dict[Any, str] = {prefix: uri for prefix, uri in element.nsmap.items() if prefix and uri != own}
    if own is not None:
        nsmap[None] = own
    outer = etree.Element(element.tag, {str(name): str(value) for name, value in element.items()}, nsmap=nsmap)
    outer.text = element.text
    outer.extend(list(element))
    return outer


def _texts(element: etree._Element) -> Iterator[str]:
    for item in element.iter(etree.Element):
        yield item.text or ""
        yield item.tail or ""
        yield from map(str, item.attrib.values())


def _bad(element: etree._Element) -> tuple[tuple[str, str], ...]:
    return (("bad-element", local_name(element)),)
