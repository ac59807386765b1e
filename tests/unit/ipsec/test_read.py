"""From the tree to the intent: each noun, what makes it complete, and that a change reads as the whole does."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryptomap.errors import RpcErrors
from cryptomap.ipsec.names import Kind, Named
from cryptomap.ipsec.read import Reader
from cryptomap_backend.intent import (
    Applied,
    DeadPeerDetection,
    DfBit,
    EspProposal,
    IkeProposal,
    Initiate,
    Intent,
    L2Table,
    Mode,
    Selector,
    Tunnel,
    TunnelId,
    TunnelKind,
)
from support.gateway import (
    FOO0,
    KEYS,
    URN,
    Desk,
    acl,
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
)
from support.stores import VAULT

M = TunnelId("red", "m", "if")
YANG = "urn:ietf:params:xml:ns:yang:1"


def read(inner: Any) -> Reader:
    desk = Desk()
    desk.load(inner)
    return desk.scopes.reader(desk.running)


def tunnel(inner: Any, item: TunnelId = M) -> Tunnel:
    found = read(inner).tunnel(item)
    assert found is not None
    return found


def missing(*inner: str, item: TunnelId = M) -> str:
    reader = read(contexts(context("red", *inner)))
    assert reader.tunnel(item) is None
    return "; ".join(reader.why_incomplete(item))


# ===== nouns =====


def test_the_seed_as_an_intent() -> None:
    found = tunnel(sample("seed"), FOO0)
    assert (found.kind, found.family, found.initiate) == (TunnelKind.IKEV2, 4, Initiate.BIND)
    assert (str(found.local), str(found.remote)) == ("209.165.202.129", "209.165.201.1")
    assert found.selector == Selector(ip_network("209.165.200.225/32"), ip_network("209.165.200.245/32"), 6)
    (child,) = found.children
    assert (child.name, child.lifetime, child.rekey, child.rekey_keepalive) == ("foo-sa0", 9000, True, True)
    assert child.proposals == (EspProposal("A-foo", dscp=0x28),)
    assert found.ike is not None
    assert found.ike.proposals == (IkeProposal("ikesa-foo"),)
    assert (found.ike.max_retransmissions, found.ike.retransmission_timeout_ms) == (3, 15000)
    assert (found.ike.setup_timer, found.ike.error_notification, found.ike.dpd) == (60, True, None)


def test_a_secret_is_revealed_to_who_asks_and_to_nobody_else() -> None:
    found = tunnel(contexts(bundle()))
    assert found.ike is not None
    secret = found.ike.local.secret
    assert secret is not None
    assert secret.reveal() == b"secret"
    assert "secret" not in repr(found).replace("Secret(redacted)", "").replace("secret=", "")
    again = tunnel(contexts(bundle()))
    assert again == found


class CountingVault:
    """The vault, and the schema paths of which fingerprints were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def reveal(self, path: str, sealed: str) -> bytes:
        return VAULT.reveal(path, sealed)

    def fingerprint(self, path: str, sealed: str) -> str:
        self.asked.append(path)
        return VAULT.fingerprint(path, sealed)


def test_no_secret_is_opened_to_read_a_map_or_to_see_that_it_stays_the_same() -> None:
    desk, vault = Desk(), CountingVault()
    desk.load(contexts(bundle()))
    before, after = [Reader(desk.running.root, vault).tunnel(M) for _ in range(2)]
    assert before == after
    assert vault.asked == []
    assert before is not None
    assert before.ike is not None
    assert before.ike.local.secret != before.ike.remote.secret  # of other paths, though the clear text is the same
    assert len(vault.asked) == 2
    assert hash(before.ike.local.secret) == hash(before.ike.local.secret)
    assert len(vault.asked) == 2  # once a handle


def test_what_maps_have_in_common_is_made_once() -> None:
    desk = Desk()
    maps = [crypto_map(name) for name in ("m1", "m2")]
    desk.load(contexts(context("red", acl("a"), ike_set(), esp_set(), *maps)))
    reader = desk.scopes.reader(desk.running)
    first, second = [reader.crypto_map(Named("red", name)) for name in ("m1", "m2")]
    assert first is not None
    assert second is not None
    assert first.ike is not None
    assert second.ike is not None
    assert first.ike.proposals[0] is second.ike.proposals[0]


def test_manual_keys_are_octets() -> None:
    inner = interface("if", binding("m")), acl("a"), esp_set(), crypto_map(type="manual", inner=manual())
    found = tunnel(contexts(context("red", *inner)))
    assert found.kind is TunnelKind.MANUAL
    assert found.manual is not None
    inbound = found.manual.inbound
    assert inbound.spi == 256
    assert inbound.cipher_key is not None
    assert inbound.cipher_key.reveal() == bytes(range(16))
    assert found.children[0].lifetime is None


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("", {}),
        ("<protocol>tcp</protocol>", {"protocol": 6}),
        ("<protocol>icmp</protocol><icmp><type>8</type><code>0</code></icmp>",
         {"protocol": 1, "source_ports": ((8, 8),), "destination_ports": ((0, 0),)}),
        ("<protocol>132</protocol>", {"protocol": 132}),
        ("<action>deny</action>", {"action": "deny"}),
    ],
)  # fmt: skip
def test_rules_become_selectors(rule: str, expected: dict[str, Any]) -> None:
    reader = read(contexts(context("red", acl("a", rule=rule), crypto_map(inner=""))))
    found = reader.crypto_map(Named("red", "m"))
    assert found is not None
    assert found.selector == Selector(ip_network("192.0.2.1/32"), ip_network("198.51.100.1/32"), **expected)


def test_bits_beyond_the_length_of_a_prefix_do_not_count() -> None:
    found = tunnel(contexts(bundle("red"), context("red", acl("a", source="192.0.2.77/24"))))
    assert found.selector is not None
    assert found.selector.source == ip_network("192.0.2.0/24")


@pytest.mark.parametrize(
    ("match", "ports"),
    [
        ("<port>80</port>", ((80, 80),)),
        ("<operator>neq</operator><port>80</port>", ((0, 79), (81, 65535))),
        ("<operator>neq</operator><port>0</port>", ((1, 65535),)),
        ("<operator>lte</operator><port>80</port>", ((0, 80),)),
        ("<operator>gte</operator><port>80</port>", ((80, 65535),)),
        ("<lower-port>80</lower-port>", ((80, 80),)),
        ("<lower-port>80</lower-port><upper-port>90</upper-port>", ((80, 90),)),
    ],
)
def test_ports_become_ranges(match: str, ports: tuple[tuple[int, int], ...]) -> None:
    rule = f"<rule><name>r</name><protocol>udp</protocol><destination>{match}</destination></rule>"
    lists = f'<access-list xmlns="{URN}-acl"><name>a</name>{rule}</access-list>'
    found = read(contexts(context("red", lists, crypto_map(inner="")))).crypto_map(Named("red", "m"))
    assert found is not None
    assert found.selector == Selector(ip_network("0.0.0.0/0"), ip_network("0.0.0.0/0"), 17, (), ports)


@pytest.mark.parametrize(
    ("configured", "integrity"),
    [
        ({}, "sha1-96"),
        ({"encryption": "t:aes-256-gcm-128"}, "null"),
        ({"encryption": "t:aes-256-gcm-128", "hmac": "t:null"}, "null"),
        ({"encryption": "t:aes-cbc-256", "hmac": "t:sha2-256-128"}, "sha2-256-128"),
        ({"encryption": "t:null"}, "sha1-96"),
    ],
)
def test_an_integrity_that_nobody_set_is_null_with_gcm(configured: dict[str, object], integrity: str) -> None:
    found = tunnel(contexts(bundle("red", **configured)))  # type: ignore[arg-type]
    assert found.children[0].proposals[0].integrity == integrity


def test_a_transform_set_with_everything_set() -> None:
    values = {"encryption": "t:triple-des-cbc", "hmac": "t:md5-96", "group": 14, "mode": "transport"}
    found = tunnel(contexts(bundle("red", **values)))  # type: ignore[arg-type]
    assert found.children[0].proposals == (
        EspProposal("esp", "esp", "3des-cbc", "md5-96", 14, Mode.TRANSPORT, False, None),
    )


def test_dscp_zero_is_not_unset() -> None:
    assert tunnel(contexts(bundle(dscp=0))).configured == (("esp", 0),)
    assert tunnel(contexts(bundle())).configured == (("esp", None),)


def test_the_order_of_proposals_is_the_users() -> None:
    map_ = crypto_map(inner=ikev2(sets=("esp", "b", "a")))
    sets = esp_set("a"), esp_set("b"), esp_set()
    found = tunnel(contexts(context("red", interface("if", binding("m")), acl("a"), ike_set(), *sets, map_)))
    assert [proposal.name for proposal in found.proposals] == ["esp", "b", "a"]


def test_everything_else_of_an_ikev2_map() -> None:
    more = "<natt>true</natt><keepalive><interval>30</interval></keepalive><ca-certificate>root</ca-certificate>"
    ikesa = leafs(dscp=48, rekey="true", allow_empty_ikesa="true", retransmission_exponential="true")
    map_ = crypto_map(inner="<control-dont-fragment>set-bit</control-dont-fragment>" + ikev2(ikesa=ikesa, more=more))
    found = tunnel(contexts(context("red", interface("if", binding("m")), acl("a"), ike_set(), esp_set(), map_)))
    assert found.ike is not None
    assert found.ike.dpd == DeadPeerDetection(30, 10, 2)
    assert (found.df_bit, found.natt, found.ike.dscp) == (DfBit.SET, True, 48)
    assert (found.ike.rekey, found.ike.allow_empty, found.ike.exponential) == (True, True, True)
    assert found.ike.ca_certificates == ("root",)


def test_the_egress_vrf_is_that_of_the_interface() -> None:
    vrf = "<vrf><name>v</name></vrf>"
    more = contexts(context("red", vrf, interface("if", inner="<vrf>v</vrf>")))
    desk = Desk()
    desk.load(contexts(bundle()))
    desk.load(more)
    assert tunnel_of(desk).vrf == "v"


def tunnel_of(desk: Desk, item: TunnelId = M) -> Tunnel:
    found = desk.scopes.reader(desk.running).tunnel(item)
    assert found is not None
    return found


def test_maps_without_a_preference_follow_in_the_order_of_binding() -> None:
    preferred = crypto_map("c").replace("</match-address>", "</match-address><match-preference>7</match-preference>")
    maps = crypto_map("b"), crypto_map("a"), preferred
    bound = interface("if", binding("b"), binding("a"), binding("c"))
    reader = read(contexts(context("red", bound, acl("a"), ike_set(), esp_set(), *maps)))
    order = sorted(reader.tunnels(), key=lambda tunnel: tunnel.preference)
    assert [found.id.crypto_map for found in order] == ["c", "b", "a"]
    assert order[0].preference == 7


def test_a_dynamic_map_needs_neither_peer_nor_access_list() -> None:
    map_ = crypto_map(type="dynamic", acl=None, peer=None)
    found = tunnel(contexts(context("red", interface("if", binding("m")), ike_set(), esp_set(), map_)))
    assert (found.kind, found.remote, found.selector, found.family) == (TunnelKind.DYNAMIC, None, None, 4)


def test_an_ipv6_map_takes_the_ipv6_address() -> None:
    both = f"<ipv6>{leafs(address='2001:db8::9')}</ipv6>"
    map_ = crypto_map(type="ikev2-ipv6", peer="2001:db8::1", inner=ikev2(match="ipv6"))
    lists = acl("a", "2001:db8:1::/48", "2001:db8:2::/48")
    inner = interface("if", binding("m"), inner=both), lists, ike_set(), esp_set(), map_
    found = tunnel(contexts(context("red", *inner)))
    assert (found.local, found.family) == (ip_address("2001:db8::9"), 6)


# ===== completeness =====


def test_what_a_map_lacks_is_said() -> None:
    parts = interface("if", binding("m")), ike_set(), esp_set()
    empty = f'<access-list xmlns="{URN}-acl"><name>a</name></access-list>'
    no_keys = ikev2().replace(KEYS, "")
    vendor = ikev2().replace("pre-shared-key", "encrypted-key")
    assert missing(*parts, crypto_map(acl=None)) == "match-address is not set"
    assert missing(*parts, empty, crypto_map()) == "access list a has no rule: no packet is selected"
    assert missing(*parts, acl("a", rule="<action>deny</action>"), crypto_map()) == (
        "the rule of access list a denies: no packet is selected"
    )
    assert missing(*parts, acl("a"), crypto_map(peer=None)) == "peer is not set"
    assert missing(*parts, acl("a"), crypto_map(inner=no_keys)) == (
        "authentication local is not set; authentication remote is not set"
    )
    assert "vendor's encrypted form" in missing(*parts, acl("a"), crypto_map(inner=vendor))
    assert missing(*parts, acl("a"), crypto_map(inner=ikev2(sets=()))) == "payload p lists no transform set"
    assert missing(*parts, acl("a"), crypto_map(inner=f"<ikev2>{KEYS}</ikev2>")) == (
        "there is no payload; no ikev2-ikesa transform-set is listed"
    )


def test_what_a_manual_map_lacks_is_said() -> None:
    parts = interface("if", binding("m")), acl("a"), esp_set()
    one_way = manual().replace("<outbound>", "<!--").replace("</outbound>", "-->")
    assert missing(*parts, crypto_map(type="manual", inner=manual(()))) == "no transform-set is listed"
    assert missing(*parts, crypto_map(type="manual", inner=manual(auth=0))) == (
        "session-key inbound has no authenticator-key; session-key outbound has no authenticator-key"
    )
    assert missing(*parts, crypto_map(type="manual", inner=one_way)).startswith("session-key outbound has no spi")


def test_an_interface_without_an_address_has_no_tunnel() -> None:
    bare = f"<interface><name>if</name>{binding('m')}</interface>"
    assert missing(bare, acl("a"), ike_set(), esp_set(), crypto_map()) == "interface if has no IPv4 address"


def test_certificates_need_one_of_our_own() -> None:
    sides = "<authentication><local><certificate/></local><remote><certificate/></remote></authentication>"
    inner = ikev2().replace(KEYS, sides)
    parts = interface("if", binding("m")), acl("a"), ike_set(), esp_set()
    assert missing(*parts, crypto_map(inner=inner)) == (
        "authentication local is by certificate, but certificate is not set"
    )
    named = inner.replace("</authentication>", "</authentication><certificate>mine</certificate>")
    found = tunnel(contexts(context("red", *parts, crypto_map(inner=named))))
    assert found.ike is not None
    assert (found.ike.local.method, found.ike.local.reference) == ("certificate", "mine")
    assert (found.ike.remote.method, found.ike.remote.reference) == ("certificate", None)


# ===== services =====


def template(inner: str = "") -> str:
    return f'<crypto-template xmlns="{URN}-ipsec"><name>t</name>{inner}{ikev2()}</crypto-template>'


def service(**bind: object) -> str:
    return f'<security-service xmlns="{URN}-ipsec"><name>s</name><bind>{leafs(**bind)}</bind></security-service>'


def test_a_service_with_its_template_is_a_responder() -> None:
    own = service(address="192.0.2.9", crypto_template="t")
    eap = template().replace("<remote><pre-shared-key>secret</pre-shared-key>", "<remote><eap-profile>e</eap-profile>")
    found = read(contexts(context("red", ike_set(), esp_set(), eap, own))).responder(Named("red", "s"))
    assert found is not None
    assert (found.template, found.local, found.ike.max_child_sa) == ("t", ip_address("192.0.2.9"), 2)
    assert (found.ike.remote.method, found.ike.remote.reference) == ("eap", "e")


def test_a_service_without_template_or_address_says_so() -> None:
    found = read(contexts(context("red", service()))).service(Named("red", "s"))
    assert found is not None
    assert found.responder is None
    assert found.missing == ("bind address is not set", "bind crypto-template is not set")


# ===== QoS =====


def test_qos_maps_become_l2_marking() -> None:
    desk = Desk()
    desk.load(sample("seed"))
    l2 = desk.scopes.reader(desk.running).intent(lambda _: None).l2
    assert (l2.dscp_to_cos[0x28], sum(l2.dscp_to_cos)) == (1, 1)
    assert l2.tables["l2Marktable"].cell(1, 0) == (4, 6)
    assert l2.tables["l2Marktable"].cell(1, 1) == (2, 1)
    assert l2.system_default == L2Table()
    assert l2.contexts == {"ipsec-d": "l2Marktable", "ipsec-s": "l2Marktable"}


def test_unset_and_system_default_are_different_associations() -> None:
    chosen = f'<associate-l2-mapping-table xmlns="{URN}-qos"><system-default/></associate-l2-mapping-table>'
    vrfs = f"<vrf><name>v</name>{chosen}</vrf><vrf><name>w</name></vrf>"
    l2 = read(contexts(context("red", vrfs), context("blue", chosen))).intent(lambda _: None).l2
    assert l2.vrfs == {("red", "v"): None}
    assert l2.contexts == {"blue": None}


# ===== a change reads as the whole does =====


def _first(bound: str) -> str:
    """A binding before all others."""
    return binding(bound).replace("<crypto-map ", f'<crypto-map xmlns:y="{YANG}" y:insert="first" ', 1)


def _removed(kind: str, name: str, module: str) -> str:
    return f'<{kind} xmlns="{URN}-{module}" nc:operation="remove"><name>{name}</name></{kind}>'


NAMES = st.sampled_from(["a", "b"])
DSCPS = st.sampled_from([None, 0, 40])

PARTS = st.one_of(
    st.builds(lambda name, dscp: esp_set(name, dscp=dscp), NAMES, DSCPS),
    st.builds(lambda name: _removed("ipsec-transform-set", name, "ipsec"), NAMES),
    st.builds(lambda name, group: ike_set(name, group=group), st.just("ike"), st.sampled_from([2, 14])),
    st.builds(lambda name, net: acl(name, f"192.0.2.{net}/32"), NAMES, st.integers(1, 3)),
    st.builds(lambda name: _removed("access-list", name, "acl"), NAMES),
    st.builds(
        lambda name, lists, sets: crypto_map(name, acl=lists, inner=ikev2(sets=tuple(sets))),
        NAMES, NAMES, st.lists(NAMES, unique=True, max_size=2),
    ),
    st.builds(lambda name: _removed("crypto-map", name, "ipsec"), NAMES),
    st.builds(
        lambda name, bound, last: interface(name, *map(binding, bound), address=f"192.0.2.{last}"),
        NAMES, st.lists(NAMES, unique=True), st.integers(250, 252),
    ),
    st.builds(
        lambda name, bound: interface(name, _first(bound)),
        NAMES, NAMES,
    ),
    st.builds(
        lambda name, bound: f"<interface><name>{name}</name>{_removed('crypto-map', bound, 'ipsec')}</interface>",
        NAMES, NAMES,
    ),
    st.builds(lambda name: f'<interface nc:operation="remove"><name>{name}</name></interface>', NAMES),
    st.builds(lambda group: esp_set("esp", group=group), st.sampled_from([2, 14])),
    st.just(_removed("security-service", "s", "ipsec")),
)  # fmt: skip
QOS = st.builds(
    lambda dscp, cos: qos(f"<ip-dscp-iphb-mapping>{leafs(dscp=dscp, cos=cos)}</ip-dscp-iphb-mapping>"),
    st.integers(0, 2), st.integers(0, 7),
)  # fmt: skip
EDITS = st.one_of(
    st.builds(lambda part: contexts(context("a", part)), PARTS),
    st.builds(lambda parts: contexts(context("a", *parts)), st.lists(PARTS, min_size=2, max_size=3)),
    QOS,
    st.builds(lambda name: contexts(f'<context nc:operation="remove"><name>{name}</name></context>'), NAMES),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EDITS, min_size=4, max_size=12))
def test_a_change_reads_as_the_whole_does(edits: list[str]) -> None:
    desk = Desk()
    served = template(), service(address="192.0.2.9", crypto_template="t")
    sets = acl("a"), acl("b"), ike_set(), esp_set("a"), esp_set("b"), esp_set(), *served
    maps = [crypto_map(name, acl=name, inner=ikev2(sets=(name,))) for name in ("a", "b")]
    bound = interface("a", binding("a"), binding("b"))
    desk.load(contexts(*(context(name, bound, *sets, *maps) for name in ("a", "b"))))
    intent = whole(desk, Intent())
    assert len(intent.tunnels) == 4
    for edit in edits:
        try:
            transition = desk.transition(desk.edited(edit))
        except RpcErrors:
            continue
        change = desk.scopes.of(transition).change(intent)
        desk.running = transition.new
        assert change.new == whole(desk, change.new)
        assert {item.some.id for item in change.tunnels} == differing(intent, change.new)
        intent = change.new


def whole(desk: Desk, known: Intent) -> Intent:
    """The intent read from nothing, with what was applied as known."""

    def applied(item: TunnelId) -> Applied | None:
        found = known.tunnels.get(item)
        return found.applied if found else None

    return Reader(desk.running.root, VAULT).intent(applied)


def differing(old: Intent, new: Intent) -> set[TunnelId]:
    ids = {*old.tunnels.keys(), *new.tunnels.keys()}
    return {item for item in ids if old.tunnels.get(item) != new.tunnels.get(item)}


def test_the_kinds_are_the_lists_of_a_context() -> None:
    schema = Desk().schema
    node = schema.find("cryptomap-context:contexts/context")
    named = {child.qname.removeprefix("cryptomap-context:") for child in node.children if hasattr(child, "keys")}  # type: ignore[attr-defined]
    assert named == set(Kind)
