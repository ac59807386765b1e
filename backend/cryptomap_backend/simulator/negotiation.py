"""Making SAs: SPIs, lifetimes, keys. The IKE exchange itself is not played, only its outcome.

Keys of negotiated SAs are derived from the world's secret and the SPI, so that both ends of a simulated SA have them
without storing them; those of manual SAs are the operator's.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from random import Random

from cryptomap_backend.algorithms import ENCRYPTION, INTEGRITY
from cryptomap_backend.intent import (
    Address,
    Child,
    EspProposal,
    Ike,
    ManualSa,
    Secret,
    Tunnel,
)
from cryptomap_backend.simulator import packet as ip
from cryptomap_backend.simulator.esp import ReplayWindow, Sa
from cryptomap_backend.simulator.peers import Peer, choose
from cryptomap_backend.simulator.records import ChildSa, IkeSa
from cryptomap_backend.state import Role

__all__ = ["Negotiator"]

REKEY_AT = 0.9
"""Share of a lifetime after which a rekey begins."""

SPI_MIN = 256


class Negotiator:
    """Source of SAs. With a seed everything it makes is determined by the order of the calls."""

    def __init__(self, seed: int | None, spi_in_use: Callable[[int], bool]) -> None:
        self._random = Random(seed)  # noqa: S311 - a simulated world; reproducible on purpose
        self._secret = self._random.randbytes(32)
        self._spi_in_use = spi_in_use

    def random_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def ike_sa(self, ike: Ike, local: Address, remote: Address, role: Role, now: float) -> IkeSa:
        """An IKE SA by the first proposal."""
        proposal = ike.proposals[0]
        next_rekey = now + REKEY_AT * proposal.lifetime if ike.rekey else None
        mine, theirs = self._random.getrandbits(64) | 1, self._random.getrandbits(64) | 1
        initiator, responder = (mine, theirs) if role is Role.INITIATOR else (theirs, mine)
        return IkeSa(initiator, responder, role, local, remote, proposal, now, next_rekey)

    def child_sa(self, child: Child, peer: Peer, dscp: Callable[[EspProposal], int | None], now: float) -> ChildSa:
        """A child SA by the first proposal the peer accepts. Raises NegotiationFault."""
        proposal = choose(peer, child)
        return ChildSa(child, proposal, self._spi(), self._spi(), dscp(proposal), now, rekey_time(child, now))

    def manual_sa(self, tunnel: Tunnel, now: float) -> ChildSa:
        """The child SA a manual map is."""
        assert tunnel.manual is not None
        child = tunnel.children[0]
        proposal, keys = child.proposals[0], tunnel.manual
        dscp = tunnel.applied_dscp(proposal.name)
        return ChildSa(child, proposal, keys.inbound.spi, keys.outbound.spi, dscp, now)

    def sa(self, child: ChildSa, direction: str, tunnel: Tunnel, remote: Address) -> Sa:
        """The cipher state of one direction ("out", "in", "peer-out", "peer-in"), made when first asked for."""
        if direction not in child.sas:
            child.sas[direction] = self._make(child, direction, tunnel, remote)
        return child.sas[direction]

    def _make(self, child: ChildSa, direction: str, tunnel: Tunnel, remote: Address) -> Sa:
        outbound = direction in ("out", "peer-in")
        spi = child.spi_out if outbound else child.spi_in
        source, destination = (tunnel.local, remote) if outbound else (remote, tunnel.local)
        manual = tunnel.manual
        keys = None if manual is None else manual.outbound if outbound else manual.inbound
        cipher_key, auth_key = self._keys(child.proposal, spi) if keys is None else _manual_keys(keys)
        return Sa(
            spi,
            source,
            destination,
            cipher_key,
            auth_key,
            ENCRYPTION[child.proposal.encryption],
            INTEGRITY[child.proposal.integrity],
            ip.AH if child.proposal.protocol == "ah" else ip.ESP,
            child.proposal.mode,
            window=ReplayWindow(0 if manual else 64),
        )

    def _keys(self, proposal: EspProposal, spi: int) -> tuple[bytes, bytes]:
        cipher, integrity = ENCRYPTION[proposal.encryption], INTEGRITY[proposal.integrity]
        stream = b"".join(
            hmac.digest(self._secret, bytes((part,)) + spi.to_bytes(4, "big"), "sha512") for part in (1, 2)
        )
        size = cipher.key + cipher.salt
        return stream[:size], stream[size : size + integrity.key]

    def _spi(self) -> int:
        while True:
            spi = self._random.randrange(SPI_MIN, 1 << 32)
            if not self._spi_in_use(spi):
                return spi


def rekey_time(child: Child, established: float) -> float | None:
    """When a child SA is rekeyed, ``None`` if its policy never does."""
    return established + REKEY_AT * child.lifetime if child.rekey and child.lifetime is not None else None


def _manual_keys(sa: ManualSa) -> tuple[bytes, bytes]:
    return _clear(sa.cipher_key), _clear(sa.auth_key)


def _clear(secret: Secret | None) -> bytes:
    return b"" if secret is None else secret.reveal()
