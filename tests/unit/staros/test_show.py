"""Show commands, against what the seed prints.

``golden/printed-*`` is the printed text; the differences from it are ruled, and each is named here. ``golden/show-*``
is the whole output with its layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lxml import etree

from cryptomap.data.tree import Node
from cryptomap.data.xml import read_inner
from cryptomap.datastore.secrets import Vault
from cryptomap.schema.nodes import Schema
from cryptomap.staros import Imported, export_text
from cryptomap.staros.paths import entries_at
from cryptomap.staros.show import ShowFault, filter_of, show
from cryptomap.staros.show.crypto_map import show_crypto_map
from cryptomap.staros.show.qos import show_l2_table, show_qos_mapping
from support.yang import product_schema

Import = Callable[..., Imported]

HERE = Path(__file__).parent
SAMPLE = HERE.parents[2] / "samples/seed.xml"
IPSEC = "{urn:cryptomap:yang:cryptomap-ipsec}"
CONTEXT = "{urn:cryptomap:yang:cryptomap-context}"


def seed_xml() -> etree._Element:
    """The seed's configuration with its state."""
    data = etree.parse(SAMPLE).getroot()
    state = etree.parse(HERE / "seed-state.xml").getroot()
    context = f"{CONTEXT}contexts/{CONTEXT}context"
    _append(data, f"{context}/{IPSEC}crypto-map", state.find("map"))
    _append(data, f"{context}/{CONTEXT}interface/{IPSEC}crypto-map", state.find("tunnel"))
    return data


def _append(data: etree._Element, path: str, state: etree._Element | None) -> None:
    assert state is not None
    [entry] = [found for found in data.findall(path) if found.findtext(f"{IPSEC}name") == "foo0"]
    entry.append(state[0])


def tree(data: etree._Element) -> Node:
    return read_inner(product_schema(), product_schema().root, data, Vault([bytes(64)]))


@pytest.fixture(scope="module")
def seed() -> Node:
    return tree(seed_xml())


def golden(name: str) -> str:
    return (HERE / "golden" / name).read_text()


def lines(text: str) -> list[str]:
    """The lines that are not blank, with single blanks."""
    return [" ".join(line.split()) for line in text.split("\n") if line.strip()]


# ===== show crypto map =====

RULED = {
    # O-10, O-11: the configured rule, which has valid wildcards and no port.
    "permit tcp 209.165.200.225 209.165.200.250 209.165.200.245 209.165.200.250 eq 6002": (
        "permit tcp 209.165.200.225 0.0.0.0 209.165.200.245 0.0.0.0"
    ),
    # O-9: the DSCP of IKE is a leaf of its own, and it is not configured.
    "IKE SA DSCP Value: 0x28": "IKE SA DSCP Value: 0x00",
    # O-1: the lifetime is the configured one.
    "Seconds: 90": "Seconds: 9000",
}


def test_show_crypto_map_prints_what_the_seed_prints(schema: Schema, seed: Node) -> None:
    printed = lines(golden("printed-crypto-map.txt"))
    assert RULED.keys() <= set(printed)
    assert lines(show(schema, seed, ["crypto", "map", "tag", "foo0"])) == [RULED.get(line, line) for line in printed]


def test_show_crypto_map_has_this_layout(schema: Schema, seed: Node) -> None:
    assert show(schema, seed, ["crypto", "map", "tag", "foo0"]) == golden("show-crypto-map.txt")


def test_show_crypto_map_without_a_tag_shows_all(schema: Schema, seed: Node) -> None:
    text = show(schema, seed, ["crypto", "map"])
    assert [line for line in text.split("\n") if line.startswith("Map Name")] == ["Map Name: foo0", "Map Name: foo1"]


def test_what_nobody_reports_is_unknown(schema: Schema, seed: Node) -> None:
    """The crypto map foo1 comes without state."""
    shown = lines(show(schema, seed, ["crypto", "map", "tag", "foo1"]))
    for line in ("IPSec Manager: Unknown", "Map status: Unknown", "DNS Handling: Unknown", "MTU: 1438 [Default]"):
        assert line in shown
    assert "interface using this crypto-map: None" in shown
    assert "permit tcp 209.165.200.225 0.0.0.0 209.165.200.247 0.0.0.0" in shown


CHANGES = [
    ("mtu 1400", "payload", "  MTU: 1400"),
    ("mtu 1438", "payload", "  MTU: 1438"),
    ("maximum-child-sa 2", "payload", "  Payload Maximum Child SA: 2"),
    ("ignore-rekeying-requests", "payload", "  Payload Ignore Ikesa Rekey: Enabled"),
    ("lifetime kilo-bytes 5", "payload", "    Kilobytes: 5"),
    ("lifetime sequence-number 5", "payload", "    Sequence Number: 5"),
    ("default lifetime", "payload", "    Seconds: 86400 [Default]"),
    ("tsi start-address 192.0.2.1 end-address 192.0.2.2", "payload", "  Payload TSI End Address: 192.0.2.2"),
    ("ikev2-ikesa ddos half-open-timer 60", "", "  Half Open Timer: 60"),
    ("notify-payload device-id", "", "  Device Identity: Enabled"),
    ("no notify-payload device-id", "", "  Device Identity: Disabled"),
    ("notify-payload error-message-type ue base 9000", "", "  UE: 9000"),
    ("blacklist", "", "Blacklist/Whitelist : Blacklist"),
    ("ocsp", "", "OCSP Status          : Enabled"),
    ("no ocsp nonce", "", "OCSP Nonce Status   : Disabled"),
    ("ocsp responder-address 192.0.2.9 port 80", "", "OCSP Responder Address :192.0.2.9 port 80"),
    ("remote-secret-list r", "", "Remote-secret-list: r"),
    ("natt", "", "NATT: Enabled"),
    ("control-dont-fragment set-bit", "", "  Dont Fragment: Set bit"),
    ("allow-cert-enc cert-hash-url", "", "CERT Enc Type URL Allowed: Enabled"),
    ("allow-custom-fqdn-idr", "", "Custom FQDN Allowed: Enabled"),
    ("no match address", "", "  None"),
    ("ikev2-ikesa dscp 0x2e", "", "IKE SA DSCP Value: 0x2e"),
]


@pytest.mark.parametrize(("line", "mode", "shown"), CHANGES, ids=[change[0] for change in CHANGES])
def test_what_is_configured_is_shown(take: Import, line: str, mode: str, shown: str) -> None:
    opener = "payload p match ipv4\nlifetime 9000\n" if mode else "match address a\n"
    root = take(f"context c\ncrypto map m ikev2-ipv4\npayload p match ipv4\nexit\n{opener}{line}").root
    [context] = entries_at(root, "cryptomap-context:contexts/context").nodes()
    [crypto_map] = entries_at(context, "cryptomap-ipsec:crypto-map").nodes()
    assert shown in show_crypto_map(crypto_map, context).split("\n")


def changed(*changes: tuple[str, str]) -> Node:
    """The seed with the texts of some elements of the state of foo0 replaced."""
    data = seed_xml()
    state = data.find(f".//{IPSEC}crypto-map/{IPSEC}state/{IPSEC}manager/..")
    assert state is not None
    for name, text in changes:
        found = state.find(f".//{IPSEC}{name}")
        assert found is not None
        found.text = text
    return tree(data)


STATES = [
    ("status", "incomplete", "Map status: Incomplete"),
    ("peer-identity-check", "true", "IKE SA IDi [Peer]: Enabled"),
    ("reapply-pending", "true", "  Reapply Pending: Yes"),
    ("esn", "true", "    ESN: Enabled"),
    ("dscp", "0", "    Dscp: 0x00"),
    ("encryption-accelerator", "aes-ni", "    Encryption Accel: aes-ni"),
    ("dns-handling", "custom", "DNS Handling: Custom"),
    ("local-method", "certificate", "  Phase 1 - Certificate (Size = 7)"),
]


@pytest.mark.parametrize(("name", "text", "shown"), STATES)
def test_what_the_state_says_is_shown(schema: Schema, name: str, text: str, shown: str) -> None:
    assert shown in show(schema, changed((name, text)), ["crypto", "map", "tag", "foo0"]).split("\n")


def test_a_dscp_that_is_not_set_is_not_0(schema: Schema) -> None:
    data = seed_xml()
    dscp = data.find(f".//{IPSEC}transform/{IPSEC}dscp")
    assert dscp is not None
    dscp.getparent().remove(dscp)  # type: ignore[union-attr]
    assert "    Dscp: None" in show(schema, tree(data), ["crypto", "map", "tag", "foo0"]).split("\n")


def test_a_manual_map_has_no_ike(take: Import, schema: Schema) -> None:
    root = take("context c\ncrypto map m ipsec-manual\nset peer 192.0.2.1\nset ip mtu 1400").root
    text = show(schema, root, ["crypto", "map"])
    assert "IKE" not in text
    assert "Crypto Map Type: IPSEC Manual\n" in text
    assert "  MTU: 1400\n" in text
    assert "  Remote Gateway: 192.0.2.1\n" in text


def test_no_key_is_ever_shown(schema: Schema, seed: Node) -> None:
    for command in ("crypto map", "configuration"):
        assert "key foo0key" not in show(schema, seed, command.split())
    assert "$cm1$" not in show(schema, seed, ["crypto", "map"])


# ===== show qos =====


def test_show_qos_mapping_prints_what_the_seed_prints(schema: Schema, seed: Node) -> None:
    """The seed has lost all rules between rows but two."""
    shown = lines(show(schema, seed, ["qos", "ip-dscp-iphb-mapping"]))
    printed = lines(golden("printed-qos-mapping.txt"))
    assert [line for line in shown if line != "-----"] == [line for line in printed if line != "-----"]
    assert [at for at, line in enumerate(shown) if line == "-----"] == [9 * block for block in range(1, 9)]


def test_show_qos_mapping_has_this_layout(schema: Schema, seed: Node) -> None:
    assert show(schema, seed, ["qos", "ip-dscp-iphb-mapping"]) == golden("show-qos-mapping.txt")


def test_show_l2_table_prints_what_the_seed_prints(schema: Schema, seed: Node) -> None:
    """The seed prints the two lines of the header as one."""
    shown = lines(show(schema, seed, ["qos", "l2-mapping-table", "name", "l2Marktable"]))
    printed = lines(golden("printed-l2-table.txt"))
    assert shown[:3] == ["Table: l2Marktable", "Internal Priority 802.1p MPLS", "Class-of-service Color"]
    assert printed[:2] == ["Table: l2Marktable", "Internal Class-of-service Priority Color 802.1p MPLS"]
    assert shown[3:] == printed[2:]


def test_show_l2_table_has_this_layout(schema: Schema, seed: Node) -> None:
    assert show(schema, seed, ["qos", "l2-mapping-table", "name", "l2Marktable"]) == golden("show-l2-table.txt")


def test_the_state_of_a_table_wins_over_what_is_configured(configuration: Callable[[str], Node]) -> None:
    state = "<state><ip-dscp-iphb-mapping><dscp>40</dscp><cos>5</cos></ip-dscp-iphb-mapping></state>"
    config = "<ip-dscp-iphb-mapping><dscp>40</dscp><cos>1</cos></ip-dscp-iphb-mapping>"
    data = etree.fromstring(f'<data><qos xmlns="urn:cryptomap:yang:cryptomap-qos">{config}{state}</qos></data>')
    assert "0x28  5\n" in show_qos_mapping(tree(data).node("cryptomap-qos:qos"))


def test_tables_that_are_not_configured_have_their_defaults(schema: Schema, take: Import) -> None:
    nothing = take("").root
    assert show(schema, nothing, ["qos", "ip"]) == show_qos_mapping(None)
    text = show(schema, nothing, ["qos", "l2", "system-default"])
    assert text == show_l2_table(None, "system-default")
    assert lines(text)[-2] == "7 3 0xe 7"


# ===== security associations, configuration, the commands =====


def test_ike_sas_have_this_layout(schema: Schema, seed: Node) -> None:
    assert show(schema, seed, ["crypto", "ikev2-ikesa", "security-associations"]) == golden("show-ike-sas.txt")


def test_ipsec_sas_have_this_layout(schema: Schema, seed: Node) -> None:
    assert show(schema, seed, ["crypto", "ipsec", "security-associations"]) == golden("show-ipsec-sas.txt")


@pytest.mark.parametrize(("tag", "number"), [("foo0", 1), ("foo1", 0)])
def test_sas_can_be_those_of_one_map(schema: Schema, seed: Node, tag: str, number: int) -> None:
    for kind, title in (("ikev2-ikesa", "IKE"), ("ipsec", "IPSec")):
        text = show(schema, seed, ["crypto", kind, "sec", "tag", tag])
        assert text.endswith(f"Total {title} SAs: {number}\n")


def test_show_configuration_is_the_canonical_text(schema: Schema, seed: Node) -> None:
    assert show(schema, seed, ["conf"]) == export_text(schema, seed).text


READS = [
    ("crypto map", ["context/name", "context/access-list", "context/crypto-map"]),
    ("crypto map tag foo0", ["context/name", "context/access-list", "context/crypto-map/name=foo0"]),
    ("cry ipsec sec tag foo0", ["context/name", "context/interface/name", "context/interface/crypto-map/name=foo0"]),
    ("crypto ipsec transform-set", ["context/name", "context/ipsec-transform-set"]),
    ("qos ip-dscp-iphb-mapping", [""]),
]


@pytest.mark.parametrize(("command", "reads"), READS)
def test_a_command_reads_no_more_than_it_shows(command: str, reads: list[str]) -> None:
    found = etree.fromstring(f"<filter>{filter_of(command.split())}</filter>")[0]
    assert list(_leafs(found, "")) == reads


def _leafs(element: etree._Element, path: str) -> Iterator[str]:
    for child in element:
        name = f"{path}/{etree.QName(child).localname}".lstrip("/")
        yield from _leafs(child, name) if len(child) else [f"{name}={child.text}" if child.text else name]
    if not len(element):
        yield path


SETS = """context ipsec-d
ipsec transform-set gold
encryption aes-256-gcm-128
dscp 0x2e
group 14
ikev2-ikesa transform-set strong
encryption aes-cbc-256
crypto template t ikev2-dynamic
ikev2-ikesa transform-set list strong
payload p match childsa match ipv4
ipsec transform-set list gold
"""
OTHERS = [
    (
        "crypto ipsec transform-set tag gold",
        "Transform-Set: gold\n  Context: ipsec-d\n  Protocol: esp\n  Encryption Cipher: aes-256-gcm-128\n"
        "  Hashed Message Authentication Code: Unknown\n  Diffie-Hellman Group: 14\n  Mode: Tunnel\n"
        "  ESN: Disabled\n  Dscp: 0x2e\n",
    ),
    (
        "crypto ikev2-ikesa transform-set",
        "Transform-Set: strong\n  Context: ipsec-d\n  Encryption Cipher: aes-cbc-256\n  Pseudo Random Function: sha1\n"
        "  Hashed Message Authentication Code: sha1-96\n  Diffie-Hellman Group: 2\n  Lifetime: 86400 Sec\n",
    ),
    (
        "crypto template",
        "Map Name: t\n=====\n  Context: ipsec-d\n  Map status: Unknown\n  Crypto Map Type: IPSEC IKEv2 Template\n"
        "  Services: None\n  IKE SA Transforms: strong\n  IKE SA DSCP Value: 0x00\n  Max Child SAs: 2\n"
        "  IPSec SA Payload 1/1\n    Name : p\n    Transform Set: gold\n      ESN: Disabled\n      Dscp: 0x2e\n",
    ),
]


@pytest.mark.parametrize(("command", "shown"), OTHERS)
def test_sets_and_templates_have_this_layout(take: Import, schema: Schema, command: str, shown: str) -> None:
    text = SETS.replace("group 14\n", "group 14\nexit\n").replace("aes-cbc-256\n", "aes-cbc-256\nexit\n")
    assert show(schema, take(text).root, command.split()) == shown


def test_summaries_managers_and_statistics(schema: Schema, seed: Node) -> None:
    summary = lines(show(schema, seed, ["crypto", "ikev2-ikesa", "security-associations", "summary"]))
    assert summary[1].startswith("ipsec-d foo0 209.165.202.129 209.165.201.1 0x1234567890abcdef")
    assert summary[-1] == "Total IKE SAs: 1"
    summary = lines(show(schema, seed, ["crypto", "ipsec", "security-associations", "summary", "tag", "foo0"]))
    assert summary[1].endswith("0x28")
    assert lines(show(schema, seed, ["crypto", "managers"])) == [
        "IPSec Manager Crypto Maps",
        "54 ipsec-d/foo0",
        "Unknown ipsec-d/foo1",
    ]
    statistics = lines(show(schema, seed, ["crypto", "statistics", "ikev2", "tag", "foo0"]))
    assert statistics[:3] == ["Crypto Map: foo0", "Context: ipsec-d", "Interface: saegw-l1l-loopback-ipv4"]
    assert any(line.startswith("Output Packets: ") for line in statistics)


FAULTS = [
    ("", "show commands are: crypto map, crypto template"),
    ("version", "show commands are: crypto map, crypto template"),
    ("crypto", "the line ends where ikev2-ikesa, ipsec, managers, map, statistics or template is expected"),
    ("crypto i", "'i' can be ikev2-ikesa or ipsec: write more of it"),
    ("crypto map foo0", "'foo0' is not expected after 'show crypto map'"),
    ("crypto map tag", "the line ends where a name is expected"),
    ("crypto map tag foo9", "there is no crypto map foo9"),
    ("qos l2-mapping-table name t", "there is no l2-mapping-table t"),
]


@pytest.mark.parametrize(("command", "fault"), FAULTS)
def test_a_show_command_at_fault(schema: Schema, seed: Node, command: str, fault: str) -> None:
    with pytest.raises(ShowFault, match=fault):
        show(schema, seed, command.split())
