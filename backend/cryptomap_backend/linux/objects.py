"""The kernel's IPsec objects as frozen data: security associations, policies, and operations on them.

An object is ours if its request id lies in our range, which is how everything of others on the machine is left alone.
What is read back from the kernel never carries a key, only a fingerprint to compare with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple, TypeAlias

from cryptomap_backend.intent import Address, Mode, Prefix

__all__ = [
    "NO_VRF",
    "Add",
    "Algorithms",
    "Direction",
    "Object",
    "Operation",
    "Policy",
    "PolicyKey",
    "Remove",
    "Sa",
    "SaKey",
    "SeenSa",
    "Traffic",
    "Update",
    "VrfMark",
]


class Direction(StrEnum):
    """Which packets a policy looks at; the kernel's own numbering is the position."""

    IN = "in"
    OUT = "out"
    FORWARD = "forward"


VrfMark: TypeAlias = tuple[int, int]
"""(value, mask) of the packet mark that an SA or policy looks at; (0, 0) looks at none."""

NO_VRF: VrfMark = (0, 0)


class SaKey(NamedTuple):
    """What tells SAs of a namespace apart (RFC 4301 section 4.1), and those of its VRFs."""

    destination: Address
    spi: int
    protocol: str
    vrf_mark: VrfMark = NO_VRF


class PolicyKey(NamedTuple):
    """What tells policies of a namespace apart. A port is (value, mask): value 0 and mask 0 is any port. Protocol 0 is
    any protocol."""

    direction: Direction
    source: Prefix
    destination: Prefix
    protocol: int = 0
    source_port: tuple[int, int] = (0, 0)
    destination_port: tuple[int, int] = (0, 0)
    vrf_mark: VrfMark = NO_VRF


@dataclass(frozen=True, slots=True)
class Sa:
    """One security association. ``encryption`` and ``integrity`` are keywords of our algorithm table. ``mark`` and
    ``mask`` are put into the mark of the packet once it is encapsulated; a mask of 0 leaves the mark alone."""

    source: Address
    destination: Address
    spi: int
    protocol: str
    mode: Mode
    reqid: int
    encryption: str
    integrity: str
    cipher_key: bytes = field(default=b"", repr=False)
    auth_key: bytes = field(default=b"", repr=False)
    mark: int = 0
    mask: int = 0
    clear_df: bool = False
    vrf_mark: VrfMark = NO_VRF

    @property
    def key(self) -> SaKey:
        return SaKey(self.destination, self.spi, self.protocol, self.vrf_mark)

    @property
    def fingerprint(self) -> str:
        """Equal for SAs that process packets alike: everything but the marks."""
        secrets = sha256(self.cipher_key + b"|" + self.auth_key).hexdigest()
        parts = (self.source, self.mode, self.reqid, self.encryption, self.integrity, secrets, self.clear_df)
        return sha256(repr(tuple(map(str, parts))).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one SA has carried; ``added`` is in seconds since the epoch."""

    packets: int = 0
    octets: int = 0
    replay_failures: int = 0
    integrity_failures: int = 0
    added: float = 0.0


@dataclass(frozen=True, slots=True)
class SeenSa:
    """An SA as the kernel shows it."""

    key: SaKey
    reqid: int
    mark: int
    fingerprint: str
    traffic: Traffic = Traffic()


@dataclass(frozen=True, slots=True)
class Policy:
    """Packets of ``key`` take an SA of that request id, protocol and mode from ``source`` to ``destination``. Of
    several that match the one with the smallest ``priority`` counts."""

    key: PolicyKey
    priority: int
    reqid: int
    protocol: str
    mode: Mode
    source: Address
    destination: Address


Object: TypeAlias = Sa | Policy


@dataclass(frozen=True, slots=True)
class Add:
    """A new object; fails if one of that key exists, whoever's it is."""

    namespace: str
    item: Object


@dataclass(frozen=True, slots=True)
class Update:
    """Another content for an object of ours: of an SA the mark alone can change, of a policy anything but its key."""

    namespace: str
    item: Object


@dataclass(frozen=True, slots=True)
class Remove:
    """An object of ours goes."""

    namespace: str
    key: SaKey | PolicyKey


Operation: TypeAlias = Add | Update | Remove


@dataclass(frozen=True, slots=True)
class Algorithms:
    """What a kernel can do, by our keywords."""

    encryption: frozenset[str] = frozenset()
    integrity: frozenset[str] = frozenset()
    ah_integrity: frozenset[str] = frozenset()
    modes: frozenset[Mode] = frozenset()
    families: frozenset[int] = frozenset()
