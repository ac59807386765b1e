"""Warnings: what is allowed and odd. None of them ever fails a commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import repeat
from operator import is_not, itemgetter
from typing import TypeAlias

from cryptomap.data import values
from cryptomap.data.tree import Node, Value
from cryptomap.data.values import Route
from cryptomap.errors import OperationFailed, RpcError
from cryptomap.ipsec import marking
from cryptomap.ipsec.coverage import NO_EFFECT, NO_EFFECT_IN_MAP
from cryptomap.ipsec.names import QOS, Kind, Named, where
from cryptomap.ipsec.scope import Scope
from cryptomap.ipsec.touched import SYSTEM_DEFAULT
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf
from cryptomap_backend.intent import Ike

__all__ = ["dot1p_odd", "dscp_anti_replay", "no_effect", "retransmission_budget"]


def dot1p_odd(scope: Scope) -> Iterator[RpcError]:
    """An odd 802.1p value sets DEI (once CFI), for which some switches drop the frame (StarOS, QoS L2 Mapping)."""
    for name in sorted(scope.touched.tables):
        table = marking.table_node(scope.new, name or None)
        for row in values.entries(table, "internal-priority") if table else ():
            dot1p = values.number(row, "dot1p-value")
            if dot1p is not None and dot1p & 1:
                yield _odd(scope, name, row, dot1p)


def _odd(scope: Scope, name: str, row: Node, dot1p: int) -> RpcError:
    key = (int(values.required(row, "cos")), int(values.required(row, "color")))
    leaf = "internal-priority/dot1p-value"
    path = (
        where(scope.schema, f"{QOS}/system-default-l2-mapping-table/{leaf}", key)
        if name == SYSTEM_DEFAULT
        else where(scope.schema, f"{QOS}/l2-mapping-table/{leaf}", name, key)
    )
    return OperationFailed(
        f"802.1p value 0x{dot1p:x} is PCP {dot1p >> 1} with the drop eligible indicator set, and some switches drop "
        f"such frames: use 0x{dot1p - 1:x} unless that is meant",
        app_tag="dot1p-odd",
        path=path,
        severity="warning",
    )


def retransmission_budget(scope: Scope) -> Iterator[RpcError]:
    """Retransmissions that go on beyond the setup timer are never made."""
    maps = [(Kind.MAP, item, scope.after.crypto_map(item)) for item, _ in scope.touched_maps]
    templates = [(Kind.TEMPLATE, item, scope.after.template(item)) for item in sorted(scope.touched.templates)]
    for kind, item, found in (*maps, *templates):
        timer = found.ike.setup_timer if found and found.ike else None
        if found and found.ike and timer is not None and (budget := _budget(found.ike)) > timer:
            yield OperationFailed(
                f"the retransmissions of {item.name} take {budget:g} s, but setup-timer ends the attempt after "
                f"{timer} s: lower max-retransmissions or retransmission-timeout, or raise setup-timer",
                app_tag="retransmission-budget",
                path=scope.at(f"{kind}/ikev2/ikev2-ikesa/setup-timer", *item),
                severity="warning",
            )


def _budget(ike: Ike) -> float:
    """Seconds from the first send until an IKE request is given up."""
    sends, wait = ike.max_retransmissions + 1, ike.retransmission_timeout_ms / 1000
    return wait * (2**sends - 1 if ike.exponential else sends)


def dscp_anti_replay(scope: Scope) -> Iterator[RpcError]:
    """Packets of one SA with several DSCPs overtake each other, and the receiver's anti-replay window drops the late
    ones (IPSec in CUPS, Limitations and Restrictions; RFC 4301 section 4.1)."""
    protectors = _protectors(scope)
    maps = scope.affected_maps
    if not protectors <= scope.affected.maps:
        maps = scope.nodes(Kind.MAP, scope.affected.maps | protectors)
    for item, _ in maps:
        markings = {_outer(scope, application, item): application for application in scope.applications_of(item)}
        if len(markings) > 1:
            shown = ", ".join(f"{application.name} {dscp}" for dscp, application in sorted(markings.items()))
            yield OperationFailed(
                f"the SAs of crypto map {item.name} carry packets of several DSCPs ({shown}): the network may reorder "
                "them and the peer's anti-replay window drop some; protect the applications by maps of their own",
                app_tag="dscp-anti-replay",
                path=scope.at(Kind.MAP, *item),
                severity="warning",
                mentions=[scope.at(Kind.APPLICATION, *application) for application in markings.values()],
            )


def _protectors(scope: Scope) -> set[Named]:
    return {found for item in scope.affected.applications if (found := scope.protector_of(item)) is not None}


def _outer(scope: Scope, application: Named, crypto_map: Named) -> int:
    """The outer DSCP that packets of an application take through a map's first transform set."""
    node = scope.new.find(Kind.APPLICATION, application)
    own = values.number(node, "dscp") if node else None
    found = scope.after.crypto_map(crypto_map)
    proposals = [esp for child in found.children for esp in child.proposals] if found else []
    return own or (proposals[0].dscp or 0 if proposals else 0)


def no_effect(scope: Scope) -> Iterator[RpcError]:
    """A setting that is kept, and shown, but that no backend carries out."""
    templates = scope.nodes(Kind.TEMPLATE, scope.touched.templates)
    for kind, nodes in ((Kind.MAP, scope.touched_maps), (Kind.TEMPLATE, templates)):
        for item, node in nodes:
            for path, reason in _found(_settings(node.schema), node):
                yield _ignored(scope, path, reason, str(kind), item)
            for payload in values.entries(node, "ikev2/payload") if kind is Kind.MAP else ():
                for path, reason in _found(_settings_of_payload(payload.schema), payload):
                    keys = (*item, values.required(payload, "name"))
                    yield _ignored(scope, path, reason, f"{kind}/ikev2/payload", keys)


Setting: TypeAlias = tuple[str, str, Route]
"""(path, why it has no effect, its route)."""


class _Settings:
    """Those that stand in one container of a map, template or payload, so that one look tells that none is set."""

    def __init__(self, schema: InnerNode, parent: str, settings: list[Setting]) -> None:
        self._parent = values.route(schema, parent) if parent else None
        slots = [to.slot for _, _, to in settings]
        self._get = itemgetter(*slots) if len(slots) > 1 else itemgetter(slice(slots[0], slots[0] + 1))
        self._settings = settings

    def set_in(self, node: Node) -> Sequence[tuple[str, str]]:
        """(path, why it has no effect) of each that somebody has set to something."""
        holder = self._parent.value(node) if self._parent else node
        if not isinstance(holder, Node) or not any(map(is_not, self._get(holder.slots), repeat(None))):
            return ()
        return [(path, reason) for path, reason, to in self._settings if _differs(to.child, to.value(node))]


@lru_cache(maxsize=8)
def _settings(schema: InnerNode) -> list[_Settings]:
    return _grouped(schema, NO_EFFECT)


@lru_cache(maxsize=8)
def _settings_of_payload(schema: InnerNode) -> list[_Settings]:
    return _grouped(schema, NO_EFFECT_IN_MAP)


def _grouped(schema: InnerNode, table: Mapping[str, str]) -> list[_Settings]:
    """Maps and templates do not have all of them."""
    groups: dict[str, list[Setting]] = {}
    for path, reason in table.items():
        with suppress(KeyError):
            groups.setdefault(path.rpartition("/")[0], []).append((path, reason, values.route(schema, path)))
    return [_Settings(schema, parent, settings) for parent, settings in groups.items() if settings]


def _found(groups: list[_Settings], node: Node) -> list[tuple[str, str]]:
    return [setting for group in groups for setting in group.set_in(node)]


def _ignored(scope: Scope, path: str, reason: str, base: str, keys: tuple[str, ...]) -> RpcError:
    return OperationFailed(
        f"{path.rpartition('/')[2]} of {keys[-1]} is kept but has no effect: {reason}",
        app_tag="no-effect",
        path=scope.at(f"{base}/{path}", *keys),
        severity="warning",
    )


def _differs(schema: DataNode, value: Value | None) -> bool:
    """Whether something other than the default is set."""
    if isinstance(schema, Leaf):
        return value is not None and value != schema.default
    if isinstance(value, Node):
        return any(_differs(child, value.slots[child.slot]) for child in value.schema.children)
    return value is not None
