"""XPath over instance trees (XPath 1.0; RFC 7950 sections 6.4 and 10).

Immutable nodes have no parent, so an instance is met as a :class:`Cursor`: the node and the cursor it was reached from.
An expression is compiled once to closures (:func:`compile_expr`) and run many times.

What an expression sees is the accessible tree of RFC 7950 section 6.4.1: defaults in use exist, and so do non-presence
containers whose parent exists. A list step whose predicates fix all keys (``[name = current()/../x]``) is a look-up and
not a scan; that is what keeps leafrefs and cross-list musts flat at 100,000 entries.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

from cryptomap.data.defaults import effective
from cryptomap.data.tree import AnyValue, Key, Node, Path, UserEntries, Value, key_text
from cryptomap.schema import xpath as ast
from cryptomap.schema.nodes import Container, DataNode, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import (
    BitsType,
    EnumerationType,
    IdentityrefType,
    InstanceIdentifierType,
    LeafrefType,
    Type,
    UnionType,
)
from cryptomap.schema.xpath import Expr, XPathFault

if TYPE_CHECKING:
    from cryptomap.data.view import View

__all__ = ["Compiled", "Cursor", "Env", "Result", "compile_expr", "leafref_expr", "to_boolean", "to_number", "to_text"]


class Cursor:
    """An instance and how it was reached. ``key`` identifies a list entry or a leaf-list's value, else ``None``."""

    __slots__ = ("key", "parent", "schema", "value")

    def __init__(self, parent: Cursor | None, schema: DataNode, value: Value, key: Key | None = None) -> None:
        self.parent = parent
        self.schema = schema
        self.value = value
        self.key = key

    @property
    def path(self) -> Path:
        steps = []
        cursor: Cursor = self
        while cursor.parent is not None:
            steps.append((cursor.schema, cursor.key))
            cursor = cursor.parent
        return tuple(reversed(steps))

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys along the path: with the schema node, they identify the instance."""
        return tuple([key for _, key in self.path if key is not None])

    def text(self, env: Env) -> str:
        """The string-value (XPath 1.0 section 5)."""
        value = self.value
        if isinstance(value, str):
            return value
        if isinstance(value, Node):
            return "".join(child.text(env) for child in env.children(self))
        return ""


Result: TypeAlias = list[Cursor] | str | float | bool
Compiled: TypeAlias = "Callable[[Env, Cursor, int, int], Result]"
"""(environment, context node, position, size) -> result"""
NodesStep: TypeAlias = "Callable[[Env, list[Cursor]], list[Cursor]]"


class Env:
    """What an evaluation needs besides its context node. ``current`` is what current() answers; ``visited`` counts the
    instances looked at, so that a test can show that work does not grow with the configuration."""

    __slots__ = ("budget", "current", "root", "schema", "variables", "view", "visited")

    def __init__(
        self,
        schema: Schema,
        root: Node,
        *,
        view: View | None = None,
        variables: Mapping[str, str] | None = None,
        budget: int | None = None,
    ) -> None:
        self.schema = schema
        self.root = Cursor(None, schema.root, root)
        self.current = self.root
        self.view = view
        self.variables = variables or {}
        self.visited = 0
        self.budget = budget

    def evaluate(self, compiled: Compiled, context: Cursor) -> Result:
        """The value of an expression at a context node, which is also current()."""
        outer = self.current
        self.current = context
        try:
            return compiled(self, context, 1, 1)
        finally:
            self.current = outer

    def holds(self, compiled: Compiled, context: Cursor) -> bool:
        return to_boolean(self.evaluate(compiled, context))

    def children(self, parent: Cursor) -> list[Cursor]:
        """All child instances in schema order."""
        out: list[Cursor] = []
        if isinstance(parent.schema, InnerNode) and isinstance(parent.value, Node):
            for child in parent.schema.children:
                self.expand(parent, child, out)
        return out

    def expand(self, parent: Cursor, child: DataNode, out: list[Cursor]) -> None:
        """Append the instances of one schema child."""
        value = self.value(parent, child)
        if value is None:
            return
        if isinstance(value, (str, Node, AnyValue)):
            out.append(Cursor(parent, child, value))
            self._count(1)
        elif isinstance(value, tuple):
            out += [Cursor(parent, child, item, item) for item in value]
            self._count(len(value))
        else:
            self._count(len(value))
            out += [Cursor(parent, child, entry, key) for key, entry in value.items()]

    def entry(self, parent: Cursor, child: ListNode, key: Key) -> Cursor | None:
        """The list entry with that key, found without a scan."""
        entries = self.value(parent, child)
        if entries is None or isinstance(entries, (str, tuple, Node, AnyValue)):
            return None
        self._count(1)
        entry = entries.get(key)
        return None if entry is None else Cursor(parent, child, entry, key)

    def value(self, parent: Cursor, child: DataNode) -> Value | None:
        """What the accessible tree holds for a schema child of an instance."""
        node = parent.value
        if not isinstance(node, Node):
            return None
        if self.view is not None and self.view.hides(child):
            return None
        if self.view is not None and not child.config:
            value = self.view.value(node, child, parent.path)
        else:
            value = node.slots[child.slot]
        return self._implied(parent, node, child) if value is None else value

    def _implied(self, parent: Cursor, node: Node, child: DataNode) -> Value | None:
        implied: Value | None
        if isinstance(child, (Leaf, LeafList)):
            implied = effective(node, child)
        elif isinstance(child, Container) and not child.presence:
            implied = _empty_node(child)
        else:
            return None
        if implied is not None and child.whens and not self.exists_under_when(parent, child, implied):
            return None
        return implied

    def exists_under_when(self, parent: Cursor, child: DataNode, value: Value) -> bool:
        """Whether all when conditions of a schema child hold for this (possibly only implied) instance."""
        for when in child.whens:
            context = parent if when.on_parent else Cursor(parent, child, value)
            if not self.holds(compile_cached(when.expr), context):
                return False
        return True

    def _count(self, visited: int) -> None:
        self.visited += visited
        if self.budget is not None and self.visited > self.budget:
            raise XPathFault(f"the expression looks at more than {self.budget} nodes; narrow it, with keys for example")


@lru_cache(maxsize=4096)
def _empty_node(schema: Container) -> Node:
    return Node.empty(schema)


# ===== conversions (XPath 1.0 section 4) =====


def to_boolean(value: Result) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value != 0 and not math.isnan(value)
    return bool(value)


def to_number(value: Result, env: Env) -> float:
    if isinstance(value, bool):
        return 1.0 if value else 0.0
    if isinstance(value, float):
        return value
    return _number_of(value if isinstance(value, str) else to_text(value, env))


_NUMBER = re.compile(r"[ \t\r\n]*(-?(?:\d+(?:\.\d*)?|\.\d+))[ \t\r\n]*")


def _number_of(text: str) -> float:
    match = _NUMBER.fullmatch(text)
    return float(match[1]) if match else math.nan


def to_text(value: Result, env: Env) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _text_of(value)
    return value[0].text(env) if value else ""


def _text_of(number: float) -> str:
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == int(number):
        return str(int(number))
    text = repr(number)
    return format(number, "f").rstrip("0") if "e" in text else text


# ===== compilation =====


def compile_expr(expr: Expr) -> Compiled:
    """Closures for an expression."""
    return _COMPILERS[type(expr)](expr)


@lru_cache(maxsize=8192)
def _compile_by_id(_: int, holder: _Holder) -> Compiled:
    return compile_expr(holder.expr)


class _Holder:
    """Hashes an expression by identity: hashing a deep frozen tree at every look-up would cost more than running it."""

    __slots__ = ("expr",)

    def __init__(self, expr: Expr) -> None:
        self.expr = expr

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Holder) and self.expr is other.expr

    def __hash__(self) -> int:
        return id(self.expr)


def compile_cached(expr: Expr) -> Compiled:
    """The same, remembered for an expression object that lives as long as the schema."""
    return _compile_by_id(id(expr), _Holder(expr))


def _constant(expr: ast.Number | ast.Literal) -> Compiled:
    value = expr.value
    return lambda env, node, position, size: value


def _variable(expr: ast.Variable) -> Compiled:
    name = expr.name

    def run(env: Env, node: Cursor, position: int, size: int) -> Result:
        try:
            return env.variables[name]
        except KeyError:
            raise XPathFault(f"variable ${name} is not bound") from None

    return run


def _negate(expr: ast.Negate) -> Compiled:
    operand = compile_expr(expr.operand)
    return lambda env, node, position, size: -to_number(operand(env, node, position, size), env)


def _binary(expr: ast.Binary) -> Compiled:
    left, right = compile_expr(expr.left), compile_expr(expr.right)
    op = expr.op
    if op == "or":
        return lambda e, n, p, s: to_boolean(left(e, n, p, s)) or to_boolean(right(e, n, p, s))
    if op == "and":
        return lambda e, n, p, s: to_boolean(left(e, n, p, s)) and to_boolean(right(e, n, p, s))
    if op == "|":
        return lambda e, n, p, s: _in_order(_nodes(left(e, n, p, s)) + _nodes(right(e, n, p, s)))
    if op in {"=", "!="}:
        for literal, other in ((expr.left, right), (expr.right, left)):
            if isinstance(literal, ast.Literal) and literal.qualified:
                return _compare_literal(op, other, literal)
    if op in _COMPARISONS:
        return lambda e, n, p, s: _compare(op, left(e, n, p, s), right(e, n, p, s), e)
    arithmetic = _ARITHMETIC[op]
    return lambda e, n, p, s: arithmetic(to_number(left(e, n, p, s), e), to_number(right(e, n, p, s), e))


def _nodes(value: Result) -> list[Cursor]:
    if not isinstance(value, list):
        raise XPathFault("a node-set is needed where the expression gives a string, number or boolean")
    return value


_COMPARISONS: Mapping[str, Callable[[object, object], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,  # type: ignore[operator]
    "<=": lambda a, b: a <= b,  # type: ignore[operator]
    ">": lambda a, b: a > b,  # type: ignore[operator]
    ">=": lambda a, b: a >= b,  # type: ignore[operator]
}


def _divide(a: float, b: float) -> float:
    if b != 0:
        return a / b
    return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)


_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "div": _divide,
    "mod": lambda a, b: math.fmod(a, b) if b != 0 and not math.isinf(a) else math.nan,
}


def _compare_literal(op: str, other: Compiled, literal: ast.Literal) -> Compiled:
    """``leaf = 'prefix:name'``: an identityref compares by module and name, whatever the prefix is."""
    test = _COMPARISONS[op]

    def run(env: Env, node: Cursor, position: int, size: int) -> Result:
        value = other(env, node, position, size)
        if not isinstance(value, list):
            return _compare(op, value, literal.value, env)
        for item in value:
            is_identity = isinstance(_member(env, item), IdentityrefType)
            if test(item.text(env), literal.qualified if is_identity else literal.value):
                return True
        return False

    return run


def _compare(op: str, left: Result, right: Result, env: Env) -> bool:
    """XPath 1.0 section 3.4: a node-set compares as "some node does"."""
    if isinstance(left, list) and not isinstance(right, bool):
        return any(_compare(op, node.text(env), right, env) for node in left)
    if isinstance(right, list) and not isinstance(left, bool):
        return any(_compare(op, left, node.text(env), env) for node in right)
    test = _COMPARISONS[op]
    if op in {"=", "!="}:
        if isinstance(left, bool) or isinstance(right, bool):
            return test(to_boolean(left), to_boolean(right))
        if isinstance(left, str) and isinstance(right, str):
            return test(left, right)
    return test(to_number(left, env), to_number(right, env))


def _filter(expr: ast.Filter) -> Compiled:
    operand = compile_expr(expr.operand)
    predicates = [compile_expr(predicate) for predicate in expr.predicates]
    return lambda e, n, p, s: _apply(e, _nodes(operand(e, n, p, s)), predicates)


def _apply(env: Env, nodes: list[Cursor], predicates: Iterable[Compiled]) -> list[Cursor]:
    for predicate in predicates:
        size = len(nodes)
        kept = []
        for position, node in enumerate(nodes, 1):
            value = predicate(env, node, position, size)
            if (value == position) if type(value) is float else to_boolean(value):
                kept.append(node)
        nodes = kept
    return nodes


def _path(expr: ast.Path) -> Compiled:
    base = compile_expr(expr.base) if expr.base is not None else None
    steps = [_step(step) for step in expr.steps]
    absolute = expr.absolute

    def run(env: Env, node: Cursor, position: int, size: int) -> Result:
        nodes = [env.root] if absolute else _nodes(base(env, node, position, size)) if base else [node]
        for step in steps:
            if not nodes:
                break
            nodes = step(env, nodes)
        return nodes

    return run


# ===== steps =====


def _step(step: ast.Step) -> NodesStep:
    if step.axis == "child" and step.test == "name" and step.name is not None and step.module is not None:
        return _named_child(step, f"{step.module}:{step.name}")
    predicates = [compile_expr(predicate) for predicate in step.predicates]
    axis = _AXES[step.axis]
    test = _node_test(step)
    many_may_meet = step.axis not in {"child", "self", "attribute", "namespace"}

    def run(env: Env, nodes: list[Cursor]) -> list[Cursor]:
        out: list[Cursor] = []
        for node in nodes:
            out += _apply(env, [found for found in axis(env, node) if test(found)], predicates)
        return _in_order(out) if many_may_meet and len(out) > 1 else out

    return run


def _named_child(step: ast.Step, qname: str) -> NodesStep:
    lookup, rest = _key_lookup(step.predicates)
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
                out += _apply(env, found, predicates_after_lookup) if predicates_after_lookup else found
            elif predicates:
                found = []
                env.expand(node, child, found)
                out += _apply(env, found, predicates)
            else:
                env.expand(node, child, out)
        return out

    return run


def _key_lookup(predicates: tuple[Expr, ...]) -> tuple[dict[tuple[str | None, str], Compiled], list[Expr]]:
    """The leading ``[name = value]`` predicates whose value does not depend on the entry, and the predicates left."""
    lookup: dict[tuple[str | None, str], Compiled] = {}
    for count, predicate in enumerate(predicates):
        fixed = fixed_child(predicate)
        if fixed is None or (fixed[0].module, fixed[0].name or "") in lookup:
            return lookup, list(predicates[count:])
        lookup[fixed[0].module, fixed[0].name or ""] = compile_expr(fixed[1])
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
            expr.name == "string" and all(map(does_not_need_context, expr.args or (_DOT,)))
        )
    if isinstance(expr, ast.Path):
        return expr.absolute or (expr.base is not None and does_not_need_context(expr.base))
    return False


_DOT = ast.Path(absolute=False, steps=(ast.Step("self", None, None, "node"),))


def _all_keys_fixed(child: ListNode, lookup: Mapping[tuple[str | None, str], Compiled]) -> bool:
    if not child.keys or len(lookup) != len(child.keys):
        return False
    return all((key.module, key.name) in lookup or (None, key.name) in lookup for key in child.keys)


def _look_up(
    env: Env, node: Cursor, child: ListNode, lookup: Mapping[tuple[str | None, str], Compiled]
) -> list[Cursor]:
    parts: list[list[str]] = []
    for key in child.keys:
        compiled = lookup.get((key.module, key.name)) or lookup[None, key.name]
        value = compiled(env, node, 1, 1)
        texts = [item.text(env) for item in value] if isinstance(value, list) else [to_text(value, env)]
        parts.append(list(dict.fromkeys(texts)))
    found = []
    for chosen in product(*parts):
        wanted = _key_from_texts(child, chosen)
        entry = env.entry(node, child, wanted) if wanted is not None else None
        if entry is not None:
            found.append(entry)
    return found


def _key_from_texts(child: ListNode, texts: tuple[str, ...]) -> Key | None:
    """The key if these are canonical key values; ``None`` if no entry can have them ("007" for an integer key)."""
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


def _in_order(nodes: list[Cursor]) -> list[Cursor]:
    """Document order without duplicates."""
    unique = {cursor.path: cursor for cursor in nodes}
    if len(unique) < 2:
        return list(unique.values())
    return sorted(unique.values(), key=_document_position)


def _document_position(cursor: Cursor) -> tuple[tuple[int, int, object], ...]:
    return tuple([_position_among_siblings(at) for at in reversed([cursor, *_ancestors(cursor)])])


def _position_among_siblings(cursor: Cursor) -> tuple[int, int, object]:
    key, parent = cursor.key, cursor.parent
    if key is None or parent is None or not isinstance(parent.value, Node) or key is _TEXT:
        return cursor.schema.slot, 0, ""
    siblings = parent.value.slots[cursor.schema.slot]
    if isinstance(siblings, UserEntries):
        return cursor.schema.slot, siblings.keys().index(key), ""
    if isinstance(siblings, tuple):
        return cursor.schema.slot, siblings.index(key) if key in siblings else 0, ""
    return cursor.schema.slot, 0, key


# ===== functions =====

Function: TypeAlias = Callable[[Env, Cursor, list[Result]], Result]


def _call(expr: ast.Call) -> Compiled:
    name = expr.name
    args = [compile_expr(arg) for arg in expr.args]
    if name == "position":
        return lambda e, n, p, s: float(p)
    if name == "last":
        return lambda e, n, p, s: float(s)
    if name == "current":
        return lambda e, n, p, s: [e.current]
    if name == "not":
        operand = args[0]
        return lambda e, n, p, s: not to_boolean(operand(e, n, p, s))
    if name.startswith("derived-from") and isinstance(expr.args[1], ast.Literal):
        args[1] = _constant(ast.Literal(expr.args[1].qualified or expr.args[1].value))
    function = _FUNCTIONS[name]
    return lambda e, n, p, s: function(e, n, [arg(e, n, p, s) for arg in args])


def _or_context(node: Cursor, args: list[Result]) -> Result:
    return args[0] if args else [node]


def _local_name(env: Env, node: Cursor, args: list[Result]) -> str:
    nodes = _nodes(_or_context(node, args))
    return nodes[0].schema.name if nodes else ""


def _namespace_uri(env: Env, node: Cursor, args: list[Result]) -> str:
    nodes = _nodes(_or_context(node, args))
    return env.schema.namespace_of_module.get(nodes[0].schema.module, "") if nodes else ""


def _qualified_name(env: Env, node: Cursor, args: list[Result]) -> str:
    nodes = _nodes(_or_context(node, args))
    if not nodes or nodes[0].parent is None:
        return ""
    return f"{env.schema.prefix_of_module[nodes[0].schema.module]}:{nodes[0].schema.name}"


def _round(number: float) -> float:
    return number if math.isnan(number) or math.isinf(number) else float(math.floor(number + 0.5))


def _rounded(how: Callable[[float], float]) -> Function:
    def run(env: Env, node: Cursor, args: list[Result]) -> float:
        number = to_number(args[0], env)
        return number if math.isnan(number) or math.isinf(number) else float(how(number))

    return run


def _substring(env: Env, node: Cursor, args: list[Result]) -> str:
    text = to_text(args[0], env)
    start = _round(to_number(args[1], env))
    end = start + _round(to_number(args[2], env)) if len(args) > 2 else math.inf
    return "".join(character for at, character in enumerate(text, 1) if start <= at < end)


def _translate(env: Env, node: Cursor, args: list[Result]) -> str:
    text, old, new = [to_text(arg, env) for arg in args]
    table: dict[int, str | None] = {}
    for at, character in enumerate(old):
        table.setdefault(ord(character), new[at] if at < len(new) else None)
    return text.translate(table)


def _split(take_before: bool) -> Function:
    def run(env: Env, node: Cursor, args: list[Result]) -> str:
        before, found, after = to_text(args[0], env).partition(to_text(args[1], env))
        return (before if take_before else after) if found or not to_text(args[1], env) else ""

    return run


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    from elementpath.regex import RegexError, translate_pattern

    try:
        return re.compile(translate_pattern(text, back_references=False, lazy_quantifiers=False, anchors=False))
    except (RegexError, re.error) as fault:
        raise XPathFault(f"re-match: {text!r} is not a pattern: {fault}") from fault


def _re_match(env: Env, node: Cursor, args: list[Result]) -> bool:
    return _pattern(to_text(args[1], env)).fullmatch(to_text(args[0], env)) is not None


def _deref(env: Env, node: Cursor, args: list[Result]) -> list[Cursor]:
    nodes = _nodes(args[0])
    if not nodes or not isinstance(nodes[0].schema, (Leaf, LeafList)) or not isinstance(nodes[0].value, str):
        return []
    kind = nodes[0].schema.type
    if isinstance(kind, UnionType):
        kind = kind.member_of(nodes[0].value)
    if isinstance(kind, LeafrefType):
        compiled = compile_cached(leafref_expr(kind))
        return _nodes(env.evaluate(compiled, nodes[0]))
    if isinstance(kind, InstanceIdentifierType):
        return _instance(env, nodes[0].value)
    return []


def _instance(env: Env, text: str) -> list[Cursor]:
    from cryptomap.data.path import parse_instance_identifier

    cursor = env.root
    for schema, key in parse_instance_identifier(env.schema, text):
        found: list[Cursor] = []
        if isinstance(schema, ListNode) and key is not None:
            entry = env.entry(cursor, schema, key)
            found = [entry] if entry else []
        else:
            env.expand(cursor, schema, found)
            found = [item for item in found if key is None or item.key == key]
        if not found:
            return []
        cursor = found[0]
    return [cursor]


@lru_cache(maxsize=4096)
def leafref_expr(kind: LeafrefType) -> Expr:
    """A leafref's path narrowed to the instances that hold the leafref's own value: ``list[key = current()]/key`` when
    the target is the single key of its list (a look-up), else ``target[. = current()]``."""
    path = kind.path
    assert isinstance(path, ast.Path)
    steps = list(path.steps)
    own = ast.Call("current", ())
    target = kind.target_node
    parent = target.parent
    by_key = isinstance(target, Leaf) and target.is_key and isinstance(parent, ListNode) and len(steps) >= 2
    if by_key and steps[-2].axis == "child":
        name = ast.Path(absolute=False, steps=(steps[-1],))
        list_step = steps[-2]
        predicates = (*list_step.predicates, ast.Binary("=", name, own))
        steps[-2] = ast.Step(list_step.axis, list_step.module, list_step.name, list_step.test, predicates)
    else:
        last = steps[-1]
        predicates = (*last.predicates, ast.Binary("=", _DOT, own))
        steps[-1] = ast.Step(last.axis, last.module, last.name, last.test, predicates)
    return ast.Path(path.absolute, tuple(steps), path.base)


def _derived(or_self: bool) -> Function:
    def run(env: Env, node: Cursor, args: list[Result]) -> bool:
        base = _identity_name(env, to_text(args[1], env))
        for item in _nodes(args[0]):
            identity = env.schema.identities.get(item.value) if isinstance(item.value, str) else None
            if identity and (base in identity.ancestors or (or_self and identity.qname == base)):
                return True
        return False

    return run


def _identity_name(env: Env, text: str) -> str:
    """A literal comes qualified by the parser; a computed name may carry a module name or a prefix unique here."""
    prefix, colon, name = text.rpartition(":")
    if not colon or prefix in env.schema.modules:
        return f"{prefix or env.current.schema.module}:{name}"
    modules = env.schema.prefix_of_module.items()
    return f"{next((module for module, known in modules if known == prefix), prefix)}:{name}"


def _member(env: Env, item: Cursor) -> Type | None:
    if not isinstance(item.schema, (Leaf, LeafList)) or not isinstance(item.value, str):
        return None
    kind = item.schema.type
    while isinstance(kind, (LeafrefType, UnionType)):
        kind = kind.member_of(item.value) if isinstance(kind, UnionType) else kind.target
    return kind


def _enum_value(env: Env, node: Cursor, args: list[Result]) -> float:
    nodes = _nodes(args[0])
    kind = _member(env, nodes[0]) if nodes else None
    if not isinstance(kind, EnumerationType) or not isinstance(nodes[0].value, str):
        return math.nan
    return float(kind.values[nodes[0].value])


def _bit_is_set(env: Env, node: Cursor, args: list[Result]) -> bool:
    nodes = _nodes(args[0])
    value = nodes[0].value if nodes else None
    return (
        isinstance(value, str)
        and isinstance(_member(env, nodes[0]), BitsType)
        and to_text(args[1], env) in value.split()
    )


_FUNCTIONS: Mapping[str, Function] = {
    "count": lambda e, n, a: float(len(_nodes(a[0]))),
    "id": lambda e, n, a: [],
    "local-name": _local_name,
    "namespace-uri": _namespace_uri,
    "name": _qualified_name,
    "string": lambda e, n, a: to_text(_or_context(n, a), e),
    "concat": lambda e, n, a: "".join([to_text(arg, e) for arg in a]),
    "starts-with": lambda e, n, a: to_text(a[0], e).startswith(to_text(a[1], e)),
    "contains": lambda e, n, a: to_text(a[1], e) in to_text(a[0], e),
    "substring-before": _split(take_before=True),
    "substring-after": _split(take_before=False),
    "substring": _substring,
    "string-length": lambda e, n, a: float(len(to_text(_or_context(n, a), e))),
    "normalize-space": lambda e, n, a: " ".join(to_text(_or_context(n, a), e).split()),
    "translate": _translate,
    "boolean": lambda e, n, a: to_boolean(a[0]),
    "true": lambda e, n, a: True,
    "false": lambda e, n, a: False,
    "lang": lambda e, n, a: False,
    "number": lambda e, n, a: to_number(_or_context(n, a), e),
    "sum": lambda e, n, a: math.fsum(_number_of(node.text(e)) for node in _nodes(a[0])),
    "floor": _rounded(math.floor),
    "ceiling": _rounded(math.ceil),
    "round": lambda e, n, a: _round(to_number(a[0], e)),
    "re-match": _re_match,
    "deref": _deref,
    "derived-from": _derived(or_self=False),
    "derived-from-or-self": _derived(or_self=True),
    "enum-value": _enum_value,
    "bit-is-set": _bit_is_set,
}

_COMPILERS: Mapping[type, Callable[..., Compiled]] = {
    ast.Number: _constant,
    ast.Literal: _constant,
    ast.Variable: _variable,
    ast.Call: _call,
    ast.Negate: _negate,
    ast.Binary: _binary,
    ast.Filter: _filter,
    ast.Path: _path,
}
