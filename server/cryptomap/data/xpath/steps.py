"""Location steps (XPath 1.0 section 2). A child step whose predicates fix all keys of a list is a look-up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

from cryptomap.data.tree import Key, Node, UserEntries, key_text
from cryptomap.data.xpath.conversions import to_boolean, to_text
from cryptomap.data.xpath.cursor import Compiled, Cursor, NodesStep
from cryptomap.schema import xpath as ast
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, ListNode
from cryptomap.schema.types import IdentityrefType, LeafrefType, Type, UnionType
from cryptomap.schema.xpath import Expr

if TYPE_CHECKING:
    from cryptomap.data.xpath.env import Env

__all__ = [
    "DOT",
    "Compile",
    "compile_step",
    "does_not_need_context",
    "filtered",
    "final_type",
    "fixed_child",
    "in_order",
    "key_from_texts",
    "names",
]

Compile: TypeAlias = Callable[[Expr], Compiled]

SORTED_AT_ONCE = 10_000  # sorting is one call of C, in which no other thread has its turn


def filtered(env: Env, nodes: list[Cursor], predicates: Iterable[Compiled]) -> list[Cursor]:
    """The nodes for which all predicates hold; their order is what position() counts in."""
    for predicate in predicates:
        size = len(nodes)
        kept = []
        for position, node in enumerate(nodes, 1):
            value = predicate(env, node, position, size)
            if (value == position) if type(value) is float else to_boolean(value):
                kept.append(node)
        nodes = kept
    return nodes


def compile_step(step: ast.Step, compile_expr: Compile) -> NodesStep:
    """A step as a function from the node-set before it, in document order, to the one after it."""
    if step.axis == "child" and step.test == "name" and step.name is not None and step.module is not None:
        return _named_child(step, f"{step.module}:{step.name}", compile_expr)
    predicates = [compile_expr(predicate) for predicate in step.predicates]
    axis = _AXES[step.axis]
    test = _node_test(step)
    many_may_meet = step.axis not in {"child", "self", "attribute", "namespace"}
    goes_up = step.axis in {"self", "parent", "ancestor", "ancestor-or-self"}  # the others count what they expand

    def run(env: Env, nodes: list[Cursor]) -> list[Cursor]:
        out: list[Cursor] = []
        for node in nodes:
            there = axis(env, node)
            if goes_up:
                env.count(len(there))
            out += filtered(env, [found for found in there if test(found)], predicates)
        return in_order(out) if many_may_meet and len(out) > 1 else out

    return run


def _named_child(step: ast.Step, qname: str, compile_expr: Compile) -> NodesStep:
    lookup, rest = _key_lookup(step.predicates, compile_expr)
    predicates = [compile_expr(predicate) for predicate in step.predicates]
    predicates_after_lookup = [compile_expr(predicate) for predicate in rest]

    def run(env: Env, nodes: list[Cursor]) -> list[Cursor]:
        out: list[Cursor] = []
        for node in nodes:
            child = node.schema.by_qname.get(qname) if isinstance(node.schema, InnerNode) else None
            if child is None:
                continue
            if lookup and isinstance(child, ListNode) and _all_keys_fixed(child, lookup):
                found = _look_up(env, node, child, lookup)
                out += filtered(env, found, predicates_after_lookup) if predicates_after_lookup else found
            elif predicates:
                found = []
                env.expand(node, child, found)
                out += filtered(env, found, predicates)
            else:
                env.expand(node, child, out)
        return out

    return run


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a key predicate compares with. ``literal`` is set for a literal, which may name an identity."""

    compiled: Compiled
    literal: ast.Literal | None

    def texts(self, env: Env, node: Cursor, key: Leaf) -> list[str]:
        """The values an equal key has, without repetition."""
        if self.literal is not None:
            is_identity = isinstance(final_type(key.type), IdentityrefType)
            return [self.literal.qualified or "" if is_identity else self.literal.value]
        value = self.compiled(env, node, 1, 1)
        texts = [item.text(env) for item in value] if isinstance(value, list) else [to_text(value, env)]
        return list(dict.fromkeys(texts))


_Lookup: TypeAlias = Mapping[tuple[str | None, str], _Wanted]


def _key_lookup(predicates: tuple[Expr, ...], compile_expr: Compile) -> tuple[_Lookup, list[Expr]]:
    """The leading ``[name = value]`` predicates whose value does not depend on the entry, and the predicates left."""
    lookup: dict[tuple[str | None, str], _Wanted] = {}
    for count, predicate in enumerate(predicates):
        fixed = fixed_child(predicate)
        if fixed is None or (fixed[0].module, fixed[0].name or "") in lookup:
            return lookup, list(predicates[count:])
        name, value = fixed
        wanted = _Wanted(compile_expr(value), value if isinstance(value, ast.Literal) else None)
        lookup[name.module, name.name or ""] = wanted
    return lookup, []


def fixed_child(predicate: Expr) -> tuple[ast.Step, Expr] | None:
    """(child step, value expression) of a predicate ``[child = value]`` whose value is the same for all entries."""
    if not isinstance(predicate, ast.Binary) or predicate.op != "=":
        return None
    for name, value in ((predicate.left, predicate.right), (predicate.right, predicate.left)):
        if _is_child_name(name) and does_not_need_context(value):
            assert isinstance(name, ast.Path)
            return name.steps[0], value
    return None


def names(step: ast.Step, node: DataNode) -> bool:
    """Whether a step's name is that of a schema node; a step without a module means any."""
    return step.name == node.name and step.module in {None, node.module}


def _is_child_name(expr: Expr) -> bool:
    if not isinstance(expr, ast.Path) or expr.absolute or expr.base is not None or len(expr.steps) != 1:
        return False
    step = expr.steps[0]
    return step.axis == "child" and step.name is not None and not step.predicates


def does_not_need_context(expr: Expr) -> bool:
    """Whether an expression gives the same string or node-set whatever its context node is."""
    if isinstance(expr, (ast.Literal, ast.Variable)):
        return True
    if isinstance(expr, ast.Call):
        return expr.name == "current" or (
            expr.name == "string" and all(map(does_not_need_context, expr.args or (DOT,)))
        )
    if isinstance(expr, ast.Path):
        return expr.absolute or (expr.base is not None and does_not_need_context(expr.base))
    return False


DOT = ast.Path(absolute=False, steps=(ast.Step("self", None, None, "node"),))


def _all_keys_fixed(child: ListNode, lookup: _Lookup) -> bool:
    if not child.keys or len(lookup) != len(child.keys):
        return False
    return all(
        ((key.module, key.name) in lookup or (None, key.name) in lookup) and not isinstance(key.type, UnionType)
        for key in child.keys
    )


def _look_up(env: Env, node: Cursor, child: ListNode, lookup: _Lookup) -> list[Cursor]:
    parts: list[list[str]] = []
    for key in child.keys:
        wanted = lookup.get((key.module, key.name)) or lookup[None, key.name]
        parts.append(wanted.texts(env, node, key))
    found = []
    for chosen in product(*parts):
        key_chosen = key_from_texts(child, chosen)
        entry = env.entry(node, child, key_chosen) if key_chosen is not None else None
        if entry is not None:
            found.append(entry)
    return in_order(found) if len(found) > 1 else found


def final_type(kind: Type) -> Type:
    """The type a leafref leads to in the end; any other type itself."""
    while isinstance(kind, LeafrefType):
        kind = kind.target
    return kind


def key_from_texts(child: ListNode, texts: tuple[str, ...]) -> Key | None:
    """A list's key if these are canonical key values; ``None`` if no entry can have them ("007" for an integer key)."""
    try:
        parts = tuple([leaf.type.sort_key(text) for leaf, text in zip(child.keys, texts, strict=True)])
    except ValueError:
        return None
    key: Key = parts if len(parts) != 1 else parts[0]
    return key if key_text(key) == texts else None


def _node_test(step: ast.Step) -> Callable[[Cursor], bool]:
    name, module = step.name, step.module
    if step.test == "node":
        return lambda cursor: True
    if step.test == "text":
        return lambda cursor: cursor.key is _TEXT
    if step.test != "name":
        return lambda cursor: False
    return lambda cursor: (
        cursor.parent is not None
        and cursor.key is not _TEXT
        and (name is None or cursor.schema.name == name)
        and (module is None or cursor.schema.module == module)
    )


_TEXT = "\x00text()"


def _axis_child(env: Env, node: Cursor) -> list[Cursor]:
    if node.key is _TEXT:
        return []
    if isinstance(node.value, str):
        return [Cursor(node, node.schema, node.value, _TEXT)]
    return env.children(node)


def _axis_parent(env: Env, node: Cursor) -> list[Cursor]:
    return [node.parent] if node.parent is not None else []


def _ancestors(node: Cursor) -> Iterator[Cursor]:
    while node.parent is not None:
        node = node.parent
        yield node


def _descendants(env: Env, node: Cursor) -> Iterator[Cursor]:
    for child in env.children(node):
        yield child
        yield from _descendants(env, child)


def _siblings(env: Env, node: Cursor) -> tuple[list[Cursor], int]:
    """All siblings with itself in document order, and its own position among them."""
    if node.parent is None:
        return [node], 0
    siblings = env.children(node.parent)
    own = next(at for at, other in enumerate(siblings) if (other.schema, other.key) == (node.schema, node.key))
    return siblings, own


def _axis_following_sibling(env: Env, node: Cursor) -> list[Cursor]:
    siblings, own = _siblings(env, node)
    return siblings[own + 1 :]


def _axis_preceding_sibling(env: Env, node: Cursor) -> list[Cursor]:
    siblings, own = _siblings(env, node)
    return siblings[:own][::-1]


def _axis_following(env: Env, node: Cursor) -> list[Cursor]:
    found = []
    for at in (node, *_ancestors(node)):
        for sibling in _axis_following_sibling(env, at):
            found += [sibling, *_descendants(env, sibling)]
    return found


def _axis_preceding(env: Env, node: Cursor) -> list[Cursor]:
    found = []
    for at in (node, *_ancestors(node)):
        for sibling in _axis_preceding_sibling(env, at):
            found += [*reversed(list(_descendants(env, sibling))), sibling]
    return found


_AXES: Mapping[str, Callable[[Env, Cursor], list[Cursor]]] = {
    "child": _axis_child,
    "parent": _axis_parent,
    "self": lambda env, node: [node],
    "ancestor": lambda env, node: list(_ancestors(node)),
    "ancestor-or-self": lambda env, node: [node, *_ancestors(node)],
    "descendant": lambda env, node: list(_descendants(env, node)),
    "descendant-or-self": lambda env, node: [node, *_descendants(env, node)],
    "following-sibling": _axis_following_sibling,
    "preceding-sibling": _axis_preceding_sibling,
    "following": _axis_following,
    "preceding": _axis_preceding,
    "attribute": lambda env, node: [],
    "namespace": lambda env, node: [],
}


def in_order(nodes: list[Cursor]) -> list[Cursor]:
    """Document order without duplicates."""
    unique = {cursor.path: cursor for cursor in nodes}
    if len(unique) < 2:
        return list(unique.values())
    found, key = list(unique.values()), _DocumentOrder()
    if len(found) <= SORTED_AT_ONCE:
        return sorted(found, key=key)
    parts = [sorted(found[at : at + SORTED_AT_ONCE], key=key) for at in range(0, len(found), SORTED_AT_ONCE)]
    return list(merge(*parts, key=key))


class _DocumentOrder:
    """The place of an instance as a key to sort by. Where the order is the user's it is numbered once, for all."""

    def __init__(self) -> None:
        self._numbers: dict[int, dict[object, int]] = {}

    def __call__(self, cursor: Cursor) -> tuple[tuple[int, int, object], ...]:
        return tuple([self._among_siblings(at) for at in reversed([cursor, *_ancestors(cursor)])])

    def _among_siblings(self, cursor: Cursor) -> tuple[int, int, object]:
        key, parent = cursor.key, cursor.parent
        if key is None or parent is None or not isinstance(parent.value, Node) or key is _TEXT:
            return cursor.schema.slot, 0, ""
        siblings = parent.value.slots[cursor.schema.slot]
        if isinstance(siblings, UserEntries | tuple):
            return cursor.schema.slot, self._numbered(siblings).get(key, 0), ""
        return cursor.schema.slot, 0, key

    def _numbered(self, siblings: UserEntries | tuple[str, ...]) -> dict[object, int]:
        numbers = self._numbers.get(id(siblings))
        if numbers is None:
            keys = siblings.keys() if isinstance(siblings, UserEntries) else siblings
            numbers = self._numbers[id(siblings)] = {key: number for number, key in enumerate(keys)}
        return numbers
