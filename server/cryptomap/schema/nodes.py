"""The compiled schema: what the server knows about YANG modules at run time.

pyang reads the modules once (``schema.modules``); this is what is kept: plain, picklable objects without a pyang
statement in them. Nodes compare by identity, are built once by ``schema.compile`` and never change afterwards.

Names are qualified by *module name* everywhere inside the server (``cryptomap-context:contexts``); only the XML codec
knows namespaces and prefixes.

A data tree keeps the children of a container or list entry in a tuple of slots, one slot per schema child
(``InnerNode.children``, choices and cases flattened away, RFC 7950 section 7.9). ``DataNode.slot`` is the position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptomap.schema.types import Type
    from cryptomap.schema.xpath import Expr

__all__ = [
    "Any_",
    "Case",
    "Choice",
    "Container",
    "DataNode",
    "Identity",
    "InnerNode",
    "Leaf",
    "LeafList",
    "ListNode",
    "Module",
    "Must",
    "Notification",
    "Operation",
    "Schema",
    "When",
]


@dataclass(frozen=True, slots=True)
class Module:
    """One implemented or imported module (or submodule, then ``belongs_to`` is set)."""

    name: str
    revision: str
    namespace: str
    prefix: str
    source: str  # file path the text was read from, served by get-schema
    implemented: bool = True
    features: tuple[str, ...] = ()
    deviations: tuple[str, ...] = ()  # names of modules that deviate this one
    submodules: tuple[tuple[str, str], ...] = ()  # (name, revision)
    belongs_to: str | None = None
    text: str = ""  # the module's own YANG text


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity; ``ancestors`` are the qualified names of all its bases, transitively, without itself."""

    qname: str  # "module:name"
    ancestors: frozenset[str]


@dataclass(frozen=True, slots=True)
class Must:
    """A must statement (RFC 7950 section 7.5.3)."""

    text: str
    expr: Expr
    message: str | None = None
    app_tag: str | None = None


@dataclass(frozen=True, slots=True)
class When:
    """A when statement. ``on_parent``: the context node is the nearest data ancestor (augment, uses, choice, case)."""

    text: str
    expr: Expr
    on_parent: bool = False


@dataclass(eq=False, slots=True)
class DataNode:
    """What every schema node that has instances carries.

    ``path`` is the schema path with module names where they change: ``/cryptomap-context:contexts/context/interface``.
    ``tag`` is the XML name in Clark notation. ``whens`` holds its own and those inherited from uses, augment, choice
    and case. ``deny`` is ``read`` for nacm:default-deny-all, ``write`` for nacm:default-deny-write, else ``None``
    (RFC 8341 section 3.2). ``secret`` marks a leaf whose value is sealed as soon as its type has been checked;
    ``hashed`` a secret leaf of type crypt-hash (RFC 7317), whose value is hashed instead.
    """

    name: str
    module: str
    tag: str
    path: str
    config: bool
    parent: InnerNode | None = None
    slot: int = -1
    whens: tuple[When, ...] = ()
    musts: tuple[Must, ...] = ()
    status: str = "current"
    description: str = ""
    deny: str | None = None

    @property
    def qname(self) -> str:
        return f"{self.module}:{self.name}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"


@dataclass(eq=False, slots=True, repr=False)
class Leaf(DataNode):
    type: Type = field(kw_only=True)
    default: str | None = None  # canonical; from the leaf or its type; None on keys and mandatory leaves
    mandatory: bool = False
    is_key: bool = False
    units: str | None = None
    secret: bool = False
    hashed: bool = False


@dataclass(eq=False, slots=True, repr=False)
class LeafList(DataNode):
    type: Type = field(kw_only=True)
    defaults: tuple[str, ...] = ()
    min_elements: int = 0
    max_elements: int | None = None
    user_ordered: bool = False
    secret: bool = False
    hashed: bool = False


@dataclass(eq=False, slots=True, repr=False)
class Any_(DataNode):
    """anydata or anyxml; its content is kept as opaque XML."""

    mandatory: bool = False


@dataclass(eq=False, slots=True)
class Case:
    """One case of a choice: the slots that belong to it directly, and the choices nested in it."""

    name: str
    slots: tuple[int, ...]
    choices: tuple[Choice, ...] = ()

    def all_slots(self) -> Iterator[int]:
        yield from self.slots
        for choice in self.choices:
            for case in choice.cases:
                yield from case.all_slots()


@dataclass(eq=False, slots=True)
class Choice:
    """A choice below an inner node; ``default`` names the default case. Its whens stand on the nodes of its cases,
    and also here, because a mandatory choice does not ask for anything while its when is false."""

    name: str
    module: str
    mandatory: bool
    default: str | None
    cases: tuple[Case, ...]
    whens: tuple[When, ...] = ()


@dataclass(eq=False, slots=True, repr=False)
class InnerNode(DataNode):
    """A node with children: container, list entry, the root, an operation's input or output, a notification."""

    children: tuple[DataNode, ...] = ()
    choices: tuple[Choice, ...] = ()
    by_tag: dict[str, DataNode] = field(default_factory=dict)  # Clark tag -> child
    by_qname: dict[str, DataNode] = field(default_factory=dict)  # "module:name" -> child
    operations: dict[str, Operation] = field(default_factory=dict)  # actions by Clark tag
    notifications: dict[str, Notification] = field(default_factory=dict)  # by Clark tag

    def child(self, name: str, module: str | None = None) -> DataNode:
        """The child of that name, in this node's module unless said otherwise. KeyError if there is none."""
        return self.by_qname[f"{module or self.module}:{name}"]


@dataclass(eq=False, slots=True, repr=False)
class Container(InnerNode):
    presence: bool = False


@dataclass(eq=False, slots=True, repr=False)
class ListNode(InnerNode):
    """A list. ``keys`` are its key leafs in key order (empty: a keyless state list). ``unique`` holds, per statement,
    the slot paths of its leafs below an entry (a path has several steps when it leads through containers)."""

    keys: tuple[Leaf, ...] = ()
    unique: tuple[tuple[tuple[int, ...], ...], ...] = ()
    unique_text: tuple[str, ...] = ()
    min_elements: int = 0
    max_elements: int | None = None
    user_ordered: bool = False


@dataclass(eq=False, slots=True, repr=False)
class Operation(InnerNode):
    """An rpc or an action. It has no slots of its own; ``input`` and ``output`` do."""

    input: InnerNode = field(kw_only=True)
    output: InnerNode = field(kw_only=True)


@dataclass(eq=False, slots=True, repr=False)
class Notification(InnerNode):
    """A notification; its children are state."""


@dataclass(eq=False, slots=True)
class Schema:
    """The whole compiled schema. ``root`` is the parent of all top-level data nodes and has no name.

    ``content_id`` changes when, and only when, the set of modules, revisions, features or deviations changes.
    """

    root: InnerNode
    modules: Mapping[str, Module]  # by name; submodules too
    identities: Mapping[str, Identity]  # by "module:name"
    operations: Mapping[str, Operation]  # rpcs by Clark tag
    notifications: Mapping[str, Notification]  # top-level ones by Clark tag
    content_id: str
    module_of_namespace: Mapping[str, str]
    prefix_of_module: Mapping[str, str]  # unique over the schema
    namespace_of_module: Mapping[str, str]

    def find(self, path: str) -> DataNode:
        """The data node at a schema path as ``DataNode.path`` prints it, or LookupError naming the missing step."""
        node: InnerNode = self.root
        module = ""
        steps = path.strip("/").split("/")
        for position, step in enumerate(steps):
            prefix, colon, name = step.rpartition(":")
            module = prefix if colon else module
            child = node.by_qname.get(f"{module}:{name}")
            if child is None:
                raise LookupError(f"schema path {path}: no node {module}:{name}")
            if position == len(steps) - 1:
                return child
            if not isinstance(child, InnerNode):
                raise LookupError(f"schema path {path}: {child.qname} has no children")
            node = child
        raise LookupError("schema path is empty")

    def walk(self, visit: Callable[[DataNode], None]) -> None:
        """Call ``visit`` for every data node of the datastore tree, parents first."""

        def descend(node: InnerNode) -> None:
            for child in node.children:
                visit(child)
                if isinstance(child, InnerNode):
                    descend(child)

        descend(self.root)
