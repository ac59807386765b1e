"""Expressions as closures. An expression is compiled once and run many times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptomap.data.xpath.conversions import ARITHMETIC, COMPARISONS, compare, to_boolean, to_number
from cryptomap.data.xpath.cursor import Compiled, Cursor, Result, node_set
from cryptomap.data.xpath.functions import FUNCTIONS, member_type
from cryptomap.data.xpath.steps import compile_step, filtered, in_order
from cryptomap.schema import xpath as ast
from cryptomap.schema.types import IdentityrefType
from cryptomap.schema.xpath import Expr, XPathFault

if TYPE_CHECKING:
    from cryptomap.data.xpath.env import Env

__all__ = ["compile_cached", "compile_expr"]

_LONG: Final = 256
"""Characters or nodes of an argument that take as long as one more instance."""


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
        return lambda e, n, p, s: in_order(node_set(left(e, n, p, s)) + node_set(right(e, n, p, s)))
    if op in {"=", "!="}:
        for literal, other in ((expr.left, right), (expr.right, left)):
            if isinstance(literal, ast.Literal) and literal.qualified:
                return _compare_literal(op, other, literal)
    if op in COMPARISONS:
        return lambda e, n, p, s: compare(op, left(e, n, p, s), right(e, n, p, s), e)
    arithmetic = ARITHMETIC[op]
    return lambda e, n, p, s: arithmetic(to_number(left(e, n, p, s), e), to_number(right(e, n, p, s), e))


def _compare_literal(op: str, other: Compiled, literal: ast.Literal) -> Compiled:
    """``leaf = 'prefix:name'``: an identityref compares by module and name, whatever the prefix is."""
    test = COMPARISONS[op]

    def run(env: Env, node: Cursor, position: int, size: int) -> Result:
        value = other(env, node, position, size)
        if not isinstance(value, list):
            return compare(op, value, literal.value, env)
        for item in value:
            is_identity = isinstance(member_type(item), IdentityrefType)
            if test(item.text(env), literal.qualified if is_identity else literal.value):
                return True
        return False

    return run


def _filter(expr: ast.Filter) -> Compiled:
    operand = compile_expr(expr.operand)
    predicates = [compile_expr(predicate) for predicate in expr.predicates]
    return lambda e, n, p, s: filtered(e, node_set(operand(e, n, p, s)), predicates)


def _path(expr: ast.Path) -> Compiled:
    base = compile_expr(expr.base) if expr.base is not None else None
    steps = [compile_step(step, compile_expr) for step in expr.steps]
    absolute = expr.absolute

    def run(env: Env, node: Cursor, position: int, size: int) -> Result:
        nodes = [env.root] if absolute else node_set(base(env, node, position, size)) if base else [node]
        for step in steps:
            if not nodes:
                break
            nodes = step(env, nodes)
        return nodes

    return run


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
    function = FUNCTIONS[name]

    def run(env: Env, node: Cursor, position: int, size: int) -> Result:
        values = [arg(env, node, position, size) for arg in args]
        for value in values:
            if (type(value) is str or type(value) is list) and len(value) >= _LONG:
                env.count(len(value) // _LONG)
        return function(env, node, values)

    return run


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
