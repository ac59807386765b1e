"""Relative paths as the grammar writes them: names with ``/`` between, ``module:name`` where the module differs from
that of the node above. They lead through containers, and the last step may be a list or a leaf."""

from __future__ import annotations

from functools import lru_cache

from cryptomap.data.defaults import effective
from cryptomap.data.tree import NO_ENTRIES, Entries, EntriesTypes, Node
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


@lru_cache(maxsize=4096)
def resolve(schema: InnerNode, path: str) -> tuple[DataNode, ...]:
    """The schema nodes along a path. Refusal if the schema lacks one: a YANG feature is off."""
    steps: list[DataNode] = []
    here = schema
    for name in path.split("/"):
        child = here.by_qname.get(name) or here.by_qname.get(f"{here.module}:{name}")
        if child is None:
            raise Refusal(f"this server has no {name.rpartition(':')[2]} here: a YANG feature is off")
        steps.append(child)
        if isinstance(child, InnerNode):
            here = child
    return tuple(steps)


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
    steps = resolve(node.schema, path)
    here: Node | None = node
    for step in steps[:-1]:
        value = None if here is None else here.slots[step.slot]
        here = value if isinstance(value, Node) else None
    return here, steps[-1]


def explicit(node: Node, path: str) -> str | tuple[str, ...] | None:
    """What somebody set for a leaf or leaf-list."""
    parent, child = parent_at(node, path)
    value = None if parent is None else parent.slots[child.slot]
    return value if isinstance(value, str | tuple) else None


def leaf_at(node: Node, path: str) -> str | tuple[str, ...] | None:
    """The value in effect of a leaf or leaf-list."""
    parent, child = parent_at(node, path)
    assert isinstance(child, Leaf | LeafList), path
    return effective(parent, child)


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
    parent, child = parent_at(node, path)
    value = None if parent is None else parent.slots[child.slot]
    return value if isinstance(value, Node) else None


def entries_at(node: Node, path: str) -> Entries:
    """The entries of a list; none if it is absent."""
    parent, child = parent_at(node, path)
    value = None if parent is None else parent.slots[child.slot]
    return value if isinstance(value, EntriesTypes) else NO_ENTRIES
