"""The state of tunnels and of the applications they protect, in the words of RFC 9061 and OpenConfig."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cryptomap.data import values
from cryptomap.data.build import Plain, date_and_time
from cryptomap.data.tree import Node
from cryptomap.datastore.transaction import FactKey
from cryptomap.ipsec import reapply
from cryptomap.ipsec.keywords import identity
from cryptomap.ipsec.names import Config, Kind, Named
from cryptomap.ipsec.neighbours import application_address
from cryptomap.ipsec.scope import protector
from cryptomap.ipsec.totals import Totals
from cryptomap_backend.intent import Initiate, Tunnel, TunnelId
from cryptomap_backend.marking import decide_dscp
from cryptomap_backend.state import ChildSaState, Counters, IkeSaState, Role, TunnelState, TunnelStatus

__all__ = ["Seen", "application", "status_of", "tunnel", "unknown"]

STATUS = {TunnelStatus.UP: "up", TunnelStatus.CONNECTING: "negotiating", TunnelStatus.ERROR: "down"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A tunnel of the intent at ``now``, with the durable facts. Times are seconds since the epoch."""

    tunnel: Tunnel
    facts: Mapping[FactKey, str]
    now: float
    last_change: float | None


def tunnel(seen: Seen, state: TunnelState | None, totals: Totals) -> Plain:
    """A tunnel as the backend shows it; ``None`` if it does not know of it yet."""
    found = dict(_programmed(seen))
    if state is None:
        return {**found, "status": "unknown", "last-error": "the backend does not know the tunnel yet"}
    carried, rekeys = totals.of(state)
    nat = state.ike is not None and (state.ike.nat_local or state.ike.nat_remote)
    return {
        **found,
        "status": status_of(seen.tunnel, state),
        "last-error": state.last_error,
        "remote-gateway": found["remote-gateway"] or (state.ike.remote if state.ike else None),
        "ike-sa": [_ike_sa(seen, state.ike)] if state.ike else [],
        "child-sa": [_child_sa(seen, child, nat) for child in state.children],
        "statistics": {**_counters(carried), "rekeys": rekeys},
    }


def unknown(seen: Seen, reason: str) -> Plain:
    """A tunnel of a backend that does not answer."""
    return {**_programmed(seen), "status": "unknown", "last-error": reason}


def _programmed(seen: Seen) -> Plain:
    """What is known without the backend."""
    record = reapply.lookup(seen.facts, seen.tunnel.id)
    configured = dict(seen.tunnel.configured)
    applied = dict(seen.tunnel.applied)
    return {
        "last-change": date_and_time(seen.last_change),
        "local-gateway": seen.tunnel.local,
        "remote-gateway": seen.tunnel.remote,
        "reapply-pending": seen.tunnel.reapply_pending,
        "applied-at": date_and_time(record.at if record else None),
        "applied": [
            {"transform-set": name, "applied-dscp": applied.get(name), "configured-dscp": configured.get(name)}
            for name in {**applied, **configured}
        ],
    }


def status_of(found: Tunnel, state: TunnelState) -> str:
    """The value of the leaf status."""
    waits = found.initiate is Initiate.TRAFFIC and state.last_error is None
    return STATUS.get(state.status, "waiting" if waits else "down")


def _ike_sa(seen: Seen, ike: IkeSaState) -> Plain:
    return {
        "initiator-spi": ike.initiator_spi,
        "responder-spi": ike.responder_spi,
        "initiator": ike.role is Role.INITIATOR,
        "nat-local": ike.nat_local,
        "nat-remote": ike.nat_remote,
        "established": date_and_time(ike.established),
        "rekey-time": _left(seen, ike.next_rekey),
        "encryption": identity(ike.encryption),
        "hmac": identity(ike.integrity),
        "prf": identity(ike.prf),
        "group": ike.dh_group,
        "dscp": seen.tunnel.ike.dscp if seen.tunnel.ike else None,
    }


def _child_sa(seen: Seen, child: ChildSaState, nat: bool) -> Plain:
    return {
        "inbound-spi": child.spi_in,
        "outbound-spi": child.spi_out,
        "payload": child.name or None,
        "transform-set": child.transform_set,
        "applied-dscp": child.applied_dscp,
        "protocol": child.protocol,
        "mode": child.mode.value,
        "encryption": None if child.protocol == "ah" else identity(child.encryption),
        "hmac": identity(child.integrity),
        "group": child.dh_group or "none",
        "esn": child.esn,
        "encapsulation": "udp" if nat else "none",
        "established": date_and_time(child.established),
        "rekey-time": _left(seen, child.next_rekey),
        **_counters(child.counters),
    }


def _left(seen: Seen, at: float | None) -> int | None:
    """Whole seconds until then."""
    return None if at is None else max(0, round(at - seen.now))


def _counters(counters: Counters) -> Plain:
    return {
        "input-packets": counters.packets_in,
        "input-bytes": counters.bytes_in,
        "output-packets": counters.packets_out,
        "output-bytes": counters.bytes_out,
        "replay-failures": counters.replay_failures,
        "integrity-failures": counters.integrity_failures,
        "encryption-failures": counters.decapsulation_failures + counters.dropped_out,
    }


# ===== applications =====


def application(
    config: Config,
    item: Named,
    tunnels_of: Callable[[Named], Iterable[Tunnel]],
    observe: Callable[[TunnelId], TunnelState | None],
) -> Plain | None:
    """Whether the traffic of an application is protected, and how it is marked."""
    context, node = config.context(item.context), config.find(Kind.APPLICATION, item)
    if context is None or node is None:
        return None
    crypto_map = protector(node)
    tunnels = list(tunnels_of(crypto_map)) if crypto_map else []
    states = [observe(found.id) for found in tunnels]
    return {
        "protection": _protection(crypto_map, states),
        "local-address": application_address(context, node),
        **_marking(node, tunnels, states),
    }


def _protection(crypto_map: Named | None, states: list[TunnelState | None]) -> str:
    if crypto_map is None:
        return "none"
    if not states:
        return "unbound"
    is_up = any(state is not None and state.status is TunnelStatus.UP for state in states)
    return "protected" if is_up else "waiting"


def _marking(node: Node, tunnels: list[Tunnel], states: list[TunnelState | None]) -> Plain:
    """The outer DSCP of its ESP packets; nothing if there are none."""
    if not tunnels:
        return {}
    decision = decide_dscp((values.number(node, "dscp") or 0) << 2, _sa_dscp(tunnels, states))
    return {"outer-dscp": decision.dscp, "dscp-source": decision.source.value}


def _sa_dscp(tunnels: list[Tunnel], states: list[TunnelState | None]) -> int | None:
    """The DSCP of the first SA that is up, else that of the first transform set applied."""
    for state in states:
        if state is not None and state.children:
            return state.children[0].applied_dscp
    first = next(tunnels[0].proposals, None)
    return tunnels[0].applied_dscp(first.name) if first else None
