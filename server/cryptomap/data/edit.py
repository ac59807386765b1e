"""edit-config as a function: (tree, ``<config>`` element) -> tree (RFC 6241 section 7.2; RFC 7950 sections 7 and 8).

The operation of an element is its own ``operation`` attribute or that of its parent. What an edit puts where nothing
was, and where no attribute stands inside, is read straight by :class:`Reader`; the rest goes element by element. The
entries of one list are collected and set in one go, so that a bulk edit builds each list once.

The tree given is never changed. Faults are collected; what is at fault stays as it was.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from itertools import repeat
from typing import Any, cast

from lxml import etree

from cryptomap.data.edit_lists import SortedWork, UserWork, ValueWork, entry_work
from cryptomap.data.path import parse_keys
from cryptomap.data.tree import Key, Node, Value, key_from_text, key_of, key_text, reuse
from cryptomap.data.xml.attributes import Attributes, attributes_of, inherited, refuse_operation_above
from cryptomap.data.xml.faults import Faults, local_name, names_at
from cryptomap.data.xml.read import Reader, has_attributes, leave_other_cases
from cryptomap.data.xml.seal import Sealer
from cryptomap.errors import BadAttribute, DataExists, DataMissing, InvalidValue, RpcError, RpcErrors
from cryptomap.schema.nodes import Any_, Container, DataNode, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import TypeFault

__all__ = ["PartlyEdited", "edit"]

DEFAULT_OPERATIONS = frozenset({"merge", "replace", "none"})


class PartlyEdited(RpcErrors):
    """Faults of an edit with ``continue-on-error``; ``root`` is the tree with all the rest of the edit in it."""

    def __init__(self, errors: Iterable[RpcError], root: Node) -> None:
        super().__init__(errors)
        self.root = root


def edit(
    schema: Schema,
    root: Node,
    config: etree._Element,
    *,
    default_operation: str = "merge",
    error_option: str = "stop-on-error",
    seal: Sealer | None = None,
) -> Node:
    """The tree after the edit; ``root`` itself if it changes nothing.

    Raises RpcErrors with all faults; nothing of the edit is then taken (RFC 6241 leaves open what stop-on-error keeps),
    except that ``continue-on-error`` raises :class:`PartlyEdited`."""
    if default_operation not in DEFAULT_OPERATIONS:
        message = f"default-operation '{default_operation}' is none of {', '.join(sorted(DEFAULT_OPERATIONS))}"
        raise InvalidValue(message, error_type="protocol", info=(("bad-element", "default-operation"),))
    refuse_operation_above(config)
    faults = Faults(schema, schema.root, config)
    editor = _Editor(faults, seal, plain=not has_attributes(config))
    try:
        edited = editor.root(root, config, default_operation)
    finally:
        editor.reader.on_duplicate = None  # this circle would keep the document until the collector comes by
    if faults.errors and error_option == "continue-on-error":
        raise PartlyEdited(faults.errors, edited)
    faults.raise_any()
    return edited


class _Scope:
    """One inner node being edited: the element with its changes and what the slots hold so far. ``ready``: the list
    entry that the child element in hand makes by itself, if it was read ahead."""

    __slots__ = ("element", "inner", "lists", "ready", "seen", "slots", "touched", "values")

    def __init__(self, inner: InnerNode, element: etree._Element, slots: tuple[Value | None, ...]) -> None:
        self.inner = inner
        self.element = element
        self.slots = list(slots)
        self.ready: Node | None = None
        self.seen: set[DataNode] = set()
        self.touched: set[int] = set()  # slots the edit puts something into: they decide about the cases of choices
        self.lists: dict[ListNode, SortedWork | UserWork] = {}
        self.values: dict[LeafList, ValueWork] = {}


class _Editor:
    """One edit. ``plain``: no element below the top has attributes, so that none are looked for."""

    def __init__(self, faults: Faults, seal: Sealer | None, *, plain: bool) -> None:
        self.faults = faults
        self.schema = faults.schema
        self.plain = plain
        self.reader = Reader(faults, seal, config_only=True, on_duplicate=self._second_entry)
        self._reading = "merge"  # the operation under which the reader is at work

    def root(self, root: Node, config: etree._Element, operation: str) -> Node:
        base = Node.empty(root.schema) if operation == "replace" else root
        if base.is_empty and operation != "none" and self.plain:
            self._reading = operation
            edited = self.reader.node(root.schema, config)
        else:
            edited = self.children(base, config, operation)
        if operation == "replace":
            return cast(Node, reuse(root, edited))
        return root if edited.is_empty and root.is_empty else edited

    def children(self, old: Node, element: etree._Element, operation: str) -> Node:
        """The node with the edits of the element's children in it; the old node if they change nothing."""
        inner = old.schema
        scope = _Scope(inner, element, old.slots)
        how: Attributes | None = inherited(operation)
        text = element.text
        if text is not None and not text.isspace():
            self.reader.mixed(element)
        for child, scope.ready in self._children(inner, element):
            if child.tail is not None and not child.tail.isspace():
                self.reader.mixed(element)
            node = inner.by_tag.get(child.tag)
            if node is None or not node.config:
                self.reader.unexpected(inner, node, child)
                continue
            if not self.plain:
                how = attributes_of(self.faults, node, child, operation)
            if how is not None:
                _HANDLERS[node.__class__](self, scope, node, child, how)
        self._finish(scope)
        return old if all(map(operator.is_, scope.slots, old.slots)) else Node(inner, tuple(scope.slots))

    def _children(self, inner: InnerNode, element: etree._Element) -> Iterable[tuple[etree._Element, Node | None]]:
        return self.reader.children(inner, element) if self.plain else zip(element, repeat(None), strict=False)

    def _finish(self, scope: _Scope) -> None:
        for schema, entries in scope.lists.items():
            scope.slots[schema.slot] = entries.finish()
        for leaf_list, values in scope.values.items():
            scope.slots[leaf_list.slot] = values.finish()
        if scope.inner.choices and scope.touched:
            self.reader.check_cases(scope.inner, scope.element, sorted(scope.touched))
            leave_other_cases(scope.inner.choices, scope.slots, scope.touched)

    # ===== leafs and opaque content =====

    def leaf(self, scope: _Scope, node: Leaf, element: etree._Element, how: Attributes) -> None:
        if not self._is_first(scope, node, element):
            return
        if node.is_key:  # read with its entry
            if how.operation in {"delete", "remove"}:
                self._bad_attribute("operation", f"key {node.name} cannot be deleted, only its entry", element)
            return
        existing = scope.slots[node.slot]
        if not self._goes_on(scope, node, element, how, existing):
            return
        value = self.reader.text_value(node, element)
        if value is None:
            return
        if how.is_default:
            if self._is_default(element, value, (node.default,)):
                scope.slots[node.slot] = None
            return
        if value != existing:
            scope.slots[node.slot] = value
        scope.touched.add(node.slot)

    def _is_default(self, element: etree._Element, value: str, defaults: tuple[str | None, ...]) -> bool:
        """A value sent back with its default tag asks to unset the leaf; it must be its default (RFC 6243 4.5.2)."""
        if value in defaults:
            return True
        name = local_name(element)
        message = f"{name} is tagged as default, but its default is {defaults[0] if any(defaults) else 'not defined'}"
        self.faults.add(InvalidValue, message, element, info=(("bad-element", name),))
        return False

    def opaque(self, scope: _Scope, node: Any_, element: etree._Element, how: Attributes) -> None:
        if not self._is_first(scope, node, element):
            return
        existing = scope.slots[node.slot]
        if not self._goes_on(scope, node, element, how, existing):
            return
        value = self.reader.any_content(element, with_attributes=False)
        if value is None:
            return
        scope.slots[node.slot] = existing if existing == value else value
        scope.touched.add(node.slot)

    def leaf_list(self, scope: _Scope, node: LeafList, element: etree._Element, how: Attributes) -> None:
        work = scope.values.get(node)
        if work is None:
            work = scope.values[node] = ValueWork(node, cast("tuple[str, ...] | None", scope.slots[node.slot]))
        value = self.reader.text_value(node, element)
        if value is None:
            return
        if value in work.seen:
            self.reader.twice(node, element)
            return
        work.seen.add(value)
        operation = how.operation
        there = value in work
        if not self._allowed(node, element, operation, there):
            return
        if operation in {"delete", "remove"}:
            work.remove(value)
            return
        if how.is_default:
            if self._is_default(element, value, node.defaults):
                work.remove(value)
            return
        if operation != "none":
            work.add(value)
            scope.touched.add(node.slot)
        if how.insert is not None:
            self._place(work, node, element, how, value)

    # ===== containers and list entries =====

    def container(self, scope: _Scope, node: Container, element: etree._Element, how: Attributes) -> None:
        if not self._is_first(scope, node, element):
            return
        slot = node.slot
        existing = cast("Node | None", scope.slots[slot])
        operation = how.operation
        # A non-presence container is always there to look into, also for default-operation none.
        if not (operation == "none" and not node.presence) and not self._goes_on(scope, node, element, how, existing):
            return
        base = existing if operation in {"merge", "none"} else None
        new: Node | None
        if base is None and self._is_straight(element, operation):
            new = self.reader.container(node, element)
        else:
            new = self.children(base or Node.empty(node), element, operation)
            if new.is_empty and not node.presence:
                new = None
        if operation == "replace":
            new = cast("Node | None", reuse(existing, new))
        scope.slots[slot] = new
        if new is not None and not (operation == "none" and new is existing):
            scope.touched.add(slot)

    def entry(self, scope: _Scope, node: ListNode, element: etree._Element, how: Attributes) -> None:
        work = scope.lists.get(node)
        if work is None:
            work = scope.lists[node] = entry_work(node.user_ordered, scope.slots[node.slot])
        operation, ready = how.operation, scope.ready
        key = self._key(node, element) if ready is None else key_of(ready)
        if key is None:
            return
        existing = work.get(key)
        if not self._allowed(node, element, operation, existing is not None):
            return
        if operation in {"delete", "remove"}:
            work.set(key, None)
            return
        base = existing if operation in {"merge", "none"} else None
        new: Node
        if ready is not None and operation != "none" and (base is None or base == ready):
            new = ready if base is None else base
        elif base is None and self._is_straight(element, operation):
            found = self.reader.entry(node, element)
            if found is None:
                return
            new = found[1]
        else:
            new = self.children(base or _bare_entry(node, key), element, operation)
        if operation == "replace":
            new = cast(Node, reuse(existing, new))
        if new is not existing:
            work.set(key, new)
        if operation != "none" or new is not existing:
            scope.touched.add(node.slot)
        if how.insert is not None:
            assert isinstance(work, UserWork)
            self._place(work, node, element, how, key)

    def _is_straight(self, element: etree._Element, operation: str) -> bool:
        """Whether the element can be read as it is, because it meets nothing and nothing inside asks for more."""
        if operation == "none" or not (self.plain or not has_attributes(element)):
            return False
        self._reading = operation
        return True

    def _second_entry(self, node: ListNode, element: etree._Element, first: Node) -> Node | None:
        """The reader met an entry again that this same edit has made."""
        if self._reading == "create":
            self._allowed(node, element, "create", True)
            return None
        if self._reading == "replace":
            found = self.reader.entry(node, element)
            return found[1] if found else None
        return self.children(first, element, "merge")

    def _key(self, node: ListNode, element: etree._Element) -> Key | None:
        texts: list[str] = []
        before = len(self.faults.errors)
        for leaf in node.keys:
            found = next(element.iterchildren(leaf.tag), None)
            text = None if found is None else self.reader.text_value(leaf, found)
            if text is not None:
                texts.append(text)
        if len(texts) == len(node.keys):
            return key_from_text(node, tuple(texts))
        if len(self.faults.errors) == before:
            self.reader.missing_keys(node, element)
        return None

    def _place(
        self, work: UserWork | ValueWork, node: ListNode | LeafList, element: etree._Element, how: Attributes, own: Key
    ) -> None:
        """Put an entry or value where ``insert`` says (RFC 7950 sections 7.7.9, 7.8.6 and 15.7)."""
        what = "value" if isinstance(node, LeafList) else "key"
        anchor: Any = None
        if how.anchor is not None and how.insert in {"before", "after"}:
            try:
                anchor = self._anchor(node, element, how.anchor)
            except TypeFault as fault:
                self._bad_attribute(what, f"yang:{what}: {fault.message}", element)
                return
        assert how.insert is not None
        if not work.place(cast(Any, own), how.insert, anchor):
            message = f"insert {how.insert}: {node.name} has no {'value' if what == 'value' else 'entry'} {how.anchor}"
            self._bad_attribute(what, message, element, "missing-instance")

    def _anchor(self, node: ListNode | LeafList, element: etree._Element, text: str) -> Key:
        names = names_at(self.schema, element)
        if isinstance(node, LeafList):
            return node.type.parse(text, names)

        def module_of(prefix: str | None) -> str:
            return names(prefix) if prefix else node.module

        key, end = parse_keys(node, text.strip(), 0, module_of)
        if key is None or end != len(text.strip()):
            raise TypeFault(f"'{text}' is not a key of {node.name}; write it as [prefix:key='value']")
        return key

    # ===== faults =====

    def _is_first(self, scope: _Scope, node: DataNode, element: etree._Element) -> bool:
        if node in scope.seen:
            self.reader.twice(node, element)
            return False
        scope.seen.add(node)
        return True

    def _goes_on(
        self, scope: _Scope, node: DataNode, element: etree._Element, how: Attributes, existing: Value | None
    ) -> bool:
        """Whether there is content to put in: the operation is possible, and not one that only takes away."""
        operation = how.operation
        if not self._allowed(node, element, operation, existing is not None):
            return False
        if operation in {"delete", "remove"}:
            scope.slots[node.slot] = None
            return False
        return operation != "none" or isinstance(node, InnerNode)

    def _allowed(self, node: DataNode, element: etree._Element, operation: str, there: bool) -> bool:
        """RFC 6241 section 7.2: create needs that nothing is there; delete, and none on the way, that something is."""
        if operation == "create" and there:
            self.faults.add(DataExists, f"{node.name} exists already", element)
            return False
        if operation in {"delete", "none"} and not there:
            self.faults.add(DataMissing, f"{node.name} does not exist", element)
            return False
        return True

    def _bad_attribute(self, attribute: str, message: str, element: etree._Element, app_tag: str | None = None) -> None:
        info = (("bad-attribute", attribute), ("bad-element", local_name(element)))
        self.faults.add(BadAttribute, message, element, app_tag=app_tag, info=info)


_HANDLERS: Mapping[type, Callable[[_Editor, _Scope, Any, etree._Element, Attributes], None]] = {
    Leaf: _Editor.leaf,
    LeafList: _Editor.leaf_list,
    Container: _Editor.container,
    ListNode: _Editor.entry,
    Any_: _Editor.opaque,
}


def _bare_entry(schema: ListNode, key: Key) -> Node:
    slots: list[Value | None] = [None] * len(schema.children)
    for leaf, text in zip(schema.keys, key_text(key), strict=True):
        slots[leaf.slot] = text
    return Node(schema, tuple(slots))
