"""Who is who: the ids of the objects of a configuration, and where each kind stands in the tree."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from cryptomap.data import values
from cryptomap.data.path import to_xpath
from cryptomap.data.tree import Key, Node
from cryptomap.data.validation.violations import path_at
from cryptomap.errors import ErrorPath
from cryptomap.schema.nodes import Leaf, LeafList, Schema

__all__ = ["CONTEXTS", "Config", "Kind", "Named", "leaf_at", "where"]

CONTEXTS = "cryptomap-context:contexts/context"
QOS = "cryptomap-qos:qos"


class Named(NamedTuple):
    """An object of a context."""

    context: str
    name: str


class Kind(StrEnum):
    """The lists of a context, by their name there."""

    INTERFACE = "interface"
    VRF = "vrf"
    ACL = "cryptomap-acl:access-list"
    IKE_SET = "cryptomap-ipsec:ikev2-ikesa-transform-set"
    IPSEC_SET = "cryptomap-ipsec:ipsec-transform-set"
    MAP = "cryptomap-ipsec:crypto-map"
    TEMPLATE = "cryptomap-ipsec:crypto-template"
    SERVICE = "cryptomap-ipsec:security-service"
    APPLICATION = "cryptomap-application:application"

    __hash__ = str.__hash__  # that of an enumeration is written in Python, and these are looked up all the time


class Config:
    """A configuration as the domain looks things up in it."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self._contexts: dict[str, Node | None] = {}

    def context(self, name: str) -> Node | None:
        if name not in self._contexts:
            self._contexts[name] = values.entry(self.root, CONTEXTS, name)
        return self._contexts[name]

    def contexts(self) -> Iterator[Node]:
        return values.entries(self.root, CONTEXTS)

    def find(self, kind: Kind, item: Named) -> Node | None:
        context = self.context(item.context)
        return None if context is None else values.entry(context, kind, item.name)

    def binding(self, context: str, interface: str, crypto_map: str) -> Node | None:
        """The entry of a crypto map on an interface."""
        found = self.find(Kind.INTERFACE, Named(context, interface))
        return None if found is None else values.entry(found, Kind.MAP, crypto_map)

    @property
    def day1_complete(self) -> bool:
        return values.flag(self.root, "cryptomap-context:contexts/day1-complete")


def where(schema: Schema, path: str, *keys: Key) -> ErrorPath:
    """The error-path of a node, ``path`` from the root as in :data:`CONTEXTS`, with the keys along it."""
    return to_xpath(schema, path_at(schema.find(path), keys))


@lru_cache(maxsize=64)
def leaf_at(schema: Schema, path: str) -> Leaf | LeafList:
    """The leaf or leaf-list at a schema path from the root."""
    found = schema.find(path)
    assert isinstance(found, Leaf | LeafList), path
    return found
