"""What operators see: the fields of the seed's show commands, tunnels, services, applications, QoS, platform."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryptomap.ipsec.observer import SINGLE, Observer
from cryptomap.ipsec.platform import Facts, facts_of
from cryptomap.ipsec.rule_text import rule_text
from cryptomap_backend.intent import TunnelId
from cryptomap_backend.simulator import Behaviour, Faults, Peer
from cryptomap_backend.state import Observation, Platform, TunnelState, TunnelStatus
from support.gateway import (
    FOO0,
    LOOPBACK,
    URN,
    Desk,
    Site,
    acl,
    application,
    binding,
    bundle,
    context,
    contexts,
    crypto_map,
    esp_set,
    ike_set,
    ikev2,
    interface,
    leafs,
    manual,
    qos,
    sample,
    values,
)

M = TunnelId("red", "m", "if")
BINDING = "//interface[name='if']/crypto-map[name='m']/state"


@pytest.fixture
def seed(site: Site) -> Site:
    site.commit(sample("seed"))
    return site


# ===== show crypto map tag =====


def test_every_field_of_show_crypto_map(seed: Site) -> None:
    """The fields of the seed's sample that the configuration itself does not say, one by one."""
    state = seed.state("//crypto-map[name='foo0' and type]/state")
    assert (
        values(state).items()
        >= {
            "status": "complete",
            "rule": "permit tcp 209.165.200.225 0.0.0.0 209.165.200.245 0.0.0.0",
            "remote-gateway": "209.165.201.1",
            "ike-dscp": "0",
            "peer-identity-check": "false",
            "dns-handling": "normal",
        }.items()
    )
    assert int(values(state)["manager"]) > 0
    assert values(state.find("interface")) == {
        "name": LOOPBACK,
        "local-gateway": "209.165.202.129",
        "reapply-pending": "false",
    }
    assert values(state.find("ike-transform")) == {
        "position": "1",
        "transform-set": "ikesa-foo",
        "encryption": "cmt:aes-cbc-128",
        "encryption-accelerator": "none",
        "prf": "cmt:sha1",
        "hmac": "cmt:sha1-96",
        "hmac-accelerator": "none",
        "group": "2",
    }
    assert values(state.find("authentication")) == {
        "local-method": "pre-shared-key",
        "local-key-size": "7",
        "remote-method": "pre-shared-key",
        "remote-key-size": "7",
        "self-certificate-validation": "false",
        "certificate-server-timeout": "20",
        "minimum-certificate-key-size-validation": "false",
        "max-dhost-connections": "40",
        "ocsp-http-version": "1.0",
    }
    payload = state.find("payload")
    assert values(payload) == {"position": "1", "name": "foo-sa0", "ipv4-fragment-type": "outer"}
    assert values(payload.find("transform")) == {
        "position": "1",
        "transform-set": "A-foo",
        "protocol": "esp",
        "mode": "tunnel",
        "encryption": "cmt:aes-cbc-128",
        "encryption-accelerator": "none",
        "hmac": "cmt:sha1-96",
        "hmac-accelerator": "none",
        "group": "none",
        "esn": "false",
        "dscp": "40",
    }


def test_a_map_that_lacks_something_says_what(site: Site) -> None:
    site.commit(contexts(context("red", interface("if", binding("m")), crypto_map(acl=None, peer=None, inner=""))))
    state = site.state("//crypto-map[name='m' and type]/state")
    assert state.findtext("status") == "incomplete"
    assert [found.text for found in state.findall("incomplete-reason")] == [
        "match-address is not set",
        "peer is not set",
        "there is no payload",
        "no ikev2-ikesa transform-set is listed",
        "authentication local is not set",
        "authentication remote is not set",
    ]
    assert state.find("authentication/local-method") is None
    assert site.state(BINDING).findtext("status") == "incomplete"


def test_a_manual_map_has_one_payload_without_a_name(site: Site) -> None:
    map_ = crypto_map(type="manual", inner=manual())
    site.commit(contexts(context("red", interface("if", binding("m")), acl("a"), esp_set(dscp=40), map_)))
    state = site.state("//crypto-map[name='m' and type]/state")
    assert (state.findtext("status"), state.find("payload/name"), state.find("ike-transform")) == (
        "complete",
        None,
        None,
    )
    sa = values(site.state(f"{BINDING}/child-sa"))
    assert (sa["inbound-spi"], sa["outbound-spi"], sa["applied-dscp"]) == ("256", "257", "40")
    assert "payload" not in sa


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("", "permit ip any any"),
        ("<action>deny</action><log>true</log><protocol>tcp</protocol>", "deny log tcp any any"),
        ("<source><prefix>192.0.2.0/24</prefix></source>", "permit ip 192.0.2.0 0.0.0.255 any"),
        ("<protocol>udp</protocol><destination><port>500</port></destination>", "permit udp any any eq 500"),
        ("<protocol>udp</protocol><source><operator>neq</operator><port>5</port></source>", "permit udp any neq 5 any"),
        ("<protocol>udp</protocol><source><operator>lte</operator><port>5</port></source>", "permit udp any lt 6 any"),
        ("<protocol>udp</protocol><source><operator>gte</operator><port>5</port></source>", "permit udp any gt 4 any"),
        ("<protocol>udp</protocol><source><operator>gte</operator><port>0</port></source>", "permit udp any any"),
        ("<protocol>tcp</protocol><source><lower-port>1</lower-port><upper-port>9</upper-port></source>",
         "permit tcp any range 1 9 any"),
        ("<protocol>icmp</protocol><icmp><type>8</type></icmp>", "permit icmp any any 8"),
    ],
)  # fmt: skip
def test_rules_as_staros_writes_them(rule: str, text: str) -> None:
    desk = Desk()
    lists = f'<access-list xmlns="{URN}-acl"><name>a</name><rule><name>r</name>{rule}</rule></access-list>'
    desk.load(contexts(context("red", lists)))
    red = desk.scopes.reader(desk.running).config.context("red")
    assert red is not None
    (node,) = next(iter(red.entries("cryptomap-acl:access-list").nodes())).entries("rule").nodes()
    assert rule_text(node) == text


# ===== tunnels =====


def test_a_tunnel_that_waits_for_traffic(site: Site) -> None:
    site.commit(contexts(bundle(dscp=40)))
    state = site.state(BINDING)
    assert (
        values(state).items()
        >= {
            "status": "waiting",
            "local-gateway": "192.0.2.254",
            "remote-gateway": "203.0.113.1",
            "reapply-pending": "false",
            "applied-at": "1970-01-12T13:46:40.000Z",
        }.items()
    )
    assert state.find("child-sa") is None


def test_an_ike_sa_and_its_times(seed: Site) -> None:
    state = seed.state(f"//interface[name='{LOOPBACK}']/crypto-map[name='foo0']/state")
    ike = values(state.find("ike-sa"))
    assert (ike["initiator"], ike["encryption"], ike["group"], ike["dscp"]) == ("true", "cmt:aes-cbc-128", "2", "0")
    assert ike["established"] == "1970-01-12T13:46:40.000Z"
    assert ike["rekey-time"] == str(86400 * 9 // 10)
    assert state.findtext("child-sa/rekey-time") == str(9000 * 9 // 10)
    assert values(state.find("statistics"))["output-packets"] == "0"


def test_the_last_change_is_when_the_backend_said_so(seed: Site) -> None:
    seed.hear()
    state = seed.state(f"//interface[name='{LOOPBACK}']/crypto-map[name='foo0']/state")
    assert state.findtext("last-change") == "1970-01-12T13:46:40.000Z"


@pytest.mark.parametrize(("behaviour", "status"), [(Behaviour.DEAD, "negotiating"), (Behaviour.REFUSES, "down")])
def test_a_tunnel_that_does_not_come_up(site: Site, behaviour: Behaviour, status: str) -> None:
    site.commit(sample("seed"))
    bound = f"<interface><name>{LOOPBACK}</name>{{}}</interface>"
    site.commit(
        contexts(context("ipsec-d", bound.format(binding("foo0").replace(" xmlns", ' nc:operation="remove" xmlns'))))
    )
    remote = next(found.remote for found in site.intent.tunnels.values())
    assert remote is not None
    site.world.peers |= {peer: Peer(behaviour) for peer in (remote - 1, remote)}
    site.commit(contexts(context("ipsec-d", bound.format(binding("foo0", "<initiate>on-bind</initiate>")))))
    state = site.state(f"//interface[name='{LOOPBACK}']/crypto-map[name='foo0']/state")
    assert state.findtext("status") == status
    assert (state.findtext("last-error") is not None) == (status == "down")


def test_a_backend_that_does_not_answer_costs_its_part_only(seed: Site) -> None:
    seed.world.gate.set(Faults(disconnected=True))
    state = seed.state(f"//interface[name='{LOOPBACK}']/crypto-map[name='foo0']/state")
    assert state.findtext("status") == "unknown"
    assert state.findtext("applied/applied-dscp") == "40"
    assert "disconnected" in (state.findtext("last-error") or "")
    assert seed.state("//crypto-map[name='foo0' and type]/state").findtext("status") == "complete"
    assert seed.state("//platform/backend").findtext("health") == "unavailable"


# ===== the rest of a context =====


def test_the_hmac_in_use(site: Site) -> None:
    site.commit(contexts(context("red", esp_set("gcm", encryption="t:aes-128-gcm-128"), esp_set("cbc"))))
    assert site.state("//ipsec-transform-set[name='gcm']/hmac-in-use").text == "cmt:null"
    assert site.state("//ipsec-transform-set[name='cbc']/hmac-in-use").text == "cmt:sha1-96"


def test_services_and_templates(site: Site) -> None:
    template = f'<crypto-template xmlns="{URN}-ipsec"><name>t</name>{ikev2()}</crypto-template>'
    service = f'<security-service xmlns="{URN}-ipsec"><name>{{}}</name><bind>{{}}</bind></security-service>'
    bind = leafs(address="192.0.2.9", crypto_template="t")
    none = service.format("none", leafs(address="192.0.2.8"))
    both = ike_set(group=14), esp_set(), template, service.format("s", bind), none
    site.commit(contexts(context("red", *both)))

    assert values(site.state("//crypto-template/state")) == {"status": "complete", "service": "s"}
    assert values(site.state("//security-service[name='s']/state")) == {"oper-state": "functional"}
    assert values(site.state("//security-service[name='none']/state")) == {
        "oper-state": "not-functional",
        "reason": "bind crypto-template is not set",
    }


@pytest.mark.parametrize(
    ("own", "outer", "source"), [(None, "40", "crypto-map"), (0, "40", "crypto-map"), (46, "46", "application")]
)
def test_an_application_and_its_marking(site: Site, own: int | None, outer: str, source: str) -> None:
    app = application("sx", "sx", protected_by=("red", "m"), interface="if", dscp=own)
    site.commit(contexts(bundle("red", app, dscp=40)))
    assert values(site.state("//application/state")) == {
        "protection": "waiting",
        "local-address": "192.0.2.254",
        "outer-dscp": outer,
        "dscp-source": source,
    }


def test_an_application_without_protection(site: Site) -> None:
    lone = application("a", "sx", local_address="192.0.2.1") + application("b", "sx", protected_by=("red", "n"))
    site.commit(contexts(bundle("red", crypto_map("n"), lone)))
    assert site.state("//application[name='a']/state").findtext("protection") == "none"
    assert site.state("//application[name='b']/state").findtext("protection") == "unbound"


def test_a_protected_application(seed: Site) -> None:
    assert seed.state("//application[name='srp']/state").findtext("protection") == "protected"


# ===== QoS =====


def test_the_dscp_mapping_has_64_rows(seed: Site) -> None:
    rows = [values(row) for row in seed.state("//qos/state").findall("ip-dscp-iphb-mapping")]
    assert [row["dscp"] for row in rows] == [str(dscp) for dscp in range(64)]
    assert [row["dscp"] for row in rows if row["cos"] != "0"] == ["40"]
    assert rows[40] == {"dscp": "40", "cos": "1", "configured": "true"}


def test_the_l2_table_is_that_of_the_seed(seed: Site) -> None:
    """show qos l2-mapping-table name l2Marktable: all 32 rows as printed."""
    rows = [values(row) for row in seed.state("//l2-mapping-table/state").findall("internal-priority")]
    printed = [
        (cos, color, 4 if (cos, color) == (1, 0) else 2 * cos, 6 if (cos, color) == (1, 0) else cos)
        for cos in range(8)
        for color in range(4)
    ]
    names = ("cos", "color", "dot1p-value", "mpls-tc")
    assert [tuple(int(row[name]) for name in names) for row in rows] == printed
    assert (rows[4]["pcp"], rows[4]["dei"], rows[4]["configured"]) == ("2", "false", "true")


def test_the_system_default_table_is_there_unconfigured(site: Site) -> None:
    rows = site.state("//system-default-l2-mapping-table/state").findall("internal-priority")
    assert len(rows) == 32
    assert {row.findtext("configured") for row in rows} == {"false"}


def test_which_table_is_in_use(site: Site) -> None:
    association = f'<associate-l2-mapping-table xmlns="{URN}-qos">{{}}</associate-l2-mapping-table>'
    vrfs = f"<vrf><name>v</name>{association.format('<system-default/>')}</vrf><vrf><name>w</name></vrf>"
    table = qos("<l2-mapping-table><name>T</name></l2-mapping-table>")
    site.commit(contexts(context("red", vrfs, association.format("<name>T</name>")), context("blue")) + table)
    used = "/associate-l2-mapping-table/table-in-use"
    assert site.state(f"//context[name='red']{used}").text == "T"
    assert site.state(f"//vrf[name='v']{used}").text == "system-default"
    assert site.state(f"//vrf[name='w']{used}").text == "T"
    assert site.state(f"//context[name='blue']{used}").text == "system-default"


# ===== platform =====


def test_the_platform(seed: Site) -> None:
    found = seed.state("//platform")
    assert values(found) == {"role": "user-plane", "type": "generic", "vpp": "false", "crypto-hardware": "false"}
    backend = found.find("backend")
    assert values(backend).items() >= {"name": "simulator", "version": "simulator 1", "health": "connected"}.items()
    able = backend.find("capabilities")
    assert able.findtext("dscp-policy") == "copy-or-fixed"
    assert {found.text for found in able.findall("map-type")} == {"ikev2-ipv4", "ikev2-ipv6", "manual", "dynamic"}


def test_what_the_backend_knows_wins() -> None:
    settings = Facts(role="control-plane", type="vpc-di", vpp=True)
    assert facts_of(None, settings) == settings
    assert facts_of(Platform(), settings) == settings
    assert facts_of(Platform(type="vpc-si", vpp=False), settings) == Facts("control-plane", "vpc-si", False)


def test_a_platform_that_changed_is_served_and_what_it_breaks_is_shown(tmp_path: Path) -> None:
    site = Site(tmp_path / "state", facts=Facts(vpp=True))
    site.commit(contexts(bundle("red", encryption="t:aes-cbc-192")))
    site.facts = Facts(vpp=False)
    site.restart()
    found = site.gateway.examine(site.datastores.running)
    assert [error.app_tag for error in found if error.severity == "error"] == ["algorithm-platform"]
    assert "aes-cbc-192 needs VPP" in (site.state("//platform").findtext("violation") or "")
    site.commit(contexts(context("red", esp_set(encryption="t:aes-cbc-256"))))
    assert site.state("//platform").find("violation") is None


# ===== the observer =====


class Counting:
    """A backend that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[TunnelId | None] = []

    def observe(self, only: TunnelId | None = None) -> Observation:
        self.asked.append(only)
        return Observation(0.0, {FOO0: TunnelState(FOO0, TunnelStatus.UP)})


def test_user_need_4_one_question_asks_for_one_tunnel_and_many_for_all_at_once() -> None:
    backend, now = Counting(), [0.0]
    observer = Observer(backend, lambda: now[0])  # type: ignore[arg-type]
    for _ in range(1000):
        assert observer.tunnel(FOO0) is not None
    assert backend.asked == [FOO0] * SINGLE + [None]


def test_what_is_remembered_serves_for_a_second_and_not_beyond_a_change() -> None:
    backend, now = Counting(), [0.0]
    observer = Observer(backend, lambda: now[0])  # type: ignore[arg-type]
    for _ in range(100):
        observer.tunnel(FOO0)
    backend.asked.clear()
    observer.forget()
    observer.tunnel(FOO0)
    assert backend.asked == [None]
    now[0] += 1.5
    observer.tunnel(FOO0)
    assert backend.asked == [None, FOO0]


def test_a_bulk_reader_asks_the_backend_once_for_all(site: Site) -> None:
    names = [f"m{n}" for n in range(100)]
    maps = [crypto_map(name) for name in names]
    site.commit(contexts(context("red", interface("if", *map(binding, names)), acl("a"), ike_set(), esp_set(), *maps)))
    counting = Counting()
    counting.observe = lambda only=None: (counting.asked.append(only), site.backend.observe(only))[1]  # type: ignore[method-assign]
    site.gateway.observer._backend = counting  # type: ignore[assignment]
    site.state("//context")
    assert len(counting.asked) <= SINGLE + 2
