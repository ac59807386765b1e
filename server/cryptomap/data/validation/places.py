"""Paths that lead to one instance at most, as plain look-ups.

Nearly all paths in real modules climb to an ancestor, go down containers to a leaf, or choose a list entry by all its
keys. For these no node-set is needed: :func:`place_of` turns such a path into closures that go from slot to slot. They
mean exactly what the general evaluator (``data.xpath``) means, which does all the rest; tests compare the two.

A closure gets (env, ground, value). The *ground* is the innermost inner instance at or above the constraint's context:
the context itself, or, for a leaf, its parent, and then ``value`` is the leaf's value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from cryptomap.data.tree import Key, Node, Value
from cryptomap.data.xpath import Cursor, Env, leafref_expr
from cryptomap.data.xpath.env import empty_node
from cryptomap.data.xpath.steps import does_not_need_context, final_type, fixed_child, key_from_texts
from cryptomap.schema import xpath as ast
from cryptomap.schema.nodes import Container, DataNode, InnerNode, Leaf, LeafList, ListNode
from cryptomap.schema.types import IdentityrefType, LeafrefType, Type, UnionType
from cryptomap.schema.xpath import Expr

__all__ = ["InnerPlace", "LeafPlace", "NodeOf", "TextOf", "Viewpoint", "in_choice", "place_of"]

TextOf: TypeAlias = Callable[[Env, Cursor, Value], "str | None"]
NodeOf: TypeAlias = Callable[[Env, Cursor, Value], "Node | None"]
CursorOf: TypeAlias = Callable[[Env, Cursor, Value], "Cursor | None"]


@dataclass(frozen=True, slots=True)
class InnerPlace:
    """A container, list entry or the root. What is ``certain`` exists wherever the path starts: its parent is found by
    climbing."""

    schema: InnerNode
    node: NodeOf
    cursor: CursorOf
    certain: bool


@dataclass(frozen=True, slots=True)
class LeafPlace:
    """A leaf (or one value of a leaf-list) with its value in use, and the instance it belongs to, which exists whether
    or not the leaf does (``certain`` says that the leaf does, if the instance does)."""

    schema: Leaf | LeafList
    text: TextOf
    parent: InnerPlace
    certain: bool


Place: TypeAlias = InnerPlace | LeafPlace


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """Where an expression starts, and what current() answers."""

    context: Place
    current: Place

    @classmethod
    def at(cls, context: DataNode) -> Viewpoint | None:
        """That of a constraint evaluated at instances of a schema node."""
        if isinstance(context, InnerNode):
            place: Place = InnerPlace(context, _ground_node, _ground, certain=True)
        elif isinstance(context, (Leaf, LeafList)) and context.parent is not None:
            parent = InnerPlace(context.parent, _ground_node, _ground, certain=True)
            place = LeafPlace(context, _own_value, parent, certain=True)
        else:
            return None
        return cls(place, place)


def _ground(env: Env, ground: Cursor, value: Value) -> Cursor:
    return ground


def _ground_node(env: Env, ground: Cursor, value: Value) -> Node:
    return ground.value  # type: ignore[return-value]  # the ground is an inner instance


def _own_value(env: Env, ground: Cursor, value: Value) -> str:
    return value  # type: ignore[return-value]  # the context is a leaf


def place_of(expr: Expr, view: Viewpoint) -> Place | None:
    """Where a path leads, or ``None`` if it is not of the simple kind."""
    if isinstance(expr, ast.Call):
        return _call(expr, view)
    if not isinstance(expr, ast.Path):
        return None
    place: Place | None = view.context
    if expr.base is not None:
        place = place_of(expr.base, view)
    elif expr.absolute:
        place = _root_above(view.context)
    for step in expr.steps:
        place = _step(step, place, view) if place is not None else None
    return place


def _root_above(place: Place) -> InnerPlace:
    schema: DataNode = place.schema
    while schema.parent is not None:
        schema = schema.parent
    assert isinstance(schema, InnerNode)
    return InnerPlace(schema, _root_node, _root, certain=True)


def _root(env: Env, ground: Cursor, value: Value) -> Cursor:
    return env.root


def _root_node(env: Env, ground: Cursor, value: Value) -> Node:
    return env.root.value  # type: ignore[return-value]


def _call(expr: ast.Call, view: Viewpoint) -> Place | None:
    if expr.name == "current":
        return view.current
    if expr.name == "deref":
        at = place_of(expr.args[0], view)
        kind = at.schema.type if isinstance(at, LeafPlace) else None
        if isinstance(at, LeafPlace) and isinstance(kind, LeafrefType):
            start = replace(at, certain=True)  # without a value nothing is found at the end of the path anyway
            return place_of(leafref_expr(kind), Viewpoint(start, start))
    return None


def _step(step: ast.Step, place: Place, view: Viewpoint) -> Place | None:
    if step.axis == "self" and step.test == "node" and not step.predicates:
        return place
    if step.axis == "parent" and step.test == "node" and not step.predicates:
        return _parent(place)
    if step.axis != "child" or step.test != "name" or step.module is None or not isinstance(place, InnerPlace):
        return None
    child = place.schema.by_qname.get(f"{step.module}:{step.name}")
    if isinstance(child, ListNode):
        return _entry(place, child, step.predicates, view)
    if isinstance(child, Leaf):
        leaf = LeafPlace(child, _leaf_text(place, child), place, certain=child.is_key)
        return _narrowed(leaf, step.predicates, view) if step.predicates else leaf
    if isinstance(child, Container) and not step.predicates:
        return _container(place, child)
    return None


def _parent(place: Place) -> InnerPlace | None:
    if isinstance(place, LeafPlace):
        return place.parent if place.certain else None
    above = place.schema.parent
    if above is None or not place.certain:
        return None
    cursor_of = place.cursor

    def cursor(env: Env, ground: Cursor, value: Value) -> Cursor | None:
        return cursor_of(env, ground, value).parent  # type: ignore[union-attr]  # it is certain

    def node(env: Env, ground: Cursor, value: Value) -> Node:
        return cursor_of(env, ground, value).parent.value  # type: ignore[union-attr, return-value]

    if cursor_of is _ground:
        return InnerPlace(above, _above_ground_node, _above_ground, certain=True)
    return InnerPlace(above, node, cursor, certain=True)


def _above_ground(env: Env, ground: Cursor, value: Value) -> Cursor | None:
    return ground.parent


def _above_ground_node(env: Env, ground: Cursor, value: Value) -> Node:
    return ground.parent.value  # type: ignore[union-attr, return-value]  # only where the schema has a parent


def _container(place: InnerPlace, child: Container) -> InnerPlace:
    slot, above, above_cursor = child.slot, place.node, place.cursor
    plain = child.presence or (not child.whens and not in_choice(child))
    implied = None if child.presence else empty_node(child)

    def cursor(env: Env, ground: Cursor, value: Value) -> Cursor | None:
        parent = above_cursor(env, ground, value)
        found = env.value(parent, child) if parent is not None else None
        return Cursor(parent, child, found) if found is not None else None

    def node(env: Env, ground: Cursor, value: Value) -> Node | None:
        parent = above(env, ground, value)
        if parent is None:
            return None
        found = parent.slots[slot]
        return found if found is not None else implied  # type: ignore[return-value]

    def conditional(env: Env, ground: Cursor, value: Value) -> Node | None:
        found = cursor(env, ground, value)
        return found.value if found is not None else None  # type: ignore[return-value]

    return InnerPlace(child, node if plain else conditional, cursor, certain=False)


def in_choice(child: DataNode) -> bool:
    """Whether a schema node belongs to a case."""
    parent = child.parent
    return parent is not None and any(
        child.slot in case.all_slots() for choice in parent.choices for case in choice.cases
    )


def _leaf_text(place: InnerPlace, child: Leaf) -> TextOf:
    slot, above, default = child.slot, place.node, child.default
    if default is not None and (child.whens or in_choice(child)):
        return _conditional_text(place, child)

    def text(env: Env, ground: Cursor, value: Value) -> str | None:
        node = above(env, ground, value)
        if node is None:
            return None
        found = node.slots[slot]
        return default if found is None else found  # type: ignore[return-value]

    def beside(env: Env, ground: Cursor, value: Value) -> str | None:
        found = ground.value.slots[slot]  # type: ignore[union-attr]
        return default if found is None else found  # type: ignore[return-value]

    return beside if above is _ground_node else text


def _conditional_text(place: InnerPlace, child: Leaf) -> TextOf:
    """The leaf has a default that is in use only under a when or in a case."""
    above, cursor_of, slot = place.node, place.cursor, child.slot

    def text(env: Env, ground: Cursor, value: Value) -> str | None:
        node = above(env, ground, value)
        if node is None:
            return None
        found = node.slots[slot]
        if found is None:
            cursor = cursor_of(env, ground, value)
            found = env.value(cursor, child) if cursor is not None else None
        return found  # type: ignore[return-value]

    return text


def _narrowed(leaf: LeafPlace, predicates: tuple[Expr, ...], view: Viewpoint) -> LeafPlace | None:
    """``leaf[. = current()]``: what a leafref to a leaf that is no key looks for."""
    predicate = predicates[0]
    current = view.current
    if len(predicates) > 1 or predicate != ast.Binary("=", _DOT, _CURRENT) or not isinstance(current, LeafPlace):
        return None
    text_of, wanted_of = leaf.text, current.text

    def text(env: Env, ground: Cursor, value: Value) -> str | None:
        found = text_of(env, ground, value)
        return found if found is not None and found == wanted_of(env, ground, value) else None

    return LeafPlace(leaf.schema, text, leaf.parent, certain=False)


_DOT = ast.Path(absolute=False, steps=(ast.Step("self", None, None, "node"),))
_CURRENT = ast.Call("current", ())


# ===== list entries by key =====


def _entry(place: InnerPlace, child: ListNode, predicates: tuple[Expr, ...], view: Viewpoint) -> InnerPlace | None:
    parts = _key_parts(child, predicates, view)
    if parts is None:
        return None
    slot, above, above_cursor = child.slot, place.node, place.cursor
    key_of = _key_of(child, parts)

    def node(env: Env, ground: Cursor, value: Value) -> Node | None:
        parent = above(env, ground, value)
        entries = parent.slots[slot] if parent is not None else None
        if entries is None:
            return None
        env.visited += 1
        key = key_of(env, ground, value)
        return None if key is None else entries.get(key)  # type: ignore[union-attr, arg-type, return-value]

    def cursor(env: Env, ground: Cursor, value: Value) -> Cursor | None:
        parent = above_cursor(env, ground, value)
        key = key_of(env, ground, value)
        return env.entry(parent, child, key) if parent is not None and key is not None else None

    return InnerPlace(child, node, cursor, certain=False)


KeyOf: TypeAlias = Callable[[Env, Cursor, Value], "Key | None"]


def _key_of(child: ListNode, parts: list[TextOf]) -> KeyOf:
    if len(parts) == 1 and type(final_type(child.keys[0].type)).sort_key is Type.sort_key:
        return parts[0]

    def key(env: Env, ground: Cursor, value: Value) -> Key | None:
        texts = []
        for part in parts:
            text = part(env, ground, value)
            if text is None:
                return None
            texts.append(text)
        return key_from_texts(child, tuple(texts))

    return key


def _key_parts(child: ListNode, predicates: tuple[Expr, ...], view: Viewpoint) -> list[TextOf] | None:
    """What gives each key, in key order, if the predicates fix all keys and do nothing else."""
    fixed = [fixed_child(predicate) for predicate in predicates]
    parts: list[TextOf] = []
    for key in child.keys:
        values = [
            item[1] for item in fixed if item and item[0].name == key.name and item[0].module in {None, key.module}
        ]
        part = _key_text(key, values[0], view) if len(values) == 1 else None
        if part is None:
            return None
        parts.append(part)
    return parts if parts and len(fixed) == len(parts) else None


def _key_text(key: Leaf, value: Expr, view: Viewpoint) -> TextOf | None:
    kind = final_type(key.type)
    if isinstance(kind, UnionType):
        return None
    if isinstance(value, ast.Literal):
        text = value.qualified if isinstance(kind, IdentityrefType) else value.value
        return lambda env, ground, own: text
    place = place_of(value, view) if does_not_need_context(value) else None
    return place.text if isinstance(place, LeafPlace) else None
