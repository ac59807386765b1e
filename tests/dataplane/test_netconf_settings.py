"""Settings of maps and templates, from a NETCONF commit to what charon does: nothing is kept in silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dataplane.charon import Charon, Lab
from dataplane.commits import TEMPLATE, configuration, here, shared, there
from dataplane.sites import Site
from support.server import PATIENCE

pytestmark = pytest.mark.timeout(120)


def loaded(charon: Charon) -> Mapping[str, Any]:
    """The only child of the only connection, as charon lists it."""
    ((connection,),) = [list(one.values()) for one in charon.vici.stream("list-conns", "list-conn")]
    (child,) = connection["children"].values()
    assert isinstance(child, Mapping)
    return child


@pytest.mark.parametrize(
    "limit",
    ["<lifetime-sequence-number>20</lifetime-sequence-number>", "<lifetime-kilobytes>2</lifetime-kilobytes>"],
    ids=["packets", "kilobytes"],
)
def test_an_sa_ends_after_what_it_may_carry(charons: Lab, gateway: Site, peer: Site, limit: str) -> None:
    """30 packets of 84 bytes are more than 20 packets, and more than 2 kilobytes."""
    peer.commit(configuration(there()))
    gateway.commit(configuration(here(payload=limit)))
    first = gateway.hear("tunnel-up")
    assert charons.ping(1, count=30, patience=int(PATIENCE))
    assert gateway.hear("tunnel-down")["reason"] == "the child SA was deleted"
    assert gateway.hear("tunnel-up")["inbound-spi"] != first["inbound-spi"]


def test_an_sa_is_rekeyed_before_it_has_carried_all(charons: Lab, gateway: Site, peer: Site) -> None:
    peer.commit(configuration(there()))
    limit = "<lifetime-sequence-number>20</lifetime-sequence-number><rekey>true</rekey>"
    gateway.commit(configuration(here(payload=limit)))
    gateway.hear("tunnel-up")
    assert loaded(charons.gateway)["rekey_packets"] == "18"
    assert charons.ping(1, count=30, patience=int(PATIENCE))
    state = gateway.state("foo1")
    assert (state["status"], state["statistics/rekeys"] != "0") == ("up", True)


def test_a_template_takes_only_the_addresses_it_is_for(charons: Lab, gateway: Site, peer: Site) -> None:
    """Its peers ask for all of 203.0.113.0/25, and bring 10.0.1.0/24 or 10.0.2.0/24."""
    ranges = (
        "<tsi><start-address>10.0.1.0</start-address><end-address>10.0.1.255</end-address></tsi>"
        "<tsr><start-address>203.0.113.0</start-address><end-address>203.0.113.63</end-address></tsr>"
    )
    gateway.commit(configuration(TEMPLATE.format(proof=shared(), payload=ranges)))
    peer.commit(configuration(there(1, initiate="on-bind")))
    peer.hear("tunnel-up")
    ((_, session),) = charons.gateway.sas()
    (child,) = session["child-sas"].values()
    assert (child["local-ts"], child["remote-ts"]) == (["203.0.113.0/26"], ["10.0.1.0/24"])

    peer.commit(configuration(there(2, initiate="on-bind")))
    words = "the peer does not accept our traffic selector: its crypto ACL must mirror ours (TS_UNACCEPTABLE)"
    assert peer.hear("tunnel-down", reason=words)["crypto-map"] == "foo2"


def test_an_access_list_of_icmp_selects_by_type_and_code(charons: Lab, gateway: Site) -> None:
    echo = {"protocol": "icmp", "icmp": "<icmp><type>3</type><code>4</code></icmp>", "initiate": "on-traffic"}
    gateway.commit(configuration(here(**echo)))
    child = loaded(charons.gateway)
    assert (child["local-ts"], child["remote-ts"]) == (["203.0.113.0/25[icmp/3(4)]"], ["10.0.1.0/24[icmp/3(4)]"])


def test_what_charon_has_for_the_whole_daemon_only_is_told(gateway: Site, peer: Site) -> None:
    """The commit is carried out without it."""
    capped = "<maximum-child-sa>3</maximum-child-sa><ignore-rekeying-requests>true</ignore-rekeying-requests>"
    asked = here(payload=f"{capped}<mtu>1300</mtu>", ikesa="<max-retransmissions>3</max-retransmissions>")
    peer.commit(configuration(there()))
    gateway.commit(configuration(asked))
    warned = " ".join(gateway.warnings())
    for feature in ("maximum-child-sa", "ignore-rekeying-requests", "payload-mtu", "ike-retransmission-timers"):
        assert f"backend strongswan cannot do {feature}: " in warned
    gateway.until("foo1", lambda state: state["status"] == "up")
