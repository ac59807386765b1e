"""Paths and values as XML: what set and delete send, and what show asks for."""

from __future__ import annotations

from xml.sax.saxutils import escape

from cryptomap.data.tree import Key, Path, key_text
from cryptomap.schema.nodes import DataNode, Leaf, LeafList, ListNode, Schema

__all__ = ["edit_xml", "filter_xml", "keys_filter_xml"]

NC = "urn:ietf:params:xml:ns:netconf:base:1.0"


def edit_xml(schema: Schema, path: Path, values: tuple[str, ...] = (), operation: str = "") -> str:
    """The content of a <config> that sets the node at a path, or (``operation``) does something else to it."""
    attributes = f' xmlns:nc="{NC}" nc:operation="{operation}"' if operation else ""
    return _around(schema, path[:-1], _last(schema, path, values, attributes))


def filter_xml(schema: Schema, path: Path) -> str:
    """The content of a subtree filter that selects what is at a path; empty for the top."""
    return _around(schema, path[:-1], _last(schema, path, (), "")) if path else ""


def keys_filter_xml(schema: Schema, path: Path) -> str:
    """The same for nothing but the keys of the entries of the list that the path ends with."""
    node = path[-1][0]
    assert isinstance(node, ListNode)
    return _around(schema, path, "".join([_element(schema, leaf, "") for leaf in node.keys]))


def _last(schema: Schema, path: Path, values: tuple[str, ...], attributes: str) -> str:
    node, key = path[-1]
    if isinstance(node, (Leaf, LeafList)):
        return "".join([_leaf(schema, node, value, attributes) for value in values or ("",)])
    return _element(schema, node, _keys(schema, node, key), attributes)


def _around(schema: Schema, path: Path, inner: str) -> str:
    for node, key in reversed(path):
        inner = _element(schema, node, _keys(schema, node, key) + inner)
    return inner


def _keys(schema: Schema, node: DataNode, key: Key | None) -> str:
    if not isinstance(node, ListNode) or key is None:
        return ""
    return "".join([_leaf(schema, leaf, value) for leaf, value in zip(node.keys, key_text(key), strict=True)])


def _leaf(schema: Schema, node: Leaf | LeafList, value: str, attributes: str = "") -> str:
    used: dict[str, str] = {}

    def prefix_of(module: str) -> str:
        prefix = schema.prefix_of_module[module]
        used[prefix] = schema.namespace_of_module[module]
        return prefix

    text = node.type.render(value, prefix_of) if value else ""
    spaces = "".join([f' xmlns:{prefix}="{namespace}"' for prefix, namespace in used.items()])
    return _element(schema, node, escape(text), spaces + attributes)


def _element(schema: Schema, node: DataNode, inner: str, attributes: str = "") -> str:
    return f'<{node.name} xmlns="{schema.namespace_of_module[node.module]}"{attributes}>{inner}</{node.name}>'
