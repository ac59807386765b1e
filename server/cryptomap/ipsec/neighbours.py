"""Which access lists of any context select an address, and which applications have one: by hashing, not by search.

An index of one configuration. It is immutable; that of the next configuration is made at the cost of the change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from immutables import Map

from cryptomap.data.tree import Node
from cryptomap.ipsec import nouns, values
from cryptomap.ipsec.names import Config, Kind, Named
from cryptomap.ipsec.touched import Touched
from cryptomap_backend.intent import Address, Prefix

__all__ = ["Neighbours", "application_address"]

Shape = tuple[int, int]
"""(IP version, prefix length)."""


@dataclass(frozen=True, slots=True)
class _Index:
    """Objects by prefix, and where each stands. ``shapes`` counts the prefixes of each shape in use."""

    at: Map[Prefix, frozenset[Named]] = field(default_factory=Map)
    place: Map[Named, Prefix] = field(default_factory=Map)
    shapes: Map[Shape, int] = field(default_factory=Map)

    def with_(self, moved: Mapping[Named, Prefix | None]) -> _Index:
        """The index with those objects at these prefixes, or nowhere."""
        at, place, shapes = self.at.mutate(), self.place.mutate(), self.shapes.mutate()
        for item, new in moved.items():
            old = place.pop(item, None)
            if old is not None:
                _put(at, old, at[old] - {item})
                _put(shapes, _shape(old), shapes[_shape(old)] - 1)
            if new is not None:
                place[item] = new
                at[new] = at.get(new, frozenset()) | {item}
                shapes[_shape(new)] = shapes.get(_shape(new), 0) + 1
        return _Index(at.finish(), place.finish(), shapes.finish())


class Neighbours:
    """Access lists by the source prefix of their rule, applications by their address (a prefix of full length)."""

    def __init__(self, acls: _Index, applications: _Index) -> None:
        self._acls = acls
        self._applications = applications

    @classmethod
    def of(cls, config: Config) -> Neighbours:
        """The index of a whole configuration."""
        acls: dict[Named, Prefix | None] = {}
        applications: dict[Named, Prefix | None] = {}
        for context in config.contexts():
            name = values.required(context, "name")
            for acl in values.entries(context, Kind.ACL):
                acls[Named(name, values.required(acl, "name"))] = _source(acl)
            for node in values.entries(context, Kind.APPLICATION):
                applications[Named(name, values.required(node, "name"))] = _host(application_address(context, node))
        return cls(_Index().with_(acls), _Index().with_(applications))

    def updated(self, config: Config, affected: Touched) -> Neighbours:
        """The index after a change that affected these objects."""
        if not affected.acls and not affected.applications:
            return self
        acls = {item: _source(config.find(Kind.ACL, item)) for item in affected.acls}
        applications = {item: _host(_address(config, item)) for item in affected.applications}
        return Neighbours(self._acls.with_(acls), self._applications.with_(applications))

    def acls_selecting(self, address: Address) -> Iterator[Named]:
        """The access lists whose rule has that address among its sources."""
        for version, length in self._acls.shapes:
            if version == address.version:
                yield from self._acls.at.get(ip_network((address, length), strict=False), ())

    def source_of(self, acl: Named) -> Prefix | None:
        """The sources an access list selects, ``None`` if it has no rule."""
        return self._acls.place.get(acl)

    def applications_in(self, prefix: Prefix) -> Iterator[Named]:
        """The applications whose address is inside a prefix."""
        if prefix.num_addresses == 1:
            yield from self._applications.at.get(prefix, ())
            return
        for item, host in self._applications.place.items():
            if host.version == prefix.version and host.network_address in prefix:
                yield item


def application_address(context: Node, application: Node) -> Address | None:
    """The address of an application: its own, else that of its interface, IPv4 before IPv6."""
    own = values.leaf(application, "local-address")
    if own is not None:
        return ip_address(own)
    name = values.leaf(application, "interface")
    interface = None if name is None else values.entry(context, Kind.INTERFACE, name)
    if interface is None:
        return None
    return nouns.interface_address(interface, 4) or nouns.interface_address(interface, 6)


def _address(config: Config, item: Named) -> Address | None:
    context, node = config.context(item.context), config.find(Kind.APPLICATION, item)
    return None if context is None or node is None else application_address(context, node)


def _source(acl: Node | None) -> Prefix | None:
    """The sources of the first rule of an access list."""
    rule = None if acl is None else next(values.entries(acl, "rule"), None)
    if acl is None or rule is None:
        return None
    return nouns.selector(rule, nouns.family_of(values.required(acl, "family"))).source


def _host(address: Address | None) -> Prefix | None:
    return None if address is None else ip_network(address)


def _shape(prefix: Prefix) -> Shape:
    return prefix.version, prefix.prefixlen


def _put(mutation, key, value) -> None:  # type: ignore[no-untyped-def]  # immutables does not name the type
    """Set, or drop what has become empty."""
    if value:
        mutation[key] = value
    else:
        del mutation[key]
