"""Which tunnel a packet belongs to, found by hashing: one table per pair of prefix lengths in use, however many
tunnels there are."""

from __future__ import annotations

from collections import defaultdict

from cryptomap_backend.intent import Selector, Tunnel
from cryptomap_backend.simulator.packet import Facts

__all__ = ["SelectorIndex", "admits_inbound"]

Shape = tuple[int, int, int]
"""(IP version, source prefix length, destination prefix length)."""


def admits_inbound(selector: Selector, facts: Facts) -> bool:
    """True if the selector lets the packet in: source and destination are the other way round then."""
    return (
        facts.destination in selector.source
        and facts.source in selector.destination
        and selector.protocol in (None, facts.protocol)
        and _within(selector.source_ports, facts.destination_port)
        and _within(selector.destination_ports, facts.source_port)
    )


class SelectorIndex:
    """The selectors of all tunnels, per context. Adding, removing and finding cost the selector shapes in use."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[Shape, dict[tuple[int, int], tuple[Tunnel, ...]]]] = defaultdict(dict)

    def add(self, tunnel: Tunnel) -> None:
        if tunnel.selector is None or tunnel.selector.action != "permit":
            return
        table = self._tables[tunnel.id.context].setdefault(_shape(tunnel.selector), {})
        cell = _cell(tunnel.selector)
        table[cell] = (*table.get(cell, ()), tunnel)

    def remove(self, tunnel: Tunnel) -> None:
        if tunnel.selector is None or tunnel.selector.action != "permit":
            return
        shapes = self._tables[tunnel.id.context]
        table, cell = shapes[_shape(tunnel.selector)], _cell(tunnel.selector)
        rest = tuple(other for other in table[cell] if other.id != tunnel.id)
        if rest:
            table[cell] = rest
            return
        del table[cell]
        if not table:
            del shapes[_shape(tunnel.selector)]

    def find(self, context: str, facts: Facts) -> Tunnel | None:
        """The tunnel that protects the packet, by preference, then id; ``None`` if none does."""
        source, destination = int(facts.source), int(facts.destination)
        found = [
            tunnel
            for (version, source_length, destination_length), table in self._tables.get(context, {}).items()
            if version == facts.version
            for tunnel in table.get(
                (_masked(source, version, source_length), _masked(destination, version, destination_length)), ()
            )
            if tunnel.selector is not None and _takes(tunnel.selector, facts)
        ]
        return min(found, key=lambda tunnel: (tunnel.preference, tunnel.id), default=None)


def _takes(selector: Selector, facts: Facts) -> bool:
    return (
        selector.protocol in (None, facts.protocol)
        and _within(selector.source_ports, facts.source_port)
        and _within(selector.destination_ports, facts.destination_port)
    )


def _within(ranges: tuple[tuple[int, int], ...], port: int | None) -> bool:
    return not ranges or (port is not None and any(low <= port <= high for low, high in ranges))


def _shape(selector: Selector) -> Shape:
    return selector.source.version, selector.source.prefixlen, selector.destination.prefixlen


def _cell(selector: Selector) -> tuple[int, int]:
    return int(selector.source.network_address), int(selector.destination.network_address)


def _masked(address: int, version: int, length: int) -> int:
    drop = (32 if version == 4 else 128) - length
    return address >> drop << drop
