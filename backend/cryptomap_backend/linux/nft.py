"""The nftables document of one network namespace: DSCP fallback and DSCP -> priority. Pure text, no root.

Hook ``output`` sees every IPsec packet after encapsulation, IPv4 and IPv6, forwarded or our own. Where the outer DSCP
is still 0 (the kernel copied the inner one, RFC 4301 section 5.1.2), one map from the mark of the SA leads to the chain
that writes the SA's DSCP. Writing a DSCP leaves the two ECN bits as they are. A map straight from mark to DSCP would be
shorter, but nftables 1.0.6 refuses it; and it miscompiles look-ups by ``ip6 dscp``, hence one rule per value there.

Where VRF devices are named, hooks ``prerouting`` and ``output`` first write into the mark which VRF a packet is in: the
kernel shows each packet of a VRF to them with the VRF's device. The latter is a ``route`` chain, after which the packet
is routed, and looked up in the IPsec policies, once more.

Hook ``postrouting`` turns the outer DSCP into a packet priority on the devices that mark. The document replaces our own
table whole, in one transaction; tables of others are not mentioned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from cryptomap_backend.intent import DscpToCos
from cryptomap_backend.linux.egress import Priorities
from cryptomap_backend.linux.marks import Marks

__all__ = ["Program", "document", "removal"]

IPSEC = "meta l4proto { 50, 51 }"
NO_SHIFT = Marks()
FIRST_BANK = Priorities()
UDP_ESP = "udp sport 4500"
"""ESP in UDP (RFC 3948) leaves our side from the port of NAT traversal."""


@dataclass(frozen=True, slots=True)
class Program:
    """All that the document of a namespace depends on. ``devices`` are those that mark, ``vrfs`` the VRF devices with
    their numbers, ``priorities`` the bank that packets get."""

    table: str = "cryptomap"
    marks: Marks = NO_SHIFT
    dscp_to_cos: DscpToCos = (0,) * 64
    devices: tuple[str, ...] = ()
    priorities: Priorities = FIRST_BANK
    vrfs: tuple[tuple[int, str], ...] = ()

    @property
    def digest(self) -> str:
        """Tells programs apart; it is the comment of the table."""
        return sha256(repr(self).encode()).hexdigest()[:32]


def document(program: Program) -> str:
    """What ``nft -f`` loads: our table anew, whatever it held."""
    lines = [
        f"table inet {program.table} {{ }}",
        f"delete table inet {program.table}",
        f"table inet {program.table} {{",
        f'  comment "{program.digest}"',
        *(_vrfs(program) if program.vrfs else ()),
        *_fallback(program.marks),
        *(_priorities(program) if program.devices else ()),
        "}",
    ]
    return "\n".join(lines) + "\n"


def removal(table: str) -> str:
    """What ``nft -f`` loads to remove our table, be it there or not."""
    return f"table inet {table} {{ }}\ndelete table inet {table}\n"


def _vrfs(program: Program) -> Iterator[str]:
    others = ~program.marks.vrf_mask & 0xFFFFFFFF
    for kind, hook, direction in (("filter", "prerouting", "iifname"), ("route", "output", "oifname")):
        yield f"  chain vrf-{hook} {{"
        yield f"    type {kind} hook {hook} priority mangle - 1; policy accept;"
        for number, device in program.vrfs:
            mark = program.marks.vrf(number)
            yield f'    {direction} "{device}" meta mark set meta mark and {others:#x} or {mark:#x}'
        yield "  }"


def _fallback(marks: Marks) -> Iterator[str]:
    for family, header in (("4", "ip"), ("6", "ip6")):
        for dscp in range(1, 64):
            yield f"  chain dscp{family}-{dscp} {{ {header} dscp set {dscp}; }}"
        elements = ", ".join(f"{marks.value(dscp):#x} : goto dscp{family}-{dscp}" for dscp in range(1, 64))
        yield f"  map fallback{family} {{ type mark : verdict; elements = {{ {elements} }}; }}"
    yield "  chain output {"
    yield "    type filter hook output priority mangle; policy accept;"
    for match in (IPSEC, UDP_ESP):
        for family, header in (("4", "ip"), ("6", "ip6")):
            yield f"    {match} {header} dscp 0 meta mark and {marks.mask:#x} vmap @fallback{family}"
    yield "  }"


def _priorities(program: Program) -> Iterator[str]:
    classes = [program.priorities.text(cos) for cos in program.dscp_to_cos]
    elements = ", ".join(f"{dscp} : {name}" for dscp, name in enumerate(classes))
    yield f"  map priorities {{ typeof ip dscp : meta priority; elements = {{ {elements} }}; }}"
    yield "  chain marking {"
    yield f"    {IPSEC} goto marking-by-family"
    yield f"    {UDP_ESP} goto marking-by-family"
    yield "  }"
    yield "  chain marking-by-family {"
    yield "    meta nfproto ipv4 meta priority set ip dscp map @priorities"
    for dscp, name in enumerate(classes):
        yield f"    ip6 dscp {dscp} meta priority set {name}"
    yield "  }"
    yield "  chain postrouting {"
    yield "    type filter hook postrouting priority mangle; policy accept;"
    yield f"    oifname {{ {_quoted(program.devices)} }} goto marking"
    yield "  }"


def _quoted(devices: Iterable[str]) -> str:
    return ", ".join(f'"{device}"' for device in devices)
