"""The QoS maps of a configuration as the backend's L2 marking, and as the tables operators see, defaults filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cryptomap.data import values
from cryptomap.data.tree import Node
from cryptomap.ipsec.names import QOS, Config, Kind
from cryptomap.ipsec.touched import SYSTEM_DEFAULT, Touched
from cryptomap_backend.intent import DscpToCos, L2Marking, L2Table
from cryptomap_backend.marking import SYSTEM_DEFAULT as SYSTEM_DEFAULT_NAME

__all__ = ["ASSOCIATION", "dscp_rows", "is_touched", "read", "table_in_use", "table_node", "table_rows", "updated"]

ASSOCIATION = "cryptomap-qos:associate-l2-mapping-table"
Rows = Mapping[tuple[int, int], tuple[int | None, int | None]]


def read(config: Config) -> L2Marking:
    """All QoS maps of a configuration."""
    tables = {values.required(node, "name"): _table(node) for node in values.entries(config.root, _TABLES)}
    contexts: dict[str, str | None] = {}
    vrfs: dict[tuple[str, str], str | None] = {}
    for context in config.contexts():
        name = values.required(context, "name")
        _associate(contexts, name, context)
        for vrf in values.entries(context, Kind.VRF):
            _associate(vrfs, (name, values.required(vrf, "name")), vrf)
    return L2Marking(_dscp_to_cos(config), _table(table_node(config, None)), tables, contexts, vrfs)


def is_touched(touched: Touched) -> bool:
    """Whether a change can be a QoS matter at all."""
    return bool(touched.dscps or touched.tables or touched.contexts or touched.vrfs)


def updated(old: L2Marking, config: Config, touched: Touched) -> L2Marking:
    """The QoS maps after a change that touched these objects; ``old`` itself if none of them is a QoS matter."""
    if not is_touched(touched):
        return old
    tables, contexts, vrfs = dict(old.tables), dict(old.contexts), dict(old.vrfs)
    for name in touched.tables - {SYSTEM_DEFAULT}:
        table = table_node(config, name)
        _set(tables, name, table is not None, _table(table))
    for name in touched.contexts:
        _associate(contexts, name, config.context(name))
    for item in touched.vrfs:
        _associate(vrfs, (item.context, item.name), config.find(Kind.VRF, item))
    return L2Marking(
        _dscp_to_cos(config) if touched.dscps else old.dscp_to_cos,
        _table(table_node(config, None)) if SYSTEM_DEFAULT in touched.tables else old.system_default,
        tables,
        contexts,
        vrfs,
    )


_TABLES = f"{QOS}/l2-mapping-table"
_MAPPING = f"{QOS}/ip-dscp-iphb-mapping"


def table_node(config: Config, name: str | None) -> Node | None:
    """The node of a named table; ``None`` names system-default. ``None`` if nothing is configured there."""
    if name is None:
        return values.container(config.root, f"{QOS}/system-default-l2-mapping-table")
    return values.entry(config.root, _TABLES, name)


def _table(node: Node | None) -> L2Table:
    return L2Table.of({} if node is None else _rows(node))


def _rows(table: Node) -> Rows:
    return {
        (int(values.required(row, "cos")), int(values.required(row, "color"))): (
            values.number(row, "dot1p-value"),
            values.number(row, "mpls-tc"),
        )
        for row in values.entries(table, "internal-priority")
    }


def _dscp_to_cos(config: Config) -> DscpToCos:
    cells = [0] * 64
    for row in values.entries(config.root, _MAPPING):
        cells[int(values.required(row, "dscp"))] = int(values.required(row, "cos"))
    return tuple(cells)


def _associate(found: dict[Any, str | None], key: object, node: Node | None) -> None:
    """Note the association of a context or VRF: a name, ``None`` for an explicit system-default, or no entry."""
    name = None if node is None else values.leaf(node, f"{ASSOCIATION}/name")
    is_default = node is not None and values.is_set(node, f"{ASSOCIATION}/system-default")
    _set(found, key, name is not None or is_default, name)


def _set(found: dict[Any, Any], key: object, is_there: bool, value: object) -> None:
    if is_there:
        found[key] = value
    else:
        found.pop(key, None)


# ===== what operators see =====


def dscp_rows(config: Config) -> Iterator[dict[str, object]]:
    """The 64 rows of the DSCP mapping."""
    cells = _dscp_to_cos(config)
    configured = set(values.keys(config.root, _MAPPING))
    for dscp, cos in enumerate(cells):
        yield {"dscp": dscp, "cos": cos, "configured": dscp in configured}


def table_rows(table: Node | None) -> Iterator[dict[str, object]]:
    """The 32 rows of an L2 table, cos by cos and color by color."""
    cells = _table(table).cells
    configured = set() if table is None else set(_rows(table))
    for position, (dot1p, mpls_tc) in enumerate(cells):
        cos, color = divmod(position, 4)
        yield {
            "cos": cos,
            "color": color,
            "dot1p-value": dot1p,
            "pcp": dot1p >> 1,
            "dei": bool(dot1p & 1),
            "mpls-tc": mpls_tc,
            "configured": (cos, color) in configured,
        }


def table_in_use(config: Config, context: str, vrf: str | None) -> str:
    """The name of the table that marks what leaves a context, or one of its VRFs."""
    nodes = [config.context(context)]
    if nodes[0] is not None and vrf is not None:
        nodes.insert(0, values.entry(nodes[0], Kind.VRF, vrf))
    for node in nodes:
        if node is None:
            continue
        name = values.leaf(node, f"{ASSOCIATION}/name")
        if name is not None:
            return name
        if values.is_set(node, f"{ASSOCIATION}/system-default"):
            break
    return SYSTEM_DEFAULT_NAME
