"""Every command once, both ways: the line, the leafs it sets, and the line that is written for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from cryptomap.data.tree import Node
from cryptomap.schema.nodes import Schema
from cryptomap.staros import Imported, export_text
from cryptomap.staros.grammar import Mode, Statement
from cryptomap.staros.paths import entries_at, explicit, node_at
from cryptomap.staros.tables import CONFIGURE

Import = Callable[..., Imported]

CONTEXT = ("context c",)
IKE = "ikev2/ikev2-ikesa"
TYPES = "cryptomap-types:"

MODES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "configure": ((), ""),
    "table": (("qos l2-mapping-table name t",), "cryptomap-qos:qos/l2-mapping-table[t]"),
    "default table": (
        ("qos l2-mapping-table system-default",),
        "cryptomap-qos:qos/system-default-l2-mapping-table",
    ),
    "context": (CONTEXT, "cryptomap-context:contexts/context[c]"),
    "vrf": ((*CONTEXT, "ip vrf v"), "cryptomap-context:contexts/context[c]>vrf[v]"),
    "list": ((*CONTEXT, "ip access-list a"), "cryptomap-context:contexts/context[c]>cryptomap-acl:access-list[a]"),
    "ike set": (
        (*CONTEXT, "ikev2-ikesa transform-set i"),
        "cryptomap-context:contexts/context[c]>cryptomap-ipsec:ikev2-ikesa-transform-set[i]",
    ),
    "set": (
        (*CONTEXT, "ipsec transform-set s"),
        "cryptomap-context:contexts/context[c]>cryptomap-ipsec:ipsec-transform-set[s]",
    ),
    "ah set": (
        (*CONTEXT, "crypto ipsec transform-set h ah hmac md5-96"),
        "cryptomap-context:contexts/context[c]>cryptomap-ipsec:ipsec-transform-set[h]",
    ),
    "map": (
        (*CONTEXT, "crypto map m ikev2-ipv4"),
        "cryptomap-context:contexts/context[c]>cryptomap-ipsec:crypto-map[m]",
    ),
    "map6": (
        (*CONTEXT, "crypto map m ikev2-ipv6"),
        "cryptomap-context:contexts/context[c]>cryptomap-ipsec:crypto-map[m]",
    ),
    "dynamic": (
        (*CONTEXT, "crypto map m ipsec-dynamic"),
        "cryptomap-context:contexts/context[c]>cryptomap-ipsec:crypto-map[m]",
    ),
    "manual": (
        (*CONTEXT, "crypto map m ipsec-manual"),
        "cryptomap-context:contexts/context[c]>cryptomap-ipsec:crypto-map[m]",
    ),
    "payload": (
        (*CONTEXT, "crypto map m ikev2-ipv4", "payload p match ipv4"),
        "cryptomap-context:contexts/context[c]>cryptomap-ipsec:crypto-map[m]>ikev2/payload[p]",
    ),
    "template": (
        (*CONTEXT, "crypto template t ikev2-dynamic"),
        "cryptomap-context:contexts/context[c]>cryptomap-ipsec:crypto-template[t]",
    ),
    "interface": ((*CONTEXT, "interface x loopback"), "cryptomap-context:contexts/context[c]>interface[x]"),
    "service": (
        (*CONTEXT, "security-service w"),
        "cryptomap-context:contexts/context[c]>cryptomap-ipsec:security-service[w]",
    ),
    "sx": ((*CONTEXT, "sx-service y"), "cryptomap-context:contexts/context[c]>cryptomap-application:application[y]"),
}
"""Mode -> the lines that lead into it, and the node it is about: list entries in brackets, ``>`` where one ends."""

Leafs = Mapping[str, str | tuple[str, ...] | None]
Case = tuple[str, str, Leafs, str]


def same(mode: str, line: str, leafs: Leafs) -> Case:
    """A line that is canonical."""
    return mode, line, leafs, line


def short(mode: str, line: str, leafs: Leafs, written: str) -> Case:
    """A line that is written in another way."""
    return mode, line, leafs, written


ASSOCIATION = "cryptomap-qos:associate-l2-mapping-table"
CASES: list[Case] = [
    same("context", "associate l2-mapping-table name t", {f"{ASSOCIATION}/name": "t"}),
    same("context", "associate l2-mapping-table system-default", {f"{ASSOCIATION}/system-default": ""}),
    same("vrf", "associate l2-mapping-table name t", {f"{ASSOCIATION}/name": "t"}),
    same("vrf", "associate l2-mapping-table system-default", {f"{ASSOCIATION}/system-default": ""}),
    # ----- transform sets
    same("ike set", "encryption 3des-cbc", {"encryption": f"{TYPES}triple-des-cbc"}),
    same("ike set", "hmac sha2-512-256", {"hmac": f"{TYPES}sha2-512-256"}),
    same("ike set", "prf md5", {"prf": f"{TYPES}md5"}),
    short("ike set", "prf aes-scbc-128", {"prf": f"{TYPES}aes-xcbc-128"}, "prf aes-xcbc-128"),
    same("ike set", "group 14", {"group": "14"}),
    same("ike set", "lifetime 3600", {"lifetime": "3600"}),
    same("set", "encryption aes-256-gcm-128", {"encryption": f"{TYPES}aes-256-gcm-128"}),
    same("set", "hmac null", {"hmac": f"{TYPES}null"}),
    same("set", "group none", {"group": "none"}),
    same("set", "mode transport", {"mode": "transport"}),
    same("set", "esn", {"esn": "true"}),
    same("set", "no esn", {"esn": "false"}),
    same("set", "dscp 0x28", {"dscp": "40"}),
    short("set", "dscp 0X3F", {"dscp": "63"}, "dscp 0x3f"),
    short("set", "dscp 8", {"dscp": "8"}, "dscp 0x08"),
    same("ah set", "mode transport", {"mode": "transport", "protocol": "ah", "hmac": f"{TYPES}md5-96"}),
    # ----- crypto maps
    same("map", "match address foo0", {"match-address": "foo0", "match-preference": None}),
    same("map", "match address foo0 4294967295", {"match-address": "foo0", "match-preference": "4294967295"}),
    same("map", "peer 209.165.201.1", {"type": "ikev2-ipv4", "peer": "209.165.201.1"}),
    same("map6", "peer 2001:db8::1", {"type": "ikev2-ipv6", "peer": "2001:db8::1"}),
    same("map", "control-dont-fragment set-bit", {"control-dont-fragment": "set-bit"}),
    same("dynamic", "match address foo0", {"type": "dynamic", "match-address": "foo0"}),
    same("map", "authentication local certificate", {"ikev2/authentication/local/certificate": ""}),
    same("map", "authentication remote certificate", {"ikev2/authentication/remote/certificate": ""}),
    same("template", "authentication remote eap-profile e", {"ikev2/authentication/remote/eap-profile": "e"}),
    short(
        "template",
        "authentication eap-profile e",
        {"ikev2/authentication/remote/eap-profile": "e"},
        "authentication remote eap-profile e",
    ),
    same("map", "certificate mine", {"ikev2/certificate": "mine"}),
    same("map", "ca-certificate list ca-cert-name b ca-cert-name a", {"ikev2/ca-certificate": ("b", "a")}),
    same("map", "ca-crl list ca-crl-name b ca-crl-name a", {"ikev2/ca-crl": ("b", "a")}),
    same("map", "ocsp", {"ikev2/ocsp/enabled": "true"}),
    same("map", "no ocsp nonce", {"ikev2/ocsp/nonce": "false"}),
    same("map", "ocsp nonce", {"ikev2/ocsp/nonce": "true"}),
    same(
        "map",
        "ocsp responder-address 192.0.2.1 port 8080",
        {"ikev2/ocsp/responder-address": "192.0.2.1", "ikev2/ocsp/responder-port": "8080"},
    ),
    same("map", "allow-cert-enc cert-hash-url", {"ikev2/allow-cert-enc-cert-hash-url": "true"}),
    same("map", "allow-custom-fqdn-idr", {"ikev2/allow-custom-fqdn-idr": "true"}),
    same("map", "ikev2-ikesa allow-empty-ikesa", {f"{IKE}/allow-empty-ikesa": "true"}),
    same("map", "no ikev2-ikesa allow-empty-ikesa", {f"{IKE}/allow-empty-ikesa": "false"}),
    same("map", "ikev2-ikesa max-retransmissions 8", {f"{IKE}/max-retransmissions": "8"}),
    same(
        "map",
        "ikev2-ikesa retransmission-timeout 15000 exponential",
        {f"{IKE}/retransmission-timeout": "15000", f"{IKE}/retransmission-exponential": "true"},
    ),
    same("map", "ikev2-ikesa setup-timer 60", {f"{IKE}/setup-timer": "60"}),
    same("map", "ikev2-ikesa transform-set list b a c", {f"{IKE}/transform-set": ("b", "a", "c")}),
    same("map", "ikev2-ikesa rekey", {f"{IKE}/rekey": "true", f"{IKE}/rekey-disallow-param-change": None}),
    same(
        "map",
        "ikev2-ikesa rekey disallow-param-change",
        {f"{IKE}/rekey": "true", f"{IKE}/rekey-disallow-param-change": "true"},
    ),
    same("map", "no ikev2-ikesa rekey", {f"{IKE}/rekey": "false"}),
    same(
        "map",
        "ikev2-ikesa policy error-notification invalid-major-version invalid-message-id invalid-syntax",
        {
            f"{IKE}/policy/error-notification": "true",
            f"{IKE}/policy/error-notification-cause": (
                "invalid-major-version",
                "invalid-message-id",
                "invalid-syntax",
            ),
        },
    ),
    short(
        "map",
        "ikev2-ikesa policy invalid-syntax invalid-major-version",
        {f"{IKE}/policy/error-notification-cause": ("invalid-major-version", "invalid-syntax")},
        "ikev2-ikesa policy error-notification invalid-major-version invalid-syntax",
    ),
    same("map", "no ikev2-ikesa policy error-notification", {f"{IKE}/policy/error-notification": "false"}),
    same("map", "ikev2-ikesa policy use-rfc5996-notification", {f"{IKE}/policy/use-rfc5996-notification": "true"}),
    same("map", "ikev2-ikesa dscp 0x28", {f"{IKE}/dscp": "40"}),
    same("map", "ikev2-ikesa ddos half-open-timer 60", {f"{IKE}/ddos/half-open-timer": "60"}),
    same("map", "ikev2-ikesa ddos decrypt-fail-count 5", {f"{IKE}/ddos/decrypt-fail-count": "5"}),
    same("map", "ikev2-ikesa ddos max-ikev2-requests 20", {f"{IKE}/ddos/max-ikev2-requests": "20"}),
    same("map", "ikev2-ikesa ddos message-queue-size 20", {f"{IKE}/ddos/message-queue-size": "20"}),
    same("map", "ikev2-ikesa ddos rekey-rate 2", {f"{IKE}/ddos/rekey-rate": "2"}),
    same("map", "ikev2-ikesa ddos max-certificate-size 4096", {f"{IKE}/ddos/max-certificate-size": "4096"}),
    same("map", "keepalive", {"ikev2/keepalive/interval": None}),
    short(
        "map",
        "keepalive num-retry 4 interval 10",
        {"ikev2/keepalive/interval": "10", "ikev2/keepalive/num-retry": "4", "ikev2/keepalive/timeout": None},
        "keepalive interval 10 num-retry 4",
    ),
    same("map", "keepalive timeout 5", {"ikev2/keepalive/timeout": "5"}),
    same("map", "natt", {"ikev2/natt": "true"}),
    same("map", "no notify-payload device-id", {"ikev2/notify-payload/device-id": "false"}),
    same("map", "notify-payload device-id", {"ikev2/notify-payload/device-id": "true"}),
    *(
        same(
            "map",
            f"notify-payload error-message-type {name} base 9000",
            {f"ikev2/notify-payload/error-message-type/{name}": "9000"},
        )
        for name in ("ue", "network-transient-minor", "network-transient-major", "network-permanent")
    ),
    same("map", "remote-secret-list r", {"ikev2/remote-secret-list": "r"}),
    same("map", "whitelist", {"ikev2/whitelist": "", "ikev2/blacklist": None}),
    same("map", "blacklist", {"ikev2/blacklist": "", "ikev2/whitelist": None}),
    # ----- payloads
    same("payload", "ipsec transform-set list b a", {"match": "ipv4", "transform-set": ("b", "a")}),
    same("payload", "lifetime 9000", {"lifetime": "9000"}),
    same("payload", "lifetime kilo-bytes 1000", {"lifetime-kilobytes": "1000"}),
    same("payload", "lifetime sequence-number 4000000", {"lifetime-sequence-number": "4000000"}),
    same("payload", "rekey", {"rekey": "true", "rekey-keepalive": None}),
    same("payload", "rekey keepalive", {"rekey": "true", "rekey-keepalive": "true"}),
    same("payload", "no rekey", {"rekey": "false"}),
    same("payload", "ignore-rekeying-requests", {"ignore-rekeying-requests": "true"}),
    same("payload", "maximum-child-sa 4", {"maximum-child-sa": "4"}),
    same("payload", "mtu 1400", {"mtu": "1400"}),
    same(
        "payload",
        "tsi start-address 192.0.2.1 end-address 192.0.2.9",
        {"tsi/start-address": "192.0.2.1", "tsi/end-address": "192.0.2.9"},
    ),
    same("payload", "tsr start-address endpoint end-address endpoint", {"tsr/start-address": "endpoint"}),
    # ----- manual maps
    same("manual", "match address foo0", {"type": "manual", "match-address": "foo0"}),
    same("manual", "set peer 192.0.2.1", {"peer": "192.0.2.1"}),
    same("manual", "set transform-set A", {"manual/transform-set": ("A",)}),
    same("manual", "set control-dont-fragment clear-bit", {"control-dont-fragment": "clear-bit"}),
    same("manual", "set ip mtu 1400", {"manual/mtu": "1400"}),
    # ----- templates and services
    same("template", "max-childsa 4 overload-action terminate", {"max-childsa/overload-action": "terminate"}),
    same("template", "control-dont-fragment clear-bit", {"control-dont-fragment": "clear-bit"}),
    same("template", "ikev2-ikesa dscp 0x0a", {f"{IKE}/dscp": "10"}),
    same(
        "service",
        "bind address 192.0.2.1 crypto-template t",
        {"bind/address": "192.0.2.1", "bind/crypto-template": "t"},
    ),
    same("sx", "bind ipv4-address 192.0.2.1", {"type": f"{TYPES}sx", "local-address": "192.0.2.1"}),
    same("sx", "bind ipv6-address 2001:db8::1", {"local-address": "2001:db8::1"}),
    # ----- interfaces
    same("interface", 'description "to the \\"core\\""', {"loopback": "true", "description": 'to the "core"'}),
    same("interface", "ip vrf forwarding v", {"vrf": "v"}),
    same("interface", "ip address 192.0.2.1 255.255.255.0", {"ipv4/address": "192.0.2.1", "ipv4/prefix-length": "24"}),
    short(
        "interface",
        "ip address 192.0.2.1/30",
        {"ipv4/prefix-length": "30"},
        "ip address 192.0.2.1 255.255.255.252",
    ),
    short(
        "interface",
        "ip address 192.0.2.1 /30",
        {"ipv4/prefix-length": "30"},
        "ip address 192.0.2.1 255.255.255.252",
    ),
    same("interface", "ip address 192.0.2.1 255.255.255.255", {"ipv4/prefix-length": None}),
    same("interface", "ipv6 address 2001:db8::1/64", {"ipv6/address": "2001:db8::1", "ipv6/prefix-length": "64"}),
]


def node_of(root: Node, where: str) -> Node:
    """The node that a mode is about, see :data:`MODES`."""
    node: Node | None = root
    for step in where.split(">") if where else ():
        path, _, key = step.rstrip("]").partition("[")
        assert node is not None
        node = entries_at(node, path).get(key) if key else node_at(node, path)
    assert node is not None, where
    return node


@pytest.mark.parametrize(("mode", "line", "leafs", "written"), CASES, ids=[f"{case[0]}: {case[1]}" for case in CASES])
def test_it_is_read_and_written(take: Import, schema: Schema, mode: str, line: str, leafs: Leafs, written: str) -> None:
    openers, where = MODES[mode]
    imported: Imported = take("\n".join([*openers, line]))
    node = node_of(imported.root, where)
    assert {path: explicit(node, path) for path in leafs} == leafs
    exported = export_text(schema, imported.root)
    assert written in map(str.strip, exported.text.split("\n"))
    assert exported.unsaid == ()


ENTRIES = [
    "qos ip-dscp-iphb-mapping dscp 0x28 internal-priority cos 0x1",
    "qos l2-mapping-table name t",
    "context c",
]
CONTEXT_ENTRIES = [
    "ip vrf v",
    "ip access-list a",
    "ipv6 access-list a",
    "ikev2-ikesa transform-set i",
    "ipsec transform-set s",
    "crypto ipsec transform-set h ah hmac sha1-96",
    "crypto map m ikev2-ipv4",
    "crypto map m ikev2-ipv6",
    "crypto map m ipsec-manual",
    "crypto map m ipsec-dynamic",
    "crypto template t ikev2-dynamic",
    "interface x",
    "interface x loopback",
    "security-service w",
    "sx-service y",
]


@pytest.mark.parametrize("line", ENTRIES)
def test_a_global_entry_is_read_written_and_removed(take: Import, schema: Schema, line: str) -> None:
    root = take(line).root
    assert f"  {line}" in export_text(schema, root).text.split("\n")
    assert take(f"no {line}", root).root.is_empty


@pytest.mark.parametrize("line", CONTEXT_ENTRIES)
def test_an_entry_of_a_context_is_read_written_and_removed(take: Import, schema: Schema, line: str) -> None:
    root = take(f"context c\n{line}").root
    assert f"    {line}" in export_text(schema, root).text.split("\n")
    name = line.removesuffix(" loopback").removesuffix(" ah hmac sha1-96")
    assert take(f"context c\nno {name}", root).root == take("context c").root


@pytest.mark.parametrize("opener", ["qos l2-mapping-table name t", "qos l2-mapping-table system-default"])
def test_a_row_of_a_table_keeps_what_a_line_omits(take: Import, schema: Schema, opener: str) -> None:
    lines = [
        opener,
        "internal-priority cos 0x1 color 0x0 802.1p-value 0x4",
        "internal-priority cos 1 color 0 mpls-tc 6",
    ]
    row = "    internal-priority cos 0x1 color 0x0 802.1p-value 0x4 mpls-tc 0x6"
    root = take("\n".join(lines)).root
    assert row in export_text(schema, root).text.split("\n")
    removed = take(f"{opener}\ndefault internal-priority cos 0x1 color 0x0", root).root
    assert removed == take(opener).root


def test_payloads_say_their_family_in_maps_and_in_templates(take: Import, schema: Schema) -> None:
    text = "context c\ncrypto map m ikev2-ipv6\npayload p match ipv6\nexit\nexit\n"
    text += "crypto template t ikev2-dynamic\npayload q match childsa match ipv4\n"
    lines = export_text(schema, take(text).root).text.split("\n")
    assert "      payload p match ipv6" in lines
    assert "      payload q match childsa match ipv4" in lines


def test_maps_of_an_interface_keep_their_order(take: Import, schema: Schema) -> None:
    root = take("context c\ninterface x\ncrypto-map foo1\ncrypto-map foo0\ncrypto-map foo1").root
    lines = [line.strip() for line in export_text(schema, root).text.split("\n")]
    assert [line for line in lines if line.startswith("crypto-map")] == ["crypto-map foo1", "crypto-map foo0"]


def test_every_command_of_the_tables_is_tested_here() -> None:
    lines = [line for *_, line in CASES] + ENTRIES + CONTEXT_ENTRIES
    special = {"payload", "crypto-map", "internal-priority", "ikev1 policy", "permit", "deny", "before", "after"}
    special |= {"ikev2-ikesa policy", "authentication eap-profile", "qos l2-mapping-table system-default"}
    keys = ("pre-shared-key", "set session-key")
    known = {statement.words for mode in _modes(CONFIGURE) for statement in mode.statements}
    tested = {words for words in known if any(line.removeprefix("no ").startswith(words) for line in lines)}
    assert {words for words in known - tested - special if not any(key in words for key in keys)} == set()


def _modes(mode: Mode) -> Iterator[Mode]:
    if mode.name == "ikev1 policy":
        return
    yield mode
    statements: tuple[Statement, ...] = mode.statements
    for statement in statements:
        if statement.mode is not None:
            yield from _modes(statement.mode)
