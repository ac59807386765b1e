"""From a tunnel of the intent to the kernel's objects. Pure.

A manual map becomes two SAs and, for each port block of its selector, policies: out, in, and in tunnel mode forward.
The request id ties them together; it is a hash of the tunnel's name, so that it is the same after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from typing import TypeAlias

from cryptomap_backend.algorithms import key_material
from cryptomap_backend.capabilities import Complaint
from cryptomap_backend.intent import (
    Address,
    DfBit,
    EspProposal,
    ManualSa,
    Mode,
    Responder,
    Selector,
    Tunnel,
    TunnelId,
    TunnelKind,
)
from cryptomap_backend.linux.objects import Direction, Object, Policy, PolicyKey, Sa, SaKey, VrfMark
from cryptomap_backend.linux.ports import WITH_PORTS, masked
from cryptomap_backend.linux.priorities import policy_priority
from cryptomap_backend.linux.settings import Domain, Settings

__all__ = ["Place", "Taken", "complaints", "domain", "objects", "places", "reqid", "sa_keys"]

Place: TypeAlias = tuple[str, SaKey | PolicyKey]
"""A namespace and the key of an object in it."""

Taken: TypeAlias = Callable[[int], TunnelId | None]
"""Whose a request id is already."""

MOST_POLICIES = 64
"""Port blocks of one selector, source times destination."""


def reqid(tunnel: TunnelId, settings: Settings, taken: Taken) -> int:
    """The request id of a tunnel: where its name hashes to, or the next one that is free."""
    first, last = settings.reqids
    size = last - first + 1
    start = int.from_bytes(sha256("\0".join(tunnel).encode()).digest()[:8], "big") % size
    for step in range(size):
        found = first + (start + step) % size
        if taken(found) in (None, tunnel):
            return found
    raise ValueError("the range of request ids is used up")


def objects(tunnel: Tunnel, number: int, settings: Settings) -> dict[Place, Object]:
    """All objects of a tunnel without complaints, SAs first. ``number`` is its request id."""
    namespace = domain(tunnel, settings).namespace
    made: list[Object] = [*_sas(tunnel, number, settings), *_policies(tunnel, number, settings)]
    return {(namespace, item.key): item for item in made}


def places(tunnel: Tunnel, settings: Settings) -> list[Place]:
    """Where a tunnel's objects are; costs no key."""
    where = domain(tunnel, settings)
    mark = settings.vrf_mark(where)
    keys: list[SaKey | PolicyKey] = [*sa_keys(tunnel, settings), *_policy_keys(tunnel, mark)]
    return [(where.namespace, key) for key in keys]


def sa_keys(tunnel: Tunnel, settings: Settings) -> tuple[SaKey, SaKey]:
    """Inbound and outbound."""
    assert tunnel.manual is not None
    local, remote = _ends(tunnel)
    mark = settings.vrf_mark(domain(tunnel, settings))
    inbound, outbound = tunnel.manual.inbound, tunnel.manual.outbound
    return SaKey(local, inbound.spi, inbound.protocol, mark), SaKey(remote, outbound.spi, outbound.protocol, mark)


def domain(tunnel: Tunnel, settings: Settings) -> Domain:
    """Where a tunnel lives: in the VRF of its interface, else in its context."""
    return settings.domain(tunnel.id.context, tunnel.vrf)


def complaints(tunnel: Tunnel | Responder) -> Iterator[Complaint]:
    """What of a tunnel the kernel's selectors and manual keys cannot express, beyond the capabilities."""
    if isinstance(tunnel, Responder) or tunnel.kind is not TunnelKind.MANUAL:
        return
    proposals = list(tunnel.proposals)
    if tunnel.manual is None or len(proposals) != 1 or tunnel.remote is None or tunnel.selector is None:
        yield Complaint("manual", "a manual map needs a peer, a selector, keys and exactly one transform set")
        return
    yield from _selector_complaints(tunnel.selector, proposals[0], tunnel.family)
    for sa in (tunnel.manual.inbound, tunnel.manual.outbound):
        yield from _key_complaints(sa, proposals[0])


def _selector_complaints(selector: Selector, proposal: EspProposal, family: int) -> Iterator[Complaint]:
    ports = selector.source_ports or selector.destination_ports
    if ports and selector.protocol not in WITH_PORTS:
        yield Complaint("ports", "backend linux selects by port only where the IP protocol has ports")
    if len(masked(selector.source_ports)) * len(masked(selector.destination_ports)) > MOST_POLICIES:
        yield Complaint("ports", f"the port ranges make more than {MOST_POLICIES} kernel policies: use aligned ranges")
    if selector.source.version != selector.destination.version:
        yield Complaint("selector", "source and destination of the selector are of different families")
    if proposal.mode is Mode.TRANSPORT and selector.source.version != family:
        yield Complaint("transport", "transport mode needs a selector of the family of the peer")


def _key_complaints(sa: ManualSa, proposal: EspProposal) -> Iterator[Complaint]:
    encryption = proposal.encryption if proposal.protocol == "esp" else "null"
    for key, size, what in zip(
        (sa.cipher_key, sa.auth_key),
        key_material(encryption, proposal.integrity),
        ("cipher", "authenticator"),
        strict=True,
    ):
        have = len(key.reveal()) if key else 0
        if have != size:
            yield Complaint(
                "key-size", f"the {what} key of SPI {sa.spi:#x} has {have} bytes, not {size}", proposal.name
            )


# ===== SAs =====


@dataclass(frozen=True, slots=True)
class _Ends:
    """One direction: outer addresses, keys and VRF."""

    source: Address
    destination: Address
    keys: ManualSa
    vrf_mark: VrfMark


def _ends(tunnel: Tunnel) -> tuple[Address, Address]:
    assert tunnel.remote is not None
    return tunnel.local, tunnel.remote


def _sas(tunnel: Tunnel, number: int, settings: Settings) -> Iterator[Sa]:
    assert tunnel.manual is not None
    (proposal,) = tunnel.proposals
    local, remote = _ends(tunnel)
    vrf_mark = settings.vrf_mark(domain(tunnel, settings))
    yield _sa(_Ends(remote, local, tunnel.manual.inbound, vrf_mark), proposal, number)
    marks = settings.marks
    # In transport mode the outer header is the application's own, which is never changed.
    marked = proposal.mode is Mode.TUNNEL
    yield _sa(
        _Ends(local, remote, tunnel.manual.outbound, vrf_mark),
        proposal,
        number,
        marks.value(tunnel.applied_dscp(proposal.name)) if marked else 0,
        marks.mask if marked else 0,
        tunnel.df_bit is DfBit.CLEAR,
    )


def _sa(ends: _Ends, proposal: EspProposal, number: int, mark: int = 0, mask: int = 0, clear_df: bool = False) -> Sa:
    keys = ends.keys
    return Sa(
        ends.source,
        ends.destination,
        keys.spi,
        keys.protocol,
        proposal.mode,
        number,
        proposal.encryption if keys.protocol == "esp" else "null",
        proposal.integrity,
        keys.cipher_key.reveal() if keys.cipher_key and keys.protocol == "esp" else b"",
        keys.auth_key.reveal() if keys.auth_key else b"",
        mark,
        mask,
        clear_df,
        ends.vrf_mark,
    )


# ===== policies =====


def _policies(tunnel: Tunnel, number: int, settings: Settings) -> Iterator[Policy]:
    (proposal,) = tunnel.proposals
    local, remote = _ends(tunnel)
    priority = policy_priority(tunnel.preference, settings.policy_priority)
    for key in _policy_keys(tunnel, settings.vrf_mark(domain(tunnel, settings))):
        source, destination = (local, remote) if key.direction is Direction.OUT else (remote, local)
        yield Policy(key, priority, number, proposal.protocol, proposal.mode, source, destination)


def _policy_keys(tunnel: Tunnel, mark: VrfMark) -> Iterator[PolicyKey]:
    selector = tunnel.selector
    assert selector is not None
    if selector.action != "permit":
        return
    (proposal,) = tunnel.proposals
    inwards = (Direction.IN, Direction.FORWARD) if proposal.mode is Mode.TUNNEL else (Direction.IN,)
    protocol = selector.protocol or 0
    for ours, theirs in product(masked(selector.source_ports), masked(selector.destination_ports)):
        yield PolicyKey(Direction.OUT, selector.source, selector.destination, protocol, ours, theirs, mark)
        for direction in inwards:
            yield PolicyKey(direction, selector.destination, selector.source, protocol, theirs, ours, mark)
