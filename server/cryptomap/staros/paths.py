"""Relative paths as the grammar writes them (``data.values``); a node that the schema lacks is told to the operator."""

from __future__ import annotations

from typing import cast

from cryptomap.data import values
from cryptomap.data.tree import NO_ENTRIES, Entries, EntriesTypes, Node
from cryptomap.data.values import Route
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, LeafList, ListNode
from cryptomap.staros.text import Refusal

__all__ = [
    "entries_at",
    "exists",
    "explicit",
    "flag_at",
    "leaf_at",
    "leaf_schema",
    "list_schema",
    "node_at",
    "parent_at",
    "resolve",
    "text_at",
    "values_at",
]


def resolve(schema: InnerNode, path: str) -> tuple[DataNode, ...]:
    """The schema nodes along a path. Refusal if the schema lacks one: a YANG feature is off."""
    try:
        return values.resolve(schema, path)
    except KeyError as missing:
        raise _lacking(missing) from None


def exists(schema: InnerNode, path: str) -> bool:
    """Whether the schema has that node."""
    try:
        resolve(schema, path)
    except Refusal:
        return False
    return True


def leaf_schema(schema: InnerNode, path: str) -> Leaf | LeafList:
    node = resolve(schema, path)[-1]
    assert isinstance(node, Leaf | LeafList), path
    return node


def list_schema(schema: InnerNode, path: str) -> ListNode:
    node = resolve(schema, path)[-1]
    assert isinstance(node, ListNode), path
    return node


def parent_at(node: Node, path: str) -> tuple[Node | None, DataNode]:
    """The node the last step stands in, ``None`` if a container on the way is absent, and the schema of that step."""
    before, _, _ = path.rpartition("/")
    return (node_at(node, before) if before else node), resolve(node.schema, path)[-1]


def explicit(node: Node, path: str) -> str | tuple[str, ...] | None:
    """What somebody set for a leaf or leaf-list."""
    value = _route(node, path).value(node)
    return value if isinstance(value, str | tuple) else None


def leaf_at(node: Node, path: str) -> str | tuple[str, ...] | None:
    """The value in effect of a leaf or leaf-list."""
    return cast("str | tuple[str, ...] | None", _route(node, path).effective(node))


def text_at(node: Node, path: str) -> str | None:
    """The value in effect of a leaf."""
    value = leaf_at(node, path)
    return value if isinstance(value, str) else None


def flag_at(node: Node, path: str) -> bool:
    """The value in effect of a boolean leaf; false if it has none."""
    return leaf_at(node, path) == "true"


def values_at(node: Node, path: str) -> tuple[str, ...]:
    """The values in effect of a leaf-list."""
    value = leaf_at(node, path)
    return value if isinstance(value, tuple) else ()


def node_at(node: Node, path: str) -> Node | None:
    """A container, if it is there."""
    value = _route(node, path).value(node)
    return value if isinstance(value, Node) else None


def entries_at(node: Node, path: str) -> Entries:
    """The entries of a list; none if it is absent."""
    value = _route(node, path).value(node)
    return value if isinstance(value, EntriesTypes) else NO_ENTRIES


def _route(node: Node, path: str) -> Route:
    """Raises Refusal if the schema lacks a node on the way."""
    try:
        return values.route(node.schema, path)
    except KeyError as missing:
        raise _lacking(missing) from None


def _lacking(missing: KeyError) -> Refusal:
    name = str(missing.args[0]).rpartition(":")[2]
    return Refusal(f"this server has no {name} here: a YANG feature is off")
