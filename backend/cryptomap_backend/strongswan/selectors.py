"""Traffic selectors as VICI takes them (RFC 7296 section 3.13). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from cryptomap_backend.intent import AddressRange, Child, PortRange, Prefix, Selector

__all__ = ["Sides", "traffic_selectors"]

Sides: TypeAlias = tuple[list[str], list[str]]
"""Our traffic selectors and the peer's."""

ICMP = frozenset({1, 58})


def traffic_selectors(selector: Selector | None, child: Child) -> Sides:
    """Ours and the peer's: those of the access list, or of a template, which is the responder."""
    if selector is None:
        return [_addresses(child.tsr, child.family)], [_addresses(child.tsi, child.family)]
    ports = selector.source_ports, selector.destination_ports
    if selector.protocol in ICMP:
        ports = (_messages(*ports),) * 2
    return (
        _sides(selector.source, selector.protocol, ports[0]),
        _sides(selector.destination, selector.protocol, ports[1]),
    )


def _addresses(wanted: AddressRange | None, family: int) -> str:
    if wanted is None:
        return "0.0.0.0/0" if family == 4 else "::/0"
    first, last = wanted
    return f"{first}-{last}"


def _messages(types: Sequence[PortRange], codes: Sequence[PortRange]) -> tuple[PortRange, ...]:
    """ICMP types and codes as the ports of either selector: a type in the upper eight bits, a code in the lower (RFC
    7296 section 3.13.1)."""
    return tuple((first << 8 | low, last << 8 | high) for first, last in types for low, high in codes or ((0, 255),))


def _sides(prefix: Prefix, protocol: int | None, ports: Sequence[PortRange]) -> list[str]:
    """For example ``10.0.1.0/24``, ``10.0.1.0/24[17]``, ``10.0.1.0/24[17/500-600]``: one per range of ports."""
    number = "" if protocol is None else str(protocol)
    if not ports:
        return [f"{prefix}[{number}]" if number else str(prefix)]
    return [f"{prefix}[{number}/{low}]" if low == high else f"{prefix}[{number}/{low}-{high}]" for low, high in ports]
