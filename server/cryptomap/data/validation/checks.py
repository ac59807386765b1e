"""Constraints as functions: (env, ground, value) -> whether it holds. See :mod:`places` for ground and value.

What compares leafs with literals, numbers or each other, asks whether something exists, or follows one reference is
made of plain look-ups; any other part of an expression is given to the general evaluator. Both mean the same, and the
cost of the first is what makes validating a large configuration fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from cryptomap.data.tree import Value
from cryptomap.data.validation.places import InnerPlace, LeafPlace, TextOf, Viewpoint, place_of
from cryptomap.data.xpath import Cursor, Env, compile_expr, to_boolean
from cryptomap.data.xpath.conversions import COMPARISONS, number_of
from cryptomap.data.xpath.steps import final_type
from cryptomap.schema import xpath as ast
from cryptomap.schema.nodes import DataNode, InnerNode, LeafList, ListNode
from cryptomap.schema.types import IdentityrefType, Type, UnionType
from cryptomap.schema.xpath import Expr

__all__ = ["Check", "check_of", "general_check"]

Check: TypeAlias = Callable[[Env, Cursor, Value], bool]
_NumberOf: TypeAlias = Callable[[Env, Cursor, Value], float]


def check_of(expr: Expr, context: DataNode) -> Check:
    """The check for a boolean expression evaluated at instances of a schema node."""
    view = Viewpoint.at(context)
    return _Compiler(context, view).boolean(expr) if view is not None else general_check(expr, context)


def general_check(expr: Expr, context: DataNode) -> Check:
    """The same by the general evaluator."""
    compiled = compile_expr(expr)
    if isinstance(context, InnerNode):
        return lambda env, ground, value: to_boolean(env.evaluate(compiled, ground))
    return lambda env, ground, value: to_boolean(env.evaluate(compiled, instance_at(ground, context, value)))


def instance_at(ground: Cursor, context: DataNode, value: Value) -> Cursor:
    """The cursor of a context, given its ground."""
    if isinstance(context, InnerNode):
        return ground
    return Cursor(ground, context, value, value if isinstance(context, LeafList) and isinstance(value, str) else None)


class _Compiler:
    """Picks the plain form of each part of an expression, or else the general one."""

    def __init__(self, context: DataNode, view: Viewpoint) -> None:
        self._context = context
        self._view = view

    def boolean(self, expr: Expr) -> Check:
        """The expression as boolean() would have it."""
        return self._plain(expr) or general_check(expr, self._context)

    def _plain(self, expr: Expr) -> Check | None:
        if isinstance(expr, ast.Binary):
            return self._binary(expr)
        if isinstance(expr, ast.Call) and expr.name in _BOOLEAN_CALLS:
            return _BOOLEAN_CALLS[expr.name](self, expr)
        return self._exists(expr)

    def _exists(self, expr: Expr) -> Check | None:
        place = place_of(expr, self._view)
        if place is None:
            count = self._count_of(expr)
            return (lambda env, ground, value: count(env, ground, value) > 0) if count else None
        look = place.text if isinstance(place, LeafPlace) else place.node
        return lambda env, ground, value: look(env, ground, value) is not None

    # ===== operators =====

    def _binary(self, expr: ast.Binary) -> Check | None:
        if expr.op in {"and", "or"}:
            left, right = self.boolean(expr.left), self.boolean(expr.right)
            if expr.op == "and":
                return lambda env, ground, value: left(env, ground, value) and right(env, ground, value)
            return lambda env, ground, value: left(env, ground, value) or right(env, ground, value)
        if expr.op not in COMPARISONS:
            return None
        if expr.op in {"=", "!="}:
            return self._equal_booleans(expr) or self._equal_texts(expr) or self._compared_numbers(expr)
        return self._compared_numbers(expr)

    def _equal_booleans(self, expr: ast.Binary) -> Check | None:
        """As soon as one side is a boolean, the other is taken as one too."""
        if not (_is_boolean(expr.left) or _is_boolean(expr.right)):
            return None
        left, right = self.boolean(expr.left), self.boolean(expr.right)
        wanted = expr.op == "="
        return lambda env, ground, value: (left(env, ground, value) is right(env, ground, value)) is wanted

    def _equal_texts(self, expr: ast.Binary) -> Check | None:
        """A leaf with a literal, or with another leaf: if one is missing, no comparison holds."""
        equal = expr.op == "="
        for one, other in ((expr.left, expr.right), (expr.right, expr.left)):
            place = place_of(one, self._view)
            if isinstance(place, LeafPlace) and isinstance(other, ast.Literal):
                return _leaf_is(place, other, equal)
        left, right = self._text_or_none(expr.left), self._text_or_none(expr.right)
        if left is None or right is None:
            return None

        def compare(env: Env, ground: Cursor, value: Value) -> bool:
            one, other = left(env, ground, value), right(env, ground, value)
            return one is not None and other is not None and (one == other) is equal

        return compare

    def _compared_numbers(self, expr: ast.Binary) -> Check | None:
        left, right = self._number(expr.left), self._number(expr.right)
        if left is None or right is None:
            return None
        test = COMPARISONS[expr.op]

        def compare(env: Env, ground: Cursor, value: Value) -> bool:
            one, other = left(env, ground, value), right(env, ground, value)
            return one is not None and other is not None and test(one, other)

        return compare

    # ===== texts and numbers =====

    def _text_or_none(self, expr: Expr) -> TextOf | None:
        """The string of an expression whose value is one; ``None`` at run time stands for an empty node-set."""
        if isinstance(expr, ast.Literal):
            literal = expr.value
            return lambda env, ground, value: literal
        if isinstance(expr, ast.Call) and expr.name in _TEXT_CALLS:
            return _TEXT_CALLS[expr.name](self, expr)
        place = place_of(expr, self._view)
        return place.text if isinstance(place, LeafPlace) else None

    def text(self, expr: Expr) -> Callable[[Env, Cursor, Value], str] | None:
        """The expression as string() would have it."""
        found = self._text_or_none(expr)
        return (lambda env, ground, value: found(env, ground, value) or "") if found is not None else None

    def _number(self, expr: Expr) -> Callable[[Env, Cursor, Value], float | None] | None:
        """The number of a leaf (``None``: there is no such leaf), of a number, or of count()."""
        if isinstance(expr, ast.Number):
            number = expr.value
            return lambda env, ground, value: number
        if isinstance(expr, ast.Call):
            return self._count_of(expr.args[0]) if expr.name == "count" else None
        place = place_of(expr, self._view)
        if not isinstance(place, LeafPlace):
            return None
        text_of = place.text

        def leaf(env: Env, ground: Cursor, value: Value) -> float | None:
            text = text_of(env, ground, value)
            return None if text is None else number_of(text)

        return leaf

    def _count_of(self, expr: Expr) -> _NumberOf | None:
        """How many entries or values a path ends in, if all before its last step is simple."""
        if not isinstance(expr, ast.Path) or not expr.steps or expr.steps[-1].predicates:
            return None
        last = expr.steps[-1]
        place = place_of(ast.Path(expr.absolute, expr.steps[:-1], expr.base), self._view)
        if not isinstance(place, InnerPlace) or last.axis != "child" or last.test != "name":
            return None
        child = place.schema.by_qname.get(f"{last.module}:{last.name}")
        if not isinstance(child, ListNode) and not (isinstance(child, LeafList) and not child.defaults):
            return None
        node_of, slot = place.node, child.slot

        def count(env: Env, ground: Cursor, value: Value) -> float:
            node = node_of(env, ground, value)
            found = node.slots[slot] if node is not None else None
            return 0.0 if found is None else float(len(found))  # type: ignore[arg-type]

        return count

    # ===== functions =====

    def _not(self, expr: ast.Call) -> Check:
        operand = self.boolean(expr.args[0])
        return lambda env, ground, value: not operand(env, ground, value)

    def _as_boolean(self, expr: ast.Call) -> Check:
        return self.boolean(expr.args[0])

    def _of_texts(self, expr: ast.Call) -> Check | None:
        texts = self.text(expr.args[0]), self.text(expr.args[1])
        whole, part = texts
        if whole is None or part is None:
            return None
        if expr.name == "contains":
            return lambda env, ground, value: part(env, ground, value) in whole(env, ground, value)
        return lambda env, ground, value: whole(env, ground, value).startswith(part(env, ground, value))

    def _derived(self, expr: ast.Call) -> Check | None:
        place, base = place_of(expr.args[0], self._view), expr.args[1]
        if not isinstance(place, LeafPlace) or not isinstance(base, ast.Literal) or base.qualified is None:
            return None
        text_of, wanted, or_self = place.text, base.qualified, expr.name == "derived-from-or-self"

        def check(env: Env, ground: Cursor, value: Value) -> bool:
            identity = env.schema.identities.get(text_of(env, ground, value) or "")
            return identity is not None and (wanted in identity.ancestors or (or_self and identity.qname == wanted))

        return check

    def _after(self, expr: ast.Call) -> TextOf | None:
        whole, part = self.text(expr.args[0]), expr.args[1]
        if whole is None or not isinstance(part, ast.Literal) or not part.value:
            return None
        separator = part.value
        return lambda env, ground, value: whole(env, ground, value).partition(separator)[2]


_BOOLEAN_CALLS: Mapping[str, Callable[[_Compiler, ast.Call], Check | None]] = {
    "not": _Compiler._not,
    "boolean": _Compiler._as_boolean,
    "contains": _Compiler._of_texts,
    "starts-with": _Compiler._of_texts,
    "derived-from": _Compiler._derived,
    "derived-from-or-self": _Compiler._derived,
}
_TEXT_CALLS: Mapping[str, Callable[[_Compiler, ast.Call], TextOf | None]] = {"substring-after": _Compiler._after}
_BOOLEAN_OPERATORS = frozenset({"and", "or", *COMPARISONS})
_BOOLEAN_FUNCTIONS = frozenset({*_BOOLEAN_CALLS, "true", "false", "re-match", "bit-is-set", "lang"})


def _is_boolean(expr: Expr) -> bool:
    """Whether the expression's own type is boolean."""
    if isinstance(expr, ast.Binary):
        return expr.op in _BOOLEAN_OPERATORS
    return isinstance(expr, ast.Call) and expr.name in _BOOLEAN_FUNCTIONS


def _may_be_identity(kind: Type) -> bool:
    kind = final_type(kind)
    if isinstance(kind, UnionType):
        return any(map(_may_be_identity, kind.members))
    return isinstance(kind, IdentityrefType)


def _leaf_is(place: LeafPlace, literal: ast.Literal, equal: bool) -> Check | None:
    kind = final_type(place.schema.type)
    if literal.qualified and isinstance(kind, UnionType) and _may_be_identity(kind):
        return None  # it depends on the value
    wanted = literal.qualified if isinstance(kind, IdentityrefType) and literal.qualified else literal.value
    text_of = place.text
    if equal:
        return lambda env, ground, value: text_of(env, ground, value) == wanted

    def differs(env: Env, ground: Cursor, value: Value) -> bool:
        text = text_of(env, ground, value)
        return text is not None and text != wanted

    return differs
