"""Rules of access lists: forms, wildcards, port operators, order."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptomap.data.tree import Node
from cryptomap.schema.nodes import Schema
from cryptomap.staros import Imported, export_text, rule_text
from cryptomap.staros.paths import entries_at, explicit, text_at
from cryptomap.staros.rule_lines import read_rule
from cryptomap.staros.text import Refusal, Tokens

Import = Callable[..., Imported]
ANY_IP = {"action": "permit", "protocol": "ip"}
SOURCE, DESTINATION = "source/prefix", "destination/prefix"

RULES = [
    ("permit any", ANY_IP, "permit ip any any"),
    ("permit host 192.0.2.1", ANY_IP | {SOURCE: "192.0.2.1/32"}, "permit ip 192.0.2.1 0.0.0.0 any"),
    ("permit 192.0.2.0 0.0.0.255", ANY_IP | {SOURCE: "192.0.2.0/24"}, "permit ip 192.0.2.0 0.0.0.255 any"),
    ("permit 192.0.2.0/24", ANY_IP | {SOURCE: "192.0.2.0/24"}, "permit ip 192.0.2.0 0.0.0.255 any"),
    (
        "permit ip 192.0.2.7 0.0.0.255 host 198.51.100.1",
        ANY_IP | {SOURCE: "192.0.2.0/24", DESTINATION: "198.51.100.1/32"},
        "permit ip 192.0.2.0 0.0.0.255 198.51.100.1 0.0.0.0",
    ),
    ("permit ip any 192.0.2.0 0.0.0.3", ANY_IP | {DESTINATION: "192.0.2.0/30"}, "permit ip any 192.0.2.0 0.0.0.3"),
    ("permit ip 10.0.0.0 0.0.15.255 any", ANY_IP | {SOURCE: "10.0.0.0/20"}, "permit ip 10.0.0.0 0.0.15.255 any"),
    (
        "permit ip 0.0.0.0 255.255.255.255 any",
        ANY_IP | {SOURCE: "0.0.0.0/0"},
        "permit ip 0.0.0.0 255.255.255.255 any",
    ),
    ("deny log udp any any", {"action": "deny", "log": "true", "protocol": "udp"}, "deny log udp any any"),
    ("permit ip any any protocol 47", ANY_IP | {"protocol": "47"}, "permit ip any any protocol 47"),
    (
        "permit tcp any eq 22 any neq 80",
        {"protocol": "tcp", "source/operator": "eq", "source/port": "22", "destination/operator": "neq"},
        "permit tcp any eq 22 any neq 80",
    ),
    (
        "permit udp any gt 1023 any lt 1024",
        {
            "source/operator": "gte",
            "source/port": "1024",
            "destination/operator": "lte",
            "destination/port": "1023",
        },
        "permit udp any gt 1023 any lt 1024",
    ),
    ("permit udp any any lt 65535", {"destination/port": "65534"}, "permit udp any any lt 65535"),
    ("permit udp any any gt 0", {"destination/port": "1"}, "permit udp any any gt 0"),
    (
        "permit tcp any range 10 20 any",
        {"source/lower-port": "10", "source/upper-port": "20"},
        "permit tcp any range 10 20 any",
    ),
    (
        "permit icmp any any 8 0",
        {"protocol": "icmp", "icmp/type": "8", "icmp/code": "0"},
        "permit icmp any any 8 0",
    ),
    ("permit icmp any any 8", {"icmp/type": "8", "icmp/code": None}, "permit icmp any any 8"),
    ("PERMIT T HOST 192.0.2.1 A E 5", {"protocol": "tcp"}, "permit tcp 192.0.2.1 0.0.0.0 any eq 5"),
]


@pytest.mark.parametrize(("line", "leafs", "written"), RULES, ids=[rule[0] for rule in RULES])
def test_a_rule_is_read_and_written(
    take: Import, schema: Schema, line: str, leafs: dict[str, str | None], written: str
) -> None:
    root = take(f"context c\nip access-list a\n{line}").root
    [rule] = rules_of(root)
    assert {path: explicit(rule, path) for path in leafs} == leafs
    assert f"      {written}" in export_text(schema, root).text.split("\n")
    assert rule_text(rule, "ipv4") == written


IPV6_RULES = [
    ("permit tcp host 2001:db8::1 any", "permit tcp 2001:db8::1 :: any"),
    ("permit ip 2001:db8:: ::ffff:ffff:ffff:ffff any", "permit ip 2001:db8:: ::ffff:ffff:ffff:ffff any"),
    ("permit ip 2001:DB8::/32 any", "permit ip 2001:db8:: ::ffff:ffff:ffff:ffff:ffff:ffff any"),
]


@pytest.mark.parametrize(("line", "written"), IPV6_RULES)
def test_an_ipv6_list_has_ipv6_rules(take: Import, line: str, written: str) -> None:
    [rule] = rules_of(take(f"context c\nipv6 access-list a\n{line}").root)
    assert rule_text(rule, "ipv6") == written


REFUSED = [
    ("permit tcp 209.165.200.225 209.165.200.250 any", "wildcard 209.165.200.250 are not all at its end"),
    ("permit ip 192.0.2.0 0.0.7.15 any", "wildcard 0.0.7.15 are not all at its end"),
    ("permit ip any 192.0.2.0", "the line ends where a wildcard is expected"),
    ("permit ip any 192.0.2.0/33", "'33' is not a prefix length"),
    ("permit ip any 192.0.2.0/²", "'²' is not a prefix length"),
    ("permit", "the line ends where a protocol or an address is expected"),
    ("permit ip", "the line ends where the source is expected"),
    ("permit ip any foo", "'foo' is not an address, 'any' or 'host'"),
    ("permit ip host foo any", "'foo' is not an IP address"),
    ("permit ip host 2001:db8::1 any", "2001:db8::1 is not an ipv4 address, but the access list is ipv4"),
    ("permit gre any any", "'gre' is not a protocol or an address"),
    ("permit i any any", "'i' can be icmp or ip"),
    ("permit ip any any eq 22", "'eq' is not expected here"),
    ("permit tcp any eq 65536 any", "'65536' is not a port number from 0 to 65535"),
    ("permit tcp any any gt 65535", "no port is gt 65535"),
    ("permit tcp any any lt 0", "no port is lt 0"),
    ("permit tcp any range 20 10 any", "the port range ends at 10, before it begins"),
    ("permit tcp any any eq http", "'http' is not a port number"),
    ("permit icmp any any 256", "'256' is not the ICMP type from 0 to 255"),
    ("permit tcp any any redirect", "'redirect' is not expected here"),
]


@pytest.mark.parametrize(("line", "reason"), REFUSED, ids=[line for line, _ in REFUSED])
def test_a_rule_is_refused_with_a_reason(reasons: Callable[[str], dict[int, str]], line: str, reason: str) -> None:
    refused = reasons(f"context c\nip access-list a\n{line}")
    assert list(refused) == [3]
    assert reason in refused[3]


ONES = st.integers(0, 32).map(lambda bits: 2**bits - 1)


@given(st.integers(0, 2**32 - 1), ONES | st.integers(0, 2**32 - 1))
def test_exactly_the_wildcards_of_prefixes_are_taken(address: int, wildcard: int) -> None:
    line = Tokens(["ip", str(IPv4Address(address)), str(IPv4Address(wildcard)), "any"])
    if bin(wildcard).count("1") == wildcard.bit_length():
        prefix = f"{IPv4Address(address & ~wildcard)}/{32 - wildcard.bit_length()}"
        assert read_rule("permit", line, "ipv4")[SOURCE] == prefix
    else:
        with pytest.raises(Refusal, match="one bits"):
            read_rule("permit", line, "ipv4")


# ===== a list of rules =====


def rules_of(root: Node) -> list[Node]:
    contexts = entries_at(root, "cryptomap-context:contexts/context")
    [access_list] = [
        access_list
        for context in contexts.nodes()
        for access_list in entries_at(context, "cryptomap-acl:access-list").nodes()
    ]
    return list(entries_at(access_list, "rule").nodes())


def sources(root: Node) -> list[str | None]:
    return [text_at(rule, SOURCE) for rule in rules_of(root)]


HEAD = "context c\nip access-list a\npermit host 10.0.0.1\npermit host 10.0.0.2\n"


def test_rules_keep_their_order_and_get_names(take: Import) -> None:
    rules = rules_of(take(HEAD).root)
    assert [text_at(rule, "name") for rule in rules] == ["rule-1", "rule-2"]


def test_the_same_text_is_the_same_rule(take: Import) -> None:
    imported = take(HEAD + "permit ip host 10.0.0.1 any")
    assert len(rules_of(imported.root)) == 2
    assert [note.text for note in imported.notes] == ["the access list has this rule already"]


def test_no_removes_the_rule_of_that_text(take: Import) -> None:
    assert sources(take(HEAD + "no permit ip host 10.0.0.1 any").root) == ["10.0.0.2/32"]


def test_no_needs_the_whole_text(take: Import) -> None:
    imported = take(HEAD + "no permit log host 10.0.0.1")
    assert len(rules_of(imported.root)) == 2
    assert [note.text for note in imported.notes] == ["there is nothing to remove"]


def test_before_and_after_place_the_next_rules(take: Import) -> None:
    text = HEAD + "before permit host 10.0.0.2\npermit host 10.0.0.8\npermit host 10.0.0.9\n"
    assert sources(take(text).root) == ["10.0.0.1/32", "10.0.0.8/32", "10.0.0.9/32", "10.0.0.2/32"]
    text = HEAD + "after permit host 10.0.0.1\npermit host 10.0.0.8\n"
    assert sources(take(text).root) == ["10.0.0.1/32", "10.0.0.8/32", "10.0.0.2/32"]


def test_a_place_that_matches_no_rule_changes_nothing(take: Import) -> None:
    imported = take(HEAD + "before permit host 10.0.0.7\npermit host 10.0.0.8\n")
    assert sources(imported.root) == ["10.0.0.1/32", "10.0.0.2/32", "10.0.0.8/32"]
    assert [note.line_number for note in imported.notes] == [5]


def test_a_place_counts_until_the_list_is_left(take: Import) -> None:
    text = HEAD + "before permit host 10.0.0.1\nexit\nip access-list a\npermit host 10.0.0.8\n"
    assert sources(take(text).root)[-1] == "10.0.0.8/32"


def test_a_rule_added_to_a_base_gets_a_free_name(take: Import) -> None:
    base = take(HEAD + "no permit host 10.0.0.1").root
    rules = rules_of(take("context c\nip access-list a\npermit host 10.0.0.9", base).root)
    assert [text_at(rule, "name") for rule in rules] == ["rule-2", "rule-3"]


ACL = '<contexts xmlns="urn:cryptomap:yang:cryptomap-context"><context><name>c</name>'
ACL += '<access-list xmlns="urn:cryptomap:yang:cryptomap-acl"><name>a</name>{}</access-list></context></contexts>'
UNSPEAKABLE = [
    "<protocol>132</protocol><destination><port>2905</port></destination>",
    "<protocol>tcp</protocol><icmp><type>8</type></icmp>",
    "<protocol>icmp</protocol><icmp><code>1</code></icmp>",
    "<source><prefix>2001:db8::/32</prefix></source>",
]


@pytest.mark.parametrize("content", UNSPEAKABLE)
def test_a_rule_without_a_form_is_left_out_as_a_whole(
    configuration: Callable[[str], Node], schema: Schema, content: str
) -> None:
    """What is written must never match more than what is configured."""
    exported = export_text(schema, configuration(ACL.format(f"<rule><name>rule-1</name>{content}</rule>")))
    assert "permit" not in exported.text
    assert [path[-1][0].name for path in exported.unsaid] == ["rule"]


def test_names_of_rules_are_reported_if_reading_would_change_them(
    configuration: Callable[[str], Node], schema: Schema
) -> None:
    rules = "".join(f"<rule><name>{name}</name><protocol>{name}</protocol></rule>" for name in ("tcp", "udp"))
    exported = export_text(schema, configuration(ACL.format(rules)))
    assert [(path[-2][1], path[-1][0].name) for path in exported.unsaid] == [("tcp", "name"), ("udp", "name")]


def test_every_port_has_the_form_of_a_range(configuration: Callable[[str], Node], schema: Schema) -> None:
    source = "<source><operator>gte</operator><port>0</port></source>"
    rule = f"<rule><name>rule-1</name><protocol>tcp</protocol>{source}</rule>"
    assert "permit tcp any range 0 65535 any" in export_text(schema, configuration(ACL.format(rule))).text
