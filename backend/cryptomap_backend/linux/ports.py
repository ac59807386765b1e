"""Port ranges as the kernel's selectors know them: a value and a mask. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cryptomap_backend.intent import PortRange

__all__ = ["WITH_PORTS", "masked"]

WITH_PORTS = frozenset({6, 17, 33, 132, 136})
"""TCP, UDP, DCCP, SCTP, UDP-Lite."""
ALL = 0xFFFF


def masked(ranges: Sequence[PortRange]) -> tuple[tuple[int, int], ...]:
    """The fewest (value, mask) pairs that make up the ranges; no range is any port. At most 30 pairs a range."""
    if not ranges:
        return ((0, 0),)
    return tuple([pair for low, high in ranges for pair in _blocks(low, high)])


def _blocks(low: int, high: int) -> Iterator[tuple[int, int]]:
    while low <= high:
        size = low & -low if low else ALL + 1
        while low + size - 1 > high:
            size >>= 1
        yield low, ALL & ~(size - 1)
        low += size
