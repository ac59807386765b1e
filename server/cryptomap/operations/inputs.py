"""Checks of an rpc's or action's input that need more than its types (RFC 7950 sections 7.14.2, 7.15 and 8.3.1).

The input is small, so it is walked as a whole. Its XPath expressions see running with the state of the device; relative
paths start inside the input.
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptomap.data.path import to_xpath
from cryptomap.data.tree import EntriesTypes, Node, Path, Value
from cryptomap.data.view import View
from cryptomap.data.xpath import Cursor, Env, compile_cached, leafref_expr
from cryptomap.errors import (
    DataMissing,
    ErrorPath,
    MissingElement,
    OperationFailed,
    RpcError,
    RpcErrors,
    UnknownElement,
)
from cryptomap.schema.nodes import Any_, Choice, Container, DataNode, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import LeafrefType

__all__ = ["check"]

_YANG = "urn:ietf:params:xml:ns:yang:1"


def check(schema: Schema, view: View, given: Node, path: Path) -> None:
    """Raises RpcErrors with all that is wrong with an input. ``path`` ends with the operation."""
    env = Env(schema, view.root, view=view)
    parent = _cursor(env, path[:-1])
    errors = list(_Checker(schema, env, path).inner(Cursor(parent, given.schema, given)))
    if errors:
        raise RpcErrors(errors)


def _cursor(env: Env, path: Path) -> Cursor:
    """The instance an action is called on, which is known to exist."""
    cursor = env.root
    for node, key in path:
        value = env.value(cursor, node)
        if isinstance(value, EntriesTypes) and key is not None:
            value = value.get(key)
        assert value is not None
        cursor = Cursor(cursor, node, value, key)
    return cursor


class _Checker:
    def __init__(self, schema: Schema, env: Env, path: Path) -> None:
        self._schema = schema
        self._env = env
        self._path = path
        self._depth = len(path)

    def inner(self, at: Cursor) -> Iterator[RpcError]:
        """What is wrong with a container, an entry or the input, and below it."""
        node = at.value
        assert isinstance(node, Node)
        assert isinstance(at.schema, InnerNode)
        yield from self._musts(at)
        for child in at.schema.children:
            value = node.slots[child.slot]
            if value is None:
                yield from self._absent(at, child)
            else:
                yield from self._present(at, child, value)
        for choice in at.schema.choices:
            yield from self._choice(at, node, choice)

    def _absent(self, at: Cursor, child: DataNode) -> Iterator[RpcError]:
        if not self._is_wanted(at, child):
            return
        if isinstance(child, (Leaf, Any_)) and child.mandatory and self._case_is_used(at, child):
            message = f"{child.name} must be given"
            yield MissingElement(message, path=self._at(at, child), info=[("bad-element", child.name)])
        elif isinstance(child, (ListNode, LeafList)) and child.min_elements and self._case_is_used(at, child):
            yield self._elements(at, child, "too-few-elements")
        elif isinstance(child, Container) and not child.presence and self._case_is_used(at, child):
            yield from self.inner(Cursor(at, child, Node.empty(child)))

    def _present(self, at: Cursor, child: DataNode, value: Value) -> Iterator[RpcError]:
        if not self._is_wanted(at, child):
            message = f"{child.name} is not allowed here: it exists only when {child.whens[0].text}"
            yield UnknownElement(message, path=self._at(at, child), info=[("bad-element", child.name)])
        elif isinstance(value, Node):
            yield from self.inner(Cursor(at, child, value))
        elif isinstance(child, (ListNode, LeafList)):
            yield from self._several(at, child, value)
        elif isinstance(child, Leaf):
            yield from self._leaf(Cursor(at, child, value))

    def _several(self, at: Cursor, child: ListNode | LeafList, value: Value) -> Iterator[RpcError]:
        count = len(value) if isinstance(value, (tuple, *EntriesTypes)) else 0
        if count < child.min_elements:
            yield self._elements(at, child, "too-few-elements")
        if child.max_elements is not None and count > child.max_elements:
            yield self._elements(at, child, "too-many-elements")
        if isinstance(value, tuple):
            for item in value:
                yield from self._leaf(Cursor(at, child, item, item))
        elif isinstance(value, EntriesTypes):
            for key, entry in value.items():
                yield from self.inner(Cursor(at, child, entry, key))

    def _leaf(self, at: Cursor) -> Iterator[RpcError]:
        yield from self._musts(at)
        assert isinstance(at.schema, (Leaf, LeafList))
        kind = at.schema.type
        if isinstance(kind, LeafrefType) and kind.require_instance:
            found = self._env.evaluate(compile_cached(leafref_expr(kind)), at)
            if not found:
                message = f"{at.schema.name} names {at.value!r}, which does not exist"
                yield DataMissing(message, app_tag="instance-required", path=self._of(at))

    def _musts(self, at: Cursor) -> Iterator[RpcError]:
        for must in at.schema.musts:
            if not self._env.holds(compile_cached(must.expr), at):
                message = must.message or f"the condition of the model does not hold: {must.text}"
                yield OperationFailed(message, app_tag=must.app_tag or "must-violation", path=self._of(at))

    def _choice(self, at: Cursor, node: Node, choice: Choice) -> Iterator[RpcError]:
        used = [case for case in choice.cases if any(node.slots[slot] is not None for slot in case.all_slots())]
        if not used and choice.mandatory and all(self._env.holds(compile_cached(w.expr), at) for w in choice.whens):
            names = ", ".join(case.name for case in choice.cases)
            info = [(f"{{{_YANG}}}missing-choice", choice.name)]
            message = f"one of {names} must be given"
            yield DataMissing(message, app_tag="missing-choice", path=self._of(at), info=info)
        for case in used:
            for nested in case.choices:
                yield from self._choice(at, node, nested)

    def _is_wanted(self, at: Cursor, child: DataNode) -> bool:
        return not child.whens or self._env.exists_under_when(at, child)

    def _case_is_used(self, at: Cursor, child: DataNode) -> bool:
        """Whether each case around a child has some data, so that its mandatory nodes count."""
        node = at.value
        assert isinstance(node, Node)
        cases = _cases_around(node.schema.choices, child.slot)
        return all(any(node.slots[slot] is not None for slot in slots) for slots in cases)

    def _elements(self, at: Cursor, child: ListNode | LeafList, app_tag: str) -> RpcError:
        most = child.max_elements if child.max_elements is not None else "any number"
        message = f"there must be {child.min_elements} to {most} of {child.name}"
        return OperationFailed(message, app_tag=app_tag, path=self._at(at, child))

    def _at(self, parent: Cursor, child: DataNode) -> ErrorPath:
        return self._of(Cursor(parent, child, ""))

    def _of(self, at: Cursor) -> ErrorPath:
        return to_xpath(self._schema, (*self._path, *at.path[self._depth :]))


def _cases_around(choices: tuple[Choice, ...], slot: int) -> Iterator[tuple[int, ...]]:
    for choice in choices:
        for case in choice.cases:
            slots = tuple(case.all_slots())
            if slot in slots:
                yield slots
                yield from _cases_around(case.choices, slot)
