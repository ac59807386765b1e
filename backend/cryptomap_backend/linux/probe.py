"""What a kernel can do, found by trying: one throw-away SA per algorithm, mode and family. Pure but for the attempt."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import TypeAlias

from cryptomap_backend.algorithms import key_material
from cryptomap_backend.intent import Mode
from cryptomap_backend.linux.objects import Algorithms, Sa
from cryptomap_backend.linux.xfrm import CIPHERS, HASHES

__all__ = ["Attempt", "probe"]

Attempt: TypeAlias = Callable[[Sa], bool]
"""Try to install an SA: True if the kernel took it."""

ENDS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}


def probe(attempt: Attempt) -> Algorithms:
    """All of it. Each attempt has an SPI of its own, so that nothing need be removed between them."""
    spis = itertools.count(256)

    def works(
        protocol: str = "esp",
        encryption: str = "null",
        integrity: str = "sha1-96",
        mode: Mode = Mode.TUNNEL,
        family: int = 4,
    ) -> bool:
        return attempt(_throw_away(next(spis), protocol, encryption, integrity, mode, family))

    hashes = ("null", *HASHES)
    return Algorithms(
        encryption=_those(CIPHERS, lambda name: works(encryption=name)),
        integrity=_those(hashes, lambda name: works(encryption="aes-cbc-128", integrity=name)),
        ah_integrity=_those(HASHES, lambda name: works("ah", integrity=name)),
        modes=frozenset(mode for mode in Mode if works(mode=mode)),
        families=frozenset(family for family in ENDS if works(family=family)),
    )


def _those(names: Iterable[str], works: Callable[[str], bool]) -> frozenset[str]:
    return frozenset(name for name in names if works(name))


def _throw_away(spi: int, protocol: str, encryption: str, integrity: str, mode: Mode, family: int) -> Sa:
    source, destination = ENDS[family]
    cipher, auth = key_material(encryption, integrity)
    return Sa(
        ip_address(source),
        ip_address(destination),
        spi,
        protocol,
        mode,
        1,
        encryption,
        integrity,
        bytes(range(1, cipher + 1)),
        bytes(range(1, auth + 1)),
    )
