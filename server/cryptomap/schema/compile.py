"""pyang statements -> :mod:`cryptomap.schema.nodes`.

pyang has expanded uses, augment, refine and deviation into ``i_children`` when this starts. What it leaves to us:
features, modules that are only imported, whens inherited through choice, case, augment and uses, config and access
defaults inherited downwards, slots, and everything about values. References between nodes are made by ``schema.link``
when all nodes are there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptomap.schema import xpath
from cryptomap.schema.features import Features
from cryptomap.schema.link import Linker
from cryptomap.schema.nodes import (
    Any_,
    Case,
    Choice,
    Container,
    DataNode,
    InnerNode,
    Leaf,
    LeafList,
    ListNode,
    Must,
    Notification,
    Operation,
    When,
)
from cryptomap.schema.statements import Statement, argument, fault, flag, module_of, prefixes_in
from cryptomap.schema.type_build import TypeBuilder

__all__ = ["Compiler"]

_DENY_ALL = ("ietf-netconf-acm", "default-deny-all")
_DENY_WRITE = ("ietf-netconf-acm", "default-deny-write")
_SECRET = ("cryptomap-types", "secret")
_CRYPT_HASH = ("iana-crypt-hash", "crypt-hash")


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a node inherits. ``whens`` are those of the choices and cases it stands in."""

    config: bool = True
    deny: str | None = None
    whens: tuple[When, ...] = ()


@dataclass(slots=True)
class _Branch:
    """A choice whose nodes have no slots yet. Each case has a name, its own nodes and the choices nested in it."""

    statement: Statement
    whens: tuple[When, ...]
    cases: list[tuple[str, list[DataNode], list[_Branch]]] = field(default_factory=list)


class Compiler:
    """Builds the nodes of one schema below ``root``. ``namespaces`` are those of the implemented modules, by name."""

    def __init__(self, root: InnerNode, types: TypeBuilder, features: Features, namespaces: Mapping[str, str]) -> None:
        self.root = root
        self.operations: dict[str, Operation] = {}
        self.notifications: dict[str, Notification] = {}
        self._types = types
        self._features = features
        self._namespaces = namespaces
        self._linker = Linker(root, self.operations, self.notifications)

    def compile(self, modules: Iterable[Statement]) -> None:
        """Compile the data nodes, rpcs and notifications of these modules. Raises SchemaFault."""
        statements = [child for module in modules for child in module.i_children]
        self._fill(self.root, statements, _Scope())
        self.operations |= self.root.operations
        self.notifications |= self.root.notifications
        self.root.operations, self.root.notifications = {}, {}
        self._linker.link()

    def _is_present(self, statement: Statement) -> bool:
        return module_of(statement) in self._namespaces and self._features.admit(statement)

    # ===== children =====

    def _fill(
        self, parent: InnerNode, statements: Iterable[Statement], scope: _Scope, keys: tuple[str, ...] = ()
    ) -> None:
        """Compile what stands below a node. ``scope`` is that of the children."""
        nodes: list[DataNode] = []
        branches: list[_Branch] = []
        for statement in filter(self._is_present, statements):
            if statement.keyword in ("rpc", "action"):
                operation = self._operation(statement, parent, scope)
                parent.operations[operation.tag] = operation
            elif statement.keyword == "notification":
                notification = self._notification(statement, parent, scope)
                parent.notifications[notification.tag] = notification
            elif statement.keyword == "choice":
                branches += self._branch(statement, parent, scope, nodes)
            else:
                nodes.append(self._data_node(statement, parent, scope))
        self._settle(parent, nodes, branches, keys)

    def _branch(self, statement: Statement, parent: InnerNode, scope: _Scope, nodes: list[DataNode]) -> list[_Branch]:
        """Compile a choice; its nodes, at any depth, also join ``nodes``, those of the parent. A case without nodes,
        and a choice without cases, cannot be told from none at all: then the answer is empty."""
        scope = self._inside(statement, parent, scope)
        branch = _Branch(statement, scope.whens)
        for case in filter(self._is_present, statement.i_children):
            inner = self._inside(case, parent, scope)
            own: list[DataNode] = []
            nested: list[_Branch] = []
            for child in filter(self._is_present, case.i_children):
                if child.keyword == "choice":
                    nested += self._branch(child, parent, inner, nodes)
                else:
                    own.append(self._data_node(child, parent, inner))
                    nodes.append(own[-1])
            if own or nested:
                branch.cases.append((case.arg, own, nested))
        return [branch] if branch.cases else []

    def _inside(self, statement: Statement, parent: InnerNode, scope: _Scope) -> _Scope:
        """The scope of what stands in a choice or case: config and whens of either count for it."""
        own = tuple(dataclasses.replace(when, on_parent=True) for when in self._whens(statement))
        return _Scope(self._config(statement, scope), self._deny(statement, scope), scope.whens + own)

    def _settle(self, parent: InnerNode, nodes: list[DataNode], branches: list[_Branch], keys: tuple[str, ...]) -> None:
        """Give the children their slots: keys first, in key order, then schema order."""
        names = [f"{parent.module}:{key.rpartition(':')[2]}" for key in keys]
        parent.by_qname = {node.qname: node for node in nodes}
        firsts = [parent.by_qname[name] for name in names if name in parent.by_qname]
        parent.children = (*firsts, *(node for node in nodes if node not in firsts))
        for slot, node in enumerate(parent.children):
            node.slot = slot
        parent.by_tag = {node.tag: node for node in parent.children}
        parent.choices = tuple(_choice(branch) for branch in branches)

    # ===== nodes =====

    def _data_node(self, statement: Statement, parent: InnerNode, scope: _Scope) -> DataNode:
        common = self._common(statement, parent, scope)
        inner = _Scope(common["config"], common["deny"])
        node: DataNode
        match statement.keyword:
            case "leaf":
                node = self._leaf(statement, common)
            case "leaf-list":
                node = self._leaf_list(statement, common)
            case "container":
                node = Container(**common, presence=statement.search_one("presence") is not None)
                self._fill(node, statement.i_children, inner)
            case "list":
                node = self._list(statement, common, inner)
            case _:
                node = Any_(**common, mandatory=flag(statement, "mandatory"))
        self._linker.add(statement, node)
        return node

    def _common(self, statement: Statement, parent: InnerNode, scope: _Scope) -> dict[str, Any]:
        module, name = module_of(statement), str(statement.arg)
        step = name if module == parent.module else f"{module}:{name}"
        return {
            "name": name,
            "module": module,
            "tag": f"{{{self._namespaces[module]}}}{name}",
            "path": f"{parent.path}/{step}",
            "config": self._config(statement, scope),
            "parent": parent,
            "whens": scope.whens + self._whens(statement),
            "musts": tuple(self._must(must, module) for must in statement.search("must")),
            "status": argument(statement, "status") or "current",
            "description": argument(statement, "description") or "",
            "deny": self._deny(statement, scope),
        }

    def _leaf(self, statement: Statement, common: dict[str, Any]) -> Leaf:
        return Leaf(
            **(common | self._secrecy(statement)),
            mandatory=flag(statement, "mandatory"),
            units=_units(statement),
        )

    def _leaf_list(self, statement: Statement, common: dict[str, Any]) -> LeafList:
        return LeafList(
            **(common | self._secrecy(statement)),
            min_elements=int(argument(statement, "min-elements") or 0),
            max_elements=_max_elements(statement),
            user_ordered=argument(statement, "ordered-by") == "user",
        )

    def _secrecy(self, statement: Statement) -> dict[str, Any]:
        """The type of a leaf or leaf-list, and whether it holds secrets. Nobody reads a hash without a rule that
        permits it: whoever has it can try passwords at home."""
        kind = statement.search_one("type")
        built = self._types.build(kind, module_of(statement))
        hashed = _is_crypt_hash(kind)
        if hashed or statement.search_one(_SECRET) is not None:
            found = {"type": built.discreet(), "secret": True, "hashed": hashed}
            return found | {"deny": "read"} if hashed else found
        return {"type": built}

    def _list(self, statement: Statement, common: dict[str, Any], scope: _Scope) -> ListNode:
        node = ListNode(
            **common,
            min_elements=int(argument(statement, "min-elements") or 0),
            max_elements=_max_elements(statement),
            user_ordered=argument(statement, "ordered-by") == "user",
        )
        names = tuple((argument(statement, "key") or "").split())
        self._fill(node, statement.i_children, scope, names)
        node.keys = tuple(key for key in node.children[: len(names)] if isinstance(key, Leaf))
        if [key.name for key in node.keys] != [name.rpartition(":")[2] for name in names]:
            raise fault(statement, f"list {node.path}: a key is missing, or switched off by if-feature")
        for key in node.keys:
            key.is_key = True
        return node

    def _operation(self, statement: Statement, parent: InnerNode, scope: _Scope) -> Operation:
        common = self._common(statement, parent, dataclasses.replace(scope, config=False))
        sides = {}
        for side in statement.i_children:
            sides[side.keyword] = self._side(side, common)
        operation = Operation(**common, input=sides["input"], output=sides["output"])
        for node in sides.values():
            node.parent = operation
        self._linker.add(statement, operation)
        return operation

    def _side(self, statement: Statement, operation: dict[str, Any]) -> InnerNode:
        """The input or output of an rpc or action."""
        module = operation["module"]
        node = InnerNode(
            name=statement.keyword,
            module=module,
            tag=f"{{{self._namespaces[module]}}}{statement.keyword}",
            path=f"{operation['path']}/{statement.keyword}",
            config=False,
            musts=tuple(self._must(must, module) for must in statement.search("must")),
            deny=operation["deny"],
        )
        self._fill(node, statement.i_children, _Scope(config=False, deny=operation["deny"]))
        return node

    def _notification(self, statement: Statement, parent: InnerNode, scope: _Scope) -> Notification:
        node = Notification(**self._common(statement, parent, dataclasses.replace(scope, config=False)))
        self._fill(node, statement.i_children, _Scope(config=False, deny=node.deny))
        self._linker.add(statement, node)
        return node

    # ===== properties =====

    def _config(self, statement: Statement, scope: _Scope) -> bool:
        return scope.config and argument(statement, "config") != "false"

    def _deny(self, statement: Statement, scope: _Scope) -> str | None:
        if scope.deny == "read" or statement.search_one(_DENY_ALL) is not None:
            return "read"
        return "write" if statement.search_one(_DENY_WRITE) is not None else scope.deny

    def _whens(self, statement: Statement) -> tuple[When, ...]:
        """The whens on a node itself, from the uses that copied it (pyang marks these) and from its augment."""
        module = module_of(statement)
        own = [self._when(w, module, getattr(w, "i_origin", None) == "uses") for w in statement.search("when")]
        augment = getattr(statement, "i_augment", None)
        brought = [] if augment is None else [self._when(w, module, True) for w in augment.search("when")]
        return (*brought, *own)

    def _when(self, statement: Statement, module: str, on_parent: bool) -> When:
        return When(statement.arg, self._expression(statement, module), on_parent)

    def _must(self, statement: Statement, module: str) -> Must:
        words = argument(statement, "error-message"), argument(statement, "error-app-tag")
        return Must(statement.arg, self._expression(statement, module), *words)

    def _expression(self, statement: Statement, module: str) -> xpath.Expr:
        """Prefixes are those of the module it was written in; other names belong to the node that has it (RFC 7950
        section 6.4.1)."""
        try:
            return xpath.parse(statement.arg, prefixes_in(statement), module)
        except xpath.XPathFault as error:
            raise fault(statement, str(error)) from None


def _choice(branch: _Branch) -> Choice:
    statement = branch.statement
    cases = tuple(
        Case(name, tuple(node.slot for node in nodes), tuple(_choice(inner) for inner in nested))
        for name, nodes, nested in branch.cases
    )
    default = argument(statement, "default")
    is_there = any(case.name == default for case in cases)
    mandatory = flag(statement, "mandatory")
    return Choice(statement.arg, module_of(statement), mandatory, default if is_there else None, cases, branch.whens)


def _max_elements(statement: Statement) -> int | None:
    stated = argument(statement, "max-elements")
    return None if stated in (None, "unbounded") else int(stated)


def _units(statement: Statement) -> str | None:
    """The units of a leaf, or of the nearest typedef that has some."""
    own = argument(statement, "units")
    kind = statement.search_one("type")
    while own is None and kind.i_typedef is not None:
        own = argument(kind.i_typedef, "units")
        kind = kind.i_typedef.search_one("type")
    return own


def _is_crypt_hash(kind: Statement) -> bool:
    typedef = getattr(kind, "i_typedef", None)
    while typedef is not None:
        if (module_of(typedef), typedef.arg) == _CRYPT_HASH:
            return True
        typedef = getattr(typedef.search_one("type"), "i_typedef", None)
    return False
