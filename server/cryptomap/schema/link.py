"""The second half of compiling: what refers to other nodes or needs finished types.

Leafrefs find their targets, unions learn about their members, defaults become canonical values, and unique statements
become slots. Everything a reader of :mod:`cryptomap.schema.nodes` meets is complete after :meth:`Linker.link`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cryptomap.schema import xpath
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, LeafList, ListNode, Notification, Operation
from cryptomap.schema.statements import Statement, fault, names_in, prefixes_in
from cryptomap.schema.type_build import typedefs_of
from cryptomap.schema.types import LeafrefType, Type, TypeFault, UnionType

__all__ = ["Linker"]


class Linker:
    """Collects every node with its statement while nodes are made, then links them."""

    def __init__(
        self, root: InnerNode, operations: Mapping[str, Operation], notifications: Mapping[str, Notification]
    ) -> None:
        self._root = root
        self._operations = operations
        self._notifications = notifications
        self._statements: list[tuple[Statement, DataNode]] = []
        self._nodes: dict[int, DataNode] = {}
        self._statement_of: dict[int, Statement] = {}
        self._linked: dict[int, bool] = {}

    def add(self, statement: Statement, node: DataNode) -> None:
        self._statements.append((statement, node))
        self._nodes[id(statement)] = node
        self._statement_of[id(node)] = statement

    def link(self) -> None:
        """Raises SchemaFault for a leafref that leads nowhere or a default that its type refuses."""
        for statement, node in self._statements:
            if isinstance(node, Leaf | LeafList):
                self._link_type(statement, node)
        for statement, node in self._statements:
            if isinstance(node, Leaf):
                node.default = self._leaf_default(statement, node)
            elif isinstance(node, LeafList):
                node.defaults = self._leaf_list_defaults(statement, node)
            elif isinstance(node, ListNode):
                self._link_unique(statement, node)

    # ===== leafrefs =====

    def _link_type(self, statement: Statement, node: Leaf | LeafList) -> None:
        """Link what the type of a leaf refers to; first the leafs it points to, so that a chain is linked from its
        end."""
        done = self._linked.get(id(node))
        if done is False:
            raise fault(statement, f"leafref {node.path} points to itself")
        if done is True:
            return
        self._linked[id(node)] = False
        for leafref in _leafrefs(node.type):
            try:
                leafref.link(self._target(node, leafref.path))
            except LookupError as error:
                why = error.args[0]
                raise fault(statement, f"leafref {node.path}: path {leafref.path_text}: {why}") from None
        _link_unions(node.type)
        self._linked[id(node)] = True

    def _target(self, leaf: Leaf | LeafList, path: xpath.Expr) -> Leaf | LeafList:
        """The leaf a path leads to, itself linked. LookupError says why there is none."""
        node = self._follow(leaf, path)
        if not isinstance(node, Leaf | LeafList):
            raise LookupError(f"{node.path or '/'} is not a leaf")
        self._link_type(self._statement_of[id(node)], node)
        return node

    def _follow(self, leaf: Leaf | LeafList, path: xpath.Expr) -> DataNode:
        if not isinstance(path, xpath.Path):
            raise LookupError("it is not a path")
        node: DataNode = self._root if path.absolute else leaf
        if path.base is not None:
            node = self._dereference(leaf, path.base)
        for step in path.steps:
            if step.axis == "parent":
                node = self._up(node)
            elif step.axis == "child" and step.name is not None:
                node = self._down(node, f"{step.module}:{step.name}")
            else:
                raise LookupError("a leafref path has only names and ..")
        return node

    def _dereference(self, leaf: Leaf | LeafList, base: xpath.Expr) -> DataNode:
        """``deref(../x)`` at the start of a path: where that leafref points to."""
        if not isinstance(base, xpath.Call) or base.name != "deref":
            raise LookupError("a leafref path starts with /, .. or deref()")
        referring = self._follow(leaf, base.args[0])
        if not isinstance(referring, Leaf | LeafList) or not isinstance(referring.type, LeafrefType):
            raise LookupError(f"deref() of {referring.path}, which is no leafref")
        return self._target(referring, referring.type.path)

    def _up(self, node: DataNode) -> DataNode:
        """The parent in the XPath tree, in which an operation and its input or output are one node."""
        parent = node.parent
        if isinstance(parent, Operation):
            parent = parent.parent
        if parent is None:
            raise LookupError("too many ..")
        return parent

    def _down(self, node: DataNode, qname: str) -> DataNode:
        children = self._children(node)
        if qname not in children:
            raise LookupError(f"{node.path or '/'} has no child {qname}")
        return children[qname]

    def _children(self, node: DataNode) -> Mapping[str, DataNode]:
        if isinstance(node, Operation):
            return {**node.output.by_qname, **node.input.by_qname}
        if not isinstance(node, InnerNode):
            return {}
        operations = self._operations if node is self._root else node.operations
        notifications = self._notifications if node is self._root else node.notifications
        extra = [*operations.values(), *notifications.values()]
        return {**{each.qname: each for each in extra}, **node.by_qname} if extra else node.by_qname

    # ===== defaults =====

    def _leaf_default(self, statement: Statement, leaf: Leaf) -> str | None:
        if leaf.is_key or leaf.mandatory:
            return None
        own = statement.search_one("default")
        stated = own if own is not None else _typedef_default(statement)
        return None if stated is None else self._default(stated, leaf)

    def _leaf_list_defaults(self, statement: Statement, node: LeafList) -> tuple[str, ...]:
        """RFC 7950 section 7.7.2; leaf-lists of YANG version 1 modules have no defaults."""
        if node.min_elements or statement.i_orig_module.i_version == "1":
            return ()
        own = statement.search("default")
        inherited = None if own else _typedef_default(statement)
        return tuple(self._default(stated, node) for stated in (own if inherited is None else [inherited]))

    def _default(self, stated: Statement, leaf: Leaf | LeafList) -> str:
        try:
            return leaf.type.parse_default(stated.arg, names_in(stated))
        except TypeFault as error:
            raise fault(stated, f"default of {leaf.path}: {error.message}") from None

    # ===== unique =====

    def _link_unique(self, statement: Statement, node: ListNode) -> None:
        """A unique statement whose leafs are not all there, because of features, says nothing (RFC 7950 7.8.3)."""
        for unique in statement.search("unique"):
            words = unique.arg.split()
            leafs = [self._nodes.get(id(_descendant(statement, unique, word))) for word in words]
            if all(isinstance(leaf, Leaf) for leaf in leafs):
                node.unique += (tuple(_slots(leaf, node) for leaf in leafs if leaf is not None),)
                node.unique_text += (" ".join(words),)


def _leafrefs(kind: Type) -> Iterator[LeafrefType]:
    if isinstance(kind, LeafrefType):
        yield kind
    elif isinstance(kind, UnionType):
        for member in kind.members:
            yield from _leafrefs(member)


def _link_unions(kind: Type) -> None:
    if isinstance(kind, UnionType):
        for member in kind.members:
            _link_unions(member)
        kind.link()


def _typedef_default(statement: Statement) -> Statement | None:
    """The default statement of the nearest typedef that has one."""
    for typedef in typedefs_of(statement.search_one("type")):
        default = typedef.search_one("default")
        if default is not None:
            return default
    return None


def _descendant(statement: Statement, unique: Statement, path: str) -> Statement | None:
    """Follow a descendant schema node identifier, which names choices and cases too."""
    prefixes = prefixes_in(unique)
    for step in path.strip("/").split("/"):
        prefix, colon, name = step.rpartition(":")
        module = prefixes.get(prefix) if colon else statement.i_module.i_modulename
        found = (c for c in statement.i_children if c.arg == name and c.i_module.i_modulename == module)
        statement = next(found, None)
        if statement is None:
            return None
    return statement


def _slots(leaf: DataNode, ancestor: InnerNode) -> tuple[int, ...]:
    slots: list[int] = []
    node: DataNode | None = leaf
    while node is not None and node is not ancestor:
        slots.append(node.slot)
        node = node.parent
    return tuple(reversed(slots))
