"""Which access lists of any context select an address, and which applications have one: by hashing, not by search.

An index of one configuration. It is immutable; that of the next configuration is made at the cost of the change.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from immutables import Map

from cryptomap.data import values
from cryptomap.data.tree import Node
from cryptomap.ipsec import nouns
from cryptomap.ipsec.names import Config, Kind, Named
from cryptomap.ipsec.touched import Touched
from cryptomap_backend.intent import Address

__all__ = ["Block", "Neighbours", "application_address"]

Block = tuple[int, int, int]
"""A prefix as (IP version, length, first address)."""

BITS = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True)
class _Index:
    """Objects by block (nearly always one), and where each stands. ``shapes`` counts the blocks of each (version,
    length) in use."""

    at: Map[Block, tuple[Named, ...]] = field(default_factory=Map)
    place: Map[Named, Block] = field(default_factory=Map)
    shapes: Map[tuple[int, int], int] = field(default_factory=Map)

    def with_(self, moved: Mapping[Named, Block | None]) -> _Index:
        """The index with those objects at these blocks, or nowhere."""
        at, place, shapes = self.at.mutate(), self.place.mutate(), dict(self.shapes)
        for item, new in moved.items():
            old = place.get(item)
            if old == new:
                continue
            if old is not None:
                del place[item]
                _put(at, old, tuple([other for other in at[old] if other != item]))
                shapes[old[:2]] -= 1
            if new is not None:
                place[item] = new
                at[new] = (*at.get(new, ()), item)
                shapes[new[:2]] = shapes.get(new[:2], 0) + 1
        return _Index(at.finish(), place.finish(), Map({shape: count for shape, count in shapes.items() if count}))

    def around(self, version: int, address: int) -> Iterator[Named]:
        """The objects whose block holds an address."""
        for family, length in self.shapes:
            if family == version:
                yield from self.at.get((family, length, _first(address, version, length)), ())


class Neighbours:
    """Access lists by the source prefix of their rule, applications by their address (a block of one)."""

    def __init__(self, acls: _Index, applications: _Index) -> None:
        self._acls = acls
        self._applications = applications

    @classmethod
    def of(cls, config: Config) -> Neighbours:
        """The index of a whole configuration."""
        acls: dict[Named, Block | None] = {}
        applications: dict[Named, Block | None] = {}
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

    @property
    def has_applications(self) -> bool:
        """Whether any application has an address at all."""
        return bool(self._applications.place)

    def acls_selecting(self, address: Address) -> Iterator[Named]:
        """The access lists whose rule has that address among its sources."""
        return self._acls.around(address.version, int(address))

    def applications_of(self, acl: Named) -> Iterator[Named]:
        """The applications whose address is among the sources of an access list."""
        block = self._acls.place.get(acl)
        if block is None:
            return
        version, length, first = block
        if length == BITS[version]:
            yield from self._applications.at.get(block, ())
            return
        for item, (family, _, host) in self._applications.place.items():
            if family == version and _first(host, version, length) == first:
                yield item


def _first(address: int, version: int, length: int) -> int:
    """The first address of the block of that length around an address."""
    host_bits = BITS[version] - length
    return address >> host_bits << host_bits


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


def _source(acl: Node | None) -> Block | None:
    """The sources of the first rule of an access list."""
    rule = None if acl is None else next(values.entries(acl, "rule"), None)
    if acl is None or rule is None:
        return None
    prefix = values.leaf(rule, "source/prefix")
    if prefix is None:
        return nouns.family_of(values.required(acl, "family")), 0, 0
    address, _, text = prefix.partition("/")
    version, kind = (6, socket.AF_INET6) if ":" in address else (4, socket.AF_INET)
    length = int(text)
    return version, length, _first(int.from_bytes(socket.inet_pton(kind, address), "big"), version, length)


def _host(address: Address | None) -> Block | None:
    return None if address is None else (address.version, BITS[address.version], int(address))


def _put(mutation, key, value) -> None:  # type: ignore[no-untyped-def]  # immutables does not name the type
    """Set, or drop what has become empty."""
    if value:
        mutation[key] = value
    else:
        del mutation[key]
