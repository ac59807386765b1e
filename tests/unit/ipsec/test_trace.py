"""Traces besides the seed's story: who takes a packet, why nobody does, and what becomes of it."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from cryptomap_backend.simulator import Behaviour, Faults, Peer
from support.gateway import (
    URN,
    Site,
    acl,
    binding,
    bundle,
    context,
    contexts,
    crypto_map,
    esp_set,
    ike_set,
    interface,
    qos,
)

PEER = ip_address("203.0.113.1")
BIND = "<initiate>on-bind</initiate>"


def trace(site: Site, **given: Any) -> dict[str, str]:
    packet = {"source-address": "192.0.2.1", "destination-address": "198.51.100.1", "protocol": "udp"}
    packet |= {key.replace("_", "-"): value for key, value in given.items()}
    output = site.act("trace-packet", "", "red", **packet)
    assert output is not None
    pairs = zip(output.schema.children, output.slots, strict=True)
    return {child.name: value for child, value in pairs if isinstance(value, str)}


def parts(*maps: str, bound: str, lists: str = "") -> str:
    needs = lists or acl("a"), ike_set(group=14), esp_set(dscp=40)
    return contexts(context("red", interface("if", bound), *needs, *maps))


def test_the_first_packet_starts_the_negotiation(site: Site) -> None:
    site.commit(contexts(bundle(dscp=40)))
    found = trace(site)
    assert (found["protected"], found["outer-dscp"]) == ("true", "40")
    assert found["reason"] == "there is no SA yet: this packet starts the negotiation"
    assert "outbound-spi" not in found


def test_a_map_that_is_not_bound_or_lacks_something_is_named(site: Site) -> None:
    site.commit(contexts(bundle("red", crypto_map("n", acl="b"), acl("b", "192.0.2.7/32"))))
    assert trace(site, source_address="192.0.2.7")["reason"] == (
        "crypto map n selects it, but is not in force: it is bound to no interface with an address of its family"
    )
    no_peer = f'<crypto-map xmlns="{URN}-ipsec"><name>m</name><peer nc:operation="delete"/></crypto-map>'
    site.commit(contexts(context("red", no_peer)))
    found = trace(site)
    assert found["reason"] == "crypto map m selects it, but is not in force: peer is not set"
    assert (found["protected"], found["outer-dscp"], found["dot1p-value"]) == ("false", "0", "0")


def test_an_empty_context_has_nobody(site: Site) -> None:
    site.commit(contexts(context("red")))
    assert trace(site)["reason"] == "no crypto map is in force in context red"


@pytest.mark.parametrize(
    ("given", "protected"),
    [
        ({"destination_port": 500}, "true"),
        ({"destination_port": 501}, "false"),
        ({}, "false"),
        ({"destination_port": 500, "protocol": "tcp"}, "false"),
        ({"destination_port": 500, "protocol": "17"}, "true"),
    ],
)
def test_what_is_not_known_of_a_packet_matches_no_rule_that_asks(
    site: Site, given: dict[str, Any], protected: str
) -> None:
    rule = "<rule><name>r</name><protocol>udp</protocol><destination><port>500</port></destination></rule>"
    lists = f'<access-list xmlns="{URN}-acl"><name>a</name>{rule}</access-list>'
    site.commit(parts(crypto_map(), bound=binding(), lists=lists))
    assert trace(site, **given)["protected"] == protected


def test_of_two_maps_the_preferred_then_the_first_bound_takes_it(site: Site) -> None:
    site.commit(parts(crypto_map("a"), crypto_map("b"), bound=binding("b") + binding("a")))
    assert trace(site)["crypto-map"] == "b"
    prefer = f'<crypto-map xmlns="{URN}-ipsec"><name>a</name><match-preference>0</match-preference></crypto-map>'
    site.commit(contexts(context("red", prefer)))
    assert trace(site)["crypto-map"] == "a"


def test_a_tunnel_in_error_drops_the_packet(tmp_path: Path) -> None:
    site = Site(tmp_path / "state", settings={"peers": {"203.0.113.1": "refuses"}})
    site.commit(parts(crypto_map(), bound=binding("m", BIND)))
    found = trace(site)
    assert found["protected"] == "false"
    assert "the packet is dropped: NO_PROPOSAL_CHOSEN" in found["reason"]


def test_a_tunnel_being_negotiated(site: Site) -> None:
    site.world.peers[PEER] = Peer(Behaviour.DEAD)
    site.commit(parts(crypto_map(), bound=binding("m", BIND)))
    assert trace(site)["reason"] == "there is no SA yet: the tunnel is being negotiated"


def test_a_dynamic_map_waits_for_its_peer(site: Site) -> None:
    site.commit(parts(crypto_map(type="dynamic", peer=None), bound=binding()))
    assert "has to connect first" in trace(site)["reason"]


def test_a_backend_that_does_not_answer_leaves_it_open(site: Site) -> None:
    site.commit(contexts(bundle(dscp=40)))
    site.world.gate.set(Faults(disconnected=True))
    found = trace(site)
    assert (found["protected"], found["outer-dscp"]) == ("false", "40")
    assert "not known" in found["reason"]


def test_transport_mode_has_no_outer_header(site: Site) -> None:
    site.commit(contexts(bundle(mode="transport")))
    found = trace(site, tos=46 << 2)
    assert (found["outer-dscp"], found["inner-dscp"]) == ("46", "46")


def test_the_egress_vrf_chooses_the_table(site: Site) -> None:
    row = "<internal-priority><cos>0</cos><color>0</color><dot1p-value>6</dot1p-value></internal-priority>"
    table = qos(f"<l2-mapping-table><name>T</name>{row}</l2-mapping-table>")
    chosen = f'<associate-l2-mapping-table xmlns="{URN}-qos"><name>T</name></associate-l2-mapping-table>'
    vrfs = f"<vrf><name>v</name>{chosen}</vrf><vrf><name>w</name></vrf>"
    site.commit(contexts(bundle("red", vrfs)) + table)
    assert trace(site)["l2-mapping-table"] == "system-default"
    assert trace(site, vrf="v")["l2-mapping-table"] == "T"
    site.commit(contexts(context("red", "<interface><name>if</name><vrf>v</vrf></interface>")))
    assert (trace(site)["l2-mapping-table"], trace(site)["dot1p-value"]) == ("T", "6")
    assert trace(site, vrf="w")["l2-mapping-table"] == "system-default"
