"""Where an evaluation stands in a tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from cryptomap.data.tree import Key, Node, Path, Value
from cryptomap.schema.nodes import DataNode
from cryptomap.schema.xpath import XPathFault

if TYPE_CHECKING:
    from cryptomap.data.xpath.env import Env

__all__ = ["Compiled", "Cursor", "Result", "node_set"]

_LONG: Final = 256
"""Characters that take as long to handle as one more instance."""


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
            if len(value) >= _LONG:
                env.count(len(value) // _LONG)
            return value
        if isinstance(value, Node):
            return "".join(child.text(env) for child in env.children(self))
        return ""


Result: TypeAlias = list[Cursor] | str | float | bool
Compiled: TypeAlias = "Callable[[Env, Cursor, int, int], Result]"
"""(environment, context node, position, size) -> result"""
NodesStep: TypeAlias = "Callable[[Env, list[Cursor]], list[Cursor]]"


def node_set(value: Result) -> list[Cursor]:
    """The value as a node-set, or XPathFault."""
    if not isinstance(value, list):
        raise XPathFault("a node-set is needed where the expression gives a string, number or boolean")
    return value
