"""For tests of the datastore: a small configuration, a clock that stands still, participants that do as told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from lxml import etree

from cryptomap.data.tree import Node
from cryptomap.data.xml import WriteOptions, read_config, write
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.secrets import Vault
from cryptomap.datastore.transaction import Origin, Transition
from cryptomap.schema.modules import load_sources
from cryptomap.schema.nodes import Schema
from cryptomap.schema.sources import Source, find_sources

YANG = """
module net {
  yang-version 1.1; namespace "urn:net"; prefix net;
  import cryptomap-types { prefix t; }
  identity medium; identity fibre { base medium; }
  container net {
    list interface {
      key name;
      leaf name { type string; }
      leaf mtu { type uint16 { range "68..9000"; } }
      leaf psk { type string { length "1..64"; } t:secret; }
      leaf peer { type leafref { path "../../interface/name"; } }
      leaf medium { type identityref { base medium; } }
      leaf-list address { type string; ordered-by user; }
      list vlan { key id; leaf id { type uint16; } leaf text { type string; } }
    }
    list rule { key seq; ordered-by user; leaf seq { type uint8; } leaf action { type string; } }
    container options { presence "on"; leaf-list tag { type string; } anydata note; }
  }
}
"""

NEWER = YANG.replace('uint16 { range "68..9000"; }', 'uint16 { range "68..1500"; }').replace(
    "leaf action { type string; }", ""
)
"""An upgrade: a narrower range, and a leaf that is no more."""


@lru_cache(maxsize=4)
def schema_of(text: str) -> Schema:
    users = [Source("net", None, "yang", Path("net.yang"), text)]
    ours, installed = find_sources()
    return load_sources([], users, [*ours, *installed])


def config(inner: str) -> etree._Element:
    """A config element around the content of ``net``."""
    return etree.fromstring(
        '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">'
        f'<net xmlns="urn:net">{inner}</net></config>'
    )


def tree(schema: Schema, inner: str) -> Node:
    return read_config(schema, config(inner), VAULT)


def interface(name: str, inner: str = "", operation: str = "") -> str:
    attribute = f' nc:operation="{operation}"' if operation else ""
    return f"<interface{attribute}><name>{name}</name>{inner}</interface>"


def mtu(root: Node, name: str = "eth0") -> str | None:
    """The MTU of an interface; ``None`` if there is no such interface or no MTU."""
    net = root.node("net:net")
    entry = net.entries("interface").get(name) if net else None
    return entry.text("mtu") if entry else None


def xml(schema: Schema, root: Node) -> str:
    return b"".join(write(schema, root, WriteOptions())).decode()


VAULT = Vault([bytes(range(64))])
ALICE = Origin("alice", 1, "192.0.2.1")
BOB = Origin("bob", 2, "192.0.2.2")


@dataclass
class Clock:
    """Time that only a test moves. ``wall`` may jump, ``steady`` only goes on."""

    wall: float = 1_000_000.0
    steady: float = 50.0

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@dataclass
class Fake:
    """A participant with a diary. ``faults`` maps a phase to what it raises there (kept until taken away)."""

    name: str = "backend"
    diary: list[str] = field(default_factory=list)
    faults: dict[str, Exception] = field(default_factory=dict)
    facts: dict[tuple[str, ...], str | None] = field(default_factory=dict)
    idle: bool = False
    world: Node | None = None

    def prepare(self, transition: Transition) -> Transition | None:
        self._enter("prepare")
        return None if self.idle else transition

    def apply(self, prepared: Any) -> None:
        self._enter("apply")
        self.world = prepared.new.root
        if prepared.facts is not None:
            prepared.facts.update(self.facts)

    def abort(self, prepared: Any) -> None:
        self._enter("abort")

    def revert(self, prepared: Any) -> None:
        self._enter("revert")
        self.world = prepared.old.root

    def _enter(self, phase: str) -> None:
        self.diary.append(f"{self.name} {phase}")
        if phase in self.faults:
            raise self.faults[phase]


def put(datastores: Datastores, inner: str, origin: Origin = ALICE) -> None:
    """Edit the candidate."""
    datastores.edit(origin, "candidate", config(inner))


def commit_mtu(datastores: Datastores, value: int, name: str = "eth0", origin: Origin = ALICE) -> None:
    put(datastores, interface(name, f"<mtu>{value}</mtu>"), origin)
    datastores.commit(origin)


Open = Callable[..., Datastores]
"""Opens the state directory of a test, again if need be: a clean restart. Takes the options of Datastores."""
