"""Which part of a tree a client asked for: subtree filters (RFC 6241 section 6) and XPath (section 8.9).

A subtree filter is turned into selections over schema nodes once. Where it gives all keys of a list the entry is
looked up; other lists are filtered entry by entry while the reply is written (:class:`LazyEntries`). What is selected
as a whole is shared with the tree, so that cached XML of list entries serves filtered reads, too. Entries come with
their keys, so that the reader can tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from lxml import etree

from cryptomap.data.tree import (
    EntriesTypes,
    Key,
    LazyEntries,
    Node,
    Path,
    SortedEntries,
    StoredEntries,
    Value,
    entries_like,
    key_from_text,
)
from cryptomap.data.turns import few
from cryptomap.data.view import View
from cryptomap.data.xml.faults import local_name, names_at
from cryptomap.data.xpath import Cursor, Env, compile_expr
from cryptomap.errors import InvalidValue, TooBig
from cryptomap.schema.nodes import Container, DataNode, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import TypeFault
from cryptomap.schema.xpath import Expr, XPathFault

__all__ = ["Fields", "fields_of", "subtree", "xpath_paths", "xpath_select"]

XPATH_BUDGET = 20_000_000  # instances one filter expression may look at
MAX_ELEMENTS = 100_000  # of a subtree filter
MAX_SCANS = 100  # selections in a subtree filter that look at every entry of a list


@dataclass(slots=True)
class _Selection:
    """One sibling set of a filter. ``matches`` are the content match nodes (leafs and the values that do); ``wanted``
    maps children to what is selected inside them; ``is_whole``: nothing but content matches, so all is selected."""

    matches: list[tuple[tuple[Leaf | LeafList, str], ...]] = field(default_factory=list)
    wanted: dict[DataNode, list[_Selection]] = field(default_factory=dict)
    is_whole: bool = True

    @property
    def is_everything(self) -> bool:
        return self.is_whole and not self.matches


_EVERYTHING = _Selection()


def subtree(schema: Schema, view: View, filter_element: etree._Element) -> Node | None:
    """What the filter selects, ``None`` if nothing. State is asked only where the filter leads; parts of the answer are
    made while it is written. Raises TooBig for a filter beyond :data:`MAX_ELEMENTS` or :data:`MAX_SCANS`."""
    selection = _Compiler(schema).selection(schema.root, filter_element)
    selection.is_whole = False  # an empty filter selects nothing
    return _Pruner(view).node(view.root, (), [selection])


@dataclass(frozen=True, slots=True)
class Fields:
    """A choice of nodes below one (RFC 8040 section 4.8.3): children with what is chosen below each, ``None``: all."""

    below: Mapping[DataNode, Fields | None]


def fields_of(view: View, node: Node, path: Path, fields: Fields) -> Node | None:
    """What the fields choose of the node at a path, list entries with their keys; ``None`` if nothing is there."""
    return _Pruner(view).node(node, path, [_chosen(fields)])


def _chosen(fields: Fields | None) -> _Selection:
    if fields is None:
        return _EVERYTHING
    return _Selection(wanted={child: [_chosen(inside)] for child, inside in fields.below.items()}, is_whole=False)


# ===== compiling =====


class _Compiler:
    """Makes selections of the elements of one filter, and counts what it will cost to apply them."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._elements = 0
        self._scans = 0

    def selection(self, inner: InnerNode, element: etree._Element) -> _Selection:
        selection = _Selection()
        for item in element.iterchildren(etree.Element):
            self._count_element()
            nodes = list(_named(inner, item))
            text = (item.text or "").strip()
            if next(item.iterchildren(etree.Element), None) is not None:
                selection.is_whole = False
                for node in nodes:
                    if isinstance(node, InnerNode) and not item.attrib:
                        selection.wanted.setdefault(node, []).append(self._inside(node, item))
            elif text:
                # No data node of this server has XML attributes, so an attribute match never holds.
                selection.matches.append(() if item.attrib else tuple(_matches(self._schema, nodes, item, text)))
            else:
                selection.is_whole = False
                for node in nodes:
                    if not item.attrib:
                        selection.wanted.setdefault(node, []).append(_EVERYTHING)
        return selection

    def _inside(self, node: InnerNode, element: etree._Element) -> _Selection:
        selection = self.selection(node, element)
        if isinstance(node, ListNode) and _key(node, selection) is None:
            self._scans += 1
            if self._scans > MAX_SCANS:
                raise TooBig(
                    f"the filter asks for lists without all their keys more than {MAX_SCANS} times; give the keys",
                    error_type="protocol",
                )
        return selection

    def _count_element(self) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise TooBig(
                f"the filter has more than {MAX_ELEMENTS} elements; ask in parts, or for everything",
                error_type="protocol",
            )


def _named(inner: InnerNode, element: etree._Element) -> Iterator[DataNode]:
    """The schema children a filter element stands for; without a namespace those of any module (section 6.2.1)."""
    if etree.QName(element).namespace:
        node = inner.by_tag.get(element.tag)
        if node is not None:
            yield node
        return
    name = local_name(element)
    yield from (node for node in inner.children if node.name == name)


def _matches(
    schema: Schema, nodes: Iterable[DataNode], element: etree._Element, text: str
) -> Iterator[tuple[Leaf | LeafList, str]]:
    for node in nodes:
        if isinstance(node, Leaf | LeafList):
            try:
                yield node, node.type.parse(text, names_at(schema, element))
            except TypeFault:
                continue  # a value the leaf cannot have matches nothing


# ===== selecting =====


class _Pruner:
    def __init__(self, view: View) -> None:
        self.view = view

    def node(self, node: Node, path: Path, selections: Iterable[_Selection]) -> Node | None:
        """The part of a container, entry or root that any of the selections takes; ``None`` if none takes anything."""
        slots: list[Value | None] = [None] * len(node.slots)
        wanted: dict[DataNode, list[_Selection]] = {}
        for selection in selections:
            matched = self._matched(node, path, selection)
            if matched is None:
                continue
            if selection.is_whole:
                return self.view.expand(node, path)
            for child, value in matched.items():
                slots[child.slot] = value
            for child, inside in selection.wanted.items():
                wanted.setdefault(child, []).extend(inside)
        for child, inside in wanted.items():
            slots[child.slot] = self._child(node, child, path, inside)
        if all(value is None for value in slots):
            return None
        if isinstance(node.schema, ListNode):
            for key in node.schema.keys:
                slots[key.slot] = node.slots[key.slot]
        return Node(node.schema, tuple(slots))

    def _matched(self, node: Node, path: Path, selection: _Selection) -> Mapping[DataNode, Value] | None:
        """The values that satisfy all content match nodes; ``None`` if one of these is not satisfied."""
        found: dict[DataNode, Value] = {}
        for alternatives in selection.matches:
            matched = False
            for leaf, text in alternatives:
                value = self.view.value(node, leaf, path)
                if value == text:
                    found[leaf] = value
                    matched = True
                elif isinstance(value, tuple) and text in value:
                    found[leaf] = (text,)
                    matched = True
            if not matched:
                return None
        return found

    def _child(self, parent: Node, child: DataNode, path: Path, selections: list[_Selection]) -> Value | None:
        value = self.view.value(parent, child, path)
        if any(selection.is_everything for selection in selections):
            return self.view.whole(child, value, parent, path)
        if isinstance(child, Container):
            opened = self.view.opened(child, value, parent, path)
            return None if opened is None else self.node(opened, (*path, (child, None)), selections)
        if isinstance(child, ListNode) and isinstance(value, EntriesTypes) and not isinstance(value, LazyEntries):
            return self._entries(child, value, path, selections)
        return None

    def _entries(
        self, child: ListNode, entries: StoredEntries, path: Path, selections: list[_Selection]
    ) -> Value | None:
        def prune(key: Key, entry: Node) -> Node | None:
            return self.node(entry, (*path, (child, key)), selections)

        keys = [_key(child, selection) for selection in selections]
        if child.keys and None not in keys:
            found: dict[Key, Node] = {}
            for key in keys:
                entry = entries.get(key) if key is not None else None
                pruned = prune(key, entry) if key is not None and entry is not None else None
                if key is not None and pruned is not None:
                    found[key] = pruned
            return _entries_in_order(entries, found)
        lazy = LazyEntries(entries, prune)
        return lazy if next(lazy.nodes(), None) is not None else None


def _key(child: ListNode, selection: _Selection) -> Key | None:
    """The key that the content matches of a selection fix, if they fix all of it."""
    given = {alternatives[0][0]: alternatives[0][1] for alternatives in selection.matches if len(alternatives) == 1}
    texts = [given.get(leaf) for leaf in child.keys]
    known = [text for text in texts if text is not None]
    return key_from_text(child, tuple(known)) if len(known) == len(texts) else None


def _entries_in_order(stored: StoredEntries, found: dict[Key, Node]) -> StoredEntries | None:
    """The entries found, in the order of the list they are from."""
    if not isinstance(stored, SortedEntries):
        found = {key: found[key] for key, _ in stored.items() if key in found}
    return entries_like(stored, found)


# ===== XPath =====

Info: TypeAlias = tuple[tuple[str, str], ...]
"""Where an expression stands in a request, for the error-info."""

_SELECT: Final[Info] = (("bad-attribute", "select"), ("bad-element", "filter"))


@dataclass(slots=True)
class _Chosen:
    """An instance that an expression selected (``is_whole``), or one on the way to such."""

    is_whole: bool = False
    below: dict[DataNode, dict[Key | None, _Chosen]] = field(default_factory=dict)


def xpath_select(
    schema: Schema,
    view: View,
    expr: Expr,
    *,
    variables: Mapping[str, str] | None = None,
    budget: int = XPATH_BUDGET,
    info: Info = _SELECT,
) -> Node | None:
    """The nodes an expression selects, whole, with their ancestors and the keys of these; ``None`` if it selects none.

    Raises InvalidValue if the result is no node-set or the expression looks at more than ``budget`` nodes."""
    top = _Chosen()
    for path in xpath_paths(schema, view, expr, variables=variables, budget=budget, info=info):
        _choose(top, path)
    return view.expand(view.root, ()) if top.is_whole else _keep(view, view.root, (), top)


def xpath_paths(
    schema: Schema,
    view: View,
    expr: Expr,
    *,
    variables: Mapping[str, str] | None = None,
    budget: int = XPATH_BUDGET,
    info: Info = _SELECT,
) -> list[Path]:
    """The instances an expression selects, each once. Raises InvalidValue as xpath_select does."""
    env = Env(schema, view.root, view=view, variables=variables, budget=budget)
    try:
        with few():
            selected = env.evaluate(compile_expr(expr), env.root)
    except XPathFault as fault:
        raise InvalidValue(f"filter: {fault}", error_type="protocol", info=info) from fault
    if not isinstance(selected, list):
        message = "filter: the expression must give a node-set, not a string, number or boolean"
        raise InvalidValue(message, error_type="protocol", app_tag="not-a-node-set", info=info)
    return list(dict.fromkeys(_path(cursor) for cursor in selected))


def _path(cursor: Cursor) -> Path:
    """Where an instance is. A text node stands for its leaf."""
    is_text = cursor.parent is not None and cursor.parent.schema is cursor.schema
    return cursor.parent.path if is_text and cursor.parent is not None else cursor.path


def _choose(top: _Chosen, path: Path) -> None:
    place = top
    for child, key in path:
        place = place.below.setdefault(child, {}).setdefault(key, _Chosen())
    place.is_whole = True


def _keep(view: View, node: Node, path: Path, chosen: _Chosen) -> Node | None:
    slots: list[Value | None] = [None] * len(node.slots)
    for child, instances in chosen.below.items():
        slots[child.slot] = _keep_child(view, node, child, path, instances)
    if all(value is None for value in slots):
        return None
    if isinstance(node.schema, ListNode):
        for key in node.schema.keys:
            slots[key.slot] = node.slots[key.slot]
    return Node(node.schema, tuple(slots))


def _keep_child(
    view: View, node: Node, child: DataNode, path: Path, instances: Mapping[Key | None, _Chosen]
) -> Value | None:
    value = view.value(node, child, path)
    if isinstance(child, Container):
        if instances[None].is_whole:
            return view.whole(child, value, node, path)
        opened = view.opened(child, value, node, path)
        return None if opened is None else _keep(view, opened, (*path, (child, None)), instances[None])
    if isinstance(value, tuple):
        return tuple([item for item in value if item in instances]) or None
    if not isinstance(value, EntriesTypes) or isinstance(value, LazyEntries):
        return value
    found: dict[Key, Node] = {}
    for key, chosen in instances.items():
        entry = value.get(key) if key is not None else None
        if key is None or entry is None:
            continue
        here = (*path, (child, key))
        kept = view.expand(entry, here) if chosen.is_whole else _keep(view, entry, here, chosen)
        if kept is not None:
            found[key] = kept
    return _entries_in_order(value, found)
