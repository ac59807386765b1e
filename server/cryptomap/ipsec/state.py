"""Operational state by schema path: one provider a node, each answering for one instance at the cost of one.

What follows from the configuration comes from the running snapshot, what is programmed from the intent, what lives from
the backend. A backend that does not answer costs its part only: the status is ``unknown`` then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from cryptomap.data import values
from cryptomap.data.build import Plain, build
from cryptomap.data.tree import Node, Path, Value
from cryptomap.data.validation import Snapshot
from cryptomap.data.view import Provider
from cryptomap.datastore.transaction import FactKey
from cryptomap.ipsec import marking, nouns, state_maps, state_tunnels
from cryptomap.ipsec.keywords import identity
from cryptomap.ipsec.names import CONTEXTS, QOS, Config, Kind, Named, leaf_at
from cryptomap.ipsec.observer import Observer
from cryptomap.ipsec.read import local_gateway
from cryptomap.ipsec.rule_text import rule_text
from cryptomap.ipsec.scope import Scopes
from cryptomap.ipsec.totals import Totals
from cryptomap.schema.nodes import InnerNode, Schema
from cryptomap_backend.contract import BackendError
from cryptomap_backend.intent import Intent, ResponderId, Tunnel, TunnelId

__all__ = ["State"]

ASSOCIATION = marking.ASSOCIATION


@dataclass(frozen=True, slots=True)
class State:
    """The providers of this room. ``running``, ``intent`` and ``facts`` give what holds now."""

    schema: Schema
    scopes: Scopes
    observer: Observer
    totals: Totals
    running: Callable[[], Snapshot]
    intent: Callable[[], Intent]
    facts: Callable[[], Mapping[FactKey, str]]
    time: Callable[[], float]
    last_change: Callable[[TunnelId], float | None]

    def providers(self) -> dict[str, Provider]:
        """Schema path -> provider."""
        contexts = {
            f"{Kind.ACL}/rule/text": self.rule_text,
            f"{Kind.IPSEC_SET}/hmac-in-use": self.hmac_in_use,
            f"{Kind.MAP}/state": self.crypto_map,
            f"{Kind.INTERFACE}/{Kind.MAP}/state": self.tunnel,
            f"{Kind.TEMPLATE}/state": self.template,
            f"{Kind.SERVICE}/state": self.service,
            f"{Kind.APPLICATION}/state": self.application,
            f"{ASSOCIATION}/table-in-use": self.table_of_context,
            f"{Kind.VRF}/{ASSOCIATION}/table-in-use": self.table_of_vrf,
        }
        qos = {
            "state": self.dscp_mapping,
            "l2-mapping-table/state": self.l2_table,
            "system-default-l2-mapping-table/state": self.l2_table,
        }
        found = {f"{CONTEXTS}/{path}": provider for path, provider in contexts.items()}
        found |= {f"{QOS}/{path}": provider for path, provider in qos.items()}
        return {self.schema.find(path).path: provider for path, provider in found.items()}

    # ===== crypto maps and tunnels =====

    def crypto_map(self, path: Path) -> Value | None:
        """What "show crypto map tag" prints (IPSec in CUPS, Show Commands and Outputs)."""
        item = Named(*_keys(path))
        snapshot = self.running()
        reader = self.scopes.reader(snapshot)
        node, found = reader.config.find(Kind.MAP, item), reader.crypto_map(item)
        if node is None or found is None:
            return None
        bound = [TunnelId(item.context, item.name, name) for name in self._interfaces(snapshot, item)]
        manager = next((state.manager for state in map(self.observer.tunnel_or_none, bound[:1]) if state), None)
        content = state_maps.crypto_map(node, found, manager, reader.config, item)
        pending = self.intent().tunnels
        return self._build(
            path,
            {**content, "interface": [_bound(reader.config, found.family, key, pending.get(key)) for key in bound]},
        )

    def tunnel(self, path: Path) -> Value | None:
        """A crypto map on an interface: status, what is applied, its SAs."""
        context, interface, crypto_map = _keys(path)
        item = TunnelId(context, crypto_map, interface)
        tunnel = self.intent().tunnels.get(item)
        if tunnel is None:
            missing = self.scopes.reader(self.running()).why_incomplete(item)
            return self._build(path, {"status": "incomplete", "last-error": "; ".join(missing) or None})
        record = state_tunnels.Seen(tunnel, self.facts(), self.time(), self.last_change(item))
        try:
            return self._build(path, state_tunnels.tunnel(record, self.observer.tunnel(item), self.totals))
        except BackendError as fault:
            return self._build(path, state_tunnels.unknown(record, str(fault)))

    # ===== templates, services, applications =====

    def template(self, path: Path) -> Value | None:
        item = Named(*_keys(path))
        snapshot = self.running()
        found = self.scopes.reader(snapshot).template(item)
        if found is None:
            return None
        services = self._referrers(snapshot, f"{Kind.SERVICE}/bind/crypto-template", item)
        return self._build(
            path,
            {
                "status": "incomplete" if found.missing else "complete",
                "incomplete-reason": found.missing,
                "service": services,
            },
        )

    def service(self, path: Path) -> Value | None:
        item = Named(*_keys(path))
        found = self.scopes.reader(self.running()).service(item)
        if found is None:
            return None
        reason = "; ".join(found.missing) or self._why_deaf(ResponderId(*item))
        return self._build(path, {"oper-state": "not-functional" if reason else "functional", "reason": reason})

    def _why_deaf(self, item: ResponderId) -> str | None:
        """Why a complete service does not answer, ``None`` if it does."""
        try:
            state = self.observer.responder(item)
        except BackendError as fault:
            return str(fault)
        if state is None:
            return "the backend does not know the service"
        return None if state.listening else state.last_error or "the backend does not listen for it"

    def application(self, path: Path) -> Value | None:
        item = Named(*_keys(path))
        snapshot = self.running()
        found = state_tunnels.application(Config(snapshot.root), item, self._tunnels_of, self.observer.tunnel_or_none)
        return None if found is None else self._build(path, found)

    def _tunnels_of(self, crypto_map: Named) -> Iterator[Tunnel]:
        """The tunnels of a crypto map in the intent."""
        tunnels = self.intent().tunnels
        for interface in self._interfaces(self.running(), crypto_map):
            tunnel = tunnels.get(TunnelId(crypto_map.context, crypto_map.name, interface))
            if tunnel is not None:
                yield tunnel

    # ===== single leafs =====

    def rule_text(self, path: Path) -> Value | None:
        context, acl, rule = _keys(path)
        node = Config(self.running().root).find(Kind.ACL, Named(context, acl))
        entry = None if node is None else values.entry(node, "rule", rule)
        return None if entry is None else rule_text(entry)

    def hmac_in_use(self, path: Path) -> Value | None:
        node = Config(self.running().root).find(Kind.IPSEC_SET, Named(*_keys(path)))
        return None if node is None else identity(nouns.hmac_in_use(node))

    # ===== QoS =====

    def dscp_mapping(self, path: Path) -> Value | None:
        """The 64 rows of "show qos ip-dscp-iphb-mapping"."""
        rows = marking.dscp_rows(Config(self.running().root))
        return self._build(path, {"ip-dscp-iphb-mapping": rows})

    def l2_table(self, path: Path) -> Value | None:
        """The 32 rows of "show qos l2-mapping-table"."""
        keys = _keys(path)
        table = marking.table_node(Config(self.running().root), keys[0] if keys else None)
        if keys and table is None:
            return None
        return self._build(path, {"internal-priority": marking.table_rows(table)})

    def table_of_context(self, path: Path) -> Value | None:
        return marking.table_in_use(Config(self.running().root), _keys(path)[0], None)

    def table_of_vrf(self, path: Path) -> Value | None:
        context, vrf = _keys(path)
        return marking.table_in_use(Config(self.running().root), context, vrf)

    # ===== helpers =====

    def _build(self, path: Path, content: Plain) -> Node:
        schema = path[-1][0]
        assert isinstance(schema, InnerNode)
        return build(schema, content)

    def _interfaces(self, snapshot: Snapshot, crypto_map: Named) -> list[str]:
        return self._referrers(snapshot, f"{Kind.INTERFACE}/{Kind.MAP}/name", crypto_map)

    def _referrers(self, snapshot: Snapshot, path: str, item: Named) -> list[str]:
        """The names of the objects, in the context of the item, whose leafref at that path names it."""
        paths = snapshot.referrers(leaf_at(self.schema, f"{CONTEXTS}/{path}"), item.name)
        return [str(found[2][1]) for found in paths if found[1][1] == item.context]


def _keys(path: Path) -> list[str]:
    return [str(key) for _, key in path if key is not None]


def _bound(config: Config, family: int | None, item: TunnelId, tunnel: Tunnel | None) -> Plain:
    """An interface of a crypto map."""
    interface = config.find(Kind.INTERFACE, Named(item.context, item.interface))
    return {
        "name": item.interface,
        "local-gateway": None if interface is None else local_gateway(interface, family),
        "reapply-pending": tunnel is not None and tunnel.reapply_pending,
    }
