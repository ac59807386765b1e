"""Backend linux with VRF devices: equal maps, down to addresses and SPIs, in three routing tables of one namespace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import pytest

from cryptomap_backend.change import between, change_of, with_reapplied
from cryptomap_backend.contract import ApplyFailed
from cryptomap_backend.intent import EspProposal, Intent, L2Marking, L2Table, Tunnel, carried
from cryptomap_backend.linux.backend import LinuxBackend, create
from dataplane.gateways import VRF_PEERS, Gateways, Seen, vrf_settings
from dataplane.maps import INNER, INNER6, OUTER6, pair

pytestmark = pytest.mark.timeout(300)  # the first test waits for the machine to boot, on a busy host too


@dataclass(frozen=True, slots=True)
class Place:
    """A context or VRF: its device and wire in namespace ``vrfs``, the context of its peer, what is marked there."""

    context: str
    vrf: str | None
    device: str
    wire: str
    peer: str
    proposal: EspProposal
    pcp: int

    @property
    def end(self) -> str:
        return VRF_PEERS[self.device]

    @property
    def outer(self) -> int:
        assert self.proposal.dscp is not None
        return self.proposal.dscp << 2


RED = Place("red", None, "red", "w3", "red-peer", EspProposal("R", dscp=0x28), 2)
BLUE = Place("shared", "customer", "blue", "w4", "blue-peer", EspProposal("B", "esp", "aes-cbc-256", dscp=0x12), 5)
MAIN = Place("shared", None, "", "w5", "main-peer", EspProposal("M", "esp", "3des-cbc", dscp=0x0A), 3)
PLACES = (RED, BLUE, MAIN)

COS = tuple(1 if dscp in (0x28, 0x12, 0x0A) else 0 for dscp in range(64))
L2 = L2Marking(
    COS,
    tables={name: L2Table.of({(1, 0): (2 * pcp, 0)}) for name, pcp in (("r", 2), ("c", 5), ("s", 3))},
    contexts={"red": "r", "shared": "s"},
    vrfs={("shared", "customer"): "c"},
)


def maps(place: Place) -> tuple[Tunnel, ...]:
    """Both ends of an IPv4 and of an IPv6 map: the same SPIs, addresses and selectors in every place."""
    ends = place.context, place.peer
    name = place.device or "main"
    four = pair(place.proposal, name=f"{name}4", contexts=ends)
    six = pair(place.proposal, INNER6, OUTER6, f"{name}6", 0x2000, ends)
    return replace(four[0], vrf=place.vrf), replace(six[0], vrf=place.vrf), four[1], six[1]


@pytest.fixture(scope="module")
def backend(gateways: Gateways) -> Iterator[LinuxBackend]:
    made = gateways.with_vrfs()
    made.reconcile(Intent())
    yield made
    made.reconcile(Intent())
    made.close()


@pytest.fixture
def intent(backend: LinuxBackend) -> Intent:
    backend.reconcile(Intent())
    wanted = Intent.of([item for place in PLACES for item in maps(place)], l2=L2)
    backend.apply(backend.prepare(between(Intent(), wanted)))
    return wanted


def sent(gateways: Gateways, place: Place, tos: list[int], inner: tuple[str, str] = INNER) -> list[Seen]:
    return gateways.send(tos, *inner, ends=("vrfs", place.end), vrfs=(place.device, ""))


def test_equal_maps_of_three_routing_tables_coexist_on_the_wire(
    gateways: Gateways, backend: LinuxBackend, intent: Intent
) -> None:
    """That it is heard says that it was encrypted with the keys of that place: the others have other algorithms."""
    for place, inner in product(PLACES, (INNER, INNER6)):
        marked, application = sent(gateways, place, [0x00, 0xB8], inner)
        assert (marked.heard, application.heard) == (0x00, 0xB8)
        assert (marked.ipsec.tos, application.ipsec.tos) == (place.outer, 0xB8)
        assert (marked.ipsec.pcp, application.ipsec.pcp) == (place.pcp, 0)
        back = (inner[1], inner[0])
        (answer,) = gateways.send([0xB8], *back, ends=(place.end, "vrfs"), wire=place.wire, vrfs=("", place.device))
        assert (answer.heard, answer.ipsec.tos) == (0xB8, 0xB8)
    states = backend.observe().tunnels
    counted = [states[item.id].counters for item in intent.tunnels.values() if item.id.context in ("red", "shared")]
    assert [(counter.packets_out, counter.packets_in) for counter in counted] == [(2, 1)] * 6


def test_a_change_of_one_touches_no_other(gateways: Gateways, backend: LinuxBackend, intent: Intent) -> None:
    old = maps(BLUE)[0]
    (child,) = old.children
    changed = carried(old, replace(old, children=(replace(child, proposals=(replace(BLUE.proposal, dscp=0x2E),)),)))
    pending = change_of(intent, {old.id: changed})
    backend.apply(backend.prepare(pending))
    reapplied = with_reapplied(pending.new, old.id)
    backend.apply(backend.prepare(reapplied))
    gone = change_of(reapplied.new, {item.id: None for item in maps(RED)})
    backend.apply(backend.prepare(gone))
    assert [item.ipsec.tos for item in sent(gateways, BLUE, [0x00])] == [0xB8]
    assert [item.ipsec.tos for item in sent(gateways, MAIN, [0x00])] == [MAIN.outer]
    (clear,) = sent(gateways, RED, [0x00])
    assert [frame.protocol for frame in clear.wire] == [17]
    assert backend.reconcile(gone.new).is_empty


def test_a_restarted_server_finds_all_of_them_in_place(backend: LinuxBackend, intent: Intent) -> None:
    again = create({**vrf_settings(), "helper": backend._settings.helper})
    assert again.reconcile(intent).is_empty
    again.close()


def test_a_vrf_device_that_is_not_there_is_named(gateways: Gateways, backend: LinuxBackend, intent: Intent) -> None:
    gateways.vm.run("ip netns exec vrfs nft delete table inet cryptomap")
    gateways.vm.run("ip -n vrfs link set blue down && ip -n vrfs link set blue name gone")
    with pytest.raises(ApplyFailed, match="blue is not a VRF device in namespace vrfs"):
        backend.reconcile(intent)
    gateways.vm.run("ip -n vrfs link set gone name blue")
    assert backend.reconcile(intent).l2
