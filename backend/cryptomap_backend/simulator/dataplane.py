"""Packets through the simulated gateway: selector, SA, encapsulation, marking, counters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptomap_backend.intent import Mode, TunnelId
from cryptomap_backend.marking import DscpDecision, DscpSource, L2Decision, decide_dscp, decide_l2
from cryptomap_backend.simulator import ah, esp
from cryptomap_backend.simulator import packet as ip
from cryptomap_backend.simulator.esp import DecapsulationFault, Failure
from cryptomap_backend.simulator.records import ChildSa, TunnelRecord
from cryptomap_backend.simulator.selectors import admits_inbound
from cryptomap_backend.simulator.staging import Staging

if TYPE_CHECKING:
    from cryptomap_backend.simulator.world import World

__all__ = ["Dataplane", "Received", "Sent"]


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a packet that left. ``packet`` is what is on the wire, ``None`` if it was dropped, and then
    ``dropped`` says why. ``tunnel`` is ``None`` for a packet no crypto map selects; it leaves as it came."""

    packet: bytes | None
    dscp: DscpDecision
    l2: L2Decision
    tunnel: TunnelId | None = None
    spi: int | None = None
    dropped: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a packet that arrived: the inner packet, or why it was dropped."""

    packet: bytes | None
    tunnel: TunnelId | None = None
    dropped: str | None = None


class Dataplane:
    """Works on the world under the world's lock."""

    def __init__(self, world: World) -> None:
        self._world = world

    def send(self, context: str, packet: bytes, vrf: str | None, color: int) -> Sent:
        facts = ip.read(packet)
        tunnel = self._world.index.find(context, facts)
        if tunnel is None:
            dscp = DscpDecision(facts.tos >> 2, facts.tos & 0b11, _own_source(facts.tos))
            return Sent(packet, dscp, decide_l2(self._world.l2, dscp.dscp, context, vrf, color))
        record = self._ready(tunnel.id)
        child = _for_family(record, facts.version)
        if child is None:
            why = f"no payload is for IPv{facts.version}" if record.is_up else None
            return self._dropped(record, facts.tos, color, why)
        try:
            outer = self._seal(record, child, packet)
        except Failure as fault:
            return self._dropped(record, facts.tos, color, str(fault))
        _count(record, child, "out", len(packet))
        dscp = _decision(child, facts.tos)
        l2 = decide_l2(self._world.l2, dscp.dscp, context, record.tunnel.vrf, color)
        return Sent(outer, dscp, l2, tunnel.id, child.spi_out)

    def receive(self, context: str, packet: bytes) -> Received:
        facts = ip.read(packet)
        found = self._inbound(context, packet, facts)
        if found is None:
            return Received(None, None, "no SA has this SPI")
        record, child = found
        try:
            inner = self._open(record, child, packet, "in")
            _check_selector(record, child, inner)
        except DecapsulationFault as fault:
            for traffic in (record.traffic, child.traffic):
                traffic.count(fault.counter)
            return Received(None, record.tunnel.id, str(fault))
        _count(record, child, "in", len(inner))
        return Received(inner, record.tunnel.id)

    def peer_seal(self, tunnel: TunnelId, packet: bytes) -> bytes:
        record = self._world.tunnels[tunnel]
        child = record.children[0]
        assert record.remote is not None
        sa = self._world.negotiator.sa(child, "peer-out", record.tunnel, record.remote)
        if sa.protocol == ip.AH:
            return ah.encapsulate(sa, packet)
        return esp.encapsulate(sa, packet, self._world.negotiator.random_bytes)

    def peer_open(self, tunnel: TunnelId, packet: bytes) -> bytes:
        record, facts = self._world.tunnels[tunnel], ip.read(packet)
        spi = _spi(packet, facts)
        child = next((child for child in record.receiving if child.spi_out == spi), None)
        if child is None:
            raise DecapsulationFault("decapsulation_failures", "no SA has this SPI")
        return self._open(record, child, packet, "peer-in")

    def _ready(self, tunnel: TunnelId) -> TunnelRecord:
        """The tunnel's record, negotiated now if it is not up and not being negotiated."""
        record = self._world.tunnels[tunnel]
        if not record.is_up and record.deadline is None and record.remote is not None:
            staging = Staging(self._world, self._world.now())
            staging.connect(record)
            staging.commit()
        return self._world.tunnels[tunnel]

    def _dropped(self, record: TunnelRecord, tos: int, color: int, why: str | None = None) -> Sent:
        record.traffic.count("dropped_out")
        why = why or record.last_error or f"the tunnel is {record.status}"
        tunnel = record.tunnel
        dscp = decide_dscp(tos, None)
        l2 = decide_l2(self._world.l2, dscp.dscp, tunnel.id.context, tunnel.vrf, color)
        return Sent(None, dscp, l2, tunnel.id, None, why)

    def _seal(self, record: TunnelRecord, child: ChildSa, packet: bytes) -> bytes:
        negotiator, tunnel = self._world.negotiator, record.tunnel
        assert record.remote is not None
        sa = negotiator.sa(child, "out", tunnel, record.remote)
        if sa.protocol == ip.AH:
            return ah.encapsulate(sa, packet, child.dscp, tunnel.df_bit)
        return esp.encapsulate(sa, packet, negotiator.random_bytes, child.dscp, tunnel.df_bit)

    def _open(self, record: TunnelRecord, child: ChildSa, packet: bytes, direction: str) -> bytes:
        assert record.remote is not None
        sa = self._world.negotiator.sa(child, direction, record.tunnel, record.remote)
        return ah.decapsulate(sa, packet) if sa.protocol == ip.AH else esp.decapsulate(sa, packet)

    def _inbound(self, context: str, packet: bytes, facts: ip.Facts) -> tuple[TunnelRecord, ChildSa] | None:
        spi = _spi(packet, facts)
        for tunnel in self._world.by_spi.get(spi, ()):
            record = self._world.tunnels[tunnel]
            if (tunnel.context, record.tunnel.local) == (context, facts.destination):
                return record, next(child for child in record.receiving if child.spi_in == spi)
        return None


def _spi(packet: bytes, facts: ip.Facts) -> int:
    """The SPI of an ESP or AH packet, 0 (which no SA has) of any other."""
    if facts.protocol not in (ip.ESP, ip.AH):
        return 0
    at = facts.offset + (0 if facts.protocol == ip.ESP else 4)
    return int.from_bytes(packet[at : at + 4], "big")


def _check_selector(record: TunnelRecord, child: ChildSa, inner: bytes) -> None:
    """What comes out of an SA must be what its selector lets in (RFC 4301 section 5.2)."""
    selector = record.tunnel.selector
    if selector is not None and not admits_inbound(selector, ip.read(inner)):
        raise DecapsulationFault("decapsulation_failures", "the inner packet is not what the tunnel protects")


def _for_family(record: TunnelRecord, version: int) -> ChildSa | None:
    return next((child for child in record.children if child.child.family == version), None)


def _decision(child: ChildSa, tos: int) -> DscpDecision:
    """In transport mode there is one header only, and it keeps its ToS."""
    if child.proposal.mode is Mode.TRANSPORT:
        return DscpDecision(tos >> 2, tos & 0b11, _own_source(tos))
    return decide_dscp(tos, child.dscp)


def _own_source(tos: int) -> DscpSource:
    return DscpSource.APPLICATION if tos >> 2 else DscpSource.NONE


def _count(record: TunnelRecord, child: ChildSa, direction: str, size: int) -> None:
    for traffic in (record.traffic, child.traffic):
        traffic.count(f"packets_{direction}")
        traffic.count(f"bytes_{direction}", size)
