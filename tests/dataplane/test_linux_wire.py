"""Backend linux on the wire: what the peer captures, and what its applications hear."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from cryptomap_backend.algorithms import ENCRYPTION, INTEGRITY
from cryptomap_backend.change import between, change_of, with_reapplied
from cryptomap_backend.conformance import example_l2
from cryptomap_backend.intent import DfBit, EspProposal, Intent, L2Marking, Mode, Tunnel, carried
from cryptomap_backend.linux.backend import LinuxBackend
from cryptomap_backend.simulator import esp
from cryptomap_backend.table import LINUX
from dataplane.gateways import AH, ESP, Gateways, Seen
from dataplane.maps import INNER6, OUTER, OUTER6, PLAIN, pair, transport

pytestmark = pytest.mark.timeout(300)  # the first test waits for the machine to boot, on a busy host too

Commit = Callable[..., Intent]
MARKED = replace(PLAIN, dscp=0x28)
AH_SHA1 = EspProposal("AH", "ah", "null", "sha1-96")


@pytest.fixture(scope="module")
def backend(gateways: Gateways) -> Iterator[LinuxBackend]:
    made = gateways.backend("ipsec-d", "peer")
    yield made
    made.reconcile(Intent())
    made.close()


@pytest.fixture
def commit(backend: LinuxBackend) -> Commit:
    """Exactly these maps, from whatever was there before."""

    def do(*pairs: tuple[Tunnel, Tunnel], l2: L2Marking | None = None) -> Intent:
        intent = Intent.of([tunnel for ends in pairs for tunnel in ends], l2=l2)
        backend.reconcile(intent)
        return intent

    return do


def outer(seen: list[Seen]) -> list[int]:
    """The ToS byte of each IPsec packet on the wire."""
    return [item.ipsec.tos for item in seen]


def heard(seen: list[Seen]) -> list[int | None]:
    """The ToS byte of each packet as the application received it."""
    return [item.heard for item in seen]


# ===== the decision table =====

# Application ToS byte:     none  ECT(0) ECT(1) DSCP  DSCP+ECT(0)
APPLICATION = [0x00, 0x02, 0x01, 0xB8, 0xBA]

DECISIONS: dict[int | None, list[int]] = {
    None: [0x00, 0x02, 0x01, 0xB8, 0xBA],
    0x28: [0xA0, 0xA2, 0xA1, 0xB8, 0xBA],
    0x00: [0x00, 0x02, 0x01, 0xB8, 0xBA],
}
"""DSCP of the map -> outer ToS byte for each of the application's."""

FAMILIES = [
    pytest.param(AH_SHA1, {}, id="AH v4"),
    pytest.param(AH_SHA1, {"inner": INNER6, "outer": OUTER6}, id="AH v6"),
]


@pytest.mark.parametrize(("proposal", "ends"), FAMILIES)
def test_the_application_dscp_counts_else_that_of_the_map(
    gateways: Gateways, commit: Commit, proposal: EspProposal, ends: dict[str, tuple[str, str]]
) -> None:
    """One map for each row of the table, told apart by the UDP port."""
    ports = range(4001, 4001 + len(DECISIONS))
    commit(
        *(
            pair(replace(proposal, dscp=dscp), name=f"foo{port}", spi=2 * port, port=port, **ends)
            for port, dscp in zip(ports, DECISIONS, strict=True)
        )
    )
    seen = gateways.send(APPLICATION, *ends.get("inner", ()), ports=ports)
    assert {item.ipsec.protocol for item in seen} == {ESP if proposal.protocol == "esp" else AH}
    assert outer(seen) == [tos for row in DECISIONS.values() for tos in row]
    assert heard(seen) == APPLICATION * len(DECISIONS)


def test_a_family_inside_the_other(gateways: Gateways, commit: Commit) -> None:
    commit(pair(MARKED, outer=OUTER6), pair(MARKED, inner=INNER6, name="foo1", spi=0x2000))
    v4_in_v6 = gateways.send([0x00, 0xB8])
    v6_in_v4 = gateways.send([0x00, 0xB8], *INNER6)
    assert (outer(v4_in_v6), heard(v4_in_v6)) == ([0xA0, 0xB8], [0x00, 0xB8])
    assert (outer(v6_in_v4), heard(v6_in_v4)) == ([0xA0, 0xB8], [0x00, 0xB8])


# ===== a change of the DSCP =====


def test_a_new_dscp_is_on_the_wire_after_the_reapply_only(
    gateways: Gateways, backend: LinuxBackend, commit: Commit
) -> None:
    left, right = pair(MARKED)
    intent = commit((left, right))
    changed, _ = pair(replace(MARKED, dscp=0x12))
    change = change_of(intent, {left.id: carried(left, changed)})
    backend.apply(backend.prepare(change))
    assert outer(gateways.send([0x00])) == [0xA0]
    before = backend.observe(left.id).tunnels[left.id]

    backend.apply(backend.prepare(with_reapplied(change.new, left.id)))
    assert outer(gateways.send([0x00, 0xB8])) == [0x48, 0xB8]
    after = backend.observe(left.id).tunnels[left.id]
    assert after.counters.packets_out == before.counters.packets_out + 2
    assert after.children[0].established == before.children[0].established


def test_a_dscp_that_goes_is_unset_by_the_reapply(gateways: Gateways, backend: LinuxBackend, commit: Commit) -> None:
    left, right = pair(MARKED)
    intent = commit((left, right))
    unset, _ = pair(PLAIN)
    backend.apply(backend.prepare(change_of(intent, {left.id: unset})))
    assert outer(gateways.send([0x00, 0xB8])) == [0x00, 0xB8]


# ===== transport mode and DF =====


@pytest.mark.parametrize("proposal", [PLAIN, AH_SHA1], ids=["esp", "ah"])
@pytest.mark.parametrize("ends", [OUTER, OUTER6], ids=["v4", "v6"])
def test_transport_mode_leaves_the_tos_as_it_is(
    gateways: Gateways, commit: Commit, proposal: EspProposal, ends: tuple[str, str]
) -> None:
    commit(transport(proposal, ends))
    seen = gateways.send(APPLICATION, *ends)
    assert (outer(seen), heard(seen)) == (APPLICATION, APPLICATION)


def test_even_a_dscp_does_not_reach_a_header_that_is_the_application_s(gateways: Gateways, commit: Commit) -> None:
    commit(transport(MARKED))
    assert outer(gateways.send([0x00, 0xB8], "10.0.0.1", "10.0.0.2")) == [0x00, 0xB8]


def test_dont_fragment_is_copied_or_cleared(gateways: Gateways, commit: Commit) -> None:
    left, right = pair(PLAIN)
    commit((left, right))
    (copied,) = gateways.send([0x00])
    commit((replace(left, df_bit=DfBit.CLEAR), right))
    (cleared,) = gateways.send([0x00])
    assert (copied.ipsec.dont_fragment, cleared.ipsec.dont_fragment) == (True, False)


# ===== QoS =====


def test_packets_of_others_keep_their_priority(gateways: Gateways, commit: Commit) -> None:
    commit(l2=example_l2())
    ((frame,),) = [[frame for frame in item.wire if frame.protocol == 17] for item in gateways.send([0xA0])]
    assert (frame.tos, frame.pcp) == (0xA0, 0)


def test_tcpdump_sees_the_same(gateways: Gateways, commit: Commit) -> None:
    """An independent witness of the way this test reads frames."""
    commit(pair(MARKED), l2=example_l2())
    gateways.vm.start(
        [
            "timeout",
            "20",
            "tcpdump",
            "-i",
            "right",
            "-c",
            "1",
            "-n",
            "-e",
            "-v",
            "-w",
            "/run/seen.pcap",
            "--immediate-mode",
            "esp or (vlan and esp)",
        ],
        namespace="right",
    )
    gateways.vm.run("for i in $(seq 100); do grep -q listening /run/programs.log && exit 0; sleep .1; done; exit 1")
    gateways.send([0x00])
    gateways.vm.run("for i in $(seq 100); do [ -s /run/seen.pcap ] && exit 0; sleep .1; done; exit 1")
    text = gateways.vm.run("tcpdump -r /run/seen.pcap -n -e -v 2>/dev/null").out
    assert "vlan 100, p 2" in text
    assert "tos 0xa0" in text
    assert "ESP(spi=0x00001000" in text


# ===== algorithms =====


def test_every_algorithm_works_and_another_implementation_reads_it(
    gateways: Gateways, backend: LinuxBackend, commit: Commit
) -> None:
    able = backend.capabilities()
    assert replace(able, versions={}) == LINUX  # the table of backends says so
    proposals = [
        *(EspProposal(f"E-{name}", "esp", name, "sha1-96") for name in sorted(able.manual_encryption)),
        *(EspProposal(f"I-{name}", "esp", "aes-cbc-128", name) for name in sorted(able.esp_integrity)),
        *(EspProposal(f"A-{name}", "ah", "null", name) for name in sorted(able.ah_integrity)),
    ]
    ports = range(5000, 5000 + len(proposals))
    pairs = [
        pair(proposal, name=proposal.name, spi=0x1000 + 2 * number, port=port)
        for number, (proposal, port) in enumerate(zip(proposals, ports, strict=True))
    ]
    commit(*pairs)
    seen = gateways.send([0xB8], ports=ports)
    assert heard(seen) == [0xB8] * len(proposals)
    for proposal, (left, _), item in zip(proposals, pairs, seen, strict=True):
        if proposal.protocol == "esp":
            assert _decrypted(left, proposal, item.ipsec.packet)[1] == 0xB8, proposal.name


def _decrypted(tunnel: Tunnel, proposal: EspProposal, packet: bytes) -> bytes:
    """The inner packet, by the ESP of the simulator."""
    assert tunnel.manual is not None
    keys = tunnel.manual.outbound
    cipher, auth = (key.reveal() if key else b"" for key in (keys.cipher_key, keys.auth_key))
    sa = esp.Sa(
        keys.spi,
        ip_address("10.0.0.1"),
        ip_address("10.0.0.2"),
        cipher,
        auth,
        ENCRYPTION[proposal.encryption],
        INTEGRITY[proposal.integrity],
        ESP,
        Mode.TUNNEL,
        window=esp.ReplayWindow(0),
    )
    return esp.decapsulate(sa, packet)


# ===== contexts =====


def test_two_contexts_with_equal_addresses_and_selectors(gateways: Gateways) -> None:
    backend = gateways.backend()
    first = pair(MARKED)
    second = pair(replace(PLAIN, dscp=0x12), contexts=("second", "second-peer"))
    backend.reconcile(Intent())
    backend.apply(backend.prepare(between(Intent(), Intent.of([*first, *second]))))
    assert outer(gateways.send([0x00])) == [0xA0]
    assert outer(gateways.send([0x00], ends=("left2", "right2"))) == [0x48]
    backend.reconcile(Intent())
    backend.close()
