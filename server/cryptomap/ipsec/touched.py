"""Which objects a change touches, and which depend on those: what rules, reading and marking look at.

What a change touches is what it names itself; what it affects is that and whatever refers to it (the maps of a
transform set, the bindings of a map ...), found by the value index of the new snapshot, so that the cost follows the
change. Nothing can have referred to an object before it was there: who refers to a new one is touched as well, and
need not be looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache

from cryptomap.data import values
from cryptomap.data.diff import Change
from cryptomap.data.tree import EntriesTypes, Key, Node, Path, Value
from cryptomap.data.validation import Snapshot
from cryptomap.ipsec.names import CONTEXTS, QOS, Config, Kind, Named, leaf_at
from cryptomap.schema.nodes import DataNode, ListNode, Schema
from cryptomap_backend.intent import TunnelId

__all__ = ["SYSTEM_DEFAULT", "Touched", "affected_by", "everything", "objects_at", "touched_by"]

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

    def __or__(self, other: Touched) -> Touched:
        return Touched(*(getattr(self, name) | getattr(other, name) for name in _FIELDS))

    def __sub__(self, other: Touched) -> Touched:
        return Touched(*(getattr(self, name) - getattr(other, name) for name in _FIELDS))

    @property
    def is_empty(self) -> bool:
        return not any(getattr(self, name) for name in _FIELDS)


_FIELDS = tuple(item.name for item in fields(Touched))


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


def touched_by(schema: Schema, changes: Iterable[Change], new: Snapshot) -> tuple[Touched, Touched]:
    """The objects that came with the change, and the others that were changed or deleted."""
    created, others = Touched(), Touched()
    for change in changes:
        _along(schema, change, created, others)
        _below(schema, change.path, change.old, others)
        _below(schema, change.path, change.new, others if change.old is not None else created)
        _renumbered(schema, change, new, others)
    return created, others


def everything(schema: Schema, snapshot: Snapshot) -> Touched:
    """All objects of a configuration."""
    touched = Touched()
    _below(schema, (), snapshot.root, touched)
    return touched


def _along(schema: Schema, change: Change, created: Touched, others: Touched) -> None:
    """Add the innermost object the change is in, or of."""
    found = _innermost(schema, change.path)
    if found:
        node, keys = found
        is_new = change.old is None and node is change.path[-1][0]
        _add(created if is_new else others, _nouns(schema)[node], keys)


def _innermost(schema: Schema, path: Path) -> tuple[DataNode, tuple[Key, ...]] | None:
    """The innermost object on a path: its schema node and the keys along it."""
    nouns = _nouns(schema)
    keys: list[Key] = []
    found: tuple[DataNode, tuple[Key, ...]] | None = None
    for node, key in path:
        if key is not None and isinstance(node, ListNode):
            keys.append(key)
        if node in nouns and (key is not None or not isinstance(node, ListNode)):
            found = node, tuple(keys)
    return found


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
    if child not in _above(schema):
        if noun:
            for key, _ in items:
                _add(touched, noun, (*keys, key))
        return
    for key, entry in items:
        here = (*keys, key)
        if noun:
            _add(touched, noun, here)
        _inside(schema, entry, here, touched)


def _add(touched: Touched, noun: str, keys: tuple[Key, ...]) -> None:
    getattr(touched, noun).add(_ITEMS.get(noun, _named)(keys))


def _named(keys: tuple[Key, ...]) -> Named:
    return Named(str(keys[0]), str(keys[1]))


_ITEMS: Mapping[str, Callable[[tuple[Key, ...]], object]] = {
    "bindings": lambda keys: TunnelId(str(keys[0]), str(keys[2]), str(keys[1])),
    "dscps": lambda keys: int(str(keys[0])),
    "tables": lambda keys: str(keys[0]) if keys else SYSTEM_DEFAULT,
    "contexts": lambda keys: str(keys[0]),
}
"""What stands in a set of :class:`Touched` for an object with these keys along its path; most are named."""


def _renumbered(schema: Schema, change: Change, new: Snapshot, touched: Touched) -> None:
    """The place of a binding in its list is part of it: one that comes or goes before others touches those too."""
    if _nouns(schema).get(change.path[-1][0]) != "bindings" or change.path[-1][1] is None:
        return
    context, interface, crypto_map = [str(key) for _, key in change.path if key is not None]
    found = Config(new.root).find(Kind.INTERFACE, Named(context, interface))
    bound = values.keys(found, Kind.MAP) if found else ()
    if bound and bound[-1] != crypto_map:
        touched.bindings |= {TunnelId(context, str(key), interface) for key in bound}


def objects_at(schema: Schema, paths: Iterable[Path]) -> Touched:
    """The innermost object that each instance is in, or is."""
    touched = Touched()
    for path in paths:
        found = _innermost(schema, path)
        if found:
            _add(touched, _nouns(schema)[found[0]], found[1])
    return touched


# ===== what depends on it =====


def affected_by(schema: Schema, created: Touched, others: Touched, new: Snapshot) -> Touched:
    """What is touched, and everything in ``new`` that refers to it, directly or not."""
    found = created | others
    follow = _Follow(schema, new, found)
    for item in others.acls:
        follow.maps(item, "match-address")
    for item in others.ike_sets:
        follow.maps(item, "ikev2/ikev2-ikesa/transform-set")
        follow.templates(item, "ikev2/ikev2-ikesa/transform-set")
    for item in others.ipsec_sets:
        follow.maps(item, "ikev2/payload/transform-set")
        follow.maps(item, "manual/transform-set")
        follow.templates(item, "ikev2/payload/transform-set")
    for item in others.interfaces:
        follow.interface(item)
    for item in found.maps - created.maps:
        follow.map(item)
    for item in found.templates - created.templates:
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
        self._found.maps.update([Named(item.context, name) for name in self._referrers(f"{Kind.MAP}/{path}", item)])

    def templates(self, item: Named, path: str) -> None:
        names = self._referrers(f"{Kind.TEMPLATE}/{path}", item)
        self._found.templates.update([Named(item.context, name) for name in names])

    def interface(self, item: Named) -> None:
        node = self._config.find(Kind.INTERFACE, item)
        bound = values.keys(node, Kind.MAP) if node else ()
        self._found.bindings.update([TunnelId(item.context, str(key), item.name) for key in bound])
        users = self._referrers(f"{Kind.APPLICATION}/interface", item)
        self._found.applications.update([Named(item.context, name) for name in users])

    def map(self, item: Named) -> None:
        bound = self._referrers(f"{BINDING}/name", item)
        self._found.bindings.update([TunnelId(item.context, item.name, interface) for interface in bound])
        for context, name in self._all_referrers(f"{Kind.APPLICATION}/protected-by/crypto-map", item.name):
            node = self._config.find(Kind.APPLICATION, Named(context, name))
            if node is not None and values.explicit(node, "protected-by/context") == item.context:
                self._found.applications.add(Named(context, name))

    def template(self, item: Named) -> None:
        users = self._referrers(f"{Kind.SERVICE}/bind/crypto-template", item)
        self._found.services.update([Named(item.context, name) for name in users])

    def _referrers(self, path: str, item: Named) -> list[str]:
        """The objects of the same context with a leafref at that path that names it."""
        return [name for context, name in self._all_referrers(path, item.name) if context == item.context]

    def _all_referrers(self, path: str, name: str) -> list[tuple[str, str]]:
        """The objects with a leafref at that path to that name, as (context, name)."""
        leaf = leaf_at(self._schema, f"{CONTEXTS}/{path}")
        return [(str(keys[0]), str(keys[1])) for keys in self._snapshot.references.holders(leaf, name)]
