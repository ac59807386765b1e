"""NAT traversal for real: a gateway behind a machine that translates addresses, and ESP in UDP (RFC 3948)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

import pytest

from cryptomap_backend.intent import Intent, Tunnel
from cryptomap_backend.strongswan import StrongswanBackend, create
from dataplane.charon import answering, why_not
from dataplane.frames import Frame
from dataplane.gateways import Gateways, Seen
from dataplane.test_strongswan_kernel import PSK, commit, is_up, tunnel, until
from dataplane.vm.need import need

HIDDEN, TRANSLATED, OPEN = map(IPv4Address, ("10.8.0.2", "10.9.0.1", "10.9.0.2"))
NAT_TRAVERSAL = 4500
ANSWER = answering(
    1,
    local_addrs=[str(OPEN)],
    remote_addrs=["%any"],
    local={"auth": "psk", "id": str(OPEN)},
    child_local_ts=["192.168.2.0/24"],
    child_remote_ts=["192.168.1.0/24"],
)


@pytest.fixture(scope="module")
def backend(gateways: Gateways) -> Iterator[StrongswanBackend]:
    """Of the hidden gateway; the open one answers whoever comes."""
    need(why_not())
    marking = gateways.with_nat()
    hidden, peer = gateways.charon("hidden"), gateways.charon("open")
    peer.request("load-shared", {"id": "key", "type": "IKE", "data": PSK, "owners": ["%any"]})
    peer.request("load-conn", {"peer": ANSWER})
    backend = create({"socket": hidden.path, "timeout": 20, "marking": marking})
    backend.reconcile(Intent())
    yield backend
    backend.reconcile(Intent())
    backend.close()
    hidden.close()
    peer.close()


@dataclass(frozen=True, slots=True)
class Datagram:
    """An IPv4 packet with UDP in it; ``spi`` is the first word of the payload, which is 0 before IKE (RFC 3948)."""

    source: IPv4Address
    ports: tuple[int, int]
    spi: int

    @classmethod
    def of(cls, frame: Frame) -> Datagram:
        source, destination, _, _, spi = struct.unpack_from("!HHHHI", frame.packet, 20)
        return cls(IPv4Address(frame.packet[12:16]), (source, destination), spi)


def sent_to(gateway: IPv4Address, seen: Seen) -> list[Frame]:
    """What was on the wire to that gateway. What it takes out of the tunnel is seen on the same device once more."""
    return [frame for frame in seen.wire if IPv4Address(frame.packet[16:20]) == gateway]


def test_esp_goes_through_a_nat_in_udp_and_is_marked_all_the_same(
    gateways: Gateways, backend: StrongswanBackend
) -> None:
    behind: Tunnel = replace(tunnel(), local=HIDDEN, remote=OPEN)
    commit(backend, behind)
    state = until(backend, behind, is_up)
    assert state.ike is not None
    assert (state.ike.nat_local, state.ike.nat_remote) == (True, False)
    (child,) = state.children

    seen = gateways.send([0x00, 0x02, 0xB8], ends=("hidden", "open"), wire="outside")
    assert [packet.heard for packet in seen] == [0x00, 0x02, 0xB8]
    there = [frame for packet in seen for frame in sent_to(OPEN, packet)]
    assert [frame.tos for frame in there] == [0xA0, 0xA2, 0xB8]
    assert {Datagram.of(frame) for frame in there} == {
        Datagram(TRANSLATED, (NAT_TRAVERSAL, NAT_TRAVERSAL), child.spi_out)
    }

    (answered,) = gateways.send([0xB8], "192.168.2.1", "192.168.1.1", ends=("open", "hidden"), wire="inside")
    assert answered.heard == 0xB8
    assert [Datagram.of(frame).spi for frame in sent_to(HIDDEN, answered)] == [child.spi_in]
