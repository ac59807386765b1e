"""Manual crypto maps for both ends of the wire at once."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from random import Random

from cryptomap_backend.algorithms import key_material
from cryptomap_backend.intent import (
    Address,
    Child,
    EspProposal,
    ManualKeys,
    ManualSa,
    Mode,
    Secret,
    Selector,
    Tunnel,
    TunnelId,
    TunnelKind,
    bound,
)

PLAIN = EspProposal("A-foo")
INNER = ("192.168.1.1", "192.168.2.1")
INNER6 = ("fd01::1", "fd02::1")
OUTER = ("10.0.0.1", "10.0.0.2")
OUTER6 = ("2001:db8::1", "2001:db8::2")


def pair(
    proposal: EspProposal = PLAIN,
    inner: tuple[str, str] = INNER,
    outer: tuple[str, str] = OUTER,
    name: str = "foo0",
    spi: int = 0x1000,
    contexts: tuple[str, str] = ("ipsec-d", "peer"),
    port: int | None = None,
) -> tuple[Tunnel, Tunnel]:
    """The map of the left gateway and its mirror image on the right, just bound. SPI ``spi`` is left to right, the
    next one right to left. With a port, UDP packets to it only (and from it back)."""
    source, destination = (ip_network(address) for address in inner)
    ports = ((port, port),) if port else ()
    selector = Selector(source, destination, 17 if port else None, (), ports)
    there, back = _sa(spi, proposal), _sa(spi + 1, proposal)
    left = Tunnel(
        TunnelId(contexts[0], name, "v100"),
        TunnelKind.MANUAL,
        ip_address(outer[0]).version,
        _address(outer[0]),
        _address(outer[1]),
        selector,
        (Child("manual", (proposal,), source.version, None),),
        manual=ManualKeys(back, there),
    )
    right = replace(
        left,
        id=TunnelId(contexts[1], name, "v100"),
        local=left.remote,
        remote=left.local,
        selector=Selector(destination, source, selector.protocol, ports, ()),
        manual=ManualKeys(there, back),
    )
    return bound(left), bound(right)


def transport(proposal: EspProposal, outer: tuple[str, str] = OUTER) -> tuple[Tunnel, Tunnel]:
    """Maps in transport mode between the gateways themselves, whose neighbour discovery stays in clear."""
    return pair(replace(proposal, mode=Mode.TRANSPORT), inner=outer, outer=outer, port=4000)


def _address(text: str) -> Address:
    return ip_address(text)


def _sa(spi: int, proposal: EspProposal) -> ManualSa:
    cipher, auth = key_material(proposal.encryption if proposal.protocol == "esp" else "null", proposal.integrity)
    return ManualSa(spi, proposal.protocol, _key(spi, cipher), _key(spi + 7, auth))


def _key(seed: int, size: int) -> Secret | None:
    clear = Random(seed).randbytes(size)
    return Secret(f"{seed}-{size}", lambda: clear) if size else None
