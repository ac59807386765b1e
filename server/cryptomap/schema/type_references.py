"""The built-in types whose values point somewhere else: identities, other leafs, instances; and unions of any types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cryptomap.schema import nodes, xpath
from cryptomap.schema.type_base import Names, Prefixes, Type, TypeFault
from cryptomap.schema.type_scalars import StringType

__all__ = ["IdentityrefType", "InstanceIdentifierType", "LeafrefType", "UnionType", "XPathType"]

_LISTED = 8


class IdentityrefType(Type):
    """identityref. ``bases`` and ``values`` are qualified names; ``values`` are the identities of implemented modules
    that derive from all bases. Canonical: ``module:name`` (RFC 7950 section 9.10)."""

    qualified = True

    def __init__(self, bases: Iterable[str], values: Iterable[str]) -> None:
        super().__init__("identityref")
        self.bases = tuple(bases)
        self.values = frozenset(values)

    def _canonical(self, text: str, names: Names | None) -> str:
        prefix, colon, name = text.rpartition(":")
        if names is not None:
            value = f"{names(prefix if colon else None)}:{name}"
        else:
            value = text
        if value not in self.values:
            raise TypeFault(f"{self._quote(text)} is not an identity derived from {' and '.join(self.bases)}")
        return value

    def render(self, value: str, prefixes: Prefixes) -> str:
        module, _, name = value.partition(":")
        return f"{prefixes(module)}:{name}"


class LeafrefType(Type):
    """leafref (RFC 7950 section 9.9). Its lexical and canonical values are those of the leaf it points to; whether the
    instance exists is for validation. ``target_node`` and what hangs on it are there once the schema is linked."""

    def __init__(self, path: xpath.Expr, path_text: str, require_instance: bool = True) -> None:
        super().__init__("leafref")
        self.path = path
        self.path_text = path_text
        self.require_instance = require_instance
        self.target_node: nodes.Leaf | nodes.LeafList

    def link(self, target: nodes.Leaf | nodes.LeafList) -> None:
        """Tell which schema node the path leads to. The targets of a chain are linked from its end."""
        self.target_node = target
        self.qualified = target.type.qualified

    @property
    def target(self) -> Type:
        """The type of the leaf this one points to."""
        return self.target_node.type

    def plain(self) -> Type:
        return self.target.plain()

    @property
    def target_path(self) -> str:
        """Schema path of the leaf this one points to, as :attr:`DataNode.path`."""
        return self.target_node.path

    def _canonical(self, text: str, names: Names | None) -> str:
        kind = self.target_node.type
        return kind.discreet().parse(text, names) if self.is_discreet else kind.parse(text, names)

    def parse_default(self, text: str, names: Names | None = None) -> str:
        return self.target_node.type.parse_default(text, names)

    def render(self, value: str, prefixes: Prefixes) -> str:
        return self.target_node.type.render(value, prefixes)

    def sort_key(self, value: str) -> str | int:
        return self.target_node.type.sort_key(value)


class UnionType(Type):
    """union: a value belongs to the first member that accepts it (RFC 7950 section 9.12)."""

    def __init__(self, members: Sequence[Type]) -> None:
        super().__init__("union")
        self.members = tuple(members)
        self.link()

    def link(self) -> None:
        """Look at the members again, after leafrefs among them have been linked."""
        self.qualified = any(member.qualified for member in self.members)

    def _canonical(self, text: str, names: Names | None) -> str:
        for member in self.members:
            value = member.accepted(text, names)
            if value is not None:
                return value
        return self._first(text, names)[1]  # which says why there is none

    def _first(self, text: str, names: Names | None) -> tuple[Type, str]:
        faults = []
        for member in self.members:
            try:
                return member, member.parse(text, names)
            except TypeFault as fault:
                faults.append(fault.message)
        raise TypeFault(f"{self._quote(text)} fits no member of the union: {'; '.join(_distinct(faults))}")

    def member_of(self, value: str) -> Type:
        """The member type a canonical value belongs to. Raises TypeFault if there is none."""
        return self._first(value, None)[0]

    def parse_default(self, text: str, names: Names | None = None) -> str:
        for member in self.members:
            try:
                return member.parse_default(text, names)
            except TypeFault:
                continue
        return self.parse(text, names)

    def render(self, value: str, prefixes: Prefixes) -> str:
        return self.member_of(value).render(value, prefixes) if self.qualified else value

    def discreet(self) -> Type:
        twin = super().discreet()
        assert isinstance(twin, UnionType)
        twin.members = tuple(member.discreet() for member in self.members)
        return twin


def _distinct(faults: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(faults))[:_LISTED]


_STEP = re.compile(r"/\s*(?:(?P<prefix>[A-Za-z_][\w.\-]*):)?(?P<name>[A-Za-z_][\w.\-]*)\s*")
_PREDICATE = re.compile(
    r"""\[\s*(?:
        (?:(?:(?P<prefix>[A-Za-z_][\w.\-]*):)?(?P<name>[A-Za-z_][\w.\-]*)|(?P<self>\.))
        \s*=\s*(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)")
      | (?P<position>[1-9][0-9]*)
    )\s*\]\s*""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of an instance-identifier: the node and what chooses an instance: (key leaf, canonical value) pairs of
    a list, (None, value) of a leaf-list, or the position in a keyless list."""

    node: nodes.DataNode
    chosen: tuple[tuple[nodes.Leaf | None, str], ...] = ()
    position: str | None = None


class InstanceIdentifierType(Type):
    """instance-identifier (RFC 7950 section 9.13). Values must name nodes of the schema with all keys of each list;
    whether the instance exists is for validation. Canonical: every name as ``module:name``, key predicates in key
    order with canonical values, quoted with ``'`` unless the value holds one."""

    qualified = True

    def __init__(self, require_instance: bool = True) -> None:
        super().__init__("instance-identifier")
        self.require_instance = require_instance
        self.root: nodes.InnerNode

    def link(self, root: nodes.InnerNode) -> None:
        """Tell the root of the schema in which identifiers are looked up."""
        self.root = root

    def _canonical(self, text: str, names: Names | None) -> str:
        return "".join(_write_step(step, _same) for step in self._steps(text, names))

    def render(self, value: str, prefixes: Prefixes) -> str:
        return "".join(_write_step(step, prefixes) for step in self._steps(value, None))

    def _steps(self, text: str, names: Names | None) -> Iterator[_Step]:
        """Raises TypeFault for what is not an instance-identifier of this schema."""
        stripped = text.strip()
        at = 0
        node: nodes.DataNode = self.root
        while at < len(stripped) or node is self.root:
            match = _STEP.match(stripped, at)
            if match is None:
                raise TypeFault(f"{self._quote(text)} is not an instance-identifier (at character {at + 1})")
            module = _module(match["prefix"], names, node)
            child = node.by_qname.get(f"{module}:{match['name']}") if isinstance(node, nodes.InnerNode) else None
            if child is None:
                raise TypeFault(f"{self._quote(text)} names no node of the schema: {module}:{match['name']} is unknown")
            at = match.end()
            predicates = []
            while (predicate := _PREDICATE.match(stripped, at)) is not None:
                predicates.append(predicate)
                at = predicate.end()
            yield self._choose(child, predicates, names)
            node = child

    def _choose(self, node: nodes.DataNode, predicates: list[re.Match[str]], names: Names | None) -> _Step:
        if isinstance(node, nodes.ListNode) and node.keys:
            return _Step(node, self._keys(node, predicates, names))
        if len(predicates) == 1:
            match = predicates[0]
            if isinstance(node, nodes.ListNode) and match["position"]:
                return _Step(node, position=match["position"])
            if isinstance(node, nodes.LeafList) and match["self"]:
                return _Step(node, ((None, node.type.parse(_literal(match), names)),))
        if predicates or isinstance(node, nodes.ListNode | nodes.LeafList):
            raise TypeFault(f"an instance-identifier does not choose an instance of {node.qname} like this")
        return _Step(node)

    def _keys(
        self, node: nodes.ListNode, predicates: list[re.Match[str]], names: Names | None
    ) -> tuple[tuple[nodes.Leaf | None, str], ...]:
        given = {f"{_module(m['prefix'], names, node)}:{m['name']}": _literal(m) for m in predicates if m["name"]}
        if len(predicates) != len(node.keys) or given.keys() != {key.qname for key in node.keys}:
            keys = ", ".join(key.name for key in node.keys)
            raise TypeFault(f"an instance-identifier needs each key of {node.qname} once: {keys}")
        return tuple((key, key.type.parse(given[key.qname], names)) for key in node.keys)


def _module(prefix: str | None, names: Names | None, parent: nodes.DataNode) -> str:
    if prefix is None:
        if names is not None or not parent.module:
            raise TypeFault("every name in an instance-identifier needs a prefix")
        return parent.module  # RFC 7951 section 6.11 writes the module only where it changes
    return names(prefix) if names is not None else prefix


def _literal(match: re.Match[str]) -> str:
    single = match["single"]
    return single if single is not None else match["double"] or ""


def _same(module: str) -> str:
    return module


def _write_step(step: _Step, prefixes: Prefixes) -> str:
    node = step.node
    text = f"/{prefixes(node.module)}:{node.name}"
    if step.position:
        return f"{text}[{step.position}]"
    for key, value in step.chosen:
        if key is not None:
            name, kind = f"{prefixes(key.module)}:{key.name}", key.type
        else:
            assert isinstance(node, nodes.LeafList)
            name, kind = ".", node.type
        shown = kind.render(value, prefixes) if kind.qualified else value
        quote = '"' if "'" in shown else "'"
        text += f"[{name}={quote}{shown}{quote}]"
    return text


_PREFIX_OR_LITERAL = re.compile(r"""'[^']*'|"[^"]*"|(?P<prefix>[A-Za-z_][\w.\-]*):(?![:])""")


class XPathType(StringType):
    """A string of ietf-yang-types' ``xpath1.0``, whose prefixes are those in scope where it is written (RFC 6991
    section 2). Canonical: the prefixes are module names, so that it means the same wherever it is read later."""

    qualified = True

    def accepted(self, text: str, names: Names | None = None) -> str | None:
        return Type.accepted(self, text, names)  # a prefix may be unknown

    def _canonical(self, text: str, names: Names | None) -> str:
        value = super()._canonical(text, names)
        return value if names is None else _with_prefixes(value, names)

    def render(self, value: str, prefixes: Prefixes) -> str:
        def prefix_of(module: str | None) -> str:
            try:
                return prefixes(module or "")
            except KeyError:  # an axis (``child::``) is no prefix; a module that is gone is shown as it was named
                return module or ""

        return _with_prefixes(value, prefix_of)


def _with_prefixes(text: str, named: Names) -> str:
    def replaced(match: re.Match[str]) -> str:
        prefix = match["prefix"]
        return match[0] if prefix is None else f"{named(prefix)}:"

    return _PREFIX_OR_LITERAL.sub(replaced, text)
