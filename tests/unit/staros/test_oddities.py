"""What is odd in the seed, by the numbers O-1 to O-22 of the project's rulings: one test, at least, for each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cryptomap.data.tree import Node
from cryptomap.data.validation import validate
from cryptomap.errors import RpcErrors
from cryptomap.schema.nodes import Schema
from cryptomap.staros import Imported, export_text
from cryptomap.staros.paths import entries_at, explicit, text_at
from cryptomap.staros.show import show
from cryptomap.staros.show.crypto_map import show_crypto_map

Import = Callable[..., Imported]
Reasons = Callable[[str], dict[int, str]]

SET = "context c\nipsec transform-set s\n"
MAP = "context c\ncrypto map m ikev2-ipv4\n"
PSK = f"{MAP}authentication local pre-shared-key "
RULE = "context c\nip access-list a\npermit tcp 209.165.200.225 {} 209.165.200.245 {}\n"


def of_context(root: Node, name: str) -> Node:
    [context] = entries_at(root, "cryptomap-context:contexts/context").nodes()
    [entry] = entries_at(context, name).nodes()
    return entry


def the_map(root: Node) -> Node:
    return of_context(root, "cryptomap-ipsec:crypto-map")


def the_set(root: Node) -> Node:
    return of_context(root, "cryptomap-ipsec:ipsec-transform-set")


def shown(root: Node) -> str:
    [context] = entries_at(root, "cryptomap-context:contexts/context").nodes()
    return show_crypto_map(the_map(root), context)


def test_o1_the_lifetime_shown_is_the_one_configured(take: Import) -> None:
    assert "    Seconds: 9000\n" in shown(take(f"{MAP}payload p match ipv4\nlifetime 9000").root)


def test_o2_indentation_says_nothing(take: Import) -> None:
    flat = f"{MAP}payload p match ipv4\nlifetime 9000\n#exit\npeer 209.165.201.2\n"
    odd = f"{MAP}    payload p match ipv4\n\n        lifetime 9000\n\n#exit\n\npeer 209.165.201.2\n"
    assert take(odd).root == take(flat).root


def test_o3_fused_keywords_are_refused(reasons: Reasons) -> None:
    assert reasons(f"{PSK}encrypted_key encrypted_key") == {3: "'<hidden>' stands where 'key' is expected"}
    assert reasons(f"{PSK}encrypted key encrypted_key") == {}
    assert reasons(f"{PSK}key encrypted_key") == {}


def test_o4_abbreviated_keywords_are_taken_and_written_in_full(take: Import, schema: Schema) -> None:
    root = take(f"{MAP}ikev2-ikesa max-retransmission 3").root
    assert "      ikev2-ikesa max-retransmissions 3\n" in export_text(schema, root).text


def test_o5_dscp_is_inside_the_transform_set(take: Import, reasons: Reasons) -> None:
    assert explicit(the_set(take(f"{SET}dscp 0x28\n#exit").root), "dscp") == "40"
    assert list(reasons("context c\nipsec transform-set s\n#exit\ndscp 0x28")) == [4]


def test_o6_the_row_of_a_table_has_its_full_syntax(take: Import, reasons: Reasons) -> None:
    head = "qos l2-mapping-table name t\ninternal-priority cos 0x1 color 0x0 802.1p-value "
    assert list(reasons(f"{head}0x4 0x6")) == [2]
    take(f"{head}0x4 mpls-tc 0x6")


def test_o7_internal_priority_is_two_commands(reasons: Reasons) -> None:
    assert list(reasons("qos ip-dscp-iphb-mapping dscp 0x28 internal-priority cos 0x1 color 0x0")) == [1]
    assert list(reasons("internal-priority cos 0x1 color 0x0 mpls-tc 0x6")) == [1]


def test_o8_the_802_1p_value_is_four_bits(take: Import, reasons: Reasons) -> None:
    head = "qos l2-mapping-table name t\ninternal-priority cos 0x1 color 0x0 802.1p-value "
    [table] = entries_at(take(f"{head}0xf").root, "cryptomap-qos:qos/l2-mapping-table").nodes()
    [row] = entries_at(table, "internal-priority").nodes()
    assert explicit(row, "dot1p-value") == "15"
    assert list(reasons(f"{head}0x10")) == [2]


def test_o9_the_dscp_of_ike_is_not_that_of_esp(take: Import) -> None:
    root = take(f"{SET}dscp 0x28\nexit\ncrypto map m ikev2-ipv4\npayload p match ipv4\nipsec transform-set list s").root
    assert "IKE SA DSCP Value: 0x00\n" in shown(root)
    assert "IKE SA DSCP Value: 0x28\n" in shown(take(f"{MAP}ikev2-ikesa dscp 0x28").root)


def test_o10_the_printed_wildcards_are_refused(reasons: Reasons) -> None:
    assert list(reasons(RULE.format("209.165.200.250", "209.165.200.250"))) == [3]
    assert reasons(RULE.format("0.0.0.0", "0.0.0.0")) == {}


@pytest.mark.parametrize("tail", ["", " eq 6002"])
def test_o11_the_rule_shown_is_the_one_configured(take: Import, tail: str) -> None:
    rule = f"permit tcp 209.165.200.225 0.0.0.0 209.165.200.245 0.0.0.0{tail}"
    text = f"context c\nip access-list a\n{rule}\nexit\ncrypto map m ikev2-ipv4\nmatch address a"
    assert f"Rules:\n  {rule}\nCrypto" in shown(take(text).root)


def test_o12_an_association_is_of_its_own_context(take: Import, schema: Schema) -> None:
    """The two contexts of the seed are not tied to each other."""
    text = (
        "qos l2-mapping-table name t\nexit\ncontext ipsec-d\nexit\ncontext ipsec-s\nassociate l2-mapping-table name t"
    )
    root = take(text).root
    validate(schema, root, None)
    d, s = entries_at(root, "cryptomap-context:contexts/context").nodes()
    association = "cryptomap-qos:associate-l2-mapping-table/name"
    assert (explicit(d, association), explicit(s, association)) == (None, "t")


def test_o13_the_setup_timer_may_be_missing(take: Import, schema: Schema) -> None:
    root = take(MAP).root
    assert text_at(the_map(root), "ikev2/ikev2-ikesa/setup-timer") is None
    validate(schema, root, None)


def test_o14_names_of_payloads_count_per_map(take: Import, schema: Schema) -> None:
    payload = "payload foo-sa0 match ipv4\nexit\nexit\n"
    root = take(f"{MAP}{payload}crypto map n ikev2-ipv4\n{payload}").root
    assert export_text(schema, root).text.count("payload foo-sa0 match ipv4") == 2


def test_o15_keywords_are_case_insensitive_and_written_in_lower_case(take: Import, schema: Schema) -> None:
    root = take("Config\nCONTEXT C\nIPsec Transform-Set S\nEncryption AES-CBC-256\nDSCP 0X2E").root
    text = export_text(schema, root).text
    assert text.startswith(
        "config\n  context C\n    ipsec transform-set S\n      encryption aes-cbc-256\n      dscp 0x2e\n"
    )


def test_o16_a_mapping_is_a_cell_and_no_profile(take: Import, reasons: Reasons) -> None:
    head = "qos ip-dscp-iphb-mapping dscp 0x28 internal-priority cos"
    [row] = entries_at(take(f"{head} 0x1\n{head} 0x2").root, "cryptomap-qos:qos/ip-dscp-iphb-mapping").nodes()
    assert explicit(row, "cos") == "2"
    assert list(reasons("qos ip-dscp-iphb-mapping profile")) == [1]


def test_o17_ikev1_is_refused_unless_its_feature_is_on(reasons: Reasons) -> None:
    assert list(reasons("context c\nikev1 policy 1\nexit\ncrypto map m ipsec-ikev1\nexit")) == [2, 4]


def test_o18_services_share_a_template_and_have_one_at_most(take: Import) -> None:
    text = "context c\ncrypto template t ikev2-dynamic\nexit\n"
    text += "".join(f"security-service {name}\nbind address 192.0.2.1 crypto-template t\nexit\n" for name in "ab")
    [context] = entries_at(take(text).root, "cryptomap-context:contexts/context").nodes()
    services = entries_at(context, "cryptomap-ipsec:security-service").nodes()
    assert [explicit(service, "bind/crypto-template") for service in services] == ["t", "t"]


@pytest.mark.parametrize("cipher", ["des-cbc", "3des-cbc", "aes-cbc-128", "aes-cbc-256"])
def test_o19_ike_has_the_ciphers_of_the_one_filled_column(take: Import, reasons: Reasons, cipher: str) -> None:
    take(f"context c\nikev2-ikesa transform-set i\nencryption {cipher}")
    assert list(reasons("context c\nikev2-ikesa transform-set i\nencryption aes-128-gcm-128")) == [3]


@pytest.mark.parametrize("cipher", ["aes-cbc-192", "aes-192-gcm"])
def test_o20_algorithms_without_a_keyword_are_reported(
    reasons: Reasons, configuration: Callable[[str], Node], schema: Schema, cipher: str
) -> None:
    assert reasons(f"{SET}encryption {cipher}") == {3: f"'{cipher}' has no keyword in StarOS: set it by NETCONF"}
    leaf = f'<encryption xmlns:t="urn:cryptomap:yang:cryptomap-types">t:{cipher}</encryption>'
    sets = f'<ipsec-transform-set xmlns="urn:cryptomap:yang:cryptomap-ipsec"><name>s</name>{leaf}</ipsec-transform-set>'
    contexts = f"<context><name>c</name>{sets}</context>"
    exported = export_text(
        schema, configuration(f'<contexts xmlns="urn:cryptomap:yang:cryptomap-context">{contexts}</contexts>')
    )
    assert [path[-1][0].name for path in exported.unsaid] == ["encryption"]


def test_o21_esn_is_read_and_its_use_is_for_a_rule_to_refuse(take: Import, schema: Schema) -> None:
    root = take(f"{SET}esn").root
    with pytest.raises(RpcErrors, match="Extended sequence numbers are not supported"):
        validate(schema, root, None)


def test_o22_notifications_named_after_rfc_5996_keep_their_keyword(take: Import, schema: Schema) -> None:
    line = "ikev2-ikesa policy use-rfc5996-notification"
    assert line in export_text(schema, take(MAP + line).root).text


def test_what_is_shown_is_not_all_that_is_configured(take: Import, schema: Schema) -> None:
    """Timers are not in the show command of a map: show configuration is for round trips."""
    root = take(f"{MAP}ikev2-ikesa setup-timer 60").root
    assert "setup-timer" not in show(schema, root, ["crypto", "map"])
    assert "setup-timer 60" in show(schema, root, ["configuration"])
