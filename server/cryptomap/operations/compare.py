"""compare (RFC 9144): what differs between two datastores, as a YANG patch (RFC 8072) that makes one of the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lxml import etree

from cryptomap.data.build import Plain, build
from cryptomap.data.diff import diff
from cryptomap.data.filter import subtree, xpath_select
from cryptomap.data.tree import AnyValue, Node, Path
from cryptomap.data.view import View, materialize
from cryptomap.data.xml import WriteOptions
from cryptomap.datastore.transaction import Origin
from cryptomap.errors import InvalidValue
from cryptomap.operations.actions import Handler
from cryptomap.operations.nmda import datastore_name, view_of
from cryptomap.operations.patch import Edits
from cryptomap.operations.sift import origin_of, state_hidden
from cryptomap.schema import xpath
from cryptomap.schema.nodes import InnerNode

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
        return build(operation.output, _compare(server, operation.output, given, origin))

    return {_PATH: compare}


def _compare(server: Server, output: InnerNode, given: Node, origin: Origin) -> Plain:
    source, target = (_side(server, given, name, origin) for name in ("source", "target"))
    if source.root is None and target.root is None:
        return {"no-matches": True}
    nothing = Node.empty(server.schema.root)
    edits = Edits(server.schema, COMPARE, {"source-value": source.options, "value": target.options})
    listed = list(edits.of(diff(source.root or nothing, target.root or nothing)))
    if not listed:
        nothing_differs = output.child("differences")
        assert isinstance(nothing_differs, InnerNode)
        return {"differences": Node.empty(nothing_differs)}
    return {"differences": {"yang-patch": {"patch-id": "compare", "edit": listed}}}


@dataclass(frozen=True, slots=True)
class _Side:
    """One datastore, what the filter leaves of it; ``root`` is ``None`` if that is nothing."""

    root: Node | None
    options: WriteOptions


def _side(server: Server, given: Node, leaf: str, asker: Origin) -> _Side:
    name = datastore_name(given, leaf)
    names = {datastore_name(given, "source"), datastore_name(given, "target")}
    reader = server.access.reader(asker.user)
    # State can be in one of them only (section 4.1), unless both are the same one.
    is_config_only = given["all"] is None and names != {_OPERATIONAL}
    hide = state_hidden(reader.hide) if is_config_only else reader.hide
    view = view_of(server, name, reader, hide, defaults=False, session_id=asker.session_id)
    root = _filtered(server, view, given)
    origin = origin_of if name == _OPERATIONAL and given["report-origin"] is not None else None
    return _Side(None if root is None else materialize(root), WriteOptions(hide=hide, origin=origin))


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
    info = (("bad-element", "xpath-filter"),)
    return xpath_select(server.schema, view, expr, budget=server.limits.xpath_nodes, info=info)
