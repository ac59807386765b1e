"""The seed's story from commit to wire: the sample, its state, a changed DSCP, re-apply, a traced packet."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from cryptomap.errors import RpcErrors
from cryptomap_backend.simulator import packet as ip
from support.gateway import FOO0, FOO1, LOOPBACK, Site, config, context, contexts, esp_set, sample, values

TUNNEL = f"//interface[name='{LOOPBACK}']/crypto-map[name='foo0']/state"
DISSOCIATE = contexts(
    context(
        "ipsec-d",
        '<associate-l2-mapping-table xmlns="urn:cryptomap:yang:cryptomap-qos" nc:operation="delete"/>',
    )
)


def dscp(value: int) -> str:
    return contexts(context("ipsec-d", esp_set("A-foo", dscp=value)))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "state")
    site.commit(sample("seed"))
    return site


def test_the_map_is_complete_and_its_sas_carry_the_dscp(site: Site) -> None:
    state = site.state("//crypto-map[name='foo0' and type]/state")
    tunnel = site.state(TUNNEL)
    sa = values(tunnel.find("child-sa"))

    assert state.findtext("status") == "complete"
    assert state.findtext("rule") == "permit tcp 209.165.200.225 0.0.0.0 209.165.200.245 0.0.0.0"
    assert values(state.find("interface")) == {
        "name": LOOPBACK,
        "local-gateway": "209.165.202.129",
        "reapply-pending": "false",
    }
    assert tunnel.findtext("status") == "up"
    assert (sa["applied-dscp"], sa["transform-set"], sa["payload"]) == ("40", "A-foo", "foo-sa0")
    assert int(sa["inbound-spi"]) > 255


def test_a_changed_dscp_waits_for_the_reapply(site: Site) -> None:
    before = site.state(TUNNEL).find("child-sa")
    site.commit(dscp(46))

    tunnel = site.state(TUNNEL)
    assert tunnel.findtext("reapply-pending") == "true"
    assert values(tunnel.find("applied")) == {"transform-set": "A-foo", "applied-dscp": "40", "configured-dscp": "46"}
    assert tunnel.findtext("child-sa/applied-dscp") == "40"
    assert tunnel.findtext("child-sa/inbound-spi") == before.findtext("inbound-spi")

    assert site.reapply(FOO0) == "updated"
    assert site.state(TUNNEL).findtext("reapply-pending") == "false"
    assert site.state(TUNNEL).findtext("child-sa/applied-dscp") == "46"
    assert site.intent.tunnels[FOO1].reapply_pending


def test_a_shared_transform_set_makes_every_map_wait_and_says_so(site: Site) -> None:
    site.commit(dscp(46))
    told = [(node.schema.name, node.text("crypto-map")) for node in site.notifications]
    assert told == [("crypto-map-reapply-pending", "foo0"), ("crypto-map-reapply-pending", "foo1")]


def test_setting_the_dscp_back_clears_the_flag(site: Site) -> None:
    site.commit(dscp(46))
    site.commit(dscp(40))
    assert site.state(TUNNEL).findtext("reapply-pending") == "false"


def test_what_is_applied_survives_a_restart(site: Site) -> None:
    site.commit(dscp(46))
    site.restart()
    assert site.state(TUNNEL).findtext("reapply-pending") == "true"
    assert site.state(TUNNEL).findtext("child-sa/applied-dscp") == "40"
    assert site.datastores.out_of_sync == {}


def test_delete_and_create_in_one_commit_is_no_change(site: Site) -> None:
    site.commit(dscp(46))
    inner = (
        '<crypto-map xmlns="urn:cryptomap:yang:cryptomap-ipsec" nc:operation="remove"><name>foo0</name></crypto-map>'
    )
    again = inner.replace(' nc:operation="remove"', "").replace("</name>", "</name><initiate>on-bind</initiate>")
    entry = f"<interface><name>{LOOPBACK}</name>{{}}</interface>"
    site.edit(contexts(context("ipsec-d", entry.format(inner))))
    site.edit(contexts(context("ipsec-d", entry.format(again))))
    site.commit()
    assert site.intent.tunnels[FOO0].reapply_pending

    site.commit(contexts(context("ipsec-d", entry.format(inner))))
    site.commit(contexts(context("ipsec-d", entry.format(again))))
    assert not site.intent.tunnels[FOO0].reapply_pending
    assert site.state(TUNNEL).findtext("child-sa/applied-dscp") == "46"


def test_the_day1_violation_of_the_samples_is_refused(site: Site) -> None:
    with pytest.raises(RpcErrors) as refused:
        site.commit(sample("day1-violation"))
    (error,) = refused.value.errors
    assert (error.tag, error.app_tag) == ("operation-failed", "day1-context")
    assert str(error.path) == (
        "/cmc:contexts/cmc:context[cmc:name='ipsec-s']/cmap:application[cmap:name='rcm']/cmap:protected-by"
    )
    assert "protect the application with a crypto map of ipsec-s" in error.message


# ===== a traced packet =====


def trace(site: Site, tos: int = 0, destination: str = "209.165.200.245") -> dict[str, str]:
    output = site.act(
        "trace-packet",
        "",
        "ipsec-d",
        **{"source-address": "209.165.200.225", "destination-address": destination, "protocol": 6, "tos": tos},
    )
    assert output is not None
    return {
        child.name: value
        for child, value in zip(output.schema.children, output.slots, strict=True)
        if isinstance(value, str)
    }


def test_a_packet_without_dscp_takes_that_of_the_sa_down_to_layer_2(site: Site) -> None:
    found = trace(site)
    assert found["protected"] == "true"
    assert (found["crypto-map"], found["transform-set"]) == ("foo0", "A-foo")
    assert (found["inner-dscp"], found["outer-dscp"], found["outer-tos"]) == ("0", str(0x28), str(0xA0))
    assert (found["cos"], found["l2-mapping-table"]) == ("1", "l2Marktable")
    assert (found["dot1p-value"], found["pcp"], found["dei"], found["mpls-tc"]) == ("4", "2", "false", "6")


def test_without_the_association_the_default_table_marks(site: Site) -> None:
    site.commit(DISSOCIATE)
    found = trace(site)
    assert (found["l2-mapping-table"], found["dot1p-value"], found["mpls-tc"]) == ("system-default", "2", "1")


def test_an_application_dscp_wins(site: Site) -> None:
    found = trace(site, tos=46 << 2 | 2)
    assert (found["inner-dscp"], found["outer-dscp"], found["outer-tos"]) == ("46", "46", str(46 << 2 | 2))


def test_a_packet_nobody_selects_says_why(site: Site) -> None:
    found = trace(site, destination="209.165.200.246")
    assert found["protected"] == "false"
    assert found["reason"] == "no access list of the 2 crypto maps in force in context ipsec-d selects it"


def test_the_steps_name_what_decided(site: Site) -> None:
    given = {"source-address": "209.165.200.225", "destination-address": "209.165.200.245", "protocol": 6, "tos": 0}
    output = site.act("trace-packet", "", "ipsec-d", **given)
    assert output is not None
    steps = [(step.text("name"), step.text("decided-by")) for step in output.entries("step").nodes()]
    base = "/cryptomap-context:contexts/context[name='ipsec-d']"
    assert steps == [
        ("access-list", f"{base}/cryptomap-acl:access-list[name='foo0']/rule[name='rule-1']"),
        ("crypto-map", f"{base}/interface[name='{LOOPBACK}']/cryptomap-ipsec:crypto-map[name='foo0']"),
        ("security-association", f"{base}/cryptomap-ipsec:ipsec-transform-set[name='A-foo']"),
        ("outer-dscp", f"{base}/cryptomap-ipsec:ipsec-transform-set[name='A-foo']/dscp"),
        ("internal-priority", "/cryptomap-qos:qos/ip-dscp-iphb-mapping[dscp='40']"),
        ("l2-mapping-table", f"{base}/cryptomap-qos:associate-l2-mapping-table"),
        ("l2-marking", "/cryptomap-qos:qos/l2-mapping-table[name='l2Marktable']/internal-priority[cos='1'][color='0']"),
    ]


@pytest.mark.parametrize("tos", [0, 2, 46 << 2, 46 << 2 | 1])
def test_the_trace_and_the_wire_agree(site: Site, tos: int) -> None:
    inner = tcp_packet(tos)
    sent = site.world.send_packet("ipsec-d", inner)
    found = trace(site, tos)
    assert sent.packet is not None
    assert sent.packet[1] == int(found["outer-tos"])
    assert sent.l2 is not None
    assert (sent.l2.dot1p, sent.l2.mpls_tc) == (int(found["dot1p-value"]), int(found["mpls-tc"]))


def tcp_packet(tos: int) -> bytes:
    """A TCP segment between the two hosts of foo0."""
    segment = bytes.fromhex("9c40 1772 00000000 00000000 5002 2000 0000 0000".replace(" ", ""))
    source, destination = ip_address("209.165.200.225"), ip_address("209.165.200.245")
    return ip.build_header(source, destination, ip.TCP, len(segment), tos) + segment


# ===== events =====


def test_a_tunnel_that_comes_up_is_announced_with_its_sa(site: Site) -> None:
    heard = {node.text("crypto-map"): node for node in site.hear()}
    up = heard["foo0"]
    assert up.schema.name == "tunnel-up"
    assert (up.text("remote-gateway"), up.text("applied-dscp")) == ("209.165.201.1", "40")
    assert up.text("inbound-spi") == site.state(TUNNEL).findtext("child-sa/inbound-spi")


def test_a_tunnel_that_goes_is_announced_with_the_reason(site: Site) -> None:
    site.hear()
    gone = '<crypto-map xmlns="urn:cryptomap:yang:cryptomap-ipsec" nc:operation="remove"><name>foo1</name></crypto-map>'
    site.commit(config(contexts(context("ipsec-d", f"<interface><name>{LOOPBACK}</name>{gone}</interface>"))))
    (down,) = site.hear()
    assert (down.schema.name, down.text("crypto-map"), down.text("reason")) == (
        "tunnel-down",
        "foo1",
        "the map left the interface",
    )
