"""Which objects a change touches, and which depend on those: what rules, reading and marking look at.

``touched`` is what the change itself names; ``affected`` adds what refers to it (the maps of a transform set, the
bindings of a map ...), found by the value index of the new snapshot, so that the cost follows the change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from functools import lru_cache

from cryptomap.data.diff import Change
from cryptomap.data.tree import EntriesTypes, Key, Node, Path, Value
from cryptomap.data.validation import Snapshot
from cryptomap.ipsec import values
from cryptomap.ipsec.names import CONTEXTS, QOS, Config, Kind, Named, leaf_at
from cryptomap.schema.nodes import DataNode, InnerNode, ListNode, Schema
from cryptomap_backend.intent import TunnelId

__all__ = ["SYSTEM_DEFAULT", "Touched", "affected_by", "everything", "touched_by"]

SYSTEM_DEFAULT = ""
"""Stands among the names of L2 tables for system-default, which is no name."""

BINDING = f"{Kind.INTERFACE}/{Kind.MAP}"


@dataclass(slots=True)
class Touched:
    """Sets of objects. ``tables`` holds names of L2 tables, ``dscps`` rows of the DSCP mapping."""

    contexts: set[str] = field(default_factory=set)
    interfaces: set[Named] = field(default_factory=set)
    vrfs: set[Named] = field(default_factory=set)
    acls: set[Named] = field(default_factory=set)
    ike_sets: set[Named] = field(default_factory=set)
    ipsec_sets: set[Named] = field(default_factory=set)
    maps: set[Named] = field(default_factory=set)
    templates: set[Named] = field(default_factory=set)
    services: set[Named] = field(default_factory=set)
    applications: set[Named] = field(default_factory=set)
    bindings: set[TunnelId] = field(default_factory=set)
    tables: set[str] = field(default_factory=set)
    dscps: set[int] = field(default_factory=set)

    def copy(self) -> Touched:
        return Touched(*(set(getattr(self, item.name)) for item in fields(self)))

    @property
    def is_empty(self) -> bool:
        return not any(getattr(self, item.name) for item in fields(self))


_SETS = {
    Kind.INTERFACE: "interfaces",
    Kind.VRF: "vrfs",
    Kind.ACL: "acls",
    Kind.IKE_SET: "ike_sets",
    Kind.IPSEC_SET: "ipsec_sets",
    Kind.MAP: "maps",
    Kind.TEMPLATE: "templates",
    Kind.SERVICE: "services",
    Kind.APPLICATION: "applications",
}


@lru_cache(maxsize=8)
def _nouns(schema: Schema) -> dict[DataNode, str]:
    """Schema node of an object's list -> the set it goes to."""
    nouns: dict[DataNode, str] = {schema.find(CONTEXTS): "contexts", schema.find(f"{CONTEXTS}/{BINDING}"): "bindings"}
    nouns |= {schema.find(f"{CONTEXTS}/{kind}"): name for kind, name in _SETS.items()}
    nouns[schema.find(f"{QOS}/ip-dscp-iphb-mapping")] = "dscps"
    nouns[schema.find(f"{QOS}/l2-mapping-table")] = "tables"
    nouns[schema.find(f"{QOS}/system-default-l2-mapping-table")] = "tables"
    return nouns


@lru_cache(maxsize=8)
def _above(schema: Schema) -> frozenset[DataNode]:
    """The schema nodes with objects below them."""
    above: set[DataNode] = set()
    for noun in _nouns(schema):
        parent = noun.parent
        while parent is not None:
            above.add(parent)
            parent = parent.parent
    return frozenset(above)


# ===== what the change itself names =====


def touched_by(schema: Schema, changes: Iterable[Change], new: Snapshot) -> Touched:
    """The objects that were created, deleted or changed."""
    touched = Touched()
    for change in changes:
        _along(schema, change.path, touched)
        for value in (change.old, change.new):
            _below(schema, change.path, value, touched)
        _renumbered(schema, change, new, touched)
    return touched


def everything(schema: Schema, snapshot: Snapshot) -> Touched:
    """All objects of a configuration."""
    touched = Touched()
    _below(schema, (), snapshot.root, touched)
    return touched


def _along(schema: Schema, path: Path, touched: Touched) -> None:
    """Add the innermost object a path leads to or through."""
    nouns = _nouns(schema)
    keys: list[Key] = []
    found: tuple[str, tuple[Key, ...]] | None = None
    for node, key in path:
        if key is not None and isinstance(node, ListNode):
            keys.append(key)
        if node in nouns and (key is not None or not isinstance(node, ListNode)):
            found = nouns[node], tuple(keys)
    if found:
        _add(touched, *found)


def _below(schema: Schema, path: Path, value: Value | None, touched: Touched) -> None:
    """Add all objects inside a value that came, went or was moved as a whole."""
    if path and path[-1][0] not in _above(schema) and not isinstance(value, EntriesTypes):
        return
    keys = tuple([key for node, key in path if key is not None and isinstance(node, ListNode)])
    if isinstance(value, EntriesTypes):
        _inside_list(schema, path[-1][0], value.items(), keys, touched)
    elif isinstance(value, Node):
        _inside(schema, value, keys, touched)


def _inside(schema: Schema, node: Node, keys: tuple[Key, ...], touched: Touched) -> None:
    nouns, above = _nouns(schema), _above(schema)
    for child in node.schema.children:
        value = node.slots[child.slot]
        if value is None or not (child in nouns or child in above):
            continue
        if isinstance(value, EntriesTypes):
            _inside_list(schema, child, value.items(), keys, touched)
        elif isinstance(value, Node):
            if child in nouns:
                _add(touched, nouns[child], keys)
            _inside(schema, value, keys, touched)


def _inside_list(
    schema: Schema, child: DataNode, items: Iterator[tuple[Key, Node]], keys: tuple[Key, ...], touched: Touched
) -> None:
    noun = _nouns(schema).get(child)
    deeper = child in _above(schema)
    if noun is None and not deeper:
        return
    for key, entry in items:
        here = (*keys, key)
        if noun:
            _add(touched, noun, here)
        if deeper:
            _inside(schema, entry, here, touched)


def _add(touched: Touched, noun: str, keys: tuple[Key, ...]) -> None:
    if noun == "bindings":
        context, interface, crypto_map = map(str, keys)
        touched.bindings.add(TunnelId(context, crypto_map, interface))
    elif noun == "dscps":
        touched.dscps.add(int(str(keys[0])))
    elif noun == "tables":
        touched.tables.add(str(keys[0]) if keys else SYSTEM_DEFAULT)
    elif noun == "contexts":
        touched.contexts.add(str(keys[0]))
    else:
        getattr(touched, noun).add(Named(str(keys[0]), str(keys[1])))


def _renumbered(schema: Schema, change: Change, new: Snapshot, touched: Touched) -> None:
    """The place of a binding in its list is part of it: one that comes or goes before others touches those too."""
    if _nouns(schema).get(change.path[-1][0]) != "bindings" or change.path[-1][1] is None:
        return
    context, interface, crypto_map = [str(key) for _, key in change.path if key is not None]
    found = Config(new.root).find(Kind.INTERFACE, Named(context, interface))
    bound = values.keys(found, Kind.MAP) if found else ()
    if bound and bound[-1] != crypto_map:
        touched.bindings |= {TunnelId(context, str(key), interface) for key in bound}


# ===== what depends on it =====


def affected_by(schema: Schema, touched: Touched, new: Snapshot) -> Touched:
    """What is touched, and everything in ``new`` that refers to it, directly or not."""
    found = touched.copy()
    follow = _Follow(schema, new, found)
    for item in touched.acls:
        follow.maps(item, "match-address")
    for item in touched.ike_sets:
        follow.maps(item, "ikev2/ikev2-ikesa/transform-set")
        follow.templates(item, "ikev2/ikev2-ikesa/transform-set")
    for item in touched.ipsec_sets:
        follow.maps(item, "ikev2/payload/transform-set")
        follow.maps(item, "manual/transform-set")
        follow.templates(item, "ikev2/payload/transform-set")
    for item in touched.interfaces:
        follow.interface(item)
    for item in found.maps:
        follow.map(item)
    for item in found.templates:
        follow.template(item)
    return found


class _Follow:
    """Adds the referrers of an object, by kind."""

    def __init__(self, schema: Schema, snapshot: Snapshot, found: Touched) -> None:
        self._schema = schema
        self._snapshot = snapshot
        self._config = Config(snapshot.root)
        self._found = found

    def maps(self, item: Named, path: str) -> None:
        self._found.maps |= {Named(*keys[:2]) for keys in self._referrers(f"{Kind.MAP}/{path}", item)}

    def templates(self, item: Named, path: str) -> None:
        self._found.templates |= {Named(*keys[:2]) for keys in self._referrers(f"{Kind.TEMPLATE}/{path}", item)}

    def interface(self, item: Named) -> None:
        node = self._config.find(Kind.INTERFACE, item)
        bound = values.keys(node, Kind.MAP) if node else ()
        self._found.bindings |= {TunnelId(item.context, str(key), item.name) for key in bound}
        users = self._referrers(f"{Kind.APPLICATION}/interface", item)
        self._found.applications |= {Named(*keys[:2]) for keys in users}

    def map(self, item: Named) -> None:
        bound = self._referrers(f"{BINDING}/name", item)
        self._found.bindings |= {TunnelId(context, item.name, interface) for context, interface, *_ in bound}
        for context, name in self._all_referrers(f"{Kind.APPLICATION}/protected-by/crypto-map", item.name):
            node = self._config.find(Kind.APPLICATION, Named(context, name))
            if node is not None and values.explicit(node, "protected-by/context") == item.context:
                self._found.applications.add(Named(context, name))

    def template(self, item: Named) -> None:
        users = self._referrers(f"{Kind.SERVICE}/bind/crypto-template", item)
        self._found.services |= {Named(*keys[:2]) for keys in users}

    def _referrers(self, path: str, item: Named) -> list[list[str]]:
        """The keys of the instances of a leafref, in the context of the object, that name it."""
        return [keys for keys in self._all_referrers(path, item.name) if keys[0] == item.context]

    def _all_referrers(self, path: str, name: str) -> list[list[str]]:
        leaf = leaf_at(self._schema, f"{CONTEXTS}/{path}")
        return [_keys(found) for found in self._snapshot.referrers(leaf, name)]


def _keys(path: Path) -> list[str]:
    return [str(key) for node, key in path if key is not None and isinstance(node, InnerNode)]
