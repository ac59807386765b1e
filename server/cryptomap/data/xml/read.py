"""From XML elements to trees, without operations: whole configurations, rpc input, notifications.

A small document is walked, element by element. Where there are many children, the list entries among them that look
alike are read together first (``shapes``), and only the others are walked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from functools import lru_cache
from itertools import islice, repeat
from operator import is_not, itemgetter
from typing import Any, TypeAlias, TypeGuard, cast

from lxml import etree

from cryptomap.data.tree import AnyValue, Key, KeylessEntries, Node, Path, Value, entries_of, key_from_text, values_of
from cryptomap.data.xml.anydata import any_value, without_attributes
from cryptomap.data.xml.faults import Faults, local_name, names_at
from cryptomap.data.xml.seal import Sealer
from cryptomap.data.xml.shapes import Shapes
from cryptomap.errors import (
    BadElement,
    InvalidValue,
    MissingElement,
    UnknownAttribute,
    UnknownElement,
    UnknownNamespace,
)
from cryptomap.schema.nodes import Any_, Choice, Container, DataNode, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import StringType, TypeFault

__all__ = ["Reader", "Sealer", "has_attributes", "leave_other_cases", "read_config", "read_inner"]

MANY = 8  # children, from which on it is worth looking for list entries that look alike ...
WINDOW = 4096  # ... among so many at a time

Slots: TypeAlias = list[Any]
"""The values of a node in the making; the entries of a list are a dictionary until all are there, like the values of a
leaf-list (a list where a value may be there several times)."""

OnDuplicate: TypeAlias = Callable[[ListNode, etree._Element, Node], Node | None]

_ATTRIBUTE_INSIDE = etree.XPath("boolean(descendant::*/attribute::*)")
_ELEMENTS_WITH_ATTRIBUTES = etree.XPath("descendant::*[@*]")


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


Read: TypeAlias = Callable[["Reader", etree._Element], Node]
"""Makes the node of the children of an element."""

Put: TypeAlias = Callable[["Reader", Slots, etree._Element, Node], None]
"""Puts the node made of a child element into its slot."""


@lru_cache(maxsize=4096)
def _compiled(schema: InnerNode, config_only: bool) -> Read:
    """How to read the children of one inner node. The names of its children are turned into slots here, once."""
    empty = (None,) * len(schema.children)
    leafs = {leaf.tag: _leaf_plan(leaf) for leaf in schema.children if _is_plain(leaf, config_only)}
    inner = {
        child.tag: (_compiled(child, config_only), _put_entry(child) if isinstance(child, ListNode) else _put(child))
        for child in schema.children
        if isinstance(child, InnerNode) and (child.config or not config_only)
    }
    many = [child for child in schema.children if isinstance(child, ListNode | LeafList)]
    choices = _choice_slots(schema)

    def read(reader: Reader, element: etree._Element) -> Node:
        slots: Slots = list(empty)
        text = element.text
        if text is not None and not text.isspace():
            reader.mixed(element)
        for child, entry in reader.children(schema, element):
            tag = child.tag
            leaf = leafs.get(tag)
            if leaf is not None and slots[leaf[0]] is None and not len(child):
                slot, known, plain = leaf
                value = known(child.text)
                slots[slot] = reader.text_value(plain, child) if value is None else value
            elif (below := inner.get(tag)) is not None:
                read_inner, put = below
                put(reader, slots, child, read_inner(reader, child) if entry is None else entry)
            else:
                reader.other(schema, slots, child)
            text = child.tail
            if text is not None and not text.isspace():
                reader.mixed(element)
        for items in many:
            if slots[items.slot] is not None:
                slots[items.slot] = _settled(items, slots[items.slot])
        if any(sum(map(is_not, get(slots), repeat(None))) > 1 for get in choices):
            given = [at for at, value in enumerate(slots) if value is not None]
            reader.check_cases(schema, element, given)
            leave_other_cases(schema.choices, slots, frozenset(given))
        return Node(schema, tuple(slots))

    return read


def _is_plain(child: DataNode, config_only: bool) -> TypeGuard[Leaf]:
    """Whether it is the usual kind of leaf."""
    return isinstance(child, Leaf) and not (child.secret or child.type.qualified) and (child.config or not config_only)


def _leaf_plan(leaf: Leaf) -> tuple[int, Callable[[str | None], str | None], Leaf]:
    """Slot, what is known of texts seen before, and the leaf for any other."""
    return leaf.slot, leaf.type.plain().known, leaf


def _put(child: InnerNode) -> Put:
    """A container, which is not there if it is empty, unless its presence says something."""
    slot = child.slot
    is_presence = isinstance(child, Container) and child.presence

    def put(reader: Reader, slots: Slots, element: etree._Element, node: Node) -> None:
        if slots[slot] is not None:
            reader.twice(child, element)
        elif is_presence or not node.is_empty:
            slots[slot] = node

    return put


def _put_entry(child: ListNode) -> Put:
    """A list entry. The usual key is one text, and new."""
    slot = child.slot
    is_text = len(child.keys) == 1 and isinstance(child.keys[0].type.plain(), StringType)
    key_slot = child.keys[0].slot if is_text else None

    def put(reader: Reader, slots: Slots, element: etree._Element, node: Node) -> None:
        entries = slots[slot]
        if entries is None:
            entries = slots[slot] = {}
        key = None if key_slot is None else node.slots[key_slot]
        if key is None or key in entries:
            reader.add_entry(child, element, node, entries)
        else:
            entries[key] = node

    return put


def _choice_slots(schema: InnerNode) -> list[Callable[[Slots], tuple[Any, ...]]]:
    """Per choice with more than one slot: how to get them all."""
    slots = [tuple(slot for case in choice.cases for slot in case.all_slots()) for choice in schema.choices]
    return [itemgetter(*some) for some in slots if len(some) > 1]


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
        self.on_duplicate = on_duplicate
        self._shapes: dict[ListNode, Shapes] = {}

    def children(self, schema: InnerNode, element: etree._Element) -> Iterable[tuple[etree._Element, Node | None]]:
        """Each child, with the list entry it makes if it was read ahead, along with others that look like it."""
        if len(element) < MANY:
            return zip(element, repeat(None), strict=False)
        return self._by_windows(schema, element)

    def _by_windows(self, schema: InnerNode, element: etree._Element) -> Iterator[tuple[etree._Element, Node | None]]:
        children = iter(element)
        while window := list(islice(children, WINDOW)):
            entries: list[Node | None] = [None] * len(window)
            places: dict[str, list[int]] = {}
            for place, child in enumerate(window):
                places.setdefault(child.tag, []).append(place)
            for tag, found in places.items():
                node = schema.by_tag.get(tag)
                if isinstance(node, ListNode):
                    read = self._shapes_of(node).read([window[place] for place in found])
                    for place, entry in zip(found, read, strict=True):
                        entries[place] = entry
            yield from zip(window, entries, strict=True)

    def _shapes_of(self, schema: ListNode) -> Shapes:
        shapes = self._shapes.get(schema)
        if shapes is None:
            shapes = self._shapes[schema] = Shapes(self.schema, schema, self.seal, config_only=self.config_only)
        return shapes

    def node(self, schema: InnerNode, element: etree._Element) -> Node:
        """The node that the children of the element make. It may be empty."""
        return _compiled(schema, self.config_only)(self, element)

    def container(self, schema: Container, element: etree._Element) -> Node | None:
        """The same for a container; ``None`` for a non-presence container without content."""
        node = self.node(schema, element)
        return None if node.is_empty and not schema.presence else node

    def entry(self, schema: ListNode, element: etree._Element) -> tuple[Key, Node] | None:
        """A list entry and its key; ``None`` (and a fault) if a key is missing or bad."""
        node = self.node(schema, element)
        key = self._key(schema, element, node)
        return None if key is None else (key, node)

    def _key(self, schema: ListNode, element: etree._Element, node: Node) -> Key | None:
        values = [node.slots[leaf.slot] for leaf in schema.keys]
        if None in values:
            self.missing_keys(schema, element)
            return None
        return key_from_text(schema, cast("tuple[str, ...]", tuple(values)))

    def missing_keys(self, schema: ListNode, element: etree._Element) -> None:
        for leaf in schema.keys:
            if element.find(leaf.tag) is None:
                message = f"an entry of list {schema.name} needs its key {leaf.name}"
                self.faults.add(MissingElement, message, element, info=(("bad-element", leaf.name),))

    def other(self, schema: InnerNode, slots: Slots, child: etree._Element) -> None:
        """The leafs that are not of the usual kind, leaf-lists, anydata, and what is not expected."""
        node = schema.by_tag.get(child.tag)
        if node is None or (self.config_only and not node.config):
            self.unexpected(schema, node, child)
        elif isinstance(node, LeafList):
            if slots[node.slot] is None:
                slots[node.slot] = {} if node.config else []
            self._add_value(node, child, slots[node.slot])
        elif slots[node.slot] is not None:
            self.twice(node, child)
        elif isinstance(node, Leaf):
            slots[node.slot] = self.text_value(node, child)
        else:
            slots[node.slot] = self.any_content(child)

    def add_entry(self, schema: ListNode, element: etree._Element, node: Node, entries: dict[Key, Node]) -> None:
        """An entry of any kind of list, which may be there already."""
        if not schema.keys:
            entries[len(entries)] = node
            return
        key = self._key(schema, element, node)
        if key is None:
            return
        if key not in entries:
            entries[key] = node
        elif self.on_duplicate is None:
            self.faults.add(BadElement, f"this entry of list {schema.name} is here twice", element, info=_bad(element))
        else:
            merged = self.on_duplicate(schema, element, entries[key])
            if merged is not None:
                entries[key] = merged

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

    def any_content(self, element: etree._Element, *, with_attributes: bool = True) -> AnyValue | None:
        """Content of anydata or anyxml, without the attributes of its element if these are the protocol's; ``None`` and
        a fault if it has no canonical form."""
        try:
            return any_value(element if with_attributes or not element.attrib else without_attributes(element))
        except etree.C14NError:
            message = "a namespace here has a relative name, which means nothing outside of this message"
            self.faults.add(InvalidValue, message, element, info=_bad(element))
            return None

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


def leave_other_cases(choices: tuple[Choice, ...], slots: Slots, given: Set[int]) -> None:
    """Data of one case, the first with a ``given`` slot, takes away what others hold (RFC 7950 section 7.9)."""
    for choice in choices:
        chosen = next((case for case in choice.cases if not given.isdisjoint(case.all_slots())), None)
        if chosen is None:
            continue
        for case in choice.cases:
            if case is not chosen:
                for slot in case.all_slots():
                    slots[slot] = None
        leave_other_cases(chosen.choices, slots, given)


def _settled(schema: ListNode | LeafList, found: Any) -> Value | None:
    """The entries or values collected in a slot, as a tree holds them."""
    if isinstance(schema, LeafList):
        return values_of(schema, found)
    return entries_of(schema, found) if schema.keys else KeylessEntries(found.values())


def _bad(element: etree._Element) -> tuple[tuple[str, str], ...]:
    return (("bad-element", local_name(element)),)
