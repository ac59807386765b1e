"""Data resource identifiers (RFC 8040 section 3.5.3): ``/module:container/list=key,key/leaf`` -> instance path."""

from __future__ import annotations

from functools import partial
from urllib.parse import unquote

from cryptomap.data.path import to_xpath
from cryptomap.data.tree import Key, Path, key_from_text
from cryptomap.errors import InvalidValue
from cryptomap.restconf.faults import NotFound
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, LeafList, ListNode, Operation, Schema
from cryptomap.schema.types import TypeFault

__all__ = ["child_named", "parse_api_path"]


def parse_api_path(schema: Schema, text: str, base: Path = ()) -> Path:
    """The instance path that percent-encoded text names, below the instance ``base``; it may end with an action. A list
    without ``=`` is the list as a whole. Raises NotFound for what the schema does not have, InvalidValue for keys
    that are wrong."""
    path = base
    inner: InnerNode | None = _inner(schema, base)
    for segment in text.strip("/").split("/") if text.strip("/") else ():
        name, equals, values = segment.partition("=")
        node = None if inner is None else child_named(inner, unquote(name))
        if node is None:
            raise NotFound(f"there is no data resource {unquote(name)[:80]} here", path=to_xpath(schema, path))
        path = (*path, (node, _key(node, values) if equals else None))
        inner = node if isinstance(node, InnerNode) and not isinstance(node, Operation) else None
        _require_key_inside(schema, path[: len(path) - 1])
    return path


def child_named(inner: InnerNode, name: str) -> DataNode | None:
    """The child or action of that name; a name without its module is in that of its parent."""
    _, colon, local = name.rpartition(":")
    qname = name if colon else f"{inner.module}:{local}"
    found = inner.by_qname.get(qname)
    return found or next((item for item in inner.operations.values() if item.qname == qname), None)


def _inner(schema: Schema, path: Path) -> InnerNode | None:
    node = path[-1][0] if path else schema.root
    return node if isinstance(node, InnerNode) else None


def _require_key_inside(schema: Schema, path: Path) -> None:
    if path and isinstance(path[-1][0], ListNode) and path[-1][1] is None:
        node = path[-1][0]
        keys = ",".join(leaf.name for leaf in node.keys)
        message = f"what is inside {node.name} belongs to one entry: name it by {node.name}={keys}"
        raise InvalidValue(message, error_type="protocol", path=to_xpath(schema, path))


def _key(node: DataNode, text: str) -> Key:
    """The key in the percent-encoded text after ``=``."""
    values = [unquote(part) for part in text.split(",")]
    leafs: tuple[Leaf | LeafList, ...] = node.keys if isinstance(node, ListNode) else ()
    if isinstance(node, LeafList):
        leafs = (node,)
    if not leafs or len(leafs) != len(values):
        wanted = ",".join(leaf.name for leaf in leafs) or "nothing"
        raise InvalidValue(f"{node.name} is named by {wanted}, not by {len(values)} values", error_type="protocol")
    try:
        parsed = [leaf.type.parse(value, partial(_module, leaf)) for leaf, value in zip(leafs, values, strict=True)]
    except TypeFault as fault:
        raise InvalidValue(f"{node.name}: {fault.message}", error_type="protocol") from fault
    return key_from_text(node, tuple(parsed)) if isinstance(node, ListNode) else parsed[0]


def _module(leaf: Leaf | LeafList, prefix: str | None) -> str:
    return prefix or leaf.module
