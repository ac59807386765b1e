"""Who fails to log in has to wait: the more often, the longer, each address for itself."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

__all__ = ["BackOff", "source_of"]

_FREE_FAILURES: Final = 3
_MOST_SOURCES: Final = 10_000
_V6_SITE: Final = 64


def source_of(address: str) -> str:
    """What counts as one source: an IPv4 address, or the /64 of an IPv6 address, of which a host has all addresses."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _V6_SITE), strict=False))


class BackOff:
    """The first three failures of a source cost nothing; after each further one it is refused for ``first`` seconds,
    doubled each time, up to ``limit``. A login, or ``limit`` seconds without a failure, makes everything forgotten.

    ``now`` is a clock in seconds that only goes forward; ``first`` 0 turns it all off. At most 10,000 sources are
    remembered; then the one that has failed least recently is forgotten.
    """

    def __init__(self, first: float, limit: float, now: Callable[[], float]) -> None:
        self._first = first
        self._limit = limit
        self._now = now
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def wait(self, source: str) -> float:
        """Seconds until this source may try again; 0: now."""
        failures, at = self._failures.get(source, (0, -math.inf))
        if failures <= _FREE_FAILURES or not self._first:
            return 0.0
        return max(0.0, at + self._penalty(failures) - self._now())

    def failed(self, source: str) -> None:
        failures, at = self._failures.pop(source, (0, -math.inf))
        if at + self._limit < self._now():
            failures = 0
        self._failures[source] = failures + 1, self._now()
        if len(self._failures) > _MOST_SOURCES:
            self._failures.popitem(last=False)

    def succeeded(self, source: str) -> None:
        self._failures.pop(source, None)

    def _penalty(self, failures: int) -> float:
        doublings = min(failures - _FREE_FAILURES - 1, 64)
        return float(min(self._first * 2**doublings, self._limit))
