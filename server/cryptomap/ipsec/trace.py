"""The way of one packet, without sending it: access list, crypto map, SA, outer DSCP, cos, 802.1p and MPLS marking.

Each step names the configuration node that decided it. The decision itself is the backends' normative one
(:mod:`cryptomap_backend.marking`), so that a trace and the wire cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from cryptomap.data import values
from cryptomap.data.build import Plain
from cryptomap.data.path import text_of
from cryptomap.data.tree import Key, Node
from cryptomap.data.validation.violations import path_at
from cryptomap.ipsec import nouns
from cryptomap.ipsec.marking import ASSOCIATION
from cryptomap.ipsec.names import CONTEXTS, QOS, Config, Kind, Named
from cryptomap.ipsec.read import Reader
from cryptomap.schema.nodes import Schema
from cryptomap_backend.intent import (
    Address,
    Child,
    Initiate,
    Intent,
    Mode,
    PortRange,
    Selector,
    Tunnel,
    TunnelId,
    TunnelKind,
)
from cryptomap_backend.marking import DscpDecision, DscpSource, L2Decision, TableLevel, decide_dscp, decide_l2
from cryptomap_backend.state import ChildSaState, TunnelState, TunnelStatus

__all__ = ["Packet", "Tracer", "packet_of", "selects"]

Observe = Callable[[TunnelId], TunnelState | None]


@dataclass(frozen=True, slots=True)
class Packet:
    """What decides about a packet that leaves a context. ``protocol`` is its number, ``None`` if not known; so are
    ports. ``tos`` is the byte of its own IP header."""

    context: str
    source: Address
    destination: Address
    protocol: int | None
    source_port: int | None
    destination_port: int | None
    tos: int
    vrf: str | None = None


def packet_of(context: str, given: Node) -> Packet:
    """The packet that the input of the action trace-packet describes."""
    source = ip_address(values.required(given, "source-address"))
    return Packet(
        context=context,
        source=source,
        destination=ip_address(values.required(given, "destination-address")),
        protocol=nouns.protocol_number(values.required(given, "protocol"), source.version),
        source_port=values.number(given, "source-port"),
        destination_port=values.number(given, "destination-port"),
        tos=int(values.required(given, "tos")),
        vrf=values.leaf(given, "vrf"),
    )


def selects(selector: Selector, packet: Packet) -> bool:
    """Whether a crypto ACL takes the packet. What is not known of a packet does not match a rule that asks for it."""
    return (
        selector.action == "permit"
        and packet.source in selector.source
        and packet.destination in selector.destination
        and selector.protocol in (None, packet.protocol)
        and _within(selector.source_ports, packet.source_port)
        and _within(selector.destination_ports, packet.destination_port)
    )


def _within(ranges: tuple[PortRange, ...], port: int | None) -> bool:
    return not ranges or (port is not None and any(low <= port <= high for low, high in ranges))


@dataclass(slots=True)
class Trace:
    """What came out so far: leafs of the action's output, and its steps."""

    output: dict[str, object] = field(default_factory=dict)
    steps: list[dict[str, object]] = field(default_factory=list)

    def step(self, name: str, result: str, decided_by: str | None = None) -> None:
        position = len(self.steps) + 1
        self.steps.append({"position": position, "name": name, "result": result, "decided-by": decided_by})

    @property
    def plain(self) -> Plain:
        return {**self.output, "step": self.steps}


@dataclass(frozen=True, slots=True)
class Tracer:
    """Traces packets through one configuration, given what is programmed and what lives."""

    schema: Schema
    reader: Reader
    intent: Intent
    observe: Observe

    def trace(self, packet: Packet) -> Plain:
        """The output of the action trace-packet."""
        trace = Trace()
        tunnel = self._tunnel(packet, trace)
        if tunnel is None:
            self._unprotected(packet, trace)
            dscp, vrf = packet.tos >> 2, packet.vrf
        else:
            dscp, vrf = self._protected(tunnel, packet, trace), packet.vrf or tunnel.vrf
        self._l2(packet.context, vrf, dscp, trace)
        return trace.plain

    # ===== who takes the packet =====

    def _tunnel(self, packet: Packet, trace: Trace) -> Tunnel | None:
        """The tunnel whose access list selects the packet: the lowest preference, then the smallest id."""
        tunnels = self._bound(packet.context)
        found = [tunnel for tunnel in tunnels if tunnel.selector and selects(tunnel.selector, packet)]
        if not found:
            self._nobody(packet, tunnels, trace)
            return None
        tunnel = min(found, key=lambda tunnel: (tunnel.preference, tunnel.id))
        item = Named(tunnel.id.context, tunnel.id.crypto_map)
        others = f"; {len(found) - 1} further maps select it too" if len(found) > 1 else ""
        trace.step("access-list", f"the rule selects the packet{others}", self._acl_path(item))
        trace.step(
            "crypto-map",
            f"crypto map {item.name} on interface {tunnel.id.interface} takes it",
            self._path(f"{Kind.INTERFACE}/{Kind.MAP}", item.context, tunnel.id.interface, item.name),
        )
        return tunnel

    def _bound(self, context: str) -> list[Tunnel]:
        """The tunnels of a context, found by its interfaces."""
        node = self.reader.config.context(context)
        found = []
        for interface in values.entries(node, Kind.INTERFACE) if node else ():
            for name in values.keys(interface, Kind.MAP):
                tunnel = self.intent.tunnels.get(TunnelId(context, str(name), values.required(interface, "name")))
                found += [tunnel] if tunnel else []
        return found

    def _nobody(self, packet: Packet, tunnels: list[Tunnel], trace: Trace) -> None:
        """Why no tunnel takes the packet: nearly as good as an answer."""
        for item, missing in self._idle(packet):
            why = "; ".join(missing)
            reason = f"crypto map {item.name} selects it, but is not in force: {why}"
            trace.output["reason"] = reason
            trace.step("access-list", reason, self._acl_path(item))
            return
        count = len(tunnels)
        reason = (
            f"no access list of the {count} crypto maps in force in context {packet.context} selects it"
            if count
            else f"no crypto map is in force in context {packet.context}"
        )
        trace.output["reason"] = reason
        trace.step("access-list", reason)

    def _idle(self, packet: Packet) -> Iterator[tuple[Named, tuple[str, ...]]]:
        """The maps that would select the packet, if they were complete and bound."""
        node = self.reader.config.context(packet.context)
        for entry in values.entries(node, Kind.MAP) if node else ():
            item = Named(packet.context, values.required(entry, "name"))
            found = self.reader.crypto_map(item)
            if found and found.selector and selects(found.selector, packet):
                yield item, found.missing or ("it is bound to no interface with an address of its family",)

    def _unprotected(self, packet: Packet, trace: Trace) -> None:
        trace.output |= {
            "protected": False,
            "inner-dscp": packet.tos >> 2,
            "outer-dscp": packet.tos >> 2,
            "outer-tos": packet.tos,
        }
        trace.step("outer-dscp", f"the packet keeps its own DSCP {_hex(packet.tos >> 2)}")

    # ===== how it is protected =====

    def _protected(self, tunnel: Tunnel, packet: Packet, trace: Trace) -> int:
        """The SA and the outer DSCP; answers the DSCP on the wire."""
        state = self.observe(tunnel.id)
        sa = _sa(tunnel, state, packet)
        name, sa_dscp = _marking(tunnel, sa, packet)
        trace.output |= {
            "crypto-map": tunnel.id.crypto_map,
            "interface": tunnel.id.interface,
            "transform-set": name,
            "outbound-spi": sa.spi_out if sa else None,
        }
        protected, reason = _prospect(tunnel, state, sa)
        trace.output |= {"protected": protected, "reason": reason}
        trace.step("security-association", reason, self._path(Kind.IPSEC_SET, tunnel.id.context, name or ""))
        decision, why = _decide(tunnel, sa, packet, sa_dscp)
        trace.output |= {"inner-dscp": packet.tos >> 2, "outer-dscp": decision.dscp, "outer-tos": decision.tos}
        trace.step("outer-dscp", why, self._decided_dscp(tunnel, name, decision))
        return decision.dscp

    def _decided_dscp(self, tunnel: Tunnel, name: str | None, decision: DscpDecision) -> str | None:
        if decision.source is not DscpSource.CRYPTO_MAP or name is None:
            return None
        return self._path(f"{Kind.IPSEC_SET}/dscp", tunnel.id.context, name)

    # ===== layer 2 =====

    def _l2(self, context: str, vrf: str | None, dscp: int, trace: Trace) -> None:
        decision = decide_l2(self.intent.l2, dscp, context, vrf)
        trace.output |= {
            "cos": decision.cos,
            "color": decision.color,
            "l2-mapping-table": decision.table,
            "dot1p-value": decision.dot1p,
            "pcp": decision.pcp,
            "dei": bool(decision.dei),
            "mpls-tc": decision.mpls_tc,
        }
        config = self.reader.config
        row = values.entry(config.root, f"{QOS}/ip-dscp-iphb-mapping", dscp)
        mapping = self._at(f"{QOS}/ip-dscp-iphb-mapping", dscp) if row else None
        trace.step("internal-priority", f"DSCP {_hex(dscp)} has internal priority {decision.cos}", mapping)
        trace.step("l2-mapping-table", _chosen(decision), self._association(decision, context, vrf))
        marked = (
            f"802.1p value 0x{decision.dot1p:x} (PCP {decision.pcp}, DEI {decision.dei}), MPLS TC {decision.mpls_tc}"
        )
        trace.step("l2-marking", marked, self._cell(config, decision))

    def _association(self, decision: L2Decision, context: str, vrf: str | None) -> str | None:
        if decision.level is TableLevel.VRF and vrf is not None:
            return self._path(f"{Kind.VRF}/{ASSOCIATION}", context, vrf)
        return self._path(ASSOCIATION, context) if decision.level is TableLevel.CONTEXT else None

    def _cell(self, config: Config, decision: L2Decision) -> str | None:
        """The configured row that decided, ``None`` if it is the default one."""
        key = (decision.cos, decision.color)
        named = values.entry(config.root, f"{QOS}/l2-mapping-table", decision.table)
        table = named or values.container(config.root, f"{QOS}/system-default-l2-mapping-table")
        if table is None or values.entry(table, "internal-priority", key) is None:
            return None
        if named:
            return self._at(f"{QOS}/l2-mapping-table/internal-priority", decision.table, key)
        return self._at(f"{QOS}/system-default-l2-mapping-table/internal-priority", key)

    # ===== paths =====

    def _acl_path(self, item: Named) -> str | None:
        """The rule of the access list that a crypto map matches."""
        node = self.reader.config.find(Kind.MAP, item)
        name = None if node is None else values.leaf(node, "match-address")
        acl = None if name is None else self.reader.config.find(Kind.ACL, Named(item.context, name))
        rule = None if acl is None else next(values.entries(acl, "rule"), None)
        if name is None or rule is None:
            return None
        return self._path(f"{Kind.ACL}/rule", item.context, name, values.required(rule, "name"))

    def _path(self, path: str, *keys: Key) -> str:
        return self._at(f"{CONTEXTS}/{path}", *keys)

    def _at(self, path: str, *keys: Key) -> str:
        return text_of(path_at(self.schema.find(path), keys))


# ===== decisions =====


def _sa(tunnel: Tunnel, state: TunnelState | None, packet: Packet) -> ChildSaState | None:
    """The SA the packet takes: of a payload for its family, if there is one."""
    if state is None:
        return None
    names = {child.name for child in _fitting(tunnel, packet)}
    return next((sa for sa in state.children if sa.name in names), None)


def _fitting(tunnel: Tunnel, packet: Packet) -> tuple[Child, ...]:
    """The payloads for the family of the packet; all of them if none is."""
    return tuple([child for child in tunnel.children if child.family == packet.source.version]) or tunnel.children


def _marking(tunnel: Tunnel, sa: ChildSaState | None, packet: Packet) -> tuple[str | None, int | None]:
    """(transform set, its DSCP in the SA). Without an SA: those of the first proposal for the packet's family."""
    if sa is not None:
        return sa.transform_set, sa.applied_dscp
    proposal = next((item for child in _fitting(tunnel, packet) for item in child.proposals), None)
    return (None, None) if proposal is None else (proposal.name, tunnel.applied_dscp(proposal.name))


def _prospect(tunnel: Tunnel, state: TunnelState | None, sa: ChildSaState | None) -> tuple[bool, str]:
    """Whether the packet leaves protected, and what its SA is."""
    if sa is not None:
        return True, f"{sa.protocol.upper()} SA with SPI {sa.spi_out}, by transform set {sa.transform_set}"
    if state is None:
        return False, "the backend does not answer, so that the state of the tunnel is not known"
    if state.status is TunnelStatus.ERROR:
        return False, f"the tunnel is down, so that the packet is dropped: {state.last_error or 'no reason is known'}"
    if tunnel.remote is None:
        return False, "there is no SA: the peer of a dynamic crypto map has to connect first; the packet is dropped"
    if state.status is TunnelStatus.CONNECTING:
        return True, "there is no SA yet: the tunnel is being negotiated"
    if tunnel.initiate is Initiate.TRAFFIC and tunnel.kind is not TunnelKind.MANUAL:
        return True, "there is no SA yet: this packet starts the negotiation"
    return False, "the tunnel is down, so that the packet is dropped"


def _decide(tunnel: Tunnel, sa: ChildSaState | None, packet: Packet, sa_dscp: int | None) -> tuple[DscpDecision, str]:
    """The outer DSCP and why. Transport mode has no outer header to mark."""
    modes = {sa.mode} if sa else {proposal.mode for proposal in tunnel.proposals}
    if modes == {Mode.TRANSPORT}:
        own = DscpDecision(packet.tos >> 2, packet.tos & 3, DscpSource.APPLICATION)
        return own, f"transport mode has no outer header: the packet keeps its DSCP {_hex(own.dscp)}"
    decision = decide_dscp(packet.tos, sa_dscp)
    shown = _hex(decision.dscp)
    why = {
        DscpSource.APPLICATION: f"the application's own DSCP {shown} is copied",
        DscpSource.CRYPTO_MAP: f"the application sets none, so that the SA's DSCP {shown} counts",
        DscpSource.NONE: "neither the application nor the SA has a DSCP: 0x00",
    }
    return decision, why[decision.source]


def _chosen(decision: L2Decision) -> str:
    by = {
        TableLevel.VRF: "the VRF is associated with it",
        TableLevel.CONTEXT: "the context is associated with it",
        TableLevel.SYSTEM_DEFAULT: "neither VRF nor context is associated with a table",
    }
    return f"table {decision.table}: {by[decision.level]}"


def _hex(dscp: int) -> str:
    return f"0x{dscp:02x}"
