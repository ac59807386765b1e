"""From the kernel's SAs to the state of tunnels. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from cryptomap_backend.intent import Mode, Tunnel
from cryptomap_backend.linux.marks import Marks
from cryptomap_backend.linux.objects import SaKey, SeenSa, Traffic
from cryptomap_backend.linux.settings import Settings
from cryptomap_backend.linux.translate import sa_keys
from cryptomap_backend.state import ChildSaState, Counters, TunnelState, TunnelStatus

__all__ = ["counters_of", "state_of"]


def state_of(tunnel: Tunnel, seen: Mapping[SaKey, SeenSa], settings: Settings, earlier: Counters) -> TunnelState:
    """The state of a tunnel, given the SAs of its namespace (or at least its own)."""
    inbound, outbound = (seen.get(key) for key in sa_keys(tunnel, settings))
    if inbound is None or outbound is None:
        return TunnelState(tunnel.id, TunnelStatus.ERROR, _missing(inbound, outbound), counters=earlier)
    child = _child(tunnel, inbound, outbound, settings.marks)
    applied = ((child.transform_set, child.applied_dscp),)
    return TunnelState(tunnel.id, TunnelStatus.UP, None, None, (child,), earlier + child.counters, applied=applied)


def counters_of(inbound: Traffic, outbound: Traffic) -> Counters:
    """The counters of a pair of SAs."""
    return Counters(
        packets_in=inbound.packets,
        bytes_in=inbound.octets,
        packets_out=outbound.packets,
        bytes_out=outbound.octets,
        replay_failures=inbound.replay_failures,
        integrity_failures=inbound.integrity_failures,
    )


def _child(tunnel: Tunnel, inbound: SeenSa, outbound: SeenSa, marks: Marks) -> ChildSaState:
    (child,) = tunnel.children
    (proposal,) = child.proposals
    in_tunnel = proposal.mode is Mode.TUNNEL
    return ChildSaState(
        name=child.name,
        spi_in=inbound.key.spi,
        spi_out=outbound.key.spi,
        protocol=proposal.protocol,
        mode=proposal.mode,
        transform_set=proposal.name,
        encryption=proposal.encryption,
        integrity=proposal.integrity,
        dh_group=None,
        applied_dscp=marks.dscp(outbound.mark) if in_tunnel else tunnel.applied_dscp(proposal.name),
        established=outbound.traffic.added,
        counters=counters_of(inbound.traffic, outbound.traffic),
    )


def _missing(inbound: SeenSa | None, outbound: SeenSa | None) -> str:
    names = [name for name, sa in (("inbound", inbound), ("outbound", outbound)) if sa is None]
    return f"the {' and the '.join(names)} SA is not in the kernel: somebody removed it"
