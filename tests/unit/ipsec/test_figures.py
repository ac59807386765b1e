"""Tunnels in figures: what metrics are made of."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from cryptomap.ipsec.figures import TunnelFigures
from cryptomap_backend.simulator import packet as ip
from cryptomap_backend.simulator.faults import Faults
from cryptomap_backend.state import EventKind
from support.gateway import FOO0, Site, context, contexts, esp_set, sample

SEGMENT = bytes.fromhex("9c401772000000000000000050022000" + "00" * 4)
PACKET = ip.build_header(
    ip_address("209.165.200.225"), ip_address("209.165.200.245"), ip.TCP, len(SEGMENT), 0
) + SEGMENT  # fmt: skip


def foo0(site: Site) -> TunnelFigures:
    site.gateway.observer.forget()
    return next(item for item in site.gateway.figures() if item.id == (FOO0.context, FOO0.crypto_map, FOO0.interface))


def test_counters_never_go_backwards_over_a_rekey(tmp_path: Path) -> None:
    site = Site(tmp_path / "state")
    site.commit(sample("seed"))
    seen, rekeys = [], []
    for _ in range(4):
        site.world.send_packet("ipsec-d", PACKET)
        seen.append(foo0(site).counters.bytes_out)
        site.world.advance(8500)  # beyond the rekey at nine tenths of 9,000 s
        rekeys += [event for event in site.backend.events() if event.kind is EventKind.CHILD_REKEYED]
    assert len(rekeys) >= 4
    assert seen == [len(PACKET) * count for count in (1, 2, 3, 4)]


def test_status_and_reapply(tmp_path: Path) -> None:
    site = Site(tmp_path / "state")
    site.commit(sample("seed"))
    assert (foo0(site).status, foo0(site).reapply_pending) == ("up", False)
    site.commit(contexts(context("ipsec-d", esp_set("A-foo", dscp=46))))
    assert foo0(site).reapply_pending
    site.world.gate.set(Faults(disconnected=True))
    assert foo0(site).status == "unknown"
