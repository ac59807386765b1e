"""What an evaluation needs besides its context node: the tree it sees, and what current() is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptomap.data.defaults import case_in_use, effective
from cryptomap.data.tree import AnyValue, Key, KeylessEntries, Node, Value
from cryptomap.data.turns import give_way
from cryptomap.data.xpath.compile import compile_cached
from cryptomap.data.xpath.conversions import to_boolean
from cryptomap.data.xpath.cursor import Compiled, Cursor, Result
from cryptomap.schema.nodes import Container, DataNode, InnerNode, Leaf, LeafList, ListNode, Schema, When
from cryptomap.schema.xpath import Expr, XPathFault

if TYPE_CHECKING:
    from cryptomap.data.view import View

__all__ = ["Env", "empty_node"]


class Env:
    """What an evaluation needs besides its context node. ``current`` is what current() answers; ``visited`` counts the
    instances looked at, so that a test can show that work does not grow with the configuration."""

    __slots__ = ("_supposed", "budget", "current", "root", "schema", "variables", "view", "visited")

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
        self._supposed: _Supposed | None = None
        self.budget = budget

    def evaluate(self, compiled: Compiled, context: Cursor) -> Result:
        """The value of an expression at a context node, which is also current()."""
        outer = self.current
        self.current = context
        try:
            return compiled(self, context, 1, 1)
        finally:
            self.current = outer

    def run(self, expr: Expr, context: Cursor) -> Result:
        """The same for an expression that lives as long as the schema."""
        return self.evaluate(compile_cached(expr), context)

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
            self.count(1)
        elif isinstance(value, tuple):
            out += [Cursor(parent, child, item, item) for item in value]
            self.count(len(value))
        else:
            self.count(len(value))
            out += [Cursor(parent, child, entry, key) for key, entry in value.items()]

    def entry(self, parent: Cursor, child: ListNode, key: Key) -> Cursor | None:
        """The list entry with that key, found without a scan."""
        entries = self.value(parent, child)
        if entries is None or isinstance(entries, (str, tuple, Node, AnyValue)):
            return None
        self.count(1)
        entry = entries.get(key)
        return None if entry is None else Cursor(parent, child, entry, key)

    def value(self, parent: Cursor, child: DataNode) -> Value | None:
        """What the accessible tree holds for a schema child of an instance."""
        node = parent.value
        if not isinstance(node, Node):
            return None
        if self.view is not None and self.view.hides(child):
            return None
        supposed = self._supposed
        if supposed is not None and supposed.concerns(node, child):
            return supposed.value if child is supposed.child and node is supposed.parent else None
        view = self.view
        if view is not None and view.hides(child):
            return None
        if view is not None and not child.config:
            value = view.value(node, child, parent.path)
        else:
            value = node.slots[child.slot]
        return self._implied(parent, node, child) if value is None else value

    def _viewed(self, view: View, parent: Cursor, node: Node, child: DataNode) -> Value | None:
        if child.config:
            return node.slots[child.slot]
        return view.value(node, child, parent.path)

    def _implied(self, parent: Cursor, node: Node, child: DataNode) -> Value | None:
        implied: Value | None
        if isinstance(child, (Leaf, LeafList)):
            implied = effective(node, child)
        elif isinstance(child, Container) and not child.presence and case_in_use(node, child.parent, child.slot):
            implied = empty_node(child)
        else:
            return None
        if implied is not None and child.whens and not self.exists_under_when(parent, child):
            return None
        return implied

    def exists_under_when(self, parent: Cursor, child: DataNode) -> bool:
        """Whether all when conditions of a schema child hold below this instance, where it may not exist yet."""
        return all(self.holds_when(when, parent, child) for when in child.whens)

    def holds_when(self, when: When, parent: Cursor, child: DataNode) -> bool:
        """One of them. It sees a tree with a dummy in place of the child: without value and children; or, with a when
        from augment, uses, choice or case, without all nodes that came with it (RFC 7950 section 7.21.5)."""
        assert isinstance(parent.value, Node)
        outer = self._supposed
        supposed = self._supposed = _Supposed(parent.value, when, child)
        try:
            return to_boolean(self.run(when.expr, parent if when.on_parent else supposed.dummy(parent)))
        finally:
            self._supposed = outer

    def count(self, visited: int) -> None:
        """Note work done: instances looked at, or what takes as long. Raises XPathFault beyond the budget."""
        self.visited += visited
        if self.budget is None:
            return
        give_way()
        if self.visited > self.budget:
            raise XPathFault(f"the expression looks at more than {self.budget} nodes; narrow it, with keys for example")


class _Supposed:
    """How the tree is altered while a when of ``child`` is evaluated; see :meth:`Env.holds_when`."""

    __slots__ = ("_emptied", "child", "parent", "value", "when")

    def __init__(self, parent: Node, when: When, child: DataNode) -> None:
        self.parent = parent
        self.when = when
        self.child = child
        self._emptied = Node.empty(child) if isinstance(child, InnerNode) else None
        self.value = None if when.on_parent else self._dummy_value()

    def _dummy_value(self) -> Value:
        if isinstance(self.child, LeafList):
            return ("",)
        if self._emptied is None:
            return ""
        return KeylessEntries((self._emptied,)) if isinstance(self.child, ListNode) else self._emptied

    def dummy(self, parent: Cursor) -> Cursor:
        """The dummy as the context."""
        key: Key | None = 0 if isinstance(self.child, ListNode) else "" if isinstance(self.child, LeafList) else None
        return Cursor(parent, self.child, self._emptied or "", key)

    def concerns(self, node: Node, child: DataNode) -> bool:
        """Whether that child of that instance is not what the tree holds."""
        if node is self.parent:
            return child is self.child or (self.when.on_parent and self.when in child.whens)
        return node is self._emptied


@lru_cache(maxsize=4096)
def empty_node(schema: Container) -> Node:
    return Node.empty(schema)
