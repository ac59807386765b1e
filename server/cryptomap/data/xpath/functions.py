"""The function library (XPath 1.0 section 4; RFC 7950 section 10)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from cryptomap.data.xpath.conversions import number_of, to_boolean, to_number, to_text
from cryptomap.data.xpath.cursor import Cursor, Result, node_set
from cryptomap.data.xpath.leafrefs import leafref_expr
from cryptomap.schema.nodes import Leaf, LeafList, ListNode
from cryptomap.schema.patterns import Matcher, PatternFault, linear_matcher, translated
from cryptomap.schema.types import (
    BitsType,
    EnumerationType,
    InstanceIdentifierType,
    LeafrefType,
    Type,
    UnionType,
)
from cryptomap.schema.xpath import XPathFault

if TYPE_CHECKING:
    from cryptomap.data.xpath.env import Env

__all__ = ["FUNCTIONS", "Function", "member_type"]

Function: TypeAlias = "Callable[[Env, Cursor, list[Result]], Result]"


def _or_context(node: Cursor, args: list[Result]) -> Result:
    return args[0] if args else [node]


def _local_name(env: Env, node: Cursor, args: list[Result]) -> str:
    nodes = node_set(_or_context(node, args))
    return nodes[0].schema.name if nodes else ""


def _namespace_uri(env: Env, node: Cursor, args: list[Result]) -> str:
    nodes = node_set(_or_context(node, args))
    return env.schema.namespace_of_module.get(nodes[0].schema.module, "") if nodes else ""


def _qualified_name(env: Env, node: Cursor, args: list[Result]) -> str:
    nodes = node_set(_or_context(node, args))
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
def _pattern(text: str) -> Matcher:
    """Whoever wrote the pattern, the time to match is proportional to the text."""
    try:
        return linear_matcher(translated(text))
    except PatternFault as fault:
        raise XPathFault(f"re-match: {text!r} is not a pattern: {fault}") from fault


def _re_match(env: Env, node: Cursor, args: list[Result]) -> bool:
    return bool(_pattern(to_text(args[1], env))(to_text(args[0], env)))


def _deref(env: Env, node: Cursor, args: list[Result]) -> list[Cursor]:
    nodes = node_set(args[0])
    if not nodes or not isinstance(nodes[0].schema, (Leaf, LeafList)) or not isinstance(nodes[0].value, str):
        return []
    kind = nodes[0].schema.type
    if isinstance(kind, UnionType):
        kind = kind.member_of(nodes[0].value)
    if isinstance(kind, LeafrefType):
        return node_set(env.run(leafref_expr(kind), nodes[0]))
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


def _derived(or_self: bool) -> Function:
    def run(env: Env, node: Cursor, args: list[Result]) -> bool:
        base = _identity_name(env, to_text(args[1], env))
        for item in node_set(args[0]):
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


def member_type(item: Cursor) -> Type | None:
    """The type that a leaf's value belongs to in the end, behind leafrefs and unions; ``None`` for other nodes."""
    if not isinstance(item.schema, (Leaf, LeafList)) or not isinstance(item.value, str):
        return None
    kind = item.schema.type
    while isinstance(kind, (LeafrefType, UnionType)):
        kind = kind.member_of(item.value) if isinstance(kind, UnionType) else kind.target
    return kind


def _enum_value(env: Env, node: Cursor, args: list[Result]) -> float:
    nodes = node_set(args[0])
    kind = member_type(nodes[0]) if nodes else None
    if not isinstance(kind, EnumerationType) or not isinstance(nodes[0].value, str):
        return math.nan
    return float(kind.values[nodes[0].value])


def _bit_is_set(env: Env, node: Cursor, args: list[Result]) -> bool:
    nodes = node_set(args[0])
    value = nodes[0].value if nodes else None
    return (
        isinstance(value, str)
        and isinstance(member_type(nodes[0]), BitsType)
        and to_text(args[1], env) in value.split()
    )


FUNCTIONS: Mapping[str, Function] = {
    "count": lambda e, n, a: float(len(node_set(a[0]))),
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
    "sum": lambda e, n, a: math.fsum(number_of(node.text(e)) for node in node_set(a[0])),
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
