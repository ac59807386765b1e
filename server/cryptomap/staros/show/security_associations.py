"""``show crypto ikev2-ikesa security-associations`` and ``show crypto ipsec security-associations``.

How StarOS lays these out is not documented; the fields are those of RFC 9061, in the style of ``show crypto map``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cryptomap.data.tree import Node
from cryptomap.staros.paths import entries_at, flag_at, text_at
from cryptomap.staros.show.fields import UNKNOWN, capital, dscp, enabled, option, value

__all__ = ["show_ike_sas", "show_ike_summary", "show_ipsec_sas", "show_ipsec_summary"]

COUNTERS = (
    ("Input Packets/Bytes", "input-packets", "input-bytes"),
    ("Output Packets/Bytes", "output-packets", "output-bytes"),
)
ENCAPSULATIONS = {"none": "None", "udp": "UDP"}
FAILURES = (
    ("Replay Failures", "replay-failures"),
    ("Integrity Failures", "integrity-failures"),
    ("Encryption Failures", "encryption-failures"),
)


def show_ike_sas(contexts: Node | None, tag: str | None = None) -> str:
    """All IKE SAs below the container ``contexts``, or those of the crypto map ``tag``, and their number."""
    return _numbered("IKE SA", [_ike_sa(*found) for found in _found(contexts, "ike-sa", tag)])


def show_ipsec_sas(contexts: Node | None, tag: str | None = None) -> str:
    """All pairs of IPsec SAs below the container ``contexts``, or those of the crypto map ``tag``, and their number."""
    return _numbered("IPSec SA", [_child_sa(*found) for found in _found(contexts, "child-sa", tag)])


def show_ike_summary(contexts: Node | None, tag: str | None = None) -> str:
    """A line for each IKE SA, and their number."""
    head = ("Context", "Crypto Map", "Local Gateway", "Remote Gateway", "Initiator SPI", "Responder SPI")
    rows = [
        (*_ends(context, tunnel), _spi(sa, "initiator-spi", 16), _spi(sa, "responder-spi", 16))
        for context, _, tunnel, sa in _found(contexts, "ike-sa", tag)
    ]
    return _listed("IKE SA", head, rows)


def show_ipsec_summary(contexts: Node | None, tag: str | None = None) -> str:
    """A line for each pair of IPsec SAs, and their number."""
    head = ("Context", "Crypto Map", "Local Gateway", "Remote Gateway", "Inbound SPI", "Outbound SPI", "Dscp")
    rows = [
        (*_ends(context, tunnel), _spi(sa, "inbound-spi", 8), _spi(sa, "outbound-spi", 8), dscp(sa, "applied-dscp"))
        for context, _, tunnel, sa in _found(contexts, "child-sa", tag)
    ]
    return _listed("IPSec SA", head, rows)


def _ends(context: Node, tunnel: Node) -> tuple[str, str, str, str]:
    gateways = value(tunnel, "state/local-gateway"), value(tunnel, "state/remote-gateway")
    return value(context, "name"), value(tunnel, "name"), *gateways


def _listed(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = ["  ".join([f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]) for row in (head, *rows)]
    return "\n".join([*[line.rstrip() for line in lines], f"Total {title}s: {len(rows)}"]) + "\n"


def _numbered(title: str, blocks: list[Iterator[str]]) -> str:
    lines: list[str] = []
    for position, block in enumerate(blocks, 1):
        lines += [f"{title} {position}/{len(blocks)}", *[f"  {line}" for line in block], ""]
    lines.append(f"Total {title}s: {len(blocks)}")
    return "\n".join(lines) + "\n"


def _found(contexts: Node | None, kind: str, tag: str | None) -> Iterator[tuple[Node, Node, Node, Node]]:
    """(context, interface, tunnel, SA) of every SA."""
    for context in [] if contexts is None else entries_at(contexts, "context").nodes():
        for interface in entries_at(context, "interface").nodes():
            for tunnel in entries_at(interface, "cryptomap-ipsec:crypto-map").nodes():
                if tag is None or text_at(tunnel, "name") == tag:
                    for sa in entries_at(tunnel, f"state/{kind}").nodes():
                        yield context, interface, tunnel, sa


def _tunnel(context: Node, interface: Node, tunnel: Node) -> Iterator[str]:
    yield f"Context: {value(context, 'name')}"
    yield f"Crypto Map: {value(tunnel, 'name')}"
    yield f"Interface: {value(interface, 'name')}"
    yield f"Local Gateway: {value(tunnel, 'state/local-gateway')}"
    yield f"Remote Gateway: {value(tunnel, 'state/remote-gateway')}"


def _ike_sa(context: Node, interface: Node, tunnel: Node, sa: Node) -> Iterator[str]:
    yield from _tunnel(context, interface, tunnel)
    yield f"Initiator SPI: {_spi(sa, 'initiator-spi', 16)}"
    yield f"Responder SPI: {_spi(sa, 'responder-spi', 16)}"
    yield f"Role: {'Initiator' if flag_at(sa, 'initiator') else 'Responder'}"
    yield f"Encryption Cipher: {value(sa, 'encryption')}"
    yield f"Pseudo Random Function: {value(sa, 'prf')}"
    yield f"Hashed Message Authentication Code: {value(sa, 'hmac')}"
    yield f"Diffie-Hellman Group: {value(sa, 'group')}"
    yield f"DSCP Value: {dscp(sa, 'dscp', '0x00')}"
    yield f"NAT: {_nat(sa)}"
    yield from _times(sa)


def _child_sa(context: Node, interface: Node, tunnel: Node, sa: Node) -> Iterator[str]:
    yield from _tunnel(context, interface, tunnel)
    yield f"Payload: {value(sa, 'payload', 'None')}"
    yield f"Transform Set: {value(sa, 'transform-set')}"
    yield f"Inbound SPI: {_spi(sa, 'inbound-spi', 8)}"
    yield f"Outbound SPI: {_spi(sa, 'outbound-spi', 8)}"
    yield f"Protocol: {value(sa, 'protocol')}"
    yield f"Mode: {value(sa, 'mode')}"
    yield f"Encryption Cipher: {value(sa, 'encryption', 'None')}"
    yield f"Hashed Message Authentication Code: {value(sa, 'hmac')}"
    yield f"Diffie-Hellman Group: {value(sa, 'group')}"
    yield f"ESN: {enabled(sa, 'esn')}"
    yield f"Dscp: {dscp(sa, 'applied-dscp')}"
    yield f"Encapsulation: {ENCAPSULATIONS.get(value(sa, 'encapsulation'), UNKNOWN)}"
    yield from _times(sa)
    for label, packets, octets in COUNTERS:
        yield f"{label}: {value(sa, packets)}/{value(sa, octets)}"
    for label, leaf in FAILURES:
        yield f"{label}: {value(sa, leaf)}"


def _spi(sa: Node, leaf: str, digits: int) -> str:
    number = option(sa, leaf)
    return UNKNOWN if number is None else f"0x{int(number):0{digits}x}"


def _nat(sa: Node) -> str:
    sides = [side for side in ("local", "remote") if flag_at(sa, f"nat-{side}")]
    return capital(" and ".join(sides)) or "None"


def _times(sa: Node) -> Iterator[str]:
    yield f"Established: {value(sa, 'established')}"
    rekey = option(sa, "rekey-time")
    yield f"Rekey In: {'None' if rekey is None else f'{rekey} Sec'}"
