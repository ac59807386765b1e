"""compare (RFC 9144): what differs between two datastores, as a YANG patch (RFC 8072) that makes one of the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from lxml import etree

from cryptomap.data.diff import Change, diff, entry_moves, value_moves
from cryptomap.data.filter import subtree, xpath_select
from cryptomap.data.tree import AnyValue, Key, KeylessEntries, Node, Path, UserEntries, Value, entries_of, key_text
from cryptomap.data.view import View, materialize
from cryptomap.data.xml import WriteOptions, write
from cryptomap.datastore.transaction import Origin
from cryptomap.errors import InvalidValue, OperationNotSupported
from cryptomap.operations.actions import Handler
from cryptomap.operations.build import Plain, build
from cryptomap.operations.nmda import datastore_name, view_of
from cryptomap.operations.sift import state_hidden
from cryptomap.schema import xpath
from cryptomap.schema.nodes import DataNode, LeafList, ListNode, Schema

if TYPE_CHECKING:
    from cryptomap.operations.server import Server

__all__ = ["COMPARE", "handlers"]

COMPARE: Final = "urn:ietf:params:xml:ns:yang:ietf-nmda-compare"
_PATH: Final = "/ietf-nmda-compare:compare"
_OPERATIONAL: Final = "operational"


def handlers(server: Server) -> Mapping[str, Handler]:
    """The operation by its schema path; empty if the module is not there."""
    operation = server.schema.operations.get(f"{{{COMPARE}}}compare")
    if operation is None:
        return {}

    def compare(path: Path, given: Node, origin: Origin) -> Node:
        """On a thread of its own: large datastores take a while."""
        return build(operation.output, _compare(server, given, origin.user))

    return {_PATH: compare}


def _compare(server: Server, given: Node, user: str) -> Plain:
    if given["report-origin"] is not None:
        info = [("bad-element", "report-origin")]
        raise OperationNotSupported("differences are told without origins: get-data has them", info=info)
    source, target = (_side(server, given, name, user) for name in ("source", "target"))
    if source.root is None and target.root is None:
        return {"no-matches": True}
    nothing = Node.empty(server.schema.root)
    edits = _Edits(server.schema, source.options, target.options)
    listed = list(edits.of(diff(source.root or nothing, target.root or nothing)))
    return {"differences": {"yang-patch": {"patch-id": "compare", "edit": listed}} if listed else {}}


@dataclass(frozen=True, slots=True)
class _Side:
    """One datastore, what the filter leaves of it; ``root`` is ``None`` if that is nothing."""

    root: Node | None
    options: WriteOptions


def _side(server: Server, given: Node, leaf: str, user: str) -> _Side:
    name = datastore_name(given, leaf)
    names = {datastore_name(given, "source"), datastore_name(given, "target")}
    reader = server.access.reader(user)
    # State can be in one of them only (section 4.1), unless both are the same one.
    is_config_only = given["all"] is None and names != {_OPERATIONAL}
    hide = state_hidden(reader.hide) if is_config_only else reader.hide
    view = view_of(server, name, reader, hide, defaults=False)
    root = _filtered(server, view, given)
    return _Side(None if root is None else materialize(root), WriteOptions(hide=hide))


def _filtered(server: Server, view: View, given: Node) -> Node | None:
    wanted, text = given["subtree-filter"], given.text("xpath-filter")
    if isinstance(wanted, AnyValue):
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        return subtree(server.schema, view, etree.fromstring(wanted.xml, parser))
    if text is None:
        return view.materialize()
    try:
        expr = xpath.parse(text, {name: name for name in server.schema.namespace_of_module}, None)
    except xpath.XPathFault as fault:
        raise InvalidValue(f"xpath-filter: {fault}", info=[("bad-element", "xpath-filter")]) from fault
    return xpath_select(server.schema, view, expr, budget=server.limits.xpath_nodes)


# ===== changes as the edits of a patch =====


class _Edits:
    def __init__(self, schema: Schema, source: WriteOptions, target: WriteOptions) -> None:
        self._schema = schema
        self._options = {"source-value": source, "value": target}
        self._ids = itertools.count(1)

    def of(self, changes: Iterable[Change]) -> Iterator[Plain]:
        for change in changes:
            path, old, new = change.path, change.old, change.new
            node, key = path[-1]
            if isinstance(node, ListNode) and key is None:
                yield from self._entries(path, old, new)
            elif isinstance(node, LeafList):
                yield from self._values(path, _items(old), _items(new))
            elif old is None and new is not None:
                yield self._edit("create", path, value=new)
            elif new is None and old is not None:
                yield self._edit("delete", path, source_value=old)
            elif old is not None and new is not None:
                yield self._edit("replace", path, value=new, source_value=old)

    def _entries(self, path: Path, old: Value | None, new: Value | None) -> Iterator[Plain]:
        node = path[-1][0]
        if isinstance(old, UserEntries) and isinstance(new, UserEntries):
            for key, before in entry_moves(old, new):
                yield self._placed("move", path, node, key, before)
        elif isinstance(old, KeylessEntries) or isinstance(new, KeylessEntries):
            yield self._edit("replace", path, value=new, source_value=old)

    def _values(self, path: Path, old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[Plain]:
        node = path[-1][0]
        assert isinstance(node, LeafList)
        for value in old:
            if value not in new:
                yield self._edit("delete", (*path[:-1], (node, value)), source_value=(value,))
        if node.user_ordered:
            for value, before in value_moves(old, new):
                yield self._placed("move" if value in old else "insert", path, node, value, before)
            return
        for value in new:
            if value not in old:
                yield self._edit("create", (*path[:-1], (node, value)), value=(value,))

    def _placed(self, operation: str, path: Path, node: DataNode, key: Key, before: Key | None) -> Plain:
        there = (*path[:-1], (node, key))
        edit = self._edit(operation, there, value=(str(key),) if operation == "insert" else None)
        if before is None:
            return {**edit, "where": "first"}
        return {**edit, "where": "after", "point": _target((*path[:-1], (node, before)))}

    def _edit(
        self, operation: str, path: Path, *, value: Value | None = None, source_value: Value | None = None
    ) -> dict[str, Any]:
        edit: dict[str, Any] = {"edit-id": str(next(self._ids)), "operation": operation, "target": _target(path)}
        for name, shown in (("value", value), ("source-value", source_value)):
            if shown is not None:
                edit[name] = self._instance(name, path[-1][0], path[-1][1], shown)
        return edit

    def _instance(self, name: str, node: DataNode, key: Key | None, value: Value) -> AnyValue:
        """The anydata with the instance in it."""
        parent = node.parent
        assert parent is not None
        held = value
        if isinstance(node, ListNode) and isinstance(value, Node):
            entries = entries_of(node, {key: value}) if node.keys and key is not None else KeylessEntries((value,))
            assert entries is not None
            held = entries
        content = write(self._schema, Node.empty(parent).with_slot(node.slot, held), self._options[name])
        return AnyValue(b'<%b xmlns="%b">%b</%b>' % (name.encode(), COMPARE.encode(), b"".join(content), name.encode()))


def _items(value: Value | None) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _target(path: Path) -> str:
    """A data resource identifier (RFC 8040 section 3.5.3)."""
    text, module = "", ""
    for node, key in path:
        text += f"/{node.name}" if node.module == module else f"/{node.module}:{node.name}"
        module = node.module
        if key is not None and (isinstance(node, LeafList) or (isinstance(node, ListNode) and node.keys)):
            text += "=" + ",".join([quote(part, safe="") for part in key_text(key)])
    return text
